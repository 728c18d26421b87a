//! Frozen form of a track, without its sample tables.
//!
//! ```text
//! track    │ id u32 │ timescale u32 │ language: text │ title: text, empty for none │ enabled u8 │ group u16 │ kind │ codec │
//!          │ entry: bytes │ edit │ left out │ directory │
//! kind     │ 0 │ picture │    or  │ 1 │ channels u16 │ rate u32 │ arrangement u8 │ complexity u8 │
//! picture  │ width u16 │ height u16 │ pixel aspect 2 × u32 │ matrix 9 × i32 │ range u8 │ 0    or  │ 1 │ colour 4 × u8 │
//! codec    │ fourcc 4 │ string: text │ family │ supplemental: text, empty for none │ brand 4 │
//! family   │ 0 │    or  │ 1 │ nal_length u8 │ parameter sets: bytes │    or  │ 2 │ nal_length u8 │
//!          or  │ 3 │ object_type u8 │ core_type u8 │ rate u32 │ channel_configuration u8 │ frame_length u16 │
//! edit     │ delay: moment │ media_time i64 │ 0    or  1 │ length: moment │
//! left out │ leading u32 │ between u32 │ behind u32 │ undecodable u32 │ empty u32 │
//! moment   │ ticks i64 │ timescale u32 │
//! ```

use super::directory::{self, SectionCursor};
use super::reader::Reader;
use super::{Damage, freeze_bytes};
use crate::media::codec::{Aac, Arrangement, Codec, Family, Sound, Supplemental};
use crate::media::index::SampleIndex;
use crate::media::num::u64_from_usize;
use crate::media::picture::{Colour, Picture, VideoRange};
use crate::media::time::{Moment, Ticks, Timescale};
use crate::media::title::Title;
use crate::media::track::{Edit, Kind, Language, LeftOut, Track};
use bytes::Bytes;
use std::ops::Range;

/// Largest sample entry, in bytes: the demuxer's limit for `stsd`.
const ENTRY_LIMIT: u64 = 1 << 20;

/// Every composition offset is below this number of ticks.
const OFFSET_LIMIT: i64 = 1 << 31;

/// Appends `track`, with room for the section entries of its directory; returns the range of that room.
pub(super) fn freeze(track: &Track, out: &mut Vec<u8>) -> Range<usize> {
    out.extend(track.id.to_le_bytes());
    out.extend(track.timescale.get().to_le_bytes());
    freeze_bytes(out, track.language.as_str().as_bytes());
    freeze_bytes(out, track.title.as_ref().map_or("", Title::as_str).as_bytes());
    out.push(u8::from(track.enabled));
    out.extend(track.alternate_group.to_le_bytes());
    freeze_kind(&track.kind, out);
    freeze_codec(&track.codec, out);
    freeze_bytes(out, &track.entry);
    freeze_edit(&track.edit, out);
    let LeftOut { leading, between, behind, undecodable, empty } = track.left_out;
    out.extend([leading, between, behind, undecodable, empty].iter().flat_map(|count| count.to_le_bytes()));
    directory::freeze(&track.index, out)
}

/// Reads the next track, of an object of `size` bytes.
pub(super) fn thaw(from: &mut Reader<'_>, size: u64, places: &mut SectionCursor) -> Result<Track, Damage> {
    let (id, timescale) = (from.u32()?, thaw_timescale(from)?);
    let language = thaw_language(from)?;
    let title = thaw_title(from)?;
    let (enabled, alternate_group) = (thaw_flag(from)?, from.u16()?);
    let kind = thaw_kind(from)?;
    let codec = thaw_codec(from, &kind)?;
    let entry = thaw_entry(from, codec.fourcc)?;
    let edit = thaw_edit(from)?;
    let left_out = LeftOut {
        leading: from.u32()?,
        between: from.u32()?,
        behind: from.u32()?,
        undecodable: from.u32()?,
        empty: from.u32()?,
    };
    let index = directory::thaw(from, size, places)?;
    check_edit(&edit, &index)?;
    Ok(Track { id, kind, timescale, language, title, enabled, alternate_group, codec, entry, edit, left_out, index })
}

fn thaw_timescale(from: &mut Reader<'_>) -> Result<Timescale, Damage> {
    Timescale::new(from.u32()?).ok_or(Damage::Value("timescale"))
}

/// Reads a language, which must be in the form that its constructor produces.
fn thaw_language(from: &mut Reader<'_>) -> Result<Language, Damage> {
    let tag = from.text()?;
    Language::new(&tag).filter(|language| language.as_str() == tag).ok_or(Damage::Value("language"))
}

/// Reads a title, which must be in the form that its constructor produces; `None` if it is empty.
fn thaw_title(from: &mut Reader<'_>) -> Result<Option<Title>, Damage> {
    let text = from.text()?;
    if text.is_empty() {
        return Ok(None);
    }
    Title::new(&text).filter(|title| title.as_str() == text).map(Some).ok_or(Damage::Value("title"))
}

fn thaw_flag(from: &mut Reader<'_>) -> Result<bool, Damage> {
    match from.u8()? {
        0 => Ok(false),
        1 => Ok(true),
        _ => Err(Damage::Value("flag")),
    }
}

fn freeze_kind(kind: &Kind, out: &mut Vec<u8>) {
    match kind {
        Kind::Video(picture) => {
            out.push(0);
            freeze_picture(picture, out);
        }
        Kind::Audio(Sound { channels, sample_rate, arrangement }) => {
            out.push(1);
            out.extend(channels.to_le_bytes());
            out.extend(sample_rate.to_le_bytes());
            out.extend(match arrangement {
                Arrangement::Speakers => [0, 0],
                Arrangement::Objects(complexity) => [1, *complexity],
                Arrangement::Ambisonics => [2, 0],
                Arrangement::Unstated => [3, 0],
            });
        }
    }
}

fn freeze_picture(picture: &Picture, out: &mut Vec<u8>) {
    let Picture { width, height, pixel_aspect: (across, down), matrix, colour, range } = picture;
    out.extend([width, height].into_iter().flat_map(|pixels| pixels.to_le_bytes()));
    out.extend([across, down].into_iter().flat_map(|part| part.to_le_bytes()));
    out.extend(matrix.iter().flat_map(|number| number.to_le_bytes()));
    out.push(match range {
        VideoRange::Sdr => 0,
        VideoRange::Pq => 1,
        VideoRange::Hlg => 2,
    });
    out.push(u8::from(colour.is_some()));
    if let Some(Colour { primaries, transfer, matrix, full_range }) = colour {
        out.extend([*primaries, *transfer, *matrix, u8::from(*full_range)]);
    }
}

fn thaw_kind(from: &mut Reader<'_>) -> Result<Kind, Damage> {
    match from.u8()? {
        0 => thaw_picture(from).map(Kind::Video),
        1 => thaw_sound(from).map(Kind::Audio),
        _ => Err(Damage::Value("kind of track")),
    }
}

fn thaw_sound(from: &mut Reader<'_>) -> Result<Sound, Damage> {
    let (channels, sample_rate) = (from.u16()?, from.u32()?);
    if channels == 0 {
        return Err(Damage::Value("number of channels"));
    }
    let arrangement = match from.take()? {
        [0, 0] => Arrangement::Speakers,
        [1, complexity] if complexity > 0 => Arrangement::Objects(complexity),
        [2, 0] => Arrangement::Ambisonics,
        [3, 0] => Arrangement::Unstated,
        _ => return Err(Damage::Value("arrangement of channels")),
    };
    Ok(Sound { channels, sample_rate, arrangement })
}

fn thaw_picture(from: &mut Reader<'_>) -> Result<Picture, Damage> {
    let (width, height, pixel_aspect) = (from.u16()?, from.u16()?, (from.u32()?, from.u32()?));
    if width == 0 || height == 0 || pixel_aspect.0 == 0 || pixel_aspect.1 == 0 {
        return Err(Damage::Value("picture"));
    }
    let mut matrix = [0; 9];
    for number in &mut matrix {
        *number = from.i32()?;
    }
    let range = match from.u8()? {
        0 => VideoRange::Sdr,
        1 => VideoRange::Pq,
        2 => VideoRange::Hlg,
        _ => return Err(Damage::Value("dynamic range")),
    };
    let colour = if thaw_flag(from)? { Some(thaw_colour(from)?) } else { None };
    Ok(Picture { width, height, pixel_aspect, matrix, colour, range })
}

fn thaw_colour(from: &mut Reader<'_>) -> Result<Colour, Damage> {
    let [primaries, transfer, matrix] = from.take()?;
    Ok(Colour { primaries, transfer, matrix, full_range: thaw_flag(from)? })
}

fn freeze_codec(codec: &Codec, out: &mut Vec<u8>) {
    out.extend(codec.fourcc);
    freeze_bytes(out, codec.string.as_bytes());
    freeze_family(&codec.family, out);
    let none = Supplemental { codec: String::new(), brand: [0; 4] };
    let Supplemental { codec, brand } = codec.supplemental.as_ref().unwrap_or(&none);
    freeze_bytes(out, codec.as_bytes());
    out.extend(brand);
}

fn freeze_family(family: &Family, out: &mut Vec<u8>) {
    match family {
        Family::Other => out.push(0),
        Family::H264 { nal_length, parameter_sets } => {
            out.extend([1, *nal_length]);
            freeze_bytes(out, parameter_sets);
        }
        Family::H265 { nal_length } => out.extend([2, *nal_length]),
        Family::Aac(Aac { object_type, core_type, sample_rate, channel_configuration, frame_length }) => {
            out.extend([3, *object_type, *core_type]);
            out.extend(sample_rate.to_le_bytes());
            out.push(*channel_configuration);
            out.extend(frame_length.to_le_bytes());
        }
    }
}

fn thaw_codec(from: &mut Reader<'_>, kind: &Kind) -> Result<Codec, Damage> {
    let (fourcc, string) = (from.take()?, from.text()?);
    if !is_printable(&string) {
        return Err(Damage::Value("codec string"));
    }
    let family = match (from.u8()?, kind) {
        (0, _) => Family::Other,
        (1, Kind::Video(_)) => {
            Family::H264 { nal_length: thaw_nal_length(from)?, parameter_sets: thaw_parameter_sets(from)? }
        }
        (2, Kind::Video(_)) => Family::H265 { nal_length: thaw_nal_length(from)? },
        (3, Kind::Audio(_)) => Family::Aac(thaw_aac(from)?),
        _ => return Err(Damage::Value("codec family")),
    };
    let (codec, brand) = (from.text()?, from.take::<4>()?);
    let supplemental = match (codec.is_empty(), brand) {
        (true, [0, 0, 0, 0]) => None,
        (false, brand) if codec.bytes().chain(brand).all(|byte| byte == b'.' || byte.is_ascii_alphanumeric()) => {
            Some(Supplemental { codec, brand })
        }
        _ => return Err(Damage::Value("supplemental codec")),
    };
    Ok(Codec { fourcc, string, family, supplemental })
}

/// Whether a codec string is not empty and contains only printable ASCII characters; manifests escape these.
fn is_printable(string: &str) -> bool {
    !string.is_empty() && string.bytes().all(|byte| byte == b' ' || byte.is_ascii_graphic())
}

fn thaw_nal_length(from: &mut Reader<'_>) -> Result<u8, Damage> {
    let bytes = from.u8()?;
    if matches!(bytes, 1 | 2 | 4) { Ok(bytes) } else { Err(Damage::Value("length of NAL units' lengths")) }
}

fn thaw_parameter_sets(from: &mut Reader<'_>) -> Result<Bytes, Damage> {
    let sets = from.bytes()?;
    let started = sets.is_empty() || sets.starts_with(&[0, 0, 0, 1]);
    if started { Ok(Bytes::copy_from_slice(sets)) } else { Err(Damage::Value("parameter set")) }
}

fn thaw_aac(from: &mut Reader<'_>) -> Result<Aac, Damage> {
    let aac = Aac {
        object_type: from.u8()?,
        core_type: from.u8()?,
        sample_rate: from.u32()?,
        channel_configuration: from.u8()?,
        frame_length: from.u16()?,
    };
    let channels = matches!(aac.channel_configuration, 0..=7 | 11..=14);
    let valid = channels && (1..=4).contains(&aac.core_type) && matches!(aac.frame_length, 960 | 1024);
    if valid { Ok(aac) } else { Err(Damage::Value("AudioSpecificConfig")) }
}

/// Reads a sample entry, which must be a whole box of type `fourcc`: init segments contain it unchanged.
fn thaw_entry(from: &mut Reader<'_>, fourcc: [u8; 4]) -> Result<Bytes, Damage> {
    let entry = from.bytes()?;
    let len = u64_from_usize(entry.len());
    let mut header = from.of(entry);
    let (size, kind) = (u32::from_be_bytes(header.take()?), header.take::<4>()?);
    // ISO/IEC 14496-12 §4.2: a size of 1 is followed by a 64-bit size, 0 means up to the end.
    let whole = match size {
        0 => true,
        1 => u64::from_be_bytes(header.take()?) == len,
        size => u64::from(size) == len,
    };
    if !whole || kind != fourcc || len > ENTRY_LIMIT {
        return Err(Damage::Value("sample entry"));
    }
    Ok(Bytes::copy_from_slice(entry))
}

fn freeze_moment(moment: Moment, out: &mut Vec<u8>) {
    let (ticks, timescale) = moment.parts();
    out.extend(ticks.0.to_le_bytes());
    out.extend(timescale.get().to_le_bytes());
}

/// Reads a moment, which must be at `least` ticks or later.
fn thaw_moment(from: &mut Reader<'_>, least: i64) -> Result<Moment, Damage> {
    let ticks = from.i64()?;
    if ticks < least {
        return Err(Damage::Value("moment"));
    }
    Ok(Ticks(ticks).at(thaw_timescale(from)?))
}

fn freeze_edit(edit: &Edit, out: &mut Vec<u8>) {
    freeze_moment(edit.delay, out);
    out.extend(edit.media_time.0.to_le_bytes());
    out.push(u8::from(edit.length.is_some()));
    if let Some(length) = edit.length {
        freeze_moment(length, out);
    }
}

fn thaw_edit(from: &mut Reader<'_>) -> Result<Edit, Damage> {
    let (delay, media_time) = (thaw_moment(from, 0)?, Ticks(from.i64()?));
    let length = match from.u8()? {
        0 => None,
        1 => Some(thaw_moment(from, 1)?),
        _ => return Err(Damage::Value("edit")),
    };
    Ok(Edit { delay, media_time, length })
}

/// Checks that an edit begins no later than the end of the media plus their start and the largest composition offset:
/// then no sum of a media time and an instant of the track overflows.
fn check_edit(edit: &Edit, index: &SampleIndex) -> Result<(), Damage> {
    let (begin, end) = (index.decode_time(0).0, index.decode_time(index.len()).0);
    let latest = end.saturating_add(begin).saturating_add(OFFSET_LIMIT).min(i64::MAX - 1);
    if (0..=latest).contains(&edit.media_time.0) { Ok(()) } else { Err(Damage::Value("media_time")) }
}
