//! Codec configuration records → RFC 6381 strings and [`Family`].
//!
//! ISO/IEC 14496-15 §5.3.3 and annex E (`avcC`, `hvcC`), the AV1 and VP9 ISO bindings (`av1C`, `vpcC`), Dolby Vision
//! Streams within ISO Base Media (`dvcC`, `dvvC`). The strings need a record's first bytes only; parameter sets are
//! checked to lie inside of it.

use super::aac::Esds;
use super::boxes::Atom;
use super::boxes::Fields;
use super::entry::Parts;
use super::error::Error;
use super::error::FourCc;
use crate::media::Family;
use std::fmt::Write;

/// The string and the family of a visual sample entry.
pub(super) fn video(parts: &Parts<'_>, kind: FourCc) -> Result<(String, Family), Error> {
    match &kind.0 {
        b"avc1" | b"avc2" | b"avc3" | b"avc4" => avc(parts.need(*b"avcC")?, kind),
        b"dva1" | b"dvav" => {
            let (string, family) = avc(parts.need(*b"avcC")?, kind)?;
            Ok((dolby_vision(parts, kind)?.unwrap_or(string), family))
        }
        b"hvc1" | b"hev1" => hevc(parts.need(*b"hvcC")?, kind),
        b"dvh1" | b"dvhe" => {
            let (string, family) = hevc(parts.need(*b"hvcC")?, kind)?;
            Ok((dolby_vision(parts, kind)?.unwrap_or(string), family))
        }
        b"av01" => Ok((av1(parts.need(*b"av1C")?)?, Family::Other)),
        b"vp09" => Ok((vp9(parts.need(*b"vpcC")?)?, Family::Other)),
        b"mp4v" => Ok((mpeg4_visual(parts)?, Family::Other)),
        _ => Ok((kind.to_string(), Family::Other)),
    }
}

/// `avc1.PPCCLL`: the profile, its constraints and the level, in hexadecimal.
fn avc(avcc: Atom<'_>, kind: FourCc) -> Result<(String, Family), Error> {
    let mut fields = avcc.fields();
    version(avcc, fields.u8()?)?;
    let [profile, constraints, level] = fields.take()?;
    let nal_length = nal_length(avcc, fields.u8()?)?;
    let sequences = fields.u8()? & 0x1f;
    let mut sets = Vec::new();
    parameter_sets(&mut fields, sequences, &mut sets)?;
    let pictures = fields.u8()?;
    parameter_sets(&mut fields, pictures, &mut sets)?;
    let string = format!("{kind}.{profile:02x}{constraints:02x}{level:02x}");
    Ok((string, Family::H264 { nal_length, parameter_sets: sets.into() }))
}

/// Appends `count` parameter sets behind start codes; an empty one is none.
fn parameter_sets(fields: &mut Fields<'_>, count: u8, sets: &mut Vec<u8>) -> Result<(), Error> {
    for _ in 0..count {
        let len = fields.u16()?;
        let unit = fields.slice(usize::from(len))?;
        if !unit.is_empty() {
            sets.extend([0, 0, 0, 1]);
            sets.extend(unit);
        }
    }
    Ok(())
}

/// `hvc1.[space]profile.compatibility.tier level.constraints`: ISO/IEC 14496-15 annex E.3.
fn hevc(hvcc: Atom<'_>, kind: FourCc) -> Result<(String, Family), Error> {
    let mut fields = hvcc.fields();
    version(hvcc, fields.u8()?)?;
    let general = fields.u8()?;
    let compatibility = fields.u32()?.reverse_bits();
    let constraints = fields.take::<6>()?;
    let level = fields.u8()?;
    fields.slice(8)?;
    let nal_length = nal_length(hvcc, fields.u8()?)?;
    for _ in 0..fields.u8()? {
        fields.u8()?;
        let units = fields.u16()?;
        skip_units(&mut fields, units)?;
    }
    let space = ["", "A", "B", "C"].get(usize::from(general >> 6)).copied().unwrap_or_default();
    let tier = if general & 0x20 == 0 { 'L' } else { 'H' };
    let used = constraints.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
    let mut string = format!("{kind}.{space}{}.{compatibility:X}.{tier}{level}", general & 0x1f);
    for byte in constraints.iter().take(used) {
        write!(string, ".{byte:X}").expect("a string takes all that is written");
    }
    Ok((string, Family::H265 { nal_length }))
}

/// `av01.P.LLT.DD`: AV1 in ISO Base Media §5.
fn av1(av1c: Atom<'_>) -> Result<String, Error> {
    let [marker, first, second, _] = av1c.fields().take()?;
    if marker != 0x81 {
        return Err(av1c.value("marker and version", i64::from(marker), "0x81"));
    }
    let (profile, level) = (first >> 5, first & 0x1f);
    let tier = if second & 0x80 == 0 { 'M' } else { 'H' };
    let depth = match (second & 0x40 != 0, second & 0x20 != 0) {
        (false, _) => 8,
        (true, true) if profile == 2 => 12,
        (true, _) => 10,
    };
    Ok(format!("av01.{profile}.{level:02}{tier}.{depth:02}"))
}

/// `vp09.PP.LL.DD`: VP Codec ISO Media File Format Binding.
fn vp9(vpcc: Atom<'_>) -> Result<String, Error> {
    let (_, _, mut fields) = vpcc.full()?;
    let [profile, level, depth] = fields.take()?;
    Ok(format!("vp09.{profile:02}.{level:02}.{:02}", depth >> 4))
}

/// `mp4v.20.N`, N the profile and level that a visual object sequence begins with.
fn mpeg4_visual(parts: &Parts<'_>) -> Result<String, Error> {
    let esds = Esds::read(parts.need(*b"esds")?)?;
    let object = format!("mp4v.{:02X}", esds.object_type);
    Ok(match esds.specific {
        [0, 0, 1, 0xb0, level, ..] if esds.object_type == 0x20 => format!("{object}.{level}"),
        _ => object,
    })
}

/// `dvh1.PP.LL`.
fn dolby_vision(parts: &Parts<'_>, kind: FourCc) -> Result<Option<String>, Error> {
    let Some(record) = parts.get(*b"dvcC").or(parts.get(*b"dvvC")).or(parts.get(*b"dvwC")) else { return Ok(None) };
    let mut fields = record.fields();
    fields.u16()?;
    let word = fields.u16()?;
    Ok(Some(format!("{kind}.{:02}.{:02}", word >> 9, (word >> 3) & 0x3f)))
}

fn version(record: Atom<'_>, version: u8) -> Result<(), Error> {
    // Drafts of `hvcC` say 0.
    if version == 1 || (version == 0 && record.kind.0 == *b"hvcC") {
        return Ok(());
    }
    Err(record.value("configurationVersion", i64::from(version), "1"))
}

/// lengthSizeMinusOne, in the low two bits of `byte`.
fn nal_length(record: Atom<'_>, byte: u8) -> Result<u8, Error> {
    match byte & 3 {
        2 => Err(record.value("lengthSizeMinusOne", 2, "0, 1 or 3")),
        other => Ok(other + 1),
    }
}

fn skip_units(fields: &mut Fields<'_>, units: u16) -> Result<(), Error> {
    for _ in 0..units {
        let len = fields.u16()?;
        fields.slice(usize::from(len))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    #![expect(clippy::trivially_copy_pass_by_ref, reason = "box types read better without a star")]

    use crate::demux::boxes::Atom;
    use crate::demux::entry::{Shown, visual};
    use crate::demux::fixture::{self, atom, avcc, esds, full};
    use crate::demux::{Error, FourCc};
    use crate::media::{Codec, Family, Kind};

    fn codec(kind: &[u8; 4], boxes: &[u8]) -> Result<Codec, Error> {
        visual(Atom::new(&fixture::visual(kind, boxes), 0)?, Shown::default()).map(|described| described.codec)
    }

    fn string(kind: &[u8; 4], boxes: &[u8]) -> String {
        codec(kind, boxes).unwrap().string
    }

    fn hvcc(head: [u8; 13]) -> Vec<u8> {
        atom(b"hvcC", &[&head[..], &[0xf0, 0, 0xfc, 0xfd, 0xf8, 0xf8, 0, 0, 0x0f, 0]].concat())
    }

    #[test]
    fn each_codec_has_its_full_string() {
        assert_eq!(string(b"avc3", &avcc()), "avc3.64001f");
        let main = hvcc([1, 1, 0x60, 0, 0, 0, 0x90, 0, 0, 0, 0, 0, 93]);
        assert_eq!(string(b"hvc1", &main), "hvc1.1.6.L93.90");
        let odd = hvcc([1, 0xa2, 0x20, 0, 0, 1, 0xb0, 0x23, 0, 0, 0, 0, 120]);
        assert_eq!(string(b"hev1", &odd), "hev1.B2.80000004.H120.B0.23");
        assert_eq!(codec(b"hvc1", &main).unwrap().family, Family::H265 { nal_length: 4 });
        assert_eq!(string(b"av01", &atom(b"av1C", &[0x81, 0x05, 0x4c, 0])), "av01.0.05M.10");
        assert_eq!(string(b"av01", &atom(b"av1C", &[0x81, 0x54, 0xe0, 0])), "av01.2.20H.12");
        assert_eq!(string(b"vp09", &full(b"vpcC", (1, 0), &[2, 31, 0xa2, 1, 1, 1, 0, 0])), "vp09.02.31.10");
        assert_eq!(string(b"vp08", &[]), "vp08");
        assert_eq!(string(b"mp4v", &esds(0x20, &[0, 0, 1, 0xb0, 3, 0])), "mp4v.20.3");
        let dolby = atom(b"dvcC", &[1, 0, 0x0a, 0x35, 0, 0]);
        assert_eq!(string(b"dvh1", &[main, dolby].concat()), "dvh1.05.06");
        assert_eq!(string(b"jpeg", &[]), "jpeg");
    }

    #[test]
    fn lengths_of_nal_units_are_1_2_or_4() {
        let avc = |byte: u8| codec(b"avc1", &atom(b"avcC", &[1, 66, 0, 30, byte, 0xe0, 0])).map(|codec| codec.family);
        let h264 = |nal_length| Family::H264 { nal_length, parameter_sets: bytes::Bytes::new() };
        assert_eq!(avc(0xfc), Ok(h264(1)));
        assert_eq!(avc(0xfd), Ok(h264(2)));
        assert_eq!(avc(0xff), Ok(h264(4)));
        let (kind, field, allowed) = (FourCc(*b"avcC"), "lengthSizeMinusOne", "0, 1 or 3");
        assert_eq!(avc(0xfe), Err(Error::Value { kind, at: 86, field, claims: 2, allowed }));
    }

    #[test]
    fn parameter_sets_must_lie_in_their_record() {
        let error = codec(b"avc1", &atom(b"avcC", &[1, 66, 0, 30, 0xff, 0xe1, 0, 9, 1])).unwrap_err();
        assert_eq!(error, Error::Short { kind: FourCc(*b"avcC"), at: 86, has: 9, needs: 17 });
        let error = codec(b"avc1", &[0, 0, 0, 99, b'a', b'v', b'c', b'C', 1]).unwrap_err();
        assert_eq!(error, Error::BoxSize { kind: FourCc(*b"avcC"), at: 86, claims: 99, left: 9 });
    }

    #[test]
    fn pixels_have_an_aspect_and_odd_bytes_at_the_end_are_left_out() {
        let pasp = atom(b"pasp", &[0, 0, 0, 4, 0, 0, 0, 3]);
        let entry = fixture::visual(b"avc1", &[avcc(), pasp.clone(), vec![0, 0, 0, 0]].concat());
        let described = visual(Atom::new(&entry, 0).unwrap(), Shown::default()).unwrap();
        let Kind::Video(picture) = described.kind else { panic!("video") };
        assert_eq!(picture.pixel_aspect, (4, 3));
        assert_eq!(described.entry, fixture::visual(b"avc1", &[avcc(), pasp].concat()));
    }

    #[test]
    fn a_picture_without_width_takes_the_track_headers_or_is_refused() {
        let mut entry = fixture::visual(b"avc1", &avcc());
        entry[32..34].fill(0);
        let error = visual(Atom::new(&entry, 7).unwrap(), Shown::default()).unwrap_err();
        assert_eq!(error.to_string(), "`avc1` at byte 7 says width 0; it must be at least 1");
        let shown = Shown { width: 640, height: 360, ..Shown::default() };
        let Kind::Video(picture) = visual(Atom::new(&entry, 7).unwrap(), shown).unwrap().kind else { panic!("video") };
        assert_eq!((picture.width, picture.height), (640, 360));
    }
}
