//! The origin: turns a route into a reply. Finds the asset and the version, then takes the content from a cache or
//! builds it.

use super::content::Wish;
use super::error::Error;
use super::gallery::AT_ONCE;
use super::printing::{ManifestLimits, Printing};
use super::reply::{PLAYLIST, Reply, entry, stored};
use super::stages::Stages;
use super::standing::{Standing, keeping};
use crate::cache::{Bodies, Cache, Governor, Limits};
use crate::catalog::{self, Asset, Catalog, IndexPersistence};
use crate::config::Config;
use crate::manifest::{Text, TsManifests};
use crate::media::{AssetId, TrackName, Version, u32_from_usize, u64_from_usize};
use crate::metrics::{CacheKind, Metrics};
use crate::mux::Transport;
use crate::plan;
use crate::route::{ProgramName, ProgramPart, Route, TrackPart};
use crate::store::{self, Stamp, Store};
use std::hash::{Hash, Hasher};
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;
use tokio::sync::Semaphore;

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

/// Segments of which small ranges were requested recently: how many are remembered, and for how long.
const RANGED: u64 = 4_096;
const RANGED_AGE: Duration = Duration::from_secs(30);

/// Segments that were built recently from object stores: how many are remembered, and for how long.
const WALKS: u64 = 16_384;
const WALK_AGE: Duration = Duration::from_mins(1);

/// Replies to routes, from its caches and stores.
#[derive(Debug)]
pub struct Origin {
    pub(super) catalog: Catalog,
    pub(super) segments: Bodies<SegmentKey, Error>,
    /// Bytes of each segment that were requested recently as small ranges.
    pub(super) ranged: moka::sync::Cache<SegmentKey, Arc<AtomicU64>>,
    /// Segments that were built recently from object stores.
    pub(super) walked: moka::sync::Cache<SegmentKey, ()>,
    /// Manifests by asset, fingerprint of the plan, and kind.
    pub(super) manifests: Cache<(AssetId, Version, Manifest), Text, Error>,
    pub(super) ts_manifests: Cache<(AssetId, Version), Arc<TsManifests>, Error>,
    /// Layouts by version of the transport stream.
    pub(super) transports: Cache<Version, Arc<Transport>, Error>,
    pub(super) printing: Printing,
    /// Segments to send directly from their files; `None` if this is switched off.
    pub(super) standing: Option<moka::sync::Cache<SegmentKey, Arc<Standing>>>,
    /// Whether stored files can be downloaded unchanged.
    pub(super) files: bool,
    /// Permits to open an asset for the gallery.
    pub(super) cards: Semaphore,
    pub(super) metrics: Arc<Metrics>,
}

/// Cache key of a segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct SegmentKey {
    /// Version of the track or program, which also identifies it.
    pub(super) version: Version,
    pub(super) container: Container,
    pub(super) number: u32,
    /// Version stamps of its files. A content id hashes only parts of a file, so two states of a file (holes filled
    /// later) may share one; the stamps keep their bytes apart.
    pub(super) made_of: [Option<Stamp>; 2],
}

impl Hash for SegmentKey {
    /// Hashes part of the version, which is a hash already, and the number: these distinguish nearly all keys.
    fn hash<H: Hasher>(&self, state: &mut H) {
        let [version @ .., _, _, _, _] = *self.version.as_bytes();
        state.write_u64(u64::from_be_bytes(version));
        state.write_u32(self.number);
    }
}

/// Container format of a segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Container {
    Cmaf,
    Ts,
}

/// A requested part of one version.
#[derive(Debug, Clone, Copy)]
struct VersionedRequest<'a> {
    version: Version,
    what: VersionPart<'a>,
    wish: Wish<'a>,
}

/// A part of a track or of a transport stream.
#[derive(Debug, Clone, Copy)]
enum VersionPart<'a> {
    Track(&'a TrackName, TrackPart),
    Program(&'a ProgramName, ProgramPart),
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

/// A manifest of an asset.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Manifest {
    /// The HLS multivariant playlist.
    Hls,
    /// The DASH manifest.
    Dash,
    /// The HLS media playlist of a track, by its number in the plan.
    Playlist(usize),
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
        let ranged = moka::sync::Cache::builder().max_capacity(RANGED).time_to_live(RANGED_AGE).build();
        if let Some(ledger) = catalog.store().ledger() {
            segments.share(ledger);
        }
        // Split one budget: half for the manifests that most players request, a quarter each for the playlists and the
        // layouts of MPEG-TS.
        let (half, quarter) = (settings.manifest_bytes / 2, settings.manifest_bytes / 4);
        let weigh = |text: &Text| u64_from_usize(text.text.len());
        let whole = |capacity| Limits { capacity, largest: capacity };
        let manifests = Cache::new(whole(half), weigh, Arc::clone(&metrics));
        let of_ts = whole(quarter);
        let ts_manifests = Cache::new(of_ts, |texts: &Arc<TsManifests>| texts.bytes(), Arc::clone(&metrics));
        let weigh = |transport: &Arc<Transport>| u64_from_usize(transport.heap_bytes());
        let transports = Cache::new(of_ts, weigh, Arc::clone(&metrics));
        let walked = moka::sync::Cache::builder().max_capacity(WALKS).time_to_live(WALK_AGE).build();
        let standing = settings.sendfile.then(|| keeping(settings.segment_bytes));
        let (files, cards) = (settings.files, Semaphore::new(AT_ONCE));
        let printing = Printing::new(settings.bounds, quarter);
        Self {
            catalog,
            segments,
            ranged,
            walked,
            manifests,
            ts_manifests,
            transports,
            printing,
            standing,
            files,
            cards,
            metrics,
        }
    }

    /// The reply to a request for `route`. `wish` chooses the bytes to send. Records in `stages` what the request
    /// waited for.
    pub async fn reply(self: &Arc<Self>, route: &Route, wish: Wish<'_>, stages: &mut Stages) -> Result<Reply, Error> {
        match route {
            Route::Hls(id) => {
                let asset = stages.opening(self.catalog.open(id)).await?;
                let text = stages.looking(self.manifest(&asset, Manifest::Hls)).await?;
                Ok(entry(PLAYLIST, text.version, &text.text))
            }
            Route::Dash(id) => {
                let asset = stages.opening(self.catalog.open(id)).await?;
                let text = stages.looking(self.manifest(&asset, Manifest::Dash)).await?;
                Ok(entry("application/dash+xml", text.version, &text.text))
            }
            Route::Ts(id) => {
                let asset = stages.opening(self.catalog.open(id)).await?;
                let manifests = stages.looking(self.ts_manifests(&asset)).await?;
                Ok(entry(PLAYLIST, manifests.entry.version, &manifests.entry.text))
            }
            Route::File(..) if !self.files => Err(Error::NotFound),
            Route::File(id, name) => self.of_file(id, name, stages).await,
            Route::Track(id, version, name, part) => {
                self.of_any(
                    id,
                    VersionedRequest { version: *version, what: VersionPart::Track(name, *part), wish },
                    stages,
                )
                .await
            }
            Route::Program(id, version, name, part) => {
                self.of_any(
                    id,
                    VersionedRequest { version: *version, what: VersionPart::Program(name, *part), wish },
                    stages,
                )
                .await
            }
        }
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
        sought: VersionedRequest<'_>,
        stages: &mut Stages,
    ) -> Result<Reply, Error> {
        let current = stages.opening(self.catalog.open(id)).await;
        if matches!(current, Err(catalog::Error::NotFound)) && self.catalog.gone(id).is_some() {
            return Err(Error::Deleted);
        }
        let mut known = false;
        let replaced = std::iter::once_with(|| self.catalog.replaced(id)).flatten();
        for asset in current.iter().map(Arc::clone).chain(replaced) {
            match self.of_version(&asset, sought, stages).await {
                Ok(Some(reply)) => return Ok(reply),
                Ok(None) => {}
                Err(Error::Interrupted(_)) => known = true,
                // The refresh asks the fallback store first.
                Err(Error::Storage(_)) if self.catalog.store().has_second(id.as_str()) => known = true,
                Err(error) => return Err(error),
            }
        }
        current?;
        let asset = match stages.opening(self.catalog.refresh(id)).await {
            Err(catalog::Error::NotFound) if self.catalog.gone(id).is_some() => return Err(Error::Deleted),
            asset => asset?,
        };
        if let Some(reply) = self.of_version(&asset, sought, stages).await? {
            return Ok(reply);
        }
        let has = |name: &TrackName| asset.plan.tracks().iter().any(|track| track.name == *name);
        let named = match sought.what {
            VersionPart::Track(name, _) | VersionPart::Program(ProgramName::Alone(name), _) => has(name),
            VersionPart::Program(ProgramName::Muxed(video, audio), _) => has(video) && has(audio),
        };
        Err(if known || named { Error::Gone } else { Error::NotFound })
    }

    /// The requested part of `asset`; `None` if it has no such track or program in that version.
    async fn of_version(
        self: &Arc<Self>,
        asset: &Arc<Asset>,
        VersionedRequest { version, what, wish }: VersionedRequest<'_>,
        stages: &mut Stages,
    ) -> Result<Option<Reply>, Error> {
        match what {
            VersionPart::Track(name, part) => self.of_track(asset, (version, name, part), (wish, stages)).await,
            VersionPart::Program(name, part) => self.of_program(asset, (version, name, part), (wish, stages)).await,
        }
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

    /// Updates the metric of cached manifests, MPEG-TS playlists included.
    pub(super) fn tell_manifests(&self) {
        self.metrics.cached(CacheKind::Manifest, self.manifests.bytes() + self.ts_manifests.bytes());
    }

    /// Checks that the store can be listed at the moment.
    pub async fn ready(&self) -> Result<(), Error> {
        Ok(self.catalog.ready().await?)
    }

    /// Waits until nothing is being built; the caller bounds the wait.
    pub async fn drained(&self) {
        self.segments.drained().await;
        self.manifests.drained().await;
        self.ts_manifests.drained().await;
        self.transports.drained().await;
        self.catalog.drained().await;
    }
}
