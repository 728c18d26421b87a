//! Directory of a track in the head of a frozen movie: facts about all samples, and the size and checksum of each
//! section's tables.
//!
//! ```text
//! directory  │ first decode time u64 │ sized u64 │ timed u64 │ composed: 0 or 1, u64 │ placed u64 │ offsets │ sync │
//!            │ of each 4096 samples, and of the rest: section │
//! offsets    │ 0 │    or  │ 1 │ count u32 │ dictionary i32 │    or  │ 2 │ least i32 │
//! sync       │ 0 │    or  │ 1 │ count u32 │ numbers u32 │
//! section    │ bytes of its tables u32 │ their checksum u64 │ durations, summed up u64 │ sizes, summed up u64 │ least offset i32 │
//! ```
//! Sections follow the head in the same order, so the entries before a section give its position, its decode time and
//! the number of sample bytes before it.

use super::reader::Reader;
use super::{Damage, freeze_count};
use crate::media::index::SampleIndex;
use crate::media::num::{u64_from_usize, usize_from_u32};
use crate::media::offsets::Offsets;
use crate::media::range::ByteRange;
use crate::media::section::{SECTION, Section, Sections, TablesLocation};
use crate::media::sync::Sync;
use crate::media::tables::{SAMPLE_LIMIT, TableError, Totals, check_times};
use std::ops::Range;

/// Largest number of offsets in a dictionary: a code is one byte.
const DICTIONARY: usize = 256;

/// Size of a section's entry, in bytes.
const ENTRY: usize = 4 + 8 + 8 + 8 + 4;

/// Directory entry of a section.
#[derive(Debug, Clone, Copy)]
pub(super) struct SectionEntry {
    /// Size of its tables, in bytes.
    pub(super) len: u32,
    /// Checksum of its tables.
    pub(super) checksum: u64,
    /// Sum of the durations of its samples.
    pub(super) span: u64,
    /// Sum of the sizes of its samples.
    pub(super) bytes: u64,
    /// Least composition offset of its samples.
    pub(super) least: i32,
}

impl SectionEntry {
    /// Appends the entry.
    pub(super) fn freeze(self, out: &mut Vec<u8>) {
        out.extend(self.len.to_le_bytes());
        out.extend([self.checksum, self.span, self.bytes].iter().flat_map(|number| number.to_le_bytes()));
        out.extend(self.least.to_le_bytes());
    }

    fn thaw(from: &mut Reader<'_>) -> Result<Self, Damage> {
        let (len, checksum) = (from.u32()?, from.u64()?);
        Ok(Self { len, checksum, span: from.u64()?, bytes: from.u64()?, least: from.i32()? })
    }
}

/// Position of the next section in the frozen movie.
#[derive(Debug)]
pub(super) struct SectionCursor(u64);

impl SectionCursor {
    /// Begins behind a head of `head` bytes.
    pub(super) fn behind(head: usize) -> Self {
        Self(u64_from_usize(head))
    }

    /// The range of the next section, of `len` bytes.
    fn next(&mut self, len: u32) -> Result<ByteRange, Damage> {
        let range = ByteRange::new(self.0, u64::from(len)).ok_or(Damage::Value("length of a section"))?;
        self.0 = range.end();
        Ok(range)
    }

    /// End of the last section.
    pub(super) const fn end(&self) -> u64 {
        self.0
    }
}

/// The samples of each section, for an index of `len` samples.
pub(super) fn sections(len: u32) -> impl Iterator<Item = Range<u32>> {
    (0..len.div_ceil(SECTION)).map(move |at| at * SECTION..len.min((at + 1) * SECTION))
}

/// Appends the directory of `index`, with room for the entries of its sections; returns the range of that room.
pub(super) fn freeze(index: &SampleIndex, out: &mut Vec<u8>) -> Range<usize> {
    let Totals { sized, timed, composed, placed } = index.totals;
    let numbers = [index.first_decode_time, sized, timed];
    out.extend(numbers.iter().flat_map(|number| number.to_le_bytes()));
    out.push(u8::from(composed.is_some()));
    let numbers = [composed.unwrap_or(0), placed];
    out.extend(numbers.iter().flat_map(|number| number.to_le_bytes()));
    freeze_offsets(&index.offsets, out);
    match &index.sync {
        Sync::All => out.push(0),
        Sync::Some(numbers) => {
            out.push(1);
            freeze_count(out, numbers.len());
            out.extend(numbers.iter().flat_map(|number| number.to_le_bytes()));
        }
    }
    let begins = out.len();
    out.resize(begins + usize_from_u32(index.len.div_ceil(SECTION)) * ENTRY, 0);
    begins..out.len()
}

/// Reads the next directory, of an object of `size` bytes. The tables of all sections are missing.
pub(super) fn thaw(from: &mut Reader<'_>, size: u64, places: &mut SectionCursor) -> Result<SampleIndex, Damage> {
    let first_decode_time = from.u64()?;
    let totals = thaw_totals(from)?;
    let len = u32::try_from(totals.sized).map_err(|_| TableError::TooMany { samples: totals.sized })?;
    let offsets = thaw_offsets(from, totals)?;
    let sync = thaw_sync(from, len)?;
    let (mut all, mut span, mut bytes) = (Vec::new(), 0_u64, 0_u64);
    let mut least: Option<i32> = None;
    for samples in sections(len) {
        let entry = SectionEntry::thaw(from)?;
        let kept = TablesLocation { range: places.next(entry.len)?, checksum: entry.checksum, least: entry.least };
        all.push(Section::kept(samples, span, bytes, kept));
        span = span.checked_add(entry.span).ok_or(TableError::Time)?;
        bytes = bytes.checked_add(entry.bytes).ok_or(TableError::Oversize { total: u64::MAX, size })?;
        least = least.into_iter().chain([entry.least]).min();
    }
    if bytes > size {
        return Err(TableError::Oversize { total: bytes, size }.into());
    }
    check_times(first_decode_time, span)?;
    if least != Some(offsets.least()) {
        return Err(Damage::Value("least composition offset"));
    }
    let sections = Sections::kept(all);
    Ok(SampleIndex { len, first_decode_time, span, bytes, offsets, sync, totals, sections })
}

fn thaw_totals(from: &mut Reader<'_>) -> Result<Totals, Damage> {
    let (sized, timed, offset, composed, placed) = (from.u64()?, from.u64()?, from.u8()?, from.u64()?, from.u64()?);
    let composed = match offset {
        0 if composed == 0 => None,
        1 => Some(composed),
        _ => return Err(Damage::Value("number of composition offsets")),
    };
    if sized == 0 {
        return Err(TableError::Empty.into());
    }
    if sized > u64::from(SAMPLE_LIMIT) {
        return Err(TableError::TooMany { samples: sized }.into());
    }
    if placed < sized {
        return Err(TableError::Unplaced { placed, samples: sized }.into());
    }
    Ok(Totals { sized, timed, composed, placed })
}

fn freeze_offsets(offsets: &Offsets, out: &mut Vec<u8>) {
    match offsets {
        Offsets::Zero => out.push(0),
        Offsets::Dictionary { values, .. } => {
            out.push(1);
            freeze_count(out, values.len());
            out.extend(values.iter().flat_map(|value| value.to_le_bytes()));
        }
        Offsets::Direct { least } => {
            out.push(2);
            out.extend(least.to_le_bytes());
        }
    }
}

/// Reads the packing of composition offsets. The caller checks the least offset against the section entries.
fn thaw_offsets(from: &mut Reader<'_>, totals: Totals) -> Result<Offsets, Damage> {
    match (from.u8()?, totals.composed) {
        (0, _) => Ok(Offsets::Zero),
        (1, Some(_)) => {
            let count = from.u32()?;
            let values: Vec<i32> =
                from.fields(u64::from(count))?.iter().map(|value| i32::from_le_bytes(*value)).collect();
            let least = values.iter().copied().min().filter(|_| values.len() <= DICTIONARY);
            let least = least.ok_or(Damage::Value("dictionary of composition offsets"))?;
            Ok(Offsets::Dictionary { values, least })
        }
        (2, Some(_)) => Ok(Offsets::Direct { least: from.i32()? }),
        _ => Err(Damage::Value("composition offset")),
    }
}

/// Reads the sync samples; they must ascend, and there must be at least one.
fn thaw_sync(from: &mut Reader<'_>, len: u32) -> Result<Sync, Damage> {
    match from.u8()? {
        0 => Ok(Sync::All),
        1 => {
            let count = from.u32()?;
            let numbers: Vec<u32> =
                from.fields(u64::from(count))?.iter().map(|number| u32::from_le_bytes(*number)).collect();
            let ascending = numbers.is_sorted_by(|a, b| a < b);
            if ascending && numbers.last().is_some_and(|last| *last < len) {
                Ok(Sync::Some(numbers))
            } else {
                Err(Damage::Value("sync sample"))
            }
        }
        _ => Err(Damage::Value("table of sync samples")),
    }
}
