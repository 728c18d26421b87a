//! Samples in a row, and their tables. A [`SampleIndex`](super::SampleIndex) is made of such sections: of one that was
//! built, or of many of [`SECTION`] samples that were kept, each of which is checked when it is brought.
//!
//! ```text
//! section   │ samples 0..4096 │ samples 4096..8192 │ … │ the rest │
//! known     first sample, decode time and bytes before it            of each, from the beginning
//! tables    durations, offsets, sizes, chunks                        once they are brought; numbered within the section
//! ```

use super::num::{usize_from_u32, usize_from_u64};
use super::packed::{BLOCK, Block, Packed, Sums};
use super::range::ByteRange;
use std::ops::Range;
use std::sync::OnceLock;

/// Samples of a section that is kept, the last one aside: whole blocks of packed numbers.
pub(super) const SECTION: u32 = 4_096;

/// The tables of samples in a row, checked against each other.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Tables {
    pub(super) durations: Sums,
    /// As the index says; empty where all offsets are zero.
    pub(super) offsets: Packed,
    pub(super) sizes: Sums,
    pub(super) chunk_samples: Sums,
    pub(super) chunk_offsets: Packed,
}

/// A contiguous run of samples in the object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Chunk {
    /// Which, from 0.
    pub(super) at: u64,
    /// Where its bytes begin.
    pub(super) position: u64,
    /// Its first sample, from 0.
    pub(super) first: u32,
    /// How many samples.
    pub(super) samples: u32,
}

/// Where a sample stands.
#[derive(Debug, Clone, Copy)]
pub(super) struct Placed {
    pub(super) position: u64,
    pub(super) size: u32,
}

/// A number that a table of 32-bit numbers holds; 0 past its end.
#[inline]
pub(super) fn narrow(value: Option<u64>) -> u32 {
    value.and_then(|value| u32::try_from(value).ok()).unwrap_or(0)
}

impl Tables {
    /// The bytes of samples `range`, their sizes added up.
    pub(super) fn bytes_of(&self, range: Range<u32>) -> u64 {
        self.sizes.before(u64::from(range.end)).saturating_sub(self.sizes.before(u64::from(range.start)))
    }

    /// Where each sample of `range` stands.
    #[inline]
    pub(super) fn placed(&self, range: Range<u32>) -> impl Iterator<Item = Placed> + use<'_> {
        let mut chunk = self.chunk_of(range.start);
        let mut position = chunk.map_or(0, |chunk| chunk.position + self.bytes_of(chunk.first..range.start));
        let mut sizes = self.sizes.values(u64::from(range.start));
        range.map(move |number| {
            while let Some(here) = chunk.filter(|chunk| number >= chunk.first + chunk.samples) {
                chunk = self.chunk_behind(here);
                position = chunk.map_or(0, |chunk| chunk.position);
            }
            let placed = Placed { position, size: narrow(sizes.next()) };
            position += u64::from(placed.size);
            placed
        })
    }

    /// The chunk that holds sample `number`.
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
        let sums = [&self.durations, &self.sizes, &self.chunk_samples].map(Sums::heap_bytes);
        sums.iter().sum::<usize>() + self.chunk_offsets.heap_bytes() + self.offsets.heap_bytes()
    }
}

/// Where the tables of a section are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Kept {
    /// Their bytes among those of the frozen movie.
    pub(super) range: ByteRange,
    /// Of these bytes.
    pub(super) checksum: u64,
    /// The least composition offset of its samples.
    pub(super) least: i32,
}

/// Samples in a row.
#[derive(Debug, Clone)]
pub(super) struct Section {
    /// Its samples, as the index counts them. Never empty.
    pub(super) samples: Range<u32>,
    /// Decode time before it, from that of the first sample of all.
    pub(super) time: u64,
    /// Bytes of all samples before it.
    pub(super) bytes: u64,
    /// Where its tables are kept; `None` where they were built.
    pub(super) kept: Option<Kept>,
    tables: OnceLock<Box<Tables>>,
}

impl Section {
    /// The only section of an index of `len` samples.
    pub(super) fn whole(len: u32, tables: Tables) -> Self {
        Self { samples: 0..len, time: 0, bytes: 0, kept: None, tables: OnceLock::from(Box::new(tables)) }
    }

    /// One whose tables are kept elsewhere.
    pub(super) const fn kept(samples: Range<u32>, (time, bytes): (u64, u64), kept: Kept) -> Self {
        Self { samples, time, bytes, kept: Some(kept), tables: OnceLock::new() }
    }

    /// Its tables, where they are at hand.
    #[inline]
    pub(super) fn tables(&self) -> Option<&Tables> {
        self.tables.get().map(Box::as_ref)
    }

    /// Takes its tables, which are right; others may have brought them before.
    pub(super) fn bring(&self, tables: Tables) {
        let _before = self.tables.set(Box::new(tables));
    }

    /// Bytes of memory it takes, at most where its tables are not at hand yet.
    pub(super) fn heap_bytes(&self) -> usize {
        let tables = self.tables().map_or_else(|| self.heap_limit(), Tables::heap_bytes);
        size_of::<Self>() + size_of::<Tables>() + tables
    }

    /// What its tables take at most: their bytes as they are kept, a header for each block, a sum for some.
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

/// All samples of an index, in sections. Never empty.
#[derive(Debug, Clone)]
pub(super) struct Sections {
    sections: Vec<Section>,
    /// Samples of each, the last one aside.
    each: u32,
}

impl Sections {
    /// One section.
    pub(super) fn whole(section: Section) -> Self {
        Self { each: section.samples.end, sections: vec![section] }
    }

    /// These, of [`SECTION`] samples each but the last.
    pub(super) const fn kept(sections: Vec<Section>) -> Self {
        Self { sections, each: SECTION }
    }

    pub(super) fn all(&self) -> &[Section] {
        &self.sections
    }

    /// The one that sample `number` is in.
    #[inline]
    pub(super) fn of(&self, number: u32) -> Option<&Section> {
        self.sections.get(usize_from_u32(number.checked_div(self.each)?))
    }

    /// The same, with its tables.
    #[inline]
    pub(super) fn at(&self, number: u32) -> Option<(&Section, &Tables)> {
        let section = self.of(number)?;
        let tables = section.tables();
        debug_assert!(tables.is_some(), "the tables of sample {number} are not at hand");
        Some((section, tables?))
    }

    /// The last section that begins at decode time `since` or before, and where several do, the last of them.
    pub(super) fn covering(&self, since: u64) -> Option<&Section> {
        let behind = self.sections.partition_point(|section| section.time <= since);
        self.sections.get(behind.checked_sub(1)?)
    }

    /// The sections that samples `range` are in, and which of each, counted within it.
    #[inline]
    pub(super) fn over(&self, range: Range<u32>) -> impl Iterator<Item = (&Section, &Tables, Range<u32>)> + use<'_> {
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

    /// The sections that samples `range` are in.
    pub(super) fn touching(&self, range: Range<u32>) -> impl Iterator<Item = (usize, &Section)> + use<'_> {
        let first = range.start.checked_div(self.each).map_or(0, usize_from_u32);
        let all = self.sections.iter().enumerate().skip(first);
        all.take_while(move |(_, section)| section.samples.start < range.end)
    }

    pub(super) fn heap_bytes(&self) -> usize {
        self.sections.iter().map(Section::heap_bytes).sum()
    }
}
