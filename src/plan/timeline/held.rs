//! Holds the last picture of a track up to the end of a film whose sound lasts longer.

use super::Timeline;
use crate::media::{Kind, Moment, Span, Ticks};
use std::ops::Range;

/// The last picture is held if the film lasts longer than this after it: players would stop where pictures end.
const HOLD: Moment = Moment::from_millis(1_000);

/// The sample that ends last is among this many last samples.
const REORDERED: u32 = 64;

impl Timeline {
    /// Holds the last picture until `end`, if the film lasts more than [`HOLD`] longer than it. The picture shown last
    /// cannot be held unless it is also decoded last, because a longer decode duration would delay the samples after
    /// it.
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

    /// Holds the last picture for `ticks` more, or as long as a 32-bit duration allows.
    pub(in crate::plan) fn hold_for(&mut self, ticks: u64) {
        let longest = u64::from(u32::MAX) - u64::from(self.duration(self.len() - 1));
        self.hold = ticks.min(longest);
    }

    /// The last samples, one of which ends last.
    pub(in crate::plan) fn tail(&self) -> Range<u32> {
        self.len().saturating_sub(REORDERED)..self.len()
    }

    /// How much longer than its own duration the last sample is shown, in ticks.
    #[must_use]
    pub const fn extension(&self) -> Span {
        Span(self.hold)
    }
}
