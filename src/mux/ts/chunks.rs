//! A reader over stored bytes, which arrive in chunks of any size.

use crate::media::{u64_from_usize, usize_from_u64};
use bytes::{Buf, Bytes};

/// Reads stored bytes from the front, across the borders of chunks. After their end it reads zeros.
#[derive(Debug, Clone, Default)]
pub struct Chunks {
    chunks: std::vec::IntoIter<Bytes>,
    current: Bytes,
}

impl Chunks {
    /// A reader over the bytes of `chunks`.
    #[must_use]
    pub fn new(chunks: Vec<Bytes>) -> Self {
        Self { chunks: chunks.into_iter(), current: Bytes::new() }
    }

    /// Reads the next `len` bytes and passes them to `each`, part by part.
    pub(super) fn pass(&mut self, len: u64, mut each: impl FnMut(&[u8])) {
        let mut left = usize_from_u64(len);
        while left > 0 {
            if self.current.is_empty() {
                self.current = self.chunks.find(|chunk| !chunk.is_empty()).unwrap_or(Bytes::from_static(&[0; 64]));
            }
            let (now, _) = self.current.split_at(left.min(self.current.len()));
            each(now);
            left -= now.len();
            let passed = now.len();
            self.current.advance(passed);
        }
    }

    /// Skips the next `len` bytes.
    pub fn skip(&mut self, len: u64) {
        self.pass(len, |_| {});
    }

    /// The next `len` bytes, not copied; fewer at the end.
    pub(in crate::mux) fn split_off(&mut self, len: u64) -> Vec<Bytes> {
        let (mut out, mut left) = (Vec::new(), usize_from_u64(len));
        while left > 0 {
            if self.current.is_empty() {
                let Some(next) = self.chunks.next() else { break };
                self.current = next;
            }
            let part = self.current.split_to(left.min(self.current.len()));
            left -= part.len();
            out.extend(Some(part).filter(|part| !part.is_empty()));
        }
        out
    }

    /// All bytes that are left, as they were read.
    pub(in crate::mux) fn rest(self) -> impl Iterator<Item = Bytes> {
        Some(self.current).filter(|current| !current.is_empty()).into_iter().chain(self.chunks)
    }

    pub(super) fn take<const N: usize>(&mut self) -> [u8; N] {
        if let Some(taken) = self.current.first_chunk() {
            let taken = *taken;
            self.current.advance(N);
            return taken;
        }
        let (mut taken, mut at) = ([0; N], 0);
        self.pass(u64_from_usize(N), |part| {
            for (place, byte) in taken.iter_mut().skip(at).zip(part) {
                *place = *byte;
            }
            at += part.len();
        });
        taken
    }

    /// The next `N` bytes, without consuming them.
    pub(super) fn peek<const N: usize>(&self) -> [u8; N] {
        self.current.first_chunk().copied().unwrap_or_else(|| self.clone().take())
    }
}
