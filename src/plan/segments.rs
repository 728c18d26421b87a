//! The segments of a track: the samples of each, its start and its duration.

use super::timeline::Timeline;
use crate::media::{Moment, Span, Ticks};
use std::num::NonZeroU32;
use std::ops::Range;

/// A segment of a track.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Segment {
    /// Its samples, as the track's timeline numbers them. Never empty.
    pub samples: Range<u32>,
    /// Its earliest presented time, `SHIFT` not included.
    pub start: Ticks,
    /// Time from its start to the next segment's start; for the last segment, to the end of its last sample. Never
    /// zero.
    pub span: Span,
    /// How it begins.
    pub opening: AccessPoint,
    /// Totals of its samples.
    pub weight: Weight,
}

/// Totals of the samples of a segment: enough to compute the length of the muxed segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Weight {
    /// Bytes of all samples.
    pub bytes: u64,
    /// Decode duration of every sample, in ticks; `None` if durations differ or are not known to be equal.
    pub duration: Option<NonZeroU32>,
    /// Number of sync samples.
    pub syncs: u32,
}

impl Weight {
    fn of(track: &Timeline, samples: &Range<u32>) -> Self {
        Self {
            bytes: track.bytes(samples.clone()),
            duration: track.constant_duration(samples.clone()).and_then(NonZeroU32::new),
            syncs: track.syncs(samples.clone()),
        }
    }
}

/// How a segment begins: its stream access point (ISO/IEC 14496-12 Annex I).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AccessPoint {
    /// With a sync sample, and no sample of the segment is presented before it: SAP type 1.
    Closed,
    /// With a sync sample, followed by samples that are presented before it: SAP type 2 or 3.
    Open,
    /// Without a sync sample: decoding cannot start here.
    None,
}

impl AccessPoint {
    /// The opening of this segment after samples were appended to it that are presented before its start, if `earlier`.
    const fn joined(self, earlier: bool) -> Self {
        match self {
            Self::Closed if earlier => Self::Open,
            Self::Closed | Self::Open | Self::None => self,
        }
    }
}

/// The segments of `track` between `cuts`, without their weights. They partition its samples, and their starts ascend
/// strictly: a segment that would start no later than its predecessors is merged with them.
pub(super) fn between(track: &Timeline, cuts: &[u32]) -> Vec<Segment> {
    let mut segments: Vec<Segment> = Vec::with_capacity(cuts.len());
    let ends = cuts.iter().skip(1).copied().chain([track.len()]);
    for (from, to) in cuts.iter().copied().zip(ends) {
        let mut samples = from..to;
        let (start, mut opening) = opening(track, samples.clone());
        while let Some(before) = segments.pop_if(|before| start <= before.start) {
            samples.start = before.samples.start;
            opening = before.opening.joined(start < before.start);
        }
        if let Some(last) = segments.last_mut() {
            last.span = start.since(last.start).unwrap_or_default();
        }
        segments.push(Segment { samples, start, span: Span(1), opening, weight: Weight::default() });
    }
    if let Some(last) = segments.last_mut() {
        last.span = last_span(track, last);
    }
    segments
}

/// From the start of the last segment to the end of its last sample.
fn last_span(track: &Timeline, last: &Segment) -> Span {
    track.end(last.samples.clone()).since(last.start).unwrap_or_default().max(Span(1))
}

/// Fills in the weights of `segments` of `track`.
pub(super) fn weighed(track: &Timeline, mut segments: Vec<Segment>) -> Vec<Segment> {
    for segment in &mut segments {
        segment.weight = Weight::of(track, &segment.samples);
    }
    segments
}

/// Whether `segment` of `track` matches its samples.
pub(super) fn is_true(track: &Timeline, segment: &Segment) -> bool {
    let (start, opening) = opening(track, segment.samples.clone());
    let span = if segment.samples.end == track.len() { last_span(track, segment) } else { segment.span };
    let weight = Weight::of(track, &segment.samples);
    (start, opening, span, weight) == (segment.start, segment.opening, segment.span, segment.weight)
}

fn opening(track: &Timeline, samples: Range<u32>) -> (Ticks, AccessPoint) {
    let first = track.presented(samples.start);
    let least = track.least_presented(samples.clone());
    let opening = match (track.is_sync(samples.start), least < first) {
        (true, false) => AccessPoint::Closed,
        (true, true) => AccessPoint::Open,
        (false, _) => AccessPoint::None,
    };
    (least, opening)
}

/// Presented times of the first samples, which are keyframes, of all but the first of `segments`. Later samples may be
/// presented before them.
pub(super) fn moments(track: &Timeline, segments: &[Segment]) -> Vec<Moment> {
    let presented = |segment: &Segment| track.presented(segment.samples.start).at(track.timescale());
    segments.iter().skip(1).map(presented).collect()
}
