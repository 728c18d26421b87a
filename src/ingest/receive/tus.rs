//! The rules of tus 1.0: parses a request's headers and finds mistakes. Knows no sockets and no store.
//!
//! ```text
//! OPTIONS /api/uploads        version and extensions
//! POST    /api/uploads        Upload-Length or Upload-Defer-Length, Upload-Metadata; bytes may come along
//! HEAD    /api/uploads/{id}   how many bytes are durable
//! PATCH   /api/uploads/{id}   Upload-Offset; bytes behind it; Upload-Checksum
//! DELETE  /api/uploads/{id}   gives the upload up
//! ```
//! Clauses are those of the protocol's text, version 1.0.0.

use super::digest::{ALGORITHMS, Checksum};
use super::metadata::{Metadata, MetadataError};
use std::fmt;

/// The protocol version.
pub const VERSION: &str = "1.0.0";

/// The supported extensions.
pub const EXTENSIONS: &str = "creation,creation-with-upload,creation-defer-length,termination,expiration,checksum";

/// The media type of uploaded bytes.
pub const BYTES: &str = "application/offset+octet-stream";

/// Reasons to refuse a request.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TusError {
    /// Another protocol version, or none (§Tus-Resumable): 412.
    #[error("Tus-Resumable is {0}; {VERSION} is spoken here")]
    Version(String),
    /// A required header is missing: 400.
    #[error("the header {0} is missing")]
    Missing(&'static str),
    /// A header has a bad value: 400.
    #[error("{name} is `{value}`; {allowed}")]
    Header {
        /// Name of the header.
        name: &'static str,
        /// Its value.
        value: String,
        /// The allowed values.
        allowed: &'static str,
    },
    /// Bad metadata: 400.
    #[error("Upload-Metadata: {0}")]
    Metadata(#[from] MetadataError),
    /// A body of another media type (§PATCH): 415.
    #[error("the media type of bytes is {BYTES}")]
    MediaType,
    /// A checksum of an unknown algorithm (§Checksum): 400.
    #[error("Upload-Checksum names `{0}`; {ALGORITHMS} are known")]
    Algorithm(String),
}

/// A request's headers, by name in lower case; `None` if one is missing, repeated, or not text.
#[derive(Clone, Copy)]
pub struct Headers<'a>(&'a dyn Fn(&str) -> Option<&'a str>);

impl<'a> Headers<'a> {
    /// Headers with `get` as lookup.
    pub const fn new(get: &'a dyn Fn(&str) -> Option<&'a str>) -> Self {
        Self(get)
    }

    fn get(self, name: &str) -> Option<&'a str> {
        (self.0)(name)
    }
}

impl fmt::Debug for Headers<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Headers").finish_non_exhaustive()
    }
}

/// A POST that creates an upload.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Creation {
    /// Total length in bytes; `None` if the client sends it later.
    pub length: Option<u64>,
    /// Metadata of the upload.
    pub metadata: Metadata,
    /// The body's bytes; `None` without a body of the right type.
    pub body: Option<Bytes>,
}

/// The bytes in a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bytes {
    /// Offset of the first byte in the upload.
    pub offset: u64,
    /// Content-Length; `None` if absent.
    pub count: Option<u64>,
    /// Expected checksum, if any.
    pub checksum: Option<Checksum>,
    /// Total length of the upload, if the request gives it.
    pub length: Option<u64>,
}

/// Checks the protocol version of a request other than OPTIONS (§Tus-Resumable).
pub fn version(headers: Headers<'_>) -> Result<(), TusError> {
    match headers.get("tus-resumable") {
        Some(VERSION) => Ok(()),
        other => Err(TusError::Version(other.map_or_else(|| "missing".into(), |version| format!("`{version}`")))),
    }
}

/// Parses a POST (§Creation).
pub fn creation(headers: Headers<'_>) -> Result<Creation, TusError> {
    version(headers)?;
    let length = number(headers, "upload-length", "Upload-Length")?;
    let deferred = headers.get("upload-defer-length");
    match (length, deferred) {
        (None, None) => return Err(TusError::Missing("Upload-Length, or Upload-Defer-Length: 1,")),
        (Some(_), None) | (None, Some("1")) => {}
        (_, Some(value)) => {
            let allowed = "1 is allowed, where there is no Upload-Length";
            return Err(TusError::Header { name: "Upload-Defer-Length", value: value.into(), allowed });
        }
    }
    if let Some(value) = headers.get("upload-concat") {
        let allowed = "parts of uploads are not taken here: Tus-Extension lists what is";
        return Err(TusError::Header { name: "Upload-Concat", value: value.into(), allowed });
    }
    let metadata = Metadata::parse(headers.get("upload-metadata").unwrap_or(""))?;
    let brings = headers.get("content-type").is_some_and(is_bytes);
    let body = brings.then(|| bytes(headers, 0)).transpose()?;
    Ok(Creation { length, metadata, body })
}

/// Parses a PATCH (§PATCH).
pub fn patch(headers: Headers<'_>) -> Result<Bytes, TusError> {
    version(headers)?;
    if !headers.get("content-type").is_some_and(is_bytes) {
        return Err(TusError::MediaType);
    }
    let offset = number(headers, "upload-offset", "Upload-Offset")?.ok_or(TusError::Missing("Upload-Offset"))?;
    bytes(headers, offset)
}

fn bytes(headers: Headers<'_>, offset: u64) -> Result<Bytes, TusError> {
    let checksum = headers.get("upload-checksum").map(checksum).transpose()?;
    let count = number(headers, "content-length", "Content-Length")?;
    let length = number(headers, "upload-length", "Upload-Length")?;
    Ok(Bytes { offset, count, checksum, length })
}

fn checksum(value: &str) -> Result<Checksum, TusError> {
    let allowed = "an algorithm and a Base64 digest of its length are allowed, a space between them";
    let malformed = || TusError::Header { name: "Upload-Checksum", value: value.into(), allowed };
    let (algorithm, digest) = value.split_once(' ').ok_or_else(malformed)?;
    if !ALGORITHMS.split(',').any(|known| known == algorithm) {
        return Err(TusError::Algorithm(algorithm.into()));
    }
    Checksum::new(algorithm, digest).ok_or_else(malformed)
}

fn is_bytes(media_type: &str) -> bool {
    media_type.split(';').next().is_some_and(|essence| essence.trim().eq_ignore_ascii_case(BYTES))
}

/// Parses a header that is a number of bytes.
fn number(headers: Headers<'_>, lower: &str, name: &'static str) -> Result<Option<u64>, TusError> {
    let Some(value) = headers.get(lower) else { return Ok(None) };
    let digits = !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit());
    // Databases count in `i64`.
    let number = value.parse().ok().filter(|number| digits && i64::try_from(*number).is_ok());
    let allowed = "a number of bytes is allowed, 9223372036854775807 at most";
    number.map(Some).ok_or_else(|| TusError::Header { name, value: value.into(), allowed })
}

#[cfg(test)]
mod tests {
    use super::{Bytes, Headers, TusError, creation, patch, version};
    use crate::ingest::receive::digest::Checksum;

    fn asked<T>(headers: &[(&str, &str)], ask: impl Fn(Headers<'_>) -> T) -> T {
        let get = |name: &str| headers.iter().find(|(each, _)| *each == name).map(|(_, value)| *value);
        ask(Headers::new(&get))
    }

    const RIGHT: (&str, &str) = ("tus-resumable", "1.0.0");
    const TYPE: (&str, &str) = ("content-type", "application/offset+octet-stream");

    #[test]
    fn another_version_is_refused_before_all_else() {
        assert_eq!(asked(&[RIGHT], version), Ok(()));
        assert_eq!(asked(&[("tus-resumable", "0.2.2")], version), Err(TusError::Version("`0.2.2`".into())));
        assert_eq!(asked(&[], creation), Err(TusError::Version("missing".into())));
        assert_eq!(asked(&[], patch), Err(TusError::Version("missing".into())));
    }

    #[test]
    fn a_creation_tells_its_length_or_that_it_will() {
        let length = |headers: &[(&str, &str)]| asked(&[&[RIGHT], headers].concat(), creation).map(|made| made.length);
        assert_eq!(length(&[("upload-length", "0")]), Ok(Some(0)));
        assert_eq!(length(&[("upload-defer-length", "1")]), Ok(None));
        for wrong in [
            vec![],
            vec![("upload-defer-length", "2")],
            vec![("upload-length", "5"), ("upload-defer-length", "1")],
            vec![("upload-length", "-1")],
            vec![("upload-length", "+1")],
            vec![("upload-length", "")],
            vec![("upload-length", "9223372036854775808")],
        ] {
            assert!(length(&wrong).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn a_part_of_an_upload_is_no_upload() {
        let made = asked(&[RIGHT, ("upload-length", "9"), ("upload-concat", "partial")], creation);
        assert!(matches!(made, Err(TusError::Header { name: "Upload-Concat", .. })), "{made:?}");
    }

    #[test]
    fn bytes_come_along_with_a_creation_where_their_type_says_so() {
        let body =
            |more: &[(&str, &str)]| asked(&[&[RIGHT, ("upload-length", "9")], more].concat(), creation).unwrap().body;
        assert_eq!(body(&[("content-length", "4")]), None);
        let brought = body(&[TYPE, ("content-length", "4")]);
        assert_eq!(brought, Some(Bytes { offset: 0, count: Some(4), checksum: None, length: Some(9) }));
    }

    #[test]
    fn a_patch_says_where_its_bytes_belong() {
        let right = [RIGHT, TYPE, ("upload-offset", "7")];
        assert_eq!(asked(&right, patch), Ok(Bytes { offset: 7, count: None, checksum: None, length: None }));
        assert_eq!(asked(&right[..2], patch), Err(TusError::Missing("Upload-Offset")));
        let other = [RIGHT, ("content-type", "application/octet-stream"), ("upload-offset", "7")];
        assert_eq!(asked(&other, patch), Err(TusError::MediaType));
    }

    #[test]
    fn a_checksum_is_of_a_known_kind_and_whole() {
        let of = |value| asked(&[RIGHT, TYPE, ("upload-offset", "0"), ("upload-checksum", value)], patch);
        let known = of("sha1 Kq5sNclPz7QV2+lfQIuc6R7oRu0=").unwrap().checksum;
        assert_eq!(known, Checksum::new("sha1", "Kq5sNclPz7QV2+lfQIuc6R7oRu0="));
        assert_eq!(of("md4 Kq5sNclPz7QV2+lfQIuc6R7oRu0="), Err(TusError::Algorithm("md4".into())));
        for wrong in
            ["sha1", "sha1 ", "sha1 Kq5s", "sha1 Kq5sNclPz7QV2+lfQIuc6R7oRu0!", "sha256 Kq5sNclPz7QV2+lfQIuc6R7oRu0="]
        {
            assert!(matches!(of(wrong), Err(TusError::Header { name: "Upload-Checksum", .. })), "{wrong}");
        }
    }
}
