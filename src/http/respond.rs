//! What answers a request, before HTTP has its say → the answer: conditions, ranges, compression, caching.

use super::body::{Body, Part};
use super::conditions::{Validators, Verdict, whole_seconds};
use super::encoding::{Coding, Preference};
use super::kind::ProblemKind;
use super::problem::Problem;
use super::ranges::{Wanted, is_range, wanted};
use crate::media::ByteRange;
use crate::metrics::Packing;
use crate::origin::Content;
use bytes::Bytes;
use hyper::header::{
    ACCEPT_ENCODING, ACCEPT_RANGES, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, ETAG,
    HeaderValue, LAST_MODIFIED, RANGE, VARY,
};
use hyper::http::request::Parts;
use hyper::{HeaderMap, Method, Response, StatusCode};
use std::ops::Range;
use std::time::SystemTime;

/// Headers of an answer, about.
const HEADERS: usize = 20;

/// What answers a request.
#[derive(Debug, Clone)]
pub(super) struct Entity {
    /// Its media type.
    pub media_type: &'static str,
    /// What names its bytes, without quotes.
    pub etag: String,
    /// When it was last modified, if that is known.
    pub modified: Option<SystemTime>,
    /// Who may keep it, and how long.
    pub caching: HeaderValue,
    /// Its bytes; text is compressible.
    pub content: Content,
}

/// The representation of an entity that a request gets.
#[derive(Debug, Clone)]
pub(super) enum Chosen {
    /// As it is, or ranges of it.
    Plain,
    /// Its text compressed: these bytes.
    Packed(Packing, Bytes),
}

impl Entity {
    /// The answer to `request`, which is GET or HEAD: `chosen` as [`Entity::to_pack`] says.
    pub(super) fn respond(self, chosen: Chosen, request: &Parts) -> Result<Response<Body>, Problem> {
        // RFC 9110 §8.8.3.3: codings are different bytes and have different strong tags.
        let etag = match &chosen {
            Chosen::Plain => format!("\"{}\"", self.etag),
            Chosen::Packed(packing, _) => format!("\"{}-{}\"", self.etag, packing.as_str()),
        };
        let validators = Validators { etag: &etag, modified: self.modified };
        match validators.judge(&request.headers) {
            Verdict::Failed => {
                let detail = "what is stored here is not what If-Match or If-Unmodified-Since names";
                return Err(Problem::new(ProblemKind::PreconditionFailed, detail));
            }
            Verdict::NotModified => {
                let mut response = Response::new(Body::empty());
                *response.status_mut() = StatusCode::NOT_MODIFIED;
                self.describe(&etag, response.headers_mut());
                return Ok(response);
            }
            Verdict::Send => {}
        }
        let mut response = match chosen {
            Chosen::Packed(packing, packed) => self.packed(packing, packed),
            Chosen::Plain => {
                let range = range_of(request).filter(|_| validators.range_counts(&request.headers));
                self.plain(range, request.uri.path())?
            }
        };
        // Also where HEAD takes the body away again.
        let length = HeaderValue::from(response.body().len());
        response.headers_mut().insert(CONTENT_LENGTH, length);
        self.describe(&etag, response.headers_mut());
        Ok(response)
    }

    /// The text that `request` gets compressed, and how. A range is always one of the identity, if the client takes that
    /// at all.
    pub(super) fn to_pack(&self, request: &Parts) -> Option<(Packing, &Bytes)> {
        let text = self.text()?;
        let preference = Preference::of(&request.headers);
        let coding = if range_of(request).is_some_and(is_range) { preference.ranged } else { preference.best };
        match coding {
            Coding::Packed(packing) => Some((packing, text)),
            Coding::Identity => None,
        }
    }

    /// What can be compressed.
    const fn text(&self) -> Option<&Bytes> {
        if let Content::Text(text) = &self.content { Some(text) } else { None }
    }

    /// The headers that 200, 206 and 304 share (RFC 9110 §15.4.5).
    fn describe(&self, etag: &str, headers: &mut HeaderMap) {
        headers.insert(CACHE_CONTROL, self.caching.clone());
        headers.insert(ETAG, header(etag));
        if let Some(modified) = self.modified {
            headers.insert(LAST_MODIFIED, header(&httpdate::fmt_http_date(whole_seconds(modified))));
        }
        if self.text().is_some() {
            headers.insert(VARY, HeaderValue::from_name(ACCEPT_ENCODING));
        }
    }

    /// 200 with compressed text, which has no ranges.
    fn packed(&self, packing: Packing, packed: Bytes) -> Response<Body> {
        let mut response = Response::new(Body::text(packed));
        response.headers_mut().insert(CONTENT_ENCODING, HeaderValue::from_static(packing.as_str()));
        response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(self.media_type));
        response
    }

    /// 200, 206 or 416 with the bytes as they are.
    fn plain(&self, range: Option<&str>, path: &str) -> Result<Response<Body>, Problem> {
        let length = self.content.len();
        let mut headers = HeaderMap::with_capacity(HEADERS);
        headers.insert(ACCEPT_RANGES, HeaderValue::from_static("bytes"));
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(self.media_type));
        let (status, parts) = match range.map_or(Wanted::Whole, |range| wanted(range, length)) {
            Wanted::Whole => (StatusCode::OK, ByteRange::new(0, length).map(Part::Range).into_iter().collect()),
            Wanted::One(range) => {
                headers.insert(CONTENT_RANGE, header(&content_range(range, length)));
                (StatusCode::PARTIAL_CONTENT, vec![Part::Range(range)])
            }
            Wanted::Several(ranges) => {
                // The boundary is made of what names the bytes: the same each time, and no bytes can contain their own.
                let boundary = etag_of(self.etag.as_bytes());
                headers.insert(CONTENT_TYPE, header(&format!("multipart/byteranges; boundary={boundary}")));
                (StatusCode::PARTIAL_CONTENT, self.multipart(&ranges, &boundary))
            }
            Wanted::Nothing => {
                let detail = format!("no byte of that range is among the {length} that there are");
                let there = header(&format!("bytes */{length}"));
                return Err(Problem::new(ProblemKind::RangeNotSatisfiable, detail).with(CONTENT_RANGE, there));
            }
        };
        let mut response = Response::new(Body::new(self.content.clone(), parts, path));
        *response.status_mut() = status;
        *response.headers_mut() = headers;
        Ok(response)
    }

    /// RFC 9110 §14.6.
    fn multipart(&self, ranges: &[ByteRange], boundary: &str) -> Vec<Part> {
        let length = self.content.len();
        let mut parts = Vec::with_capacity(2 * ranges.len() + 1);
        for (at, range) in ranges.iter().enumerate() {
            let before = if at == 0 { "" } else { "\r\n" };
            let (media_type, place) = (self.media_type, content_range(*range, length));
            let head = format!("{before}--{boundary}\r\nContent-Type: {media_type}\r\nContent-Range: {place}\r\n\r\n");
            parts.extend([Part::Bytes(head.into()), Part::Range(*range)]);
        }
        parts.push(Part::Bytes(format!("\r\n--{boundary}--\r\n").into()));
        parts
    }
}

/// `Range` is for GET alone (RFC 9110 §14.2), and is a single header.
fn range_of(request: &Parts) -> Option<&str> {
    let mut values = request.headers.get_all(RANGE).iter();
    let only = values.next().filter(|_| request.method == Method::GET && values.next().is_none());
    only.and_then(|value| value.to_str().ok())
}

/// The span of what `request` will be sent of `length` bytes, as far as its method and its ranges say.
pub(super) fn span(request: &Parts, length: u64) -> Option<Range<u64>> {
    if request.method == Method::HEAD {
        return None;
    }
    match range_of(request).map_or(Wanted::Whole, |range| wanted(range, length)) {
        Wanted::Whole => Some(0..length),
        Wanted::One(range) => Some(range.start()..range.end()),
        Wanted::Several(ranges) => {
            let starts = ranges.iter().map(|range| range.start()).min()?;
            Some(starts..ranges.iter().map(|range| range.end()).max()?)
        }
        Wanted::Nothing => None,
    }
}

fn content_range(range: ByteRange, length: u64) -> String {
    format!("bytes {}-{}/{length}", range.start(), range.end() - 1)
}

fn header(text: &str) -> HeaderValue {
    HeaderValue::from_str(text).expect("visible ASCII only")
}

/// What names `bytes` of our own: the gallery's files and lists.
pub(super) fn etag_of(bytes: &[u8]) -> String {
    let hash = blake3::hash(bytes).to_hex();
    hash.chars().take(24).collect()
}
