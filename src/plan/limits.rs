//! Limits on the plan of one asset. A small file can claim a plan of gigabytes, so the size of a plan is estimated from
//! totals of the index, and a plan that exceeds a limit is refused before it is computed.

use super::error::PlanError;
use super::ladder::{Plan, Planned, Settings, SourceFile};
use super::segments::Segment;
use crate::media::{Moment, Ticks, Track, i64_from_u64, u32_from_usize, u64_from_usize};
use std::mem::size_of;

/// Upper bounds for the plan of one asset.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Segments of one track.
    pub segments: u32,
    /// Tracks of all its files.
    pub tracks: u32,
    /// Bytes of its plan.
    pub bytes: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self::DEFAULT
    }
}

/// Bytes of a plan for each segment: the segment, its cut, and the moment at which other tracks are cut.
const SEGMENT_BYTES: usize = size_of::<Segment>() + size_of::<u32>() + size_of::<Moment>();

impl Limits {
    /// 100,000 segments, 128 tracks, 128 MiB.
    pub const DEFAULT: Self = Self { segments: 100_000, tracks: 128, bytes: 128 << 20 };

    /// Upper bound of the bytes that planning `sources` takes. Fails if there are too many tracks or bytes.
    pub fn estimate(&self, sources: &[SourceFile], settings: Settings) -> Result<u64, PlanError> {
        let tracks = || sources.iter().flat_map(|source| &source.movie.tracks);
        let count = tracks().count();
        if u32_from_usize(count) > self.tracks {
            return Err(PlanError::Tracks { count, limit: self.tracks });
        }
        // A track is cut where the reference is, and after the reference's end on the grid.
        let longest = tracks().map(|track| lines(track, settings)).max().unwrap_or(0);
        let segments = tracks().map(|track| {
            let most = longest.saturating_add(lines(track, settings)).min(u64::from(self.segments));
            most.min(u64::from(track.index.len()).saturating_add(longest))
        });
        let bytes = segments.sum::<u64>().saturating_mul(u64_from_usize(SEGMENT_BYTES));
        if bytes > self.bytes {
            return Err(PlanError::Bytes { bytes, limit: self.bytes });
        }
        Ok(bytes)
    }

    /// Whether `plan` is within these limits: a frozen plan may be older than they are.
    #[must_use]
    pub fn admits(&self, plan: &Plan) -> bool {
        let few = |track: &Planned| u32_from_usize(track.cuts.len()) <= self.segments;
        u32_from_usize(plan.tracks().len()) <= self.tracks
            && plan.heap_bytes() <= self.bytes
            && plan.tracks().iter().all(few)
    }
}

/// Upper bound of the grid lines that `track` covers.
fn lines(track: &Track, settings: Settings) -> u64 {
    let span = Ticks(i64_from_u64(track.index.span().0)).at(track.timescale);
    let millis = u64::try_from(span.micros() / 1_000).unwrap_or(u64::MAX);
    millis / u64::from(settings.target_millis.max(1)) + 2
}

impl Plan {
    /// Bytes of memory that it takes, without its files' indexes.
    #[must_use]
    pub fn heap_bytes(&self) -> u64 {
        let of = |track: &Planned| track.segments.len() * size_of::<Segment>() + track.cuts.len() * size_of::<u32>();
        self.tracks().iter().map(|track| u64_from_usize(of(track) + size_of::<Planned>())).sum()
    }
}
