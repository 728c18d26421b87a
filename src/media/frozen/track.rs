//! A track among frozen bytes: what it is for, and what its codec is.
//!
//! ```text
//! track    │ id u32 │ timescale u32 │ language: text │ kind │ fourcc 4 │ codec: text │ family │ entry: bytes │ edit │ directory │
//! kind     │ 0 │ width u16 │ height u16 │ pixel aspect 2 × u32 │ matrix 9 × i32 │    or  │ 1 │ channels u16 │ rate u32 │
//! family   │ 0 │    or  │ 1 │ nal_length u8 │ parameter sets: bytes │    or  │ 2 │ nal_length u8 │
//!          or  │ 3 │ object_type u8 │ core_type u8 │ rate u32 │ channel_configuration u8 │ frame_length u16 │
//! edit     │ delay: moment │ media_time i64 │ 0    or  1 │ length: moment │
//! moment   │ ticks i64 │ timescale u32 │
//! ```

use super::directory::{self, Places};
use super::reader::Reader;
use super::{Damage, freeze_bytes};
use crate::media::codec::{Aac, Codec, Family, Picture, Sound};
use crate::media::index::SampleIndex;
use crate::media::num::u64_from_usize;
use crate::media::time::{Moment, Ticks, Timescale};
use crate::media::track::{Edit, Kind, Language, Track};
use bytes::Bytes;
use std::ops::Range;

/// Bytes of a sample entry at most: what a demuxer keeps of an `stsd`.
const ENTRY_LIMIT: u64 = 1 << 20;

/// Ticks that any composition offset is below.
const OFFSET_LIMIT: i64 = 1 << 31;

/// Appends `track`, with room for what its directory says of sections: says where.
pub(super) fn freeze(track: &Track, out: &mut Vec<u8>) -> Range<usize> {
    out.extend(track.id.to_le_bytes());
    out.extend(track.timescale.get().to_le_bytes());
    freeze_bytes(out, track.language.as_str().as_bytes());
    freeze_kind(&track.kind, out);
    out.extend(track.codec.fourcc);
    freeze_bytes(out, track.codec.string.as_bytes());
    freeze_family(&track.codec.family, out);
    freeze_bytes(out, &track.entry);
    freeze_edit(&track.edit, out);
    directory::freeze(&track.index, out)
}

/// The next track, of an object of `size` bytes.
pub(super) fn thaw(from: &mut Reader<'_>, size: u64, places: &mut Places) -> Result<Track, Damage> {
    let (id, timescale) = (from.u32()?, thaw_timescale(from)?);
    let language = thaw_language(from)?;
    let kind = thaw_kind(from)?;
    let codec = thaw_codec(from, &kind)?;
    let entry = thaw_entry(from, codec.fourcc)?;
    let edit = thaw_edit(from)?;
    let index = directory::thaw(from, size, places)?;
    check_edit(&edit, &index)?;
    Ok(Track { id, kind, timescale, language, codec, entry, edit, index })
}

fn thaw_timescale(from: &mut Reader<'_>) -> Result<Timescale, Damage> {
    Timescale::new(from.u32()?).ok_or(Damage::Value("timescale"))
}

/// A language is written as its constructor leaves it.
fn thaw_language(from: &mut Reader<'_>) -> Result<Language, Damage> {
    let tag = from.text()?;
    Language::new(&tag).filter(|language| language.as_str() == tag).ok_or(Damage::Value("language"))
}

fn freeze_kind(kind: &Kind, out: &mut Vec<u8>) {
    match kind {
        Kind::Video(Picture { width, height, pixel_aspect: (across, down), matrix }) => {
            out.push(0);
            out.extend([width, height].into_iter().flat_map(|pixels| pixels.to_le_bytes()));
            out.extend([across, down].into_iter().flat_map(|part| part.to_le_bytes()));
            out.extend(matrix.iter().flat_map(|number| number.to_le_bytes()));
        }
        Kind::Audio(Sound { channels, sample_rate }) => {
            out.push(1);
            out.extend(channels.to_le_bytes());
            out.extend(sample_rate.to_le_bytes());
        }
    }
}

fn thaw_kind(from: &mut Reader<'_>) -> Result<Kind, Damage> {
    match from.u8()? {
        0 => thaw_picture(from).map(Kind::Video),
        1 => {
            let sound = Sound { channels: from.u16()?, sample_rate: from.u32()? };
            if sound.channels == 0 { Err(Damage::Value("number of channels")) } else { Ok(Kind::Audio(sound)) }
        }
        _ => Err(Damage::Value("kind of track")),
    }
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
    Ok(Picture { width, height, pixel_aspect, matrix })
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
    // Manifests print it, and what a file says is escaped in it.
    if string.is_empty() || !string.bytes().all(|byte| byte == b' ' || byte.is_ascii_graphic()) {
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
    Ok(Codec { fourcc, string, family })
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

/// A whole box of the codec's type: init segments carry it as it is.
fn thaw_entry(from: &mut Reader<'_>, fourcc: [u8; 4]) -> Result<Bytes, Damage> {
    let entry = from.bytes()?;
    let len = u64_from_usize(entry.len());
    let mut header = from.of(entry);
    let (size, kind) = (u32::from_be_bytes(header.take()?), header.take::<4>()?);
    // ISO/IEC 14496-12 §4.2: 1 is followed by 64 bits, 0 reaches to the end.
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

/// A moment at `least` ticks or later.
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

/// An edit begins before the media end, once more shifted by their beginning: then no sum of a media time and an
/// instant of the track overflows.
fn check_edit(edit: &Edit, index: &SampleIndex) -> Result<(), Damage> {
    let (begin, end) = (index.decode_time(0).0, index.decode_time(index.len()).0);
    let latest = end.saturating_add(begin).saturating_add(OFFSET_LIMIT).min(i64::MAX - 1);
    if (0..=latest).contains(&edit.media_time.0) { Ok(()) } else { Err(Damage::Value("media_time")) }
}
