//! The MPEG-TS part of `explain`: the tracks of a program and their share of a segment.

use super::explain::{ExplainedTime, ExplainedTrack, Samples, SourceRange};
use crate::catalog::Asset;
use crate::manifest::{Lineup, TsManifests};
use crate::media::{ByteRange, MediaKind, Ticks, Timescale};
use crate::mux::{Length, Outline, Reads, Transport, Unfit};
use crate::plan::{Planned, Settings, Stream};
use serde::Serialize;
use std::ops::Range;
use std::sync::Arc;

/// The MPEG-TS playlists of `asset`.
pub(super) fn manifests(asset: &Asset) -> Result<TsManifests, Unfit> {
    let lineup = Lineup::new(&asset.plan)?;
    let target_millis = asset.plan.settings().target_millis;
    let made = |streams| Transport::new(streams, target_millis).map(Arc::new);
    let transports: Vec<Arc<Transport>> = lineup.streams().into_iter().map(made).collect::<Result<_, _>>()?;
    Ok(TsManifests::new(&asset.id, &lineup, &transports))
}

/// The tracks of a transport stream.
#[derive(Debug, Serialize)]
pub(super) struct ProgramTracks {
    version: String,
    tracks: Vec<ExplainedTrack>,
}

/// A segment of a transport stream.
#[derive(Debug, Serialize)]
pub(super) struct TransportPart {
    number: u32,
    /// Size in bytes; absent if only building the segment would tell it.
    #[serde(skip_serializing_if = "Option::is_none")]
    bytes: Option<u64>,
    presented: ExplainedTime,
    span: ExplainedTime,
    streams: Vec<StreamPart>,
}

/// One track's part of a transport stream segment.
#[derive(Debug, Serialize)]
struct StreamPart {
    kind: &'static str,
    /// Packets with payload.
    packets: u64,
    /// Continuity counter of the first of these packets.
    continuity_counter: u8,
    /// PTS and DTS of the first access unit, with 10 s added as in every segment.
    pts: ExplainedTime,
    dts: ExplainedTime,
    /// Silent frames among the samples.
    filler_frames: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    stored_samples: Option<Samples>,
    source_ranges: Vec<SourceRange>,
}

impl ProgramTracks {
    pub(super) fn of(stream: Stream<'_>) -> Self {
        Self { version: stream.version().to_string(), tracks: stream.tracks().map(ExplainedTrack::of).collect() }
    }
}

impl TransportPart {
    /// `None` if there is no segment of that number.
    pub(super) fn of(stream: Stream<'_>, settings: Settings, number: u32) -> Result<Option<Self>, Unfit> {
        let transport = Transport::new(stream, settings.target_millis)?;
        let (Some(slice), Some(recipe)) = (transport.program().slice(number), transport.recipe(stream, number)) else {
            return Ok(None);
        };
        let at_90k = |at: crate::media::Moment| at.nearest_to(Timescale::MPEG_TS).unwrap_or_default();
        let end =
            transport.program().borders().nth(crate::media::usize_from_u32(number)).map_or(slice.start, |end| end);
        let (start, end) = (at_90k(slice.start), at_90k(end));
        let Reads { first, second } = recipe.whole().reads();
        let (video, audio) = if stream.video().is_some() { (first, second) } else { (Vec::new(), first) };
        let part = |outline: Outline| match outline.kind {
            MediaKind::Video => StreamPart::new(outline, stream.video(), slice.video.clone(), &video),
            MediaKind::Audio => StreamPart::new(outline, stream.audio(), slice.audio.clone(), &audio),
        };
        Ok(Some(Self {
            number,
            bytes: match recipe.length() {
                Length::Exact(bytes) => Some(bytes),
                Length::AfterBuild => None,
            },
            presented: ExplainedTime::new(start, Timescale::MPEG_TS),
            span: ExplainedTime::new(Ticks(end.0 - start.0), Timescale::MPEG_TS),
            streams: recipe.outline().into_iter().map(part).collect(),
        }))
    }

    pub(super) const fn bytes(&self) -> Option<u64> {
        self.bytes
    }
}

impl StreamPart {
    fn new(outline: Outline, track: Option<&Planned>, samples: Range<u32>, ranges: &[ByteRange]) -> Self {
        let parts = track.map(|track| track.timeline.stored_range(samples));
        let (filler_frames, stored) = parts.unwrap_or_default();
        Self {
            kind: match outline.kind {
                MediaKind::Video => "video",
                MediaKind::Audio => "audio",
            },
            packets: outline.packets,
            continuity_counter: outline.continuity_counter,
            pts: ExplainedTime::new(Ticks(outline.pts), Timescale::MPEG_TS),
            dts: ExplainedTime::new(Ticks(outline.dts), Timescale::MPEG_TS),
            filler_frames,
            stored_samples: track.and_then(|track| Samples::of(track, stored)),
            source_ranges: ranges.iter().map(|range| SourceRange { start: range.start(), end: range.end() }).collect(),
        }
    }
}
