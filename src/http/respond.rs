//! Turns an entity into an HTTP response: conditions, ranges, compression, caching headers.

use super::body::{BodyPart, ResponseBody};
use super::conditions::{ConditionOutcome, Validators, whole_seconds};
use super::encoding::{ContentCoding, Preference};
use super::kind::ProblemKind;
use super::problem::Problem;
use super::ranges::{RequestedRange, parse, wanted};
use crate::media::{ByteRange, RangeSpec};
use crate::metrics::Compression;
use crate::origin::{Content, Demand};
use bytes::Bytes;
use hyper::header::{
    ACCEPT_ENCODING, ACCEPT_RANGES, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, ETAG,
    HeaderValue, LAST_MODIFIED, RANGE, VARY,
};
use hyper::http::request::Parts;
use hyper::{HeaderMap, Method, Response, StatusCode};
use std::time::SystemTime;

/// Approximate number of headers in a response.
const HEADERS: usize = 20;

/// Content to respond with, before conditions, ranges and compression apply.
#[derive(Debug, Clone)]
pub(super) struct Entity {
    /// Media type of the content.
    pub media_type: &'static str,
    /// Strong entity tag, without quotes.
    pub etag: String,
    /// Time of the last modification; `None` if unknown.
    pub modified: Option<SystemTime>,
    /// Value of `Cache-Control`.
    pub caching: HeaderValue,
    /// The bytes; only text is compressed.
    pub content: Content,
}

/// The representation of an entity that a response sends.
#[derive(Debug, Clone)]
pub(super) enum Representation {
    /// Not compressed: the whole content or ranges.
    Plain,
    /// The whole text, compressed to these bytes.
    Packed(Compression, Bytes),
}

impl Entity {
    /// Responds to `request`, a GET or HEAD. `chosen` follows from [`Entity::to_pack`].
    pub(super) fn respond(
        self,
        chosen: Representation,
        request: &Parts,
        demand: &Demand,
    ) -> Result<Response<ResponseBody>, Problem> {
        // RFC 9110 §8.8.3.3: each coding has different bytes and so a different strong tag.
        let etag = match &chosen {
            Representation::Plain => format!("\"{}\"", self.etag),
            Representation::Packed(packing, _) => format!("\"{}-{}\"", self.etag, packing.as_str()),
        };
        let validators = Validators { etag: &etag, modified: self.modified };
        match validators.judge(&request.headers) {
            ConditionOutcome::Failed => {
                let detail = "what is stored here is not what If-Match or If-Unmodified-Since names";
                return Err(Problem::new(ProblemKind::PreconditionFailed, detail));
            }
            ConditionOutcome::NotModified => {
                let mut response = Response::new(ResponseBody::empty());
                *response.status_mut() = StatusCode::NOT_MODIFIED;
                self.describe(&etag, response.headers_mut());
                return Ok(response);
            }
            ConditionOutcome::Send => {}
        }
        let mut response = match chosen {
            Representation::Packed(packing, packed) => self.packed(packing, packed),
            Representation::Plain => {
                let ranges = match demand {
                    Demand::Ranges(ranges) if validators.range_counts(&request.headers) => ranges.as_slice(),
                    Demand::Ranges(_) | Demand::Whole | Demand::Nothing => &[],
                };
                self.plain(ranges, request.uri.path())?
            }
        };
        // HEAD needs it too: its body is removed later.
        let length = HeaderValue::from(response.body().len());
        response.headers_mut().insert(CONTENT_LENGTH, length);
        self.describe(&etag, response.headers_mut());
        Ok(response)
    }

    /// The text to compress for `request`, and the coding; `None` if the response is not compressed. A range request
    /// gets identity, unless the client refuses it.
    pub(super) fn to_pack(&self, request: &Parts, demand: &Demand) -> Option<(Compression, &Bytes)> {
        let text = self.text()?;
        let preference = Preference::of(&request.headers);
        let coding = if matches!(demand, Demand::Ranges(_)) { preference.ranged } else { preference.best };
        match coding {
            ContentCoding::Packed(packing) => Some((packing, text)),
            ContentCoding::Identity => None,
        }
    }

    /// The content if it is text, which can be compressed.
    const fn text(&self) -> Option<&Bytes> {
        if let Content::Text(text) = &self.content { Some(text) } else { None }
    }

    /// Adds the headers that 200, 206 and 304 share (RFC 9110 §15.4.5).
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

    /// Builds a 200 with compressed text, which has no ranges.
    fn packed(&self, packing: Compression, packed: Bytes) -> Response<ResponseBody> {
        let mut response = Response::new(ResponseBody::text(packed));
        response.headers_mut().insert(CONTENT_ENCODING, HeaderValue::from_static(packing.as_str()));
        response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(self.media_type));
        response
    }

    /// Builds a 200, 206 or 416 with uncompressed bytes.
    fn plain(&self, ranges: &[RangeSpec], path: &str) -> Result<Response<ResponseBody>, Problem> {
        let length = self.content.len();
        let mut headers = HeaderMap::with_capacity(HEADERS);
        headers.insert(ACCEPT_RANGES, HeaderValue::from_static("bytes"));
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(self.media_type));
        let wanted = if ranges.is_empty() { RequestedRange::Whole } else { wanted(ranges, length) };
        let (status, parts) = match wanted {
            RequestedRange::Whole => {
                (StatusCode::OK, ByteRange::new(0, length).map(BodyPart::Range).into_iter().collect())
            }
            RequestedRange::One(range) => {
                headers.insert(CONTENT_RANGE, header(&content_range(range, length)));
                (StatusCode::PARTIAL_CONTENT, vec![BodyPart::Range(range)])
            }
            RequestedRange::Several(ranges) => {
                // The boundary is derived from the entity tag: it is stable, and no content can contain its own hash.
                let boundary = etag_of(self.etag.as_bytes());
                headers.insert(CONTENT_TYPE, header(&format!("multipart/byteranges; boundary={boundary}")));
                (StatusCode::PARTIAL_CONTENT, self.multipart(&ranges, &boundary))
            }
            RequestedRange::Nothing => {
                let detail = format!("no byte of that range is among the {length} that there are");
                let there = header(&format!("bytes */{length}"));
                return Err(Problem::new(ProblemKind::RangeNotSatisfiable, detail).with(CONTENT_RANGE, there));
            }
        };
        let mut response = Response::new(ResponseBody::new(self.content.clone(), parts, path));
        *response.status_mut() = status;
        *response.headers_mut() = headers;
        Ok(response)
    }

    /// Builds the parts of a multipart/byteranges body (RFC 9110 §14.6).
    fn multipart(&self, ranges: &[ByteRange], boundary: &str) -> Vec<BodyPart> {
        let length = self.content.len();
        let mut parts = Vec::with_capacity(2 * ranges.len() + 1);
        for (at, range) in ranges.iter().enumerate() {
            let before = if at == 0 { "" } else { "\r\n" };
            let (media_type, place) = (self.media_type, content_range(*range, length));
            let head = format!("{before}--{boundary}\r\nContent-Type: {media_type}\r\nContent-Range: {place}\r\n\r\n");
            parts.extend([BodyPart::Bytes(head.into()), BodyPart::Range(*range)]);
        }
        parts.push(BodyPart::Bytes(format!("\r\n--{boundary}--\r\n").into()));
        parts
    }
}

/// The bytes of a representation that the response to `request` carries. `Range` is for GET alone (RFC 9110 §14.2), and is
/// a single header.
pub(super) fn demand(request: &Parts) -> Demand {
    if request.method == Method::HEAD {
        return Demand::Nothing;
    }
    let mut values = request.headers.get_all(RANGE).iter();
    let only = values.next().filter(|_| request.method == Method::GET && values.next().is_none());
    only.and_then(|value| parse(value.to_str().ok()?)).map_or(Demand::Whole, Demand::Ranges)
}

fn content_range(range: ByteRange, length: u64) -> String {
    format!("bytes {}-{}/{length}", range.start(), range.end() - 1)
}

fn header(text: &str) -> HeaderValue {
    HeaderValue::from_str(text).expect("visible ASCII only")
}

/// Entity tag of bytes that the server itself generates or embeds: a shortened hash.
pub(super) fn etag_of(bytes: &[u8]) -> String {
    let hash = blake3::hash(bytes).to_hex();
    hash.chars().take(24).collect()
}
