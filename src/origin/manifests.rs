//! Playlists and manifests: one cache for all of them, keyed by the plan and the view of it.

use super::answer::Origin;
use super::error::Error;
use crate::catalog::Asset;
use crate::manifest::{Lineup, Text};
use crate::media::{AssetId, MediaKind, Packaging, Version, u64_from_usize};
use crate::metrics::{CacheKind, Outcome};
use crate::mux::Transport;
use crate::plan::{Plan, Planned, Selection, Stream};
use crate::route::Segments;
use std::sync::Arc;

/// Estimated bytes of a playlist or manifest for each track, beside its segments.
const TRACK: usize = 512;

/// Bytes of a playlist's lines for one segment, without its name.
const LINE: usize = "#EXTINF:6.006,\n\n".len();

/// Bytes of one entry of a DASH timeline.
const ENTRY: usize = "<S d=\"540540\" r=\"1\"/>".len();

/// A manifest of an asset.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum View {
    /// The HLS multivariant playlist of the streams in that packaging.
    Multivariant(Packaging),
    /// The DASH manifest.
    Dash,
    /// The HLS media playlist of a stream.
    Playlist(Selection),
}

/// The key of a manifest: its asset, the fingerprint of the plan, the view.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct ManifestKey {
    asset: AssetId,
    plan: Version,
    view: View,
}

/// The data that manifests are printed from, beside the plan.
#[derive(Debug, Default)]
struct Sources {
    /// The versions of the media playlists that a multivariant playlist lists.
    versions: Vec<Version>,
    /// The layouts of the MPEG-TS streams, in the order of [`Lineup::streams`].
    transports: Vec<Arc<Transport>>,
}

impl Origin {
    /// A manifest of `asset`.
    pub(super) async fn manifest(&self, asset: &Asset, view: View) -> Result<(Text, Outcome), Error> {
        let key = ManifestKey { asset: asset.id.clone(), plan: asset.plan.fingerprint(), view };
        if let Some(text) = self.manifests.get(&key, CacheKind::Manifest).await {
            return Ok((text, Outcome::Hit));
        }
        let sources = Box::pin(self.sources(asset, view)).await?;
        let (id, plan) = (asset.id.clone(), Arc::clone(&asset.plan));
        let printing = self.printing.clone();
        let make = async move {
            let estimate = estimate(&plan, view);
            let bounds = printing.clone();
            let print = move || {
                let text = print(&id, &plan, view, &sources)?;
                bounds.check(&text)?;
                Ok(text)
            };
            printing.print(estimate, print).await
        };
        // Boxed: a request that hits the cache needs no room for the maker.
        let found = Box::pin(self.manifests.get_or_make(key, CacheKind::Manifest, make)).await?;
        self.metrics.cached(CacheKind::Manifest, self.manifests.bytes());
        Ok(found)
    }

    /// Gets or builds the data that the manifest is printed from.
    async fn sources(&self, asset: &Asset, view: View) -> Result<Sources, Error> {
        let mut sources = Sources::default();
        let listed: Vec<Selection> = match view {
            View::Dash | View::Playlist(_) if view.packaging() == Packaging::Cmaf => return Ok(sources),
            View::Multivariant(Packaging::Cmaf) => asset.plan.cmaf_streams().collect(),
            View::Dash | View::Playlist(_) | View::Multivariant(Packaging::Ts) => {
                let streams = Lineup::new(&asset.plan)?.streams();
                streams.iter().filter_map(|stream| asset.plan.select(&stream.name())).collect()
            }
        };
        if view.packaging() == Packaging::Ts {
            for selection in &listed {
                sources.transports.push(self.transport(asset, *selection).await?);
            }
        }
        if let View::Multivariant(_) = view {
            for selection in listed {
                let (text, _) = Box::pin(self.manifest(asset, View::Playlist(selection))).await?;
                sources.versions.push(text.version);
            }
        }
        Ok(sources)
    }

    /// The layout of the MPEG-TS stream at `selection`.
    pub(super) async fn transport(&self, asset: &Asset, selection: Selection) -> Result<Arc<Transport>, Error> {
        let stream = asset.plan.stream(selection).ok_or(Error::NotFound)?;
        let key = stream.version();
        for track in stream.tracks() {
            self.catalog.fetch_samples(asset, track, 0..track.timeline.len()).await?;
        }
        if let Some(transport) = self.transports.get(&key, CacheKind::Transport).await {
            return Ok(transport);
        }
        let (plan, asset, catalog) = (Arc::clone(&asset.plan), asset.clone(), self.catalog.clone());
        // The layout visits all samples: not on a thread that answers requests.
        let lay_out = move || {
            let stream = plan.stream(selection).ok_or(Error::NotFound)?;
            let is_true = |track: &Planned| track.segments.iter().all(|segment| track.is_true(segment));
            if !stream.tracks().all(is_true) {
                return Ok(None);
            }
            Ok(Some(Arc::new(Transport::new(stream, plan.settings().target_millis)?)))
        };
        let make = async move {
            let done = tokio::task::spawn_blocking(lay_out).await;
            match done.unwrap_or_else(|_| Err(Error::Interrupted("laying out MPEG-TS was given up".into())))? {
                Some(transport) => Ok(transport),
                None => Err(catalog.doubt(&asset).await.into()),
            }
        };
        // Boxed: a request that hits the cache needs no room for the maker.
        let (transport, _) = Box::pin(self.transports.get_or_make(key, CacheKind::Transport, make)).await?;
        self.metrics.cached(CacheKind::Transport, self.transports.bytes());
        Ok(transport)
    }
}

impl View {
    /// The packaging of the streams that the manifest lists.
    const fn packaging(self) -> Packaging {
        match self {
            Self::Multivariant(packaging) => packaging,
            Self::Dash => Packaging::Cmaf,
            Self::Playlist(selection) => selection.packaging(),
        }
    }
}

/// Prints a manifest of `plan`, which belongs to the asset called `id`.
fn print(id: &AssetId, plan: &Plan, view: View, sources: &Sources) -> Result<Text, Error> {
    let Sources { versions, transports } = sources;
    match view {
        View::Dash => Ok(Text::dash_manifest(id, plan)),
        View::Multivariant(Packaging::Cmaf) => Ok(Text::multivariant_playlist(id, plan, versions)),
        View::Multivariant(Packaging::Ts) => Ok(Lineup::new(plan)?.multivariant(id, transports, versions)),
        View::Playlist(selection) => {
            let stream = plan.stream(selection).ok_or(Error::NotFound)?;
            match stream.packaging() {
                Packaging::Cmaf => Ok(Text::media_playlist(id, plan, stream.first())),
                Packaging::Ts => {
                    let (lineup, name) = (Lineup::new(plan)?, stream.name());
                    let at = lineup.streams().iter().position(|listed| listed.name() == name);
                    at.and_then(|at| lineup.playlist(transports, at)).ok_or(Error::NotFound)
                }
            }
        }
    }
}

/// Bytes of a manifest of `plan`, estimated before it is printed.
fn estimate(plan: &Plan, view: View) -> u64 {
    let tracks = plan.tracks();
    let bytes = match view {
        // Each video is listed with each audio group, and in the worst case each audio track is a group.
        View::Multivariant(_) => {
            let videos = plan.of_kind(MediaKind::Video).count();
            TRACK * (tracks.len() + videos * (tracks.len() - videos))
        }
        View::Dash => tracks.iter().map(|track| TRACK + ENTRY * runs(track)).sum(),
        View::Playlist(selection) => plan.stream(selection).map_or(0, playlist_estimate),
    };
    u64_from_usize(bytes)
}

fn playlist_estimate(stream: Stream<'_>) -> usize {
    let names = Segments::of(stream.version(), &stream.name());
    let segments = stream.tracks().map(|track| track.segments.len()).max().unwrap_or(0);
    TRACK + (LINE + names.about()) * segments
}

/// The number of runs of segments of one duration.
fn runs(track: &Planned) -> usize {
    let pairs = track.segments.iter().zip(track.segments.iter().skip(1));
    1 + pairs.filter(|(before, segment)| before.span != segment.span).count()
}
