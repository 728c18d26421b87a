//! Replies for MPEG-TS: the tracks of a program, its playlists and its segments.

use super::answer::Origin;
use super::content::{Content, Wish};
use super::error::Error;
use super::reply::{Caching, Reply, playlist};
use super::segment::{Of, Segment};
use super::stages::Stages;
use crate::catalog::Asset;
use crate::manifest::{Lineup, TsManifests};
use crate::media::{TrackName, Version, u64_from_usize};
use crate::metrics::{CacheKind, Outcome};
use crate::mux::Transport;
use crate::plan::{Plan, Planned, Streams};
use crate::route::{ProgramName, ProgramPart};
use std::sync::Arc;

/// The tracks of `plan` that `name` names, whatever their version.
#[must_use]
pub fn streams<'a>(plan: &'a Plan, name: &ProgramName) -> Option<Streams<'a>> {
    streams_at(plan, places(plan, name)?)
}

/// The numbers in `plan` of the tracks that `name` names.
pub(super) fn places(plan: &Plan, name: &ProgramName) -> Option<(usize, Option<usize>)> {
    let place = |name: &TrackName| plan.tracks().iter().position(|track| track.name == *name);
    match name {
        ProgramName::Alone(name) => Some((place(name)?, None)),
        ProgramName::Muxed(video, audio) => Some((place(video)?, Some(place(audio)?))),
    }
}

/// The tracks of `plan` with these numbers; `None` if they are not one track, or a video and an audio track.
pub(super) fn streams_at(plan: &Plan, (first, second): (usize, Option<usize>)) -> Option<Streams<'_>> {
    let first = plan.tracks().get(first)?;
    match second {
        None => Some(Streams::alone(first)),
        Some(second) => Streams::muxed(first, plan.tracks().get(second)?),
    }
}

/// Estimated bytes of the lines of a playlist for one segment.
const LINE: usize = 80;

impl Origin {
    /// A part of a program of `asset`; `None` if it has no such program in that version.
    pub(super) async fn of_program(
        self: &Arc<Self>,
        asset: &Arc<Asset>,
        (version, name, part): (Version, &ProgramName, ProgramPart),
        (wish, stages): (Wish<'_>, &mut Stages),
    ) -> Result<Option<Reply>, Error> {
        let Some(places) = places(&asset.plan, name) else { return Ok(None) };
        let Some(streams) = streams_at(&asset.plan, places) else { return Ok(None) };
        match part {
            ProgramPart::Playlist => {
                let manifests = stages.looking(self.ts_manifests(asset)).await?;
                Ok(manifests.playlist(name, version).map(|text| playlist(version, text.clone())))
            }
            ProgramPart::Segment(number) => {
                if streams.version() != version {
                    return Ok(None);
                }
                let of = Of::Program(places.0, places.1);
                let segment = Segment { asset: Arc::clone(asset), of, number };
                Ok(Some(Reply {
                    media_type: "video/mp2t",
                    etag: format!("{version}-{number}-ts"),
                    modified: None,
                    caching: Caching::Immutable,
                    content: Content::Media(self.media(segment, wish, stages).await?),
                }))
            }
        }
    }

    /// The MPEG-TS playlists of `asset`, from the cache or printed.
    pub(super) async fn ts_manifests(&self, asset: &Asset) -> Result<(Arc<TsManifests>, Outcome), Error> {
        let key = (asset.id.clone(), asset.plan.fingerprint());
        if let Some(manifests) = self.ts_manifests.get(&key, CacheKind::Manifest).await {
            return Ok((manifests, Outcome::Hit));
        }
        let lineup = Lineup::new(&asset.plan)?;
        let names: Vec<ProgramName> = lineup.names();
        let mut transports = Vec::with_capacity(names.len());
        for name in &names {
            let places = places(&asset.plan, name).ok_or(Error::NotFound)?;
            transports.push(self.transport(asset, places).await?);
        }
        let (id, plan) = (asset.id.clone(), Arc::clone(&asset.plan));
        let printing = self.printing.clone();
        let make = async move {
            let sizes = || transports.iter().map(|transport| LINE * (1 + transport.program().slices().len()));
            let (largest, all) = (sizes().max().unwrap_or(0), sizes().sum());
            let bounds = printing.clone();
            let print = move || {
                let manifests = TsManifests::new(&id, &Lineup::new(&plan)?, &transports);
                bounds.check(&manifests.entry)?;
                Ok(Arc::new(manifests))
            };
            printing.print(u64_from_usize(largest), u64_from_usize(all), print).await
        };
        let looked = Box::pin(self.ts_manifests.get_or_make(key, CacheKind::Manifest, make)).await?;
        self.tell_manifests();
        Ok(looked)
    }

    /// The layout of the transport stream of the tracks at `places` in the plan, from the cache or computed.
    pub(super) async fn transport(
        &self,
        asset: &Asset,
        places: (usize, Option<usize>),
    ) -> Result<Arc<Transport>, Error> {
        let streams = streams_at(&asset.plan, places).ok_or(Error::NotFound)?;
        let key = streams.version();
        for track in streams.tracks() {
            self.catalog.fetch_samples(asset, track, 0..track.timeline.len()).await?;
        }
        if let Some(transport) = self.transports.get(&key, CacheKind::Transport).await {
            return Ok(transport);
        }
        let (plan, asset, catalog) = (Arc::clone(&asset.plan), asset.clone(), self.catalog.clone());
        // This visits all samples, so it must not run on a thread that handles requests.
        let walk = move || {
            let streams = streams_at(&plan, places).ok_or(Error::NotFound)?;
            let is_true = |track: &Planned| track.segments.iter().all(|segment| track.is_true(segment));
            if !streams.tracks().all(is_true) {
                return Ok(None);
            }
            Ok(Some(Arc::new(Transport::new(streams, plan.settings().target_millis)?)))
        };
        let make = async move {
            let walked = tokio::task::spawn_blocking(walk).await;
            match walked.unwrap_or_else(|_| Err(Error::Interrupted("laying out MPEG-TS was given up".into())))? {
                Some(transport) => Ok(transport),
                None => Err(catalog.doubt(&asset).await.into()),
            }
        };
        // Boxed, so that the future of a cache hit stays small.
        let (transport, _) = Box::pin(self.transports.get_or_make(key, CacheKind::Transport, make)).await?;
        self.metrics.cached(CacheKind::Transport, self.transports.bytes());
        Ok(transport)
    }
}
