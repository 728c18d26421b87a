//! Errors as the API answers them: problem+json, with what a client needs to go on.

use crate::http;
use crate::ingest::Error;
use crate::ingest::tus::{Refusal, VERSION};
use axum::body::Body;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderName, HeaderValue, RETRY_AFTER, WWW_AUTHENTICATE};
use axum::http::{Response, StatusCode};
use axum::response::IntoResponse;

/// An error as it is answered.
#[derive(Debug)]
pub(super) struct Problem {
    status: StatusCode,
    detail: String,
    headers: Vec<(HeaderName, HeaderValue)>,
}

impl Problem {
    /// One sentence that says what is wrong and what would be right.
    pub(super) fn new(status: StatusCode, detail: impl Into<String>) -> Self {
        Self { status, detail: detail.into(), headers: Vec::new() }
    }

    /// The same with a header that belongs to it.
    pub(super) fn with(mut self, name: &'static str, value: HeaderValue) -> Self {
        self.headers.push((HeaderName::from_static(name), value));
        self
    }

    /// Another method; those that are `allowed` (RFC 9110 §15.5.6).
    pub(super) fn method(allowed: &'static str, detail: &str) -> Self {
        Self::new(StatusCode::METHOD_NOT_ALLOWED, detail).with("allow", HeaderValue::from_static(allowed))
    }

    /// Nobody knows who asks.
    pub(super) fn unknown(detail: &str) -> Self {
        let mut problem = Self::new(StatusCode::UNAUTHORIZED, detail);
        problem.headers.push((WWW_AUTHENTICATE, HeaderValue::from_static("Bearer realm=\"afflux\"")));
        problem
    }
}

/// What a client may do about an error. 460 is the protocol's own (tus §Checksum).
fn status(error: &Error) -> StatusCode {
    match error {
        Error::NotFound(_) => StatusCode::NOT_FOUND,
        Error::Gone => StatusCode::GONE,
        Error::Tus(Refusal::Version(_)) => StatusCode::PRECONDITION_FAILED,
        Error::Tus(Refusal::MediaType) | Error::Type(_) => StatusCode::UNSUPPORTED_MEDIA_TYPE,
        Error::Tus(Refusal::Missing(_) | Refusal::Header { .. } | Refusal::Metadata(_) | Refusal::Algorithm(_))
        | Error::Request(_)
        | Error::Name(_) => StatusCode::BAD_REQUEST,
        Error::Conflict(_) | Error::Offset { .. } => StatusCode::CONFLICT,
        Error::Large { .. } => StatusCode::PAYLOAD_TOO_LARGE,
        Error::Checksum => StatusCode::from_u16(460).unwrap_or(StatusCode::BAD_REQUEST),
        Error::Taken => StatusCode::LOCKED,
        Error::Stalled => StatusCode::REQUEST_TIMEOUT,
        Error::Full => StatusCode::INSUFFICIENT_STORAGE,
        Error::Unable(_) => StatusCode::NOT_IMPLEMENTED,
        Error::Storage(_) => StatusCode::BAD_GATEWAY,
        Error::Library(_) | Error::Held(_) | Error::Interrupted(_) => StatusCode::SERVICE_UNAVAILABLE,
        Error::Unplayable(_) => StatusCode::UNPROCESSABLE_ENTITY,
    }
}

impl From<Error> for Problem {
    fn from(error: Error) -> Self {
        let problem = Self::new(status(&error), error.to_string());
        match error {
            Error::Tus(Refusal::Version(_)) => problem.with("tus-version", HeaderValue::from_static(VERSION)),
            Error::Offset { durable, .. } => problem.with("upload-offset", HeaderValue::from(durable)),
            _ => problem,
        }
    }
}

impl From<crate::library::Error> for Problem {
    fn from(error: crate::library::Error) -> Self {
        Error::from(error).into()
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response<Body> {
        let mut response = Response::new(Body::from(http::members(self.status, &self.detail)));
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        headers.insert("tus-resumable", HeaderValue::from_static(VERSION));
        if matches!(self.status, StatusCode::SERVICE_UNAVAILABLE | StatusCode::BAD_GATEWAY | StatusCode::LOCKED) {
            headers.insert(RETRY_AFTER, HeaderValue::from_static("1"));
        }
        headers.extend(self.headers);
        *response.status_mut() = self.status;
        response
    }
}
