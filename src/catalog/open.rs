//! [`Catalog`]: opens assets by name. An asset is built once for all requests that wait for it, cached, and checked for
//! changes when it is requested.
//!
//! ```text
//! open ──cached, checked lately──────────────────────────────► the same Arc
//!   │ checked a while ago: that one, and a background check ──┐
//!   │ never, long ago, or refused: waits for the check ───────┤ one per asset, in its own task
//!   ▼                                                         ▼
//! check::CatalogInner::check: finds the files, and rebuilds the asset if they changed
//! ```

use super::asset::Asset;
use super::build::Builder;
use super::check::{self, CachedAsset, CatalogInner};
use super::error::Error;
use super::folders::Folders;
use super::gone::{DepartedNames, GoneReason};
use super::history::History;
use super::movies::Movies;
use super::names::Names;
use super::places::{IndexPersistence, IndexStores};
use super::settings::Settings;
use crate::cache::{BuildLost, FlightRole, PendingResult, SingleFlight};
use crate::media::AssetId;
use crate::metrics::Metrics;
use crate::plan::Planned;
use crate::store::{Object, Store};
use std::io;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

/// A check younger than this also satisfies a forced check.
const FORCED_AGE: Duration = Duration::from_millis(250);

/// How long a name counts as absent, where other results stay valid for longer.
const ABSENT_AGE: Duration = Duration::from_secs(1);

/// Most names that are remembered as absent.
const ABSENT_LIMIT: u64 = 1 << 14;

/// If the last check of an asset is older than this many times `refresh`, a request waits for a new check and does not
/// get the cached asset. So a deleted asset is gone by then, whoever deleted it.
const STALE_LIMIT: u32 = 2;

/// The assets of a store. Clones share the same catalog.
#[derive(Debug, Clone)]
pub struct Catalog {
    inner: Arc<CatalogInner>,
}

impl Catalog {
    /// The catalog of `store`; reads nothing yet.
    #[must_use]
    pub fn new(store: Store, settings: Settings, metrics: Arc<Metrics>) -> Self {
        Self::over(store, settings, metrics, IndexStores::default())
    }

    /// Like [`new`](Self::new), but also saves indexes and plans across restarts, as `lasting` says. Blocks on the
    /// disk, so call it only at program start.
    pub fn lasting(
        store: Store,
        settings: Settings,
        metrics: Arc<Metrics>,
        lasting: &IndexPersistence,
    ) -> io::Result<Self> {
        Ok(Self::over(store, settings, metrics, IndexStores::open(lasting)?))
    }

    fn over(store: Store, settings: Settings, metrics: Arc<Metrics>, places: IndexStores) -> Self {
        let movies = Movies::new(store.clone(), settings.index_bytes / 2, Arc::clone(&metrics));
        let movies = Arc::new(movies.with(places));
        let inner = CatalogInner {
            folders: Folders::new(store.clone(), Arc::clone(&movies), settings.settle),
            builder: Builder {
                store: store.clone(),
                movies,
                settings: settings.plan,
                limits: settings.plan_limits(),
                metrics,
            },
            kept: check::cache(settings),
            makers: SingleFlight::default(),
            history: History::default(),
            departed: DepartedNames::default(),
            names: Names::default(),
            absent: moka::sync::Cache::new(ABSENT_LIMIT),
            settings,
            store,
        };
        Self { inner: Arc::new(inner) }
    }

    /// Opens the asset `id`.
    pub async fn open(&self, id: &AssetId) -> Result<Arc<Asset>, Error> {
        let refresh = self.refresh_of(id.as_str());
        if let Some(kept) = self.inner.kept.get(id).await {
            if kept.is_fresh(refresh) {
                return kept.result;
            }
            let stale = kept.looked.elapsed() > refresh.saturating_mul(STALE_LIMIT);
            if kept.result.is_ok() && !stale {
                drop(self.begin(id, refresh));
                return kept.result;
            }
        }
        if self.is_absent(id, refresh) {
            return Err(Error::NotFound);
        }
        match self.looked(id, refresh).await {
            // Another program may have published it a moment ago.
            Err(Error::NotFound)
                if refresh > ABSENT_AGE && !self.is_absent(id, refresh) && !self.inner.store.is_blind(id.as_str()) =>
            {
                self.looked(id, ABSENT_AGE).await
            }
            looked => looked,
        }
    }

    /// Whether a check of `id` may cost requests to an object store for nothing: nothing is cached for this name.
    pub async fn is_unknown(&self, id: &AssetId) -> bool {
        let remote = self.inner.store.is_remote(id.as_str());
        remote && !self.is_absent(id, self.refresh_of(id.as_str())) && self.inner.kept.get(id).await.is_none()
    }

    /// Whether a recent check found that `id` is absent.
    fn is_absent(&self, id: &AssetId, refresh: Duration) -> bool {
        let lasts = if self.inner.store.is_blind(id.as_str()) { refresh } else { refresh.min(ABSENT_AGE) };
        self.inner.absent.get(id).is_some_and(|at| at.elapsed() <= lasts)
    }

    /// Opens the asset `id` as the store has it now, for a request for an unknown version. Checks the store at most
    /// four times a second, however often it is called.
    pub async fn refresh(&self, id: &AssetId) -> Result<Arc<Asset>, Error> {
        self.looked(id, FORCED_AGE).await
    }

    /// Loads the samples `range` of `track`, a track in the plan of `asset`, so that they can be read.
    pub async fn fetch_samples(&self, asset: &Asset, track: &Planned, range: Range<u32>) -> Result<(), Error> {
        let (timeline, (_, stored)) = (&track.timeline, track.timeline.stored_range(range));
        // A last sample of no duration lasts as long as the one before it.
        let missing = timeline.movie().missing(timeline.place(), stored.start.saturating_sub(1)..stored.end);
        if missing.is_empty() {
            return Ok(());
        }
        let file = asset.file(&track.file).ok_or(Error::NotFound)?;
        // Boxed: this is rare, and should not enlarge the future of every request.
        let brought = Box::pin(self.inner.builder.movies.fetch_samples(&file.object, timeline.movie(), missing)).await;
        if matches!(brought, Err(Error::Interrupted(_))) {
            Box::pin(self.inner.kept.invalidate(&asset.id)).await;
        }
        brought
    }

    /// Loads all samples of `asset`.
    pub async fn fetch_all_samples(&self, asset: &Asset) -> Result<(), Error> {
        for track in asset.plan.tracks() {
            self.fetch_samples(asset, track, 0..track.timeline.len()).await?;
        }
        Ok(())
    }

    /// Discards the wrong index and plan of `asset`, so that the next request rebuilds it. Returns the error to report.
    pub async fn doubt(&self, asset: &Asset) -> Error {
        let objects: Vec<&Object> = asset.files.iter().map(|file| &file.object).collect();
        self.inner.builder.movies.discard(&objects, self.inner.settings.plan).await;
        self.inner.kept.invalidate(&asset.id).await;
        Error::Interrupted(format!("{}: what was kept of it was not right", asset.id))
    }

    /// The replaced versions of `id` that can still be read, newest first.
    #[must_use]
    pub fn replaced(&self, id: &AssetId) -> Vec<Arc<Asset>> {
        self.inner.history.tidy(Instant::now());
        self.inner.history.of(id)
    }

    /// Why `id` is no longer there; `None` unless it disappeared recently.
    #[must_use]
    pub fn gone(&self, id: &AssetId) -> Option<GoneReason> {
        self.inner.departed.get(id)
    }

    /// Checks that the store answers.
    pub async fn ready(&self) -> Result<(), Error> {
        self.inner.store.ping().await?;
        Ok(())
    }

    /// Waits until no check is running and all new indexes are saved: for shutdown, when no more requests come. The
    /// caller sets a time limit.
    pub async fn drained(&self) {
        self.inner.names.stop();
        self.inner.makers.drained().await;
        self.inner.builder.movies.drained().await;
    }

    /// The store with its files.
    #[must_use]
    pub fn store(&self) -> &Store {
        &self.inner.store
    }

    pub(super) fn builder(&self) -> &Builder {
        &self.inner.builder
    }

    pub(super) fn folders(&self) -> &Folders {
        &self.inner.folders
    }

    pub(super) fn names(&self) -> &Names {
        &self.inner.names
    }

    /// How long a new file must be unmodified before it appears.
    pub(super) fn settle(&self) -> Duration {
        self.inner.settings.settle
    }

    /// How long a listing of `path` stays valid.
    pub(super) fn refresh_of(&self, path: &str) -> Duration {
        let Settings { refresh, refresh_remote, .. } = self.inner.settings;
        if self.inner.store.is_remote(path) { refresh_remote } else { refresh }
    }

    /// Opens the asset `id` by a check no older than `age`; waits for a new check if there is none.
    pub(super) async fn looked(&self, id: &AssetId, age: Duration) -> Result<Arc<Asset>, Error> {
        if let Some(kept) = self.inner.kept.get(id).await.filter(|kept| kept.is_fresh(age)) {
            return kept.result;
        }
        let joined = self.begin(id, age);
        let share = joined.share;
        let kept = joined.made().await?;
        // A check that was already running may have read the store before this call: its result counts only if it is
        // recent enough.
        if share == FlightRole::Began || kept.is_fresh(age) {
            return kept.result;
        }
        let again: Result<CachedAsset, BuildLost> = self.begin(id, age).made().await;
        again?.result
    }

    fn begin(&self, id: &AssetId, age: Duration) -> PendingResult<CachedAsset> {
        let (inner, asked) = (Arc::clone(&self.inner), id.clone());
        self.inner.makers.start(id.clone(), async move { inner.check(&asked, age).await })
    }
}
