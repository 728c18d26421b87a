//! Checks an asset for changes: finds its files, rebuilds it if they changed, and caches the result.
//!
//! ```text
//! folders.list ─► shape::resolve ─► AssetSources ──unchanged──► the same Arc, checked now
//!                                     └──changed─► build ─► another Arc; the old one goes into the history
//! ```

use super::asset::Asset;
use super::build::Builder;
use super::error::Error;
use super::folders::{FolderSnapshot, Folders};
use super::gone::{DepartedNames, GoneReason};
use super::history::History;
use super::movies;
use super::names::Names;
use super::settings::Settings;
use super::shape::{AssetSources, resolve};
use crate::cache::SingleFlight;
use crate::media::AssetId;
use crate::store::{self, Store};
use moka::policy::EvictionPolicy;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

/// How long a failure of the store is cached before the store is tried again.
const FAILURE_AGE: Duration = Duration::from_secs(1);

/// State of a catalog: what it reads from, and its caches.
#[derive(Debug)]
pub(super) struct CatalogInner {
    pub(super) store: Store,
    pub(super) folders: Folders,
    pub(super) builder: Builder,
    pub(super) kept: moka::future::Cache<AssetId, CachedAsset>,
    pub(super) makers: SingleFlight<AssetId, CachedAsset>,
    pub(super) history: History,
    pub(super) departed: DepartedNames,
    pub(super) names: Names,
    /// Names that were absent, each with the time of the check.
    pub(super) absent: moka::sync::Cache<AssetId, Instant>,
    pub(super) settings: Settings,
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
pub(super) struct CachedAsset {
    /// `None` if the files could not be determined.
    pub(super) found: Option<Arc<AssetSources>>,
    pub(super) result: Result<Arc<Asset>, Error>,
    pub(super) looked: Instant,
}

impl CachedAsset {
    /// Whether it is young enough to be the answer, if listings stay valid for `refresh`.
    pub(super) fn is_fresh(&self, refresh: Duration) -> bool {
        let lasts = match &self.result {
            Err(error) if !error.is_settled() => refresh.min(FAILURE_AGE),
            Ok(_) | Err(_) => refresh,
        };
        self.looked.elapsed() <= lasts
    }
}

impl CatalogInner {
    /// Checks the asset `id` by listings no older than `age`, and caches the result.
    pub(super) async fn check(&self, id: &AssetId, age: Duration) -> CachedAsset {
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

/// The cache of assets, limited by bytes and by open files: a file weighs at least its share of the bytes.
pub(super) fn cache(settings: Settings) -> moka::future::Cache<AssetId, CachedAsset> {
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
