//! The last picture of a track, held up to the end of a film whose sound goes on.

use super::Timeline;
use crate::media::{Kind, Moment, Span, Ticks};
use std::ops::Range;

/// A film that goes on longer than this behind the last picture holds it: players stop where pictures end.
const HOLD: Moment = Moment::from_millis(1_000);

/// Samples among which the one that ends last is.
const REORDERED: u32 = 64;

impl Timeline {
    /// Holds the last picture until `end`, where the film goes on by more than [`HOLD`] behind it. A picture that is not
    /// decoded last cannot last longer: decode times run on.
    pub(in crate::plan) fn held(mut self, end: Moment) -> Self {
        let tail = self.tail();
        let own = self.end(self.len() - 1..self.len());
        let rest = end.nearest_to(self.timescale()).unwrap_or(own).0.saturating_sub(own.0);
        let held = matches!(self.track().kind, Kind::Video(_)) && own == self.end(tail);
        if held && Ticks(rest).at(self.timescale()) > HOLD {
            self.hold_for(u64::try_from(rest).unwrap_or(0));
        }
        self
    }

    /// Holds the last picture for `ticks`, as far as its duration can say that.
    pub(in crate::plan) fn hold_for(&mut self, ticks: u64) {
        let longest = u64::from(u32::MAX) - u64::from(self.duration(self.len() - 1));
        self.hold = ticks.min(longest);
    }

    /// The last samples: one of them ends last.
    pub(in crate::plan) fn tail(&self) -> Range<u32> {
        self.len().saturating_sub(REORDERED)..self.len()
    }

    /// How much longer the last sample is shown than it lasts, in ticks.
    #[must_use]
    pub const fn hold(&self) -> Span {
        Span(self.hold)
    }
}
