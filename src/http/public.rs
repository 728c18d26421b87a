//! Handler of the public listener: answers players and the gallery.

use super::body::ResponseBody;
use super::cors;
use super::encoding::Compressor;
use super::gallery;
use super::gate::{Entrance, Gate, MediaRequest, request_kind, settle};
use super::kind::ProblemKind;
use super::problem::{Problem, status};
use super::query::parameter;
use super::request_id::{X_REQUEST_ID, request_id};
use super::respond::{Entity, Representation, demand, etag_of};
use super::timing::{RequestTimings, SERVER_TIMING};
use super::wire::budget::FrameBudget;
use crate::catalog::Query;
use crate::config::Http;
use crate::media::AssetId;
use crate::metrics::{Compression, Metrics, RequestKind};
use crate::origin::{Caching, Content, Demand, Error, Origin, Reply};
use bytes::Bytes;
use hyper::body::Incoming;
use hyper::header::{CONTENT_SECURITY_POLICY, HeaderValue};
use hyper::http::request::Parts;
use hyper::{Method, Request, Response};
use moka::future::Cache;
use moka::policy::EvictionPolicy;
use std::sync::Arc;
use std::time::Instant;

/// `Cache-Control` of responses whose URL contains a version: their bytes never change.
const IMMUTABLE: HeaderValue = HeaderValue::from_static("public, max-age=31536000, immutable");

/// Size of the cache of compressed texts, in bytes.
const PACKED: u64 = 16 << 20;

/// Assets on a page of the gallery by default; `PAGE_LIMIT` is the maximum.
const PAGE: usize = 60;
const PAGE_LIMIT: usize = 200;

/// Longest search text, in bytes.
const WORDS_LIMIT: usize = 256;

/// Handler of the public listener.
#[derive(Debug)]
pub(super) struct PublicHandler {
    origin: Arc<Origin>,
    metrics: Arc<Metrics>,
    /// `Cache-Control` of entry manifests and stored files.
    entry: HeaderValue,
    /// Compressed texts, by entity tag and coding: many viewers request the same few texts.
    packed: Cache<(String, Compression), Bytes>,
    packer: Compressor,
    /// Whether responses carry `Server-Timing`.
    server_timing: bool,
    /// Memory budget for the frames of all responses.
    frames: Arc<FrameBudget>,
    /// Whether the gallery is served.
    gallery: bool,
    gate: Gate,
}

impl PublicHandler {
    /// A handler that answers from `origin`, without the gallery.
    pub(super) fn new(origin: Arc<Origin>, metrics: Arc<Metrics>, settings: &Http) -> Self {
        let entry = format!("public, max-age={}", settings.manifest_max_age.as_secs());
        let entry = HeaderValue::from_str(&entry).expect("visible ASCII is a valid header value");
        let weigh = |(etag, _): &(String, Compression), packed: &Bytes| u32::try_from(etag.len() + packed.len());
        let packed = Cache::builder()
            .max_capacity(PACKED)
            .weigher(move |key, packed| weigh(key, packed).unwrap_or(u32::MAX))
            // LRU admits a text that has just become popular even when the cache is full.
            .eviction_policy(EvictionPolicy::lru())
            .build();
        let frames = FrameBudget::new(settings.frames.bytes());
        let gate = Gate::new(Arc::clone(&origin), settings);
        Self {
            origin,
            metrics,
            entry,
            packed,
            packer: Compressor::new(),
            server_timing: settings.server_timing,
            frames,
            gallery: false,
            gate,
        }
    }

    /// Adds the gallery.
    pub(super) fn with_gallery(self) -> Self {
        Self { gallery: true, ..self }
    }

    /// Where connections and bytes are counted.
    pub(super) const fn metrics(&self) -> &Arc<Metrics> {
        &self.metrics
    }

    /// Answers `request`. Ignores the request body: a request that announces one is refused.
    pub(super) async fn answer(&self, request: Request<Incoming>) -> Response<ResponseBody> {
        let (start, mut passed) = (Instant::now(), RequestTimings::default());
        let (request, _) = request.into_parts();
        let (asked, answer) = self.answer_to(&request, &mut passed).await;
        let mut response = answer.unwrap_or_else(Problem::response);
        cors::open(response.headers_mut());
        let time = start.elapsed();
        if self.server_timing {
            response.headers_mut().insert(SERVER_TIMING, passed.header(time));
        }
        if request.method == Method::HEAD {
            *response.body_mut() = ResponseBody::empty();
        }
        response.body_mut().budgeted(&self.frames);
        self.metrics.requested(asked, response.status().as_u16(), passed.stages.cache);
        self.metrics.answered(asked, time);
        response
    }

    async fn answer_to(
        &self,
        request: &Parts,
        passed: &mut RequestTimings,
    ) -> (RequestKind, Result<Response<ResponseBody>, Problem>) {
        let MediaRequest { route, demand, permit } = match self.gate.enter(request).await {
            Entrance::Media(admitted) => admitted,
            Entrance::Page => return self.page(request, passed).await,
            Entrance::Answered(kind, answer) => return (kind, answer),
        };
        let reply = self.origin.reply(&route, &demand, &mut passed.stages).await;
        settle(permit, &reply);
        let answer = match reply {
            Ok(reply) => self.answer_with(self.entity(reply), request, &demand, passed).await,
            Err(error) => {
                let id = request_id(request.headers.get(X_REQUEST_ID));
                log(request.uri.path(), id.to_str().ok(), &error);
                Err(Problem::from(error).with(X_REQUEST_ID, id))
            }
        };
        (request_kind(&route), answer)
    }

    /// A path that is no route: a page of the gallery, or nothing.
    async fn page(
        &self,
        request: &Parts,
        passed: &mut RequestTimings,
    ) -> (RequestKind, Result<Response<ResponseBody>, Problem>) {
        let answer = match self.gallery(request.uri.path(), request).await {
            Some(Ok(entity)) => self.answer_with(entity, request, &demand(request), passed).await.map(guarded),
            Some(Err(problem)) => Err(problem),
            None => {
                let nothing = Problem::new(ProblemKind::PathNotFound, "there is nothing at this path");
                return (RequestKind::Other, Err(nothing));
            }
        };
        (RequestKind::Gallery, answer)
    }

    fn entity(&self, reply: Reply) -> Entity {
        let caching = match reply.caching {
            Caching::Immutable => IMMUTABLE,
            Caching::Entry => self.entry.clone(),
        };
        let Reply { media_type, etag, modified, content, .. } = reply;
        Entity { media_type, etag, modified, caching, content }
    }

    /// Responds with `entity`, compressed if `request` accepts that.
    async fn answer_with(
        &self,
        entity: Entity,
        request: &Parts,
        demand: &Demand,
        passed: &mut RequestTimings,
    ) -> Result<Response<ResponseBody>, Problem> {
        let Some((packing, text)) = entity.to_pack(request, demand) else {
            return entity.respond(Representation::Plain, request, demand);
        };
        let start = Instant::now();
        let packed = self.packed(&entity.etag, packing, text).await;
        passed.pack = Some(start.elapsed());
        entity.respond(Representation::Packed(packing, packed), request, demand)
    }

    /// Compresses `text`, which has the entity tag `etag`. The result is cached, and concurrent requests share one run.
    async fn packed(&self, etag: &str, packing: Compression, text: &Bytes) -> Bytes {
        let make = async {
            self.metrics.packed(packing);
            self.packer.pack(packing, text.clone()).await
        };
        self.packed.get_with((etag.to_owned(), packing), make).await
    }

    async fn gallery(&self, path: &str, request: &Parts) -> Option<Result<Entity, Problem>> {
        let query = request.uri.query().unwrap_or_default();
        match path {
            _ if !self.gallery => None,
            "/~gallery/assets.json" => Some(self.assets(query).await),
            "/~gallery/asset.json" => Some(self.asset(query, request).await),
            _ => gallery::get(path).map(Ok),
        }
    }

    /// `?id=…`: description of one asset, as JSON.
    async fn asset(&self, query: &str, request: &Parts) -> Result<Entity, Problem> {
        let id = parameter(query, "id").and_then(|name| AssetId::new(&name));
        let id =
            id.ok_or_else(|| Problem::new(ProblemKind::BadQuery, "`id` is the name of an asset, percent-encoded"))?;
        let look = self.gate.pay(&id, request).await?;
        let json = self.origin.gallery_asset(&id).await;
        settle(look, &json);
        Ok(listed(json.inspect_err(|error| log("/~gallery/asset.json", None, error))?))
    }

    /// `?q=…&after=…&limit=…`: a page of asset names, as JSON.
    async fn assets(&self, query: &str) -> Result<Entity, Problem> {
        let after = match parameter(query, "after") {
            Some(name) => Some(AssetId::new(&name).ok_or_else(|| {
                Problem::new(ProblemKind::BadQuery, "`after` is the name of an asset, percent-encoded")
            })?),
            None => None,
        };
        let limit = match parameter(query, "limit") {
            Some(text) => text.parse().ok().filter(|limit| (1..=PAGE_LIMIT).contains(limit)).ok_or_else(|| {
                Problem::new(ProblemKind::BadQuery, format!("`limit` is a number from 1 to {PAGE_LIMIT}"))
            })?,
            None => PAGE,
        };
        let words = parameter(query, "q").unwrap_or_default();
        if words.len() > WORDS_LIMIT {
            let why = format!("`q` has at most {WORDS_LIMIT} bytes");
            return Err(Problem::new(ProblemKind::BadQuery, why));
        }
        let json = self.origin.gallery(Query { words, after, limit }).await;
        Ok(listed(json.inspect_err(|error| log("/~gallery/assets.json", None, error))?))
    }
}

fn listed(json: Bytes) -> Entity {
    Entity {
        media_type: "application/json",
        etag: etag_of(&json),
        modified: None,
        caching: gallery::CACHING,
        content: Content::Text(json),
    }
}

fn guarded(mut response: Response<ResponseBody>) -> Response<ResponseBody> {
    response.headers_mut().insert(CONTENT_SECURITY_POLICY, gallery::POLICY);
    response
}

/// Logs an error once, where it is answered. Client errors are logged at debug level only. So are files that are being
/// written and a server without room: every viewer gets that error again and again, and metrics count it.
fn log(path: &str, request_id: Option<&str>, error: &Error) {
    if status(error).is_server_error() && !matches!(error, Error::Busy(_) | Error::Interrupted(_)) {
        tracing::warn!(path, request_id, %error, "a request failed");
    } else {
        tracing::debug!(path, request_id, %error, "a request was refused");
    }
}
