//! Time in media files: ticks of a timescale, and exact moments that compare across tracks.
//!
//! Inside one track, time is [`Ticks`] and [`Span`]; between tracks it is [`Moment`], compared in 128 bits and
//! turned back into ticks only by a *named* rounding. Nothing here is a float.

use std::cmp::Ordering;
use std::num::NonZeroU32;

/// Ticks per second of one track or movie; never zero (ISO/IEC 14496-12 §8.4.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Timescale(NonZeroU32);

impl Timescale {
    /// The timescale of MPEG-TS: 90 kHz.
    pub const MPEG_TS: Self = Self(NonZeroU32::new(90_000).expect("not zero"));
    /// One million ticks per second.
    pub const MICROS: Self = Self(NonZeroU32::new(1_000_000).expect("not zero"));
    /// One thousand ticks per second.
    pub const MILLIS: Self = Self(NonZeroU32::new(1_000).expect("not zero"));

    /// `None` if `ticks_per_second` is zero.
    #[must_use]
    pub const fn new(ticks_per_second: u32) -> Option<Self> {
        match NonZeroU32::new(ticks_per_second) {
            Some(value) => Some(Self(value)),
            None => None,
        }
    }

    /// Ticks per second, 1 to `u32::MAX`.
    #[must_use]
    pub const fn get(self) -> u32 {
        self.0.get()
    }
}

/// An instant on one track, in that track's timescale; may be negative (priming, preroll).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Ticks(pub i64);

impl Ticks {
    /// The instant `span` after this one; `None` on overflow.
    #[must_use]
    pub fn after(self, span: Span) -> Option<Self> {
        self.0.checked_add_unsigned(span.0).map(Self)
    }

    /// Time from `earlier` to this instant; `None` if this instant is before `earlier`.
    #[must_use]
    pub fn since(self, earlier: Self) -> Option<Span> {
        u64::try_from(self.0.checked_sub(earlier.0)?).ok().map(Span)
    }

    /// The tick of 90 kHz nearest to this instant, the later one on a tie; saturates.
    #[must_use]
    pub fn nearest_at_90k(self, timescale: Timescale) -> i64 {
        let scale = i64::from(timescale.get());
        let (whole, rest) = (self.0.div_euclid(scale), self.0.rem_euclid(scale));
        // `rest` is below 2³², so the product is below 2⁵⁰.
        whole.saturating_mul(90_000).saturating_add((2 * 90_000 * rest + scale) / (2 * scale))
    }

    /// This instant as a [`Moment`].
    #[must_use]
    pub const fn at(self, timescale: Timescale) -> Moment {
        Moment { ticks: self, timescale }
    }
}

/// A length of time on one track, in that track's timescale.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Span(pub u64);

impl Span {
    /// The [`Moment`] at this distance from zero; saturates at `i64::MAX` ticks.
    #[must_use]
    pub fn at(self, timescale: Timescale) -> Moment {
        Ticks(super::i64_from_u64(self.0)).at(timescale)
    }
}

/// An instant with its timescale; compares exactly with moments of any other track.
#[derive(Debug, Clone, Copy)]
pub struct Moment {
    ticks: Ticks,
    timescale: Timescale,
}

impl Moment {
    /// The beginning of the presentation.
    pub const ZERO: Self = Ticks(0).at(Timescale::MILLIS);

    /// The ticks and their timescale.
    pub(super) const fn parts(self) -> (Ticks, Timescale) {
        (self.ticks, self.timescale)
    }

    /// The moment `millis` milliseconds from zero.
    #[must_use]
    pub const fn from_millis(millis: i64) -> Self {
        Ticks(millis).at(Timescale::MILLIS)
    }

    /// The last tick at or before this moment; `None` if it does not fit 64 bits.
    #[must_use]
    pub fn floor_to(self, timescale: Timescale) -> Option<Ticks> {
        let (whole, _) = self.divided(timescale);
        i64::try_from(whole).ok().map(Ticks)
    }

    /// The first tick at or after this moment; `None` if it does not fit 64 bits.
    #[must_use]
    pub fn ceil_to(self, timescale: Timescale) -> Option<Ticks> {
        let (whole, rest) = self.divided(timescale);
        i64::try_from(whole + i128::from(rest != 0)).ok().map(Ticks)
    }

    /// The tick nearest to this moment, the later one on a tie; `None` if it does not fit 64 bits.
    #[must_use]
    pub fn nearest_to(self, timescale: Timescale) -> Option<Ticks> {
        let (whole, rest) = self.divided(timescale);
        let up = 2 * rest >= i128::from(self.timescale.get());
        i64::try_from(whole + i128::from(up)).ok().map(Ticks)
    }

    /// Distance of two moments in any order, in nanoseconds rounded down.
    #[must_use]
    pub fn distance_nanos(self, other: Self) -> u128 {
        let (a, b) = self.common(other);
        let denominator = u128::from(self.timescale.get()) * u128::from(other.timescale.get());
        a.abs_diff(b).saturating_mul(1_000_000_000) / denominator
    }

    /// Compares `|self − target|` with `|other − target|`, exactly.
    #[must_use]
    pub fn cmp_distance(self, other: Self, target: Self) -> Ordering {
        // Over the common denominator of all three moments, no product exceeds 64 + 32 + 32 bits.
        let over_all = |at: Self, b: Self, c: Self| {
            i128::from(at.ticks.0)
                .saturating_mul(i128::from(b.timescale.get()))
                .saturating_mul(i128::from(c.timescale.get()))
        };
        let (a, b, t) = (over_all(self, other, target), over_all(other, self, target), over_all(target, self, other));
        a.abs_diff(t).cmp(&b.abs_diff(t))
    }

    /// Microseconds from zero, rounded down; `i64::MAX` if they do not fit 64 bits.
    #[must_use]
    pub fn micros(self) -> i64 {
        let scale = i64::from(self.timescale.get());
        // Most times fit 64 bits; a division of 128 bits takes ten times as long.
        if let Some(scaled) = self.ticks.0.checked_mul(1_000_000) {
            return scaled.div_euclid(scale);
        }
        let scaled = i128::from(self.ticks.0) * 1_000_000;
        i64::try_from(scaled.div_euclid(i128::from(scale))).unwrap_or(i64::MAX)
    }

    fn divided(self, timescale: Timescale) -> (i128, i128) {
        // Most times fit 64 bits; a division of 128 bits takes ten times as long.
        if let Some(scaled) = self.ticks.0.checked_mul(i64::from(timescale.get())) {
            let from = i64::from(self.timescale.get());
            return (scaled.div_euclid(from).into(), scaled.rem_euclid(from).into());
        }
        let scaled = i128::from(self.ticks.0) * i128::from(timescale.get());
        let from = i128::from(self.timescale.get());
        (scaled.div_euclid(from), scaled.rem_euclid(from))
    }

    fn common(self, other: Self) -> (i128, i128) {
        (
            i128::from(self.ticks.0) * i128::from(other.timescale.get()),
            i128::from(other.ticks.0) * i128::from(self.timescale.get()),
        )
    }
}

impl PartialEq for Moment {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Moment {}

impl PartialOrd for Moment {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Moment {
    fn cmp(&self, other: &Self) -> Ordering {
        let (a, b) = self.common(*other);
        a.cmp(&b)
    }
}

#[cfg(test)]
mod tests {
    use super::{Moment, Ticks, Timescale};
    use proptest::prelude::{any, prop_assert, prop_assert_eq, proptest};
    use std::cmp::Ordering;

    proptest! {
        #[test]
        fn roundings_bracket_the_moment(ticks in -(1_i64 << 40)..(1_i64 << 40), from in 1_u32.., to in 1_u32..) {
            let (from, to) = (Timescale::new(from).unwrap(), Timescale::new(to).unwrap());
            let moment = Ticks(ticks).at(from);
            if let (Some(low), Some(near), Some(high)) = (moment.floor_to(to), moment.nearest_to(to), moment.ceil_to(to)) {
                prop_assert!(low.at(to) <= moment && moment <= high.at(to));
                prop_assert!(high.0 - low.0 <= 1);
                prop_assert!(near == low || near == high);
                prop_assert!(near.at(to).cmp_distance(low.at(to), moment) != Ordering::Greater);
                prop_assert!(near.at(to).cmp_distance(high.at(to), moment) != Ordering::Greater);
            }
        }

        #[test]
        fn a_finer_timescale_and_back_is_the_same_tick(ticks in any::<i32>(), scale in 1_u32..1_000_000, times in 1_u32..1_000) {
            let (coarse, fine) = (Timescale::new(scale).unwrap(), Timescale::new(scale * times).unwrap());
            let there = Ticks(i64::from(ticks)).at(coarse).floor_to(fine).unwrap();
            prop_assert_eq!(there.at(fine).nearest_to(coarse), Some(Ticks(i64::from(ticks))));
        }
    }

    proptest! {
        #[test]
        fn ninety_kilohertz_is_the_nearest_tick(ticks in -(1_i64 << 45)..(1_i64 << 45), scale in 1_u32..) {
            let scale = Timescale::new(scale).unwrap();
            let nearest = Ticks(ticks).at(scale).nearest_to(Timescale::MPEG_TS).map(|nearest| nearest.0);
            prop_assert_eq!(Some(Ticks(ticks).nearest_at_90k(scale)), nearest);
        }
    }

    proptest! {
        #[test]
        fn microseconds_are_rounded_down(ticks in any::<i64>(), shift in 0_u32..64, scale in 1_u32..) {
            let (ticks, scale) = (ticks >> shift, Timescale::new(scale).unwrap());
            let exact = (i128::from(ticks) * 1_000_000).div_euclid(i128::from(scale.get()));
            let expected = i64::try_from(exact).unwrap_or(i64::MAX);
            prop_assert_eq!(Ticks(ticks).at(scale).micros(), expected);
        }
    }

    #[test]
    fn a_tie_rounds_to_the_later_tick() {
        let moment = Moment::from_millis(500);
        assert_eq!(moment.nearest_to(Timescale::new(1).unwrap()), Some(Ticks(1)));
        assert_eq!(Moment::from_millis(-500).nearest_to(Timescale::new(1).unwrap()), Some(Ticks(0)));
    }

    #[test]
    fn a_timescale_of_zero_does_not_exist() {
        assert_eq!(Timescale::new(0), None);
    }
}
