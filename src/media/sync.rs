//! Which samples can be decoded alone (`stss`, ISO/IEC 14496-12 §8.6.2).

use super::num::{u32_from_usize, usize_from_u32};
use super::tables::Flaw;
use std::iter::{Copied, Peekable};
use std::slice;

/// Which samples can be decoded alone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Sync {
    /// Every sample.
    All,
    /// These, ascending, counted from 0; the first sample counts even where a file names none.
    Some(Vec<u32>),
}

impl Sync {
    pub(super) fn new(numbers: Option<Vec<u32>>, len: u32) -> Result<Self, Flaw> {
        let Some(mut numbers) = numbers else { return Ok(Self::All) };
        numbers.sort_unstable();
        numbers.dedup();
        if let Some(sample) =
            numbers.first().filter(|first| **first == 0).or(numbers.last().filter(|last| **last > len))
        {
            return Err(Flaw::Sync { sample: *sample, samples: len });
        }
        if u32_from_usize(numbers.len()) == len {
            return Ok(Self::All);
        }
        if numbers.is_empty() {
            numbers.push(1);
        }
        for number in &mut numbers {
            *number -= 1;
        }
        numbers.shrink_to_fit();
        Ok(Self::Some(numbers))
    }

    /// How many sync samples a track of `len` samples has.
    pub(super) fn count(&self, len: u32) -> u32 {
        match self {
            Self::All => len,
            Self::Some(numbers) => u32_from_usize(numbers.len()),
        }
    }

    /// The sample number of the sync sample at `position` among all.
    pub(super) fn at(&self, position: u32, len: u32) -> Option<u32> {
        match self {
            Self::All => (position < len).then_some(position),
            Self::Some(numbers) => numbers.get(usize_from_u32(position)).copied(),
        }
    }

    /// How many sync samples stand before sample `number`.
    pub(super) fn before(&self, number: u32, len: u32) -> u32 {
        match self {
            Self::All => number.min(len),
            Self::Some(numbers) => u32_from_usize(numbers.partition_point(|sync| *sync < number)),
        }
    }

    /// Asks of samples in ascending order, from `start` on.
    pub(super) fn from(&self, start: u32) -> Ascending<'_> {
        match self {
            Self::All => Ascending::All,
            Self::Some(numbers) => {
                let behind = numbers.partition_point(|sync| *sync < start);
                Ascending::Some(numbers.get(behind..).unwrap_or_default().iter().copied().peekable())
            }
        }
    }

    /// Whether sample `number` is one.
    pub(super) fn has(&self, number: u32, len: u32) -> bool {
        match self {
            Self::All => number < len,
            Self::Some(numbers) => numbers.binary_search(&number).is_ok(),
        }
    }

    /// Bytes of memory this takes, its own header aside.
    pub(super) fn heap_bytes(&self) -> usize {
        match self {
            Self::All => 0,
            Self::Some(numbers) => numbers.capacity() * size_of::<u32>(),
        }
    }
}

/// Sync samples, asked for in ascending order.
#[derive(Debug, Clone)]
pub(super) enum Ascending<'a> {
    All,
    Some(Peekable<Copied<slice::Iter<'a, u32>>>),
}

impl Ascending<'_> {
    /// Whether sample `number`, greater than any asked for before, is one.
    #[inline]
    pub(super) fn has(&mut self, number: u32) -> bool {
        match self {
            Self::All => true,
            Self::Some(rest) => rest.next_if_eq(&number).is_some(),
        }
    }
}
