//! CMAF: a track's playlist, its init segment, its media segments; and the manifests that list them.

use super::answer::Origin;
use super::content::{Content, Wish};
use super::error::Error;
use super::media::Media;
use super::reply::{Caching, Reply, playlist};
use super::segment::{Of, Segment};
use super::stages::Stages;
use crate::catalog::Asset;
use crate::manifest::Manifests;
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
            let manifests = stages.looking(self.manifests(asset)).await?;
            let text = manifests.playlist(name, version).cloned();
            return Ok(text.map(|text| playlist(version, text)));
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

    /// The manifests of `asset`.
    pub(super) async fn manifests(&self, asset: &Asset) -> Result<(Arc<Manifests>, Outcome), Error> {
        let key = (asset.id.clone(), asset.plan.fingerprint());
        let (id, plan) = (asset.id.clone(), Arc::clone(&asset.plan));
        let make = async move { Ok(Arc::new(Manifests::new(&id, &plan))) };
        let looked = self.manifests.get_or_make(key, Kept::Manifest, make).await?;
        self.tell_manifests();
        Ok(looked)
    }
}
