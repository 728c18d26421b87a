//! The codec of a track: the RFC 6381 string for manifests, and the parameters for the muxers.

use bytes::Bytes;

/// A track's codec, read from its sample entry (ISO/IEC 14496-12 §8.5.2).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Codec {
    /// Four-character type of the sample entry, as stored: `avc1`, `mp4a`, `hvc1`, …
    pub fourcc: [u8; 4],
    /// Full RFC 6381 string: `avc1.64001f`, `mp4a.40.2`, `hvc1.1.6.L60.90`, …
    pub string: String,
    /// Codec family, with the parameters that the muxers need.
    pub family: Family,
    /// Second codec string for players that decode an enhancement (`SUPPLEMENTAL-CODECS` of HLS); mostly `None`.
    pub supplemental: Option<Supplemental>,
}

/// A codec that enhances another: Dolby Vision over a base layer that any decoder reads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Supplemental {
    /// RFC 6381 string: `dvh1.08.07`.
    pub codec: String,
    /// Brand that names the base layer: `db1p`, `db2g`, `db4h`.
    pub brand: [u8; 4],
}

/// Groups of codecs that Afflux treats differently.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Family {
    /// H.264 (ISO/IEC 14496-15): samples of NAL units behind lengths of 1, 2 or 4 bytes.
    H264 {
        /// Size of a NAL unit's length field in bytes: 1, 2 or 4.
        nal_length: u8,
        /// The parameter sets of `avcC`, each behind a start code of 4 bytes (Rec. ITU-T H.264 annex B): sequence
        /// parameter sets, then picture parameter sets.
        parameter_sets: Bytes,
    },
    /// H.265 (ISO/IEC 14496-15).
    H265 {
        /// Size of a NAL unit's length field in bytes: 1, 2 or 4.
        nal_length: u8,
    },
    /// AAC (ISO/IEC 14496-3).
    Aac(Aac),
    /// Any other: Afflux copies its sample entry and samples unchanged.
    Other,
}

/// Samples per second by samplingFrequencyIndex (ISO/IEC 14496-3 table 1.18).
pub const AAC_RATES: [u32; 13] =
    [96_000, 88_200, 64_000, 48_000, 44_100, 32_000, 24_000, 22_050, 16_000, 12_000, 11_025, 8_000, 7_350];

/// Content of an AudioSpecificConfig (ISO/IEC 14496-3 §1.6.2.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Aac {
    /// Audio object type: 2 is AAC-LC, 5 is HE-AAC signalled explicitly, 29 is HE-AAC v2.
    pub object_type: u8,
    /// Audio object type of the core, 1 to 4; differs from `object_type` only with SBR (5) and PS (29).
    pub core_type: u8,
    /// Samples per second of the core.
    pub sample_rate: u32,
    /// channelConfiguration: 0 if a program config element lists the channels, else 1 to 7 (7 is 7.1) or 11 to 14.
    pub channel_configuration: u8,
    /// Samples per frame of the core: 1024 or 960.
    pub frame_length: u16,
}

impl Aac {
    /// Whether a program config element lists the channels: browsers refuse such a stream.
    #[must_use]
    pub const fn has_program_config(self) -> bool {
        self.channel_configuration == 0
    }
}

/// Parameters of a sound track.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sound {
    /// Number of channels, at least 1.
    pub channels: u16,
    /// Samples per second that a decoder outputs.
    pub sample_rate: u32,
    /// Meaning of the channels.
    pub arrangement: Arrangement,
}

/// Meaning of the channels of a sound.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Arrangement {
    /// One channel per speaker.
    Speakers,
    /// Speaker channels and sound objects: Dolby Atmos in E-AC-3 (JOC), with its complexity index, at least 1.
    Objects(u8),
    /// A sound field, which a decoder renders for any speakers.
    Ambisonics,
    /// The sample entry does not tell: a decoder outputs as many channels as there are speakers.
    Unstated,
}
