//! Error responses of the API: problem+json, with the headers that a client needs to continue.

use crate::http::{self, ProblemKind};
use crate::ingest::Error;
use crate::ingest::tus::{TusError, VERSION};
use axum::body::Body;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderName, HeaderValue, RETRY_AFTER, WWW_AUTHENTICATE};
use axum::http::{Response, StatusCode};
use axum::response::IntoResponse;

/// An error response.
#[derive(Debug)]
pub(super) struct ApiProblem {
    kind: ProblemKind,
    detail: String,
    headers: Vec<(HeaderName, HeaderValue)>,
}

impl ApiProblem {
    /// A problem; `detail` is one sentence: what is wrong and what would be right.
    pub(super) fn new(kind: ProblemKind, detail: impl Into<String>) -> Self {
        Self { kind, detail: detail.into(), headers: Vec::new() }
    }

    /// Adds a header to the response.
    pub(super) fn with(mut self, name: &'static str, value: HeaderValue) -> Self {
        self.headers.push((HeaderName::from_static(name), value));
        self
    }

    /// 405 with the `allowed` methods (RFC 9110 §15.5.6).
    pub(super) fn method(allowed: &'static str, detail: &str) -> Self {
        Self::new(ProblemKind::MethodNotAllowed, detail).with("allow", HeaderValue::from_static(allowed))
    }

    /// A problem for a caller that is not identified. Adds `WWW-Authenticate`, which RFC 9110 §11.6.1 requires.
    pub(super) fn unknown(kind: ProblemKind, detail: &str) -> Self {
        let mut problem = Self::new(kind, detail);
        problem.headers.push((WWW_AUTHENTICATE, HeaderValue::from_static("Bearer realm=\"afflux\"")));
        problem
    }
}

/// Problem type that reports an error to the client.
fn kind(error: &Error) -> ProblemKind {
    match error {
        Error::NotFound("upload") => ProblemKind::UploadNotFound,
        Error::NotFound("job") => ProblemKind::JobNotFound,
        Error::NotFound("key") => ProblemKind::KeyNotFound,
        Error::NotFound(_) => ProblemKind::AssetNotFound,
        Error::Gone => ProblemKind::UploadGone,
        Error::Tus(TusError::Version(_)) => ProblemKind::TusVersion,
        Error::Tus(TusError::MediaType) => ProblemKind::MediaType,
        Error::Type(_) => ProblemKind::FileType,
        Error::Tus(TusError::Missing(_) | TusError::Header { .. } | TusError::Metadata(_) | TusError::Algorithm(_)) => {
            ProblemKind::BadHeader
        }
        Error::Request(_) => ProblemKind::BadRequest,
        Error::Field(_) => ProblemKind::BadField,
        Error::Name(_) => ProblemKind::BadName,
        Error::Precondition => ProblemKind::PreconditionFailed,
        Error::Conflict(_) => ProblemKind::Conflict,
        Error::Offset { .. } => ProblemKind::OffsetMismatch,
        Error::Large { .. } => ProblemKind::UploadTooLarge,
        Error::Checksum => ProblemKind::ChecksumMismatch,
        Error::Taken => ProblemKind::UploadTakenOver,
        Error::Stalled => ProblemKind::BodyTooSlow,
        Error::Full => ProblemKind::StoreFull,
        Error::Unable(_) => ProblemKind::StoreUnable,
        Error::Storage(_) => ProblemKind::StoreFailed,
        Error::Library(_) => ProblemKind::LibraryAway,
        Error::Held(_) => ProblemKind::NameHeld,
        Error::Interrupted(_) => ProblemKind::Interrupted,
        Error::Unplayable(_) => ProblemKind::FileUnplayable,
    }
}

impl From<Error> for ApiProblem {
    fn from(error: Error) -> Self {
        let problem = Self::new(kind(&error), error.to_string());
        match error {
            Error::Tus(TusError::Version(_)) => problem.with("tus-version", HeaderValue::from_static(VERSION)),
            Error::Offset { durable, .. } => problem.with("upload-offset", HeaderValue::from(durable)),
            _ => problem,
        }
    }
}

impl From<crate::library::Error> for ApiProblem {
    fn from(error: crate::library::Error) -> Self {
        Error::from(error).into()
    }
}

impl IntoResponse for ApiProblem {
    fn into_response(self) -> Response<Body> {
        let status = self.kind.status();
        let mut response = Response::new(Body::from(http::members(self.kind, &self.detail)));
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        headers.insert("tus-resumable", HeaderValue::from_static(VERSION));
        if matches!(status, StatusCode::SERVICE_UNAVAILABLE | StatusCode::BAD_GATEWAY | StatusCode::LOCKED) {
            headers.insert(RETRY_AFTER, HeaderValue::from_static("1"));
        }
        headers.extend(self.headers);
        *response.status_mut() = status;
        response
    }
}
