//! Common frame of frozen bytes of any kind: magic and revision in front, a checksum at the end.
//!
//! ```text
//! │ magic 8 │ revision u32 │ … │ checksum u64: CRC-64/NVME of all before it │
//! ```

use super::Damage;
use super::reader::Reader;
use bytes::Bytes;
use crc_fast::CrcAlgorithm;

/// A kind of frozen bytes, and the revision of its format.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FrozenFormat {
    /// First 8 bytes.
    pub magic: [u8; 8],
    /// Revision of the format; other revisions are refused.
    pub revision: u32,
}

impl FrozenFormat {
    /// Size of magic and revision, in bytes.
    pub(super) const HEAD: usize = 12;

    /// Size of the checksum, in bytes.
    pub(super) const CHECKSUM: usize = 8;

    /// Writes magic and revision.
    pub fn begin(self, out: &mut Vec<u8>) {
        out.extend(self.magic);
        out.extend(self.revision.to_le_bytes());
    }

    /// Appends the checksum to bytes that [`Self::begin`] has begun.
    pub fn seal(out: &mut Vec<u8>) {
        let checksum = Self::checksum(out);
        out.extend(checksum.to_le_bytes());
    }

    /// Checks magic, revision and checksum; returns a reader of the bytes between them.
    pub fn opened(self, bytes: &Bytes) -> Result<Reader<'_>, Damage> {
        self.begun(bytes)?;
        let (summed, checksum) = bytes.split_last_chunk::<{ Self::CHECKSUM }>().ok_or(Damage::Checksum)?;
        if Self::checksum(summed) != u64::from_le_bytes(*checksum) {
            return Err(Damage::Checksum);
        }
        Ok(Reader::new(bytes, summed.get(Self::HEAD..).ok_or(Damage::Checksum)?))
    }

    /// Checks magic and revision; returns a reader of the bytes behind them.
    pub(super) fn begun(self, bytes: &Bytes) -> Result<Reader<'_>, Damage> {
        let behind = bytes.strip_prefix(&self.magic).ok_or(Damage::Foreign)?;
        let mut rest = Reader::new(bytes, behind);
        let found = rest.u32()?;
        if found == self.revision { Ok(rest) } else { Err(Damage::Revision { found }) }
    }

    /// Checksum of `bytes`; as fast as a read of memory.
    pub(super) fn checksum(bytes: &[u8]) -> u64 {
        crc_fast::checksum(CrcAlgorithm::Crc64Nvme, bytes)
    }
}
