//! The gate: the one place between a parsed request and its route. It refuses malformed requests, redirects second
//! spellings, and charges clients for lookups of names that are not cached. Playback tokens belong here.

use super::body::ResponseBody;
use super::cmcd;
use super::cors;
use super::kind::ProblemKind;
use super::misses::{LookupPermit, MissLimiter, Peer};
use super::problem::Problem;
use super::request::refusal;
use super::respond::demand;
use crate::config::Http;
use crate::media::{AssetId, Packaging};
use crate::metrics::RequestKind;
use crate::origin::{Demand, Error, Origin};
use crate::route::{Part, Route, is_canonical};
use hyper::header::{CONTENT_LENGTH, HeaderValue, LOCATION, RETRY_AFTER};
use hyper::http::request::Parts;
use hyper::{Method, Response, StatusCode};
use std::sync::Arc;

/// Decides which requests reach the origin.
#[derive(Debug)]
pub(super) struct Gate {
    origin: Arc<Origin>,
    /// Limits lookups of names that do not exist.
    misses: MissLimiter,
}

/// The decision about one request.
#[derive(Debug)]
pub(super) enum Entrance<'a> {
    /// The origin answers it.
    Media(MediaRequest<'a>),
    /// Its path is no route: it may be a page of the gallery.
    Page,
    /// The gate has answered it.
    Answered(RequestKind, Result<Response<ResponseBody>, Problem>),
}

/// An admitted request for media.
#[derive(Debug)]
pub(super) struct MediaRequest<'a> {
    pub(super) route: Route,
    pub(super) demand: Demand,
    /// To be settled with the reply.
    pub(super) permit: Option<LookupPermit<'a>>,
}

impl Gate {
    pub(super) fn new(origin: Arc<Origin>, settings: &Http) -> Self {
        Self { origin, misses: MissLimiter::new(settings) }
    }

    /// Admits, answers or refuses `request`.
    pub(super) async fn enter(&self, request: &Parts) -> Entrance<'_> {
        if let Some(refusal) = refusal(request) {
            return Entrance::Answered(RequestKind::Other, Err(refusal.into()));
        }
        if request.method == Method::OPTIONS {
            return Entrance::Answered(RequestKind::Preflight, Ok(cors::preflight(&request.headers)));
        }
        let path = request.uri.path();
        let Some(route) = Route::parse(path) else { return Entrance::Page };
        if !is_canonical(path) {
            return Entrance::Answered(request_kind(&route), respelled(&route, request));
        }
        let permit = match self.pay(route.asset(), request).await {
            Ok(permit) => permit,
            Err(problem) => return Entrance::Answered(request_kind(&route), Err(problem)),
        };
        // After the charge: an announcement opens the asset, too.
        if request.method == Method::GET
            && let Some(next) = cmcd::next(request)
        {
            self.origin.foresee(&route, next);
        }
        Entrance::Media(MediaRequest { route, demand: demand(request), permit })
    }

    /// Charges the client for the lookup of an asset that is not cached. `None` if the request needs no lookup of its
    /// own.
    pub(super) async fn pay(&self, id: &AssetId, request: &Parts) -> Result<Option<LookupPermit<'_>>, Problem> {
        if !self.origin.is_unknown(id).await {
            return Ok(None);
        }
        let peer = request.extensions.get::<Peer>().copied();
        self.misses.begin(id, peer).map_err(|wait| {
            let why = "too many names that are not here were asked for (`http.misses_per_client`, `http.misses`)";
            let wait = HeaderValue::from(wait.as_secs() + 1);
            Problem::new(ProblemKind::TooManyMisses, why).with(RETRY_AFTER, wait)
        })
    }
}

/// Ends a lookup, and refunds it if the name exists.
pub(super) fn settle<T>(look: Option<LookupPermit<'_>>, reply: &Result<T, Error>) {
    if let Some(look) = look
        && !matches!(reply, Err(Error::NotFound))
    {
        look.found();
    }
}

/// Responds to a path that is not spelled canonically, because caches would store it twice. Entry URLs, which people
/// type, are redirected; all others get 404, because players request them exactly as printed.
fn respelled(route: &Route, request: &Parts) -> Result<Response<ResponseBody>, Problem> {
    if !route.is_entry() {
        return Err(Problem::new(ProblemKind::PathNotFound, "there is nothing at this path in this spelling"));
    }
    // Relative, because a proxy may have removed a prefix.
    let printed = route.to_string();
    let below = printed.strip_prefix("/vod/").unwrap_or(&printed);
    let query = request.uri.query().map(|query| format!("?{query}")).unwrap_or_default();
    let location = format!("{}{below}{query}", "../".repeat(below.matches('/').count()));
    let location = HeaderValue::try_from(location)
        .map_err(|_| Problem::new(ProblemKind::BadQuery, "the query has bytes that no URL has"))?;
    let mut response = Response::new(ResponseBody::empty());
    *response.status_mut() = StatusCode::MOVED_PERMANENTLY;
    response.headers_mut().extend([(LOCATION, location), (CONTENT_LENGTH, HeaderValue::from(0))]);
    Ok(response)
}

/// The kind of a route, as metrics count it.
pub(super) const fn request_kind(route: &Route) -> RequestKind {
    match route {
        Route::Hls(_) => RequestKind::Hls,
        Route::Dash(_) => RequestKind::Dash,
        Route::File(..) => RequestKind::File,
        Route::Ts(_) => RequestKind::Ts,
        Route::Stream(_, _, name, part) => match (name.packaging(), part) {
            (Packaging::Cmaf, Part::Playlist) => RequestKind::Playlist,
            (Packaging::Cmaf | Packaging::Ts, Part::Init) => RequestKind::Init,
            (Packaging::Cmaf, Part::Segment(_)) => RequestKind::Segment,
            (Packaging::Ts, Part::Playlist) => RequestKind::TsPlaylist,
            (Packaging::Ts, Part::Segment(_)) => RequestKind::TsSegment,
        },
    }
}
