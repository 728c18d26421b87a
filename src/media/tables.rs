//! Collects the sample tables of a file, checks them once as a whole, and packs them into a [`SampleIndex`]: all tables
//! describe the same samples, and all bytes lie in the object.

use super::index::SampleIndex;
use super::num::u64_from_usize;
use super::offsets::{Offsets, PackedOffsets};
use super::packed::{BLOCK, Packed, PrefixSums};
use super::packer::Packer;
use super::section::{SampleTables, Section, Sections};
use super::sync::Sync;
use bytes::Bytes;
use std::ops::Range;

/// Largest number of samples in a track: 8 days of AAC, 6 of video at 60 Hz. A track with more is refused.
pub const SAMPLE_LIMIT: u32 = 1 << 25;

/// A contradiction in the sample tables of a track.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TableError {
    /// The track has no samples.
    #[error("the track has no samples")]
    Empty,
    /// The track has more than [`SAMPLE_LIMIT`] samples.
    #[error("`stsz` counts {samples} samples; at most {SAMPLE_LIMIT} are served")]
    TooMany {
        /// Number of samples in `stsz`.
        samples: u64,
    },
    /// The chunks hold fewer samples than `stsz` has sizes.
    #[error("`stsc` and `stco` place {placed} samples, `stsz` counts {samples}")]
    Unplaced {
        /// Number of samples in chunks.
        placed: u64,
        /// Number of samples with a size.
        samples: u64,
    },
    /// `stsc` is not a table of chunk runs.
    #[error(
        "`stsc` entry {entry} begins at chunk {first_chunk}; the first must begin at 1, each later one behind its predecessor"
    )]
    ChunkRun {
        /// Number of the entry, from 0.
        entry: u64,
        /// first_chunk of the entry.
        first_chunk: u32,
    },
    /// A chunk lies outside the object.
    #[error("chunk {chunk} needs bytes up to {end}, the object ends at {size}")]
    Outside {
        /// Number of the chunk, from 0.
        chunk: u64,
        /// Offset behind its last byte.
        end: u64,
        /// Size of the object, in bytes.
        size: u64,
    },
    /// The samples together are larger than the object.
    #[error("the samples take {total} bytes, the object has {size}")]
    Oversize {
        /// The sum of all sample sizes.
        total: u64,
        /// Size of the object, in bytes.
        size: u64,
    },
    /// `stss` names a sample that does not exist.
    #[error("`stss` names sample {sample}, the track has {samples}")]
    Sync {
        /// Number of the sample, from 1.
        sample: u32,
        /// Number of samples in the track.
        samples: u32,
    },
    /// Times exceed the supported range.
    #[error("decode times exceed 2^62 ticks")]
    Time,
}

/// Collects sample tables in the form of files, run by run. The bytes of the file bound its memory.
#[derive(Debug, Clone, Default)]
pub struct IndexBuilder {
    /// Decode time of the first sample: 0, or the first `tfdt` of a fragmented file.
    pub first_decode_time: u64,
    /// `stts`: (sample_count, sample_delta).
    pub durations: Vec<(u32, u32)>,
    /// `ctts`: (sample_count, sample_offset); empty if all offsets are zero.
    pub offsets: OffsetRuns,
    /// `stsz` or `stz2`.
    pub sizes: Sizes,
    /// `stco` or `co64`.
    pub chunk_offsets: ChunkOffsets,
    /// `stsc`: (first_chunk, samples_per_chunk), chunks counted from 1.
    pub chunk_runs: Vec<(u32, u32)>,
    /// `stss`: sample numbers from 1; `None` if the box is missing and every sample is a sync sample.
    pub sync: Option<Vec<u32>>,
}

/// Sample sizes, as in `stsz`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Sizes {
    /// All samples have the same size.
    Same {
        /// The common size, in bytes.
        size: u32,
        /// Number of samples.
        count: u32,
    },
    /// A size per sample.
    Each(Vec<u32>),
    /// A size per sample, as `stsz` stores them: 32 bits each, big-endian.
    Stored(Bytes),
    /// A size per sample, packed.
    Packed(PrefixSums),
}

impl Sizes {
    /// Number of samples with a size.
    #[must_use]
    pub fn count(&self) -> u64 {
        match self {
            Self::Same { count, .. } => u64::from(*count),
            Self::Each(sizes) => u64_from_usize(sizes.len()),
            Self::Stored(sizes) => u64_from_usize(sizes.len() / 4),
            Self::Packed(sizes) => sizes.len(),
        }
    }

    /// Packs the sizes; refuses them if their sum exceeds `limit` bytes.
    fn packed(self, limit: u64) -> Result<PrefixSums, TableError> {
        if let Self::Same { size, count } = self {
            let total = u64::from(size) * u64::from(count);
            if total > limit {
                return Err(TableError::Oversize { total, size: limit });
            }
        }
        let sums = match self {
            Self::Same { size, count } => PrefixSums::from_runs([(u64::from(count), u64::from(size))]),
            Self::Each(sizes) => PrefixSums::of_slice(&sizes, |size| u64::from(*size)),
            Self::Stored(sizes) => {
                PrefixSums::of_slice(sizes.as_chunks::<4>().0, |size| u64::from(u32::from_be_bytes(*size)))
            }
            Self::Packed(sums) => Some(sums),
        };
        // The sum of fewer than 2³² sizes below 2³² bytes fits 64 bits.
        let sums = sums.ok_or(TableError::Oversize { total: u64::MAX, size: limit })?;
        if sums.total() > limit {
            return Err(TableError::Oversize { total: sums.total(), size: limit });
        }
        Ok(sums)
    }
}

impl Default for Sizes {
    fn default() -> Self {
        Self::Each(Vec::new())
    }
}

/// Positions of chunks, as bytes of the object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ChunkOffsets {
    /// A plain list.
    Each(Vec<u64>),
    /// Packed.
    Packed(Packed),
}

impl Default for ChunkOffsets {
    fn default() -> Self {
        Self::Each(Vec::new())
    }
}

impl From<Vec<u64>> for ChunkOffsets {
    fn from(offsets: Vec<u64>) -> Self {
        Self::Each(offsets)
    }
}

impl ChunkOffsets {
    /// Number of chunks.
    #[must_use]
    pub fn count(&self) -> u64 {
        match self {
            Self::Each(offsets) => u64_from_usize(offsets.len()),
            Self::Packed(offsets) => offsets.len(),
        }
    }

    fn push(&mut self, offset: u64) {
        if let Self::Packed(offsets) = self {
            *self = Self::Each(offsets.values(0).collect());
        }
        if let Self::Each(offsets) = self {
            offsets.push(offset);
        }
    }

    fn packed(self) -> Packed {
        match self {
            Self::Each(offsets) => Packer::of_slice(&offsets, |offset| *offset),
            Self::Packed(offsets) => offsets,
        }
    }
}

/// Runs of samples with the same composition offset: (sample_count, sample_offset).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OffsetRuns {
    /// A plain list.
    Each(Vec<(u32, i32)>),
    /// The entries of `ctts` as stored: two big-endian 32-bit numbers each.
    Stored(Bytes),
    /// The runs of a `ctts` that is not empty, packed.
    Packed(PackedOffsets),
}

impl Default for OffsetRuns {
    fn default() -> Self {
        Self::Each(Vec::new())
    }
}

impl OffsetRuns {
    /// All runs.
    pub fn iter(&self) -> impl Iterator<Item = (u32, i32)> + Clone + '_ {
        let (each, stored, packed) = match self {
            Self::Each(runs) => (runs.as_slice(), &[][..], None),
            Self::Stored(runs) => (&[][..], runs.as_chunks::<8>().0, None),
            Self::Packed(runs) => (&[][..], &[][..], Some(runs)),
        };
        let packed = packed.into_iter().flat_map(PackedOffsets::runs);
        each.iter().copied().chain(stored.iter().copied().map(Self::stored)).chain(packed)
    }

    /// The greatest offset; 0 if all are negative.
    #[must_use]
    pub fn greatest(&self) -> i32 {
        match self {
            Self::Each(_) | Self::Stored(_) => self.iter().map(|(_, offset)| offset).fold(0, i32::max),
            Self::Packed(runs) => runs.greatest().max(0),
        }
    }

    /// Number of samples with an offset; `None` if there are no runs.
    pub(super) fn count(&self) -> Option<u64> {
        match self {
            Self::Each(_) | Self::Stored(_) => {
                (!self.is_empty()).then(|| self.iter().map(|(count, _)| u64::from(count)).sum())
            }
            Self::Packed(runs) => Some(runs.count()),
        }
    }

    /// Reads a stored run. Offsets above `i32::MAX` are negative even in version 0: many files mean them so, and all
    /// readers read them so.
    pub(super) const fn stored([a, b, c, d, offset @ ..]: [u8; 8]) -> (u32, i32) {
        (u32::from_be_bytes([a, b, c, d]), i32::from_be_bytes(offset))
    }

    /// Whether there are no runs.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.iter().next().is_none()
    }

    fn push(&mut self, offset: i32) {
        if let Self::Stored(_) | Self::Packed(_) = self {
            *self = Self::Each(self.iter().collect());
        }
        if let Self::Each(runs) = self {
            push_run(runs, offset);
        }
    }
}

/// Numbers of samples in the tables. They may differ where that does no harm; lint reports it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Totals {
    /// Samples with a size; this is the number of samples in the track.
    pub sized: u64,
    /// Samples with a duration. If there are too few, the last duration repeats; surplus ones are ignored.
    pub timed: u64,
    /// Samples with a composition offset; `None` without `ctts`. If there are too few, the rest are 0; surplus ones are
    /// ignored.
    pub composed: Option<u64>,
    /// Samples in chunks; never fewer than `sized`.
    pub placed: u64,
}

impl IndexBuilder {
    /// Appends a run of one sample to `durations`, merging equal neighbours.
    pub fn push_duration(&mut self, duration: u32) {
        push_run(&mut self.durations, duration);
    }

    /// Appends a run of one sample to `offsets`, merging equal neighbours.
    pub fn push_offset(&mut self, offset: i32) {
        self.offsets.push(offset);
    }

    /// Appends a chunk of `samples` samples at `position`, merging equal neighbours into one `stsc` run.
    pub fn push_chunk(&mut self, position: u64, samples: u32) {
        self.chunk_offsets.push(position);
        if self.chunk_runs.last().is_none_or(|(_, last)| *last != samples) {
            let chunks = u32::try_from(self.chunk_offsets.count()).unwrap_or(u32::MAX);
            self.chunk_runs.push((chunks, samples));
        }
    }

    /// Checks every table against the others and against `size`, the size of the object in bytes; builds the index.
    pub fn build(self, size: u64) -> Result<SampleIndex, TableError> {
        let len = self.count()?;
        let totals = self.totals(len);
        let chunk_samples = chunk_samples(&self.chunk_runs, self.chunk_offsets.count(), len)?;
        if chunk_samples.total() < u64::from(len) {
            return Err(TableError::Unplaced { placed: chunk_samples.total(), samples: u64::from(len) });
        }
        let sizes = self.sizes.packed(size)?;
        let chunk_offsets = self.chunk_offsets.packed();
        check_chunks(&chunk_offsets, &chunk_samples, &sizes, size)?;
        let durations = expand_durations(&self.durations, len).ok_or(TableError::Time)?;
        let (span, bytes) = (durations.total(), sizes.total());
        check_times(self.first_decode_time, span)?;
        let (offsets, packed) = Offsets::new(self.offsets, len);
        let tables = SampleTables { durations, offsets: packed, sizes, chunk_samples, chunk_offsets };
        Ok(SampleIndex {
            len,
            first_decode_time: self.first_decode_time,
            span,
            bytes,
            offsets,
            sync: Sync::new(self.sync, len)?,
            totals,
            sections: Sections::whole(Section::whole(len, tables)),
        })
    }

    fn count(&self) -> Result<u32, TableError> {
        let samples = self.sizes.count();
        match u32::try_from(samples) {
            Ok(0) => Err(TableError::Empty),
            Ok(len) if len <= SAMPLE_LIMIT => Ok(len),
            _ => Err(TableError::TooMany { samples }),
        }
    }

    fn totals(&self, len: u32) -> Totals {
        let chunks = self.chunk_offsets.count();
        let ends = self.chunk_runs.iter().skip(1).map(|(first, _)| u64::from(*first)).chain([chunks + 1]);
        let placed = self.chunk_runs.iter().zip(ends);
        Totals {
            sized: u64::from(len),
            timed: self.durations.iter().map(|(count, _)| u64::from(*count)).sum(),
            composed: self.offsets.count(),
            placed: placed.fold(0, |sum: u64, ((first, samples), end)| {
                let chunks = end.saturating_sub(u64::from(*first));
                sum.saturating_add(chunks.saturating_mul(u64::from(*samples)))
            }),
        }
    }
}

fn push_run<T: PartialEq>(runs: &mut Vec<(u32, T)>, value: T) {
    match runs.last_mut() {
        Some((count, last)) if *last == value && *count < u32::MAX => *count += 1,
        _ => runs.push((1, value)),
    }
}

/// Number of samples in each chunk, up to `len` samples in all; chunks behind these have 0.
fn chunk_samples(runs: &[(u32, u32)], chunks: u64, len: u32) -> Result<PrefixSums, TableError> {
    let mut next = 1_u64;
    for (entry, (first_chunk, _)) in (0_u64..).zip(runs) {
        let expected = if entry == 0 { *first_chunk == 1 } else { u64::from(*first_chunk) >= next };
        if !expected {
            return Err(TableError::ChunkRun { entry, first_chunk: *first_chunk });
        }
        next = u64::from(*first_chunk) + 1;
    }
    let ends = runs.iter().skip(1).map(|(first, _)| u64::from(*first) - 1).chain([chunks]);
    let mut left = u64::from(len);
    // Each run gives full chunks, at most one chunk that is cut short, and empty chunks.
    let counts = runs.iter().zip(ends).flat_map(|((first, samples), end)| {
        let from = (u64::from(*first) - 1).min(chunks);
        let (chunks, samples) = (end.min(chunks) - from, u64::from(*samples));
        let full = left.checked_div(samples).unwrap_or(chunks).min(chunks);
        left -= full * samples;
        let cut = u64::from(full < chunks);
        let taken = left * cut;
        left -= taken;
        [(full, samples), (cut, taken), (chunks - full - cut, 0)]
    });
    Ok(PrefixSums::from_runs(counts).expect("the sum is at most `len`"))
}

/// Checks that all decode times are below 2^62 ticks.
pub(super) fn check_times(first: u64, span: u64) -> Result<(), TableError> {
    first.checked_add(span).filter(|end| *end < 1 << 62).map(drop).ok_or(TableError::Time)
}

/// Checks that every chunk lies in the object. Most blocks of chunks pass by an upper bound: they would lie in it even
/// if all their samples were as large as the largest.
pub(super) fn check_chunks(
    offsets: &Packed,
    samples: &PrefixSums,
    sizes: &PrefixSums,
    size: u64,
) -> Result<(), TableError> {
    let greatest = sizes.ceiling(0, sizes.len());
    let chunks = ChunkTables { offsets, samples, sizes };
    let block = u64_from_usize(BLOCK);
    let mut from = 0;
    while from < offsets.len() {
        let to = offsets.len().min(from + block);
        let most = samples.ceiling(from, to).saturating_mul(greatest);
        if offsets.ceiling(from, to).saturating_add(most) > size {
            chunks.check(from..to, size)?;
        }
        from = to;
    }
    Ok(())
}

/// Tables that give the byte range of each chunk.
#[derive(Clone, Copy)]
struct ChunkTables<'a> {
    offsets: &'a Packed,
    samples: &'a PrefixSums,
    sizes: &'a PrefixSums,
}

impl ChunkTables<'_> {
    /// Checks that each of `chunks` lies in an object of `size` bytes, one by one.
    fn check(self, chunks: Range<u64>, size: u64) -> Result<(), TableError> {
        let Self { offsets, samples, sizes } = self;
        let mut before = sizes.before(samples.before(chunks.start));
        for chunk in chunks {
            let end = sizes.before(samples.before(chunk + 1));
            let (bytes, position) = (end - before, offsets.get(chunk).unwrap_or(0));
            let end_of_chunk = position.saturating_add(bytes);
            if bytes > 0 && end_of_chunk > size {
                return Err(TableError::Outside { chunk, end: end_of_chunk, size });
            }
            before = end;
        }
        Ok(())
    }
}

/// One duration per sample; the last duration repeats if the table is too short.
fn expand_durations(runs: &[(u32, u32)], len: u32) -> Option<PrefixSums> {
    let last = runs.last().map_or(0, |(_, delta)| *delta);
    let mut left = len;
    let padded = runs.iter().copied().chain([(u32::MAX, last)]).map(|(count, delta)| {
        let taken = count.min(left);
        left -= taken;
        (u64::from(taken), u64::from(delta))
    });
    PrefixSums::from_runs(padded)
}
