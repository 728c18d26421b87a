//! What a sample entry says of its codec: the RFC 6381 string that manifests print, and what muxing needs to know.

use bytes::Bytes;

/// A track's codec, read from its sample entry (ISO/IEC 14496-12 §8.5.2).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Codec {
    /// The sample entry's four characters, as stored: `avc1`, `mp4a`, `hvc1`, …
    pub fourcc: [u8; 4],
    /// The full RFC 6381 string: `avc1.64001f`, `mp4a.40.2`, `hvc1.1.6.L60.90`, …
    pub string: String,
    /// What of it matters beyond its name.
    pub family: Family,
    /// Another name for players that decode more of it, as `SUPPLEMENTAL-CODECS` of HLS gives it; `None` mostly.
    pub supplemental: Option<Supplemental>,
}

/// A codec that enhances another: Dolby Vision over a base layer that any decoder reads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Supplemental {
    /// Its RFC 6381 string: `dvh1.08.07`.
    pub codec: String,
    /// The brand that says what the base layer is: `db1p`, `db2g`, `db4h`.
    pub brand: [u8; 4],
}

/// Codecs by what Afflux does with them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Family {
    /// H.264 (ISO/IEC 14496-15): samples of NAL units behind lengths of 1, 2 or 4 bytes.
    H264 {
        /// Bytes of a NAL unit's length field: 1, 2 or 4.
        nal_length: u8,
        /// The parameter sets of `avcC`, each behind a start code of 4 bytes (Rec. ITU-T H.264 annex B): sequence
        /// parameter sets, then picture parameter sets.
        parameter_sets: Bytes,
    },
    /// H.265 (ISO/IEC 14496-15).
    H265 {
        /// Bytes of a NAL unit's length field: 1, 2 or 4.
        nal_length: u8,
    },
    /// AAC (ISO/IEC 14496-3).
    Aac(Aac),
    /// Any other: carried by its sample entry as it is.
    Other,
}

/// Samples per second by samplingFrequencyIndex (ISO/IEC 14496-3 table 1.18).
pub const AAC_RATES: [u32; 13] =
    [96_000, 88_200, 64_000, 48_000, 44_100, 32_000, 24_000, 22_050, 16_000, 12_000, 11_025, 8_000, 7_350];

/// What an AudioSpecificConfig says (ISO/IEC 14496-3 §1.6.2.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Aac {
    /// Audio object type: 2 is AAC-LC, 5 HE-AAC signalled explicitly, 29 HE-AAC v2.
    pub object_type: u8,
    /// Audio object type of the core, 1 to 4: the same, except below SBR (5) and PS (29).
    pub core_type: u8,
    /// The core's samples per second.
    pub sample_rate: u32,
    /// channelConfiguration: 0 when a program config element says it, else 1 to 7 (7 is 7.1), 11, 12, 14.
    pub channel_configuration: u8,
    /// Samples of the core per frame: 1024 or 960.
    pub frame_length: u16,
}

impl Aac {
    /// Whether a program config element says the channels: browsers refuse such a stream.
    #[must_use]
    pub const fn has_program_config(self) -> bool {
        self.channel_configuration == 0
    }
}

/// What an audible track holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sound {
    /// Channels, at least 1.
    pub channels: u16,
    /// Samples per second that a decoder puts out.
    pub sample_rate: u32,
    /// What its channels are.
    pub arrangement: Arrangement,
}

/// What the channels of a sound are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Arrangement {
    /// Each is meant for a speaker.
    Speakers,
    /// The same, and objects beside them: Dolby Atmos in E-AC-3 (JOC), with its complexity index, at least 1.
    Objects(u8),
    /// A sound field, which is rendered to any speakers.
    Ambisonics,
    /// The sample entry does not say: a decoder makes as many as there are speakers.
    Unstated,
}
