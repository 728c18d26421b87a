//! Chunks whose bytes nobody needs any more, kept to be read into again.
//!
//! A chunk from here costs neither an allocation nor a page fault nor zeroing. Its old bytes are still in it: whoever
//! takes one writes it to its whole length before anyone else sees it.

use crate::media::{u64_from_usize, usize_from_u64};
use bytes::{Bytes, BytesMut};
use std::sync::{Mutex, PoisonError};

/// Bytes of one chunk of [`Object::read_ranges`](super::Object::read_ranges) at most. Each is its own allocation: a
/// slice pins no more. The same figure serves what is made.
pub const CHUNK_LIMIT: u64 = LEAST << (CLASSES - 1);

/// Bytes of the smallest chunk that is kept.
const LEAST: u64 = 4 << 10;

/// Sizes that are kept, each twice the one before.
const CLASSES: usize = 5;

/// Bytes that are kept at most, part of what the program needs beside its caches.
pub const SPARE_LIMIT: u64 = 8 << 20;

/// Chunks of a few sizes, at most [`SPARE_LIMIT`] bytes of them. Shared by all objects of a store.
#[derive(Debug, Default)]
pub struct Spare {
    kept: Mutex<Kept>,
}

#[derive(Debug, Default)]
struct Kept {
    /// By size, each as long as its size says. The last is taken first: it is the likeliest to be in the processor's
    /// cache.
    chunks: [Vec<BytesMut>; CLASSES],
    bytes: u64,
}

impl Kept {
    fn take(&mut self, len: usize) -> Option<BytesMut> {
        let chunk = self.chunks.get_mut(class(len)?)?.pop()?;
        self.bytes -= u64_from_usize(len);
        Some(chunk)
    }
}

impl Spare {
    /// `len` bytes to be overwritten: zeros, or those of an earlier use.
    #[must_use]
    pub fn take(&self, len: usize) -> BytesMut {
        self.locked(|kept| kept.take(len)).unwrap_or_else(|| BytesMut::zeroed(len))
    }

    /// No bytes, and room for `len`.
    #[must_use]
    pub fn room(&self, len: usize) -> BytesMut {
        let mut room = self.locked(|kept| kept.take(len)).unwrap_or_else(|| BytesMut::with_capacity(len));
        room.clear();
        room
    }

    /// `len` bytes to be overwritten, in chunks whose sizes are kept (the last: fewer bytes than the smallest size).
    pub(super) fn take_chunks(&self, len: u64) -> Vec<BytesMut> {
        let sizes = sizes(len);
        let mut chunks = Vec::with_capacity(sizes.len());
        self.locked(|kept| chunks.extend(sizes.iter().map(|size| kept.take(*size).ok_or(*size))));
        chunks.into_iter().map(|chunk| chunk.unwrap_or_else(BytesMut::zeroed)).collect()
    }

    /// Keeps `chunk` for a later use, if its size is one that is kept, nobody else holds it and there is room for it;
    /// else it is let go.
    pub fn give(&self, chunk: Bytes) {
        if let Ok(chunk) = chunk.try_into_mut() {
            self.keep(chunk);
        }
    }

    /// The same for a chunk that was never handed out.
    pub(super) fn keep(&self, mut chunk: BytesMut) {
        let len = chunk.capacity();
        let Some(class) = class(len) else { return };
        chunk.resize(len, 0);
        let refused = self.locked(|kept| match kept.chunks.get_mut(class) {
            Some(same) if kept.bytes + u64_from_usize(len) <= SPARE_LIMIT => {
                kept.bytes += u64_from_usize(len);
                same.push(chunk);
                None
            }
            Some(_) | None => Some(chunk),
        });
        // Freed here, after the lock.
        drop(refused);
    }

    /// How many bytes it keeps.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.locked(|kept| kept.bytes)
    }

    fn locked<T>(&self, work: impl FnOnce(&mut Kept) -> T) -> T {
        work(&mut self.kept.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// Which of the sizes that are kept `len` is.
fn class(len: usize) -> Option<usize> {
    (0..CLASSES).find(|class| LEAST << class == u64_from_usize(len))
}

/// The sizes of the chunks of `len` bytes: each the largest that is kept and not too large, then what is left.
fn sizes(len: u64) -> Vec<usize> {
    let mut sizes = vec![usize_from_u64(CHUNK_LIMIT); usize_from_u64(len / CHUNK_LIMIT)];
    let rest = len % CHUNK_LIMIT;
    let smaller = (0..CLASSES).rev().map(|class| LEAST << class).filter(|size| rest & size != 0);
    sizes.extend(smaller.chain([rest % LEAST]).filter(|size| *size > 0).map(usize_from_u64));
    sizes
}

#[cfg(test)]
mod tests {
    use super::{CHUNK_LIMIT, LEAST, SPARE_LIMIT, Spare, sizes};
    use crate::media::usize_from_u64;
    use bytes::{Bytes, BytesMut};

    fn whole() -> usize {
        usize_from_u64(CHUNK_LIMIT)
    }

    #[test]
    fn a_chunk_that_nobody_holds_comes_back() {
        let spare = Spare::default();
        for size in [whole(), whole() / 2, usize_from_u64(LEAST)] {
            let chunk = Bytes::from(vec![7; size]);
            let place = chunk.as_ptr();
            drop(chunk.clone());
            spare.give(chunk);
            assert_eq!(usize_from_u64(spare.bytes()), size);
            assert_eq!(spare.take(5), [0; 5][..]);
            let again = spare.take(size);
            assert_eq!((again.as_ptr(), again.len(), spare.bytes()), (place, size, 0));
            assert_eq!(spare.take(size), vec![0; size]);
        }
    }

    #[test]
    fn room_is_a_spare_chunk_with_nothing_in_it() {
        let spare = Spare::default();
        let chunk = Bytes::from(vec![7; whole()]);
        let place = chunk.as_ptr();
        spare.give(chunk);
        let room = spare.room(whole());
        assert_eq!((room.as_ptr(), room.len(), room.capacity(), spare.bytes()), (place, 0, whole(), 0));
        assert_eq!((spare.room(5).len(), spare.room(whole()).len()), (0, 0));
    }

    #[test]
    fn a_chunk_that_was_cut_short_comes_back_whole() {
        let spare = Spare::default();
        let mut chunk = BytesMut::zeroed(whole());
        chunk.truncate(100);
        spare.give(chunk.freeze());
        assert_eq!(spare.take(whole()).len(), whole());
    }

    #[test]
    fn what_is_held_elsewhere_or_of_another_size_is_let_go() {
        let spare = Spare::default();
        let chunk = Bytes::from(vec![7; whole()]);
        let slice = chunk.slice(3..9);
        spare.give(chunk);
        spare.give(Bytes::from(vec![7; whole() - 1]));
        spare.give(Bytes::from(vec![7; 2 * whole()]));
        spare.give(Bytes::from(vec![7; whole()]).slice(1..));
        assert_eq!((spare.bytes(), slice), (0, Bytes::from_static(&[7; 6])));
    }

    #[test]
    fn no_more_is_kept_than_the_limit() {
        let spare = Spare::default();
        spare.give(Bytes::from(vec![7; whole() / 2]));
        for _ in 0..=SPARE_LIMIT / CHUNK_LIMIT {
            spare.give(Bytes::from(vec![7; whole()]));
        }
        assert_eq!(spare.bytes(), SPARE_LIMIT - CHUNK_LIMIT / 2);
    }

    #[test]
    fn chunks_are_of_the_sizes_that_are_kept_but_for_the_last() {
        let least = usize_from_u64(LEAST);
        let cases = [
            (0, vec![]),
            (5, vec![5]),
            (2 * CHUNK_LIMIT, vec![whole(); 2]),
            (CHUNK_LIMIT - 1, vec![whole() / 2, whole() / 4, whole() / 8, whole() / 16, least - 1]),
            (CHUNK_LIMIT + 3 * LEAST + 1, vec![whole(), 2 * least, least, 1]),
        ];
        for (len, expected) in cases {
            assert_eq!(sizes(len), expected);
        }
        let spare = Spare::default();
        spare.give(Bytes::from(vec![7; whole()]));
        let taken: Vec<usize> = spare.take_chunks(CHUNK_LIMIT + LEAST).iter().map(BytesMut::len).collect();
        assert_eq!((taken, spare.bytes()), (vec![whole(), least], 0));
    }
}
