//! A frame of a response body: a sequence of chunks in memory and file ranges, sent in as few system calls as possible.

use super::budget::FrameGrant;
use super::placeholder;
use crate::media::{u64_from_usize, usize_from_u64};
use bytes::{Buf, Bytes};
use std::collections::VecDeque;
use std::io::IoSlice;

/// A sequence of non-empty chunks.
#[derive(Debug, Default)]
pub(in crate::http) struct Rope {
    chunks: VecDeque<RopeChunk>,
    left: usize,
    /// Bytes in memory when the rope was built.
    held: u64,
    /// Share of the frame budget, held until the rope is sent.
    _grant: Option<FrameGrant>,
}

#[derive(Debug)]
enum RopeChunk {
    Here(Bytes),
    /// This many bytes of a file range that is queued in the connection writer.
    There(usize),
}

impl RopeChunk {
    fn slice(&self) -> &[u8] {
        match self {
            Self::Here(bytes) => bytes,
            Self::There(left) => placeholder::for_bytes(*left),
        }
    }

    fn left(&self) -> usize {
        match self {
            Self::Here(bytes) => bytes.len(),
            Self::There(left) => *left,
        }
    }
}

impl Rope {
    /// Attaches `grant`, reduced to the bytes in memory.
    pub(in crate::http) fn granted(self, mut grant: Option<FrameGrant>) -> Self {
        if let Some(grant) = &mut grant {
            grant.shrink(self.held);
        }
        Self { _grant: grant, ..self }
    }

    /// Appends bytes in memory.
    pub(in crate::http) fn push(&mut self, bytes: Bytes) {
        self.held += u64_from_usize(bytes.len());
        self.append(RopeChunk::Here(bytes));
    }

    /// Appends a placeholder for this many bytes of a file.
    pub(in crate::http) fn stand_for(&mut self, bytes: u64) {
        self.append(RopeChunk::There(usize_from_u64(bytes)));
    }

    fn append(&mut self, chunk: RopeChunk) {
        if chunk.left() > 0 {
            self.left += chunk.left();
            self.chunks.push_back(chunk);
        }
    }

    /// Number of chunks.
    pub(in crate::http) fn chunks(&self) -> usize {
        self.chunks.len()
    }

    /// Bytes not sent yet, those in files included.
    pub(in crate::http) fn bytes(&self) -> u64 {
        u64_from_usize(self.left)
    }

    /// Bytes in memory when the rope was built.
    pub(in crate::http) const fn held(&self) -> u64 {
        self.held
    }
}

impl Buf for Rope {
    fn remaining(&self) -> usize {
        self.left
    }

    fn chunk(&self) -> &[u8] {
        self.chunks.front().map_or(&[], RopeChunk::slice)
    }

    /// Stops after the first chunk that one slice cannot represent as a whole: a placeholder slice is at most 1 MiB.
    fn chunks_vectored<'a>(&'a self, into: &mut [IoSlice<'a>]) -> usize {
        let (mut filled, mut whole) = (0, true);
        for (slot, chunk) in into.iter_mut().zip(&self.chunks) {
            if !std::mem::replace(&mut whole, chunk.slice().len() == chunk.left()) {
                break;
            }
            *slot = IoSlice::new(chunk.slice());
            filled += 1;
        }
        filled
    }

    fn advance(&mut self, mut count: usize) {
        assert!(count <= self.left, "advanced past the end");
        self.left -= count;
        while let Some(front) = self.chunks.front_mut() {
            if count < front.left() {
                match front {
                    RopeChunk::Here(bytes) => bytes.advance(count),
                    RopeChunk::There(left) => *left -= count,
                }
                return;
            }
            count -= front.left();
            self.chunks.pop_front();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Rope;
    use bytes::{Buf, Bytes};
    use proptest::prelude::{prop_assert_eq, proptest};
    use std::io::IoSlice;

    proptest! {
        #[test]
        fn a_rope_advances_like_one_buffer(len in 1_usize..200, size in 1_usize..50, steps in proptest::collection::vec(1_usize..60, 1..20)) {
            let whole: Vec<u8> = (0..=255).cycle().take(len).collect();
            let mut rope = Rope::default();
            for chunk in whole.chunks(size) {
                rope.push(Bytes::copy_from_slice(chunk));
            }
            let mut at = 0;
            for step in steps {
                let step = step.min(rope.remaining());
                rope.advance(step);
                at += step;
                prop_assert_eq!(rope.remaining(), len - at);
                let mut vectors = [IoSlice::new(&[]); 64];
                let count = rope.chunks_vectored(&mut vectors);
                let seen: Vec<u8> = vectors[..count].iter().flat_map(|slice| slice.to_vec()).collect();
                prop_assert_eq!(&seen[..], &whole[at..(at + seen.len())]);
                prop_assert_eq!(rope.chunk().is_empty(), rope.remaining() == 0);
            }
        }
    }

    #[test]
    fn what_lies_in_a_file_is_stood_for_until_it_is_sent() {
        let mut rope = Rope::default();
        rope.push(Bytes::from_static(b"head"));
        rope.stand_for(3 << 20);
        rope.push(Bytes::from_static(b"tail"));
        assert_eq!((rope.remaining(), rope.held()), ((3 << 20) + 8, 8));
        let shape = |rope: &Rope| {
            let mut vectors = [IoSlice::new(&[]); 8];
            let count = rope.chunks_vectored(&mut vectors);
            vectors[..count].iter().map(|slice| slice.len()).collect::<Vec<_>>()
        };
        // One slice represents at most 1 MiB of a file; no other chunk may come before the rest of that file range.
        assert_eq!(shape(&rope), [4, 1 << 20]);
        rope.advance(4 + (2 << 20) + 5);
        assert_eq!(shape(&rope), [(1 << 20) - 5, 4]);
        rope.advance((1 << 20) - 4);
        assert_eq!(rope.chunk(), b"ail");
    }
}
