//! [`Catalog`]: opens assets by name. An asset is built once for all requests that wait for it, cached, and checked for
//! changes when it is requested.
//!
//! ```text
//! open ──cached, checked lately──────────────────────────────► the same Arc
//!   │ checked a while ago: that one, and a background check ──┐
//!   │ never, long ago, or refused: waits for the check ───────┤ one per asset, in its own task
//!   ▼                                                         ▼
//! folders.look ─► shape::resolve ─► AssetSources ──unchanged──► the same Arc, checked now
//!                                     └──changed─► build ─► another Arc; the old one goes into the history
//! ```

use super::asset::Asset;
use super::build::Builder;
use super::error::Error;
use super::folders::{FolderSnapshot, Folders};
use super::gone::{DepartedNames, GoneReason};
use super::history::History;
use super::movies::{self, Movies};
use super::names::Names;
use super::places::{IndexPersistence, IndexStores};
use super::shape::{AssetSources, resolve};
use crate::cache::{BuildLost, FlightRole, PendingResult, SingleFlight};
use crate::media::AssetId;
use crate::metrics::Metrics;
use crate::plan::{self, Planned};
use crate::store::{self, Object, Store};
use moka::policy::EvictionPolicy;
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

/// How long a failure of the store is cached before the store is tried again.
const FAILURE_AGE: Duration = Duration::from_secs(1);

/// If the last check of an asset is older than this many times `refresh`, a request waits for a new check and does not
/// get the cached asset. So a deleted asset is gone by then, whoever deleted it.
const STALE_LIMIT: u32 = 2;

/// Cache times and limits of the catalog.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Settings {
    /// How long a listing of a folder stays valid.
    pub refresh: Duration,
    /// How long a listing of an object store stays valid.
    pub refresh_remote: Duration,
    /// How long a new file must be unmodified before it appears.
    pub settle: Duration,
    /// Most bytes of indexes in memory: half for cached assets, half for the indexes of files besides them. A single
    /// asset that is larger is cached alone.
    pub index_bytes: u64,
    /// Most files that cached assets hold open, not counting replaced ones (at most 256).
    pub open_files: u64,
    /// Settings that determine the segment boundaries.
    pub plan: plan::Settings,
    /// Limits for the plan of one asset; `bytes` is at most half of `index_bytes`.
    pub limits: plan::Limits,
}

impl Settings {
    /// Default settings: listings of a disk are valid for 2 s, files settle within 2 s, listings of object stores are
    /// valid for 30 s; 256 MiB of indexes, 512 open files.
    #[must_use]
    pub const fn new(plan: plan::Settings) -> Self {
        let moment = Duration::from_secs(2);
        let refresh_remote = Duration::from_secs(30);
        Self {
            refresh: moment,
            refresh_remote,
            settle: moment,
            index_bytes: 256 << 20,
            open_files: 512,
            plan,
            limits: plan::Limits::DEFAULT,
        }
    }
}

/// The assets of a store. Clones share the same catalog.
#[derive(Debug, Clone)]
pub struct Catalog {
    inner: Arc<CatalogInner>,
}

#[derive(Debug)]
struct CatalogInner {
    store: Store,
    folders: Folders,
    builder: Builder,
    kept: moka::future::Cache<AssetId, CachedAsset>,
    makers: SingleFlight<AssetId, CachedAsset>,
    history: History,
    departed: DepartedNames,
    names: Names,
    /// Names that were absent, each with the time of the check.
    absent: moka::sync::Cache<AssetId, Instant>,
    settings: Settings,
}

/// Result of a check of an asset.
#[derive(Debug)]
struct LookupResult {
    found: Result<AssetSources, Error>,
    looked: Instant,
    /// Whether its `asset.json` lists no renditions.
    is_deleted: bool,
}

/// Cached answer for a name, and the files that it is built from.
#[derive(Debug, Clone)]
struct CachedAsset {
    /// `None` if the files could not be determined.
    found: Option<Arc<AssetSources>>,
    result: Result<Arc<Asset>, Error>,
    looked: Instant,
}

impl CachedAsset {
    fn is_fresh(&self, refresh: Duration) -> bool {
        let lasts = match &self.result {
            Err(error) if !error.is_settled() => refresh.min(FAILURE_AGE),
            Ok(_) | Err(_) => refresh,
        };
        self.looked.elapsed() <= lasts
    }
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
                limits: limits(settings),
                metrics,
            },
            kept: kept(settings),
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
        self.inner.makers.start(id.clone(), async move { inner.open(&asked, age).await })
    }
}

impl CatalogInner {
    async fn open(&self, id: &AssetId, age: Duration) -> CachedAsset {
        self.history.tidy(Instant::now());
        let before = self.kept.get(id).await;
        let LookupResult { found, looked, is_deleted } = self.find(id, age).await;
        let now = match found {
            Err(error) => CachedAsset { found: None, result: Err(error), looked },
            Ok(found) => self.made_of(id, found, before.as_ref()).await.checked_at(looked),
        };
        match &now.result {
            Ok(asset) => {
                self.departed.remove(id);
                self.names.learn(id, &asset.title);
            }
            Err(Error::NotFound) => self.depart(id, before.as_ref(), is_deleted),
            Err(_) => {}
        }
        self.publish(id, before, now).await
    }

    /// Drops the replaced versions of an asset that disappeared, so that they are no longer served, and remembers that
    /// it existed.
    fn depart(&self, id: &AssetId, before: Option<&CachedAsset>, is_deleted: bool) {
        let was = before.is_some_and(|before| before.result.is_ok());
        let had = self.history.forget(id);
        if is_deleted {
            self.departed.add(id, GoneReason::Deleted);
        } else if was || had {
            self.departed.add(id, GoneReason::Removed);
        }
    }

    /// The cached answer if it is still valid, else a new one built from `found`.
    async fn made_of(&self, id: &AssetId, found: AssetSources, before: Option<&CachedAsset>) -> CachedAsset {
        if let Some(before) = before.filter(|before| before.holds(&found)) {
            return before.clone().intact();
        }
        let old = before.and_then(|before| before.result.as_ref().ok());
        let result = self.builder.build(id, &found, old.map(Arc::as_ref)).await.map(Arc::new);
        CachedAsset { found: Some(Arc::new(found)), result, looked: Instant::now() }
    }

    /// Finds the files of `id`.
    async fn find(&self, id: &AssetId, age: Duration) -> LookupResult {
        let looked = Instant::now();
        self.sight(id, age).await.unwrap_or_else(|error| LookupResult { found: Err(error), looked, is_deleted: false })
    }

    async fn sight(&self, id: &AssetId, age: Duration) -> Result<LookupResult, Error> {
        let looked = Instant::now();
        if self.store.is_blind(id.as_str()) {
            let named = self.folders.named(id).await?;
            return Ok(LookupResult { found: named.resolve(id), looked, is_deleted: named.is_deleted() });
        }
        let folder = id.as_str().rsplit_once('/').map_or("", |(folder, _)| folder);
        let parent = self.parent(folder, id.last_part(), age).await?;
        let own = if parent.folder.has_folder(id.last_part()) {
            match self.folders.list(id.as_str(), age).await {
                Err(Error::NotFound) => None,
                own => Some(own?),
            }
        } else {
            None
        };
        let found = resolve(id, Some(parent.place()), own.as_ref().map(FolderSnapshot::place));
        let looked = own.as_ref().map_or(parent.at, |own| own.at.min(parent.at));
        Ok(LookupResult { found, looked, is_deleted: own.is_some_and(|own| own.folder.is_deleted()) })
    }

    /// The folder at `path`; of a large folder only the entries called `name`.
    async fn parent(&self, path: &str, name: &str, age: Duration) -> Result<FolderSnapshot, Error> {
        let look = self.folders.list(path, age).await?;
        if look.folder.is_large() { self.folders.look_up(&look, name, age).await } else { Ok(look) }
    }

    /// Caches the result of a check. If the store failed, the cached asset stays. A replaced asset goes into the
    /// history, unless the new one has the same fingerprint and therefore serves the same bytes.
    async fn publish(&self, id: &AssetId, before: Option<CachedAsset>, now: CachedAsset) -> CachedAsset {
        let old = before.as_ref().and_then(|before| before.result.as_ref().ok());
        let now = match (old, &now.result) {
            (Some(old), Err(error @ (Error::Storage(_) | Error::Interrupted(_)))) => {
                tracing::warn!(asset = %id, "the asset cannot be checked, so it is served as before: {error}");
                let found = before.as_ref().and_then(|before| before.found.clone());
                CachedAsset { found, result: Ok(Arc::clone(old)), looked: Instant::now() }
            }
            (None, _) | (Some(_), Err(Error::NotFound)) => now,
            (Some(old), result) => {
                if !result.as_ref().is_ok_and(|new| old.plan.fingerprint() == new.plan.fingerprint()) {
                    self.history.push(Arc::clone(old), Instant::now());
                }
                now
            }
        };
        if matches!(now.result, Err(Error::NotFound)) {
            // Cached separately, so that absent names evict no assets.
            self.absent.insert(id.clone(), now.looked);
            self.kept.invalidate(id).await;
        } else {
            self.absent.invalidate(id);
            self.kept.insert(id.clone(), now.clone()).await;
        }
        self.kept.run_pending_tasks().await;
        now
    }
}

impl CachedAsset {
    /// The same answer, as checked at `looked`.
    fn checked_at(self, looked: Instant) -> Self {
        Self { looked, ..self }
    }

    /// The same answer; but [`Error::Overwritten`] if all its files were written to since they were opened and are
    /// still held back: then neither the old version nor the new one can be read.
    fn intact(self) -> Self {
        let Ok(asset) = &self.result else { return self };
        let mut changed = None;
        for file in &asset.files {
            match file.object.check() {
                Err(store::Error::Changed { path } | store::Error::Truncated { path, .. }) => changed = Some(path),
                Ok(()) | Err(_) => return self,
            }
        }
        let result = changed.map_or_else(|| Ok(Arc::clone(asset)), |path| Err(Error::Overwritten(path)));
        Self { result, ..self }
    }

    /// Whether it is still the right answer for the files in `found`.
    fn holds(&self, found: &AssetSources) -> bool {
        let settled = self.result.as_ref().err().is_none_or(Error::is_settled);
        settled && self.found.as_deref() == Some(found)
    }
}

fn limits(settings: Settings) -> plan::Limits {
    let plan::Limits { segments, tracks, bytes } = settings.limits;
    plan::Limits { segments, tracks, bytes: bytes.min(settings.index_bytes / 2) }
}

/// The cache of assets, limited by bytes and by open files: a file weighs at least its share of the bytes.
fn kept(settings: Settings) -> moka::future::Cache<AssetId, CachedAsset> {
    let capacity = (settings.index_bytes / 2).max(1);
    let share = capacity / settings.open_files.max(1);
    moka::future::Cache::builder()
        .max_capacity(capacity)
        .weigher(move |_: &AssetId, kept: &CachedAsset| {
            let weight = kept.result.as_ref().map_or(share.min(1_024), |asset| {
                asset.files.iter().fold(asset.plan.heap_bytes(), |sum, file| {
                    sum.saturating_add(movies::weigh(&file.movie).max(share))
                })
            });
            u32::try_from(weight.min(capacity)).unwrap_or(u32::MAX)
        })
        .eviction_policy(EvictionPolicy::lru())
        .build()
}
