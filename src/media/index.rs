//! Where a track's samples are: in bytes, in decode and composition time; and which are sync samples.
//!
//! All sample tables (ISO/IEC 14496-12 §8.6, §8.7), or all movie fragments (§8.8), go into an [`IndexBuilder`];
//! what comes out has been checked once, as a whole: every table speaks of the same samples, every byte lies in
//! the object. After that every look-up succeeds, costs O(log n) at most, and takes about 5 bytes of memory a sample.

use super::num::{i64_from_u64, u32_from_usize, u64_from_usize, usize_from_u32};
use super::packed::{Packed, Sums};
use super::range::ByteRange;
use super::time::{Span, Ticks};
use std::ops::Range;

/// Samples of a track that are indexed at most: 8 days of AAC, 6 of video at 60 Hz. More is refused.
pub const SAMPLE_LIMIT: u32 = 1 << 25;

/// What is wrong with a set of sample tables.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Flaw {
    /// The track has no samples.
    #[error("the track has no samples")]
    Empty,
    /// More samples than are indexed.
    #[error("`stsz` counts {samples} samples; at most {SAMPLE_LIMIT} are served")]
    TooMany {
        /// What it counts.
        samples: u64,
    },
    /// The chunks hold fewer samples than there are sizes.
    #[error("`stsc` and `stco` place {placed} samples, `stsz` counts {samples}")]
    Unplaced {
        /// Samples that some chunk holds.
        placed: u64,
        /// Samples that have a size.
        samples: u64,
    },
    /// `stsc` is not a table of chunk runs.
    #[error(
        "`stsc` entry {entry} begins at chunk {first_chunk}; the first must begin at 1, each later one behind its predecessor"
    )]
    ChunkRun {
        /// Which entry, from 0.
        entry: u64,
        /// What it says.
        first_chunk: u32,
    },
    /// A chunk lies outside the object.
    #[error("chunk {chunk} needs bytes up to {end}, the object ends at {size}")]
    Outside {
        /// Which chunk, from 0.
        chunk: u64,
        /// One past its last byte.
        end: u64,
        /// The object's size.
        size: u64,
    },
    /// The samples together are larger than the object.
    #[error("the samples take {total} bytes, the object has {size}")]
    Oversize {
        /// The sum of all sample sizes.
        total: u64,
        /// The object's size.
        size: u64,
    },
    /// A sync sample that does not exist.
    #[error("`stss` names sample {sample}, the track has {samples}")]
    Sync {
        /// Its number, from 1.
        sample: u32,
        /// How many there are.
        samples: u32,
    },
    /// Times that do not fit.
    #[error("decode times exceed 2^62 ticks")]
    Time,
}

/// Collects sample tables as files hold them, run by run. Memory is bounded by the bytes they came from.
#[derive(Debug, Clone, Default)]
pub struct IndexBuilder {
    /// Decode time of the first sample: 0, or the first `tfdt` of a fragmented file.
    pub first_decode_time: u64,
    /// `stts`: (sample_count, sample_delta).
    pub durations: Vec<(u32, u32)>,
    /// `ctts`: (sample_count, sample_offset); empty where all offsets are zero.
    pub offsets: Vec<(u32, i32)>,
    /// `stsz` or `stz2`.
    pub sizes: Sizes,
    /// `stco` or `co64`.
    pub chunk_offsets: Vec<u64>,
    /// `stsc`: (first_chunk, samples_per_chunk), chunks counted from 1.
    pub chunk_runs: Vec<(u32, u32)>,
    /// `stss`: sample numbers from 1; `None` where the box is missing and every sample is a sync sample.
    pub sync: Option<Vec<u32>>,
}

/// Sample sizes as `stsz` writes them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Sizes {
    /// All samples have one size.
    Same {
        /// That size, in bytes.
        size: u32,
        /// How many samples.
        count: u32,
    },
    /// A size per sample.
    Each(Vec<u32>),
}

impl Default for Sizes {
    fn default() -> Self {
        Self::Each(Vec::new())
    }
}

/// What the tables count; they may differ where that does no harm, and lint says so.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Totals {
    /// Samples with a size: the truth.
    pub sized: u64,
    /// Samples with a duration. Too few: the last one's repeats. Too many: ignored.
    pub timed: u64,
    /// Samples with a composition offset, `None` without `ctts`. Too few: the rest are 0. Too many: ignored.
    pub composed: Option<u64>,
    /// Samples that a chunk holds; never too few.
    pub placed: u64,
}

/// Which samples can be decoded alone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Sync {
    /// Every sample.
    All,
    /// These, ascending, counted from 0; the first sample counts even where a file names none.
    Some(Vec<u32>),
}

/// Where a track's samples are. Valid by construction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SampleIndex {
    len: u32,
    first_decode_time: u64,
    durations: Sums,
    offsets: Offsets,
    sizes: Sums,
    chunk_samples: Sums,
    chunk_offsets: Packed,
    sync: Sync,
    totals: Totals,
}

/// Composition offsets: none, a few distinct values, or any.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Offsets {
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

/// One sample.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sample {
    /// Its position in the track, from 0.
    pub number: u32,
    /// Its decode time on the media timeline.
    pub decode_time: Ticks,
    /// Its composition offset: decode time plus this is composition time.
    pub offset: i32,
    /// Its duration in decode time.
    pub duration: u32,
    /// Where its bytes begin.
    pub position: u64,
    /// How many bytes.
    pub size: u32,
    /// Whether it is a sync sample.
    pub sync: bool,
}

impl Sample {
    /// Its bytes; `None` for an empty sample.
    #[must_use]
    pub fn range(&self) -> Option<ByteRange> {
        ByteRange::new(self.position, u64::from(self.size))
    }

    /// Its composition time on the media timeline.
    #[must_use]
    pub fn composition_time(&self) -> Ticks {
        Ticks(self.decode_time.0 + i64::from(self.offset))
    }
}

/// A contiguous run of samples in the object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Chunk {
    /// Where its bytes begin.
    pub position: u64,
    /// Its first sample, from 0.
    pub first: u32,
    /// How many samples.
    pub samples: u32,
}

impl IndexBuilder {
    /// Appends a run of one sample to `durations`, merging equal neighbours.
    pub fn push_duration(&mut self, duration: u32) {
        push_run(&mut self.durations, duration);
    }

    /// Appends a run of one sample to `offsets`, merging equal neighbours.
    pub fn push_offset(&mut self, offset: i32) {
        push_run(&mut self.offsets, offset);
    }

    /// Appends a chunk of `samples` samples at `position`, merging equal neighbours into one `stsc` run.
    pub fn push_chunk(&mut self, position: u64, samples: u32) {
        self.chunk_offsets.push(position);
        if self.chunk_runs.last().is_none_or(|(_, last)| *last != samples) {
            self.chunk_runs.push((u32_from_usize(self.chunk_offsets.len()), samples));
        }
    }

    /// Checks every table against the others and against the object's `size` in bytes.
    pub fn build(self, size: u64) -> Result<SampleIndex, Flaw> {
        let len = self.count()?;
        let totals = self.totals(len);
        let chunk_samples = chunk_samples(&self.chunk_runs, u64_from_usize(self.chunk_offsets.len()), len)?;
        if chunk_samples.total() < u64::from(len) {
            return Err(Flaw::Unplaced { placed: chunk_samples.total(), samples: u64::from(len) });
        }
        let sizes = match self.sizes {
            Sizes::Same { size, count } => Sums::new(std::iter::repeat_n(u64::from(size), usize_from_u32(count))),
            Sizes::Each(sizes) => Sums::new(sizes.into_iter().map(u64::from)),
        };
        let sizes = sizes.ok_or(Flaw::Oversize { total: u64::MAX, size })?;
        if sizes.total() > size {
            return Err(Flaw::Oversize { total: sizes.total(), size });
        }
        check_chunks(&self.chunk_offsets, &chunk_samples, &sizes, size)?;
        let index = SampleIndex {
            len,
            first_decode_time: self.first_decode_time,
            durations: expand_durations(&self.durations, len).ok_or(Flaw::Time)?,
            offsets: Offsets::new(&self.offsets, len),
            sizes,
            chunk_samples,
            chunk_offsets: self.chunk_offsets.into_iter().collect(),
            sync: Sync::new(self.sync, len)?,
            totals,
        };
        let end = index.first_decode_time.checked_add(index.durations.total());
        end.filter(|end| *end < 1 << 62).map(|_| index).ok_or(Flaw::Time)
    }

    fn count(&self) -> Result<u32, Flaw> {
        let samples = match &self.sizes {
            Sizes::Same { count, .. } => u64::from(*count),
            Sizes::Each(sizes) => u64_from_usize(sizes.len()),
        };
        match u32::try_from(samples) {
            Ok(0) => Err(Flaw::Empty),
            Ok(len) if len <= SAMPLE_LIMIT => Ok(len),
            _ => Err(Flaw::TooMany { samples }),
        }
    }

    fn totals(&self, len: u32) -> Totals {
        let chunks = u64_from_usize(self.chunk_offsets.len());
        let ends = self.chunk_runs.iter().skip(1).map(|(first, _)| u64::from(*first)).chain([chunks + 1]);
        let placed = self.chunk_runs.iter().zip(ends);
        Totals {
            sized: u64::from(len),
            timed: self.durations.iter().map(|(count, _)| u64::from(*count)).sum(),
            composed: (!self.offsets.is_empty()).then(|| self.offsets.iter().map(|(count, _)| u64::from(*count)).sum()),
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

/// Samples per chunk, cut off where `len` samples are placed; chunks without samples at the end stay, empty.
fn chunk_samples(runs: &[(u32, u32)], chunks: u64, len: u32) -> Result<Sums, Flaw> {
    let mut next = 1_u64;
    for (entry, (first_chunk, _)) in (0_u64..).zip(runs) {
        let expected = if entry == 0 { *first_chunk == 1 } else { u64::from(*first_chunk) >= next };
        if !expected {
            return Err(Flaw::ChunkRun { entry, first_chunk: *first_chunk });
        }
        next = u64::from(*first_chunk) + 1;
    }
    let ends = runs.iter().skip(1).map(|(first, _)| u64::from(*first) - 1).chain([chunks]);
    let counts = runs.iter().zip(ends).flat_map(|((first, samples), end)| {
        let from = (u64::from(*first) - 1).min(chunks);
        (from..end.min(chunks)).map(|_| u64::from(*samples))
    });
    let mut left = u64::from(len);
    let counts = counts.map(|samples| {
        let taken = samples.min(left);
        left -= taken;
        taken
    });
    Ok(Sums::new(counts).expect("the sum is at most `len`"))
}

fn check_chunks(offsets: &[u64], samples: &Sums, sizes: &Sums, size: u64) -> Result<(), Flaw> {
    let (mut first, mut before) = (0_u64, 0_u64);
    for (chunk, position) in (0_u64..).zip(offsets) {
        first += samples.get(chunk).unwrap_or(0);
        let through = sizes.before(first);
        let bytes = through - before;
        before = through;
        let end = position.saturating_add(bytes);
        if bytes > 0 && end > size {
            return Err(Flaw::Outside { chunk, end, size });
        }
    }
    Ok(())
}

/// One duration per sample; the last run's repeats where the table is short.
fn expand_durations(runs: &[(u32, u32)], len: u32) -> Option<Sums> {
    let last = runs.last().map_or(0, |(_, delta)| *delta);
    let each = runs.iter().flat_map(|(count, delta)| std::iter::repeat_n(*delta, usize_from_u32(*count)));
    let padded = each.chain(std::iter::repeat(last)).take(usize_from_u32(len));
    Sums::new(padded.map(u64::from))
}

impl Offsets {
    fn new(runs: &[(u32, i32)], len: u32) -> Self {
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

    fn get(&self, at: u32) -> i32 {
        match self {
            Self::Zero => 0,
            Self::Dictionary { values, codes, .. } => {
                let code = codes.get(u64::from(at)).map(super::num::usize_from_u64);
                code.and_then(|code| values.get(code)).copied().unwrap_or(0)
            }
            Self::Direct { distances, least } => {
                let distance = distances.get(u64::from(at)).and_then(|distance| u32::try_from(distance).ok());
                distance.map_or(0, |distance| least.saturating_add_unsigned(distance))
            }
        }
    }
}

impl Sync {
    fn new(numbers: Option<Vec<u32>>, len: u32) -> Result<Self, Flaw> {
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
        numbers.iter_mut().for_each(|number| *number -= 1);
        numbers.shrink_to_fit();
        Ok(Self::Some(numbers))
    }
}

impl SampleIndex {
    /// How many samples; at least 1.
    #[expect(clippy::len_without_is_empty, reason = "a track without samples has no index")]
    #[must_use]
    pub const fn len(&self) -> u32 {
        self.len
    }

    /// What the tables count.
    #[must_use]
    pub const fn totals(&self) -> Totals {
        self.totals
    }

    /// The sum of all sample sizes, in bytes.
    #[must_use]
    pub const fn bytes(&self) -> u64 {
        self.sizes.total()
    }

    /// The bytes of samples `range`, their sizes added up.
    #[must_use]
    pub fn bytes_of(&self, range: Range<u32>) -> u64 {
        self.sizes.before(u64::from(range.end)).saturating_sub(self.sizes.before(u64::from(range.start)))
    }

    /// The decode time of sample `number`; of the end of the media for `len` and more.
    #[must_use]
    pub fn decode_time(&self, number: u32) -> Ticks {
        Ticks(i64_from_u64(self.first_decode_time + self.durations.before(u64::from(number))))
    }

    /// The composition time of sample `number`, which must exist.
    #[must_use]
    pub fn composition_time(&self, number: u32) -> Ticks {
        Ticks(self.decode_time(number).0 + i64::from(self.offsets.get(number)))
    }

    /// The composition offset of sample `number`, which must exist.
    #[must_use]
    pub fn composition_offset(&self, number: u32) -> i32 {
        self.offsets.get(number)
    }

    /// The least composition offset of all samples; 0 without `ctts`.
    #[must_use]
    pub const fn least_offset(&self) -> i32 {
        match &self.offsets {
            Offsets::Zero => 0,
            Offsets::Dictionary { least, .. } | Offsets::Direct { least, .. } => *least,
        }
    }

    /// Whether composition order can differ from decode order.
    #[must_use]
    pub const fn reorders(&self) -> bool {
        !matches!(self.offsets, Offsets::Zero)
    }

    /// The duration of sample `number`, which must exist.
    #[must_use]
    pub fn duration(&self, number: u32) -> u32 {
        self.durations.get(u64::from(number)).and_then(|ticks| u32::try_from(ticks).ok()).unwrap_or(0)
    }

    /// The sum of all durations.
    #[must_use]
    pub const fn span(&self) -> Span {
        Span(self.durations.total())
    }

    /// The one duration of all samples in `range`; `None` when they differ.
    #[must_use]
    pub fn constant_duration(&self, range: Range<u32>) -> Option<u32> {
        let constant = self.durations.constant(u64::from(range.start), u64::from(range.end));
        constant.and_then(|ticks| u32::try_from(ticks).ok())
    }

    /// Whether sample `number` is a sync sample.
    #[must_use]
    pub fn is_sync(&self, number: u32) -> bool {
        match &self.sync {
            Sync::All => number < self.len,
            Sync::Some(numbers) => numbers.binary_search(&number).is_ok(),
        }
    }

    /// How many sync samples there are.
    #[must_use]
    pub fn sync_count(&self) -> u32 {
        match &self.sync {
            Sync::All => self.len,
            Sync::Some(numbers) => u32_from_usize(numbers.len()),
        }
    }

    /// The sample number of the sync sample at `position` among all sync samples.
    #[must_use]
    pub fn sync_sample(&self, position: u32) -> Option<u32> {
        match &self.sync {
            Sync::All => (position < self.len).then_some(position),
            Sync::Some(numbers) => numbers.get(usize_from_u32(position)).copied(),
        }
    }

    /// How many sync samples stand before sample `number`.
    #[must_use]
    pub fn sync_before(&self, number: u32) -> u32 {
        match &self.sync {
            Sync::All => number.min(self.len),
            Sync::Some(numbers) => u32_from_usize(numbers.partition_point(|sync| *sync < number)),
        }
    }

    /// The first sample whose decode time is at or after `at`; `len` when there is none.
    #[must_use]
    pub fn first_decoded_at(&self, at: Ticks) -> u32 {
        let Some(since) = at.0.checked_sub_unsigned(self.first_decode_time).and_then(|since| u64::try_from(since).ok())
        else {
            return 0;
        };
        let Some(covering) = self.durations.find(since) else { return self.len };
        let number = u32::try_from(covering).unwrap_or(self.len);
        if self.durations.before(covering) == since { self.earliest_at(number, since) } else { number + 1 }
    }

    /// Samples of duration 0 share their decode time with the one that follows: the first of them.
    fn earliest_at(&self, number: u32, since: u64) -> u32 {
        let mut first = number;
        while let Some(previous) = first.checked_sub(1).filter(|at| self.durations.before(u64::from(*at)) == since) {
            first = previous;
        }
        first
    }

    /// The samples of `range` in decode order. O(log n) to begin, O(1) for each.
    pub fn samples(&self, range: Range<u32>) -> impl Iterator<Item = Sample> + '_ {
        let end = range.end.min(self.len);
        let mut decode_time = self.decode_time(range.start);
        let mut chunk = self.chunk_of(range.start);
        let skipped = chunk.map_or(0, |(_, chunk)| self.bytes_of(chunk.first..range.start));
        let mut position = chunk.map_or(0, |(_, chunk)| chunk.position + skipped);
        (range.start..end).map(move |number| {
            while let Some((at, _)) = chunk.filter(|(_, chunk)| number >= chunk.first + chunk.samples) {
                chunk = self.chunk(at + 1).map(|next| (at + 1, next));
                position = chunk.map_or(0, |(_, chunk)| chunk.position);
            }
            let size = self.size(number);
            let (offset, duration) = (self.offsets.get(number), self.duration(number));
            let sample = Sample { number, decode_time, offset, duration, position, size, sync: self.is_sync(number) };
            decode_time.0 += i64::from(duration);
            position += u64::from(size);
            sample
        })
    }

    /// The composition times of the samples of `range`, in decode order.
    pub fn composition_times(&self, range: Range<u32>) -> impl Iterator<Item = Ticks> + '_ {
        let mut decode_time = self.decode_time(range.start).0;
        (range.start..range.end.min(self.len)).map(move |number| {
            let composition_time = decode_time + i64::from(self.offsets.get(number));
            decode_time += i64::from(self.duration(number));
            Ticks(composition_time)
        })
    }

    /// The size of sample `number`, which must exist, in bytes.
    #[must_use]
    pub fn size(&self, number: u32) -> u32 {
        self.sizes.get(u64::from(number)).and_then(|size| u32::try_from(size).ok()).unwrap_or(0)
    }

    /// Bytes of memory this takes, its own header aside.
    #[must_use]
    pub fn heap_bytes(&self) -> usize {
        let offsets = match &self.offsets {
            Offsets::Zero => 0,
            Offsets::Dictionary { values, codes, .. } => values.capacity() * size_of::<i32>() + codes.heap_bytes(),
            Offsets::Direct { distances, .. } => distances.heap_bytes(),
        };
        let sync = match &self.sync {
            Sync::All => 0,
            Sync::Some(numbers) => numbers.capacity() * size_of::<u32>(),
        };
        let sums = [&self.durations, &self.sizes, &self.chunk_samples].map(Sums::heap_bytes);
        sums.iter().sum::<usize>() + self.chunk_offsets.heap_bytes() + offsets + sync
    }

    fn chunk(&self, at: u64) -> Option<Chunk> {
        let samples = u32::try_from(self.chunk_samples.get(at)?).ok()?;
        let first = u32::try_from(self.chunk_samples.before(at)).ok()?;
        Some(Chunk { position: self.chunk_offsets.get(at)?, first, samples })
    }

    fn chunk_of(&self, number: u32) -> Option<(u64, Chunk)> {
        let at = self.chunk_samples.find(u64::from(number))?;
        self.chunk(at).map(|chunk| (at, chunk))
    }
}

#[cfg(test)]
mod tests {
    use super::{Flaw, IndexBuilder, Sizes};
    use crate::media::Ticks;
    use proptest::prelude::{any, prop, prop_assert_eq, proptest};

    fn five() -> IndexBuilder {
        IndexBuilder {
            durations: vec![(5, 10)],
            offsets: vec![(1, 20), (1, 50), (1, 20), (1, 0), (1, 10)],
            sizes: Sizes::Each(vec![100, 10, 10, 10, 10]),
            chunk_offsets: vec![1_000, 40],
            chunk_runs: vec![(1, 3), (2, 2)],
            sync: Some(vec![1]),
            ..IndexBuilder::default()
        }
    }

    #[test]
    fn samples_are_found_in_chunks_in_any_order() {
        let index = five().build(2_000).unwrap();
        let found: Vec<_> =
            index.samples(0..5).map(|s| (s.position, s.size, s.decode_time.0, s.composition_time().0)).collect();
        let expected =
            [(1_000, 100, 0, 20), (1_100, 10, 10, 60), (1_110, 10, 20, 40), (40, 10, 30, 30), (50, 10, 40, 50)];
        assert_eq!(found, expected);
        assert_eq!(index.samples(4..5).next(), index.samples(0..5).nth(4));
    }

    #[test]
    fn tables_that_contradict_each_other_are_refused() {
        let refused = |change: fn(&mut IndexBuilder)| {
            let mut builder = five();
            change(&mut builder);
            builder.build(2_000).unwrap_err()
        };
        assert_eq!(refused(|b| b.chunk_offsets = vec![1_000]), Flaw::Unplaced { placed: 3, samples: 5 });
        assert_eq!(refused(|b| b.chunk_runs = vec![(2, 3)]), Flaw::ChunkRun { entry: 0, first_chunk: 2 });
        assert_eq!(refused(|b| b.chunk_runs = vec![(1, 3), (1, 9)]), Flaw::ChunkRun { entry: 1, first_chunk: 1 });
        assert_eq!(refused(|b| b.chunk_offsets = vec![1_900, 0]), Flaw::Outside { chunk: 0, end: 2_020, size: 2_000 });
        assert_eq!(refused(|b| b.sync = Some(vec![6])), Flaw::Sync { sample: 6, samples: 5 });
        assert_eq!(
            refused(|b| b.sizes = Sizes::Same { size: 500, count: 5 }),
            Flaw::Oversize { total: 2_500, size: 2_000 }
        );
        assert_eq!(refused(|b| b.sizes = Sizes::Each(vec![])), Flaw::Empty);
        assert_eq!(
            refused(|b| b.sizes = Sizes::Same { size: 0, count: u32::MAX }),
            Flaw::TooMany { samples: 4_294_967_295 }
        );
    }

    #[test]
    fn a_short_table_of_durations_repeats_its_last() {
        let index = IndexBuilder { durations: vec![(1, 7), (1, 9)], ..five() }.build(2_000).unwrap();
        assert_eq!(index.samples(0..5).map(|s| s.duration).collect::<Vec<_>>(), [7, 9, 9, 9, 9]);
        assert_eq!((index.totals().timed, index.totals().sized), (2, 5));
    }

    proptest! {
        #[test]
        fn look_ups_agree_with_walking(
            table in prop::collection::vec((0_u32..4, any::<i32>(), 0_u32..5_000), 1..400),
            per_chunk in 1_u32..9, at in 0_i64..1_500,
        ) {
            let mut builder = IndexBuilder { sync: Some(vec![]), ..IndexBuilder::default() };
            builder.sizes = Sizes::Each(table.iter().map(|row| row.2).collect());
            let mut position = 0;
            for part in table.chunks(per_chunk as usize) {
                builder.push_chunk(position, part.len() as u32);
                position += part.iter().map(|row| u64::from(row.2)).sum::<u64>() + 3;
            }
            for (duration, offset, _) in &table {
                builder.push_duration(*duration);
                builder.push_offset(*offset);
            }
            let index = builder.build(1 << 40).unwrap();
            let walked: Vec<_> = index.samples(0..index.len()).collect();
            let mut time = 0;
            for (sample, (duration, offset, size)) in walked.iter().zip(&table) {
                prop_assert_eq!((sample.duration, sample.offset, sample.size), (*duration, *offset, *size));
                prop_assert_eq!(sample.decode_time, Ticks(time));
                prop_assert_eq!(index.samples(sample.number..sample.number + 1).next(), Some(*sample));
                time += i64::from(*duration);
            }
            let expected = walked.iter().position(|s| s.decode_time.0 >= at).unwrap_or(table.len());
            prop_assert_eq!(index.first_decoded_at(Ticks(at)), expected as u32);
        }
    }
}
