//! `X-Request-Id`: the id that the client sent, if it is safe to repeat, or a new one.

use hyper::header::{HeaderName, HeaderValue};
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

#[cfg(test)]
mod tests {
    use super::request_id;
    use hyper::header::HeaderValue;

    #[test]
    fn an_id_of_plain_characters_is_kept_and_any_other_replaced() {
        let of = |id: &[u8]| request_id(Some(&HeaderValue::from_bytes(id).unwrap()));
        assert_eq!(of(b"a1-B_2.c~/=+:@"), "a1-B_2.c~/=+:@");
        for id in [&b""[..], b"a b", b"\"", b"\xff", &[b'a'; 129]] {
            let made = of(id);
            assert!(made.len() == 32 && made != of(id), "{made:?}");
        }
    }
}
