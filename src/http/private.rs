//! The private listener: health, readiness, metrics, and what a router of another room answers.

use super::api;
use super::body::Body;
use super::gallery;
use super::incoming::Patience;
use super::kind::ProblemKind;
use super::problem::Problem;
use super::public::Public;
use super::request::refusal;
use super::seat::Seat;
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

/// Requests of the API that are answered at once; probes are not counted.
const API_REQUESTS: usize = 256;

/// How long a request of the API waits for its turn.
const API_WAIT: Duration = Duration::from_secs(5);

/// What answers on the private listener.
#[derive(Debug)]
pub(super) struct Private {
    pub origin: Arc<Origin>,
    pub metrics: Arc<Metrics>,
    /// Cancelled when the server is about to stop.
    pub stop: CancellationToken,
    /// What else is answered here.
    pub api: Option<Api>,
    /// The gallery with what it plays, where it is shown here.
    pub site: Option<Public>,
}

/// The API, and how many of its requests are answered at once.
#[derive(Debug)]
pub(super) struct Api {
    router: Router,
    turns: Semaphore,
    patience: Patience,
}

impl Api {
    /// What `router` answers.
    pub(super) fn new(router: Router, patience: Patience) -> Self {
        Self { router, turns: Semaphore::new(API_REQUESTS), patience }
    }

    /// The answer to `request`, once it is its turn. From then on its connection, which has this `seat`, is not closed
    /// to make room for others.
    async fn answer(&self, request: Request<Incoming>, seat: &Seat) -> Response<Body> {
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

impl Private {
    /// The answer to `request`, whose connection has this `seat`.
    pub(super) async fn answer(&self, request: Request<Incoming>, seat: &Seat) -> Response<Body> {
        if let Some(api) = self.api.as_ref().filter(|_| api::is_at(request.uri().path())) {
            return api.answer(request, seat).await;
        }
        if let Some(site) = self.site.as_ref().filter(|_| is_of_site(request.uri().path())) {
            return site.answer(request).await;
        }
        let (request, _) = request.into_parts();
        let mut response = self.answer_to(&request).await.unwrap_or_else(Problem::response);
        if request.method == Method::HEAD {
            *response.body_mut() = Body::empty();
        }
        response
    }

    async fn answer_to(&self, request: &Parts) -> Result<Response<Body>, Problem> {
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

    /// Whether a balancer should send requests here.
    async fn ready(&self) -> Result<Response<Body>, Problem> {
        if self.stop.is_cancelled() {
            return Err(Problem::new(ProblemKind::NotReady, "the server is about to stop"));
        }
        let ready = self.origin.ready().await;
        ready.map_err(|error| Problem::new(ProblemKind::NotReady, error.to_string()))?;
        Ok(text("ready\n".into(), "text/plain"))
    }
}

/// Whether `path` is the gallery's, or one that it plays.
fn is_of_site(path: &str) -> bool {
    gallery::is_at(path) || path.starts_with("/vod/")
}

fn text(text: String, media_type: &'static str) -> Response<Body> {
    let length = HeaderValue::from(text.len());
    let mut response = Response::new(Body::text(Bytes::from(text)));
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(media_type));
    headers.insert(CONTENT_LENGTH, length);
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}
