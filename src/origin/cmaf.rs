//! CMAF: a track's playlist, its init segment, its media segments; and the manifests that list them.

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
use crate::metrics::{Kept, Outcome};
use crate::mux;
use crate::plan::{Plan, Planned};
use crate::route::{Part, Segments};
use std::sync::Arc;

impl Origin {
    /// `None` when `asset` has no such track in that version.
    pub(super) async fn of_track(
        self: &Arc<Self>,
        asset: &Arc<Asset>,
        (version, name, part): (Version, &TrackName, Part),
        (wish, stages): (Wish<'_>, &mut Stages),
    ) -> Result<Option<Reply>, Error> {
        if part == Part::Playlist {
            let Some(at) = asset.plan.tracks().iter().position(|track| track.name == *name) else { return Ok(None) };
            let text = stages.looking(self.manifest(asset, Manifest::Playlist(at))).await?;
            return Ok((text.version == version).then(|| playlist(version, text.text)));
        }
        let mut tracks = asset.plan.tracks().iter().enumerate();
        let Some((at, track)) = tracks.find(|(_, track)| track.name == *name && track.version == version) else {
            return Ok(None);
        };
        let (etag, media) = match part {
            Part::Segment(number) => {
                let segment = Segment { asset: Arc::clone(asset), of: Of::Track(at), number };
                (format!("{version}-{number}"), self.media(segment, wish, stages).await?)
            }
            Part::Init | Part::Playlist => (format!("{version}-init"), Media::of(vec![mux::init(track)])),
        };
        let media_type = match (part, name.kind) {
            (Part::Segment(_), _) => "video/iso.segment",
            (_, MediaKind::Video) => "video/mp4",
            (_, MediaKind::Audio) => "audio/mp4",
        };
        let content = Content::Media(media);
        Ok(Some(Reply { media_type, etag, modified: None, caching: Caching::Immutable, content }))
    }

    /// A manifest of `asset`.
    pub(super) async fn manifest(&self, asset: &Asset, which: Manifest) -> Result<(Text, Outcome), Error> {
        let key = (asset.id.clone(), asset.plan.fingerprint(), which);
        if let Some(text) = self.manifests.get(&key, Kept::Manifest).await {
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
        // In a box: whoever finds it made has no room for the making.
        let looked = Box::pin(self.manifests.get_or_make(key, Kept::Manifest, make)).await?;
        self.tell_manifests();
        Ok(looked)
    }
}

/// Bytes of what is said of a track beside its segments.
const TRACK: usize = 512;

/// Bytes of a line of a playlist that names a segment, and of an entry of a DASH timeline.
const LINE: usize = "#EXTINF:6.006,\n\n".len();
const ENTRY: usize = "<S d=\"540540\" r=\"1\"/>".len();

/// Bytes of a manifest of `plan`, estimated before it is printed.
fn about(plan: &Plan, which: Manifest) -> u64 {
    let tracks = plan.tracks();
    let bytes = match which {
        // Each video with each group of audio, where every track of audio is its own.
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

/// Segments of `track` that last as long as the one before, counted once.
fn runs(track: &Planned) -> usize {
    let pairs = track.segments.iter().zip(track.segments.iter().skip(1));
    1 + pairs.filter(|(before, segment)| before.span != segment.span).count()
}
