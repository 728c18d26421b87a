//! Parser of `esds` and AudioSpecificConfig → [`Aac`] (ISO/IEC 14496-1 §7.2.6, 14496-3 §1.6.2.1).
//!
//! ```text
//! ES_Descriptor 3 { ES_ID u16 │ flags u8 │ … │ DecoderConfigDescriptor 4 { objectTypeIndication u8 │ 12 bytes │
//!     DecoderSpecificInfo 5 { AudioSpecificConfig } } }
//! ```

use super::bits::BitReader;
use super::boxes::Atom;
use super::error::Error;
use crate::media::AAC_RATES;
use crate::media::Aac;
use crate::media::usize_from_u32;

/// Content of an `esds`.
#[derive(Debug, Clone, Copy)]
pub(super) struct Esds<'a> {
    /// objectTypeIndication: 0x40 is MPEG-4 audio.
    pub(super) object_type: u8,
    /// DecoderSpecificInfo; empty if there is none.
    pub(super) specific: &'a [u8],
}

impl<'a> Esds<'a> {
    /// Reads `esds`. A descriptor that claims more bytes than are left ends with the box.
    pub(super) fn read(esds: Atom<'a>) -> Result<Self, Error> {
        let (_, _, fields) = esds.full()?;
        let refused = || esds.value("ES_Descriptor", 0, "one that holds a DecoderConfigDescriptor");
        let stream = descriptor(fields.rest(), 3).and_then(stream_body).ok_or_else(refused)?;
        let config = descriptor(stream, 4).ok_or_else(refused)?;
        let (object_type, config) = config.split_first().ok_or_else(refused)?;
        let specific = config.get(12..).and_then(|rest| descriptor(rest, 5)).unwrap_or_default();
        Ok(Self { object_type: *object_type, specific })
    }
}

/// The body of the first descriptor with `tag`.
fn descriptor(mut bytes: &[u8], tag: u8) -> Option<&[u8]> {
    while let Some((found, rest)) = bytes.split_first() {
        let (len, rest) = expandable(rest)?;
        let (body, rest) = rest.split_at(len.min(rest.len()));
        if *found == tag {
            return Some(body);
        }
        bytes = rest;
    }
    None
}

/// Reads a length in 1 to 4 bytes of 7 bits each (ISO/IEC 14496-1 §8.3.3); returns it and the bytes behind it.
fn expandable(mut bytes: &[u8]) -> Option<(usize, &[u8])> {
    let mut len = 0_u32;
    for _ in 0..4 {
        let (byte, rest) = bytes.split_first()?;
        bytes = rest;
        len = (len << 7) | u32::from(byte & 0x7f);
        if byte & 0x80 == 0 {
            break;
        }
    }
    Some((usize_from_u32(len), bytes))
}

/// The descriptors of a stream, behind the optional fields that its flags announce.
fn stream_body(stream: &[u8]) -> Option<&[u8]> {
    let ([_, _, flags], mut rest) = stream.split_first_chunk::<3>()?;
    if flags & 0x80 != 0 {
        rest = rest.get(2..)?;
    }
    if flags & 0x40 != 0 {
        let (len, url) = rest.split_first()?;
        rest = url.get(usize::from(*len)..)?;
    }
    if flags & 0x20 != 0 {
        rest = rest.get(2..)?;
    }
    Some(rest)
}

/// The fields of an AudioSpecificConfig that we use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct AudioSpecificConfig {
    /// Audio object type for `mp4a.40.N`, whether it is signalled before the core's config or behind.
    pub(super) object_type: u8,
    /// Audio object type of the core; differs from the above only with SBR (5) and PS (29).
    pub(super) core: u8,
    /// Samples per second of the core.
    pub(super) sample_rate: u32,
    /// Samples per second of the output: with SBR, if that is signalled before the core's config or behind.
    pub(super) output_rate: u32,
    /// channelConfiguration.
    pub(super) channel_configuration: u8,
    /// Samples per frame of the core.
    pub(super) frame_length: u16,
    /// Channels that a program config element lists; 0 without one.
    listed: u16,
}

impl AudioSpecificConfig {
    /// Reads a config; `None` if `specific` ends too early or has a reserved rate.
    pub(super) fn read(specific: &[u8]) -> Option<Self> {
        let mut bits = BitReader::new(specific);
        let first = object_type(&mut bits)?;
        let sample_rate = rate(&mut bits)?;
        let channel_configuration = bits.byte(4)?;
        let (core, output_rate) = match first {
            5 | 29 => {
                let rate = rate(&mut bits)?;
                (object_type(&mut bits)?, rate)
            }
            core => (core, sample_rate),
        };
        let mut config = Self {
            object_type: first,
            core,
            sample_rate,
            output_rate,
            channel_configuration,
            frame_length: 1024,
            listed: 0,
        };
        // For these types, GASpecificConfig (§4.4.1) begins with frameLengthFlag; other types have no 960.
        if matches!(core, 1..=4 | 6 | 7 | 17 | 19..=22) {
            config.frame_length = if bits.flag()? { 960 } else { 1024 };
            let Some(listed) = general(&mut bits, core, channel_configuration) else { return Some(config) };
            config.listed = listed;
        }
        if core == 2
            && first == 2
            && let Some(late) = late_extension(&mut bits)
        {
            (config.object_type, config.output_rate) = (late.object_type, late.rate);
        }
        Some(config)
    }

    /// Parameters for the muxer; `None` for object types other than plain AAC (ELD, USAC, ALS, …).
    pub(super) fn aac(&self) -> Option<Aac> {
        matches!(self.core, 1..=4).then_some(Aac {
            object_type: self.object_type,
            core_type: self.core,
            sample_rate: self.sample_rate,
            channel_configuration: self.channel_configuration,
            frame_length: self.frame_length,
        })
    }

    /// Number of output channels; `None` if the configuration does not tell, or has a reserved value.
    pub(super) fn channels(&self) -> Option<u16> {
        match self.channel_configuration {
            1 if self.object_type == 29 => Some(2),
            known @ 1..=6 => Some(u16::from(known)),
            7 | 12 | 14 => Some(8),
            11 => Some(7),
            13 => Some(24),
            0 => Some(self.listed).filter(|channels| *channels > 0),
            _ => None,
        }
    }
}

fn object_type(bits: &mut BitReader<'_>) -> Option<u8> {
    match bits.byte(5)? {
        31 => bits.byte(6).map(|more| 32 + more),
        plain => Some(plain),
    }
}

fn rate(bits: &mut BitReader<'_>) -> Option<u32> {
    let rate = match bits.read(4)? {
        15 => bits.read(24)?,
        index => *AAC_RATES.get(usize_from_u32(index))?,
    };
    (rate > 0).then_some(rate)
}

/// Reads GASpecificConfig behind its first flag (§4.4.1). Returns the number of channels that a program config element
/// lists, 0 without one; `None` if the config ends early.
fn general(bits: &mut BitReader<'_>, core: u8, channel_configuration: u8) -> Option<u16> {
    if bits.flag()? {
        bits.skip(14)?;
    }
    let extended = bits.flag()?;
    let channels = if channel_configuration == 0 { program_config(bits)? } else { 0 };
    if matches!(core, 6 | 20) {
        bits.skip(3)?;
    }
    if extended {
        bits.skip(match core {
            22 => 5 + 11,
            17 | 19 | 20 | 23 => 3,
            _ => 0,
        })?;
        bits.skip(1)?;
    }
    Some(channels)
}

/// Number of channels that program_config_element( ) lists (§4.4.1.1).
fn program_config(bits: &mut BitReader<'_>) -> Option<u16> {
    bits.skip(4 + 2 + 4)?;
    let mut count = |width| bits.read(width).map(usize_from_u32);
    let speakers = count(4)? + count(4)? + count(4)?;
    let (low, data, coupling) = (count(2)?, count(3)?, count(4)?);
    for width in [4, 4, 3] {
        if bits.flag()? {
            bits.skip(width)?;
        }
    }
    let mut channels = u16::try_from(low).ok()?;
    for _ in 0..speakers {
        channels += if bits.flag()? { 2 } else { 1 };
        bits.skip(4)?;
    }
    bits.skip(4 * low + 4 * data + 5 * coupling)?;
    bits.align();
    let comment = bits.byte(8)?;
    bits.skip(8 * usize::from(comment))?;
    Some(channels)
}

/// SBR and PS signalled behind the core's config, where old decoders do not read them (§1.6.5).
#[derive(Debug, Clone, Copy)]
struct SyncExtension {
    /// 5 with SBR, 29 with SBR and PS.
    object_type: u8,
    /// Samples per second of the output.
    rate: u32,
}

fn late_extension(bits: &mut BitReader<'_>) -> Option<SyncExtension> {
    let signalled = bits.read(11)? == 0x2b7 && object_type(bits)? == 5 && bits.flag()?;
    let rate = signalled.then(|| rate(bits)).flatten()?;
    let stereo = bits.read(11) == Some(0x548) && bits.flag() == Some(true);
    Some(SyncExtension { object_type: if stereo { 29 } else { 5 }, rate })
}

#[cfg(test)]
mod tests {
    use super::{AudioSpecificConfig, Esds};
    use crate::demux::boxes::Atom;
    use crate::demux::fixture::{esds, full};

    #[test]
    fn low_complexity_says_rate_and_channels() {
        let config = AudioSpecificConfig::read(&[0x12, 0x10]).unwrap();
        assert_eq!((config.object_type, config.sample_rate, config.channels()), (2, 44_100, Some(2)));
        assert_eq!((config.output_rate, config.frame_length), (44_100, 1024));
        assert_eq!(AudioSpecificConfig::read(&[0x12, 0x14]).unwrap().frame_length, 960);
    }

    #[test]
    fn explicit_sbr_and_ps_double_the_output() {
        let sbr = AudioSpecificConfig::read(&[0x2b, 0x92, 0x08, 0x00]).unwrap();
        assert_eq!((sbr.object_type, sbr.core, sbr.sample_rate, sbr.output_rate), (5, 2, 22_050, 44_100));
        let ps = AudioSpecificConfig::read(&[0xeb, 0x8a, 0x08, 0x00]).unwrap();
        assert_eq!((ps.object_type, ps.channels(), ps.output_rate), (29, Some(2), 44_100));
    }

    #[test]
    fn sbr_and_ps_signalled_behind_the_core_are_named_like_those_in_front() {
        let told = |specific: &[u8]| {
            let config = AudioSpecificConfig::read(specific).unwrap();
            (config.object_type, config.core, config.sample_rate, config.output_rate)
        };
        assert_eq!(told(&[0x13, 0x90, 0x56, 0xe5, 0xa0]), (5, 2, 22_050, 44_100));
        assert_eq!(told(&[0x13, 0x90, 0x56, 0xe5, 0xa5, 0x48, 0x80]), (29, 2, 22_050, 44_100));
        // sbrPresentFlag is 0.
        assert_eq!(told(&[0x13, 0x90, 0x56, 0xe5, 0x00]), (2, 2, 22_050, 22_050));
    }

    #[test]
    fn a_program_config_lists_the_channels() {
        // Front: a pair and one; side: one; back: a pair.
        let element = [0x11, 0x80, 0x04, 0xc8, 0x44, 0x00, 0x20, 0x00, 0xc4, 0x0d, 0x4c, 0x61, 0x76, 0x63, 0x35, 0x33];
        let whole = [&element[..], b".37.101V\xe5\x00"].concat();
        let config = AudioSpecificConfig::read(&whole).unwrap();
        assert_eq!((config.channels(), config.aac().unwrap().has_program_config()), (Some(6), true));
        for len in 2..whole.len() {
            let _cut = AudioSpecificConfig::read(&whole[..len]);
        }
        assert_eq!(AudioSpecificConfig::read(&element[..7]).unwrap().channels(), None);
    }

    #[test]
    fn object_types_beyond_31_are_no_plain_aac() {
        let config = AudioSpecificConfig::read(&[0xf9, 0x48, 0x40]).unwrap();
        assert_eq!((config.object_type, config.aac()), (42, None));
    }

    #[test]
    fn a_config_that_ends_early_or_says_a_reserved_rate_is_none() {
        assert_eq!(AudioSpecificConfig::read(&[]), None);
        assert_eq!(AudioSpecificConfig::read(&[0x12]), None);
        assert_eq!(AudioSpecificConfig::read(&[0x16, 0x90]), None);
    }

    #[test]
    fn the_config_is_found_behind_optional_fields() {
        let found =
            |bytes: &[u8]| Esds::read(Atom::new(bytes, 0).unwrap()).map(|e| (e.object_type, e.specific.to_vec()));
        assert_eq!(found(&esds(0x40, &[0x12, 0x10])), Ok((0x40, vec![0x12, 0x10])));
        let mut body = vec![3, 0x80, 0x80, 30, 0, 1, 0xe0, 0, 0, 1, b'u', 0, 0, 4, 17, 0x40];
        body.extend([0; 12]);
        body.extend([5, 2, 0x11, 0x90]);
        assert_eq!(found(&full(b"esds", 0, 0, &body)), Ok((0x40, vec![0x11, 0x90])));
        assert!(found(&full(b"esds", 0, 0, &[3, 1, 0])).is_err());
    }
}
