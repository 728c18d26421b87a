//! Helpers that read request headers and set response headers.

use crate::ingest::tus::Headers;
use crate::ingest::{Metadata, tus};
use axum::http::header::{CACHE_CONTROL, HeaderName, HeaderValue};
use axum::http::{HeaderMap, Response};
use std::time::{Duration, UNIX_EPOCH};

/// Parses the headers by `ask`, which sees each header that occurs exactly once.
pub(super) fn understood<T>(headers: &HeaderMap, ask: impl FnOnce(Headers<'_>) -> T) -> T {
    let get = |name: &str| {
        let mut values = headers.get_all(name).iter();
        let first = values.next()?;
        // A repeated header is ambiguous.
        values.next().is_none().then(|| first.to_str().ok()).flatten()
    };
    ask(Headers::new(&get))
}

/// Adds the headers that every tus response has.
pub(super) fn spoken<B>(response: &mut Response<B>) {
    put(response, "tus-resumable", tus::VERSION);
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
}

/// Sets a header, unless `value` has characters that no header may have.
pub(super) fn put<B>(response: &mut Response<B>, name: &'static str, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        response.headers_mut().insert(HeaderName::from_static(name), value);
    }
}

/// Formats milliseconds since 1970 as an HTTP date (RFC 9110 §5.6.7).
pub(super) fn date(millis: i64) -> String {
    httpdate::fmt_http_date(UNIX_EPOCH + Duration::from_millis(u64::try_from(millis).unwrap_or(0)))
}

/// Prints the metadata of a row as `Upload-Metadata`. `None` if there is none.
pub(super) fn metadata(text: &str) -> Option<String> {
    Metadata::parse(text).ok().map(|metadata| metadata.print()).filter(|text| !text.is_empty())
}
