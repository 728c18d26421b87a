//! Compressed composition offsets (`ctts`, ISO/IEC 14496-12 §8.6.1.3).

use super::num::{usize_from_u32, usize_from_u64};
use super::packed::{BLOCK_U64, Packed, Values};
use super::packer::Packer;
use super::tables::OffsetRuns;
use std::ops::Range;

/// Packing of composition offsets: all zero, a few distinct values, or any values.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Offsets {
    /// All offsets are zero: nothing is packed.
    Zero,
    /// Each offset is packed as its index into `values`.
    Dictionary { values: Vec<i32>, least: i32 },
    /// Each offset is packed as its distance from the least.
    Direct { least: i32 },
}

impl Offsets {
    /// Packs the offsets of `len` samples.
    pub(super) fn new(runs: OffsetRuns, len: u32) -> (Self, Packed) {
        match runs {
            OffsetRuns::Each(runs) => Self::of(runs.iter().copied(), len),
            OffsetRuns::Stored(runs) => Self::of(runs.as_chunks::<8>().0.iter().copied().map(OffsetRuns::stored), len),
            OffsetRuns::Packed(runs) if runs.count() != u64::from(len) || runs.values == [0] => {
                Self::of(runs.runs(), len)
            }
            OffsetRuns::Packed(PackedOffsets { values, codes }) => {
                let least = values.iter().copied().min().unwrap_or(0);
                (Self::Dictionary { values, least }, codes)
            }
        }
    }

    fn of(runs: impl Iterator<Item = (u32, i32)> + Clone, len: u32) -> (Self, Packed) {
        if clipped(runs.clone(), len).all(|(_, offset)| offset == 0) {
            return (Self::Zero, Packed::default());
        }
        let mut dictionary = Dictionary::default();
        let mut codes = Packer::with_room(usize_from_u32(len));
        for (count, offset) in clipped(runs.clone(), len) {
            let Some(code) = dictionary.code(offset) else { return Self::direct(runs, len) };
            codes.repeat(u64::from(count), code);
        }
        let least = dictionary.values.iter().copied().min().unwrap_or(0);
        (Self::Dictionary { values: dictionary.values, least }, codes.finish())
    }

    fn direct(runs: impl Iterator<Item = (u32, i32)> + Clone, len: u32) -> (Self, Packed) {
        let least = clipped(runs.clone(), len).map(|(_, offset)| offset).min().unwrap_or(0);
        let distance = |(count, offset): (u32, i32)| (u64::from(count), u64::from(offset.abs_diff(least)));
        (Self::Direct { least }, Packer::of_runs(clipped(runs, len).map(distance)))
    }

    /// The offsets of `packed` from `from` on; 0 behind the last.
    pub(super) fn values<'a>(&'a self, packed: &'a Packed, from: u64) -> OffsetValues<'a> {
        OffsetValues { offsets: self, packed: packed.values(from) }
    }

    fn decoded(&self, packed: u64) -> i32 {
        match self {
            Self::Zero => 0,
            Self::Dictionary { values, .. } => values.get(usize_from_u64(packed)).copied().unwrap_or(0),
            Self::Direct { least } => {
                u32::try_from(packed).map_or(0, |distance| least.saturating_add_unsigned(distance))
            }
        }
    }

    /// The offset at `at` of `packed`; 0 if there is none.
    pub(super) fn get(&self, packed: &Packed, at: u64) -> i32 {
        packed.get(at).map_or(0, |packed| self.decoded(packed))
    }

    /// The least offset of `range` of `packed`, which is not empty.
    pub(super) fn least_of(&self, packed: &Packed, range: Range<u64>) -> i32 {
        let (mut least, mut at) = (i32::MAX, range.start);
        // The first block mostly contains all values of a dictionary.
        while at < range.end && least > self.least() {
            let end = range.end.min(at + BLOCK_U64);
            packed.each(at, end, |packed| least = least.min(self.decoded(packed)));
            at = end;
        }
        least
    }

    /// The least of all offsets; 0 if all are 0.
    pub(super) const fn least(&self) -> i32 {
        match self {
            Self::Zero => 0,
            Self::Dictionary { least, .. } | Self::Direct { least } => *least,
        }
    }

    /// Heap memory, in bytes.
    pub(super) fn heap_bytes(&self) -> usize {
        match self {
            Self::Zero | Self::Direct { .. } => 0,
            Self::Dictionary { values, .. } => values.capacity() * size_of::<i32>(),
        }
    }
}

/// Composition offsets of a `ctts` that is not empty, packed as in `Offsets::Dictionary`: one for each sample that the
/// table counts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PackedOffsets {
    values: Vec<i32>,
    codes: Packed,
}

impl PackedOffsets {
    /// Number of samples with an offset.
    pub(super) const fn count(&self) -> u64 {
        self.codes.len()
    }

    /// The greatest offset.
    pub(super) fn greatest(&self) -> i32 {
        self.values.iter().copied().max().unwrap_or(0)
    }

    /// All offsets, as runs of one sample each.
    pub(super) fn runs(&self) -> impl Iterator<Item = (u32, i32)> + Clone + '_ {
        let value = |code| self.values.get(usize_from_u64(code)).copied().unwrap_or(0);
        self.codes.values(0).map(move |code| (1, value(code)))
    }
}

/// Collects the runs of a `ctts` that arrives in parts.
#[derive(Debug)]
pub(super) enum OffsetPacker {
    /// Few distinct offsets in short runs, packed.
    Coded(Box<DictionaryPacker>),
    /// Any runs.
    Runs(Vec<(u32, i32)>),
}

/// Codes of offsets, and the dictionary of these codes.
#[derive(Debug, Default)]
pub(super) struct DictionaryPacker {
    dictionary: Dictionary,
    codes: Packer,
}

/// Longest run whose samples are packed one by one: their codes, a byte each, take no more than the 8 bytes of the run.
const SHORT_RUN: u32 = 8;

impl Default for OffsetPacker {
    fn default() -> Self {
        Self::Coded(Box::default())
    }
}

impl OffsetPacker {
    /// Appends `runs`.
    pub(super) fn push(&mut self, runs: impl Iterator<Item = (u32, i32)>) {
        for (count, offset) in runs {
            if let Self::Coded(coding) = self {
                let code = if (1..=SHORT_RUN).contains(&count) { coding.dictionary.code(offset) } else { None };
                if let Some(code) = code {
                    coding.codes.repeat(u64::from(count), code);
                    continue;
                }
                *self = Self::Runs(joined(std::mem::take(self).finish().iter()));
            }
            if let Self::Runs(runs) = self {
                runs.push((count, offset));
            }
        }
    }

    /// Returns all runs.
    pub(super) fn finish(self) -> OffsetRuns {
        match self {
            Self::Runs(runs) => OffsetRuns::Each(runs),
            Self::Coded(coding) => {
                let DictionaryPacker { dictionary, codes } = *coding;
                let packed = PackedOffsets { values: dictionary.values, codes: codes.finish() };
                if packed.codes.is_empty() { OffsetRuns::default() } else { OffsetRuns::Packed(packed) }
            }
        }
    }
}

/// Merges adjacent `runs` of the same offset: the result has no more runs than were pushed.
fn joined(runs: impl Iterator<Item = (u32, i32)>) -> Vec<(u32, i32)> {
    let mut joined: Vec<(u32, i32)> = Vec::new();
    for (count, offset) in runs {
        match joined
            .last_mut()
            .filter(|(_, last)| *last == offset)
            .and_then(|last| last.0.checked_add(count).map(|sum| (last, sum)))
        {
            Some((last, sum)) => last.0 = sum,
            None => joined.push((count, offset)),
        }
    }
    joined
}

/// `runs` for exactly `len` samples: omits surplus samples, and adds offsets of 0 for missing ones.
fn clipped(runs: impl Iterator<Item = (u32, i32)> + Clone, len: u32) -> impl Iterator<Item = (u32, i32)> + Clone {
    let mut left = len;
    let mut runs = runs;
    std::iter::from_fn(move || {
        while left > 0 {
            let (count, offset) = runs.next().unwrap_or((u32::MAX, 0));
            let taken = count.min(left);
            left -= taken;
            if taken > 0 {
                return Some((taken, offset));
            }
        }
        None
    })
}

/// Distinct offsets in the order of their first occurrence.
#[derive(Debug)]
pub(super) struct Dictionary {
    values: Vec<i32>,
    /// Codes by a hash of the offset, to try first: most offsets occur again.
    likely: [u8; 64],
}

impl Default for Dictionary {
    fn default() -> Self {
        Self { values: Vec::new(), likely: [0; 64] }
    }
}

impl Dictionary {
    /// The code of an offset; `None` if there are too many distinct offsets.
    #[inline]
    fn code(&mut self, offset: i32) -> Option<u64> {
        let slot = usize::try_from(offset.cast_unsigned().wrapping_mul(0x9e37_79b1) >> 26).ok()?;
        let likely = self.likely.get_mut(slot)?;
        if self.values.get(usize::from(*likely)) != Some(&offset) {
            let at = self.values.iter().position(|value| *value == offset).unwrap_or(self.values.len());
            *likely = u8::try_from(at).ok()?;
            if at == self.values.len() {
                self.values.push(offset);
            }
        }
        Some(u64::from(*likely))
    }
}

/// Iterator over composition offsets.
#[derive(Debug, Clone)]
pub(super) struct OffsetValues<'a> {
    offsets: &'a Offsets,
    packed: Values<'a>,
}

impl OffsetValues<'_> {
    /// The offset of the next sample; 0 behind the last.
    #[inline]
    pub(super) fn take_next(&mut self) -> i32 {
        self.packed.next().map_or(0, |packed| self.offsets.decoded(packed))
    }
}

#[cfg(test)]
mod tests {
    use super::{OffsetPacker, OffsetRuns, Offsets};
    use proptest::prelude::{any, prop, prop_assert_eq, prop_oneof, proptest};

    proptest! {
        #[test]
        fn offsets_are_read_back_by_place_and_in_order(
            runs in prop::collection::vec((0_u32..4, prop_oneof![-3_i32..3, any::<i32>()]), 0..600), len in 1_u32..700,
        ) {
            let each = runs.iter().flat_map(|(count, offset)| (0..*count).map(|_| *offset));
            let expected: Vec<i32> = each.chain((0..len).map(|_| 0)).take(usize::try_from(len).unwrap()).collect();
            let stored: Vec<u8> = runs
                .iter()
                .flat_map(|(count, offset)| [count.to_be_bytes(), offset.to_be_bytes()].concat())
                .collect();
            let mut packer = OffsetPacker::default();
            packer.push(runs.iter().copied());
            let (packed, each) = (packer.finish(), OffsetRuns::Each(runs));
            prop_assert_eq!((packed.count(), packed.greatest()), (each.count(), each.greatest()));
            let (offsets, codes) = Offsets::new(each, len);
            prop_assert_eq!(Offsets::new(OffsetRuns::Stored(stored.into()), len), (offsets.clone(), codes.clone()));
            prop_assert_eq!(Offsets::new(packed, len), (offsets.clone(), codes.clone()));
            let found = (0..len).map(|at| offsets.get(&codes, u64::from(at)));
            prop_assert_eq!(found.collect::<Vec<_>>(), expected.clone());
            let mut values = offsets.values(&codes, 0);
            prop_assert_eq!((0..len).map(|_| values.take_next()).collect::<Vec<_>>(), expected.clone());
            let all_zero = expected.iter().all(|offset| *offset == 0);
            let least = expected.iter().copied().min().unwrap_or(0);
            prop_assert_eq!((matches!(offsets, Offsets::Zero), offsets.least()), (all_zero, least));
            if !all_zero {
                prop_assert_eq!(offsets.least_of(&codes, 0..codes.len()), least);
            }
        }
    }

    #[test]
    fn what_comes_in_parts_takes_no_more_memory_than_it_is_stored_in() {
        let stored = 8 * 20_000;
        // Runs without a block of equal codes, then a run that is not packed.
        let runs = |length: u32| (0..20_000).map(move |run| (length, run % 200));
        for length in [1, 7, 8, 9, 33, 63, 64, 65] {
            let mut collected = OffsetPacker::default();
            collected.push(runs(length));
            let OffsetRuns::Packed(packed) = collected.finish() else { continue };
            assert!(packed.codes.heap_bytes() <= stored + stored / 4, "{length}: {}", packed.codes.heap_bytes());
        }
        for length in [1, 8, 9] {
            let mut collected = OffsetPacker::default();
            collected.push(runs(length).chain([(100_000, 1)]));
            let OffsetRuns::Each(each) = collected.finish() else { panic!("a long run is not packed") };
            assert_eq!(each, runs(length).chain([(100_000, 1)]).collect::<Vec<_>>());
        }
    }
}
