//! The bytes of one part, in pieces that are shared with the requests that send them.

use crate::media::{u64_from_usize, usize_from_u64};
use bytes::{Bytes, BytesMut};
use object_store::PutPayload;

/// Size of a piece in bytes.
const PIECE: usize = 256 << 10;

/// Bytes in pieces. Allocates at most one piece more than its bytes take.
#[derive(Debug, Default)]
pub(super) struct Buffer {
    whole: Vec<Bytes>,
    /// The piece that grows.
    last: BytesMut,
    len: u64,
}

impl Buffer {
    pub(super) const fn len(&self) -> u64 {
        self.len
    }

    /// Takes from `bytes` until it holds `limit` bytes. They are copied: they may be slices of much larger memory.
    pub(super) fn fill(&mut self, bytes: &mut Bytes, limit: u64) {
        while !bytes.is_empty() && self.len < limit {
            // Bytes that were handed out cannot be appended to.
            if self.last.capacity() == self.last.len() {
                self.seal();
                self.last = BytesMut::with_capacity(PIECE);
            }
            let room = usize_from_u64(limit - self.len).min(self.last.capacity() - self.last.len());
            let taken = bytes.split_to(bytes.len().min(room));
            self.last.extend_from_slice(&taken);
            self.len += u64_from_usize(taken.len());
        }
    }

    /// All its bytes.
    pub(super) fn payload(&mut self) -> PutPayload {
        self.seal();
        self.whole.iter().cloned().collect()
    }

    fn seal(&mut self) {
        let last = self.last.split().freeze();
        self.whole.extend(Some(last).filter(|last| !last.is_empty()));
    }

    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }
}

#[cfg(test)]
mod tests {
    use super::{Buffer, PIECE};
    use bytes::Bytes;

    #[test]
    fn what_goes_in_comes_out_and_no_more_goes_in_than_may() {
        let bytes: Vec<u8> = (0..3 * PIECE + 7).map(|at| u8::try_from(at % 251).unwrap()).collect();
        let mut buffer = Buffer::default();
        let limit = u64::try_from(bytes.len()).unwrap() - 5;
        for chunk in bytes.chunks(99_991) {
            let mut chunk = Bytes::copy_from_slice(chunk);
            buffer.fill(&mut chunk, limit);
            // Handing out the bytes does not change the buffer.
            let _ = buffer.payload();
        }
        assert_eq!(buffer.len(), limit);
        let payload = buffer.payload();
        assert_eq!(payload.iter().flatten().copied().collect::<Vec<_>>(), bytes[..bytes.len() - 5]);
        buffer.clear();
        assert_eq!((buffer.len(), buffer.payload().content_length()), (0, 0));
    }
}
