//! Where a track's samples are: in bytes, in decode and composition time; and which are sync samples.
//!
//! All sample tables (ISO/IEC 14496-12 §8.6, §8.7), or all movie fragments (§8.8), go into an
//! [`IndexBuilder`](super::IndexBuilder); what comes out has been checked once, as a whole. After that every look-up
//! succeeds, costs O(log n) at most, and takes about 5 bytes of memory a sample.

use super::num::i64_from_u64;
use super::offsets::Offsets;
use super::packed::{Packed, Sums};
use super::range::ByteRange;
use super::sync::Sync;
use super::tables::Totals;
use super::time::{Span, Ticks};
use std::ops::Range;

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

/// Where a sample stands.
#[derive(Debug, Clone, Copy)]
struct Placed {
    number: u32,
    position: u64,
    size: u32,
}

/// A number that a table of 32-bit numbers holds; 0 past its end.
#[inline]
fn narrow(value: Option<u64>) -> u32 {
    value.and_then(|value| u32::try_from(value).ok()).unwrap_or(0)
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

/// Where a track's samples are. Valid by construction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SampleIndex {
    pub(super) len: u32,
    pub(super) first_decode_time: u64,
    pub(super) durations: Sums,
    pub(super) offsets: Offsets,
    pub(super) sizes: Sums,
    pub(super) chunk_samples: Sums,
    pub(super) chunk_offsets: Packed,
    pub(super) sync: Sync,
    pub(super) totals: Totals,
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
        self.offsets.least()
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
        self.sync.has(number, self.len)
    }

    /// How many sync samples there are.
    #[must_use]
    pub fn sync_count(&self) -> u32 {
        self.sync.count(self.len)
    }

    /// The sample number of the sync sample at `position` among all sync samples.
    #[must_use]
    pub fn sync_sample(&self, position: u32) -> Option<u32> {
        self.sync.at(position, self.len)
    }

    /// How many sync samples stand before sample `number`.
    #[must_use]
    pub fn sync_before(&self, number: u32) -> u32 {
        self.sync.before(number, self.len)
    }

    /// The first sample whose decode time is at or after `at`; `len` when there is none.
    #[must_use]
    pub fn first_decoded_at(&self, at: Ticks) -> u32 {
        let Some(since) = at.0.checked_sub_unsigned(self.first_decode_time).and_then(|since| u64::try_from(since).ok())
        else {
            return 0;
        };
        let Some(covering) = self.durations.find(since) else {
            // Samples of duration 0 at the end begin where everything ends.
            return if since == self.durations.total() { self.earliest_at(self.len, since) } else { self.len };
        };
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
    #[inline]
    pub fn samples(&self, range: Range<u32>) -> impl Iterator<Item = Sample> + '_ {
        let start = range.start;
        let mut decode_time = self.decode_time(start);
        let mut durations = self.durations.values(u64::from(start));
        let mut offsets = self.offsets.values(start);
        let mut syncs = self.sync.from(start);
        self.placed(range).map(move |Placed { number, position, size }| {
            let (offset, duration) = (offsets.take_next(), narrow(durations.next()));
            let sample = Sample { number, decode_time, offset, duration, position, size, sync: syncs.has(number) };
            decode_time.0 += i64::from(duration);
            sample
        })
    }

    /// Where the samples of `range` stand, in decode order: a run of samples that touch is one range.
    pub fn ranges(&self, range: Range<u32>) -> impl Iterator<Item = ByteRange> + '_ {
        let mut placed = self.placed(range);
        let mut open: Option<ByteRange> = None;
        std::iter::from_fn(move || {
            for sample in placed.by_ref() {
                let Some(next) = ByteRange::new(sample.position, u64::from(sample.size)) else { continue };
                match open.map(|open| open.joined(next).ok_or(open)) {
                    Some(Ok(joined)) => open = Some(joined),
                    Some(Err(done)) => {
                        open = Some(next);
                        return Some(done);
                    }
                    None => open = Some(next),
                }
            }
            open.take()
        })
    }

    /// Where each sample of `range` stands.
    fn placed(&self, range: Range<u32>) -> impl Iterator<Item = Placed> + '_ {
        let end = range.end.min(self.len);
        let mut chunk = self.chunk_of(range.start);
        let skipped = chunk.map_or(0, |(_, chunk)| self.bytes_of(chunk.first..range.start));
        let mut position = chunk.map_or(0, |(_, chunk)| chunk.position + skipped);
        let mut sizes = self.sizes.values(u64::from(range.start));
        (range.start..end).map(move |number| {
            while let Some((at, here)) = chunk.filter(|(_, chunk)| number >= chunk.first + chunk.samples) {
                chunk = self.chunk_behind(at, here);
                position = chunk.map_or(0, |(_, chunk)| chunk.position);
            }
            let size = narrow(sizes.next());
            let placed = Placed { number, position, size };
            position += u64::from(size);
            placed
        })
    }

    /// The composition times of the samples of `range`, in decode order.
    pub fn composition_times(&self, range: Range<u32>) -> impl Iterator<Item = Ticks> + '_ {
        let mut decode_time = self.decode_time(range.start).0;
        let mut durations = self.durations.values(u64::from(range.start));
        let mut offsets = self.offsets.values(range.start);
        (range.start..range.end.min(self.len)).map(move |_| {
            let composition_time = decode_time + i64::from(offsets.take_next());
            decode_time += i64::from(narrow(durations.next()));
            Ticks(composition_time)
        })
    }

    /// The least composition time of the samples of `range`; `None` when it is empty.
    ///
    /// Decode times ascend, so the walk ends where none that follows can be less: after a few samples, mostly.
    #[must_use]
    pub fn least_composition_time(&self, range: Range<u32>) -> Option<Ticks> {
        let least_offset = i64::from(self.least_offset());
        let mut decode_time = self.decode_time(range.start).0;
        let mut durations = self.durations.values(u64::from(range.start));
        let mut offsets = self.offsets.values(range.start);
        let mut least: Option<i64> = None;
        for _ in range.start..range.end.min(self.len) {
            if least.is_some_and(|least| decode_time + least_offset >= least) {
                break;
            }
            let composition_time = decode_time + i64::from(offsets.take_next());
            least = Some(least.map_or(composition_time, |least| least.min(composition_time)));
            decode_time += i64::from(narrow(durations.next()));
        }
        least.map(Ticks)
    }

    /// The size of sample `number`, which must exist, in bytes.
    #[must_use]
    pub fn size(&self, number: u32) -> u32 {
        self.sizes.get(u64::from(number)).and_then(|size| u32::try_from(size).ok()).unwrap_or(0)
    }

    /// Shows `visit` the sizes of the samples of `range`, in decode order: the cheapest way to see all.
    pub fn each_size(&self, range: Range<u32>, mut visit: impl FnMut(u32)) {
        self.sizes.each(u64::from(range.start), u64::from(range.end), |size| visit(narrow(Some(size))));
    }

    /// A size that no sample of `range` exceeds, in bytes; may be a little more than the largest.
    #[must_use]
    pub fn greatest_size(&self, range: Range<u32>) -> u32 {
        u32::try_from(self.sizes.ceiling(u64::from(range.start), u64::from(range.end))).unwrap_or(u32::MAX)
    }

    /// A duration that no sample of `range` exceeds; may be a little more than the longest.
    #[must_use]
    pub fn longest_duration(&self, range: Range<u32>) -> u32 {
        u32::try_from(self.durations.ceiling(u64::from(range.start), u64::from(range.end))).unwrap_or(u32::MAX)
    }

    /// Bytes of memory this takes, its own header aside.
    #[must_use]
    pub fn heap_bytes(&self) -> usize {
        let sums = [&self.durations, &self.sizes, &self.chunk_samples].map(Sums::heap_bytes);
        let tables = self.chunk_offsets.heap_bytes() + self.offsets.heap_bytes() + self.sync.heap_bytes();
        sums.iter().sum::<usize>() + tables
    }

    /// The chunk behind `chunk`, which is number `at`.
    fn chunk_behind(&self, at: u64, chunk: Chunk) -> Option<(u64, Chunk)> {
        let next = at + 1;
        let (samples, position) = (narrow(Some(self.chunk_samples.get(next)?)), self.chunk_offsets.get(next)?);
        Some((next, Chunk { position, first: chunk.first + chunk.samples, samples }))
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
#[allow(clippy::as_conversions, clippy::cast_possible_truncation, reason = "a test's numbers are small")]
mod tests {
    use crate::media::{Flaw, IndexBuilder, OffsetRuns, Sample, Sizes, Ticks};
    use proptest::prelude::{any, prop, prop_assert_eq, proptest};

    fn five() -> IndexBuilder {
        IndexBuilder {
            durations: vec![(5, 10)],
            offsets: OffsetRuns::Each(vec![(1, 20), (1, 50), (1, 20), (1, 0), (1, 10)]),
            sizes: Sizes::Each(vec![100, 10, 10, 10, 10]),
            chunk_offsets: vec![1_000, 40].into(),
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
        assert_eq!(refused(|b| b.chunk_offsets = vec![1_000].into()), Flaw::Unplaced { placed: 3, samples: 5 });
        assert_eq!(refused(|b| b.chunk_runs = vec![(2, 3)]), Flaw::ChunkRun { entry: 0, first_chunk: 2 });
        assert_eq!(refused(|b| b.chunk_runs = vec![(1, 3), (1, 9)]), Flaw::ChunkRun { entry: 1, first_chunk: 1 });
        assert_eq!(
            refused(|b| b.chunk_offsets = vec![1_900, 0].into()),
            Flaw::Outside { chunk: 0, end: 2_020, size: 2_000 }
        );
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

    #[test]
    fn a_last_sample_of_duration_0_is_found_at_the_end() {
        let index = IndexBuilder { durations: vec![(3, 7), (2, 0)], ..five() }.build(2_000).unwrap();
        assert_eq!([14, 15, 21, 22].map(|at| index.first_decoded_at(Ticks(at))), [2, 3, 3, 5]);
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
                for part in [0..sample.number, sample.number..index.len()] {
                    let within = walked.iter().filter(|s| part.contains(&s.number));
                    let least = within.map(Sample::composition_time).min();
                    prop_assert_eq!(index.least_composition_time(part), least);
                }
            }
            let expected = walked.iter().position(|s| s.decode_time.0 >= at).unwrap_or(table.len());
            prop_assert_eq!(index.first_decoded_at(Ticks(at)), expected as u32);
        }
    }
}
