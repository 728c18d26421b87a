//! Reads ranges of a file into chunks, in as few system calls as possible.
//!
//! Each range has a fixed place in the chunks. The reads go through the file in ascending order, whatever the order of
//! the ranges, and put each byte into its place. One call reads ranges that are adjacent in the file, and small gaps
//! between them, whose bytes are dropped:
//! ```text
//! file    ──│ range 0 │ gap │ range 1      │────────────────│ range 2 │──
//! vectors   │ chunk 0 │ drop│ chunk 0 │ ch.1│  (next call)   │ chunk 1 │
//! ```
//! Chunks may still hold bytes of an earlier use; [`RangeRead::finish`] returns them only once every byte was
//! overwritten.

use super::system::{self, NowaitError};
use crate::media::{ByteRange, u64_from_usize, usize_from_u64};
use crate::store::spare::{CHUNK_LIMIT, ChunkPool};
use bytes::{Bytes, BytesMut};
use std::fs::File;
use std::io::IoSliceMut;

/// Most bytes that one turn reads on the calling thread: some 150 µs if they are in the page cache. One step of a
/// segment's builder fits, whatever its container adds or leaves out.
pub(super) const INLINE_LIMIT: usize = 5 << 18;

/// Largest gap between two ranges, in bytes, that is read and dropped to save a system call. Measured with ranges of 10
/// kB in the page cache: a gap of 4 KiB costs 0.26 µs less than a call, one of 8 KiB 0.10 less, one of 12 KiB 0.06
/// more, one of 16 KiB 0.21 more.
const GAP_LIMIT: u64 = 12 << 10;

/// Most bytes of gaps in one call.
const SCRATCH_LIMIT: u64 = 4 * CHUNK_LIMIT;

/// Most vectors in one call. Linux takes 1,024.
const VECTOR_LIMIT: usize = 64;

/// Most read-ahead hints for one reading: far more than a segment has runs.
const HINT_LIMIT: usize = 64;

/// Bytes of the file that go into one chunk: `len` bytes at offset `at` of the file go to offset `from` of chunk
/// `chunk`.
#[derive(Debug, Clone, Copy)]
struct ChunkSlice {
    at: u64,
    len: usize,
    chunk: usize,
    from: usize,
}

impl ChunkSlice {
    fn end(self) -> u64 {
        self.at + u64_from_usize(self.len)
    }
}

/// Number of slots that the next call reads, and bytes of the gaps between them.
#[derive(Debug, Clone, Copy)]
struct Batch {
    slots: usize,
    gaps: u64,
}

/// How far a read came that must not block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ReadProgress {
    /// All bytes were read.
    Whole,
    /// The limit of one turn is reached; the next turn can read more.
    More,
    /// The next bytes cannot be read without blocking.
    Stopped(NowaitError),
}

/// A read of many ranges in progress.
#[derive(Debug)]
pub(super) struct RangeRead {
    /// Sorted by their offset in the file.
    slots: Vec<ChunkSlice>,
    /// Number of filled slots.
    done: usize,
    chunks: Vec<BytesMut>,
    /// Memory for the bytes of gaps, in whole chunks.
    scratch: Vec<BytesMut>,
}

impl RangeRead {
    /// A read of `ranges`, one after the other, into `chunks`, which have the same total length.
    pub(in crate::store) fn new(ranges: &[ByteRange], chunks: Vec<BytesMut>) -> Self {
        let mut slots = slots(ranges, &chunks);
        slots.sort_by_key(|slot| slot.at);
        Self { slots, done: 0, chunks, scratch: Vec::new() }
    }

    /// Offset in the file one past the last byte that it reads.
    pub(in crate::store) fn end(&self) -> u64 {
        self.slots.iter().map(|slot| slot.end()).max().unwrap_or(0)
    }

    /// Reads as much as one turn may read without blocking. `count` gets the number of bytes of each call.
    pub(in crate::store) fn now(&mut self, file: &File, spare: &ChunkPool, count: impl Fn(usize)) -> ReadProgress {
        let mut left = INLINE_LIMIT;
        while let Some(batch) = self.batch(left) {
            let wanted = self.wanted(batch);
            if wanted > left {
                return ReadProgress::More;
            }
            match self.call(batch, spare, |vectors, at| system::read_now(file, vectors, at)) {
                Err(refused) => return ReadProgress::Stopped(refused),
                Ok((read, asked)) => {
                    count(read);
                    if read < asked {
                        return ReadProgress::Stopped(NowaitError::Cold);
                    }
                }
            }
            left -= wanted;
        }
        ReadProgress::Whole
    }

    /// Reads all remaining bytes, blocking. `Ok(false)`: the file ends before the last of them.
    pub(in crate::store) fn wait(
        &mut self,
        file: &File,
        spare: &ChunkPool,
        count: impl Fn(usize),
    ) -> rustix::io::Result<bool> {
        while let Some(batch) = self.batch(usize::MAX) {
            let (read, _) = self.call(batch, spare, |vectors, at| system::read(file, vectors, at))?;
            if read == 0 {
                return Ok(false);
            }
            count(read);
        }
        Ok(true)
    }

    /// Tells the system which bytes are still to be read, so that it reads ahead.
    pub(super) fn hint(&self, file: &File) {
        let mut left = self.slots.iter().skip(self.done);
        let Some(first) = left.next() else { return };
        let (mut at, mut end, mut hints) = (first.at, first.end(), 1);
        for slot in left {
            if slot.at.saturating_sub(end) > GAP_LIMIT {
                system::expect(file, at, end - at);
                (at, hints) = (slot.at, hints + 1);
                if hints > HINT_LIMIT {
                    return;
                }
                end = at;
            }
            end = end.max(slot.end());
        }
        system::expect(file, at, end - at);
    }

    /// The chunks; `None` unless every byte was read.
    pub(in crate::store) fn finish(self, spare: &ChunkPool) -> Option<Vec<Bytes>> {
        for chunk in self.scratch {
            spare.keep(chunk);
        }
        (self.done == self.slots.len()).then(|| self.chunks.into_iter().map(BytesMut::freeze).collect())
    }

    fn wanted(&self, batch: Batch) -> usize {
        self.slots.iter().skip(self.done).take(batch.slots).map(|slot| slot.len).sum()
    }

    /// The next slots that one call can fill: at least one, and no more than `limit` bytes unless the first is longer.
    /// `None` when all slots are filled.
    fn batch(&self, limit: usize) -> Option<Batch> {
        let mut left = self.slots.iter().skip(self.done);
        let first = left.next()?;
        let (mut batch, mut end) = (Batch { slots: 1, gaps: 0 }, first.end());
        let (mut vectors, mut wanted) = (1, first.len);
        for slot in left {
            // Overlapping ranges: bytes that are wanted twice take another call.
            let Some(gap) = slot.at.checked_sub(end).filter(|gap| *gap <= GAP_LIMIT) else { break };
            vectors += 1 + scratches(batch.gaps, gap);
            wanted += slot.len;
            if vectors > VECTOR_LIMIT || wanted > limit || batch.gaps + gap > SCRATCH_LIMIT {
                break;
            }
            batch = Batch { slots: batch.slots + 1, gaps: batch.gaps + gap };
            end = slot.end();
        }
        Some(batch)
    }

    /// Makes one system call and marks the slots that it filled. Returns the bytes read and the bytes requested, gaps
    /// included.
    fn call<E>(
        &mut self,
        batch: Batch,
        spare: &ChunkPool,
        read: impl FnOnce(&mut [IoSliceMut<'_>], u64) -> Result<usize, E>,
    ) -> Result<(usize, usize), E> {
        self.reserve(batch.gaps, spare);
        let slots = self.slots.iter().skip(self.done).take(batch.slots);
        let start = slots.clone().next().map_or(0, |slot| slot.at);
        let mut places = places(&mut self.chunks, slots.copied().collect());
        let mut vectors = Vec::with_capacity(VECTOR_LIMIT);
        let (mut scratch, mut empty): (_, &mut [u8]) = (self.scratch.iter_mut(), &mut []);
        let mut end = start;
        for (at, place) in &mut places {
            while end < *at {
                if empty.is_empty() {
                    empty = scratch.next().expect("room for all gaps of the batch was reserved");
                }
                let taken = empty.len().min(usize_from_u64(*at - end));
                let (gap, rest) = empty.split_at_mut(taken);
                vectors.push(IoSliceMut::new(gap));
                (empty, end) = (rest, end + u64_from_usize(taken));
            }
            end += u64_from_usize(place.len());
            vectors.push(IoSliceMut::new(place));
        }
        let read = read(&mut vectors, start)?;
        self.advance(batch, start + u64_from_usize(read));
        Ok((read, usize_from_u64(end - start)))
    }

    /// Marks the slots of `batch` that end before file offset `end` as filled, and shortens the one that contains it.
    fn advance(&mut self, batch: Batch, end: u64) {
        for slot in self.slots.iter_mut().skip(self.done).take(batch.slots) {
            if slot.end() > end {
                let read = usize_from_u64(end.saturating_sub(slot.at));
                (slot.from, slot.len) = (slot.from + read, slot.len - read);
                slot.at += u64_from_usize(read);
                return;
            }
            self.done += 1;
        }
    }

    /// Reserves scratch chunks for `gaps` bytes of gaps.
    fn reserve(&mut self, gaps: u64, spare: &ChunkPool) {
        let chunks = usize_from_u64(gaps.div_ceil(CHUNK_LIMIT));
        while self.scratch.len() < chunks {
            self.scratch.push(spare.take(usize_from_u64(CHUNK_LIMIT)));
        }
    }
}

/// Number of scratch chunks that a gap of `gap` bytes lies in, after `before` bytes of other gaps.
fn scratches(before: u64, gap: u64) -> usize {
    let Some(last) = gap.checked_sub(1) else { return 0 };
    usize_from_u64((before + last) / CHUNK_LIMIT - before / CHUNK_LIMIT + 1)
}

/// Assigns the bytes of `ranges` to places in `chunks`.
fn slots(ranges: &[ByteRange], chunks: &[BytesMut]) -> Vec<ChunkSlice> {
    let mut slots: Vec<ChunkSlice> = Vec::with_capacity(ranges.len() + chunks.len());
    let mut rest = ranges.iter().copied();
    let mut current = rest.next();
    for (chunk, len) in chunks.iter().map(BytesMut::len).enumerate() {
        let mut from = 0;
        while let Some(range) = current.filter(|_| from < len) {
            let taken = range.len().min(u64_from_usize(len - from));
            let slot = ChunkSlice { at: range.start(), len: usize_from_u64(taken), chunk, from };
            match slots.last_mut().filter(|last| last.chunk == chunk && last.end() == slot.at) {
                Some(last) => last.len += slot.len,
                None => slots.push(slot),
            }
            from += slot.len;
            current = range.slice(taken, u64::MAX - range.end()).or_else(|| rest.next());
        }
    }
    slots
}

/// The memory of each slot with its offset in the file, in the order of the file.
fn places(chunks: &mut [BytesMut], mut slots: Vec<ChunkSlice>) -> Vec<(u64, &mut [u8])> {
    slots.sort_by_key(|slot| (slot.chunk, slot.from));
    let mut places = Vec::with_capacity(slots.len());
    let first = slots.first().map_or(0, |slot| slot.chunk);
    let mut slots = slots.into_iter().peekable();
    for (chunk, bytes) in chunks.iter_mut().enumerate().skip(first) {
        let (mut rest, mut passed): (&mut [u8], usize) = (bytes, 0);
        while let Some(slot) = slots.next_if(|slot| slot.chunk == chunk) {
            let (_, from) = rest.split_at_mut(slot.from - passed);
            let (place, behind) = from.split_at_mut(slot.len);
            places.push((slot.at, place));
            (rest, passed) = (behind, slot.from + slot.len);
        }
        if slots.peek().is_none() {
            break;
        }
    }
    places.sort_by_key(|(at, _)| *at);
    places
}
