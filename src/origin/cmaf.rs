//! Replies for CMAF: the playlist, init segment and media segments of a track, and the manifests that list them.

use super::answer::{Manifest, Origin};
use super::content::{Content, Wish};
use super::error::Error;
use super::media::Media;
use super::reply::{Caching, Reply, playlist};
use super::segment::{Of, Segment};
use super::stages::Stages;
use crate::catalog::Asset;
use crate::manifest::Text;
use crate::media::{MediaKind, TrackName, Version, u64_from_usize};
use crate::metrics::{CacheKind, Outcome};
use crate::mux;
use crate::plan::{Plan, Planned};
use crate::route::{Segments, TrackPart};
use std::sync::Arc;

impl Origin {
    /// A part of a track of `asset`; `None` if it has no such track in that version.
    pub(super) async fn of_track(
        self: &Arc<Self>,
        asset: &Arc<Asset>,
        (version, name, part): (Version, &TrackName, TrackPart),
        (wish, stages): (Wish<'_>, &mut Stages),
    ) -> Result<Option<Reply>, Error> {
        if part == TrackPart::Playlist {
            let Some(at) = asset.plan.tracks().iter().position(|track| track.name == *name) else { return Ok(None) };
            let text = stages.looking(self.manifest(asset, Manifest::Playlist(at))).await?;
            return Ok((text.version == version).then(|| playlist(version, text.text)));
        }
        let mut tracks = asset.plan.tracks().iter().enumerate();
        let Some((at, track)) = tracks.find(|(_, track)| track.name == *name && track.version == version) else {
            return Ok(None);
        };
        let (etag, media) = match part {
            TrackPart::Segment(number) => {
                let segment = Segment { asset: Arc::clone(asset), of: Of::Track(at), number };
                (format!("{version}-{number}"), self.media(segment, wish, stages).await?)
            }
            TrackPart::Init | TrackPart::Playlist => (format!("{version}-init"), Media::of(vec![mux::init(track)])),
        };
        let media_type = match (part, name.kind) {
            (TrackPart::Segment(_), _) => "video/iso.segment",
            (_, MediaKind::Video) => "video/mp4",
            (_, MediaKind::Audio) => "audio/mp4",
        };
        let content = Content::Media(media);
        Ok(Some(Reply { media_type, etag, modified: None, caching: Caching::Immutable, content }))
    }

    /// A manifest of `asset`, from the cache or printed.
    pub(super) async fn manifest(&self, asset: &Asset, which: Manifest) -> Result<(Text, Outcome), Error> {
        let key = (asset.id.clone(), asset.plan.fingerprint(), which);
        if let Some(text) = self.manifests.get(&key, CacheKind::Manifest).await {
            return Ok((text, Outcome::Hit));
        }
        let mut versions = Vec::new();
        if which == Manifest::Hls {
            for at in 0..asset.plan.tracks().len() {
                versions.push(Box::pin(self.manifest(asset, Manifest::Playlist(at))).await?.0.version);
            }
        }
        let (id, plan) = (asset.id.clone(), Arc::clone(&asset.plan));
        let printing = self.printing.clone();
        let make = async move {
            let about = about(&plan, which);
            let bounds = printing.clone();
            let print = move || {
                let text = match which {
                    Manifest::Hls => Text::multivariant_playlist(&id, &plan, &versions),
                    Manifest::Dash => Text::dash_manifest(&id, &plan),
                    Manifest::Playlist(at) => {
                        let track = plan.tracks().get(at).ok_or(Error::NotFound)?;
                        Text::media_playlist(&id, &plan, track)
                    }
                };
                bounds.check(&text)?;
                Ok(text)
            };
            printing.print(about, about, print).await
        };
        // Boxed, so that the future of a cache hit stays small.
        let looked = Box::pin(self.manifests.get_or_make(key, CacheKind::Manifest, make)).await?;
        self.tell_manifests();
        Ok(looked)
    }
}

/// Estimated bytes of the description of a track, without its segments.
const TRACK: usize = 512;

/// Estimated bytes of the `EXTINF` line of a segment, and of an entry of a DASH timeline.
const LINE: usize = "#EXTINF:6.006,\n\n".len();
const ENTRY: usize = "<S d=\"540540\" r=\"1\"/>".len();

/// Estimated bytes of a manifest of `plan`.
fn about(plan: &Plan, which: Manifest) -> u64 {
    let tracks = plan.tracks();
    let bytes = match which {
        // Each video with each audio group, as if every audio track had its own group.
        Manifest::Hls => {
            let videos = plan.of_kind(MediaKind::Video).count();
            TRACK * (tracks.len() + videos * (tracks.len() - videos))
        }
        Manifest::Dash => tracks.iter().map(|track| TRACK + ENTRY * runs(track)).sum(),
        Manifest::Playlist(at) => tracks.get(at).map_or(0, |track| {
            let names = Segments::of_track(track.version, &track.name);
            TRACK + (LINE + names.about()) * track.segments.len()
        }),
    };
    u64_from_usize(bytes)
}

/// Number of runs of segments of equal duration.
fn runs(track: &Planned) -> usize {
    let pairs = track.segments.iter().zip(track.segments.iter().skip(1));
    1 + pairs.filter(|(before, segment)| before.span != segment.span).count()
}
