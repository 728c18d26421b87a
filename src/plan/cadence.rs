//! The nominal frame rate of a video track. A mean says 24 for a phone's film of 30 frames a second that drops some, and
//! the shortest frame says 60 for one odd frame: so it is the shortest duration that many frames share.

use super::timeline::Timeline;
use crate::media::Kind;
use std::collections::BTreeMap;

/// Frames and the ticks of the track's timescale that they last. Neither is zero.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cadence {
    /// Frames.
    pub frames: u64,
    /// Ticks.
    pub ticks: u64,
}

/// One in so many frames must share a duration.
const SHARE: u64 = 10;

/// Durations that differ by one part in so many are one: timestamps of cameras jitter.
const JITTER: u32 = 10;

impl Cadence {
    /// Of a video track, as far as its samples are at hand with the first that is served, so that it is found again when a
    /// kept plan is read; `None` of audio. The first and last samples, whose durations are often odd, are left out where
    /// there are others.
    pub(super) fn of(track: &Timeline) -> Option<Self> {
        let Kind::Video(_) = track.track().kind else { return None };
        let index = &track.track().index;
        let all = index.at_hand_with(track.skipped());
        let inner = all.start.max(1)..all.end.min(index.len().saturating_sub(1));
        let range = if inner.is_empty() { all } else { inner };
        if let Some(ticks) = index.constant_duration(range.clone()).filter(|ticks| *ticks > 0) {
            return Self::new(1, ticks.into());
        }
        let mut counts = BTreeMap::new();
        for sample in index.samples(range).filter(|sample| sample.duration > 0) {
            *counts.entry(sample.duration).or_insert(0_u64) += 1;
        }
        Self::shortest_shared(&counts)
    }

    /// `None` unless both are at least 1.
    fn new(frames: u64, ticks: u64) -> Option<Self> {
        (frames > 0 && ticks > 0).then_some(Self { frames, ticks })
    }

    /// Of so many frames of each duration.
    fn shortest_shared(counts: &BTreeMap<u32, u64>) -> Option<Self> {
        let ascending = Ascending::new(counts);
        let all = ascending.behind;
        let need = (all.frames / SHARE).max(2);
        let shared = || ascending.rows.iter().map(|row| (row, ascending.near(row)));
        let Some((shortest, _)) = shared().find(|(_, near)| near.frames >= need) else {
            return Self::new(all.frames, all.ticks);
        };
        // The whole of a jitter, not its lower edge.
        let within = shared().skip_while(|(row, _)| row.duration < shortest.duration);
        let within = within.take_while(|(row, _)| row.duration < jittered(shortest.duration));
        let Sum { frames, ticks } = within.map(|(_, near)| near).max_by_key(|near| near.frames)?;
        Self::new(frames, ticks)
    }
}

/// Durations in ascending order, each with what is before it: sums over neighbours are differences.
struct Ascending {
    rows: Vec<Row>,
    /// All frames.
    behind: Sum,
}

struct Row {
    duration: u32,
    before: Sum,
}

#[derive(Debug, Clone, Copy, Default)]
struct Sum {
    frames: u64,
    ticks: u64,
}

impl Ascending {
    fn new(counts: &BTreeMap<u32, u64>) -> Self {
        let (mut rows, mut behind) = (Vec::with_capacity(counts.len()), Sum::default());
        for (duration, frames) in counts {
            rows.push(Row { duration: *duration, before: behind });
            behind.frames += frames;
            behind.ticks += u64::from(*duration) * frames;
        }
        Self { rows, behind }
    }

    /// The frames that last as long as those of `row`, or a jitter longer.
    fn near(&self, row: &Row) -> Sum {
        let end = self.rows.partition_point(|other| other.duration < jittered(row.duration));
        let behind = self.rows.get(end).map_or(self.behind, |other| other.before);
        Sum { frames: behind.frames - row.before.frames, ticks: behind.ticks - row.before.ticks }
    }
}

/// The least duration that is not taken for `shortest`.
const fn jittered(shortest: u32) -> u32 {
    shortest.saturating_add(shortest / JITTER).saturating_add(1)
}

#[cfg(test)]
mod tests {
    use super::Cadence;

    fn shared(durations: &[(u32, u64)]) -> (u64, u64) {
        let found = Cadence::shortest_shared(&durations.iter().copied().collect()).unwrap();
        (found.frames, found.ticks)
    }

    #[test]
    fn dropped_frames_do_not_lower_the_rate_and_one_odd_frame_does_not_raise_it() {
        // 30 frames a second in ticks of 90 kHz: some last twice as long, one half as long.
        assert_eq!(shared(&[(3_000, 60), (6_000, 40)]), (60, 180_000));
        assert_eq!(shared(&[(1_500, 1), (3_000, 99)]), (99, 297_000));
    }

    #[test]
    fn jitter_is_averaged() {
        // Milliseconds cannot say a thirtieth of a second.
        assert_eq!(shared(&[(33, 200), (34, 100)]), (300, 10_000));
    }

    #[test]
    fn the_faster_part_of_a_film_counts() {
        assert_eq!(shared(&[(1_000, 600), (2_500, 1_400)]), (600, 600_000));
    }

    #[test]
    fn frames_that_share_no_duration_have_a_mean() {
        assert_eq!(shared(&[(1_000, 1), (2_000, 1), (6_000, 1)]), (3, 9_000));
    }
}
