//! Every error that is answered: `application/problem+json` (RFC 9457), never stored.

use super::body::Body;
use crate::origin;
use bytes::Bytes;
use hyper::header::{CACHE_CONTROL, CONTENT_LENGTH, CONTENT_TYPE, HeaderName, HeaderValue, RETRY_AFTER};
use hyper::{Response, StatusCode};
use serde::Serialize;

/// What a client may do about an error of the origin.
#[must_use]
pub const fn status(error: &origin::Error) -> StatusCode {
    match error {
        origin::Error::NotFound => StatusCode::NOT_FOUND,
        origin::Error::Gone => StatusCode::GONE,
        origin::Error::Unplayable(_) => StatusCode::UNPROCESSABLE_ENTITY,
        origin::Error::Storage(_) => StatusCode::BAD_GATEWAY,
        origin::Error::Interrupted(_) => StatusCode::SERVICE_UNAVAILABLE,
    }
}

/// An error as it is answered.
#[derive(Debug)]
pub(super) struct Problem {
    status: StatusCode,
    detail: String,
    header: Option<(HeaderName, HeaderValue)>,
}

/// RFC 9457 §3.1. The type says no more than the status: §4.2.1.
#[derive(Serialize)]
struct Members<'a> {
    r#type: &'static str,
    title: &'static str,
    status: u16,
    detail: &'a str,
}

impl Problem {
    /// A problem with one sentence that says what is wrong and, where it can, what would be right.
    pub(super) fn new(status: StatusCode, detail: impl Into<String>) -> Self {
        Self { status, detail: detail.into(), header: None }
    }

    /// The same with a header that belongs to it.
    pub(super) fn with(self, name: HeaderName, value: HeaderValue) -> Self {
        Self { header: Some((name, value)), ..self }
    }

    /// The answer.
    pub(super) fn response(self) -> Response<Body> {
        let members = Members {
            r#type: "about:blank",
            title: self.status.canonical_reason().unwrap_or("Error"),
            status: self.status.as_u16(),
            detail: &self.detail,
        };
        let text = Bytes::from(serde_json::to_vec(&members).expect("strings and a number"));
        let length = HeaderValue::from(text.len());
        let mut response = Response::new(Body::text(text));
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        headers.insert(CONTENT_LENGTH, length);
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        headers.extend(self.header);
        if self.status == StatusCode::SERVICE_UNAVAILABLE {
            headers.insert(RETRY_AFTER, HeaderValue::from_static("1"));
        }
        *response.status_mut() = self.status;
        response
    }
}

impl From<origin::Error> for Problem {
    fn from(error: origin::Error) -> Self {
        Self::new(status(&error), error.to_string())
    }
}
