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
use crate::media::{MediaKind, TrackName, Version};
use crate::metrics::{Kept, Outcome};
use crate::mux;
use crate::route::Part;
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
        let make = async move {
            match which {
                Manifest::Hls => Ok(Text::multivariant_playlist(&id, &plan, &versions)),
                Manifest::Dash => Ok(Text::dash_manifest(&id, &plan)),
                Manifest::Playlist(at) => {
                    let track = plan.tracks().get(at).ok_or(Error::NotFound)?;
                    Ok(Text::media_playlist(&id, &plan, track))
                }
            }
        };
        // In a box: whoever finds it made has no room for the making.
        let looked = Box::pin(self.manifests.get_or_make(key, Kept::Manifest, make)).await?;
        self.tell_manifests();
        Ok(looked)
    }
}
