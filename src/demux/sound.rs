//! Parser of audio sample entries → sound, codec, and the bytes for init segments.
//!
//! ```text
//! │ header 8 │ 6 zero │ data_reference_index u16 │ version u16 │ 6 │ channels u16 │ bits u16 │ 4 │ rate 16.16 │ …
//!   version 0, and 1 in ISO files:  … │ esds, dac3, … │
//!   QuickTime version 1:            … │ 16 bytes │ wave { frma │ mp4a │ esds } │
//!   QuickTime version 2:            … │ u32 │ rate f64 │ channels u32 │ 20 bytes │ wave { … } or esds │
//! ```
//! ISO/IEC 14496-12 §12.2.3; QuickTime File Format, "Sound sample descriptions". Players expect the first form.

use super::aac::AudioSpecificConfig;
use super::aac::Esds;
use super::bits::BitReader;
use super::boxes::Atom;
use super::entry::EntryBoxes;
use super::entry::ParsedEntry;
use super::entry::plain_box;
use super::error::Error;
use super::error::FourCc;
use super::scene;
use crate::media::Arrangement;
use crate::media::Codec;
use crate::media::Family;
use crate::media::Kind;
use crate::media::Sound;
use crate::media::Timescale;
use bytes::Bytes;

/// Bytes between the header of an audio sample entry of version 0 and its first box.
pub(super) const AUDIO: usize = 28;

/// Boxes that configure a decoder; we move them out of QuickTime's `wave`.
const CONFIGURATIONS: [[u8; 4]; 9] =
    [*b"esds", *b"alac", *b"dac3", *b"dec3", *b"dac4", *b"dOps", *b"dfLa", *b"mhaC", *b"iacb"];

/// Types of uncompressed and telephone sound, which no player accepts in a playlist. QuickTime also counts the samples
/// of such sound differently.
pub(super) const UNPACKED: [[u8; 4]; 24] = [
    *b"twos", *b"sowt", *b"raw ", *b"NONE", *b"in24", *b"in32", *b"fl32", *b"fl64", *b"lpcm", *b"ipcm", *b"fpcm",
    *b"ulaw", *b"alaw", *b"ima4", *b"sac3", *b"samr", *b"sawb", *b"sawp", *b"sevc", *b"sqcp", *b"ssmv", *b"Qclp",
    *b"QDM2", *b"MAC6",
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

/// Reads an audio sample entry. If it tells no sample rate, the timescale of the track is the rate.
pub(super) fn audible(entry: Atom<'_>, timescale: Timescale) -> Result<ParsedEntry, Error> {
    let mut fixed = Fixed::read(entry)?;
    let mut parts = EntryBoxes::new(entry, fixed.skip);
    if fixed.version == 1 && parts.boxes.is_empty() {
        // AudioSampleEntryV1 of ISO files adds no fields, unlike version 1 of QuickTime.
        fixed.skip = AUDIO;
        parts = EntryBoxes::new(entry, AUDIO);
    }
    let plain = plain_boxes(&parts);
    let shaped = fixed.version == 0 && plain.is_none();
    let boxes = plain.unwrap_or_else(|| parts.boxes.clone());
    let (codec, sound) = describe(entry, &parts, &boxes)?;
    let sound = Sound {
        channels: sound.channels.or(u16::try_from(fixed.channels).ok()).unwrap_or(0).max(1),
        sample_rate: sound.rate.or(Some(fixed.rate).filter(|rate| *rate > 0)).unwrap_or(timescale.get()),
        arrangement: sound.arrangement.unwrap_or(Arrangement::Speakers),
    };
    let configured = boxes.iter().any(|part| CONFIGURATIONS.contains(&part.kind.0));
    let bytes = if shaped || !configured { parts.trimmed() } else { reshaped(entry, &boxes, sound) };
    Ok(ParsedEntry { kind: Kind::Audio(sound), codec, entry: bytes })
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

/// The boxes, with `wave` replaced by the configuration boxes in it; `None` without `wave`.
fn plain_boxes<'a>(parts: &EntryBoxes<'a>) -> Option<Vec<Atom<'a>>> {
    let wave = parts.get(*b"wave")?;
    let lifted = wave.children().filter_map(Result::ok).filter(|part| CONFIGURATIONS.contains(&part.kind.0));
    let kept = parts.boxes.iter().filter(|part| part.kind.0 != *b"wave").copied();
    Some(lifted.chain(kept).collect())
}

/// Rewrites the entry as an AudioSampleEntry of version 0.
fn reshaped(entry: Atom<'_>, boxes: &[Atom<'_>], sound: Sound) -> Bytes {
    let mut body = entry.body.get(..8).unwrap_or_default().to_vec();
    body.extend([0; 8]);
    body.extend(sound.channels.to_be_bytes());
    body.extend([0, 16, 0, 0, 0, 0]);
    // §12.2.3: 16.16, and 0 for a rate that 16 bits do not hold.
    body.extend(u16::try_from(sound.sample_rate).unwrap_or(0).to_be_bytes());
    body.extend([0, 0]);
    for part in boxes {
        body.extend(part.whole);
    }
    plain_box(entry.kind, &body)
}

/// Facts in a decoder configuration; `None` where the fields of the entry apply.
#[derive(Debug, Clone, Copy, Default)]
struct AudioSettings {
    channels: Option<u16>,
    rate: Option<u32>,
    /// `None` means [`Arrangement::Speakers`].
    arrangement: Option<Arrangement>,
}

impl AudioSettings {
    /// The decoder chooses the number of channels.
    const UNSTATED: Self = Self { channels: None, rate: None, arrangement: Some(Arrangement::Unstated) };
}

fn describe(entry: Atom<'_>, parts: &EntryBoxes<'_>, boxes: &[Atom<'_>]) -> Result<(Codec, AudioSettings), Error> {
    let find = |kind: [u8; 4]| boxes.iter().find(|part| part.kind.0 == kind).copied();
    let named = |string: &str| named(entry, string);
    match &entry.kind.0 {
        b"mp4a" => mpeg_audio(entry, find(*b"esds").map_or_else(|| parts.need(*b"esds"), Ok)?),
        b"Opus" => Ok((named("opus"), opus(parts.need(*b"dOps")?)?)),
        b"fLaC" => Ok((named("fLaC"), flac(parts.need(*b"dfLa")?)?)),
        b"ac-3" => Ok((named("ac-3"), find(*b"dac3").map(ac3).transpose()?.unwrap_or_default())),
        b"ec-3" => Ok((named("ec-3"), find(*b"dec3").map(eac3).transpose()?.unwrap_or_default())),
        b"alac" => Ok((named("alac"), find(*b"alac").map(alac).transpose()?.unwrap_or_default())),
        b"ac-4" => Ok((named(&find(*b"dac4").and_then(scene::ac4).unwrap_or("ac-4".into())), AudioSettings::UNSTATED)),
        b"mha1" | b"mha2" | b"mhm1" | b"mhm2" => {
            let bare = entry.kind.to_string();
            Ok((
                named(&find(*b"mhaC").and_then(|mhac| scene::mpegh(mhac, &bare)).unwrap_or(bare)),
                AudioSettings::UNSTATED,
            ))
        }
        b"iamf" => Ok((named(&find(*b"iacb").and_then(scene::iamf).unwrap_or("iamf".into())), AudioSettings::UNSTATED)),
        b".mp3" => Ok((named("mp4a.6B"), AudioSettings::default())),
        _ => Ok((named(&FourCc(entry.kind.0).to_string()), AudioSettings::default())),
    }
}

fn named(entry: Atom<'_>, string: &str) -> Codec {
    Codec { fourcc: entry.kind.0, string: string.into(), family: Family::Other, supplemental: None }
}

/// Reads MPEG audio; its codec strings are `mp4a.40.N`, `mp4a.6B` and the like: RFC 6381 §3.3.
fn mpeg_audio(entry: Atom<'_>, esds: Atom<'_>) -> Result<(Codec, AudioSettings), Error> {
    let found = Esds::read(esds)?;
    let object = format!("mp4a.{:02X}", found.object_type);
    if !matches!(found.object_type, 0x40 | 0x66..=0x68) {
        return Ok((named(entry, &object), AudioSettings::default()));
    }
    let length = i64::try_from(found.specific.len()).unwrap_or(i64::MAX);
    let refused = || esds.value("AudioSpecificConfig bytes", length, "a whole AudioSpecificConfig");
    let config = AudioSpecificConfig::read(found.specific).ok_or_else(refused)?;
    if matches!(config.channel_configuration, 8..=10 | 15) {
        let claims = i64::from(config.channel_configuration);
        return Err(esds.value("channelConfiguration", claims, "0 to 7 or 11 to 14"));
    }
    let string = if found.object_type == 0x40 { format!("{object}.{}", config.object_type) } else { object };
    let family = config.aac().map_or(Family::Other, Family::Aac);
    let heard = AudioSettings { channels: config.channels(), rate: Some(config.output_rate), arrangement: None };
    Ok((Codec { family, ..named(entry, &string) }, heard))
}

/// Encapsulation of Opus in ISO Base Media §4.3.2: a decoder outputs 48 kHz. Mapping families 2 and 3 are ambisonics
/// (RFC 8486).
fn opus(dops: Atom<'_>) -> Result<AudioSettings, Error> {
    let mut fields = dops.fields();
    let [_, channels] = fields.take()?;
    let family = fields.slice(8).and_then(|_| fields.u8()).unwrap_or(0);
    let arrangement = matches!(family, 2 | 3).then_some(Arrangement::Ambisonics);
    Ok(AudioSettings { channels: Some(channels.into()), rate: Some(48_000), arrangement })
}

/// Encapsulation of FLAC in ISO Base Media §3.3.2: STREAMINFO comes first; the rate has 20 bits, the channels have 3.
fn flac(dfla: Atom<'_>) -> Result<AudioSettings, Error> {
    let (_, _, mut fields) = dfla.full()?;
    fields.slice(4 + 10)?;
    let word = fields.u32()?;
    let channels = u16::try_from((word >> 9) & 7).ok().map(|less| less + 1);
    Ok(AudioSettings { channels, rate: Some(word >> 12).filter(|rate| *rate > 0), arrangement: None })
}

/// Number of channels by acmod, without the subwoofer (ETSI TS 102 366 §4.4.2.3).
const ACMOD: [u16; 8] = [2, 1, 2, 3, 3, 4, 4, 5];

fn acmod(mode: u32, subwoofer: u32) -> AudioSettings {
    let channels = usize::try_from(mode & 7).ok().and_then(|mode| ACMOD.get(mode));
    let channels = channels.map(|channels| channels + u16::from(subwoofer & 1 == 1));
    AudioSettings { channels, rate: None, arrangement: None }
}

/// `dac3` (ETSI TS 102 366 annex F.4): fscod 2, bsid 5, bsmod 3, acmod 3, lfeon 1, …
fn ac3(dac3: Atom<'_>) -> Result<AudioSettings, Error> {
    let [a, b, c] = dac3.fields().take()?;
    let word = u32::from_be_bytes([0, a, b, c]);
    Ok(acmod(word >> 11, word >> 10))
}

/// Channels that each bit of chan_loc adds, lowest bit first: pairs except Cs, Ts, Cvh and LFE2 (annex F.6.2.13).
const CHANNEL_PLACES: [u16; 9] = [2, 2, 1, 1, 2, 2, 2, 1, 1];

/// `dec3` (annex F.6): data_rate 13, num_ind_sub 3; for each substream fscod 2, bsid 5, 2, bsmod 3, acmod 3, lfeon 1,
/// 3, num_dep_sub 4, then chan_loc 9 or one bit. The first substream counts, plus the channels that its dependent
/// substreams add. Behind all substreams: 7 bits, the flag of joint object coding and its complexity index (ETSI TS 103
/// 420 §8.3).
fn eac3(dec3: Atom<'_>) -> Result<AudioSettings, Error> {
    let mut fields = dec3.fields();
    let mut substreams = fields.u16()? & 7;
    let word = u32::from(fields.u16()?);
    let mut heard = acmod(word >> 1, word);
    let mut bits = BitReader::new(fields.rest());
    let added = |bits: &mut BitReader<'_>| {
        bits.skip(3)?;
        if bits.read(4)? == 0 {
            bits.skip(1)?;
            return Some(0);
        }
        let places = bits.read(9)?;
        let present = |(at, channels): (usize, &u16)| if (places >> at) & 1 == 1 { *channels } else { 0 };
        Some(CHANNEL_PLACES.iter().enumerate().map(present).sum::<u16>())
    };
    let Some(more) = added(&mut bits) else { return Ok(heard) };
    heard.channels = heard.channels.map(|channels| channels + more);
    while substreams > 0 && bits.skip(16).and_then(|()| added(&mut bits)).is_some() {
        substreams -= 1;
    }
    let objects = bits.skip(7).and_then(|()| bits.flag()).unwrap_or(false);
    let complexity = bits.byte(8).filter(|index| objects && *index > 0);
    heard.arrangement = complexity.map(Arrangement::Objects);
    Ok(heard)
}

/// ALACSpecificConfig: numChannels is the tenth byte, the rate is the last word.
fn alac(alac: Atom<'_>) -> Result<AudioSettings, Error> {
    let (_, _, mut fields) = alac.full()?;
    fields.slice(9)?;
    let channels = fields.u8()?;
    fields.slice(10)?;
    let rate = Some(fields.u32()?).filter(|rate| *rate > 0);
    Ok(AudioSettings { channels: Some(channels.into()), rate, arrangement: None })
}

#[cfg(test)]
mod tests {
    #![expect(clippy::trivially_copy_pass_by_ref, reason = "box types read better without a star")]

    use super::{ParsedEntry, audible};
    use crate::demux::Error;
    use crate::demux::boxes::Atom;
    use crate::demux::fixture::{self, atom, esds, full, mp4a};
    use crate::media::{Aac, Arrangement, Family, Kind, Sound, Timescale};

    fn described(entry: &[u8]) -> Result<ParsedEntry, Error> {
        audible(Atom::new(entry, 0)?, Timescale::MILLIS)
    }

    fn string_and_sound(kind: &[u8; 4], boxes: &[u8]) -> (String, u16, u32) {
        let described = described(&fixture::audible(kind, boxes)).unwrap();
        let Kind::Audio(sound) = described.kind else { panic!("audio") };
        (described.codec.string, sound.channels, sound.sample_rate)
    }

    /// The fields of the entry itself tell stereo at 44,100 Hz.
    #[test]
    fn each_codec_has_its_string_and_says_channels_and_rate() {
        let of = |kind, boxes: &[u8]| string_and_sound(kind, boxes);
        assert_eq!(of(b"mp4a", &esds(0x40, &[0x11, 0xb0])), ("mp4a.40.2".into(), 6, 48_000));
        assert_eq!(of(b"mp4a", &esds(0x40, &[0x2b, 0x92, 0x08, 0])), ("mp4a.40.5".into(), 2, 44_100));
        assert_eq!(of(b"mp4a", &esds(0x40, &[0xf9, 0x48, 0x40])), ("mp4a.40.42".into(), 2, 44_100));
        assert_eq!(of(b"mp4a", &esds(0x67, &[0x12, 0x10])), ("mp4a.67".into(), 2, 44_100));
        assert_eq!(of(b"mp4a", &esds(0x6b, &[])), ("mp4a.6B".into(), 2, 44_100));
        assert_eq!(of(b"Opus", &atom(b"dOps", &[0, 6, 1, 56, 0, 0, 0xbb, 0x80, 0, 0, 0])), ("opus".into(), 6, 48_000));
        let info = [0x80, 0, 0, 34, 16, 0, 16, 0, 0, 0, 0, 0, 0, 0, 0x17, 0x70, 0x02, 0xf0];
        assert_eq!(of(b"fLaC", &full(b"dfLa", 0, 0, &info)), ("fLaC".into(), 2, 96_000));
        assert_eq!(of(b"ac-3", &atom(b"dac3", &[0x10, 0x3d, 0x40])), ("ac-3".into(), 6, 44_100));
        assert_eq!(of(b"ec-3", &atom(b"dec3", &[0x06, 0, 0x20, 0x0f, 0])), ("ec-3".into(), 6, 44_100));
        let cookie = [0, 0, 16, 0, 0, 24, 40, 10, 14, 3, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xbb, 0x80];
        assert_eq!(of(b"alac", &full(b"alac", 0, 0, &cookie)), ("alac".into(), 3, 48_000));
        assert_eq!(of(b"abcd", &[]), ("abcd".into(), 2, 44_100));
    }

    fn arrangement(kind: &[u8; 4], boxes: &[u8]) -> (u16, Arrangement) {
        let Kind::Audio(sound) = described(&fixture::audible(kind, boxes)).unwrap().kind else { panic!("audio") };
        (sound.channels, sound.arrangement)
    }

    #[test]
    fn objects_sound_fields_and_scenes_are_no_plain_channels() {
        // 5.1, and a dependent substream with a pair behind the listener.
        let dec3 = |behind: &[u8]| atom(b"dec3", &[&[0x06, 0, 0x20, 0x0f, 0x02, 0x02][..], behind].concat());
        assert_eq!(arrangement(b"ec-3", &dec3(&[])), (8, Arrangement::Speakers));
        assert_eq!(arrangement(b"ec-3", &dec3(&[1, 16])), (8, Arrangement::Objects(16)));
        let plain = atom(b"dec3", &[0x06, 0, 0x20, 0x0f, 0, 1, 12]);
        assert_eq!(arrangement(b"ec-3", &plain), (6, Arrangement::Objects(12)));
        let opus = |family| atom(b"dOps", &[0, 4, 1, 56, 0, 0, 0xbb, 0x80, 0, 0, family]);
        assert_eq!(arrangement(b"Opus", &opus(2)), (4, Arrangement::Ambisonics));
        assert_eq!(arrangement(b"Opus", &opus(1)), (4, Arrangement::Speakers));
        for kind in [b"mhm1", b"iamf", b"ac-4"] {
            assert_eq!(arrangement(kind, &[]), (2, Arrangement::Unstated));
        }
    }

    #[test]
    fn an_entry_of_version_0_stays_as_it_is() {
        let described = described(&mp4a()).unwrap();
        assert_eq!(described.entry, mp4a());
        let aac =
            Aac { object_type: 2, core_type: 2, sample_rate: 44_100, channel_configuration: 2, frame_length: 1024 };
        assert_eq!(described.codec.family, Family::Aac(aac));
    }

    fn quicktime(version: u8, extension: &[u8], boxes: &[u8]) -> Vec<u8> {
        let head =
            [&[0, 0, 0, 0, 0, 0, 0, 1, 0, version][..], &[0; 6], &[0, 2, 0, 16, 0xff, 0xfe, 0, 0, 0xac, 0x44, 0, 0]];
        atom(b"mp4a", &[&head.concat(), extension, boxes].concat())
    }

    #[test]
    fn quicktime_descriptions_become_entries_of_version_0() {
        let wave = [atom(b"frma", b"mp4a"), atom(b"mp4a", &[0; 4]), esds(0x40, &[0x12, 0x10]), atom(&[0; 4], &[])];
        let wave = atom(b"wave", &wave.concat());
        let one = quicktime(1, &[0; 16], &wave);
        assert_eq!(described(&one).unwrap().entry, mp4a());
        let mut extension = vec![0, 0, 0, 72];
        extension.extend(44_100_f64.to_be_bytes());
        extension.extend([0, 0, 0, 2, 0x7f, 0, 0, 0]);
        extension.extend([0; 16]);
        assert_eq!(described(&quicktime(2, &extension, &wave)).unwrap().entry, mp4a());
        assert_eq!(described(&quicktime(2, &extension, &esds(0x40, &[0x12, 0x10]))).unwrap().entry, mp4a());
    }

    #[test]
    fn version_1_of_an_iso_file_has_no_fields_of_its_own() {
        let entry = quicktime(1, &[], &esds(0x40, &[0x12, 0x10]));
        let described = described(&entry).unwrap();
        assert_eq!(described.codec.string, "mp4a.40.2");
    }

    #[test]
    fn aac_without_a_whole_config_is_refused() {
        let error = described(&fixture::audible(b"mp4a", &esds(0x40, &[]))).unwrap_err();
        let text = "`esds` at byte 36 says AudioSpecificConfig bytes 0; it must be a whole AudioSpecificConfig";
        assert_eq!(error.to_string(), text);
        let error = described(&fixture::audible(b"mp4a", &[])).unwrap_err();
        assert_eq!(error.to_string(), "`mp4a` at byte 0 holds no `esds`");
        assert!(described(&fixture::audible(b"mp4a", &esds(0x40, &[0x12, 0x40]))).is_err());
    }

    #[test]
    fn channels_of_a_program_config_come_from_the_entry() {
        let described = described(&fixture::audible(b"mp4a", &esds(0x40, &[0x12, 0x00]))).unwrap();
        assert_eq!(
            described.kind,
            Kind::Audio(Sound { channels: 2, sample_rate: 44_100, arrangement: Arrangement::Speakers })
        );
    }
}
