//! Sequences of numbers in few bits: blocks of 64 values, each block as its least value and bit-packed rest.
//!
//! ```text
//! Packed   │ block: least u64, first bit u64.., width u8 │ …      bits: │ value − least, `width` bits each │ …
//! Sums     a Packed and, per block, the sum of all values before it: prefix sums in O(1), their inverse in O(log n)
//! ```
//! A block of equal values has width 0 and costs its header alone (0.25 byte a value); picture sizes cost about 2
//! bytes, composition offsets and durations a few bits. The sample tables of a `moov` cost 13 bytes a sample,
//! plain prefix sums 23.

use super::num::{u64_from_usize, usize_from_u64};

/// Values per block.
const BLOCK: usize = 64;
const BLOCK_U64: u64 = 64;

/// A block's header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Block {
    /// The least value of the block.
    least: u64,
    /// Where its bits begin, in 64-bit words: a block's bits are padded to whole words.
    word: u32,
    /// Bits per value, 0 to 64.
    width: u8,
}

/// A sequence of numbers, read by position in O(1). At most 2³² values.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Packed {
    len: u64,
    blocks: Vec<Block>,
    words: Vec<u64>,
}

impl Packed {
    /// How many values.
    #[must_use]
    pub const fn len(&self) -> u64 {
        self.len
    }

    /// Whether there are none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The value at `at`; `None` past the end.
    #[must_use]
    pub fn get(&self, at: u64) -> Option<u64> {
        if at >= self.len {
            return None;
        }
        let block = self.blocks.get(usize_from_u64(at / BLOCK_U64))?;
        Some(block.least + self.bits(block, at % BLOCK_U64))
    }

    /// The one value that all of `from..to` have; `None` when they differ or the range is empty or too long.
    ///
    /// Looks at block headers where it can: a constant run costs O(values / 64).
    #[must_use]
    pub fn constant(&self, from: u64, to: u64) -> Option<u64> {
        if to > self.len {
            return None;
        }
        let value = (from < to).then(|| self.get(from)).flatten()?;
        let mut at = from;
        while at < to {
            let block = self.blocks.get(usize_from_u64(at / BLOCK_U64))?;
            let whole = block.width == 0;
            let same = if whole { block.least == value } else { self.get(at) == Some(value) };
            if !same {
                return None;
            }
            at = if whole { (at / BLOCK_U64 + 1) * BLOCK_U64 } else { at + 1 };
        }
        Some(value)
    }

    /// Bytes of memory this takes, its own header aside.
    #[must_use]
    pub fn heap_bytes(&self) -> usize {
        self.blocks.capacity() * size_of::<Block>() + self.words.capacity() * size_of::<u64>()
    }

    /// `runs` of equal values, each as often as it says. A long run costs a header per block, not a step per value.
    pub(super) fn from_runs(runs: impl IntoIterator<Item = (u64, u64)>) -> Self {
        let mut packed = Self::default();
        let mut block = Vec::with_capacity(BLOCK);
        for (mut count, value) in runs {
            while count > 0 {
                if block.is_empty() && count >= BLOCK_U64 {
                    packed.push_equal(value);
                    count -= BLOCK_U64;
                    continue;
                }
                block.push(value);
                count -= 1;
                if block.len() == BLOCK {
                    packed.push_block(&block);
                    block.clear();
                }
            }
        }
        packed.finish(&block)
    }

    fn push_equal(&mut self, value: u64) {
        let word = self.word();
        self.blocks.push(Block { least: value, word, width: 0 });
        self.len += BLOCK_U64;
    }

    /// Where the next block's bits begin.
    fn word(&self) -> u32 {
        u32::try_from(self.words.len()).expect("2³² values of at most 64 bits, bounded by their callers")
    }

    fn finish(mut self, rest: &[u64]) -> Self {
        if !rest.is_empty() {
            self.push_block(rest);
        }
        self.blocks.shrink_to_fit();
        self.words.shrink_to_fit();
        self
    }

    /// What the first `until` values of a block have above its least, summed up; `None` past 64 bits.
    fn rest(&self, block: &Block, until: u64) -> Option<u64> {
        if block.width == 0 {
            return Some(0);
        }
        (0..until).try_fold(0_u64, |sum, at| sum.checked_add(self.bits(block, at)))
    }

    fn bits(&self, block: &Block, at: u64) -> u64 {
        let width = u64::from(block.width);
        if width == 0 {
            return 0;
        }
        let bit = at * width;
        let word = usize_from_u64(u64::from(block.word) + bit / 64);
        let shift = bit % 64;
        let low = self.words.get(word).map_or(0, |value| value >> shift);
        let high =
            if shift + width > 64 { self.words.get(word + 1).map_or(0, |value| value << (64 - shift)) } else { 0 };
        (low | high) & (u64::MAX >> (64 - width))
    }

    fn push_block(&mut self, values: &[u64]) {
        let (least, most) = values.iter().fold((u64::MAX, 0), |(low, high), value| (low.min(*value), high.max(*value)));
        let width = u8::try_from(64 - (most - least).leading_zeros()).expect("0 to 64");
        let word = self.word();
        self.blocks.push(Block { least, word, width });
        self.len += u64_from_usize(values.len());
        let (mut filled, mut pending) = (0_u32, 0_u64);
        for value in values.iter().map(|value| value - least).filter(|_| width > 0) {
            pending |= value << filled;
            let used = 64 - filled;
            filled += u32::from(width);
            if filled >= 64 {
                self.words.push(pending);
                pending = value.checked_shr(used).unwrap_or(0);
                filled -= 64;
            }
        }
        if filled > 0 {
            self.words.push(pending);
        }
    }
}

impl FromIterator<u64> for Packed {
    /// # Panics
    /// With 2³² words of packed bits or more, 32 GiB: callers bound their count by the bytes of a `moov`.
    fn from_iter<I: IntoIterator<Item = u64>>(values: I) -> Self {
        let mut packed = Self::default();
        let mut block = Vec::with_capacity(BLOCK);
        for value in values {
            block.push(value);
            if block.len() == BLOCK {
                packed.push_block(&block);
                block.clear();
            }
        }
        packed.finish(&block)
    }
}

/// A sequence of numbers with its prefix sums. The total fits 64 bits.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Sums {
    values: Packed,
    /// The sum before each block.
    bases: Vec<u64>,
    total: u64,
}

impl Sums {
    /// `None` when the total does not fit 64 bits.
    #[must_use]
    pub fn new<I: IntoIterator<Item = u64>>(values: I) -> Option<Self> {
        Self::over(values.into_iter().collect())
    }

    /// `runs` of equal values, each as often as it says; `None` when the total does not fit 64 bits.
    pub(super) fn from_runs(runs: impl IntoIterator<Item = (u64, u64)>) -> Option<Self> {
        Self::over(Packed::from_runs(runs))
    }

    fn over(values: Packed) -> Option<Self> {
        let (mut total, mut bases) = (0_u64, Vec::with_capacity(values.blocks.len()));
        let mut left = values.len;
        for block in &values.blocks {
            bases.push(total);
            let here = left.min(BLOCK_U64);
            left -= here;
            let least = block.least.checked_mul(here)?;
            total = total.checked_add(least)?.checked_add(values.rest(block, here)?)?;
        }
        Some(Self { values, bases, total })
    }

    /// How many values.
    #[must_use]
    pub const fn len(&self) -> u64 {
        self.values.len()
    }

    /// Whether there are none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.values.is_empty()
    }

    /// The value at `at`; `None` past the end.
    #[must_use]
    pub fn get(&self, at: u64) -> Option<u64> {
        self.values.get(at)
    }

    /// The sum of all values.
    #[must_use]
    pub const fn total(&self) -> u64 {
        self.total
    }

    /// The sum of the values before `at`; the total when `at` is at or past the end.
    #[must_use]
    pub fn before(&self, at: u64) -> u64 {
        if at >= self.len() {
            return self.total;
        }
        let block = usize_from_u64(at / BLOCK_U64);
        let base = self.bases.get(block).copied().unwrap_or(0);
        let Some(header) = self.values.blocks.get(block) else { return base };
        let inside = at % BLOCK_U64;
        // What all values sum up to fits, so this does.
        base + header.least * inside + self.values.rest(header, inside).unwrap_or(0)
    }

    /// The position whose value covers `sum`: the last one with `before(position) <= sum`. `None` at or past the total.
    #[must_use]
    pub fn find(&self, sum: u64) -> Option<u64> {
        if sum >= self.total {
            return None;
        }
        let block = self.bases.partition_point(|base| *base <= sum).checked_sub(1)?;
        let mut at = u64_from_usize(block) * BLOCK_U64;
        let mut left = sum - self.bases.get(block)?;
        // A value of zero covers nothing and is stepped over.
        while let Some(value) = self.values.get(at).filter(|value| left >= *value) {
            left -= value;
            at += 1;
        }
        Some(at)
    }

    /// The one value that all of `from..to` have; see [`Packed::constant`].
    #[must_use]
    pub fn constant(&self, from: u64, to: u64) -> Option<u64> {
        self.values.constant(from, to)
    }

    /// Bytes of memory this takes, its own header aside.
    #[must_use]
    pub fn heap_bytes(&self) -> usize {
        self.values.heap_bytes() + self.bases.capacity() * size_of::<u64>()
    }
}

#[cfg(test)]
#[allow(clippy::as_conversions, clippy::cast_possible_truncation, reason = "a test's numbers are small")]
mod tests {
    use super::{Packed, Sums};
    use proptest::prelude::{any, prop, prop_assert_eq, proptest};

    proptest! {
        #[test]
        fn what_was_packed_is_read_back(values in prop::collection::vec(any::<u64>(), 0..300)) {
            let packed: Packed = values.iter().copied().collect();
            for (at, value) in values.iter().enumerate() {
                prop_assert_eq!(packed.get(at as u64), Some(*value));
            }
            prop_assert_eq!(packed.get(values.len() as u64), None);
        }

        #[test]
        fn runs_are_packed_as_their_values_one_by_one(runs in prop::collection::vec((0_u64..200, 0_u64..5), 0..12)) {
            let each = runs.iter().flat_map(|(count, value)| std::iter::repeat_n(*value, *count as usize));
            prop_assert_eq!(Packed::from_runs(runs.iter().copied()), each.clone().collect::<Packed>());
            prop_assert_eq!(Sums::from_runs(runs.iter().copied()), Sums::new(each));
        }

        #[test]
        fn sums_agree_with_adding_up(values in prop::collection::vec(0_u64..1_000_000, 0..300)) {
            let sums = Sums::new(values.iter().copied()).unwrap();
            let mut sum = 0;
            for (at, value) in values.iter().enumerate() {
                prop_assert_eq!(sums.before(at as u64), sum);
                if *value > 0 {
                    prop_assert_eq!(sums.find(sum), Some(at as u64));
                    prop_assert_eq!(sums.find(sum + value - 1), Some(at as u64));
                }
                sum += value;
            }
            prop_assert_eq!(sums.total(), sum);
            prop_assert_eq!(sums.find(sum), None);
        }

        #[test]
        fn constant_agrees_with_comparing_all(values in prop::collection::vec(0_u64..2, 1..200), from in 0_usize..200, len in 0_usize..200) {
            let packed: Packed = values.iter().copied().collect();
            let expected = values.get(from..from + len).filter(|part| !part.is_empty() && part.iter().all(|v| *v == part[0])).map(|part| part[0]);
            prop_assert_eq!(packed.constant(from as u64, (from + len) as u64), expected);
        }
    }

    #[test]
    fn a_total_past_64_bits_is_refused() {
        assert_eq!(Sums::new([u64::MAX, 1]), None);
    }

    #[test]
    fn equal_values_cost_their_headers_alone() {
        let packed: Packed = std::iter::repeat_n(1_024, 6_400).collect();
        assert!(packed.heap_bytes() <= 1_600, "{} bytes", packed.heap_bytes());
    }
}
