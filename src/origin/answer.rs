//! Route → Reply, on one screen: find the asset, find the version, get the bytes from a cache or build them.

use super::content::Demand;
use super::delivery::Recent;
use super::error::Error;
use super::gallery::AT_ONCE;
use super::manifests::{ManifestKey, View};
use super::printing::{ManifestLimits, Printing};
use super::reply::{PLAYLIST, Reply, entry, stored};
use super::segment::SegmentKey;
use super::stages::Stages;
use crate::cache::{Bodies, Cache, Governor, Limits};
use crate::catalog::{self, Catalog, IndexPersistence};
use crate::config::Config;
use crate::manifest::Text;
use crate::media::{AssetId, Packaging, StreamName, Version, u32_from_usize, u64_from_usize};
use crate::metrics::Metrics;
use crate::mux::Transport;
use crate::plan;
use crate::route::{Part, Route};
use crate::store::{self, Store};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Semaphore;
use tokio_util::task::TaskTracker;

/// Settings of an origin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Settings {
    /// Most bytes of cached segments.
    pub segment_bytes: u64,
    /// Most bytes of cached manifests and layouts of transport streams.
    pub manifest_bytes: u64,
    /// Most bytes of segments being built.
    pub making_bytes: u64,
    /// How long a segment may wait until there is room to build it.
    pub making_wait: Duration,
    /// Whether segments are sent directly from their files.
    pub sendfile: bool,
    /// Whether stored files can be downloaded unchanged.
    pub files: bool,
    /// Size limits of manifests.
    pub bounds: ManifestLimits,
}

/// Replies to routes, from its caches and stores.
#[derive(Debug)]
pub struct Origin {
    pub(super) catalog: Catalog,
    pub(super) segments: Bodies<SegmentKey, Error>,
    /// How segments were delivered lately.
    pub(super) recent: moka::sync::Cache<SegmentKey, Arc<Recent>>,
    /// Whether segments are sent from their files.
    pub(super) sendfile: bool,
    pub(super) manifests: Cache<ManifestKey, Text, Error>,
    /// Layouts by version of the transport stream.
    pub(super) transports: Cache<Version, Arc<Transport>, Error>,
    pub(super) printing: Printing,
    /// Whether stored files can be downloaded unchanged.
    pub(super) files: bool,
    /// Permits to open an asset for the gallery.
    pub(super) cards: Semaphore,
    /// Tasks that read ahead.
    pub(super) ahead: TaskTracker,
    pub(super) metrics: Arc<Metrics>,
}

/// A part of one version of a stream that a client wants.
#[derive(Debug, Clone, Copy)]
pub(super) struct VersionedRequest<'a> {
    pub(super) version: Version,
    pub(super) name: &'a StreamName,
    pub(super) part: Part,
    pub(super) demand: &'a Demand,
}

/// Opens the catalog of the stores in `config`. Fails if a folder cannot be read.
pub fn catalog(config: &Config, metrics: Arc<Metrics>) -> Result<Catalog, store::Error> {
    let store = Store::of_settings(&config.store, config.cache.blocks.bytes())?.with_metrics(Arc::clone(&metrics));
    let target_millis = u32::try_from(config.package.segment_target.as_millis()).unwrap_or(u32::MAX);
    let settings = catalog::Settings {
        refresh: config.store.refresh,
        refresh_remote: config.store.refresh_remote,
        settle: config.store.settle,
        index_bytes: config.cache.indexes.bytes(),
        limits: plan::Limits {
            segments: u32_from_usize(config.limits.segments),
            tracks: u32_from_usize(config.limits.tracks),
            ..plan::Limits::default()
        },
        ..catalog::Settings::new(plan::Settings { target_millis })
    };
    let folder = &config.cache.index_folder;
    let lasting = IndexPersistence {
        folder: (!folder.as_os_str().is_empty()).then(|| (folder.clone(), config.cache.index_files.bytes())),
        beside: config.cache.index_beside,
    };
    let fail = |source| store::Error::Io { path: folder.display().to_string(), source: Arc::new(source) };
    Catalog::lasting(store, settings, metrics, &lasting).map_err(fail)
}

impl Origin {
    /// Opens an origin over the stores in `config`. Fails if a folder cannot be read.
    pub fn open(config: &Config, metrics: Arc<Metrics>) -> Result<Arc<Self>, store::Error> {
        let catalog = catalog(config, Arc::clone(&metrics))?;
        let settings = Settings {
            segment_bytes: config.cache.segments.bytes(),
            manifest_bytes: config.cache.manifests.bytes(),
            making_bytes: config.cache.making.bytes(),
            making_wait: config.cache.making_wait,
            sendfile: config.store.sendfile,
            files: config.site.files,
            bounds: ManifestLimits { variants: config.limits.variants, bytes: config.limits.manifest_bytes.bytes() },
        };
        Ok(Arc::new(Self::new(catalog, settings, metrics)))
    }

    /// An origin over the assets of `catalog`.
    #[must_use]
    pub fn new(catalog: Catalog, settings: Settings, metrics: Arc<Metrics>) -> Self {
        let governor = Governor::new(settings.making_bytes, settings.making_wait);
        let limits = Limits::of_bodies(settings.segment_bytes);
        let spare = Arc::clone(catalog.store().spare());
        let segments = Bodies::new(limits, governor, move |chunk| spare.give(chunk), Arc::clone(&metrics));
        if let Some(ledger) = catalog.store().ledger() {
            segments.share(ledger);
        }
        // One budget: three quarters for playlists and manifests, one for the layouts of MPEG-TS streams.
        let quarter = settings.manifest_bytes / 4;
        let weigh = |text: &Text| u64_from_usize(text.text.len());
        let texts = Limits { capacity: settings.manifest_bytes - quarter, largest: settings.manifest_bytes / 2 };
        let manifests = Cache::new(texts, weigh, Arc::clone(&metrics));
        let weigh = |transport: &Arc<Transport>| u64_from_usize(transport.heap_bytes());
        let layouts = Limits { capacity: quarter, largest: quarter };
        let transports = Cache::new(layouts, weigh, Arc::clone(&metrics));
        Self {
            catalog,
            segments,
            recent: Recent::cache(settings.segment_bytes),
            sendfile: settings.sendfile,
            manifests,
            transports,
            printing: Printing::new(settings.bounds, quarter),
            files: settings.files,
            cards: Semaphore::new(AT_ONCE),
            ahead: TaskTracker::new(),
            metrics,
        }
    }

    /// Answers `route`, of which the response will carry `demand`; records in `stages` where the time went.
    pub async fn reply(self: &Arc<Self>, route: &Route, demand: &Demand, stages: &mut Stages) -> Result<Reply, Error> {
        match route {
            Route::Hls(id) => self.entry(id, View::Multivariant(Packaging::Cmaf), stages).await,
            Route::Dash(id) => self.entry(id, View::Dash, stages).await,
            Route::Ts(id) => self.entry(id, View::Multivariant(Packaging::Ts), stages).await,
            Route::File(..) if !self.files => Err(Error::NotFound),
            Route::File(id, name) => self.of_file(id, name, stages).await,
            Route::Stream(id, version, name, part) => {
                self.of_any(id, VersionedRequest { version: *version, name, part: *part, demand }, stages).await
            }
        }
    }

    /// A manifest that players begin with.
    async fn entry(&self, id: &AssetId, view: View, stages: &mut Stages) -> Result<Reply, Error> {
        let asset = stages.opening(self.catalog.open(id)).await?;
        let text = stages.looking(self.manifest(&asset, view)).await?;
        let media_type = if view == View::Dash { "application/dash+xml" } else { PLAYLIST };
        Ok(entry(media_type, text.version, &text.text))
    }

    /// A stored file, in its last known state; if it was modified since, in its state after a refresh.
    async fn of_file(&self, id: &AssetId, name: &str, stages: &mut Stages) -> Result<Reply, Error> {
        let asset = stages.opening(self.catalog.open(id)).await?;
        let file = asset.served(name).ok_or(Error::NotFound)?;
        if file.object.verify().await.is_ok() {
            return Ok(stored(file));
        }
        let asset = stages.opening(self.catalog.refresh(id)).await?;
        let file = asset.served(name).ok_or(Error::NotFound)?;
        file.object.verify().await?;
        Ok(stored(file))
    }

    /// A part of one version of a track or program: of the current version, of a replaced one whose bytes are still
    /// stored, or, after a refresh from the store, of one that has just appeared. If the file of a version was
    /// overwritten, the error is `Gone` once the refresh finds another version; before that, a retry may succeed. For a
    /// deleted asset, the error is `Deleted`.
    async fn of_any(
        self: &Arc<Self>,
        id: &AssetId,
        wanted_part: VersionedRequest<'_>,
        stages: &mut Stages,
    ) -> Result<Reply, Error> {
        let current = stages.opening(self.catalog.open(id)).await;
        if matches!(current, Err(catalog::Error::NotFound)) && self.catalog.gone(id).is_some() {
            return Err(Error::Deleted);
        }
        let mut known = false;
        let replaced = std::iter::once_with(|| self.catalog.replaced(id)).flatten();
        for asset in current.iter().map(Arc::clone).chain(replaced) {
            match self.of_stream(&asset, wanted_part, stages).await {
                Ok(Some(reply)) => return Ok(reply),
                Ok(None) => {}
                Err(Error::Interrupted(_)) => known = true,
                // The next look asks the second store first.
                Err(Error::Storage(_)) if self.catalog.store().has_second(id.as_str()) => known = true,
                Err(error) => return Err(error),
            }
        }
        current?;
        let asset = match stages.opening(self.catalog.refresh(id)).await {
            Err(catalog::Error::NotFound) if self.catalog.gone(id).is_some() => return Err(Error::Deleted),
            asset => asset?,
        };
        if let Some(reply) = self.of_stream(&asset, wanted_part, stages).await? {
            return Ok(reply);
        }
        let named = asset.plan.select(wanted_part.name).is_some();
        Err(if known || named { Error::Gone } else { Error::NotFound })
    }

    /// Whether a reply about `id` may cost requests to an object store only to find no asset.
    pub async fn is_unknown(&self, id: &AssetId) -> bool {
        self.catalog.is_unknown(id).await
    }

    /// The catalog of the assets that it serves.
    #[must_use]
    pub const fn catalog(&self) -> &Catalog {
        &self.catalog
    }

    /// Checks that the store can be listed at the moment.
    pub async fn ready(&self) -> Result<(), Error> {
        Ok(self.catalog.ready().await?)
    }

    /// Waits until nothing is being built; the caller bounds the wait.
    pub async fn drained(&self) {
        self.ahead.close();
        self.ahead.wait().await;
        self.segments.drained().await;
        self.manifests.drained().await;
        self.transports.drained().await;
        self.catalog.drained().await;
    }
}
