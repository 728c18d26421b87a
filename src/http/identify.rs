//! Puts the request id into a response: into its headers, and into the body of a problem.

use super::body::ResponseBody;
use super::request_id::X_REQUEST_ID;
use hyper::Response;
use hyper::header::{CONTENT_LENGTH, CONTENT_TYPE, HeaderValue};

/// Adds the request id to `response`: as a header, and for a problem in the JSON body too. An id that `response`
/// already has takes precedence over `id`. Returns the id used.
pub(super) fn identify(response: &mut Response<ResponseBody>, id: HeaderValue) -> HeaderValue {
    let id = response.headers().get(X_REQUEST_ID).cloned().unwrap_or(id);
    let is_problem = response.headers().get(CONTENT_TYPE).is_some_and(|kind| kind == "application/problem+json");
    if is_problem && let Ok(id) = id.to_str() {
        let member = format!(",\"request_id\":\"{id}\"}}");
        let length = response.headers().get(CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse().ok());
        // `member` replaces one byte, the closing brace.
        if let Some(length) = length.and_then(|length: usize| (length + member.len()).checked_sub(1)) {
            response.body_mut().replace_last_byte(&member);
            response.headers_mut().insert(CONTENT_LENGTH, HeaderValue::from(length));
        }
    }
    response.headers_mut().insert(X_REQUEST_ID, id.clone());
    id
}

#[cfg(test)]
mod tests {
    use super::identify;
    use crate::http::kind::ProblemKind;
    use crate::http::problem::Problem;
    use crate::http::request_id::X_REQUEST_ID;
    use http_body_util::BodyExt;
    use hyper::header::{CONTENT_LENGTH, HeaderValue};

    #[tokio::test]
    async fn a_problem_names_its_request() {
        let mut response = Problem::new(ProblemKind::PathNotFound, "nothing").response();
        identify(&mut response, HeaderValue::from_static("one"));
        assert_eq!(response.headers()[X_REQUEST_ID], "one");
        let length: usize = response.headers()[CONTENT_LENGTH].to_str().unwrap().parse().unwrap();
        let text = response.into_body().collect().await.unwrap().to_bytes();
        let json: serde_json::Value = serde_json::from_slice(&text).unwrap();
        assert_eq!(
            (text.len(), json["request_id"].as_str(), json["detail"].as_str()),
            (length, Some("one"), Some("nothing"))
        );
    }
}
