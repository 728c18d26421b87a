//! Frozen form of a section's tables: packed, as in memory.
//!
//! ```text
//! section  │ durations │ offsets, where not all of the track are zero │ sizes │ samples of chunks │ positions of chunks │
//! each     │ values u64 │ each block's least u64 │ each block's width u8 │ words u64 │
//! ```
//! The widths of earlier blocks give the start of a block's words, and the values give the sums: neither is stored, so
//! neither can be wrong. A chunk that extends beyond the end of a section becomes two chunks.

use super::Damage;
use super::directory::{SectionEntry, sections};
use super::form::FrozenFormat;
use super::reader::Reader;
use crate::media::index::SampleIndex;
use crate::media::num::{u32_from_usize, u64_from_usize};
use crate::media::offsets::Offsets;
use crate::media::packed::{BLOCK_U64, Block, Packed, PrefixSums};
use crate::media::packer::Packer;
use crate::media::section::SampleTables;
use crate::media::tables::{TableError, check_chunks};
use crate::media::words::Words;
use bytes::Bytes;
use std::ops::Range;

/// Appends the tables of all sections of `index`; returns the directory entries of the sections.
pub(super) fn freeze_all(index: &SampleIndex, out: &mut Vec<u8>) -> Vec<u8> {
    let mut entries = Vec::new();
    for samples in sections(index.len) {
        let begins = out.len();
        let least = freeze(index, &samples, out);
        let frozen = out.get(begins..).unwrap_or_default();
        let entry = SectionEntry {
            len: u32_from_usize(frozen.len()),
            checksum: FrozenFormat::checksum(frozen),
            span: index.decode_time(samples.end).since(index.decode_time(samples.start)).unwrap_or_default().0,
            bytes: index.bytes_of(samples),
            least: least.unwrap_or(0),
        };
        entry.freeze(&mut entries);
    }
    entries
}

/// Appends the tables of `samples`, which are whole blocks or the last of `index`; returns the least offset.
fn freeze(index: &SampleIndex, samples: &Range<u32>, out: &mut Vec<u8>) -> Option<i32> {
    let (section, tables) = index.sections.at(samples.start)?;
    let inside = samples.start - section.samples.start..samples.end - section.samples.start;
    let values = u64::from(inside.start)..u64::from(inside.end);
    let (chunk_samples, chunk_offsets) = chunks(tables, inside);
    let mut least = 0;
    tables.durations.values.freeze(values.clone(), out);
    if index.reorders() {
        tables.offsets.freeze(values.clone(), out);
        least = index.offsets.least_of(&tables.offsets, values.clone());
    }
    tables.sizes.values.freeze(values, out);
    chunk_samples.freeze(0..chunk_samples.len(), out);
    chunk_offsets.freeze(0..chunk_offsets.len(), out);
    Some(least)
}

/// The chunks of samples `inside`: the number of these samples in each chunk, and the position of the first of them.
fn chunks(tables: &SampleTables, inside: Range<u32>) -> (Packed, Packed) {
    let (mut samples, mut positions) = (Packer::default(), Packer::default());
    let mut next = tables.chunk_of(inside.start);
    let mut skipped = next.map_or(0, |chunk| tables.bytes_of(chunk.first..inside.start));
    while let Some(chunk) = next.filter(|chunk| chunk.first < inside.end) {
        let here = inside.end.min(chunk.first + chunk.samples).saturating_sub(inside.start.max(chunk.first));
        if here > 0 {
            samples.push(u64::from(here));
            positions.push(chunk.position + skipped);
        }
        (next, skipped) = (tables.chunk_behind(chunk), 0);
    }
    (samples.finish(), positions.finish())
}

/// Loads the tables of the section at index `at` from `bytes`; `size` is the size of the object. Checks them like those
/// of a `moov`, and against the directory.
pub(super) fn thaw_tables(index: &SampleIndex, at: usize, bytes: &Bytes, size: u64) -> Result<(), Damage> {
    let all = index.sections.all();
    let (section, behind) =
        (all.get(at).ok_or(Damage::Value("section"))?, at.checked_add(1).and_then(|at| all.get(at)));
    let kept = section.kept.ok_or(Damage::Value("section"))?;
    if FrozenFormat::checksum(bytes) != kept.checksum {
        return Err(Damage::Checksum);
    }
    let mut from = Reader::new(bytes, bytes);
    let len = u64::from(section.samples.end - section.samples.start);
    let durations = thaw_sums(&mut from, len, u64::from(u32::MAX))?;
    if section.time + durations.total() != behind.map_or(index.span, |behind| behind.time) {
        return Err(Damage::Value("sum of durations"));
    }
    let offsets = thaw_offsets(&mut from, &index.offsets, len, kept.least)?;
    let sizes = thaw_sums(&mut from, len, u64::from(u32::MAX))?;
    if section.bytes.checked_add(sizes.total()) != Some(behind.map_or(index.bytes, |behind| behind.bytes)) {
        return Err(Damage::Value("sum of sizes"));
    }
    let (chunk_samples, chunk_offsets) = thaw_chunks(&mut from, len)?;
    check_chunks(&chunk_offsets, &chunk_samples, &sizes, size)?;
    from.finish()?;
    section.set_tables(SampleTables { durations, offsets, sizes, chunk_samples, chunk_offsets });
    Ok(())
}

/// Reads the number of samples and the position of each chunk; the chunks must hold exactly `samples` samples.
fn thaw_chunks(from: &mut Reader<'_>, samples: u64) -> Result<(PrefixSums, Packed), Damage> {
    let chunk_samples = Packed::thaw(from, samples)?;
    let chunk_samples = PrefixSums::over(chunk_samples).ok_or(Damage::Value("number of samples in a chunk"))?;
    if chunk_samples.total() != samples {
        return Err(TableError::Unplaced { placed: chunk_samples.total(), samples }.into());
    }
    let chunk_offsets = Packed::thaw(from, u64::MAX)?;
    if chunk_offsets.len() != chunk_samples.len() {
        return Err(Damage::Value("number of chunks"));
    }
    Ok((chunk_samples, chunk_offsets))
}

/// Reads `len` numbers of at most `most` each, and computes their sums.
fn thaw_sums(from: &mut Reader<'_>, len: u64, most: u64) -> Result<PrefixSums, Damage> {
    let values = Packed::thaw(from, most)?;
    check_count(&values, len)?;
    PrefixSums::over(values).ok_or(Damage::Value("sum"))
}

fn check_count(values: &Packed, len: u64) -> Result<(), Damage> {
    if values.len() == len { Ok(()) } else { Err(Damage::Value("number of values in a table")) }
}

/// Reads the composition offsets of `len` samples, the least of which must be `least`.
fn thaw_offsets(from: &mut Reader<'_>, offsets: &Offsets, len: u64, least: i32) -> Result<Packed, Damage> {
    let most = match offsets {
        Offsets::Zero => return Ok(Packed::default()),
        Offsets::Dictionary { values, .. } => u64_from_usize(values.len()).saturating_sub(1),
        Offsets::Direct { least } => u64::from(i32::MAX.abs_diff(*least)),
    };
    let packed = Packed::thaw(from, most)?;
    check_count(&packed, len)?;
    if offsets.least_of(&packed, 0..len) == least { Ok(packed) } else { Err(Damage::Value("least composition offset")) }
}

impl Packed {
    /// Appends the existing values of `range`; it begins at a block border, and ends at one or behind the last value.
    pub fn freeze(&self, range: Range<u64>, out: &mut Vec<u8>) {
        let range = range.start..range.end.min(self.len);
        let (blocks, words) = self.blocks_of(&range);
        out.extend((range.end - range.start).to_le_bytes());
        out.extend(blocks.iter().flat_map(|block| block.least.to_le_bytes()));
        out.extend(blocks.iter().map(|block| block.width));
        out.extend(self.words.from(words.start).take(words.end - words.start).flat_map(u64::to_le_bytes));
    }

    /// Reads numbers of at most `most` each.
    pub fn thaw(from: &mut Reader<'_>, most: u64) -> Result<Self, Damage> {
        let len = from.u64()?;
        let count = len.div_ceil(BLOCK_U64);
        let (leasts, widths) = (from.fields::<8>(count)?, from.slice(count)?);
        // The capacity is bounded by the number of bytes just read.
        let mut blocks = Vec::with_capacity(widths.len());
        let (mut left, mut word) = (len, 0_u64);
        for (least, width) in leasts.iter().zip(widths) {
            let at = u32::try_from(word).map_err(|_| Damage::Value("number of words in a table"))?;
            if *width > 64 {
                return Err(Damage::Value("width of a block"));
            }
            blocks.push(Block { least: u64::from_le_bytes(*least), word: at, width: *width });
            let values = left.min(BLOCK_U64);
            left -= values;
            word += (values * u64::from(*width)).div_ceil(64);
        }
        let words = Words::Read(from.shared(word.saturating_mul(8))?);
        let packed = Self { len, blocks, words };
        if packed.within(most) { Ok(packed) } else { Err(Damage::Value("value in a table")) }
    }
}
