//! Refuses malformed requests by their head: the checks that hyper leaves to the application (RFC 9112 §3.2, §6).

use super::cors::METHODS;
use super::kind::ProblemKind;
use super::problem::Problem;
use hyper::header::{ALLOW, CONNECTION, CONTENT_LENGTH, HOST, HeaderValue, TRANSFER_ENCODING};
use hyper::http::request::Parts;
use hyper::http::uri::Authority;
use hyper::{HeaderMap, Method, Version};

/// Longest path, in bytes; an asset's name has at most 1,024, encoded 3,072.
const PATH_LIMIT: usize = 4_096;

/// Reason to refuse a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum RequestError {
    /// The request announces a body. No handler takes one, and request smuggling exploits doubts about where a body
    /// ends.
    #[error("a request has no body here: neither Transfer-Encoding nor a Content-Length above 0 is accepted")]
    Body,
    /// Not exactly one valid Host (RFC 9112 §3.2).
    #[error("a request has exactly one Host header, which names a host and at most a port")]
    Host,
    /// A method that the server does not support.
    #[error("the methods here are GET, HEAD and OPTIONS")]
    Method,
    /// A fragment in the request target: no client sends one (RFC 9110 §4.2.5), and the path would have two spellings.
    #[error("a request target has no fragment (`#`); as a character of a path it is written %23")]
    Fragment,
    /// A path that is too long for any asset.
    #[error("a path is at most {PATH_LIMIT} bytes long")]
    Path,
}

/// An extension of requests whose target has a fragment, which the parser has dropped.
#[derive(Debug, Clone, Copy)]
pub(super) struct HasFragment;

/// The reason to refuse `request`; `None` if it is acceptable.
pub(super) fn refusal(request: &Parts) -> Option<RequestError> {
    if announces_body(&request.headers) {
        return Some(RequestError::Body);
    }
    if !has_right_host(request) {
        return Some(RequestError::Host);
    }
    if ![Method::GET, Method::HEAD, Method::OPTIONS].contains(&request.method) {
        return Some(RequestError::Method);
    }
    if request.extensions.get::<HasFragment>().is_some() {
        return Some(RequestError::Fragment);
    }
    (request.uri.path().len() > PATH_LIMIT).then_some(RequestError::Path)
}

fn announces_body(headers: &HeaderMap) -> bool {
    let zero = |value: &HeaderValue| value.as_bytes().iter().all(|byte| *byte == b'0');
    headers.contains_key(TRANSFER_ENCODING) || !headers.get_all(CONTENT_LENGTH).iter().all(zero)
}

/// Whether `request` has exactly one valid Host; HTTP/1.0 may omit it.
pub(super) fn has_right_host(request: &Parts) -> bool {
    let mut hosts = request.headers.get_all(HOST).iter();
    match (hosts.next(), hosts.next()) {
        (None, _) => request.version < Version::HTTP_11,
        (Some(host), None) => is_host(host),
        (Some(_), Some(_)) => false,
    }
}

/// Whether `value` is `host[:port]`, or empty, as for a target without authority (RFC 9110 §7.2). A comma is refused:
/// it would be two Host headers joined by a proxy.
fn is_host(value: &HeaderValue) -> bool {
    let bytes = value.as_bytes();
    if bytes.is_empty() {
        return true;
    }
    let authority = Authority::try_from(bytes).ok().filter(|_| !bytes.iter().any(|byte| b"@,".contains(byte)));
    authority.is_some_and(|authority| has_right_port(&authority))
}

/// Whether the port is valid: digits or nothing after the colon (RFC 3986 §3.2.3), and at most 65535.
fn has_right_port(authority: &Authority) -> bool {
    let behind = authority.as_str().strip_prefix(authority.host()).unwrap_or_default();
    behind.strip_prefix(':').is_none_or(|port| {
        let digits = port.bytes().all(|byte| byte.is_ascii_digit());
        digits && (port.is_empty() || port.parse::<u16>().is_ok())
    })
}

impl From<RequestError> for Problem {
    fn from(refusal: RequestError) -> Self {
        let problem = |kind| Self::new(kind, refusal.to_string());
        match refusal {
            // The bytes that follow on this connection cannot be trusted to be a request.
            RequestError::Body | RequestError::Host => {
                problem(ProblemKind::BadRequest).with(CONNECTION, HeaderValue::from_static("close"))
            }
            RequestError::Fragment => problem(ProblemKind::BadRequest),
            RequestError::Method => problem(ProblemKind::MethodNotAllowed).with(ALLOW, METHODS),
            RequestError::Path => problem(ProblemKind::UrlTooLong),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{RequestError, refusal};
    use hyper::{Request, Version};

    fn of(method: &str, headers: &[(&str, &str)]) -> Option<RequestError> {
        let mut request = Request::builder().method(method).uri("/a");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        refusal(&request.body(()).unwrap().into_parts().0)
    }

    #[test]
    fn a_body_is_refused_however_it_is_announced() {
        for (name, value) in [("transfer-encoding", "chunked"), ("transfer-encoding", ""), ("content-length", "1")] {
            assert_eq!(of("GET", &[("host", "h"), (name, value)]), Some(RequestError::Body), "{name}: {value}");
        }
        assert_eq!(of("GET", &[("host", "h"), ("content-length", "0")]), None);
        assert_eq!(
            of("GET", &[("host", "h"), ("content-length", "0"), ("content-length", "5")]),
            Some(RequestError::Body)
        );
    }

    #[test]
    fn one_host_that_is_one_is_needed() {
        for host in ["", "h", "h:80", "h:65535", "h:", "127.0.0.1:8080", "[::1]:80", "xn--bcher-kva.example"] {
            assert_eq!(of("GET", &[("host", host)]), None, "{host}");
        }
        for host in ["a b", "a,b", "user@h", "h/path", "h:port:x", "h:999999", "h:65536", "[::1]:99999", "h:+1"] {
            assert_eq!(of("GET", &[("host", host)]), Some(RequestError::Host), "{host}");
        }
        assert_eq!(of("GET", &[]), Some(RequestError::Host));
        assert_eq!(of("GET", &[("host", "h"), ("host", "h")]), Some(RequestError::Host));
    }

    #[test]
    fn http_1_0_needs_no_host() {
        let request = Request::builder().uri("/a").version(Version::HTTP_10).body(()).unwrap();
        assert_eq!(refusal(&request.into_parts().0), None);
    }

    #[test]
    fn other_methods_and_endless_paths_are_refused() {
        for method in ["POST", "PUT", "DELETE", "TRACE", "PATCH", "get", "BREW"] {
            assert_eq!(of(method, &[("host", "h")]), Some(RequestError::Method), "{method}");
        }
        let request = Request::builder().uri(format!("/{}", "a".repeat(4_096))).header("host", "h").body(()).unwrap();
        assert_eq!(refusal(&request.into_parts().0), Some(RequestError::Path));
    }
}
