//! Builder of [`Packed`] sequences: blocks of 64 numbers, each as its least value and differences of minimal width.

use super::num::u64_from_usize;
use super::packed::{BLOCK, Block, Packed, PrefixSums};
use std::ops::RangeInclusive;

/// Collects values into a [`Packed`].
#[derive(Debug)]
pub(super) struct Packer {
    packed: Packed,
    block: [u64; BLOCK],
    /// Number of values in `block`: fewer than it has room for.
    filled: usize,
}

impl Default for Packer {
    fn default() -> Self {
        Self { packed: Packed::default(), block: [0; BLOCK], filled: 0 }
    }
}

impl Packer {
    /// Packs `runs` of equal values, as (count, value). A long run costs a header per block, not a step per value.
    pub(super) fn of_runs(runs: impl IntoIterator<Item = (u64, u64)>) -> Packed {
        let mut packer = Self::default();
        runs.into_iter().for_each(|(count, value)| packer.repeat(count, value));
        packer.finish()
    }

    /// Packs the `value` of each of `entries`, block by block.
    pub(super) fn of_slice<T>(entries: &[T], value: impl Fn(&T) -> u64) -> Packed {
        let mut packer = Self::with_room(entries.len());
        packer.push_slice(entries, value, |_| {});
        packer.finish()
    }

    /// An empty packer with room for the headers of `values` values.
    pub(super) fn with_room(values: usize) -> Self {
        let blocks = Vec::with_capacity(values.div_ceil(BLOCK));
        Self { packed: Packed { blocks, ..Packed::default() }, ..Self::default() }
    }

    /// Appends the `value` of each of `entries`, at a block border; calls `show` with the values of each block before.
    pub(super) fn push_slice<T>(&mut self, entries: &[T], value: impl Fn(&T) -> u64, mut show: impl FnMut(&[u64])) {
        let (blocks, rest) = entries.as_chunks::<BLOCK>();
        let mut values = [0; BLOCK];
        for block in blocks {
            values.iter_mut().zip(block).for_each(|(to, from)| *to = value(from));
            show(&values);
            pack_block(&mut self.packed, &values);
        }
        let rest: Vec<u64> = rest.iter().map(value).collect();
        if !rest.is_empty() {
            show(&rest);
        }
        for value in rest {
            self.push(value);
        }
    }

    /// Whether the next value begins a block.
    #[inline]
    pub(super) const fn at_border(&self) -> bool {
        self.filled == 0
    }

    /// Appends a value.
    #[inline]
    pub(super) fn push(&mut self, value: u64) {
        if let Some(place) = self.block.get_mut(self.filled) {
            *place = value;
        }
        self.filled += 1;
        if self.filled == BLOCK {
            self.filled = 0;
            pack_block(&mut self.packed, &self.block);
        }
    }

    /// The slow twin of [`Self::push`]: packs a full block value by value, like the last block.
    #[cfg(test)]
    pub(super) fn push_alone(&mut self, value: u64) {
        if let Some(place) = self.block.get_mut(self.filled) {
            *place = value;
        }
        self.filled += 1;
        if self.filled == BLOCK {
            self.pack();
        }
    }

    /// Appends a value `count` times.
    #[inline]
    pub(super) fn repeat(&mut self, count: u64, value: u64) {
        if count == 1 { self.push(value) } else { self.repeat_long(count, value) }
    }

    fn repeat_long(&mut self, mut count: u64, value: u64) {
        while count > 0 {
            if self.at_border() && count >= u64_from_usize(BLOCK) {
                begin(&mut self.packed, value..=value, BLOCK);
                count -= u64_from_usize(BLOCK);
                continue;
            }
            self.push(value);
            count -= 1;
        }
    }

    /// Returns all values, packed.
    ///
    /// # Panics
    /// With 2³² words of packed bits or more, 32 GiB: callers bound their count by the bytes of a `moov`.
    pub(super) fn finish(mut self) -> Packed {
        if self.filled > 0 {
            self.pack();
        }
        self.packed.blocks.shrink_to_fit();
        self.packed.words.own().shrink_to_fit();
        self.packed
    }

    /// Packs the values in `block`, value by value.
    fn pack(&mut self) {
        let values = self.block.get(..self.filled).unwrap_or_default().to_vec();
        let (least, most) = values.iter().fold((u64::MAX, 0), |(low, high), value| (low.min(*value), high.max(*value)));
        let width = begin(&mut self.packed, least..=most, values.len());
        push_bits(self.packed.words.own(), values.iter().map(|value| value - least), u32::from(width));
        self.filled = 0;
    }
}

/// Appends a whole block of values.
fn pack_block(packed: &mut Packed, values: &[u64; BLOCK]) {
    let (fours, _) = values.as_chunks::<4>();
    let lanes = fours.iter().fold(([u64::MAX; 4], [0; 4]), |(mut low, mut high), four| {
        for ((low, high), value) in low.iter_mut().zip(&mut high).zip(four) {
            (*low, *high) = ((*low).min(*value), (*high).max(*value));
        }
        (low, high)
    });
    let least = lanes.0.into_iter().min().unwrap_or(0);
    let width = begin(packed, least..=lanes.1.into_iter().max().unwrap_or(0), BLOCK);
    push_block_bits(packed.words.own(), values, least, width);
}

/// Appends the header of a block of `values` values within `bounds`; returns the bits per value.
fn begin(packed: &mut Packed, bounds: RangeInclusive<u64>, values: usize) -> u8 {
    let (least, most) = bounds.into_inner();
    let word = u32::try_from(packed.words.len()).expect("callers bound the values to fewer than 2³² words");
    let width = u8::try_from(64 - (most - least).leading_zeros()).expect("a width is 0 to 64 bits");
    packed.blocks.push(Block { least, word, width });
    packed.len += u64_from_usize(values);
    width
}

/// Appends the bits of a whole block: several values at once if they fit 64 bits together.
fn push_block_bits(words: &mut Vec<u64>, values: &[u64; BLOCK], least: u64, width: u8) {
    let bits = u32::from(width);
    let pair = |low: u64, high: u64| (low - least) | ((high - least) << bits);
    match width {
        0 => {}
        1..=16 => {
            let (fours, _) = values.as_chunks::<4>();
            let joined = fours.iter().map(|[a, b, c, d]| {
                let (low, high) = (pair(*a, *b), pair(*c, *d));
                low | (high << (2 * bits))
            });
            push_bits(words, joined, 4 * bits);
        }
        17..=32 => {
            let (twos, _) = values.as_chunks::<2>();
            push_bits(words, twos.iter().map(|[a, b]| pair(*a, *b)), 2 * bits);
        }
        33.. => push_bits(words, values.iter().map(|value| value - least), bits),
    }
}

/// Appends values of `width` bits, at most 64, the first in the lowest bits; the last word is padded.
fn push_bits(words: &mut Vec<u64>, values: impl Iterator<Item = u64>, width: u32) {
    let (mut filled, mut pending) = (0_u32, 0_u64);
    for value in values {
        pending |= value << filled;
        let used = 64 - filled;
        filled += width;
        if filled >= 64 {
            words.push(pending);
            pending = value.checked_shr(used).unwrap_or(0);
            filled -= 64;
        }
    }
    if filled > 0 {
        words.push(pending);
    }
}

impl FromIterator<u64> for Packed {
    /// # Panics
    /// With 2³² words of packed bits or more, 32 GiB: callers bound their count by the bytes of a `moov`.
    fn from_iter<I: IntoIterator<Item = u64>>(values: I) -> Self {
        let mut packer = Packer::default();
        values.into_iter().for_each(|value| packer.push(value));
        packer.finish()
    }
}

/// Collects values and their prefix sums into a [`PrefixSums`].
#[derive(Debug)]
pub(super) struct SumsPacker {
    packer: Packer,
    bases: Vec<u64>,
    /// Sum of the values; `None` if it does not fit 64 bits.
    total: Option<u64>,
}

impl Default for SumsPacker {
    fn default() -> Self {
        Self::with_room(0)
    }
}

impl SumsPacker {
    pub(super) fn with_room(values: usize) -> Self {
        let bases = Vec::with_capacity(values.div_ceil(BLOCK));
        Self { packer: Packer::with_room(values), bases, total: Some(0) }
    }

    /// Appends the `value` of each of `entries`, at a block border.
    pub(super) fn push_slice<T>(&mut self, entries: &[T], value: impl Fn(&T) -> u64) {
        let (bases, total) = (&mut self.bases, &mut self.total);
        self.packer.push_slice(entries, value, |block| {
            bases.push(total.unwrap_or(0));
            *total = total.and_then(|sum| block.iter().try_fold(sum, |sum, value| sum.checked_add(*value)));
        });
    }

    /// Returns all values, packed, with prefix sums; `None` if the total does not fit 64 bits.
    pub(super) fn finish(self) -> Option<PrefixSums> {
        let mut bases = self.bases;
        bases.shrink_to_fit();
        self.total.map(|total| PrefixSums { values: self.packer.finish(), bases, total })
    }
}
