//! Dolby Vision's configuration record → codec strings for playlists (Dolby Vision Streams within ISO Base Media §2.2).
//!
//! ```text
//! │ version 2 × u8 │ profile 7 │ level 6 │ rpu 1 │ el 1 │ bl 1 │ compatibility 4 │ …
//! ```

use super::bits::BitReader;
use super::entry::EntryBoxes;
use crate::media::{Supplemental, VideoRange};

/// A Dolby Vision configuration record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct DolbyVision {
    profile: u32,
    level: u32,
    compatibility: u32,
}

impl DolbyVision {
    /// The record among `parts`: `dvcC` up to profile 7, `dvvC` up to 10, `dvwC` above.
    pub(super) fn read(parts: &EntryBoxes<'_>) -> Option<Self> {
        let record = parts.get(*b"dvcC").or(parts.get(*b"dvvC")).or(parts.get(*b"dvwC"))?;
        let mut bits = BitReader::new(record.body);
        bits.skip(16)?;
        let (profile, level) = (bits.read(7)?, bits.read(6)?);
        bits.skip(3)?;
        // Records of version 1 have 0 here, or end before it.
        Some(Self { profile, level, compatibility: bits.read(4).unwrap_or(0) })
    }

    /// `dvh1.05.06`: codec string of a stream that only a Dolby Vision decoder reads; `entry` is the entry type.
    pub(super) fn string(self, entry: &str) -> String {
        format!("{entry}.{:02}.{:02}", self.profile, self.level)
    }

    /// Codec string for Dolby Vision decoders beside that of the base layer, which any decoder reads
    /// (`SUPPLEMENTAL-CODECS` of HLS, with the brand that names the base layer). `None` without such a base layer.
    pub(super) fn supplemental(self) -> Option<Supplemental> {
        let entry = match self.profile {
            8 | 20 => "dvh1",
            9 => "dva1",
            10 => "dav1",
            _ => return None,
        };
        let brand = match self.compatibility {
            1 => *b"db1p",
            2 => *b"db2g",
            4 => *b"db4h",
            _ => return None,
        };
        Some(Supplemental { codec: self.string(entry), brand })
    }

    /// Dynamic range of the base layer according to its compatibility; `None` if the record does not tell.
    pub(super) fn range(self) -> Option<VideoRange> {
        match (self.profile, self.compatibility) {
            (5, _) | (10, 0) | (_, 1) => Some(VideoRange::Pq),
            (_, 2) => Some(VideoRange::Sdr),
            (_, 4) => Some(VideoRange::Hlg),
            _ => None,
        }
    }

    /// Whether only a Dolby Vision decoder shows the colours right: profile 5, and 10 without a compatible base.
    pub(super) fn is_alone(self) -> bool {
        matches!((self.profile, self.compatibility), (5, _) | (10, 0))
    }
}
