//! MPEG-TS: which tracks a program has, its playlists, its segments.

use super::answer::{Body, Container, Origin, SegmentKey};
use super::content::Content;
use super::error::Error;
use super::reply::{Caching, Reply, playlist};
use super::stages::Stages;
use crate::catalog::Asset;
use crate::manifest::{Lineup, TsManifests};
use crate::media::{ByteRange, TrackName, Version};
use crate::metrics::{Kept, Outcome};
use crate::mux::{Chunks, Length, Transport, TsRecipe, Window};
use crate::plan::{Plan, Planned, Streams};
use crate::route::{ProgramName, ProgramPart};
use crate::store::Object;
use bytes::Bytes;
use std::sync::Arc;

/// Bytes of a segment that are read and muxed at once.
const WINDOW: u64 = 4 << 20;

/// The tracks of `plan` that `name` names, in any version.
#[must_use]
pub fn streams<'a>(plan: &'a Plan, name: &ProgramName) -> Option<Streams<'a>> {
    let track = |name: &TrackName| plan.tracks().iter().find(|track| track.name == *name);
    match name {
        ProgramName::Alone(name) => track(name).map(Streams::alone),
        ProgramName::Muxed(video, audio) => Streams::muxed(track(video)?, track(audio)?),
    }
}

impl Origin {
    /// `None` when `asset` has no such program in that version.
    pub(super) async fn of_program(
        &self,
        asset: &Asset,
        (version, name): (Version, &ProgramName),
        part: ProgramPart,
        stages: &mut Stages,
    ) -> Result<Option<Reply>, Error> {
        let Some(streams) = streams(&asset.plan, name) else { return Ok(None) };
        match part {
            ProgramPart::Playlist => {
                let manifests = stages.looking(self.ts_manifests(asset)).await?;
                Ok(manifests.playlist(name, version).map(|text| playlist(version, text.clone())))
            }
            ProgramPart::Segment(number) => {
                if streams.version() != version {
                    return Ok(None);
                }
                let body = stages.looking(self.ts_segment(asset, streams, (name, number))).await?;
                Ok(Some(Reply {
                    media_type: "video/mp2t",
                    etag: format!("{version}-{number}-ts"),
                    modified: None,
                    caching: Caching::Immutable,
                    content: Content::Media(body),
                }))
            }
        }
    }

    /// The MPEG-TS playlists of `asset`.
    pub(super) async fn ts_manifests(&self, asset: &Asset) -> Result<(Arc<TsManifests>, Outcome), Error> {
        let key = (asset.id.clone(), asset.plan.fingerprint());
        if let Some(manifests) = self.ts_manifests.get(&key, Kept::Manifest).await {
            return Ok((manifests, Outcome::Hit));
        }
        let lineup = Lineup::new(&asset.plan)?;
        let names: Vec<ProgramName> = lineup.names();
        let mut transports = Vec::with_capacity(names.len());
        for (name, streams) in names.iter().zip(lineup.streams()) {
            transports.push(self.transport(asset, streams, name).await?);
        }
        let (id, plan) = (asset.id.clone(), Arc::clone(&asset.plan));
        let make = async move { Ok(Arc::new(TsManifests::new(&id, &Lineup::new(&plan)?, &transports))) };
        let looked = self.ts_manifests.get_or_make(key, Kept::Manifest, make).await?;
        self.tell_manifests();
        Ok(looked)
    }

    /// Where the packets of `streams` fall; they are called `name`.
    async fn transport(&self, asset: &Asset, of: Streams<'_>, name: &ProgramName) -> Result<Arc<Transport>, Error> {
        let key = of.version();
        let (plan, name) = (Arc::clone(&asset.plan), name.clone());
        // A walk over all samples: not on a thread that answers requests.
        let walk = move || {
            let streams = streams(&plan, &name).ok_or(Error::NotFound)?;
            Ok(Arc::new(Transport::new(streams, plan.settings().target_millis)?))
        };
        let make = async move {
            let walked = tokio::task::spawn_blocking(walk).await;
            walked.unwrap_or_else(|_| Err(Error::Interrupted("laying out MPEG-TS was given up".into())))
        };
        let (transport, _) = self.transports.get_or_make(key, Kept::Transport, make).await?;
        self.metrics.cached(Kept::Transport, self.transports.bytes());
        Ok(transport)
    }

    async fn ts_segment(
        &self,
        asset: &Asset,
        streams: Streams<'_>,
        (name, number): (&ProgramName, u32),
    ) -> Result<(Body, Outcome), Error> {
        let sources = Sources { video: object(asset, streams.video()), audio: object(asset, streams.audio()) };
        let made_of = [&sources.video, &sources.audio].map(|object| object.as_ref().map(Object::stamp));
        let key = SegmentKey { version: streams.version(), container: Container::Ts, number, made_of };
        if let Some(body) = self.segments.get(&key, Kept::Segment).await {
            return Ok((body, Outcome::Hit));
        }
        let transport = self.transport(asset, streams, name).await?;
        let recipe = transport.recipe(streams, number).ok_or(Error::NotFound)?;
        let length = match recipe.length() {
            Length::Exact(length) => length,
            Length::AfterMake => 0,
        };
        let making = self.metrics.making(length);
        let make = async move {
            let _making = making;
            made(&recipe, &sources).await
        };
        let looked = self.segments.get_or_make(key, Kept::Segment, make).await?;
        self.metrics.cached(Kept::Segment, self.segments.bytes());
        Ok(looked)
    }
}

/// Where the bytes of a program stand.
struct Sources {
    video: Option<Object>,
    audio: Option<Object>,
}

fn object(asset: &Asset, track: Option<&Planned>) -> Option<Object> {
    track.and_then(|track| asset.file(&track.file)).map(|file| file.object.clone())
}

/// Makes a segment window by window, so that what is read does not stand beside what is made for long.
async fn made(recipe: &TsRecipe, sources: &Sources) -> Result<Body, Error> {
    let Length::Exact(length) = recipe.length() else {
        return Ok(baked(&recipe.whole(), sources).await?.into());
    };
    let (mut chunks, mut at) = (Vec::new(), 0);
    while at < length {
        let end = length.min(at + WINDOW);
        chunks.extend(baked(&recipe.window(at..end), sources).await?);
        at = end;
    }
    Ok(chunks.into())
}

/// Reads what a window needs, at once where one file holds both tracks, and makes it.
async fn baked(window: &Window<'_>, sources: &Sources) -> Result<Vec<Bytes>, Error> {
    let reads = window.reads();
    let (video, audio) = match (&sources.video, &sources.audio) {
        (Some(video), Some(audio)) if video.stamp() == audio.stamp() => {
            let behind = reads.video.iter().map(|range| range.len()).sum();
            let both = video.read_ranges([reads.video, reads.audio].concat()).await?;
            let pictures = Chunks::new(both);
            let mut sounds = pictures.clone();
            sounds.skip(behind);
            (pictures, sounds)
        }
        (video, audio) => (read(video.as_ref(), reads.video).await?, read(audio.as_ref(), reads.audio).await?),
    };
    Ok(window.bake(video, audio))
}

async fn read(object: Option<&Object>, ranges: Vec<ByteRange>) -> Result<Chunks, Error> {
    match object {
        Some(object) if !ranges.is_empty() => Ok(Chunks::new(object.read_ranges(ranges).await?)),
        Some(_) | None => Ok(Chunks::default()),
    }
}
