//! Integer conversions that cannot fail on supported platforms, and binary searches over integers.
//!
//! The crate forbids `as`; each of these functions gives the reason why its conversion cannot fail.

/// `usize` to `u64`: lossless, as no supported platform has pointers wider than 64 bits.
#[must_use]
pub fn u64_from_usize(value: usize) -> u64 {
    u64::try_from(value).expect("pointers are at most 64 bits wide")
}

/// `u64` to `usize`: lossless on the 64-bit platforms Afflux supports.
#[must_use]
pub fn usize_from_u64(value: u64) -> usize {
    usize::try_from(value).expect("pointers are 64 bits wide")
}

/// `u32` to `usize`: lossless on the 64-bit platforms Afflux supports.
#[must_use]
pub fn usize_from_u32(value: u32) -> usize {
    usize::try_from(value).expect("pointers are at least 32 bits wide")
}

/// `usize` to `u32`, saturating: for counts whose bound lies far below `u32::MAX`.
#[must_use]
pub fn u32_from_usize(value: usize) -> u32 {
    u32::try_from(value).unwrap_or(u32::MAX)
}

/// `u64` to `i64`, saturating: for ticks and sizes whose bound lies far below `i64::MAX`.
#[must_use]
pub fn i64_from_u64(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

/// The first number of `range` for which `holds` is false, or its end; `holds` must be true first and false after, like
/// the predicate of a slice's `partition_point`.
#[must_use]
pub fn partition_point(range: std::ops::Range<u32>, holds: impl Fn(u32) -> bool) -> u32 {
    let (mut low, mut high) = (range.start, range.end);
    while low < high {
        let middle = low + (high - low) / 2;
        if holds(middle) { low = middle + 1 } else { high = middle }
    }
    low
}

/// Like [`partition_point`], with fewer calls of `holds` if the result is near the start of `range`.
#[must_use]
pub fn near_partition_point(range: std::ops::Range<u32>, holds: impl Fn(u32) -> bool) -> u32 {
    let (mut low, mut step) = (range.start, 1_u32);
    // All numbers before `low` hold; each step doubles the distance to the next number to test.
    loop {
        let asked = low.saturating_add(step - 1);
        if asked >= range.end || !holds(asked) {
            return partition_point(low..asked.min(range.end), holds);
        }
        (low, step) = (asked + 1, step.saturating_mul(2));
    }
}

#[cfg(test)]
mod tests {
    use super::{near_partition_point, partition_point};

    #[test]
    fn a_partition_point_is_where_the_predicate_turns() {
        for turn in 3..=9 {
            assert_eq!(partition_point(3..9, |at| at < turn), turn);
        }
        for turn in 3..=90 {
            assert_eq!(near_partition_point(3..90, |at| at < turn), turn);
        }
        assert_eq!(near_partition_point(5..5, |_| true), 5);
        assert_eq!(near_partition_point(5..u32::MAX, |_| true), u32::MAX);
        assert_eq!(partition_point(5..5, |_| true), 5);
    }
}
