//! Compressed sequences of numbers: blocks of 64 values, each block as its least value and the bit-packed differences.
//!
//! ```text
//! Packed   │ block: least u64, first bit u64.., width u8 │ …      bits: │ value − least, `width` bits each │ …
//! Sums     a Packed and, per block, the sum of all values before it: prefix sums in O(1), their inverse in O(log n)
//! ```
//! A block of equal values has width 0 and costs only its header (0.25 byte a value); picture sizes cost about 2
//! bytes, composition offsets and durations a few bits. The sample tables of a `moov` cost 13 bytes a sample,
//! plain prefix sums 23.

use super::num::{u64_from_usize, usize_from_u64};
use super::packer::{Packer, SumsPacker};
use super::whole;
use super::words::Words;
use std::ops::Range;

/// Values per block.
pub(super) const BLOCK: usize = 64;
pub(super) const BLOCK_U64: u64 = 64;

/// Header of a block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Block {
    /// Least value of the block.
    pub(super) least: u64,
    /// Index of the 64-bit word at which its bits begin: the bits of a block are padded to whole words.
    pub(super) word: u32,
    /// Bits per value, 0 to 64.
    pub(super) width: u8,
}

impl Block {
    const NONE: Self = Self { least: 0, word: 0, width: 0 };
}

/// Iterator over the values of a [`Packed`].
#[derive(Debug, Clone)]
pub struct Values<'a> {
    packed: &'a Packed,
    /// Index of the block behind the open one.
    next: usize,
    block: Block,
    /// Number of values left in the open block.
    left: u64,
    /// Bit at which the next value begins, counted from the first word of the block.
    bit: u64,
    /// Position of the next value.
    at: u64,
}

impl Values<'_> {
    fn open(&mut self) {
        self.block = self.packed.blocks.get(self.next).copied().unwrap_or(Block::NONE);
        self.next += 1;
        (self.left, self.bit) = (BLOCK_U64, 0);
    }
}

impl Iterator for Values<'_> {
    type Item = u64;

    #[inline]
    fn next(&mut self) -> Option<u64> {
        if self.at >= self.packed.len {
            return None;
        }
        if self.left == 0 {
            self.open();
        }
        self.at += 1;
        self.left -= 1;
        let value = self.packed.bits(&self.block, self.bit);
        self.bit += u64::from(self.block.width);
        Some(self.block.least + value)
    }
}

/// A sequence of numbers, read by position in O(1). At most 2³² values.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Packed {
    pub(super) len: u64,
    pub(super) blocks: Vec<Block>,
    pub(super) words: Words,
}

impl Packed {
    /// Number of values.
    #[must_use]
    pub const fn len(&self) -> u64 {
        self.len
    }

    /// Whether there are no values.
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
        Some(block.least + self.bits(block, at % BLOCK_U64 * u64::from(block.width)))
    }

    /// The common value of `from..to`; `None` if they differ, or if the range is empty or ends past the last value.
    ///
    /// Uses block headers where possible: a constant run costs O(values / 64).
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

    /// The values from `from` on, in order: O(1) to begin; each value costs less than with [`Self::get`].
    #[must_use]
    pub fn values(&self, from: u64) -> Values<'_> {
        let (block, inside) = (from / BLOCK_U64, from % BLOCK_U64);
        let mut values =
            Values { packed: self, next: usize_from_u64(block), block: Block::NONE, left: 0, bit: 0, at: from };
        if inside > 0 && from < self.len {
            values.open();
            values.left -= inside;
            values.bit += inside * u64::from(values.block.width);
        }
        values
    }

    /// Calls `visit` with the existing values of `from..to`, in order; each costs less than with [`Self::values`].
    pub fn each(&self, from: u64, to: u64, mut visit: impl FnMut(u64)) {
        let (mut at, to) = (from, to.min(self.len));
        while at < to {
            let Some(block) = self.blocks.get(usize_from_u64(at / BLOCK_U64)) else { return };
            let begins = at / BLOCK_U64 * BLOCK_U64;
            let ends = to.min(begins + BLOCK_U64);
            self.unpack(block, at - begins..ends - begins, |rest| visit(block.least + rest));
            at = ends;
        }
    }

    /// An upper bound of the values `from..to`; 0 if there are none. Uses only block headers.
    #[must_use]
    pub fn ceiling(&self, from: u64, to: u64) -> u64 {
        let (from, to) = (from / BLOCK_U64, to.min(self.len).div_ceil(BLOCK_U64));
        let blocks = self.blocks.get(usize_from_u64(from)..usize_from_u64(to.max(from))).unwrap_or_default();
        let most = |block: &Block| {
            let rest = u64::MAX.checked_shr(64 - u32::from(block.width)).unwrap_or(0);
            block.least.saturating_add(rest)
        };
        blocks.iter().map(most).max().unwrap_or(0)
    }

    /// Whether some value is 0. Uses only block headers.
    pub(super) fn has_zero(&self) -> bool {
        self.blocks.iter().any(|block| block.least == 0)
    }

    /// Whether every value is at most `most` and fits 64 bits. Uses only block headers where their widths suffice.
    pub(super) fn within(&self, most: u64) -> bool {
        let mut left = self.len;
        self.blocks.iter().all(|block| {
            let here = left.min(BLOCK_U64);
            left -= here;
            let mask = u64::MAX.checked_shr(64 - u32::from(block.width)).unwrap_or(0);
            let mut greatest = block.least.checked_add(mask);
            if greatest.is_none_or(|greatest| greatest > most) {
                greatest = block.least.checked_add(self.greatest(block, here));
            }
            greatest.is_some_and(|greatest| greatest <= most)
        })
    }

    /// The greatest of the first `until` values of a block, minus the least value of the block.
    fn greatest(&self, block: &Block, until: u64) -> u64 {
        let bits = self.whole(block).filter(|_| until == BLOCK_U64);
        if let Some(greatest) = bits.and_then(|bits| whole::greatest(&bits, block.width)) {
            return greatest;
        }
        let mut greatest = 0;
        self.unpack(block, 0..until, |value| greatest = greatest.max(value));
        greatest
    }

    /// The blocks of values `range`, which begins at a block border, and the range of their words.
    pub(super) fn blocks_of(&self, range: &Range<u64>) -> (&[Block], Range<usize>) {
        let (from, to) = (usize_from_u64(range.start / BLOCK_U64), usize_from_u64(range.end.div_ceil(BLOCK_U64)));
        let word = |at: usize| self.blocks.get(at).map_or(self.words.len(), |block| usize_from_u64(block.word.into()));
        (self.blocks.get(from..to).unwrap_or_default(), word(from)..word(to))
    }

    /// Heap memory, in bytes.
    #[must_use]
    pub fn heap_bytes(&self) -> usize {
        self.blocks.capacity() * size_of::<Block>() + self.words.heap_bytes()
    }

    /// Sum of the values `range` of a block, each minus the block's least value. Callers ensure that it fits 64 bits.
    fn rest(&self, block: &Block, range: Range<u64>) -> u64 {
        let mut sum = 0_u64;
        if block.width > 0 {
            self.unpack(block, range, |rest| sum = sum.wrapping_add(rest));
        }
        sum
    }

    /// Like [`Self::rest`], for the first `until` values; `None` if the sum exceeds 64 bits.
    fn rest_of(&self, block: &Block, until: u64) -> Option<u64> {
        if until == BLOCK_U64
            && let Some(bits) = self.whole(block)
        {
            return whole::sum(&bits, block.width);
        }
        // The sum of 64 values of 58 bits fits 64 bits.
        if block.width <= 58 { Some(self.rest(block, 0..until)) } else { self.rest_checked(block, until) }
    }

    /// The bits of a whole block, if its width has an unrolled function.
    fn whole(&self, block: &Block) -> Option<whole::BlockWords> {
        (1..=whole::WIDEST)
            .contains(&block.width)
            .then(|| self.words.some(usize_from_u64(block.word.into()), block.width.into()))?
    }

    /// Like [`Self::rest_of`], with checked additions.
    fn rest_checked(&self, block: &Block, until: u64) -> Option<u64> {
        let mut sum = Some(0_u64);
        if block.width > 0 {
            self.unpack(block, 0..until, |rest| sum = sum.and_then(|sum| sum.checked_add(rest)));
        }
        sum
    }

    /// Calls `visit` with the values `range` of a block, each minus the block's least value.
    #[inline]
    fn unpack(&self, block: &Block, range: Range<u64>, mut visit: impl FnMut(u64)) {
        let width = u32::from(block.width);
        if width == 0 {
            range.for_each(|_| visit(0));
            return;
        }
        let bit = range.start * u64::from(width);
        let word = usize_from_u64(u64::from(block.word) + bit / 64);
        let (skip, count) = (bit % 64, range.end.saturating_sub(range.start));
        match &self.words {
            Words::Own(words) => {
                unpacked(words.get(word..).unwrap_or_default().iter().copied(), BitRun { width, skip, count }, visit);
            }
            Words::Read(bytes) => {
                let words = bytes.as_chunks().0.get(word..).unwrap_or_default();
                unpacked(words.iter().map(|word| u64::from_le_bytes(*word)), BitRun { width, skip, count }, visit);
            }
        }
    }

    /// The value whose bits begin at `bit` of a block, minus the block's least value.
    #[inline]
    fn bits(&self, block: &Block, bit: u64) -> u64 {
        let width = u64::from(block.width);
        if width == 0 {
            return 0;
        }
        let word = usize_from_u64(u64::from(block.word) + bit / 64);
        let shift = bit % 64;
        let low = self.words.get(word) >> shift;
        let high = if shift + width > 64 { self.words.get(word + 1) << (64 - shift) } else { 0 };
        (low | high) & (u64::MAX >> (64 - width))
    }
}

/// Values of equal width in a sequence of words.
#[derive(Clone, Copy)]
struct BitRun {
    /// Bits of one value, 1 to 64.
    width: u32,
    /// Bits of the first word before the first value.
    skip: u64,
    /// Number of values.
    count: u64,
}

/// Calls `visit` with each value of `run`.
#[inline]
fn unpacked(mut words: impl Iterator<Item = u64>, run: BitRun, mut visit: impl FnMut(u64)) {
    let BitRun { width, skip, count } = run;
    let mask = u64::MAX >> (64 - width);
    let mut pending = words.next().map_or(0, |word| word >> skip);
    let mut left = 64 - u32::try_from(skip).expect("`skip` is below 64");
    for _ in 0..count {
        let mut value = pending;
        if left >= width {
            pending = pending.checked_shr(width).unwrap_or(0);
            left -= width;
        } else {
            let next = words.next().unwrap_or(0);
            value |= next.checked_shl(left).unwrap_or(0);
            pending = next.checked_shr(width - left).unwrap_or(0);
            left += 64 - width;
        }
        visit(value & mask);
    }
}

/// A sequence of numbers with prefix sums. The total fits 64 bits.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct PrefixSums {
    pub(super) values: Packed,
    /// The sum before each block.
    pub(super) bases: Vec<u64>,
    pub(super) total: u64,
}

impl PrefixSums {
    /// Packs `values`; `None` if the total does not fit 64 bits.
    #[must_use]
    pub fn new<I: IntoIterator<Item = u64>>(values: I) -> Option<Self> {
        let (mut bases, mut total, mut packer) = (Vec::new(), 0_u64, Packer::default());
        for value in values {
            if packer.at_border() {
                bases.push(total);
            }
            total = total.checked_add(value)?;
            packer.push(value);
        }
        bases.shrink_to_fit();
        Some(Self { values: packer.finish(), bases, total })
    }

    /// Packs the `value` of each of `entries`; `None` if the total does not fit 64 bits.
    pub(super) fn of_slice<T>(entries: &[T], value: impl Fn(&T) -> u64) -> Option<Self> {
        let mut packer = SumsPacker::with_room(entries.len());
        packer.push_slice(entries, value);
        packer.finish()
    }

    /// Packs `runs` of equal values, as (count, value); `None` if the total does not fit 64 bits.
    pub(super) fn from_runs(runs: impl IntoIterator<Item = (u64, u64)>) -> Option<Self> {
        Self::over(Packer::of_runs(runs))
    }

    /// Adds prefix sums to `values`; `None` if the total does not fit 64 bits.
    pub(super) fn over(values: Packed) -> Option<Self> {
        let (mut total, mut bases) = (0_u64, Vec::with_capacity(values.blocks.len()));
        let mut left = values.len;
        for block in &values.blocks {
            bases.push(total);
            let here = left.min(BLOCK_U64);
            left -= here;
            let least = block.least.checked_mul(here)?;
            total = total.checked_add(least)?.checked_add(values.rest_of(block, here)?)?;
        }
        Some(Self { values, bases, total })
    }

    /// Number of values.
    #[must_use]
    pub const fn len(&self) -> u64 {
        self.values.len()
    }

    /// Whether there are no values.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.values.is_empty()
    }

    /// The value at `at`; `None` past the end.
    #[must_use]
    pub fn get(&self, at: u64) -> Option<u64> {
        self.values.get(at)
    }

    /// The values from `from` on; see [`Packed::values`].
    #[must_use]
    pub fn values(&self, from: u64) -> Values<'_> {
        self.values.values(from)
    }

    /// An upper bound of the values `from..to`; see [`Packed::ceiling`].
    #[must_use]
    pub fn ceiling(&self, from: u64, to: u64) -> u64 {
        self.values.ceiling(from, to)
    }

    /// Whether some value is 0.
    pub(super) fn has_zero(&self) -> bool {
        self.values.has_zero()
    }

    /// Calls `visit` with the values of `from..to`; see [`Packed::each`].
    pub fn each(&self, from: u64, to: u64, visit: impl FnMut(u64)) {
        self.values.each(from, to, visit);
    }

    /// The sum of all values.
    #[must_use]
    pub const fn total(&self) -> u64 {
        self.total
    }

    /// The sum of the values before `at`; the total if `at` is at or past the end.
    #[must_use]
    pub fn before(&self, at: u64) -> u64 {
        if at >= self.len() {
            return self.total;
        }
        let block = usize_from_u64(at / BLOCK_U64);
        let base = self.bases.get(block).copied().unwrap_or(0);
        let Some(header) = self.values.blocks.get(block) else { return base };
        let inside = at % BLOCK_U64;
        // The total fits 64 bits, so these sums do.
        match self.bases.get(block + 1) {
            // The end of the block is nearer.
            Some(end) if inside > BLOCK_U64 / 2 => {
                end - header.least * (BLOCK_U64 - inside) - self.values.rest(header, inside..BLOCK_U64)
            }
            Some(_) | None => base + header.least * inside + self.values.rest(header, 0..inside),
        }
    }

    /// The position whose value covers `sum`: the last one with `before(position) <= sum`; `None` at or past the total.
    #[must_use]
    pub fn find(&self, sum: u64) -> Option<u64> {
        if sum >= self.total {
            return None;
        }
        let block = self.bases.partition_point(|base| *base <= sum).checked_sub(1)?;
        let mut at = u64_from_usize(block) * BLOCK_U64;
        let mut left = sum - self.bases.get(block)?;
        if let Some(Block { least: least @ 1.., width: 0, .. }) = self.values.blocks.get(block) {
            return Some(at + left / least);
        }
        // A value of zero covers nothing: step over it.
        while let Some(value) = self.values.get(at).filter(|value| left >= *value) {
            left -= value;
            at += 1;
        }
        Some(at)
    }

    /// The common value of all of `from..to`; see [`Packed::constant`].
    #[must_use]
    pub fn constant(&self, from: u64, to: u64) -> Option<u64> {
        self.values.constant(from, to)
    }

    /// Heap memory, in bytes.
    #[must_use]
    pub fn heap_bytes(&self) -> usize {
        self.values.heap_bytes() + self.bases.capacity() * size_of::<u64>()
    }
}

#[cfg(test)]
mod tests;
