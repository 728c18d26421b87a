//! Assets by name, built once however many ask, kept, and looked at again when they are asked for.
//!
//! ```text
//! open ──kept, looked at lately──────────────────────────────► the same Arc
//!   │ looked at a while ago: that one, and a look behind it ──┐
//!   │ never, long ago, or refused: waits for the look ────────┤ one per asset, in its own task
//!   ▼                                                         ▼
//! folders.look ─► shape::resolve ─► Found ──as before──► the same Arc, looked at now
//!                                     └──changed─► build ─► another Arc; the old one goes into the history
//! ```

use super::asset::Asset;
use super::build::Builder;
use super::error::Error;
use super::folders::{Folders, Look};
use super::gone::{Departed, Gone};
use super::history::History;
use super::movies::{self, Movies};
use super::names::Names;
use super::places::{Lasting, Places};
use super::shape::{Found, resolve};
use crate::cache::{Lost, Makers, Pending, Share};
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

/// A look younger than this is as good as one that was forced.
const FORCED_AGE: Duration = Duration::from_millis(250);

/// How long it is believed that something is not there, where a look is believed for longer.
const ABSENT_AGE: Duration = Duration::from_secs(1);

/// Names that are remembered not to be there, at most.
const ABSENT_LIMIT: u64 = 1 << 14;

/// How long a failure of the store is believed before it is asked again.
const FAILURE_AGE: Duration = Duration::from_secs(1);

/// An asset not looked at for so many times `refresh` waits for the look instead of being answered as it was: so that
/// one that was deleted is gone by then, whoever deleted it.
const STALE_LIMIT: u32 = 2;

/// How the catalog keeps assets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Settings {
    /// How long a look at a folder is believed.
    pub refresh: Duration,
    /// How long a look at an object store is.
    pub refresh_remote: Duration,
    /// How long a new file must not have been written to before it appears.
    pub settle: Duration,
    /// Bytes of indexes in memory; half for kept assets, half for what is known of files beside them. A single asset
    /// that is larger is kept alone.
    pub index_bytes: u64,
    /// Files that kept assets hold open, replaced ones apart (at most 256).
    pub open_files: u64,
    /// What cuts depend on.
    pub plan: plan::Settings,
    /// How much may be made of one asset; of `bytes`, the half of `index_bytes` at most.
    pub limits: plan::Limits,
}

impl Settings {
    /// Looks at a disk are believed for 2 s, files settle for as long, looks at object stores are believed for 30 s;
    /// 256 MiB of indexes, 512 open files.
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

/// The assets of a store. Clones are the same catalog.
#[derive(Debug, Clone)]
pub struct Catalog {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    store: Store,
    folders: Folders,
    builder: Builder,
    kept: moka::future::Cache<AssetId, Kept>,
    makers: Makers<AssetId, Kept>,
    history: History,
    departed: Departed,
    names: Names,
    /// Names that were not there, and when that was seen.
    absent: moka::sync::Cache<AssetId, Instant>,
    settings: Settings,
}

/// What a look found of an asset.
#[derive(Debug)]
struct Sight {
    found: Result<Found, Error>,
    looked: Instant,
    /// Whether its `asset.json` says that there is nothing.
    is_deleted: bool,
}

/// An answer, and what it was made from.
#[derive(Debug, Clone)]
struct Kept {
    /// `None` where it could not be told.
    found: Option<Arc<Found>>,
    result: Result<Arc<Asset>, Error>,
    looked: Instant,
}

impl Kept {
    fn is_fresh(&self, refresh: Duration) -> bool {
        let lasts = match &self.result {
            Err(error) if !error.is_settled() => refresh.min(FAILURE_AGE),
            Ok(_) | Err(_) => refresh,
        };
        self.looked.elapsed() <= lasts
    }
}

impl Catalog {
    /// The assets of `store`; nothing is read yet.
    #[must_use]
    pub fn new(store: Store, settings: Settings, metrics: Arc<Metrics>) -> Self {
        Self::over(store, settings, (metrics, Places::default()))
    }

    /// The same; what is known of files is kept for longer than the program runs too, where `lasting` says. Waits for
    /// the disk: for the start of the program.
    pub fn lasting(store: Store, settings: Settings, metrics: Arc<Metrics>, lasting: &Lasting) -> io::Result<Self> {
        Ok(Self::over(store, settings, (metrics, Places::open(lasting)?)))
    }

    fn over(store: Store, settings: Settings, (metrics, places): (Arc<Metrics>, Places)) -> Self {
        let movies = Movies::new(store.clone(), settings.index_bytes / 2, Arc::clone(&metrics));
        let movies = Arc::new(movies.with(places));
        let inner = Inner {
            folders: Folders::new(store.clone(), Arc::clone(&movies), settings.settle),
            builder: Builder {
                store: store.clone(),
                movies,
                settings: settings.plan,
                limits: limits(settings),
                metrics,
            },
            kept: kept(settings),
            makers: Makers::default(),
            history: History::default(),
            departed: Departed::default(),
            names: Names::default(),
            absent: moka::sync::Cache::new(ABSENT_LIMIT),
            settings,
            store,
        };
        Self { inner: Arc::new(inner) }
    }

    /// The asset called `id`.
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
            // It may have been published a moment ago, elsewhere.
            Err(Error::NotFound)
                if refresh > ABSENT_AGE && !self.is_absent(id, refresh) && !self.inner.store.is_blind(id.as_str()) =>
            {
                self.looked(id, ABSENT_AGE).await
            }
            looked => looked,
        }
    }

    /// Whether a look at `id` may cost requests to an object store for nothing: nothing is known of it.
    pub async fn is_unknown(&self, id: &AssetId) -> bool {
        let remote = self.inner.store.is_remote(id.as_str());
        remote && !self.is_absent(id, self.refresh_of(id.as_str())) && self.inner.kept.get(id).await.is_none()
    }

    /// Whether it was seen a moment ago that nothing is called `id`.
    fn is_absent(&self, id: &AssetId, refresh: Duration) -> bool {
        let lasts = if self.inner.store.is_blind(id.as_str()) { refresh } else { refresh.min(ABSENT_AGE) };
        self.inner.absent.get(id).is_some_and(|at| at.elapsed() <= lasts)
    }

    /// The asset called `id` as the store has it now: for a version that is not known. Looks at most four times a
    /// second, however often it is called.
    pub async fn refresh(&self, id: &AssetId) -> Result<Arc<Asset>, Error> {
        self.looked(id, FORCED_AGE).await
    }

    /// Sees to it that samples `range` of `track`, one that the plan of `asset` has, can be looked at.
    pub async fn bring(&self, asset: &Asset, track: &Planned, range: Range<u32>) -> Result<(), Error> {
        let (timeline, (_, stored)) = (&track.timeline, track.timeline.stored_range(range));
        // A last sample of no duration lasts as long as the one before it.
        let missing = timeline.movie().missing(timeline.place(), stored.start.saturating_sub(1)..stored.end);
        if missing.is_empty() {
            return Ok(());
        }
        let file = asset.file(&track.file).ok_or(Error::NotFound)?;
        // In a box: what is seldom done takes no room in every request.
        let brought = Box::pin(self.inner.builder.movies.bring(&file.object, timeline.movie(), missing)).await;
        if matches!(brought, Err(Error::Interrupted(_))) {
            Box::pin(self.inner.kept.invalidate(&asset.id)).await;
        }
        brought
    }

    /// Sees to it that all samples of `asset` can be looked at.
    pub async fn bring_all(&self, asset: &Asset) -> Result<(), Error> {
        for track in asset.plan.tracks() {
            self.bring(asset, track, 0..track.timeline.len()).await?;
        }
        Ok(())
    }

    /// What was kept of `asset` is not true: forgets it, so that who asks next has it made anew. Says so.
    pub async fn doubt(&self, asset: &Asset) -> Error {
        let objects: Vec<&Object> = asset.files.iter().map(|file| &file.object).collect();
        self.inner.builder.movies.discard(&objects, self.inner.settings.plan).await;
        self.inner.kept.invalidate(&asset.id).await;
        Error::Interrupted(format!("{}: what was kept of it was not right", asset.id))
    }

    /// The versions of `id` that were replaced and whose bytes can still be had, newest first.
    #[must_use]
    pub fn replaced(&self, id: &AssetId) -> Vec<Arc<Asset>> {
        self.inner.history.tidy(Instant::now());
        self.inner.history.of(id)
    }

    /// Why `id` is no longer there, where it went away lately.
    #[must_use]
    pub fn gone(&self, id: &AssetId) -> Option<Gone> {
        self.inner.departed.get(id)
    }

    /// Whether the store answers.
    pub async fn ready(&self) -> Result<(), Error> {
        self.inner.store.ping().await?;
        Ok(())
    }

    /// Waits until no look is under way and what was read is kept: for the end of the program, when nobody asks any more.
    /// The caller bounds it.
    pub async fn drained(&self) {
        self.inner.names.stop();
        self.inner.makers.drained().await;
        self.inner.builder.movies.drained().await;
    }

    /// Where its files are.
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

    /// How long a new file must not have been written to before it appears.
    pub(super) fn settle(&self) -> Duration {
        self.inner.settings.settle
    }

    /// How long a look at what is called `path` is believed.
    pub(super) fn refresh_of(&self, path: &str) -> Duration {
        let Settings { refresh, refresh_remote, .. } = self.inner.settings;
        if self.inner.store.is_remote(path) { refresh_remote } else { refresh }
    }

    /// Waits for a look no older than `age`.
    pub(super) async fn looked(&self, id: &AssetId, age: Duration) -> Result<Arc<Asset>, Error> {
        if let Some(kept) = self.inner.kept.get(id).await.filter(|kept| kept.is_fresh(age)) {
            return kept.result;
        }
        let joined = self.begin(id, age);
        let share = joined.share;
        let kept = joined.made().await?;
        // One that was under way may have looked before we were called: it counts only when it is young enough.
        if share == Share::Began || kept.is_fresh(age) {
            return kept.result;
        }
        let again: Result<Kept, Lost> = self.begin(id, age).made().await;
        again?.result
    }

    fn begin(&self, id: &AssetId, age: Duration) -> Pending<Kept> {
        let (inner, asked) = (Arc::clone(&self.inner), id.clone());
        self.inner.makers.start(id.clone(), async move { inner.look(&asked, age).await })
    }
}

impl Inner {
    async fn look(&self, id: &AssetId, age: Duration) -> Kept {
        self.history.tidy(Instant::now());
        let before = self.kept.get(id).await;
        let Sight { found, looked, is_deleted } = self.find(id, age).await;
        let now = match found {
            Err(error) => Kept { found: None, result: Err(error), looked },
            Ok(found) => self.made_of(id, found, before.as_ref()).await.seen(looked),
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

    /// Drops the versions of an asset that is not there, and remembers that it was: what was deleted answers no more.
    fn depart(&self, id: &AssetId, before: Option<&Kept>, is_deleted: bool) {
        let was = before.is_some_and(|before| before.result.is_ok());
        let had = self.history.forget(id);
        if is_deleted {
            self.departed.add(id, Gone::Deleted);
        } else if was || had {
            self.departed.add(id, Gone::Removed);
        }
    }

    /// What was, where it still holds; else what is built of `found`.
    async fn made_of(&self, id: &AssetId, found: Found, before: Option<&Kept>) -> Kept {
        if let Some(before) = before.filter(|before| before.holds(&found)) {
            return before.clone().intact();
        }
        let old = before.and_then(|before| before.result.as_ref().ok());
        let result = self.builder.build(id, &found, old.map(Arc::as_ref)).await.map(Arc::new);
        Kept { found: Some(Arc::new(found)), result, looked: Instant::now() }
    }

    /// What `id` is made of.
    async fn find(&self, id: &AssetId, age: Duration) -> Sight {
        let looked = Instant::now();
        self.sight(id, age).await.unwrap_or_else(|error| Sight { found: Err(error), looked, is_deleted: false })
    }

    async fn sight(&self, id: &AssetId, age: Duration) -> Result<Sight, Error> {
        let looked = Instant::now();
        if self.store.is_blind(id.as_str()) {
            let named = self.folders.named(id).await?;
            return Ok(Sight { found: named.resolve(id), looked, is_deleted: named.is_deleted() });
        }
        let folder = id.as_str().rsplit_once('/').map_or("", |(folder, _)| folder);
        let parent = self.parent(folder, id.last_part(), age).await?;
        let own = if parent.folder.has_folder(id.last_part()) {
            match self.folders.look(id.as_str(), age).await {
                Err(Error::NotFound) => None,
                own => Some(own?),
            }
        } else {
            None
        };
        let found = resolve(id, Some(parent.place()), own.as_ref().map(Look::place));
        let looked = own.as_ref().map_or(parent.at, |own| own.at.min(parent.at));
        Ok(Sight { found, looked, is_deleted: own.is_some_and(|own| own.folder.is_deleted()) })
    }

    /// The folder at `path`; of a large one only what is called `name`.
    async fn parent(&self, path: &str, name: &str, age: Duration) -> Result<Look, Error> {
        let look = self.folders.look(path, age).await?;
        if look.folder.is_large() { self.folders.look_up(&look, name, age).await } else { Ok(look) }
    }

    /// Keeps what a look found. An asset outlives failures of the store; what replaces it sends it into the history,
    /// but for one with the same versions, whose bytes can be had for sure.
    async fn publish(&self, id: &AssetId, before: Option<Kept>, now: Kept) -> Kept {
        let old = before.as_ref().and_then(|before| before.result.as_ref().ok());
        let now = match (old, &now.result) {
            (Some(old), Err(error @ (Error::Storage(_) | Error::Interrupted(_)))) => {
                tracing::warn!(asset = %id, "kept as it was: {error}");
                let found = before.as_ref().and_then(|before| before.found.clone());
                Kept { found, result: Ok(Arc::clone(old)), looked: Instant::now() }
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
            // Remembered apart, so that names which are not there push nothing out.
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

impl Kept {
    /// The same, known to be so at `looked`.
    fn seen(self, looked: Instant) -> Self {
        Self { looked, ..self }
    }

    /// The same, unless all its files were written to since they were opened and are still held back: then neither
    /// what it was nor what it will be can be had.
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

    /// Whether it is still the answer for what was `found`.
    fn holds(&self, found: &Found) -> bool {
        let settled = self.result.as_ref().err().is_none_or(Error::is_settled);
        settled && self.found.as_deref() == Some(found)
    }
}

fn limits(settings: Settings) -> plan::Limits {
    let plan::Limits { segments, tracks, bytes } = settings.limits;
    plan::Limits { segments, tracks, bytes: bytes.min(settings.index_bytes / 2) }
}

/// Bounded by bytes and by open files: a file weighs at least its share of the bytes.
fn kept(settings: Settings) -> moka::future::Cache<AssetId, Kept> {
    let capacity = (settings.index_bytes / 2).max(1);
    let share = capacity / settings.open_files.max(1);
    moka::future::Cache::builder()
        .max_capacity(capacity)
        .weigher(move |_: &AssetId, kept: &Kept| {
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
