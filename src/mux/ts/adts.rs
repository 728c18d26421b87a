//! Writes ADTS headers (ISO/IEC 14496-3 §1.A.3.2), which give an AAC decoder its configuration before every frame.
//!
//! ```text
//! │ syncword 12 │ ID 1 │ layer 2 │ protection_absent 1 │ profile 2 │ frequency index 4 │ private 1 │ channels 3 │ 4 flags
//! │ frame length 13 │ buffer fullness 11 │ raw data blocks less one 2 │
//! ```

use crate::media::{AAC_RATES, Aac, u32_from_usize};

/// Bytes of a header.
pub(super) const HEADER: u32 = 7;

/// Largest frame in bytes, without its header: the length field of 13 bits counts both.
pub(super) const FRAME_LIMIT: u32 = 0x1fff - HEADER;

/// Buffer fullness that signals a variable bit rate.
const VARIABLE: u64 = 0x7ff;

/// The header of a track's frames, without the frame length.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Adts(u64);

impl Adts {
    /// `None` if a header cannot express `aac`: it allows object types 1 to 4, the rates of its table, channel
    /// configurations 1 to 7, and frames of 1024 samples. It does not signal SBR; decoders detect it.
    pub(super) fn new(aac: Aac) -> Option<Self> {
        let profile = u64::from(aac.core_type).checked_sub(1).filter(|profile| *profile < 4)?;
        let rate = AAC_RATES.iter().position(|rate| *rate == aac.sample_rate)?;
        let channels = Some(u64::from(aac.channel_configuration)).filter(|channels| (1..=7).contains(channels))?;
        // Syncword, ID 0 (MPEG-4), layer 0, protection_absent 1.
        let start = 0xfff1_u64 << 40;
        let described = profile << 38 | u64::from(u32_from_usize(rate)) << 34 | channels << 30;
        (aac.frame_length == 1024).then_some(Self(start | described | VARIABLE << 2))
    }

    /// The header of a frame of `size` bytes, at most [`FRAME_LIMIT`].
    pub(super) fn header(self, size: u32) -> [u8; 7] {
        let [_, header @ ..] = (self.0 | u64::from((size + HEADER) & 0x1fff) << 13).to_be_bytes();
        header
    }
}

#[cfg(test)]
mod tests {
    use super::Adts;
    use crate::media::Aac;

    const STEREO: Aac =
        Aac { object_type: 2, core_type: 2, sample_rate: 48_000, channel_configuration: 2, frame_length: 1_024 };

    #[test]
    fn a_header_says_profile_rate_channels_and_length() {
        let header = Adts::new(STEREO).unwrap().header(371 - 7);
        assert_eq!(header, [0xff, 0xf1, 0x4c, 0x80, 0x2e, 0x7f, 0xfc]);
        let mono = Aac { object_type: 5, sample_rate: 22_050, channel_configuration: 1, ..STEREO };
        assert_eq!(Adts::new(mono).unwrap().header(1), [0xff, 0xf1, 0x5c, 0x40, 0x01, 0x1f, 0xfc]);
    }

    #[test]
    fn what_a_header_cannot_say_has_none() {
        for aac in [
            Aac { core_type: 5, ..STEREO },
            Aac { sample_rate: 47_999, ..STEREO },
            Aac { channel_configuration: 0, ..STEREO },
            Aac { channel_configuration: 11, ..STEREO },
            Aac { frame_length: 960, ..STEREO },
        ] {
            assert_eq!(Adts::new(aac), None, "{aac:?}");
        }
    }
}
