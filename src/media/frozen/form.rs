//! How frozen bytes begin and end, whatever they are.
//!
//! ```text
//! │ magic 8 │ revision u32 │ … │ checksum u64: CRC-64/NVME of all before it │
//! ```

use super::Damage;
use super::reader::Reader;
use bytes::Bytes;
use crc_fast::CrcAlgorithm;

/// A kind of frozen bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Form {
    /// What they begin with.
    pub magic: [u8; 8],
    /// How they are written today; others are refused.
    pub revision: u32,
}

impl Form {
    /// Bytes of magic and revision.
    pub(super) const HEAD: usize = 12;

    /// Bytes of the checksum.
    pub(super) const CHECKSUM: usize = 8;

    /// Begins them.
    pub fn begin(self, out: &mut Vec<u8>) {
        out.extend(self.magic);
        out.extend(self.revision.to_le_bytes());
    }

    /// Ends what was [begun](Self::begin).
    pub fn seal(out: &mut Vec<u8>) {
        let checksum = Self::checksum(out);
        out.extend(checksum.to_le_bytes());
    }

    /// What stands between revision and checksum, where both are right.
    pub fn opened(self, bytes: &Bytes) -> Result<Reader<'_>, Damage> {
        self.begun(bytes)?;
        let (summed, checksum) = bytes.split_last_chunk::<{ Self::CHECKSUM }>().ok_or(Damage::Checksum)?;
        if Self::checksum(summed) != u64::from_le_bytes(*checksum) {
            return Err(Damage::Checksum);
        }
        Ok(Reader::new(bytes, summed.get(Self::HEAD..).ok_or(Damage::Checksum)?))
    }

    /// What stands behind the revision, where that is right.
    pub(super) fn begun(self, bytes: &Bytes) -> Result<Reader<'_>, Damage> {
        let behind = bytes.strip_prefix(&self.magic).ok_or(Damage::Foreign)?;
        let mut rest = Reader::new(bytes, behind);
        let found = rest.u32()?;
        if found == self.revision { Ok(rest) } else { Err(Damage::Revision { found }) }
    }

    /// What stands behind `bytes`: as fast as memory is read.
    pub(super) fn checksum(bytes: &[u8]) -> u64 {
        crc_fast::checksum(CrcAlgorithm::Crc64Nvme, bytes)
    }
}
