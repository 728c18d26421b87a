//! The nominal frame rate of a video track: the rate of the shortest duration that many frames share. The mean duration
//! would give 24 for a phone video of 30 frames a second that drops some, and the shortest frame alone would give 60
//! because of one odd frame.

use super::timeline::Timeline;
use crate::media::Kind;
use std::collections::BTreeMap;

/// A frame rate: `frames` frames last `ticks` ticks. Neither is zero.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cadence {
    /// Number of frames.
    pub frames: u64,
    /// Duration of these frames, in ticks of the track's timescale.
    pub ticks: u64,
}

/// A duration counts as shared if at least one in this many frames has it.
const SHARE: u64 = 10;

/// Durations that differ by at most one part in this many count as equal, because camera timestamps jitter.
const JITTER: u32 = 10;

impl Cadence {
    /// The frame rate of a video track; `None` for audio. Reads only the samples whose tables are loaded together with
    /// those of the first served sample, so that a thawed plan finds the same rate. Ignores the first and the last
    /// sample if there are others: their durations are often odd.
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

    /// The frame rate for `counts`, which maps each duration to its number of frames.
    fn shortest_shared(counts: &BTreeMap<u32, u64>) -> Option<Self> {
        let ascending = DurationSums::new(counts);
        let all = ascending.behind;
        let need = (all.frames / SHARE).max(2);
        let shared = || ascending.rows.iter().map(|row| (row, ascending.near(row)));
        let Some((shortest, _)) = shared().find(|(_, near)| near.frames >= need) else {
            return Self::new(all.frames, all.ticks);
        };
        // The window of jitter that holds the most frames, not the one at the lower edge.
        let within = shared().skip_while(|(row, _)| row.duration < shortest.duration);
        let within = within.take_while(|(row, _)| row.duration < jittered(shortest.duration));
        let Sum { frames, ticks } = within.map(|(_, near)| near).max_by_key(|near| near.frames)?;
        Self::new(frames, ticks)
    }
}

/// Durations in ascending order, each with the sum of all shorter ones: the sum over neighbours is one subtraction.
struct DurationSums {
    rows: Vec<DurationRow>,
    /// Sum over all frames.
    behind: Sum,
}

struct DurationRow {
    duration: u32,
    before: Sum,
}

#[derive(Debug, Clone, Copy, Default)]
struct Sum {
    frames: u64,
    ticks: u64,
}

impl DurationSums {
    fn new(counts: &BTreeMap<u32, u64>) -> Self {
        let (mut rows, mut behind) = (Vec::with_capacity(counts.len()), Sum::default());
        for (duration, frames) in counts {
            rows.push(DurationRow { duration: *duration, before: behind });
            behind.frames += frames;
            behind.ticks += u64::from(*duration) * frames;
        }
        Self { rows, behind }
    }

    /// Sum of the frames that last as long as those of `row`, or longer by jitter only.
    fn near(&self, row: &DurationRow) -> Sum {
        let end = self.rows.partition_point(|other| other.duration < jittered(row.duration));
        let behind = self.rows.get(end).map_or(self.behind, |other| other.before);
        Sum { frames: behind.frames - row.before.frames, ticks: behind.ticks - row.before.ticks }
    }
}

/// The shortest duration that differs from `shortest` by more than jitter.
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
        // A thirtieth of a second is no whole number of milliseconds.
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
