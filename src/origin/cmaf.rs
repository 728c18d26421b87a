//! CMAF: a track's playlist, its init segment, its media segments; and the manifests that list them.

use super::answer::{Body, Container, Origin, SegmentKey};
use super::content::Content;
use super::error::Error;
use super::reply::{Caching, Reply, playlist};
use super::stages::Stages;
use crate::catalog::Asset;
use crate::manifest::Manifests;
use crate::media::{ByteRange, MediaKind, TrackName, Version};
use crate::metrics::{Kept, Outcome};
use crate::mux::{self, Piece, Recipe};
use crate::plan::Planned;
use crate::route::Part;
use crate::store::Object;
use bytes::Bytes;
use std::sync::Arc;

impl Origin {
    /// `None` when `asset` has no such track in that version.
    pub(super) async fn of_track(
        &self,
        asset: &Asset,
        (version, name): (Version, &TrackName),
        part: Part,
        stages: &mut Stages,
    ) -> Result<Option<Reply>, Error> {
        if part == Part::Playlist {
            let manifests = stages.looking(self.manifests(asset)).await?;
            let text = manifests.playlist(name, version).cloned();
            return Ok(text.map(|text| playlist(version, text)));
        }
        let Some(track) = asset.plan.track(name, version) else { return Ok(None) };
        let (etag, body) = match part {
            Part::Segment(number) => {
                (format!("{version}-{number}"), stages.looking(self.segment(asset, track, number)).await?)
            }
            Part::Init | Part::Playlist => (format!("{version}-init"), Arc::from([mux::init(track)])),
        };
        let media_type = match (part, name.kind) {
            (Part::Segment(_), _) => "video/iso.segment",
            (_, MediaKind::Video) => "video/mp4",
            (_, MediaKind::Audio) => "audio/mp4",
        };
        let content = Content::Media(body);
        Ok(Some(Reply { media_type, etag, modified: None, caching: Caching::Immutable, content }))
    }

    async fn segment(&self, asset: &Asset, track: &Planned, number: u32) -> Result<(Body, Outcome), Error> {
        let segment = track.segment(number).ok_or(Error::NotFound)?;
        let object = asset.file(&track.file).map(|file| file.object.clone()).ok_or(Error::NotFound)?;
        let made_of = [Some(object.stamp()), None];
        let key = SegmentKey { version: track.version, container: Container::Cmaf, number, made_of };
        if let Some(body) = self.segments.get(&key, Kept::Segment).await {
            return Ok((body, Outcome::Hit));
        }
        let recipe = mux::segment(track, number, segment);
        let making = self.metrics.making(recipe.length());
        let make = async move {
            let _making = making;
            made(recipe, &object).await
        };
        let looked = self.segments.get_or_make(key, Kept::Segment, make).await?;
        self.metrics.cached(Kept::Segment, self.segments.bytes());
        Ok(looked)
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

/// Bakes a recipe: what is made as it is, what is stored in as few reads as the recipe has runs of it.
async fn made(recipe: Recipe, object: &Object) -> Result<Body, Error> {
    let mut chunks: Vec<Bytes> = Vec::new();
    let mut run: Vec<ByteRange> = Vec::new();
    for piece in recipe.pieces() {
        match piece {
            Piece::Stored(range) => run.push(*range),
            Piece::Made(bytes) => {
                if !run.is_empty() {
                    chunks.extend(object.read_ranges(std::mem::take(&mut run)).await?);
                }
                chunks.push(bytes.clone());
            }
        }
    }
    if !run.is_empty() {
        chunks.extend(object.read_ranges(run).await?);
    }
    Ok(chunks.into())
}
