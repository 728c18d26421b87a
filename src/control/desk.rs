//! The API's router, the state that its handlers share, and rules for all of them: no handler runs before the library
//! is open, and only the configured sites get CORS headers.

use super::access::Caller;
use super::keys::key_of;
use super::players::Players;
use super::problem::ApiProblem;
use super::scope::{Permission, Scope};
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

/// Request headers that pages of other sites may send.
const SENT: &str = "Authorization, Content-Type, Tus-Resumable, Upload-Length, Upload-Defer-Length, Upload-Metadata, \
                    Upload-Offset, Upload-Checksum, X-HTTP-Method-Override, X-Requested-With";

/// Response headers that pages of other sites may read.
const SEEN: &str = "Afflux-Asset, ETag, Location, Retry-After, Tus-Checksum-Algorithm, Tus-Extension, Tus-Max-Size, Tus-Resumable, \
                    Tus-Version, Upload-Defer-Length, Upload-Expires, Upload-Length, Upload-Metadata, Upload-Offset";

/// State that the handlers share. Clones share the same state.
#[derive(Debug, Clone)]
pub struct Control {
    /// Empty until the library is open.
    ingest: Arc<OnceLock<Ingest>>,
    origins: Arc<[String]>,
    players: Arc<Players>,
}

impl Control {
    /// An API that prints media URLs below `players`, and that pages of `origins` may call.
    #[must_use]
    pub fn new(players: Players, origins: &[String]) -> Self {
        Self { ingest: Arc::default(), origins: origins.into(), players: Arc::new(players) }
    }

    /// Base of media URLs, for the caller who sent `headers`.
    pub(super) fn players(&self, headers: &HeaderMap) -> Cow<'_, str> {
        self.players.url(headers)
    }

    /// Supplies the service once the library is open; handlers answer 503 until then. Only the first call counts.
    pub fn open(&self, ingest: Ingest) {
        // A second call changes nothing.
        let _ = self.ingest.set(ingest);
    }

    /// The ingest service; an error until the library is open.
    pub(super) fn ingest(&self) -> Result<&Ingest, ApiProblem> {
        let away = || ApiProblem::new(ProblemKind::LibraryAway, "the library does not answer yet");
        self.ingest.get().ok_or_else(away)
    }

    /// The ingest service and the caller who sent `headers`, if it has `right` for at least some assets.
    pub(super) async fn allowed(
        &self,
        headers: &HeaderMap,
        right: Permission,
    ) -> Result<(&Ingest, Caller), ApiProblem> {
        let ingest = self.ingest()?;
        let caller = Caller::identify(ingest.library(), headers).await?;
        caller.check(right)?;
        Ok((ingest, caller))
    }

    /// The ingest service and the upload `id`, if the caller who sent `headers` has `right` to it or created it.
    pub(super) async fn upload(
        &self,
        headers: &HeaderMap,
        id: &str,
        right: Permission,
    ) -> Result<(&Ingest, Upload), ApiProblem> {
        let ingest = self.ingest()?;
        let caller = Caller::identify(ingest.library(), headers).await?;
        if caller.check(right).is_err() {
            caller.check(Permission::Upload)?;
        }
        let upload = ingest.upload(id).await?;
        caller.check_upload(right, &upload)?;
        Ok((ingest, upload))
    }

    /// The router for `/api` and `/upload` on the private listener.
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

    /// The router for `/api` and `/upload` on the upload listener, which only takes uploads.
    pub fn uploads(&self) -> Router {
        let json =
            Router::new().route("/api/direct", post(uploads::direct)).route("/api/imports", post(uploads::import));
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
            .route("/api/uploads/{id}/complete", post(uploads::complete))
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
            .layer(from_fn_with_state(self.clone(), elsewhere))
            .layer(map_response(guarded))
            .with_state(self.clone())
    }
}

/// Marks a request whose path ended with a slash: relative URLs in the response must account for it.
#[derive(Debug, Clone, Copy)]
pub(super) struct TrailingSlash;

/// Wraps `router` so that paths below `/api/` may end with a slash.
fn with_slashes(router: Router) -> Router {
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

/// Forbids content sniffing on every response, and caching unless the response allows it.
async fn guarded(mut response: Response<Body>) -> Response<Body> {
    let headers = response.headers_mut();
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.entry(CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    response
}

/// Adds CORS headers to responses for the listed sites.
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

/// Creates the first key of a library without keys. Returns its secret to one process, once; `None` to all others.
pub async fn first_key(library: &Library) -> Result<Option<String>, library::Error> {
    let (key, hash, secret) = key_of("first", &[Scope::everywhere(Permission::Admin)], None);
    Ok(library.insert_first_key(&key, &hash).await?.then_some(secret))
}
