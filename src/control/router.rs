//! Routes of the API on the private and on the upload listener, and the headers of every response.

use super::cors::add_cors;
use super::problem::ApiProblem;
use super::slashes::with_slashes;
use super::state::Control;
use super::{assets, files, jobs, keys, openapi, page, tokens, uploads};
use crate::http::ProblemKind;
use axum::Router;
use axum::body::Body;
use axum::http::Response;
use axum::http::header::{CACHE_CONTROL, HeaderValue, X_CONTENT_TYPE_OPTIONS};
use axum::middleware::{from_fn_with_state, map_response};
use axum::routing::{any, get, post, put};

impl Control {
    /// The router for `/api` and `/upload` on the private listener.
    pub fn router(&self) -> Router {
        let json = Router::new()
            .route("/api/imports", post(files::import))
            .route("/api/direct", post(files::direct))
            .route("/api/jobs", get(jobs::list))
            .route("/api/jobs/{id}", get(jobs::one))
            .route("/api/jobs/{id}/retry", post(jobs::retry))
            .route("/api/jobs/{id}/cancel", post(jobs::cancel))
            .route("/api/keys", get(keys::list).post(keys::make))
            .route("/api/keys/{id}", axum::routing::delete(keys::revoke))
            .route("/api/upload-tokens", post(tokens::make))
            .route("/api/upload-tokens/{id}", axum::routing::delete(tokens::revoke))
            .route("/api/assets", get(assets::list))
            .route("/api/openapi.json", get(openapi::text));
        with_slashes(self.finished(json.merge(Self::tus()).route("/api/assets/{*path}", any(assets::below))))
    }

    /// The router for `/api` and `/upload` on the upload listener, which only takes uploads.
    pub fn uploads(&self) -> Router {
        let json = Router::new().route("/api/direct", post(files::direct)).route("/api/imports", post(files::import));
        with_slashes(self.finished(json.merge(Self::tus()).route("/api/assets/{*path}", put(assets::file))))
    }

    /// Routes that both listeners have: uploads and their state.
    fn tus() -> Router<Self> {
        Router::new()
            .route("/api/uploads", get(uploads::list).post(uploads::create).options(uploads::spoken))
            .route(
                "/api/uploads/{id}",
                get(uploads::one)
                    .head(uploads::offset)
                    .patch(uploads::append)
                    .post(uploads::overridden)
                    .delete(uploads::terminate)
                    .options(uploads::spoken),
            )
            .route("/api/uploads/{id}/complete", post(files::complete))
    }

    /// Adds the upload page, the fallbacks and the layers to `routes`.
    fn finished(&self, routes: Router<Self>) -> Router {
        routes
            .route("/upload", get(page::index))
            .route("/upload/{*file}", get(page::file))
            .fallback(|| async { ApiProblem::new(ProblemKind::PathNotFound, "the API is told by /api/openapi.json") })
            .method_not_allowed_fallback(|| async {
                ApiProblem::new(ProblemKind::MethodNotAllowed, "the API is told by /api/openapi.json")
            })
            .layer(from_fn_with_state(self.clone(), add_cors))
            .layer(map_response(guarded))
            .with_state(self.clone())
    }
}

/// Forbids content sniffing on every response, and caching unless the response allows it.
async fn guarded(mut response: Response<Body>) -> Response<Body> {
    let headers = response.headers_mut();
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.entry(CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    response
}
