//! CORS headers of the API: only pages of the sites in `ingest.origins` may call it.
//!
//! `tower_http::cors` does not fit: it answers every OPTIONS request itself, and tus clients read the handler's response
//! to OPTIONS (tus §OPTIONS). It also sends its headers to sites that are not listed.

use super::state::Control;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN,
    ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE, HeaderValue, ORIGIN, VARY,
};
use axum::http::{Method, Response, StatusCode};
use axum::middleware::Next;

/// Request headers that pages of other sites may send.
const SENT: &str = "Authorization, Content-Type, Tus-Resumable, Upload-Length, Upload-Defer-Length, Upload-Metadata, \
                    Upload-Offset, Upload-Checksum, X-HTTP-Method-Override, X-Requested-With";

/// Response headers that pages of other sites may read.
const SEEN: &str = "Afflux-Asset, ETag, Location, Retry-After, Tus-Checksum-Algorithm, Tus-Extension, Tus-Max-Size, Tus-Resumable, \
                    Tus-Version, Upload-Defer-Length, Upload-Expires, Upload-Length, Upload-Metadata, Upload-Offset";

/// Adds CORS headers to responses for the listed sites.
pub(super) async fn add_cors(State(control): State<Control>, request: Request, next: Next) -> Response<Body> {
    let origin = request.headers().get(ORIGIN).cloned();
    let listed = origin.filter(|origin| control.is_listed(origin));
    let preflight = request.method() == Method::OPTIONS;
    let mut response = next.run(request).await;
    let headers = response.headers_mut();
    headers.append(VARY, HeaderValue::from_static("Origin"));
    let Some(origin) = listed else { return response };
    headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin);
    headers.insert(ACCESS_CONTROL_EXPOSE_HEADERS, HeaderValue::from_static(SEEN));
    if preflight {
        headers.insert(ACCESS_CONTROL_ALLOW_HEADERS, HeaderValue::from_static(SENT));
        let methods = HeaderValue::from_static("GET, HEAD, POST, PUT, PATCH, DELETE");
        headers.insert(ACCESS_CONTROL_ALLOW_METHODS, methods);
        headers.insert(ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static("600"));
        *response.status_mut() = StatusCode::NO_CONTENT;
    }
    response
}
