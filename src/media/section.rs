//! Sections of a sample index: consecutive samples and their tables. A [`SampleIndex`](super::SampleIndex) built from a
//! file has one section. An index thawed from a frozen movie has many of [`SECTION`] samples each, whose tables are
//! loaded on demand, and checked then.
//!
//! ```text
//! section   │ samples 0..4096 │ samples 4096..8192 │ … │ the rest │
//! always    first sample, decode time and bytes before it            of each section
//! loaded    tables: durations, offsets, sizes, chunks                samples numbered within the section
//! ```

use super::num::{usize_from_u32, usize_from_u64};
use super::packed::{BLOCK, Block, Packed, PrefixSums};
use super::range::ByteRange;
use std::ops::Range;
use std::sync::OnceLock;

/// Number of samples in a section of a frozen movie, except the last: whole blocks of packed numbers.
pub(super) const SECTION: u32 = 4_096;

/// The tables of consecutive samples, checked against each other.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct SampleTables {
    pub(super) durations: PrefixSums,
    /// Packed as the `offsets` of the index tell; empty if all offsets are zero.
    pub(super) offsets: Packed,
    pub(super) sizes: PrefixSums,
    pub(super) chunk_samples: PrefixSums,
    pub(super) chunk_offsets: Packed,
}

/// A contiguous run of samples in the object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Chunk {
    /// Number of the chunk, from 0.
    pub(super) at: u64,
    /// Byte of the object at which the chunk begins.
    pub(super) position: u64,
    /// Number of its first sample, from 0.
    pub(super) first: u32,
    /// Number of samples.
    pub(super) samples: u32,
}

/// Position and size of a sample, in bytes.
#[derive(Debug, Clone, Copy)]
pub(super) struct SampleLocation {
    pub(super) position: u64,
    pub(super) size: u32,
}

/// Converts a value of a table of 32-bit numbers; 0 past its end.
#[inline]
pub(super) fn narrow(value: Option<u64>) -> u32 {
    value.and_then(|value| u32::try_from(value).ok()).unwrap_or(0)
}

impl SampleTables {
    /// Total size of samples `range`, in bytes.
    pub(super) fn bytes_of(&self, range: Range<u32>) -> u64 {
        self.sizes.before(u64::from(range.end)).saturating_sub(self.sizes.before(u64::from(range.start)))
    }

    /// Position and size of each sample of `range`.
    #[inline]
    pub(super) fn placed(&self, range: Range<u32>) -> impl Iterator<Item = SampleLocation> + use<'_> {
        let mut chunk = self.chunk_of(range.start);
        let mut position = chunk.map_or(0, |chunk| chunk.position + self.bytes_of(chunk.first..range.start));
        let mut sizes = self.sizes.values(u64::from(range.start));
        range.map(move |number| {
            while let Some(here) = chunk.filter(|chunk| number >= chunk.first + chunk.samples) {
                chunk = self.chunk_behind(here);
                position = chunk.map_or(0, |chunk| chunk.position);
            }
            let placed = SampleLocation { position, size: narrow(sizes.next()) };
            position += u64::from(placed.size);
            placed
        })
    }

    /// The chunk with sample `number`.
    pub(super) fn chunk_of(&self, number: u32) -> Option<Chunk> {
        let at = self.chunk_samples.find(u64::from(number))?;
        let samples = u32::try_from(self.chunk_samples.get(at)?).ok()?;
        let first = u32::try_from(self.chunk_samples.before(at)).ok()?;
        Some(Chunk { at, position: self.chunk_offsets.get(at)?, first, samples })
    }

    /// The chunk behind `chunk`.
    pub(super) fn chunk_behind(&self, chunk: Chunk) -> Option<Chunk> {
        let at = chunk.at + 1;
        let (samples, position) = (narrow(Some(self.chunk_samples.get(at)?)), self.chunk_offsets.get(at)?);
        Some(Chunk { at, position, first: chunk.first + chunk.samples, samples })
    }

    fn heap_bytes(&self) -> usize {
        let sums = [&self.durations, &self.sizes, &self.chunk_samples].map(PrefixSums::heap_bytes);
        sums.iter().sum::<usize>() + self.chunk_offsets.heap_bytes() + self.offsets.heap_bytes()
    }
}

/// Location of a section's tables in a frozen movie.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct TablesLocation {
    /// Bytes of the frozen movie that hold the tables.
    pub(super) range: ByteRange,
    /// Checksum of these bytes.
    pub(super) checksum: u64,
    /// Least composition offset of the samples.
    pub(super) least: i32,
}

/// Consecutive samples, and their tables if these are loaded.
#[derive(Debug, Clone)]
pub(super) struct Section {
    /// Sample numbers in the index. Never empty.
    pub(super) samples: Range<u32>,
    /// Duration of all samples before the section, in ticks.
    pub(super) time: u64,
    /// Size of all samples before the section, in bytes.
    pub(super) bytes: u64,
    /// Location of the tables in the frozen movie; `None` if they were built from a file.
    pub(super) kept: Option<TablesLocation>,
    tables: OnceLock<Box<SampleTables>>,
}

impl Section {
    /// The only section of an index with `len` samples.
    pub(super) fn whole(len: u32, tables: SampleTables) -> Self {
        Self { samples: 0..len, time: 0, bytes: 0, kept: None, tables: OnceLock::from(Box::new(tables)) }
    }

    /// A section whose tables are not loaded.
    pub(super) const fn kept(samples: Range<u32>, time: u64, bytes: u64, kept: TablesLocation) -> Self {
        Self { samples, time, bytes, kept: Some(kept), tables: OnceLock::new() }
    }

    /// The tables; `None` if they are not loaded.
    #[inline]
    pub(super) fn tables(&self) -> Option<&SampleTables> {
        self.tables.get().map(Box::as_ref)
    }

    /// Stores the tables, which the caller has checked; keeps those that another thread has stored before.
    pub(super) fn set_tables(&self, tables: SampleTables) {
        let _before = self.tables.set(Box::new(tables));
    }

    /// Memory in bytes; an upper bound while the tables are not loaded.
    pub(super) fn heap_bytes(&self) -> usize {
        let tables = self.tables().map_or_else(|| self.heap_limit(), SampleTables::heap_bytes);
        size_of::<Self>() + size_of::<SampleTables>() + tables
    }

    /// Upper bound of the memory for the tables: their frozen bytes, a header for each block, a sum for some blocks.
    fn heap_limit(&self) -> usize {
        let samples = usize_from_u32(self.samples.end - self.samples.start);
        let headers = samples.div_ceil(BLOCK) * (5 * size_of::<Block>() + 3 * size_of::<u64>());
        let kept = self.kept.map_or(0, |kept| usize_from_u64(kept.range.len()));
        kept.saturating_add(kept / 8).saturating_add(headers)
    }

    #[inline]
    pub(super) fn inside(&self, number: u32) -> u64 {
        u64::from(number - self.samples.start)
    }
}

/// All sections of an index. Never empty.
#[derive(Debug, Clone)]
pub(super) struct Sections {
    sections: Vec<Section>,
    /// Number of samples in each section, except the last.
    each: u32,
}

impl Sections {
    /// An index with one section.
    pub(super) fn whole(section: Section) -> Self {
        Self { each: section.samples.end, sections: vec![section] }
    }

    /// An index with `sections` of [`SECTION`] samples each, except the last.
    pub(super) const fn kept(sections: Vec<Section>) -> Self {
        Self { sections, each: SECTION }
    }

    pub(super) fn all(&self) -> &[Section] {
        &self.sections
    }

    /// The section with sample `number`.
    #[inline]
    pub(super) fn of(&self, number: u32) -> Option<&Section> {
        self.sections.get(usize_from_u32(number.checked_div(self.each)?))
    }

    /// The section with sample `number`, and its tables.
    #[inline]
    pub(super) fn at(&self, number: u32) -> Option<(&Section, &SampleTables)> {
        let section = self.of(number)?;
        let tables = section.tables();
        debug_assert!(tables.is_some(), "the tables of sample {number} are not loaded");
        Some((section, tables?))
    }

    /// The last section that begins at or before `since`, in ticks behind the first sample's decode time.
    pub(super) fn covering(&self, since: u64) -> Option<&Section> {
        let behind = self.sections.partition_point(|section| section.time <= since);
        self.sections.get(behind.checked_sub(1)?)
    }

    /// The sections with samples of `range`, their tables, and these samples numbered within the section.
    #[inline]
    pub(super) fn over(
        &self,
        range: Range<u32>,
    ) -> impl Iterator<Item = (&Section, &SampleTables, Range<u32>)> + use<'_> {
        let mut next = range.start;
        std::iter::from_fn(move || {
            if next >= range.end {
                return None;
            }
            let (section, tables) = self.at(next)?;
            let end = range.end.min(section.samples.end);
            let inside = next - section.samples.start..end - section.samples.start;
            next = end;
            Some((section, tables, inside))
        })
    }

    /// The sections with samples of `range`, and their positions.
    pub(super) fn touching(&self, range: Range<u32>) -> impl Iterator<Item = (usize, &Section)> + use<'_> {
        let first = range.start.checked_div(self.each).map_or(0, usize_from_u32);
        let all = self.sections.iter().enumerate().skip(first);
        all.take_while(move |(_, section)| section.samples.start < range.end)
    }

    pub(super) fn heap_bytes(&self) -> usize {
        self.sections.iter().map(Section::heap_bytes).sum()
    }
}
