//! A track's segments: which samples, from when, how long.

use super::timeline::Timeline;
use crate::media::{Moment, Span, Ticks};
use std::ops::Range;

/// A segment of a track.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Segment {
    /// Its samples, as the track's timeline numbers them. Never empty.
    pub samples: Range<u32>,
    /// Its least presented time, `SHIFT` not included.
    pub start: Ticks,
    /// From its start to the next one's; of the last, to the end of its last sample. Never zero.
    pub span: Span,
    /// How it begins.
    pub opening: Opening,
}

/// How a segment begins: its stream access point (ISO/IEC 14496-12 Annex I).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Opening {
    /// A sync sample, and nothing in it is presented earlier: SAP type 1.
    Closed,
    /// A sync sample, with samples behind it that are presented before it: SAP type 2 or 3.
    Open,
    /// No sync sample: nothing can be decoded from here alone.
    None,
}

impl Opening {
    /// How a segment that begins like this begins when samples are joined to it, `earlier` than its start or not.
    const fn joined(self, earlier: bool) -> Self {
        match self {
            Self::Closed if earlier => Self::Open,
            Self::Closed | Self::Open | Self::None => self,
        }
    }
}

/// The segments of `track` between `cuts`. They partition its samples, and their starts ascend strictly: where one would
/// start no later than its predecessors, they are one segment.
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
        segments.push(Segment { samples, start, span: Span(1), opening });
    }
    if let Some(last) = segments.last_mut() {
        let end = track.end(last.samples.clone());
        last.span = end.since(last.start).unwrap_or_default().max(Span(1));
    }
    segments
}

fn opening(track: &Timeline, samples: Range<u32>) -> (Ticks, Opening) {
    let first = track.presented(samples.start);
    let least = track.least_presented(samples.clone());
    let opening = match (track.is_sync(samples.start), least < first) {
        (true, false) => Opening::Closed,
        (true, true) => Opening::Open,
        (false, _) => Opening::None,
    };
    (least, opening)
}

/// The moments at which all but the first of `segments` begin: at their first sample, a keyframe, whatever is
/// presented before it.
pub(super) fn moments(track: &Timeline, segments: &[Segment]) -> Vec<Moment> {
    let presented = |segment: &Segment| track.presented(segment.samples.start).at(track.timescale());
    segments.iter().skip(1).map(presented).collect()
}
