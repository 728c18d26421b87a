//! [`Movies`]: the indexes of stored files. Caches them by the file's stamp, and reads each file once for all concurrent
//! requests.

use super::error::Error;
use super::headers::{self, MovieResult, given_up};
use super::places::IndexStores;
use crate::cache::{BuildLost, Cache, Governor, Limits};
use crate::media::{Damage, Missing, Movie, u64_from_usize};
use crate::metrics::{CacheKind, Metrics, Stage};
use crate::plan::{self, Plan, PlanError, SourceFile};
use crate::store::{Object, Stamp, Store};
use bytes::Bytes;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::Semaphore;
use tokio_util::task::TaskTracker;

/// Most files that are read concurrently. The others wait: headers may be large, and indexes are built from all of
/// them.
const AT_ONCE: usize = 8;

/// Most attempts to load missing samples from a saved index: others may save it again at the same time.
const TRIES: u32 = 4;

/// Bytes that a movie takes in memory besides its indexes.
const MOVIE_BYTES: u64 = 2_048;

/// How long an asset waits for memory to plan it.
const PLANNING_WAIT: Duration = Duration::from_secs(10);

/// Cached movies by path and stamp.
#[derive(Debug)]
pub(super) struct Movies {
    store: Store,
    kept: Cache<(String, Stamp), MovieResult, Error>,
    places: IndexStores,
    /// Tasks that save to `places`.
    keeping: TaskTracker,
    turns: Arc<Semaphore>,
    /// Memory for plans that are being built.
    planning: Governor,
    metrics: Arc<Metrics>,
}

impl Movies {
    /// A cache of `capacity` bytes; plans that are being built take up to a quarter as much in addition.
    pub(super) fn new(store: Store, capacity: u64, metrics: Arc<Metrics>) -> Self {
        let limits = Limits { capacity, largest: capacity };
        let kept = Cache::new(limits, weigh_read, Arc::clone(&metrics));
        Self {
            store,
            kept,
            places: IndexStores::default(),
            keeping: TaskTracker::new(),
            turns: Arc::new(Semaphore::new(AT_ONCE)),
            planning: Governor::new(capacity / 4, PLANNING_WAIT),
            metrics,
        }
    }

    /// Also saves indexes in `places`, and looks for them there first.
    pub(super) fn with(self, places: IndexStores) -> Self {
        Self { places, ..self }
    }

    /// Waits until all indexes that were read are saved; the caller sets a time limit.
    pub(super) async fn drained(&self) {
        self.keeping.close();
        self.keeping.wait().await;
    }

    /// The index of the file at `path`; an error unless it is still the version of `stamp`.
    pub(super) async fn at(&self, path: &str, stamp: Stamp) -> Result<Arc<Movie>, Error> {
        if let Some(read) = self.kept.get(&(path.into(), stamp), CacheKind::Index).await {
            return read.map_err(|reason| Error::unplayable(path, reason));
        }
        let object = self.store.open_as(path, stamp).await?;
        self.of(&object).await
    }

    /// The index of `object`.
    pub(super) async fn of(&self, object: &Object) -> Result<Arc<Movie>, Error> {
        let key = (object.path().to_owned(), object.stamp());
        let (turns, metrics, asked) = (Arc::clone(&self.turns), Arc::clone(&self.metrics), object.clone());
        let (places, keeping) = (self.places.clone(), self.keeping.clone());
        let make = async move {
            if let Some(movie) = places.in_folder(&asked).await {
                return Ok(Ok(movie));
            }
            let _turn = turns.acquire().await.map_err(|_| BuildLost)?;
            if let Some(movie) = places.beside(&asked).await {
                keeping.spawn(places.folder_alone().keep(asked, Arc::clone(&movie)));
                return Ok(Ok(movie));
            }
            metrics.moov_read();
            let start = Instant::now();
            let read = headers::read(asked.clone()).await;
            metrics.took(Stage::Index, start.elapsed());
            if let Ok(Ok(movie)) = &read {
                keeping.spawn(places.keep(asked, Arc::clone(movie)));
            }
            read
        };
        let (read, _) = self.kept.get_or_make(key, CacheKind::Index, make).await?;
        self.measure();
        read.map_err(|reason| Error::unplayable(object.path(), reason))
    }

    /// Loads the `missing` samples of `movie`, the index of `object`: from the saved index, or if that is gone or
    /// damaged by reading `object` again, once for all callers that notice. An error if `movie` does not match
    /// `object`: then it never was right.
    pub(super) async fn fetch_samples(
        &self,
        object: &Object,
        movie: &Arc<Movie>,
        missing: Vec<Missing>,
    ) -> Result<(), Error> {
        for _ in 0..TRIES {
            if missing.is_empty() || self.places.load_samples(object, movie, missing.clone()).await {
                return Ok(());
            }
            let lacks = |read: &MovieResult| read.as_ref().is_ok_and(|movie| !movie.is_whole());
            self.kept.forget_if((object.path().to_owned(), object.stamp()), lacks).await;
            self.measure();
            let again = self.of(object).await?;
            // Otherwise another task has saved it again meanwhile: it may be right by now.
            if again.is_whole() {
                let movie = Arc::clone(movie);
                let filled = tokio::task::spawn_blocking(move || movie.fill(&again)).await;
                return filled.map_err(|_| given_up())?.map_err(|_| untrue(object));
            }
        }
        Err(untrue(object))
    }

    /// Discards the indexes of `objects` and their plan, both the cached and the saved ones.
    pub(super) async fn discard(&self, objects: &[&Object], settings: plan::Settings) {
        let plan = IndexStores::plan_key(objects.iter().copied(), settings);
        self.places.discard(objects, plan).await;
        for object in objects {
            self.kept.forget(&(object.path().to_owned(), object.stamp())).await;
        }
        self.measure();
    }

    /// Updates the metric of the size of the index cache. Call it after each change.
    fn measure(&self) {
        self.metrics.cached(CacheKind::Index, self.kept.bytes());
    }

    /// Plans the sources in `wanted`, which are the indexes of `objects`: loads the saved plan, else builds one from
    /// all samples.
    pub(super) async fn plan(
        &self,
        objects: &[&Object],
        wanted: PlanRequest,
    ) -> Result<Result<Arc<Plan>, PlanError>, Error> {
        let bytes = match wanted.limits.estimate(&wanted.sources, wanted.settings) {
            Ok(bytes) => bytes,
            Err(refusal) => return Ok(Err(refusal)),
        };
        let room = self.planning.enter(bytes).await;
        let _room = room.map_err(|shed| Error::Interrupted(format!("no room to plan it in: {shed}")))?;
        let key = IndexStores::plan_key(objects.iter().copied(), wanted.settings);
        let asked = wanted.clone();
        let thaw = move |bytes: &Bytes| {
            let plan = Plan::thaw(&asked.sources, asked.reference, asked.settings, bytes)?;
            if asked.limits.admits(&plan) { Ok(plan) } else { Err(Damage::Value("number of segments")) }
        };
        if let Some(plan) = self.places.plan(key, thaw).await {
            return Ok(Ok(Arc::new(plan)));
        }
        for (source, object) in wanted.sources.iter().zip(objects) {
            self.fetch_samples(object, &source.movie, source.movie.all_missing()).await?;
        }
        let reference = wanted.reference;
        let planned = tokio::task::spawn_blocking(move || wanted.plan().map(Arc::new)).await;
        let planned = planned.map_err(|_| Error::Interrupted("planning was given up".into()))?;
        if let Ok(plan) = &planned {
            self.keeping.spawn(self.places.clone().keep_plan(key, Arc::clone(plan), reference));
        }
        Ok(planned)
    }
}

/// Input for a plan.
#[derive(Debug, Clone)]
pub(super) struct PlanRequest {
    pub(super) sources: Vec<SourceFile>,
    pub(super) reference: usize,
    pub(super) settings: plan::Settings,
    pub(super) limits: plan::Limits,
}

impl PlanRequest {
    fn plan(&self) -> Result<Plan, PlanError> {
        Plan::within(&self.sources, self.reference, self.settings, self.limits)
    }
}

/// The error for an index that does not match `object`.
fn untrue(object: &Object) -> Error {
    Error::Interrupted(format!("{}: what was kept of it was not right", object.path()))
}

/// Bytes that a movie takes in memory.
pub(super) fn weigh(movie: &Movie) -> u64 {
    let tracks = movie.tracks.iter().map(|track| track.index.heap_bytes().saturating_add(track.entry.len()));
    tracks.fold(MOVIE_BYTES, |sum, bytes| sum.saturating_add(u64_from_usize(bytes)))
}

fn weigh_read(read: &MovieResult) -> u64 {
    read.as_ref().map_or(MOVIE_BYTES, |movie| weigh(movie))
}
