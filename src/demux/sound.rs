//! An audio sample entry → what it sounds like, its codec, and its bytes as init segments carry them.
//!
//! ```text
//! │ header 8 │ 6 zero │ data_reference_index u16 │ version u16 │ 6 │ channels u16 │ bits u16 │ 4 │ rate 16.16 │ …
//!   version 0, and 1 in ISO files:  … │ esds, dac3, … │
//!   QuickTime version 1:            … │ 16 bytes │ wave { frma │ mp4a │ esds } │
//!   QuickTime version 2:            … │ u32 │ rate f64 │ channels u32 │ 20 bytes │ wave { … } or esds │
//! ```
//! ISO/IEC 14496-12 §12.2.3; QuickTime File Format, "Sound sample descriptions". Players want the first shape.

use super::aac::Config;
use super::aac::Esds;
use super::boxes::Atom;
use super::entry::Described;
use super::entry::Parts;
use super::entry::plain_box;
use super::error::Error;
use super::error::FourCc;
use crate::media::Codec;
use crate::media::Family;
use crate::media::Kind;
use crate::media::Sound;
use crate::media::Timescale;
use bytes::Bytes;

/// Bytes between the header of an audio sample entry of version 0 and its first box.
pub(super) const AUDIO: usize = 28;

/// Boxes that configure a decoder; those are lifted out of QuickTime's `wave`.
const CONFIGURATIONS: [[u8; 4]; 7] = [*b"esds", *b"alac", *b"dac3", *b"dec3", *b"dac4", *b"dOps", *b"dfLa"];

/// Uncompressed and telephone sound, which no player takes from a playlist. QuickTime counts its samples differently, too.
pub(super) const UNPACKED: [[u8; 4]; 15] = [
    *b"twos", *b"sowt", *b"raw ", *b"NONE", *b"in24", *b"in32", *b"fl32", *b"fl64", *b"lpcm", *b"ipcm", *b"fpcm",
    *b"ulaw", *b"alaw", *b"ima4", *b"sac3",
];

/// The fields of an audio sample entry.
#[derive(Debug, Clone, Copy)]
struct Fixed {
    version: u16,
    channels: u32,
    rate: u32,
    /// Bytes before the first box.
    skip: usize,
}

/// Reads an audio sample entry; a track without a rate of its own counts in samples.
pub(super) fn audible(entry: Atom<'_>, timescale: Timescale) -> Result<Described, Error> {
    let mut fixed = Fixed::read(entry)?;
    let mut parts = Parts::new(entry, fixed.skip);
    if fixed.version == 1 && parts.boxes.is_empty() {
        // AudioSampleEntryV1 of ISO files has no fields of its own.
        fixed.skip = AUDIO;
        parts = Parts::new(entry, AUDIO);
    }
    let plain = plain_boxes(&parts);
    let shaped = fixed.version == 0 && plain.is_none();
    let boxes = plain.unwrap_or_else(|| parts.boxes.clone());
    let (codec, sound) = describe(entry, &parts, &boxes)?;
    let sound = Sound {
        channels: sound.channels.or(u16::try_from(fixed.channels).ok()).unwrap_or(0).max(1),
        sample_rate: sound.rate.or(Some(fixed.rate).filter(|rate| *rate > 0)).unwrap_or(timescale.get()),
    };
    let configured = boxes.iter().any(|part| CONFIGURATIONS.contains(&part.kind.0));
    let bytes = if shaped || !configured { parts.trimmed() } else { reshaped(entry, &boxes, sound) };
    Ok(Described { kind: Kind::Audio(sound), codec, entry: bytes })
}

impl Fixed {
    fn read(entry: Atom<'_>) -> Result<Self, Error> {
        let mut fields = entry.fields();
        fields.slice(8)?;
        let version = fields.u16()?;
        fields.slice(6)?;
        let channels = u32::from(fields.u16()?);
        fields.slice(6)?;
        let rate = fields.u32()? >> 16;
        match version {
            1 => Ok(Self { version, channels, rate, skip: AUDIO + 16 }),
            2 => {
                fields.u32()?;
                let rate = whole(fields.u64()?).unwrap_or(rate);
                let channels = fields.u32()?;
                fields.slice(20)?;
                Ok(Self { version, channels, rate, skip: AUDIO + 36 })
            }
            _ => Ok(Self { version: 0, channels, rate, skip: AUDIO }),
        }
    }
}

/// The whole part of an IEEE 754 double, by its bits; `None` unless it is 1 to `u32::MAX`.
fn whole(bits: u64) -> Option<u32> {
    let exponent = (bits >> 52).checked_sub(1_023).filter(|exponent| *exponent < 32)?;
    let mantissa = (bits & ((1 << 52) - 1)) | (1 << 52);
    u32::try_from(mantissa >> (52 - exponent)).ok()
}

/// The boxes with `wave` replaced by the configuration in it; `None` without `wave`.
fn plain_boxes<'a>(parts: &Parts<'a>) -> Option<Vec<Atom<'a>>> {
    let wave = parts.get(*b"wave")?;
    let lifted = wave.children().filter_map(Result::ok).filter(|part| CONFIGURATIONS.contains(&part.kind.0));
    let kept = parts.boxes.iter().filter(|part| part.kind.0 != *b"wave").copied();
    Some(lifted.chain(kept).collect())
}

/// The entry as AudioSampleEntry of version 0.
fn reshaped(entry: Atom<'_>, boxes: &[Atom<'_>], sound: Sound) -> Bytes {
    let mut body = entry.body.get(..8).unwrap_or_default().to_vec();
    body.extend([0; 8]);
    body.extend(sound.channels.to_be_bytes());
    body.extend([0, 16, 0, 0, 0, 0]);
    // §12.2.3: 16.16, and 0 for a rate that 16 bits do not hold.
    body.extend(u16::try_from(sound.sample_rate).unwrap_or(0).to_be_bytes());
    body.extend([0, 0]);
    boxes.iter().for_each(|part| body.extend(part.whole));
    plain_box(entry.kind, &body)
}

/// What a configuration says; `None` where the entry's own fields count.
#[derive(Debug, Clone, Copy, Default)]
struct Heard {
    channels: Option<u16>,
    rate: Option<u32>,
}

fn describe(entry: Atom<'_>, parts: &Parts<'_>, boxes: &[Atom<'_>]) -> Result<(Codec, Heard), Error> {
    let find = |kind: [u8; 4]| boxes.iter().find(|part| part.kind.0 == kind).copied();
    let named = |string: &str| Codec { fourcc: entry.kind.0, string: string.into(), family: Family::Other };
    match &entry.kind.0 {
        b"mp4a" => mpeg_audio(entry, find(*b"esds").map_or_else(|| parts.need(*b"esds"), Ok)?),
        b"Opus" => Ok((named("opus"), opus(parts.need(*b"dOps")?)?)),
        b"fLaC" => Ok((named("flac"), flac(parts.need(*b"dfLa")?)?)),
        b"ac-3" => Ok((named("ac-3"), find(*b"dac3").map(ac3).transpose()?.unwrap_or_default())),
        b"ec-3" => Ok((named("ec-3"), find(*b"dec3").map(eac3).transpose()?.unwrap_or_default())),
        b"alac" => Ok((named("alac"), find(*b"alac").map(alac).transpose()?.unwrap_or_default())),
        b".mp3" => Ok((named("mp4a.6B"), Heard::default())),
        _ => Ok((named(&FourCc(entry.kind.0).to_string()), Heard::default())),
    }
}

/// `mp4a.40.N`, `mp4a.6B` and their like: RFC 6381 §3.3.
fn mpeg_audio(entry: Atom<'_>, esds: Atom<'_>) -> Result<(Codec, Heard), Error> {
    let found = Esds::read(esds)?;
    let object = format!("mp4a.{:02X}", found.object_type);
    if !matches!(found.object_type, 0x40 | 0x66..=0x68) {
        return Ok((Codec { fourcc: entry.kind.0, string: object, family: Family::Other }, Heard::default()));
    }
    let length = i64::try_from(found.specific.len()).unwrap_or(i64::MAX);
    let refused = || esds.value("AudioSpecificConfig bytes", length, "a whole AudioSpecificConfig");
    let config = Config::read(found.specific).ok_or_else(refused)?;
    if matches!(config.channel_configuration, 8..=10 | 15) {
        let claims = i64::from(config.channel_configuration);
        return Err(esds.value("channelConfiguration", claims, "0 to 7 or 11 to 14"));
    }
    let string = if found.object_type == 0x40 { format!("{object}.{}", config.object_type) } else { object };
    let family = config.aac().map_or(Family::Other, Family::Aac);
    let heard = Heard { channels: config.channels(), rate: Some(config.output_rate) };
    Ok((Codec { fourcc: entry.kind.0, string, family }, heard))
}

/// Encapsulation of Opus in ISO Base Media §4.3.2: a decoder puts out 48 kHz.
fn opus(dops: Atom<'_>) -> Result<Heard, Error> {
    let [_, channels] = dops.fields().take()?;
    Ok(Heard { channels: Some(channels.into()), rate: Some(48_000) })
}

/// Encapsulation of FLAC in ISO Base Media §3.3.2: STREAMINFO comes first; its rate has 20 bits, its channels 3.
fn flac(dfla: Atom<'_>) -> Result<Heard, Error> {
    let (_, _, mut fields) = dfla.full()?;
    fields.slice(4 + 10)?;
    let word = fields.u32()?;
    let channels = u16::try_from((word >> 9) & 7).ok().map(|less| less + 1);
    Ok(Heard { channels, rate: Some(word >> 12).filter(|rate| *rate > 0) })
}

/// Channels by acmod, without the subwoofer (ETSI TS 102 366 §4.4.2.3).
const ACMOD: [u16; 8] = [2, 1, 2, 3, 3, 4, 4, 5];

fn acmod(mode: u32, subwoofer: u32) -> Heard {
    let channels = usize::try_from(mode & 7).ok().and_then(|mode| ACMOD.get(mode));
    Heard { channels: channels.map(|channels| channels + u16::from(subwoofer & 1 == 1)), rate: None }
}

/// `dac3` (ETSI TS 102 366 annex F.4): fscod 2, bsid 5, bsmod 3, acmod 3, lfeon 1, …
fn ac3(dac3: Atom<'_>) -> Result<Heard, Error> {
    let [a, b, c] = dac3.fields().take()?;
    let word = u32::from_be_bytes([0, a, b, c]);
    Ok(acmod(word >> 11, word >> 10))
}

/// `dec3` (annex F.6), first substream: data_rate 13, num_ind_sub 3, fscod 2, bsid 5, 2, bsmod 3, acmod 3, lfeon 1, …
fn eac3(dec3: Atom<'_>) -> Result<Heard, Error> {
    let mut fields = dec3.fields();
    fields.u16()?;
    let word = u32::from(fields.u16()?);
    Ok(acmod(word >> 1, word))
}

/// ALACSpecificConfig: numChannels is its tenth byte, the rate its last word.
fn alac(alac: Atom<'_>) -> Result<Heard, Error> {
    let (_, _, mut fields) = alac.full()?;
    fields.slice(9)?;
    let channels = fields.u8()?;
    fields.slice(10)?;
    Ok(Heard { channels: Some(channels.into()), rate: Some(fields.u32()?).filter(|rate| *rate > 0) })
}
