//! The sync samples of a track: those that can be decoded alone (`stss`, ISO/IEC 14496-12 §8.6.2).

use super::num::{u32_from_usize, usize_from_u32};
use super::tables::TableError;
use std::iter::{Copied, Peekable};
use std::slice;

/// The sync samples of a track.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Sync {
    /// Every sample is a sync sample.
    All,
    /// Sample numbers, ascending, from 0; contains the first sample if a file names none.
    Some(Vec<u32>),
}

impl Sync {
    pub(super) fn new(numbers: Option<Vec<u32>>, len: u32) -> Result<Self, TableError> {
        let Some(mut numbers) = numbers else { return Ok(Self::All) };
        numbers.sort_unstable();
        numbers.dedup();
        if let Some(sample) =
            numbers.first().filter(|first| **first == 0).or(numbers.last().filter(|last| **last > len))
        {
            return Err(TableError::Sync { sample: *sample, samples: len });
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

    /// Number of sync samples in a track of `len` samples.
    pub(super) fn count(&self, len: u32) -> u32 {
        match self {
            Self::All => len,
            Self::Some(numbers) => u32_from_usize(numbers.len()),
        }
    }

    /// Sample number of the sync sample at `position` among all sync samples; `None` past the last.
    pub(super) fn at(&self, position: u32, len: u32) -> Option<u32> {
        match self {
            Self::All => (position < len).then_some(position),
            Self::Some(numbers) => numbers.get(usize_from_u32(position)).copied(),
        }
    }

    /// Number of sync samples before sample `number`.
    pub(super) fn before(&self, number: u32, len: u32) -> u32 {
        match self {
            Self::All => number.min(len),
            Self::Some(numbers) => u32_from_usize(numbers.partition_point(|sync| *sync < number)),
        }
    }

    /// Lookup for samples in ascending order, from `start` on.
    pub(super) fn from(&self, start: u32) -> SyncCursor<'_> {
        match self {
            Self::All => SyncCursor::All,
            Self::Some(numbers) => {
                let behind = numbers.partition_point(|sync| *sync < start);
                SyncCursor::Some(numbers.get(behind..).unwrap_or_default().iter().copied().peekable())
            }
        }
    }

    /// Whether sample `number` is a sync sample.
    pub(super) fn has(&self, number: u32, len: u32) -> bool {
        match self {
            Self::All => number < len,
            Self::Some(numbers) => numbers.binary_search(&number).is_ok(),
        }
    }

    /// Heap memory, in bytes.
    pub(super) fn heap_bytes(&self) -> usize {
        match self {
            Self::All => 0,
            Self::Some(numbers) => numbers.capacity() * size_of::<u32>(),
        }
    }
}

/// Lookup of sync samples by ascending sample numbers.
#[derive(Debug, Clone)]
pub(super) enum SyncCursor<'a> {
    All,
    Some(Peekable<Copied<slice::Iter<'a, u32>>>),
}

impl SyncCursor<'_> {
    /// Whether sample `number` is a sync sample; `number` must exceed all numbers of earlier calls.
    #[inline]
    pub(super) fn has(&mut self, number: u32) -> bool {
        match self {
            Self::All => true,
            Self::Some(rest) => rest.next_if_eq(&number).is_some(),
        }
    }
}
