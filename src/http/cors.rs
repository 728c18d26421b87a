//! CORS headers (Fetch §3.3): any site may request and read every response, errors included.

use super::body::ResponseBody;
use hyper::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN,
    ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE, ACCESS_CONTROL_REQUEST_HEADERS, ALLOW, HeaderName,
    HeaderValue, SERVER, X_CONTENT_TYPE_OPTIONS,
};
use hyper::{HeaderMap, Response, StatusCode};

/// Methods of the public listener.
pub(super) const METHODS: HeaderValue = HeaderValue::from_static("GET, HEAD, OPTIONS");

/// Response headers that scripts may read.
const EXPOSED: HeaderValue = HeaderValue::from_static(
    "Accept-Ranges, Age, Content-Encoding, Content-Length, Content-Range, Date, ETag, Last-Modified, Retry-After, \
     Server-Timing",
);

/// Request headers that scripts may send, in lower case: those that players send and those that the server understands.
const PERMITTED: [&str; 16] = [
    "accept",
    "accept-encoding",
    "accept-language",
    "cache-control",
    "cmcd-object",
    "cmcd-request",
    "cmcd-session",
    "cmcd-status",
    "content-type",
    "if-match",
    "if-modified-since",
    "if-none-match",
    "if-range",
    "if-unmodified-since",
    "pragma",
    "range",
];

/// Adds the headers that let any site use a response.
pub(super) fn open(headers: &mut HeaderMap) {
    headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
    headers.insert(ACCESS_CONTROL_EXPOSE_HEADERS, EXPOSED);
    headers.insert(HeaderName::from_static("cross-origin-resource-policy"), HeaderValue::from_static("cross-origin"));
    headers.insert(HeaderName::from_static("timing-allow-origin"), HeaderValue::from_static("*"));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(SERVER, HeaderValue::from_static("afflux"));
}

/// Answers OPTIONS with the allowed methods and headers, whether it is a preflight or not.
pub(super) fn preflight(request: &HeaderMap) -> Response<ResponseBody> {
    let mut response = Response::new(ResponseBody::empty());
    *response.status_mut() = StatusCode::NO_CONTENT;
    let headers = response.headers_mut();
    headers.insert(ALLOW, METHODS);
    headers.insert(ACCESS_CONTROL_ALLOW_METHODS, METHODS);
    headers.insert(ACCESS_CONTROL_ALLOW_HEADERS, allowed(request));
    headers.insert(ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static("86400"));
    response
}

/// The requested headers that are permitted; all permitted headers if the request names none.
fn allowed(request: &HeaderMap) -> HeaderValue {
    let asked: Vec<&str> = request
        .get_all(ACCESS_CONTROL_REQUEST_HEADERS)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|list| list.split(','))
        .map(str::trim)
        .collect();
    let granted = |name: &&&str| asked.is_empty() || asked.iter().any(|one| one.eq_ignore_ascii_case(name));
    let list: Vec<&str> = PERMITTED.iter().filter(granted).copied().collect();
    HeaderValue::from_str(&list.join(", ")).expect("names of headers and commas only")
}

#[cfg(test)]
mod tests {
    use super::preflight;
    use hyper::HeaderMap;
    use hyper::header::{ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_REQUEST_HEADERS, HeaderValue};

    fn allowed(asked: &'static str) -> String {
        let headers: HeaderMap =
            [(ACCESS_CONTROL_REQUEST_HEADERS, HeaderValue::from_static(asked))].into_iter().collect();
        preflight(&headers).headers()[ACCESS_CONTROL_ALLOW_HEADERS].to_str().unwrap().to_owned()
    }

    #[test]
    fn only_what_is_asked_and_permitted_is_allowed() {
        assert_eq!(allowed("Range,CMCD-Object , authorization"), "cmcd-object, range");
        assert_eq!(allowed("authorization"), "");
    }
}
