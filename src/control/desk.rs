//! The router, what its handlers share, and what holds for all of them: no answer before the library is there, none
//! to other sites but those that are listed.

use super::keys::{Scope, asked, key_of};
use super::problem::Problem;
use super::{access, assets, jobs, openapi, page, uploads};
use crate::ingest::Ingest;
use crate::library::{self, Key, Library};
use axum::Router;
use axum::body::Body;
use axum::extract::{DefaultBodyLimit, Request, State};
use axum::http::header::{ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_MAX_AGE};
use axum::http::header::{ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_EXPOSE_HEADERS, HeaderValue, ORIGIN, VARY};
use axum::http::{HeaderMap, Method, Response, StatusCode};
use axum::middleware::{Next, from_fn_with_state};
use axum::routing::{any, get, post, put};
use std::sync::{Arc, OnceLock};

/// Bytes of a request that is JSON, at most.
const JSON_LIMIT: usize = 64 << 10;

/// What pages of other sites may send.
const SENT: &str = "Authorization, Content-Type, Tus-Resumable, Upload-Length, Upload-Defer-Length, Upload-Metadata, \
                    Upload-Offset, Upload-Checksum, X-HTTP-Method-Override, X-Requested-With";

/// What they may see.
const SEEN: &str = "Location, Retry-After, Tus-Checksum-Algorithm, Tus-Extension, Tus-Max-Size, Tus-Resumable, \
                    Tus-Version, Upload-Defer-Length, Upload-Expires, Upload-Length, Upload-Metadata, Upload-Offset";

/// What the handlers share. Clones are the same.
#[derive(Debug, Clone)]
pub struct Control {
    /// Empty until the library is there.
    ingest: Arc<OnceLock<Ingest>>,
    origins: Arc<[String]>,
    /// Where players are served.
    pub(super) players: Arc<str>,
}

impl Control {
    /// An API that tells players to go to `players`, and lets pages of `origins` call it.
    #[must_use]
    pub fn new(players: &str, origins: &[String]) -> Self {
        let players = players.trim_end_matches('/').into();
        Self { ingest: Arc::default(), origins: origins.into(), players }
    }

    /// The library is there: requests are answered from now on.
    pub fn open(&self, ingest: Ingest) {
        // Whoever was first stays.
        let _ = self.ingest.set(ingest);
    }

    /// The service, once there is one.
    pub(super) fn ingest(&self) -> Result<&Ingest, Problem> {
        let away = || Problem::new(StatusCode::SERVICE_UNAVAILABLE, "the library does not answer yet");
        self.ingest.get().ok_or_else(away)
    }

    /// The service, for whom `headers` say, who may what needs `scope`.
    pub(super) async fn allowed(&self, headers: &HeaderMap, scope: Scope) -> Result<(&Ingest, Key), Problem> {
        let ingest = self.ingest()?;
        let key = asked(ingest.library(), headers, scope).await?;
        Ok((ingest, key))
    }

    /// What answers below `/api` and `/upload`.
    pub fn router(&self) -> Router {
        let json = Router::new()
            .route("/api/imports", post(uploads::import))
            .route("/api/direct", post(uploads::direct))
            .route("/api/jobs", get(jobs::list))
            .route("/api/jobs/{id}", get(jobs::one))
            .route("/api/jobs/{id}/retry", post(jobs::retry))
            .route("/api/jobs/{id}/cancel", post(jobs::cancel))
            .route("/api/keys", get(access::list).post(access::make))
            .route("/api/keys/{id}", axum::routing::delete(access::revoke))
            .route("/api/assets", get(assets::list))
            .route("/api/openapi.json", get(openapi::text))
            .layer(DefaultBodyLimit::max(JSON_LIMIT));
        self.finished(json.merge(Self::tus()).route("/api/assets/{*path}", any(assets::below)))
    }

    /// The same for a listener that takes uploads and nothing else.
    pub fn uploads(&self) -> Router {
        let json = Router::new()
            .route("/api/direct", post(uploads::direct))
            .route("/api/imports", post(uploads::import))
            .layer(DefaultBodyLimit::max(JSON_LIMIT));
        self.finished(json.merge(Self::tus()).route("/api/assets/{*path}", put(assets::file)))
    }

    /// Uploads, and what becomes of them.
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
            .route("/api/uploads/{id}/complete", post(uploads::complete))
    }

    /// The page, and what holds for all routes. Whoever reads a body whole bounds it himself.
    fn finished(&self, routes: Router<Self>) -> Router {
        routes
            .layer(DefaultBodyLimit::disable())
            .route("/upload", get(page::index))
            .route("/upload/{*file}", get(page::file))
            .fallback(|| async { Problem::new(StatusCode::NOT_FOUND, "the API is told by /api/openapi.json") })
            .method_not_allowed_fallback(|| async {
                Problem::new(StatusCode::METHOD_NOT_ALLOWED, "the API is told by /api/openapi.json")
            })
            .layer(from_fn_with_state(self.clone(), elsewhere))
            .with_state(self.clone())
    }
}

/// Requests of pages of other sites (CORS): answered where they are listed.
async fn elsewhere(State(control): State<Control>, request: Request, next: Next) -> Response<Body> {
    let origin = request.headers().get(ORIGIN).cloned();
    let listed = origin.filter(|origin| control.origins.iter().any(|listed| listed.as_bytes() == origin.as_bytes()));
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

/// The first key of a library that has none: its secret, told to one process once.
pub async fn first_key(library: &Library) -> Result<Option<String>, library::Error> {
    let (key, hash, secret) = key_of("first", Scope::Admin, None);
    Ok(library.insert_first_key(&key, &hash).await?.then_some(secret))
}
