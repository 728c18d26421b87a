//! Route → Reply, on one screen: find the asset, find the version, make what is asked or take what was made.

use super::content::Wish;
use super::error::Error;
use super::gallery::AT_ONCE;
use super::printing::{Bounds, Printing};
use super::reply::{PLAYLIST, Reply, entry, stored};
use super::stages::Stages;
use super::standing::{Standing, keeping};
use crate::cache::{Bodies, Cache, Governor, Limits};
use crate::catalog::{self, Asset, Catalog, Lasting};
use crate::config::Config;
use crate::manifest::{Text, TsManifests};
use crate::media::{AssetId, TrackName, Version, u32_from_usize, u64_from_usize};
use crate::metrics::{Kept, Metrics};
use crate::mux::Transport;
use crate::plan;
use crate::route::{Part, ProgramName, ProgramPart, Route};
use crate::store::{self, Stamp, Store};
use std::hash::{Hash, Hasher};
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;
use tokio::sync::Semaphore;

/// How much an origin keeps in memory, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Settings {
    /// Of segments.
    pub segment_bytes: u64,
    /// Of manifests, and of the layouts of transport streams.
    pub manifest_bytes: u64,
    /// Of segments that are being made.
    pub making_bytes: u64,
    /// How long a segment may wait for room to be made in.
    pub making_wait: Duration,
    /// Whether segments are sent as they stand in their files.
    pub sendfile: bool,
    /// Whether stored files are given out as they are.
    pub files: bool,
    /// How large manifests may be.
    pub bounds: Bounds,
}

/// Segments of which ranges were asked for lately: how many are remembered, and how long.
const RANGED: u64 = 4_096;
const RANGED_AGE: Duration = Duration::from_secs(30);

/// Segments that were made lately of what has to be asked for: how many are remembered, and how long.
const WALKS: u64 = 16_384;
const WALK_AGE: Duration = Duration::from_mins(1);

/// Answers routes.
#[derive(Debug)]
pub struct Origin {
    pub(super) catalog: Catalog,
    pub(super) segments: Bodies<SegmentKey, Error>,
    /// Bytes of them that were asked for lately as small ranges.
    pub(super) ranged: moka::sync::Cache<SegmentKey, Arc<AtomicU64>>,
    /// Segments that were made lately of what has to be asked for.
    pub(super) walked: moka::sync::Cache<SegmentKey, ()>,
    /// By the plan's fingerprint.
    pub(super) manifests: Cache<(AssetId, Version, Manifest), Text, Error>,
    pub(super) ts_manifests: Cache<(AssetId, Version), Arc<TsManifests>, Error>,
    /// By the program's version.
    pub(super) transports: Cache<Version, Arc<Transport>, Error>,
    pub(super) printing: Printing,
    /// Segments that are sent as they stand in their files; `None` where none is.
    pub(super) standing: Option<moka::sync::Cache<SegmentKey, Arc<Standing>>>,
    /// Whether stored files are given out as they are.
    pub(super) files: bool,
    /// Turns to open an asset for the gallery.
    pub(super) cards: Semaphore,
    pub(super) metrics: Arc<Metrics>,
}

/// What a segment's bytes are kept by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct SegmentKey {
    /// Of the track or program, which it names too.
    pub(super) version: Version,
    pub(super) container: Container,
    pub(super) number: u32,
    /// The files that it is made of: a content id samples a file, so two states of one (holes filled later) may share
    /// it. Theirs never mix here.
    pub(super) made_of: [Option<Stamp>; 2],
}

impl Hash for SegmentKey {
    /// The version is a hash already, and with the number it tells nearly all keys apart.
    fn hash<H: Hasher>(&self, state: &mut H) {
        let [version @ .., _, _, _, _] = *self.version.as_bytes();
        state.write_u64(u64::from_be_bytes(version));
        state.write_u32(self.number);
    }
}

/// What a segment is packaged as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Container {
    Cmaf,
    Ts,
}

/// What of which version is asked for.
#[derive(Debug, Clone, Copy)]
struct Sought<'a> {
    version: Version,
    what: What<'a>,
    wish: Wish<'a>,
}

/// What of a version.
#[derive(Debug, Clone, Copy)]
enum What<'a> {
    Track(&'a TrackName, Part),
    Program(&'a ProgramName, ProgramPart),
}

/// The assets of the stores that `config` names; an error when a folder cannot be read.
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
    let lasting = Lasting {
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
    /// The HLS media playlist of a track, as the plan counts them.
    Playlist(usize),
}

impl Origin {
    /// An origin over the folder that `config` names; an error when it cannot be read.
    pub fn open(config: &Config, metrics: Arc<Metrics>) -> Result<Arc<Self>, store::Error> {
        let catalog = catalog(config, Arc::clone(&metrics))?;
        let settings = Settings {
            segment_bytes: config.cache.segments.bytes(),
            manifest_bytes: config.cache.manifests.bytes(),
            making_bytes: config.cache.making.bytes(),
            making_wait: config.cache.making_wait,
            sendfile: config.store.sendfile,
            files: config.site.files,
            bounds: Bounds { variants: config.limits.variants, bytes: config.limits.manifest_bytes.bytes() },
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
        // One budget: half for what most players ask, the rest for MPEG-TS, its playlists and its layouts.
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

    /// Answers `route` for who has this `wish`, and says in `stages` what it passed on the way.
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
                self.of_any(id, Sought { version: *version, what: What::Track(name, *part), wish }, stages).await
            }
            Route::Program(id, version, name, part) => {
                self.of_any(id, Sought { version: *version, what: What::Program(name, *part), wish }, stages).await
            }
        }
    }

    /// A stored file, as the last look found it; where it was written to since, as one more look does.
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

    /// Something of one version of a track or program: the current one, one that was replaced and whose bytes can
    /// still be had, or, after one more look at the store, one that has just appeared. A version whose file was written
    /// over is gone once that look finds another; until then asking again may help. Nothing of a deleted asset answers.
    async fn of_any(self: &Arc<Self>, id: &AssetId, sought: Sought<'_>, stages: &mut Stages) -> Result<Reply, Error> {
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
        if let Some(reply) = self.of_version(&asset, sought, stages).await? {
            return Ok(reply);
        }
        let has = |name: &TrackName| asset.plan.tracks().iter().any(|track| track.name == *name);
        let named = match sought.what {
            What::Track(name, _) | What::Program(ProgramName::Alone(name), _) => has(name),
            What::Program(ProgramName::Muxed(video, audio), _) => has(video) && has(audio),
        };
        Err(if known || named { Error::Gone } else { Error::NotFound })
    }

    /// `None` when `asset` has no such track or program in that version.
    async fn of_version(
        self: &Arc<Self>,
        asset: &Arc<Asset>,
        Sought { version, what, wish }: Sought<'_>,
        stages: &mut Stages,
    ) -> Result<Option<Reply>, Error> {
        match what {
            What::Track(name, part) => self.of_track(asset, (version, name, part), (wish, stages)).await,
            What::Program(name, part) => self.of_program(asset, (version, name, part), (wish, stages)).await,
        }
    }

    /// Whether an answer about `id` may cost requests to an object store for nothing.
    pub async fn is_unknown(&self, id: &AssetId) -> bool {
        self.catalog.is_unknown(id).await
    }

    /// The assets that it serves.
    #[must_use]
    pub const fn catalog(&self) -> &Catalog {
        &self.catalog
    }

    /// Tells how much is kept of manifests, MPEG-TS playlists included.
    pub(super) fn tell_manifests(&self) {
        self.metrics.cached(Kept::Manifest, self.manifests.bytes() + self.ts_manifests.bytes());
    }

    /// Whether the store can be listed now.
    pub async fn ready(&self) -> Result<(), Error> {
        Ok(self.catalog.ready().await?)
    }

    /// Waits until nothing is being made; the caller bounds the wait.
    pub async fn drained(&self) {
        self.segments.drained().await;
        self.manifests.drained().await;
        self.ts_manifests.drained().await;
        self.transports.drained().await;
        self.catalog.drained().await;
    }
}
