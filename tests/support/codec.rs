//! Codec facts in a sample entry, read independently of the server: RFC 6381 strings and IDR pictures.

use crate::boxes::{Fields, Sample};
use crate::presentation::Track;

/// The payload of the first box `kind` anywhere in a sample entry. Searches for the type, as entries nest differently.
pub(crate) fn inside(entry: &[u8], kind: [u8; 4]) -> Option<&[u8]> {
    let at = entry.windows(4).position(|four| *four == kind)?;
    let size = u32::from_be_bytes(entry.get(at.checked_sub(4)?..at)?.try_into().ok()?);
    entry.get(at + 4..at - 4 + usize::try_from(size).ok()?)
}

/// The RFC 6381 string of H.264 and AAC; `None` for other codecs.
pub(crate) fn string(track: &Track) -> Option<String> {
    let entry = &track.header.tracks[0].entry;
    match entry.get(4..8)? {
        kind @ (b"avc1" | b"avc3") => {
            let [_, profile, compatibility, level, ..] = inside(entry, *b"avcC")? else { return None };
            Some(format!("{}.{profile:02x}{compatibility:02x}{level:02x}", String::from_utf8_lossy(kind)))
        }
        b"mp4a" => audio_object_type(inside(entry, *b"esds")?).map(|kind| format!("mp4a.40.{kind}")),
        _ => None,
    }
}

fn audio_object_type(esds: &[u8]) -> Option<u8> {
    let config = audio_config(esds)?;
    let first = config.first()?;
    let kind = first >> 3;
    if kind == 31 { Some(32 + ((first & 7) << 3) + (config.get(1)? >> 5)) } else { Some(kind) }
}

/// The AudioSpecificConfig of an `esds` payload. ISO/IEC 14496-1 §7.2.6: descriptors nest as tag, length, body.
pub(crate) fn audio_config(esds: &[u8]) -> Option<&[u8]> {
    let mut fields = Fields(esds.get(4..)?);
    loop {
        let tag = fields.u8().ok()?;
        let mut length = 0;
        loop {
            let byte = fields.u8().ok()?;
            length = length << 7 | usize::from(byte & 0x7f);
            if byte & 0x80 == 0 {
                break;
            }
        }
        let skip = match tag {
            // ES_Descriptor: its id and flags; MP4 has none of the optional fields.
            3 => 3,
            // DecoderConfigDescriptor: object type, stream type, buffer and rates.
            4 => 13,
            // DecoderSpecificInfo: AudioSpecificConfig.
            5 => return fields.take(length).ok(),
            _ => return None,
        };
        fields.take(skip).ok()?;
    }
}

/// Whether each segment of a track starts with a picture that needs no other (H.264: an IDR), with no picture after it
/// that is shown before it. Always true for audio.
pub(crate) fn starts_alone(track: &Track) -> bool {
    let joined = track.joined();
    let idr = |sample: &Sample| match inside(&track.header.tracks[0].entry, *b"avcC") {
        Some(config) => is_idr(&joined, sample, usize::from(config.get(4).map_or(3, |byte| byte & 3) + 1)),
        None => sample.sync,
    };
    let closed = |samples: &[Sample]| {
        let key = samples[0].dts + samples[0].offset;
        samples.iter().all(|sample| sample.dts + sample.offset >= key)
    };
    track.spans.iter().filter(|span| !span.is_empty()).all(|span| {
        let samples = &track.samples[span.clone()];
        !track.is_video() || idr(&samples[0]) && closed(samples)
    })
}

fn is_idr(joined: &[u8], sample: &Sample, length_size: usize) -> bool {
    let start = usize::try_from(sample.at).unwrap_or(usize::MAX);
    let mut rest = joined.get(start..start.saturating_add(sample.size as usize)).unwrap_or_default();
    while let Some((length, after)) = rest.split_at_checked(length_size) {
        let size = length.iter().fold(0_usize, |size, &byte| size << 8 | usize::from(byte));
        let Some((unit, next)) = after.split_at_checked(size) else { return false };
        // ISO/IEC 14496-10 table 7-1: 5 is a slice of an IDR picture, 1 to 4 slices of others.
        match unit.first().map(|byte| byte & 0x1f) {
            Some(5) => return true,
            Some(1..=4) => return false,
            _ => rest = next,
        }
    }
    false
}
