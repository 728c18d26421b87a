//! Numbers, one by one → a [`Packed`]: blocks of 64, each as its least value and the rest in as few bits as it takes.

use super::num::u64_from_usize;
use super::packed::{BLOCK, Block, Packed};

/// Collects values.
#[derive(Debug)]
pub(super) struct Packer {
    packed: Packed,
    block: [u64; BLOCK],
    /// Values in `block`: fewer than it holds.
    filled: usize,
}

impl Default for Packer {
    fn default() -> Self {
        Self { packed: Packed::default(), block: [0; BLOCK], filled: 0 }
    }
}

impl Packer {
    /// `runs` of equal values, each as often as it says. A long run costs a header per block, not a step per value.
    pub(super) fn of_runs(runs: impl IntoIterator<Item = (u64, u64)>) -> Packed {
        let mut packer = Self::default();
        runs.into_iter().for_each(|(count, value)| packer.repeat(count, value));
        packer.finish()
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
            self.pack();
        }
    }

    /// Appends a value `count` times.
    pub(super) fn repeat(&mut self, mut count: u64, value: u64) {
        while count > 0 {
            if self.at_border() && count >= u64_from_usize(BLOCK) {
                let word = self.word();
                self.packed.blocks.push(Block { least: value, word, width: 0 });
                self.packed.len += u64_from_usize(BLOCK);
                count -= u64_from_usize(BLOCK);
                continue;
            }
            self.push(value);
            count -= 1;
        }
    }

    /// All of them.
    ///
    /// # Panics
    /// With 2³² words of packed bits or more, 32 GiB: callers bound their count by the bytes of a `moov`.
    pub(super) fn finish(mut self) -> Packed {
        if self.filled > 0 {
            self.pack();
        }
        self.packed.blocks.shrink_to_fit();
        self.packed.words.shrink_to_fit();
        self.packed
    }

    /// Where the next block's bits begin.
    fn word(&self) -> u32 {
        u32::try_from(self.packed.words.len()).expect("2³² values of at most 64 bits, bounded by their callers")
    }

    fn pack(&mut self) {
        let word = self.word();
        let values = self.block.get(..self.filled).unwrap_or_default();
        let (least, most) = values.iter().fold((u64::MAX, 0), |(low, high), value| (low.min(*value), high.max(*value)));
        let width = u8::try_from(64 - (most - least).leading_zeros()).expect("0 to 64");
        self.packed.blocks.push(Block { least, word, width });
        self.packed.len += u64_from_usize(values.len());
        if width > 0 {
            push_bits(&mut self.packed.words, values.iter().map(|value| value - least), width);
        }
        self.filled = 0;
    }
}

/// Appends values of `width` bits, 1 to 64, the first in the lowest bits; the last word is padded.
fn push_bits(words: &mut Vec<u64>, values: impl Iterator<Item = u64>, width: u8) {
    let (mut filled, mut pending) = (0_u32, 0_u64);
    for value in values {
        pending |= value << filled;
        let used = 64 - filled;
        filled += u32::from(width);
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
