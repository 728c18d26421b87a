//! Extractors for the parts of a request. No body is read before the caller is identified, and every part that cannot
//! be parsed gives a problem in our own words, not the framework's.

use super::problem::ApiProblem;
use crate::http::ProblemKind;
use crate::media::u64_from_usize;
use axum::body::Body;
use axum::extract::{FromRequest, FromRequestParts, Path, Query, Request};
use axum::http::header::{CONTENT_LENGTH, CONTENT_TYPE};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue};
use bytes::Bytes;
use http_body_util::{BodyExt, Collected, LengthLimitError, Limited};
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::convert::Infallible;
use std::error::Error;
use std::io;
use std::time::Duration;
use tokio::time::timeout;

/// Largest JSON body, in bytes.
const JSON_LIMIT: usize = 64 << 10;

/// How long a JSON body may take to arrive: at its largest, 6.4 KiB a second.
const JSON_TIME: Duration = Duration::from_secs(10);

/// Entries on a page by default.
const PAGE: u32 = 50;

/// Most entries on a page.
const MOST: u32 = 500;

/// A request body that is not read yet.
#[derive(Debug)]
pub(super) struct UnreadBody {
    headers: HeaderMap,
    body: Body,
}

impl UnreadBody {
    /// A body, with the headers of its request.
    pub(super) const fn new(headers: HeaderMap, body: Body) -> Self {
        Self { headers, body }
    }

    /// Reads the body as a JSON object, within [`JSON_LIMIT`] and [`JSON_TIME`].
    pub(super) async fn json<T: DeserializeOwned>(self) -> Result<T, ApiProblem> {
        if !self.headers.get(CONTENT_TYPE).is_some_and(is_json) {
            return Err(ApiProblem::new(ProblemKind::MediaType, "the body is JSON: Content-Type: application/json"));
        }
        let announced = self.headers.get(CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse::<u64>().ok());
        if announced.is_some_and(|length| length > u64_from_usize(JSON_LIMIT)) {
            return Err(too_large());
        }
        parse(&self.read(JSON_TIME).await?)
    }

    /// Reads the whole body. Fails if it takes longer than `time`.
    async fn read(self, time: Duration) -> Result<Bytes, ApiProblem> {
        let read = timeout(time, Limited::new(self.body, JSON_LIMIT).collect()).await.map_err(|_| {
            ApiProblem::new(
                ProblemKind::BodyTooSlow,
                format!("the body took longer than {} s to arrive", time.as_secs()),
            )
        })?;
        read.map(Collected::to_bytes).map_err(|error| {
            if error.is::<LengthLimitError>() {
                too_large()
            } else if is_too_slow(&*error) {
                ApiProblem::new(ProblemKind::BodyTooSlow, error.to_string())
            } else {
                ApiProblem::new(ProblemKind::BadJson, "the body ended early")
            }
        })
    }
}

/// Whether reading failed because the client sent the body too slowly.
fn is_too_slow(error: &(dyn Error + 'static)) -> bool {
    let is_timeout = |error: &(dyn Error + 'static)| matches!(error.downcast_ref::<io::Error>(), Some(error) if error.kind() == io::ErrorKind::TimedOut);
    is_timeout(error) || error.source().is_some_and(is_too_slow)
}

fn too_large() -> ApiProblem {
    ApiProblem::new(
        ProblemKind::BodyTooLarge,
        format!("the body has more than the {JSON_LIMIT} bytes that are allowed"),
    )
}

impl<S: Send + Sync> FromRequest<S> for UnreadBody {
    type Rejection = Infallible;

    async fn from_request(request: Request, _: &S) -> Result<Self, Infallible> {
        let (head, body) = request.into_parts();
        Ok(Self::new(head.headers, body))
    }
}

fn is_json(value: &HeaderValue) -> bool {
    let essence = value.to_str().ok().and_then(|text| text.split(';').next()).unwrap_or_default().trim();
    essence.eq_ignore_ascii_case("application/json")
}

/// Parses `text`, which must be one JSON object.
fn parse<T: DeserializeOwned>(text: &[u8]) -> Result<T, ApiProblem> {
    // serde would also accept an array of the fields' values, which the API does not describe.
    let is_object = text.trim_ascii_start().starts_with(b"{");
    let json: Result<&serde_json::value::RawValue, _> = serde_json::from_slice(text);
    json.map_err(|error| ApiProblem::new(ProblemKind::BadJson, format!("the body is not JSON: {error}")))?;
    if !is_object {
        return Err(ApiProblem::new(ProblemKind::BadField, "the body is a JSON object"));
    }
    let wrong = |error: serde_json::Error| ApiProblem::new(ProblemKind::BadField, error.to_string());
    serde_json::from_slice(text).or_else(|error| {
        let mut json: Value = serde_json::from_slice(text).map_err(wrong)?;
        if has_integral(&mut json) { T::deserialize(json).map_err(wrong) } else { Err(wrong(error)) }
    })
}

/// Replaces numbers like `6.0` by integers, which JSON Schema says they are. Returns whether there were any.
fn has_integral(json: &mut Value) -> bool {
    match json {
        Value::Number(number) => {
            let text = number.to_string();
            let integer = text.strip_suffix(".0").and_then(|text| text.parse::<i64>().ok());
            integer.is_some_and(|integer| {
                *number = integer.into();
                true
            })
        }
        // `any` would stop at the first hit; every entry must be visited.
        Value::Array(entries) => entries.iter_mut().filter_map(|entry| has_integral(entry).then_some(())).count() > 0,
        Value::Object(fields) => fields.values_mut().filter_map(|field| has_integral(field).then_some(())).count() > 0,
        Value::Null | Value::Bool(_) | Value::String(_) => false,
    }
}

/// Extracts the query parameters.
#[derive(Debug)]
pub(super) struct QueryParameters<T>(pub(super) T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequestParts<S> for QueryParameters<T> {
    type Rejection = ApiProblem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiProblem> {
        // Databases do not accept NUL in text.
        if parts.uri.query().is_some_and(|query| query.contains("%00")) {
            return Err(ApiProblem::new(ProblemKind::BadQuery, "a parameter of the query has a NUL character"));
        }
        let asked = Query::<T>::from_request_parts(parts, state).await;
        asked
            .map(|Query(asked)| Self(asked))
            .map_err(|refusal| ApiProblem::new(ProblemKind::BadQuery, format!("the query: {}", innermost(&refusal))))
    }
}

/// The innermost cause, without the words that the framework puts before it.
fn innermost(error: &dyn Error) -> String {
    let mut error = error;
    while let Some(cause) = error.source() {
        error = cause;
    }
    error.to_string()
}

/// Number of entries on a page; an error if `asked` is out of bounds.
pub(super) fn limit(asked: Option<u32>) -> Result<u32, ApiProblem> {
    match asked.unwrap_or(PAGE) {
        limit @ 1..=MOST => Ok(limit),
        other => Err(ApiProblem::new(ProblemKind::BadQuery, format!("`limit` is {other}; 1 to {MOST} is allowed"))),
    }
}

/// Extracts the variable part of a path.
#[derive(Debug)]
pub(super) struct PathName(pub(super) String);

impl<S: Send + Sync> FromRequestParts<S> for PathName {
    type Rejection = ApiProblem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiProblem> {
        let named = Path::<String>::from_request_parts(parts, state).await;
        let named = named.ok().map(|Path(name)| name).filter(|name| !name.contains('\0'));
        let detail = "the path is not percent-encoded UTF-8, or has a NUL character";
        named.map(Self).ok_or_else(|| ApiProblem::new(ProblemKind::PathNotFound, detail))
    }
}

#[cfg(test)]
mod tests {
    use super::{JSON_LIMIT, UnreadBody};
    use axum::body::Body;
    use axum::http::{HeaderMap, StatusCode};
    use axum::response::IntoResponse;
    use bytes::Bytes;
    use std::convert::Infallible;
    use std::time::Duration;

    #[derive(Debug, serde::Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Fields {
        a: u8,
    }

    async fn status(media_type: &'static str, body: Body) -> u16 {
        let headers = HeaderMap::from_iter([(super::CONTENT_TYPE, media_type.parse().unwrap())]);
        let read = UnreadBody::new(headers, body).json::<Fields>().await;
        read.map_or_else(
            |problem| problem.into_response().status(),
            |read| {
                assert_eq!(read.a, 1);
                StatusCode::OK
            },
        )
        .as_u16()
    }

    #[tokio::test]
    async fn a_body_is_one_json_object_with_the_fields_that_are_known() {
        for (text, expected) in [
            (r#" {"a":1} "#, 200),
            ("", 400),
            ("{", 400),
            (r#"{"a":1}{"#, 400),
            ("[1]", 422),
            ("1", 422),
            ("{}", 422),
            (r#"{"a":1.0}"#, 200),
            (r#"{"a":1.5}"#, 422),
            (r#"{"a":256}"#, 422),
            (r#"{"a":1,"b":1}"#, 422),
            (r#"{"a":1,"a":1}"#, 422),
        ] {
            assert_eq!(status("application/json; charset=utf-8", text.into()).await, expected, "{text}");
        }
        assert_eq!(status("text/plain", r#"{"a":1}"#.into()).await, 415);
        assert_eq!(status("application/json", " ".repeat(JSON_LIMIT + 1).into()).await, 413);
    }

    #[tokio::test]
    async fn a_body_that_does_not_arrive_is_given_up() {
        let begun = futures_util::stream::iter([Ok::<_, Infallible>(Bytes::from_static(b"{"))]);
        let never = futures_util::StreamExt::chain(begun, futures_util::stream::pending());
        let read = UnreadBody::new(HeaderMap::new(), Body::from_stream(never)).read(Duration::from_millis(1)).await;
        assert_eq!(read.unwrap_err().into_response().status(), StatusCode::REQUEST_TIMEOUT);
    }
}
