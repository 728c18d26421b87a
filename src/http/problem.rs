//! Error responses: `application/problem+json` (RFC 9457), never cached.

use super::body::ResponseBody;
use super::kind::ProblemKind;
use crate::origin;
use bytes::Bytes;
use hyper::header::{CACHE_CONTROL, CONTENT_LENGTH, CONTENT_TYPE, HeaderName, HeaderValue, RETRY_AFTER};
use hyper::{Response, StatusCode};
use serde::Serialize;

/// Problem type that reports an error of the origin to the client.
#[must_use]
const fn kind(error: &origin::Error) -> ProblemKind {
    match error {
        origin::Error::NotFound => ProblemKind::AssetNotFound,
        origin::Error::Unfit(_) => ProblemKind::NotInMpegTs,
        origin::Error::Gone => ProblemKind::VersionGone,
        origin::Error::Deleted => ProblemKind::AssetGone,
        origin::Error::Unplayable(_) => ProblemKind::FileUnplayable,
        origin::Error::Storage(_) => ProblemKind::StoreFailed,
        origin::Error::Busy(_) => ProblemKind::Busy,
        origin::Error::Interrupted(_) => ProblemKind::Interrupted,
    }
}

/// HTTP status of an error of the origin.
#[must_use]
pub fn status(error: &origin::Error) -> StatusCode {
    kind(error).status()
}

/// JSON body of a problem of type `kind` with this `detail`.
#[must_use]
pub fn members(kind: ProblemKind, detail: &str) -> Bytes {
    let members = ProblemMembers { r#type: kind.uri(), title: kind.title(), status: kind.status().as_u16(), detail };
    Bytes::from(serde_json::to_vec(&members).expect("strings and a number always serialize"))
}

/// An error response.
#[derive(Debug)]
pub(super) struct Problem {
    kind: ProblemKind,
    detail: String,
    header: Option<(HeaderName, HeaderValue)>,
}

/// JSON members of a problem (RFC 9457 §3.1).
#[derive(Serialize)]
struct ProblemMembers<'a> {
    r#type: String,
    title: &'static str,
    status: u16,
    detail: &'a str,
}

impl Problem {
    /// A problem whose `detail` is one sentence: what is wrong and, if known, what would be right.
    pub(super) fn new(kind: ProblemKind, detail: impl Into<String>) -> Self {
        Self { kind, detail: detail.into(), header: None }
    }

    /// Adds a header to the response; only one is possible.
    pub(super) fn with(self, name: HeaderName, value: HeaderValue) -> Self {
        Self { header: Some((name, value)), ..self }
    }

    /// Builds the response.
    pub(super) fn response(self) -> Response<ResponseBody> {
        let status = self.kind.status();
        let text = members(self.kind, &self.detail);
        let length = HeaderValue::from(text.len());
        let mut response = Response::new(ResponseBody::text(text));
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        headers.insert(CONTENT_LENGTH, length);
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        headers.extend(self.header);
        if matches!(status, StatusCode::SERVICE_UNAVAILABLE | StatusCode::BAD_GATEWAY) {
            headers.insert(RETRY_AFTER, HeaderValue::from_static("1"));
        }
        *response.status_mut() = status;
        response
    }
}

impl From<origin::Error> for Problem {
    fn from(error: origin::Error) -> Self {
        Self::new(kind(&error), error.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::Problem;
    use crate::origin::Error;
    use http_body_util::BodyExt;
    use hyper::header::RETRY_AFTER;

    #[test]
    fn each_error_of_the_origin_has_its_status() {
        let answer = |error: Error| {
            let response = Problem::from(error).response();
            (response.status().as_u16(), response.headers().contains_key(RETRY_AFTER))
        };
        assert_eq!(answer(Error::NotFound), (404, false));
        assert_eq!(answer(Error::Unfit(String::new())), (404, false));
        assert_eq!(answer(Error::Gone), (410, false));
        assert_eq!(answer(Error::Deleted), (410, false));
        assert_eq!(answer(Error::Unplayable(String::new())), (422, false));
        assert_eq!(answer(Error::Storage(String::new())), (502, true));
        assert_eq!(answer(Error::Interrupted(String::new())), (503, true));
        assert_eq!(answer(Error::Busy(String::new())), (503, true));
    }

    #[tokio::test]
    async fn a_problem_says_what_is_wrong() {
        let body = Problem::from(Error::Unplayable("a.mp4: box \"moov\"".into())).response().into_body();
        let text = body.collect().await.unwrap().to_bytes();
        assert_eq!(
            text,
            r#"{"type":"urn:afflux:problem:file-unplayable","title":"The file cannot be played","status":422,"detail":"a.mp4: box \"moov\""}"#
        );
    }
}
