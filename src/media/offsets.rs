//! Composition offsets (`ctts`, ISO/IEC 14496-12 §8.6.1.3) in few bits.

use super::num::{u64_from_usize, usize_from_u32, usize_from_u64};
use super::packed::Packed;

/// Composition offsets: none, a few distinct values, or any.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Offsets {
    Zero,
    Dictionary {
        values: Vec<i32>,
        codes: Packed,
        least: i32,
    },
    /// Each as its distance from the least.
    Direct {
        distances: Packed,
        least: i32,
    },
}

/// Distinct composition offsets up to which a dictionary pays.
const DICTIONARY_LIMIT: usize = 256;

impl Offsets {
    pub(super) fn new(runs: &[(u32, i32)], len: u32) -> Self {
        if runs.iter().all(|(_, offset)| *offset == 0) {
            return Self::Zero;
        }
        let each = || {
            let each = runs.iter().flat_map(|(count, offset)| std::iter::repeat_n(*offset, usize_from_u32(*count)));
            each.chain(std::iter::repeat(0)).take(usize_from_u32(len))
        };
        let least = each().min().unwrap_or(0);
        let mut values: Vec<i32> = Vec::new();
        let padding = runs.iter().map(|(count, _)| u64::from(*count)).sum::<u64>() < u64::from(len);
        for offset in runs.iter().map(|(_, offset)| *offset).chain(padding.then_some(0)) {
            if let Err(at) = values.binary_search(&offset) {
                values.insert(at, offset);
            }
            if values.len() > DICTIONARY_LIMIT {
                let distance = |offset: i32| u64::from(offset.abs_diff(least));
                return Self::Direct { distances: each().map(distance).collect(), least };
            }
        }
        let code = |offset: i32| u64_from_usize(values.partition_point(|value| *value < offset));
        let codes = each().map(code).collect();
        Self::Dictionary { values, codes, least }
    }

    pub(super) fn get(&self, at: u32) -> i32 {
        match self {
            Self::Zero => 0,
            Self::Dictionary { values, codes, .. } => {
                let code = codes.get(u64::from(at)).map(usize_from_u64);
                code.and_then(|code| values.get(code)).copied().unwrap_or(0)
            }
            Self::Direct { distances, least } => {
                let distance = distances.get(u64::from(at)).and_then(|distance| u32::try_from(distance).ok());
                distance.map_or(0, |distance| least.saturating_add_unsigned(distance))
            }
        }
    }

    /// The least offset of all; 0 where all are 0.
    pub(super) const fn least(&self) -> i32 {
        match self {
            Self::Zero => 0,
            Self::Dictionary { least, .. } | Self::Direct { least, .. } => *least,
        }
    }

    /// Bytes of memory this takes, its own header aside.
    pub(super) fn heap_bytes(&self) -> usize {
        match self {
            Self::Zero => 0,
            Self::Dictionary { values, codes, .. } => values.capacity() * size_of::<i32>() + codes.heap_bytes(),
            Self::Direct { distances, .. } => distances.heap_bytes(),
        }
    }
}
