//! The router, what its handlers share, and what holds for all of them: no answer before the library is there, none
//! to other sites but those that are listed.

use super::access::Caller;
use super::keys::key_of;
use super::players::Players;
use super::problem::Problem;
use super::scope::{Right, Scope};
use super::{assets, jobs, keys, openapi, page, tokens, uploads};
use crate::http::ProblemKind;
use crate::ingest::Ingest;
use crate::library::{self, Library, Upload};
use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::header::{ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_MAX_AGE};
use axum::http::header::{ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_EXPOSE_HEADERS, HeaderValue, ORIGIN, VARY};
use axum::http::header::{CACHE_CONTROL, X_CONTENT_TYPE_OPTIONS};
use axum::http::{HeaderMap, Method, Response, StatusCode, Uri};
use axum::middleware::{Next, from_fn_with_state, map_response};
use axum::routing::{any, get, post, put};
use std::borrow::Cow;
use std::sync::{Arc, OnceLock};
use tower::{ServiceExt, service_fn};

/// What pages of other sites may send.
const SENT: &str = "Authorization, Content-Type, Tus-Resumable, Upload-Length, Upload-Defer-Length, Upload-Metadata, \
                    Upload-Offset, Upload-Checksum, X-HTTP-Method-Override, X-Requested-With";

/// What they may see.
const SEEN: &str = "Afflux-Asset, ETag, Location, Retry-After, Tus-Checksum-Algorithm, Tus-Extension, Tus-Max-Size, Tus-Resumable, \
                    Tus-Version, Upload-Defer-Length, Upload-Expires, Upload-Length, Upload-Metadata, Upload-Offset";

/// What the handlers share. Clones are the same.
#[derive(Debug, Clone)]
pub struct Control {
    /// Empty until the library is there.
    ingest: Arc<OnceLock<Ingest>>,
    origins: Arc<[String]>,
    players: Arc<Players>,
}

impl Control {
    /// An API that tells players to go to `players`, and lets pages of `origins` call it.
    #[must_use]
    pub fn new(players: Players, origins: &[String]) -> Self {
        Self { ingest: Arc::default(), origins: origins.into(), players: Arc::new(players) }
    }

    /// Where players are served, for the caller who sent `headers`.
    pub(super) fn players(&self, headers: &HeaderMap) -> Cow<'_, str> {
        self.players.url(headers)
    }

    /// The library is there: requests are answered from now on.
    pub fn open(&self, ingest: Ingest) {
        // Whoever was first stays.
        let _ = self.ingest.set(ingest);
    }

    /// The service, once there is one.
    pub(super) fn ingest(&self) -> Result<&Ingest, Problem> {
        let away = || Problem::new(ProblemKind::LibraryAway, "the library does not answer yet");
        self.ingest.get().ok_or_else(away)
    }

    /// The service, for the caller who sent `headers` and has `right`, at some asset at least.
    pub(super) async fn allowed(&self, headers: &HeaderMap, right: Right) -> Result<(&Ingest, Caller), Problem> {
        let ingest = self.ingest()?;
        let caller = Caller::identify(ingest.library(), headers).await?;
        caller.check(right)?;
        Ok((ingest, caller))
    }

    /// The service and the upload `id`, for the caller who sent `headers` and has `right` to it, or made it.
    pub(super) async fn upload(
        &self,
        headers: &HeaderMap,
        id: &str,
        right: Right,
    ) -> Result<(&Ingest, Upload), Problem> {
        let ingest = self.ingest()?;
        let caller = Caller::identify(ingest.library(), headers).await?;
        if caller.check(right).is_err() {
            caller.check(Right::Upload)?;
        }
        let upload = ingest.upload(id).await?;
        caller.check_upload(right, &upload)?;
        Ok((ingest, upload))
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
            .route("/api/keys", get(keys::list).post(keys::make))
            .route("/api/keys/{id}", axum::routing::delete(keys::revoke))
            .route("/api/upload-tokens", post(tokens::make))
            .route("/api/upload-tokens/{id}", axum::routing::delete(tokens::revoke))
            .route("/api/assets", get(assets::list))
            .route("/api/openapi.json", get(openapi::text));
        with_slashes(self.finished(json.merge(Self::tus()).route("/api/assets/{*path}", any(assets::below))))
    }

    /// The same for a listener that takes uploads and nothing else.
    pub fn uploads(&self) -> Router {
        let json =
            Router::new().route("/api/direct", post(uploads::direct)).route("/api/imports", post(uploads::import));
        with_slashes(self.finished(json.merge(Self::tus()).route("/api/assets/{*path}", put(assets::file))))
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

    /// The page, and what holds for all routes.
    fn finished(&self, routes: Router<Self>) -> Router {
        routes
            .route("/upload", get(page::index))
            .route("/upload/{*file}", get(page::file))
            .fallback(|| async { Problem::new(ProblemKind::PathNotFound, "the API is told by /api/openapi.json") })
            .method_not_allowed_fallback(|| async {
                Problem::new(ProblemKind::MethodNotAllowed, "the API is told by /api/openapi.json")
            })
            .layer(from_fn_with_state(self.clone(), elsewhere))
            .layer(map_response(guarded))
            .with_state(self.clone())
    }
}

/// Marks a request whose path ended with a slash: what is relative to it is meant from there.
#[derive(Debug, Clone, Copy)]
pub(super) struct Slashed;

/// `router`, whose paths below `/api/` may end with a slash.
fn with_slashes(router: Router) -> Router {
    Router::new().fallback_service(service_fn(move |mut request: Request| {
        if let Some(uri) = without_slash(request.uri()) {
            *request.uri_mut() = uri;
            request.extensions_mut().insert(Slashed);
        }
        router.clone().oneshot(request)
    }))
}

/// The same place without the slash that its path ends with.
fn without_slash(uri: &Uri) -> Option<Uri> {
    let path = uri.path().strip_suffix('/').filter(|path| path.starts_with("/api/"))?;
    let query = uri.query().map_or_else(String::new, |query| format!("?{query}"));
    format!("{path}{query}").parse().ok()
}

/// Every answer is taken for what it says it is, and no cache keeps one that does not allow it.
async fn guarded(mut response: Response<Body>) -> Response<Body> {
    let headers = response.headers_mut();
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.entry(CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    response
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
    let (key, hash, secret) = key_of("first", &[Scope::everywhere(Right::Admin)], None);
    Ok(library.insert_first_key(&key, &hash).await?.then_some(secret))
}
