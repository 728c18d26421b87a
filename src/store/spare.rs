//! Chunks whose bytes nobody needs any more, kept to be read into again.
//!
//! A chunk from here costs neither an allocation nor a page fault nor zeroing. Its old bytes are still in it: whoever
//! takes one writes it to its whole length before anyone else sees it.

use crate::media::usize_from_u64;
use bytes::{Bytes, BytesMut};
use std::sync::{Mutex, PoisonError};

/// Bytes of one chunk of [`Object::read_ranges`](super::Object::read_ranges) at most. Each is its own allocation: a
/// slice pins no more. The same figure serves what is made.
pub const CHUNK_LIMIT: u64 = 32 << 10;

/// Bytes that are kept at most, part of what the program needs beside its caches.
pub const SPARE_LIMIT: u64 = 8 << 20;

/// Whole chunks, at most [`SPARE_LIMIT`] bytes of them. Shared by all objects of a store.
#[derive(Debug, Default)]
pub struct Spare {
    /// Each [`CHUNK_LIMIT`] bytes long. The last is taken first: it is the likeliest to be in the processor's cache.
    chunks: Mutex<Vec<BytesMut>>,
}

impl Spare {
    /// `len` bytes to be overwritten: zeros, or those of an earlier use.
    #[must_use]
    pub fn take(&self, len: usize) -> BytesMut {
        let kept = if len == whole() { self.locked(Vec::pop) } else { None };
        kept.unwrap_or_else(|| BytesMut::zeroed(len))
    }

    /// `len` bytes to be overwritten, as chunks of [`CHUNK_LIMIT`] bytes (the last: fewer).
    pub(super) fn take_chunks(&self, len: u64) -> Vec<BytesMut> {
        let (count, tail) = (usize_from_u64(len / CHUNK_LIMIT), usize_from_u64(len % CHUNK_LIMIT));
        let mut chunks = self.locked(|kept| kept.split_off(kept.len().saturating_sub(count)));
        chunks.reserve_exact(count - chunks.len() + usize::from(tail > 0));
        chunks.resize_with(count, || BytesMut::zeroed(whole()));
        if tail > 0 {
            chunks.push(BytesMut::zeroed(tail));
        }
        chunks
    }

    /// Keeps `chunk` for a later use, if it is a whole chunk that nobody else holds and there is room for it; else it
    /// is let go.
    pub fn give(&self, chunk: Bytes) {
        if let Ok(chunk) = chunk.try_into_mut() {
            self.keep(chunk);
        }
    }

    /// The same for a chunk that was never handed out.
    pub(super) fn keep(&self, mut chunk: BytesMut) {
        if chunk.capacity() != whole() {
            return;
        }
        chunk.resize(whole(), 0);
        let refused = self.locked(|kept| {
            if kept.len() < usize_from_u64(SPARE_LIMIT / CHUNK_LIMIT) {
                kept.push(chunk);
                return None;
            }
            Some(chunk)
        });
        // Freed here, after the lock.
        drop(refused);
    }

    /// How many bytes it keeps.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        CHUNK_LIMIT * self.locked(|kept| kept.len()).try_into().unwrap_or(0)
    }

    fn locked<T>(&self, work: impl FnOnce(&mut Vec<BytesMut>) -> T) -> T {
        work(&mut self.chunks.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// Bytes of a whole chunk.
fn whole() -> usize {
    usize_from_u64(CHUNK_LIMIT)
}

#[cfg(test)]
mod tests {
    use super::{CHUNK_LIMIT, SPARE_LIMIT, Spare, whole};
    use bytes::{Bytes, BytesMut};

    #[test]
    fn a_whole_chunk_that_nobody_holds_comes_back() {
        let spare = Spare::default();
        let chunk = Bytes::from(vec![7; whole()]);
        let place = chunk.as_ptr();
        drop(chunk.clone());
        spare.give(chunk);
        assert_eq!(spare.bytes(), CHUNK_LIMIT);
        assert_eq!(spare.take(5), [0; 5][..]);
        let again = spare.take(whole());
        assert_eq!((again.as_ptr(), again.len(), spare.bytes()), (place, whole(), 0));
        assert_eq!(spare.take(whole()), vec![0; whole()]);
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
        for _ in 0..=SPARE_LIMIT / CHUNK_LIMIT {
            spare.give(Bytes::from(vec![7; whole()]));
        }
        assert_eq!(spare.bytes(), SPARE_LIMIT);
    }

    #[test]
    fn chunks_are_whole_but_for_the_last() {
        let spare = Spare::default();
        spare.give(Bytes::from(vec![7; whole()]));
        for (len, expected) in [(0, vec![]), (5, vec![5]), (2 * CHUNK_LIMIT, vec![whole(); 2]), (1, vec![1])] {
            let sizes: Vec<usize> = spare.take_chunks(len).iter().map(BytesMut::len).collect();
            assert_eq!(sizes, expected);
        }
        assert_eq!(spare.bytes(), 0);
    }
}
