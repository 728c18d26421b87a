//! `X-Request-Id`: the id that the client sent, if it is safe to repeat, or a new one.

use super::body::ResponseBody;
use hyper::Response;
use hyper::header::{CONTENT_LENGTH, CONTENT_TYPE, HeaderName, HeaderValue};
use std::hash::{BuildHasher, RandomState};
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU64, Ordering};

/// Name of the header.
pub(super) const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Longest id accepted from a client, in bytes.
const LONGEST: usize = 128;

/// Returns the id that the client `sent` if it has only letters, digits and `-._~+/=:@`; else a new id.
pub(super) fn request_id(sent: Option<&HeaderValue>) -> HeaderValue {
    sent.filter(|id| is_fit(id)).cloned().unwrap_or_else(fresh)
}

fn is_fit(id: &HeaderValue) -> bool {
    let allowed = |byte: &u8| byte.is_ascii_alphanumeric() || b"-._~+/=:@".contains(byte);
    (1..=LONGEST).contains(&id.len()) && id.as_bytes().iter().all(allowed)
}

/// Returns 32 unpredictable hexadecimal digits: a counter hashed with random keys of this process.
fn fresh() -> HeaderValue {
    static KEYS: LazyLock<[RandomState; 2]> = LazyLock::new(|| [RandomState::new(), RandomState::new()]);
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    let [high, low] = KEYS.each_ref().map(|keys| keys.hash_one(count));
    HeaderValue::try_from(format!("{high:016x}{low:016x}")).expect("hexadecimal digits are a valid header value")
}

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
    use super::{X_REQUEST_ID, identify, request_id};
    use crate::http::kind::ProblemKind;
    use crate::http::problem::Problem;
    use http_body_util::BodyExt;
    use hyper::header::{CONTENT_LENGTH, HeaderValue};

    #[test]
    fn an_id_of_plain_characters_is_kept_and_any_other_replaced() {
        let of = |id: &[u8]| request_id(Some(&HeaderValue::from_bytes(id).unwrap()));
        assert_eq!(of(b"a1-B_2.c~/=+:@"), "a1-B_2.c~/=+:@");
        for id in [&b""[..], b"a b", b"\"", b"\xff", &[b'a'; 129]] {
            let made = of(id);
            assert!(made.len() == 32 && made != of(id), "{made:?}");
        }
    }

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
