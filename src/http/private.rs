//! Handler of the private listener: health, readiness, metrics, the API of the control plane and a private gallery.

use super::api;
use super::body::ResponseBody;
use super::gallery;
use super::incoming::BodyTimeouts;
use super::kind::ProblemKind;
use super::problem::Problem;
use super::public::PublicHandler;
use super::request::refusal;
use super::wire::eviction::EvictionSlot;
use crate::media::u64_from_usize;
use crate::metrics::{MEDIA_TYPE, Metrics};
use crate::origin::Origin;
use axum::Router;
use bytes::Bytes;
use hyper::body::Incoming;
use hyper::header::{CACHE_CONTROL, CONTENT_LENGTH, CONTENT_TYPE, HeaderValue};
use hyper::http::request::Parts;
use hyper::{Method, Request, Response};
use std::sync::Arc;
use std::time::Duration;
use tokio::runtime::Handle;
use tokio::sync::Semaphore;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

/// Most API requests answered at the same time; probes are not counted.
const API_REQUESTS: usize = 256;

/// How long an API request waits for its turn.
const API_WAIT: Duration = Duration::from_secs(5);

/// Handler of the private listener.
#[derive(Debug)]
pub(super) struct PrivateHandler {
    pub origin: Arc<Origin>,
    pub metrics: Arc<Metrics>,
    /// Cancelled when the server is about to stop.
    pub stop: CancellationToken,
    /// The API; `None` if the control plane is off.
    pub api: Option<ApiHandler>,
    /// The gallery and the media that it plays; `None` unless the gallery is private.
    pub site: Option<PublicHandler>,
}

/// The API, with a limit on concurrent requests.
#[derive(Debug)]
pub(super) struct ApiHandler {
    router: Router,
    turns: Semaphore,
    patience: BodyTimeouts,
}

impl ApiHandler {
    /// An API that `router` answers; `patience` limits how slowly request bodies may arrive.
    pub(super) fn new(router: Router, patience: BodyTimeouts) -> Self {
        Self { router, turns: Semaphore::new(API_REQUESTS), patience }
    }

    /// Waits for the request's turn, then answers it. While it is answered, its connection, which has this `seat`,
    /// cannot be evicted.
    async fn answer(&self, request: Request<Incoming>, seat: &EvictionSlot) -> Response<ResponseBody> {
        let Ok(Ok(_turn)) = timeout(API_WAIT, self.turns.acquire()).await else {
            let detail = format!("{API_REQUESTS} requests of the API are being answered already");
            return Problem::new(ProblemKind::Busy, detail).response();
        };
        seat.leave();
        let response = api::answer(self.router.clone(), request, self.patience).await;
        seat.enter();
        response
    }
}

impl PrivateHandler {
    /// Answers `request`, whose connection has this `seat`.
    pub(super) async fn answer(&self, request: Request<Incoming>, seat: &EvictionSlot) -> Response<ResponseBody> {
        if let Some(api) = self.api.as_ref().filter(|_| api::is_at(request.uri().path())) {
            return api.answer(request, seat).await;
        }
        if let Some(site) = self.site.as_ref().filter(|_| is_of_site(request.uri().path())) {
            return site.answer(request).await;
        }
        let (request, _) = request.into_parts();
        let mut response = self.answer_to(&request).await.unwrap_or_else(Problem::response);
        if request.method == Method::HEAD {
            *response.body_mut() = ResponseBody::empty();
        }
        response
    }

    async fn answer_to(&self, request: &Parts) -> Result<Response<ResponseBody>, Problem> {
        if let Some(refusal) = refusal(request) {
            return Err(refusal.into());
        }
        match request.uri.path() {
            "/healthz" => Ok(text("ok\n".into(), "text/plain")),
            "/readyz" => self.ready().await,
            "/metrics" => {
                self.metrics.tasks(u64_from_usize(Handle::current().metrics().num_alive_tasks()));
                Ok(text(self.metrics.text(), MEDIA_TYPE))
            }
            _ => Err(Problem::new(ProblemKind::PathNotFound, "here are /healthz, /readyz and /metrics")),
        }
    }

    /// Answers whether a load balancer should send requests to this server.
    async fn ready(&self) -> Result<Response<ResponseBody>, Problem> {
        if self.stop.is_cancelled() {
            return Err(Problem::new(ProblemKind::NotReady, "the server is about to stop"));
        }
        let ready = self.origin.ready().await;
        ready.map_err(|error| Problem::new(ProblemKind::NotReady, error.to_string()))?;
        Ok(text("ready\n".into(), "text/plain"))
    }
}

/// Whether `path` belongs to the gallery or to the media that it plays.
fn is_of_site(path: &str) -> bool {
    gallery::is_at(path) || path.starts_with("/vod/")
}

fn text(text: String, media_type: &'static str) -> Response<ResponseBody> {
    let length = HeaderValue::from(text.len());
    let mut response = Response::new(ResponseBody::text(Bytes::from(text)));
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(media_type));
    headers.insert(CONTENT_LENGTH, length);
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}
