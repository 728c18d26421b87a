//! Runs the control plane's router on the private and the upload listener. Its responses are small: they are buffered
//! and sent with their length.

use super::body::ResponseBody;
use super::incoming::{BodyTimeouts, Timed};
use super::kind::ProblemKind;
use super::problem::Problem;
use super::request::has_right_host;
use axum::Router;
use http_body_util::BodyExt;
use hyper::body::Incoming;
use hyper::header::{CONTENT_LENGTH, HeaderValue, TRANSFER_ENCODING};
use hyper::{Method, Request, Response, StatusCode};
use tower::ServiceExt;

/// Paths below which the router answers.
const ROOTS: [&str; 2] = ["/api", "/upload"];

/// Whether the router answers at `path`.
pub(super) fn is_at(path: &str) -> bool {
    ROOTS.iter().any(|root| path.strip_prefix(root).is_some_and(|rest| rest.is_empty() || rest.starts_with('/')))
}

/// Answers `request` by `router`; `patience` limits how slowly the request body may arrive.
pub(super) async fn answer(
    router: Router,
    request: Request<Incoming>,
    patience: BodyTimeouts,
) -> Response<ResponseBody> {
    let (head, body) = request.into_parts();
    if !has_right_host(&head) {
        return Problem::new(ProblemKind::BadRequest, "a request has exactly one Host header").response();
    }
    let is_head = head.method == Method::HEAD;
    let request = Request::from_parts(head, axum::body::Body::new(Timed::new(body, patience)));
    let Ok(answer) = router.oneshot(request).await;
    let (mut head, body) = answer.into_parts();
    let Ok(bytes) = body.collect().await.map(http_body_util::Collected::to_bytes) else {
        return Problem::new(ProblemKind::Internal, "the answer broke off").response();
    };
    head.headers.remove(TRANSFER_ENCODING);
    if is_head {
        return Response::from_parts(head, ResponseBody::empty());
    }
    // RFC 9110 §8.6: a 204 has no Content-Length.
    if head.status != StatusCode::NO_CONTENT {
        head.headers.insert(CONTENT_LENGTH, HeaderValue::from(bytes.len()));
    }
    Response::from_parts(head, ResponseBody::text(bytes))
}

#[cfg(test)]
mod tests {
    use super::is_at;

    #[test]
    fn a_router_has_its_own_paths_alone() {
        for path in ["/api", "/api/", "/api/uploads", "/upload", "/upload/app.js"] {
            assert!(is_at(path), "{path}");
        }
        for path in ["/", "/apis", "/healthz", "/uploads"] {
            assert!(!is_at(path), "{path}");
        }
    }
}
