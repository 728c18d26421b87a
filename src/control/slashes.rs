//! Slashes at the end of a path: paths below `/api/` may have one, and mean the same with it.

use axum::Router;
use axum::extract::Request;
use axum::http::Uri;
use tower::{ServiceExt, service_fn};

/// Marks a request whose path ended with a slash: relative URLs in the response must account for it.
#[derive(Debug, Clone, Copy)]
pub(super) struct TrailingSlash;

/// Wraps `router` so that paths below `/api/` may end with a slash.
pub(super) fn with_slashes(router: Router) -> Router {
    Router::new().fallback_service(service_fn(move |mut request: Request| {
        if let Some(uri) = without_slash(request.uri()) {
            *request.uri_mut() = uri;
            request.extensions_mut().insert(TrailingSlash);
        }
        router.clone().oneshot(request)
    }))
}

/// Removes the slash at the end of a path below `/api/`. `None` if there is none.
fn without_slash(uri: &Uri) -> Option<Uri> {
    let path = uri.path().strip_suffix('/').filter(|path| path.starts_with("/api/"))?;
    let query = uri.query().map_or_else(String::new, |query| format!("?{query}"));
    format!("{path}{query}").parse().ok()
}
