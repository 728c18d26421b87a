//! What a [`ContentId`] is made of: see DESIGN.md §5.
//!
//! ```text
//! blake3( domain │ size u64 LE │ blake3(moov) │ blake3(moof, sidx, … in order) │ blake3(first media) │ blake3(last media) )
//! ```
//! Each part is hashed by itself, so none can pass for its neighbour.

use crate::media::ByteRange;
use crate::media::ContentId;
use blake3::Hasher;

/// Bytes of media that count at either end.
const ENDS: u64 = 64 * 1024;

/// Tells these hashes from all others.
const DOMAIN: &[u8] = b"afflux content id 1\0";

/// Collects what names an object.
#[derive(Debug, Default)]
pub(super) struct Content {
    /// The first `moov`, header included.
    pub(super) moov: Hasher,
    /// All `moof` and top-level `sidx` boxes, headers included.
    pub(super) fragments: Hasher,
    /// The first media bytes.
    pub(super) first: Hasher,
    /// The last media bytes.
    pub(super) last: Hasher,
}

impl Content {
    /// The name of an object of `size` bytes.
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

/// The beginning of the first `mdat`'s payload.
pub(super) fn first_media(payload: ByteRange) -> Option<ByteRange> {
    payload.slice(0, ENDS)
}

/// The end of the last `mdat`'s payload.
pub(super) fn last_media(payload: ByteRange) -> Option<ByteRange> {
    payload.slice(payload.len().saturating_sub(ENDS), ENDS)
}
