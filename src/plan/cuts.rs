//! The cuts of each track: the samples at which its segments begin.
//!
//! The grid is absolute: lines at k × target from the asset's start. The *reference* video is cut at the sync sample
//! nearest to each line, so a late keyframe never shifts the cuts behind it. All other tracks follow the reference:
//! a rendition is cut at its own keyframe within half a frame of each cut, audio at its first frame not before the cut.

use super::timeline::Timeline;
use crate::media::{Moment, Ticks, near_partition_point, u32_from_usize};
use std::cmp::Ordering;
use std::ops::Range;

/// The grid of an asset: lines at multiples of the segment target.
#[derive(Debug, Clone, Copy)]
pub(super) struct Grid {
    /// The segment target, in milliseconds.
    pub(super) target_millis: u32,
    /// How many segments a track may have: cutting stops at the first one too many.
    pub(super) segments: u32,
}

impl Grid {
    /// Whether `cuts` make more segments than a track may have.
    pub(super) fn is_exceeded(self, cuts: &[u32]) -> bool {
        u32_from_usize(cuts.len()) > self.segments
    }

    /// Line `k`: `k` × target.
    fn line(self, k: u32) -> Moment {
        Moment::from_millis(i64::from(k) * i64::from(self.target_millis))
    }

    /// The first line at or after `at`.
    fn first_line_from(self, at: Moment) -> u32 {
        let micros = u64::try_from(at.micros()).unwrap_or(0);
        let k = u32::try_from(micros / (u64::from(self.target_millis) * 1_000)).unwrap_or(u32::MAX - 2);
        if self.line(k) >= at { k } else { k.saturating_add(1) }
    }

    /// Whether a tail from `cut` to `end` joins the segment from `before` to `cut`: if it is shorter than half the
    /// target, and both together last at most 1.5 targets.
    fn tail_joins(self, before: Moment, cut: Moment, end: Moment) -> bool {
        let target = u128::from(self.target_millis) * 1_000_000;
        let (tail, together) = (end.distance_nanos(cut), end.distance_nanos(before));
        2 * tail < target && 2 * together <= 3 * target
    }
}

/// The first samples of a track's segments: strictly ascending, the first is 0.
pub(super) type Cuts = Vec<u32>;

/// Cuts `video` at the sync sample nearest to each line of the grid, the earlier one on a tie.
pub(super) fn at_keyframes(video: &Timeline, grid: Grid) -> Cuts {
    let mut cuts = vec![0];
    let (scale, syncs) = (video.timescale(), video.syncs(0..video.len()));
    let sync = |at: u32| video.sync_number(at).map(|number| (number, video.presented(number).at(scale)));
    let last = syncs.checked_sub(1).and_then(sync).map_or(0, |(number, _)| number);
    let (mut k, mut behind) = (1, 0);
    loop {
        let line = grid.line(k);
        behind = syncs_before(video, behind..syncs, line);
        let (earlier, later) = (behind.checked_sub(1).and_then(sync), sync(behind));
        let nearest = match (earlier, later) {
            (Some(a), Some(b)) if b.1.cmp_distance(a.1, line) == Ordering::Less => b.0,
            (Some(a), _) => a.0,
            (None, Some(b)) => b.0,
            (None, None) => break,
        };
        if cuts.last().is_some_and(|cut| *cut < nearest) {
            cuts.push(nearest);
        }
        if grid.is_exceeded(&cuts) {
            break;
        }
        // Skip the lines that this keyframe is nearest to.
        let Some((_, next)) = later.filter(|_| nearest < last) else { break };
        // The grid ends where its lines can no longer be counted.
        let Some(further) = k.checked_add(1) else { break };
        k = further.max(grid.first_line_from(next).saturating_sub(1));
    }
    join_tail(video, cuts, grid)
}

/// How many sync samples of `track` are presented before `moment`. The caller knows that the answer is within `syncs`.
fn syncs_before(track: &Timeline, syncs: Range<u32>, moment: Moment) -> u32 {
    // No presented time is as late as `i64::MAX`.
    let at = moment.ceil_to(track.timescale()).unwrap_or(Ticks(i64::MAX));
    near_partition_point(syncs, |sync| track.sync_number(sync).is_some_and(|number| track.presented(number) < at))
}

/// Cuts `rung`, a rendition, at its own keyframe within half a frame of each of the reference's `moments`; `None` if
/// one of these has no such keyframe.
pub(super) fn at_moments(rung: &Timeline, moments: &[Moment]) -> Option<Cuts> {
    let (scale, syncs) = (rung.timescale(), rung.syncs(0..rung.len()));
    let sync = |at: u32| rung.sync_number(at).map(|number| (number, rung.presented(number).at(scale)));
    let (mut cuts, mut behind) = (vec![0], 0);
    for moment in moments {
        behind = syncs_before(rung, behind..syncs, *moment);
        let near = [behind.checked_sub(1).and_then(sync), sync(behind)].into_iter().flatten();
        let (number, presented) = near.min_by(|a, b| a.1.cmp_distance(b.1, *moment))?;
        let frame = Ticks(i64::from(rung.duration(number))).at(scale).distance_nanos(Moment::ZERO);
        let near = 2 * presented.distance_nanos(*moment) <= frame;
        if !near || cuts.last().is_none_or(|cut| *cut >= number) {
            return None;
        }
        cuts.push(number);
    }
    Some(cuts)
}

/// Cuts `audio` at its first sync sample (in most codecs, any frame) at or after each of the reference's `moments`.
/// After the reference's last video frame, which ends at `video_end`, cuts it at or after each line of the grid.
pub(super) fn follow(audio: &Timeline, moments: &[Moment], video_end: Moment, grid: Grid) -> Cuts {
    let mut cuts = vec![0];
    for moment in moments {
        push_behind(&mut cuts, audio.first_sync_at(*moment));
    }
    let followed = cuts.len();
    let mut k = grid.first_line_from(video_end).max(1);
    while let Some(number) = audio.first_sync_at(grid.line(k)) {
        push_behind(&mut cuts, Some(number));
        if grid.is_exceeded(&cuts) {
            break;
        }
        // A frame longer than the target covers several lines: continue after it.
        let next = audio.presented(number).at(audio.timescale());
        let Some(further) = k.checked_add(1) else { break };
        k = further.max(grid.first_line_from(next));
    }
    if cuts.len() > followed { join_tail(audio, cuts, grid) } else { cuts }
}

fn push_behind(cuts: &mut Cuts, number: Option<u32>) {
    let last = cuts.last().copied();
    cuts.extend(number.filter(|number| last.is_none_or(|last| last < *number)));
}

fn join_tail(track: &Timeline, mut cuts: Cuts, grid: Grid) -> Cuts {
    if let [.., before, cut] = cuts.as_slice() {
        let at = |number: u32| track.presented(number).at(track.timescale());
        let end = track.end(*cut..track.len()).at(track.timescale());
        if grid.tail_joins(at(*before), at(*cut), end) {
            cuts.pop();
        }
    }
    cuts
}
