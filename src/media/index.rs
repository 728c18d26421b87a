//! Sample index of a track: positions, sizes, decode times and composition times of its samples, and the sync samples.
//!
//! An [`IndexBuilder`](super::IndexBuilder) collects all sample tables (ISO/IEC 14496-12 §8.6, §8.7), or all movie
//! fragments (§8.8), and checks them once, as a whole. After that every lookup succeeds and costs O(log n) at most; the
//! index takes about 5 bytes of memory a sample.
//!
//! An index thawed from a frozen movie (`media/frozen.rs`) loads its sample tables section by section
//! (`media/section.rs`): before a caller reads samples, it must load those that are
//! [missing](super::Movie::missing). Facts that need no tables are available at once.

use super::num::{i64_from_u64, partition_point};
use super::offsets::Offsets;
use super::range::ByteRange;
use super::section::{SECTION, Sections, narrow};
use super::sync::Sync;
use super::tables::Totals;
use super::time::{Span, Ticks};
use std::ops::Range;

/// One sample.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sample {
    /// Number in the track, from 0.
    pub number: u32,
    /// Decode time on the media timeline.
    pub decode_time: Ticks,
    /// Composition offset: composition time minus decode time, in ticks.
    pub offset: i32,
    /// Duration in ticks: the decode time of the next sample minus its own.
    pub duration: u32,
    /// Byte of the object at which the sample begins.
    pub position: u64,
    /// Size in bytes.
    pub size: u32,
    /// Whether this is a sync sample.
    pub sync: bool,
}

impl Sample {
    /// Bytes of the object that hold the sample; `None` for an empty sample.
    #[must_use]
    pub fn range(&self) -> Option<ByteRange> {
        ByteRange::new(self.position, u64::from(self.size))
    }

    /// Composition time on the media timeline.
    #[must_use]
    pub fn composition_time(&self) -> Ticks {
        Ticks(self.decode_time.0 + i64::from(self.offset))
    }
}

/// Sample index of a track. Valid by construction.
#[derive(Debug, Clone)]
pub struct SampleIndex {
    pub(super) len: u32,
    pub(super) first_decode_time: u64,
    /// The sum of all durations.
    pub(super) span: u64,
    /// The sum of all sizes.
    pub(super) bytes: u64,
    /// Packing of the composition offsets.
    pub(super) offsets: Offsets,
    pub(super) sync: Sync,
    pub(super) totals: Totals,
    pub(super) sections: Sections,
}

impl PartialEq for SampleIndex {
    /// Compares all samples, whatever their sections; the tables of all sections must be loaded.
    fn eq(&self, other: &Self) -> bool {
        let facts = |index: &Self| (index.len, index.first_decode_time, index.totals, index.span, index.bytes);
        facts(self) == facts(other)
            && (&self.offsets, &self.sync) == (&other.offsets, &other.sync)
            && self.samples(0..self.len).eq(other.samples(0..other.len))
    }
}

impl Eq for SampleIndex {}

impl SampleIndex {
    /// Number of samples; at least 1.
    #[expect(clippy::len_without_is_empty, reason = "a track without samples has no index")]
    #[must_use]
    pub const fn len(&self) -> u32 {
        self.len
    }

    /// Numbers of samples in the tables of the file.
    #[must_use]
    pub const fn totals(&self) -> Totals {
        self.totals
    }

    /// The samples whose tables are loaded together with those of sample `number`.
    #[must_use]
    pub fn at_hand_with(&self, number: u32) -> Range<u32> {
        let start = number - number % SECTION;
        start..self.len.min(start.saturating_add(SECTION))
    }

    /// Whether the tables of all samples of `range` are loaded.
    #[must_use]
    pub fn has(&self, range: Range<u32>) -> bool {
        self.sections.touching(range).all(|(_, section)| section.tables().is_some())
    }

    /// The sum of all sample sizes, in bytes.
    #[must_use]
    pub const fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Total size of samples `range`, in bytes.
    #[must_use]
    pub fn bytes_of(&self, range: Range<u32>) -> u64 {
        self.bytes_before(range.end).saturating_sub(self.bytes_before(range.start))
    }

    fn bytes_before(&self, number: u32) -> u64 {
        match self.sections.of(number).filter(|_| number < self.len) {
            None => self.bytes,
            Some(section) if section.samples.start == number => section.bytes,
            Some(_) => self
                .sections
                .at(number)
                .map_or(self.bytes, |(section, tables)| section.bytes + tables.sizes.before(section.inside(number))),
        }
    }

    /// Decode time of sample `number`; the end of the media if `number` is `len` or more.
    #[must_use]
    pub fn decode_time(&self, number: u32) -> Ticks {
        Ticks(i64_from_u64(self.first_decode_time + self.elapsed(number)))
    }

    /// Sum of the durations before sample `number`. Needs no tables for the first sample of a section.
    fn elapsed(&self, number: u32) -> u64 {
        match self.sections.of(number).filter(|_| number < self.len) {
            None => self.span,
            Some(section) if section.samples.start == number => section.time,
            Some(_) => self
                .sections
                .at(number)
                .map_or(self.span, |(section, tables)| section.time + tables.durations.before(section.inside(number))),
        }
    }

    /// Composition time of sample `number`, which must exist.
    #[must_use]
    pub fn composition_time(&self, number: u32) -> Ticks {
        Ticks(self.decode_time(number).0 + i64::from(self.composition_offset(number)))
    }

    /// Composition offset of sample `number`, which must exist.
    #[must_use]
    pub fn composition_offset(&self, number: u32) -> i32 {
        let found = self.sections.at(number);
        found.map_or(0, |(section, tables)| self.offsets.get(&tables.offsets, section.inside(number)))
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

    /// Duration of sample `number`, which must exist, in ticks.
    #[must_use]
    pub fn duration(&self, number: u32) -> u32 {
        let found = self.sections.at(number);
        narrow(found.and_then(|(section, tables)| tables.durations.get(section.inside(number))))
    }

    /// The sum of all durations.
    #[must_use]
    pub const fn span(&self) -> Span {
        Span(self.span)
    }

    /// The common duration of all samples in `range`; `None` if they differ.
    #[must_use]
    pub fn constant_duration(&self, range: Range<u32>) -> Option<u32> {
        if range.end > self.len {
            return None;
        }
        let mut one = None;
        for (_, tables, inside) in self.sections.over(range) {
            let constant = tables.durations.constant(u64::from(inside.start), u64::from(inside.end))?;
            if *one.get_or_insert(constant) != constant {
                return None;
            }
        }
        one.and_then(|ticks| u32::try_from(ticks).ok())
    }

    /// Whether sample `number` is a sync sample.
    #[must_use]
    pub fn is_sync(&self, number: u32) -> bool {
        self.sync.has(number, self.len)
    }

    /// Number of sync samples.
    #[must_use]
    pub fn sync_count(&self) -> u32 {
        self.sync.count(self.len)
    }

    /// Sample number of the sync sample at `position` among all sync samples; `None` past the last.
    #[must_use]
    pub fn sync_sample(&self, position: u32) -> Option<u32> {
        self.sync.at(position, self.len)
    }

    /// Number of sync samples before sample `number`.
    #[must_use]
    pub fn sync_before(&self, number: u32) -> u32 {
        self.sync.before(number, self.len)
    }

    /// The last sync sample that is composed at or before `at`, if sync samples are composed in order; `None` if all
    /// are composed later.
    #[must_use]
    pub fn last_sync_composed_by(&self, at: Ticks) -> Option<u32> {
        let composed = |position: u32| self.sync_sample(position).map(|sample| self.composition_time(sample));
        let behind =
            partition_point(0..self.sync_count(), |position| composed(position).is_some_and(|time| time <= at));
        self.sync_sample(behind.checked_sub(1)?)
    }

    /// The first sample whose decode time is at or after `at`; `len` if there is none.
    #[must_use]
    pub fn first_decoded_at(&self, at: Ticks) -> u32 {
        let Some(since) = at.0.checked_sub_unsigned(self.first_decode_time).and_then(|since| u64::try_from(since).ok())
        else {
            return 0;
        };
        let Some(covering) = self.covering(since) else {
            // Samples of duration 0 at the end of the media begin where the media ends.
            return if since == self.span { self.earliest_at(self.len, since) } else { self.len };
        };
        if self.elapsed(covering) == since { self.earliest_at(covering, since) } else { covering + 1 }
    }

    /// The sample that lasts over `since`, in ticks behind the first decode time; `None` if the media ends before it.
    fn covering(&self, since: u64) -> Option<u32> {
        let section = self.sections.covering(since).filter(|_| since < self.span)?;
        let (_, tables) = self.sections.at(section.samples.start)?;
        let inside = tables.durations.find(since - section.time)?;
        Some(section.samples.start + u32::try_from(inside).ok()?)
    }

    /// The first sample with the same decode time as `number`: samples of duration 0 share theirs with the next sample.
    fn earliest_at(&self, number: u32, since: u64) -> u32 {
        let mut first = number;
        while let Some(previous) = first.checked_sub(1).filter(|at| self.elapsed(*at) == since) {
            first = previous;
        }
        first
    }

    /// The samples of `range` in decode order. O(log n) to begin, O(1) for each sample.
    #[inline]
    pub fn samples(&self, range: Range<u32>) -> impl Iterator<Item = Sample> + '_ {
        let (mut number, mut decode_time) = (range.start, self.decode_time(range.start));
        let mut syncs = self.sync.from(range.start);
        let parts = self.sections.over(self.clipped(range)).flat_map(move |(_, tables, inside)| {
            let mut durations = tables.durations.values(u64::from(inside.start));
            let mut offsets = self.offsets.values(&tables.offsets, u64::from(inside.start));
            tables.placed(inside).map(move |placed| (placed, offsets.take_next(), narrow(durations.next())))
        });
        parts.map(move |(placed, offset, duration)| {
            let (position, size) = (placed.position, placed.size);
            let sample = Sample { number, decode_time, offset, duration, position, size, sync: syncs.has(number) };
            number += 1;
            decode_time.0 += i64::from(duration);
            sample
        })
    }

    /// The existing part of `range`.
    fn clipped(&self, range: Range<u32>) -> Range<u32> {
        range.start..range.end.min(self.len)
    }

    /// Byte ranges of the samples of `range`, in decode order; adjacent samples share one range.
    pub fn ranges(&self, range: Range<u32>) -> impl Iterator<Item = ByteRange> + '_ {
        let parts = self.sections.over(self.clipped(range));
        let mut placed = parts.flat_map(|(_, tables, inside)| tables.placed(inside));
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

    /// Decode time and composition offset of the samples of `range`, in decode order.
    #[inline]
    fn times(&self, range: Range<u32>) -> impl Iterator<Item = (i64, i32)> + '_ {
        let mut decode_time = self.decode_time(range.start).0;
        let parts = self.sections.over(self.clipped(range)).flat_map(move |(_, tables, inside)| {
            let mut durations = tables.durations.values(u64::from(inside.start));
            let mut offsets = self.offsets.values(&tables.offsets, u64::from(inside.start));
            inside.map(move |_| (offsets.take_next(), narrow(durations.next())))
        });
        parts.map(move |(offset, duration)| {
            let time = (decode_time, offset);
            decode_time += i64::from(duration);
            time
        })
    }

    /// The composition times of the samples of `range`, in decode order.
    pub fn composition_times(&self, range: Range<u32>) -> impl Iterator<Item = Ticks> + '_ {
        self.times(range).map(|(decode_time, offset)| Ticks(decode_time + i64::from(offset)))
    }

    /// The least composition time of the samples of `range`; `None` if it is empty.
    ///
    /// Decode times ascend, so the walk ends where no later sample can be less: mostly after a few samples.
    #[must_use]
    pub fn least_composition_time(&self, range: Range<u32>) -> Option<Ticks> {
        let least_offset = i64::from(self.least_offset());
        let mut least: Option<i64> = None;
        for (decode_time, offset) in self.times(range) {
            if least.is_some_and(|least| decode_time + least_offset >= least) {
                break;
            }
            let composition_time = decode_time + i64::from(offset);
            least = Some(least.map_or(composition_time, |least| least.min(composition_time)));
        }
        least.map(Ticks)
    }

    /// Size of sample `number`, which must exist, in bytes.
    #[must_use]
    pub fn size(&self, number: u32) -> u32 {
        let found = self.sections.at(number);
        narrow(found.and_then(|(section, tables)| tables.sizes.get(section.inside(number))))
    }

    /// Whether some sample has no bytes.
    #[must_use]
    pub fn has_empty(&self) -> bool {
        self.sections.over(0..self.len).any(|(_, tables, _)| tables.sizes.has_zero())
    }

    /// Calls `visit` with the sizes of the samples of `range`, in decode order: the cheapest way to read them all.
    pub fn each_size(&self, range: Range<u32>, mut visit: impl FnMut(u32)) {
        for (_, tables, inside) in self.sections.over(self.clipped(range)) {
            tables.sizes.each(u64::from(inside.start), u64::from(inside.end), |size| visit(narrow(Some(size))));
        }
    }

    /// Upper bound of the sizes of the samples of `range`, in bytes; it may be a little above the largest.
    #[must_use]
    pub fn greatest_size(&self, range: Range<u32>) -> u32 {
        let parts = self.sections.over(self.clipped(range));
        let most =
            parts.map(|(_, tables, inside)| tables.sizes.ceiling(u64::from(inside.start), u64::from(inside.end)));
        u32::try_from(most.max().unwrap_or(0)).unwrap_or(u32::MAX)
    }

    /// Upper bound of the durations of the samples of `range`, in ticks; it may be a little above the longest.
    #[must_use]
    pub fn longest_duration(&self, range: Range<u32>) -> u32 {
        let parts = self.sections.over(self.clipped(range));
        let most =
            parts.map(|(_, tables, inside)| tables.durations.ceiling(u64::from(inside.start), u64::from(inside.end)));
        u32::try_from(most.max().unwrap_or(0)).unwrap_or(u32::MAX)
    }

    /// Heap memory, in bytes; an upper bound while some tables are not loaded.
    #[must_use]
    pub fn heap_bytes(&self) -> usize {
        self.sections.heap_bytes() + self.offsets.heap_bytes() + self.sync.heap_bytes()
    }
}

#[cfg(test)]
#[allow(clippy::as_conversions, clippy::cast_possible_truncation, reason = "a test's numbers are small")]
mod tests {
    use crate::media::{IndexBuilder, OffsetRuns, Sample, Sizes, TableError, Ticks};
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
        assert_eq!(refused(|b| b.chunk_offsets = vec![1_000].into()), TableError::Unplaced { placed: 3, samples: 5 });
        assert_eq!(refused(|b| b.chunk_runs = vec![(2, 3)]), TableError::ChunkRun { entry: 0, first_chunk: 2 });
        assert_eq!(refused(|b| b.chunk_runs = vec![(1, 3), (1, 9)]), TableError::ChunkRun { entry: 1, first_chunk: 1 });
        assert_eq!(
            refused(|b| b.chunk_offsets = vec![1_900, 0].into()),
            TableError::Outside { chunk: 0, end: 2_020, size: 2_000 }
        );
        assert_eq!(refused(|b| b.sync = Some(vec![6])), TableError::Sync { sample: 6, samples: 5 });
        assert_eq!(
            refused(|b| b.sizes = Sizes::Same { size: 500, count: 5 }),
            TableError::Oversize { total: 2_500, size: 2_000 }
        );
        assert_eq!(refused(|b| b.sizes = Sizes::Each(vec![])), TableError::Empty);
        assert_eq!(
            refused(|b| b.sizes = Sizes::Same { size: 0, count: u32::MAX }),
            TableError::TooMany { samples: 4_294_967_295 }
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
