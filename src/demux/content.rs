//! Computes the [`ContentId`] of an object from hashes of its parts: see DESIGN.md §5.
//!
//! ```text
//! blake3( domain │ size u64 LE │ blake3(moov) │ blake3(moof, sidx, … in order) │ blake3(first media) │ blake3(last media) )
//! ```
//! Each part has a hash of its own, so no bytes can move from one part to its neighbour unnoticed.

use crate::media::ByteRange;
use crate::media::ContentId;
use blake3::Hasher;

/// Number of media bytes to hash at either end.
const ENDS: u64 = 64 * 1024;

/// Domain separator: makes these hashes differ from all others.
const DOMAIN: &[u8] = b"afflux content id 1\0";

/// Hashers for the parts of an object.
#[derive(Debug, Default)]
pub(super) struct ContentHashers {
    /// The first `moov`, including its header.
    pub(super) moov: Hasher,
    /// All `moof` and top-level `sidx` boxes, including their headers.
    pub(super) fragments: Hasher,
    /// The first media bytes.
    pub(super) first: Hasher,
    /// The last media bytes.
    pub(super) last: Hasher,
}

impl ContentHashers {
    /// Content id of an object of `size` bytes.
    pub(super) fn id(&self, size: u64) -> ContentId {
        let mut all = Hasher::new();
        all.update(DOMAIN).update(&size.to_le_bytes());
        for part in [&self.moov, &self.fragments, &self.first, &self.last] {
            all.update(part.finalize().as_bytes());
        }
        let mut id = [0; 16];
        all.finalize_xof().fill(&mut id);
        ContentId::new(id)
    }
}

/// Range to hash at the start of the first `mdat`'s payload.
pub(super) fn first_media(payload: ByteRange) -> Option<ByteRange> {
    payload.slice(0, ENDS)
}

/// Range to hash at the end of the last `mdat`'s payload.
pub(super) fn last_media(payload: ByteRange) -> Option<ByteRange> {
    payload.slice(payload.len().saturating_sub(ENDS), ENDS)
}
