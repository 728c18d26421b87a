//! Parser of video codec configuration records → RFC 6381 strings and [`Family`].
//!
//! ISO/IEC 14496-15 §5.3.3 and annex E (`avcC`, `hvcC`), the AV1 and VP9 ISO bindings (`av1C`, `vpcC`), Dolby Vision
//! Streams within ISO Base Media (`dvcC`, `dvvC`). The strings need only the first bytes of a record; parameter sets
//! must lie inside the record.

use super::aac::Esds;
use super::av1;
use super::bits::BitReader;
use super::boxes::Atom;
use super::boxes::BoxFields;
use super::dolby::DolbyVision;
use super::entry::EntryBoxes;
use super::error::Error;
use super::error::FourCc;
use super::sps;
use super::stream;
use super::stream::StreamFacts;
use crate::media::Colour;
use crate::media::Family;
use crate::media::Supplemental;
use crate::media::VideoRange;
use std::fmt::Write;

/// Facts about the codec in a visual sample entry.
#[derive(Debug, Clone)]
pub(super) struct VisualCodec {
    /// RFC 6381 string.
    pub(super) string: String,
    /// Codec family, with the data that the muxer needs.
    pub(super) family: Family,
    /// Dolby Vision over a base layer; `None` if there is none.
    pub(super) supplemental: Option<Supplemental>,
    /// Facts in the stream's own headers; colours in `colr` take precedence.
    pub(super) stream: StreamFacts,
    /// Dynamic range.
    pub(super) range: VideoRange,
}

/// Reads the codec of a visual sample entry of type `kind` from its boxes.
pub(super) fn video(parts: &EntryBoxes<'_>, kind: FourCc) -> Result<VisualCodec, Error> {
    let boxed = stream::colour_box(parts);
    let vision = DolbyVision::read(parts);
    let (mut string, family, mut stream) = match &kind.0 {
        b"avc1" | b"avc2" | b"avc3" | b"avc4" | b"dva1" | b"dvav" => avc(parts.need(*b"avcC")?, kind)?,
        b"hvc1" | b"hev1" | b"dvh1" | b"dvhe" => hevc(parts.need(*b"hvcC")?, kind)?,
        b"av01" | b"dav1" => {
            let config = av1::Av1Config::read(parts.need(*b"av1C")?)?;
            let stream = config.stream();
            (config.string(stream::merged(boxed, stream.colour)), Family::Other, stream)
        }
        b"vp08" | b"vp09" => vpx(parts, kind, boxed)?,
        b"vvc1" | b"vvi1" => (vvc(parts.get(*b"vvcC"), kind), Family::Other, StreamFacts::default()),
        b"mp4v" => (mpeg4_visual(parts)?, Family::Other, StreamFacts::default()),
        _ => (kind.to_string(), Family::Other, StreamFacts::default()),
    };
    let named = matches!(&kind.0, b"dva1" | b"dvav" | b"dvh1" | b"dvhe" | b"dav1");
    let supplemental = vision.filter(|_| !named).and_then(DolbyVision::supplemental);
    if let Some(vision) = vision.filter(|_| named) {
        string = vision.string(&kind.to_string());
    }
    stream.colour = stream::merged(boxed, stream.colour);
    let told = stream.colour.filter(|colour| colour.transfer != Colour::UNSPECIFIED);
    // Profile 5 has colours of its own: the colour codes in the stream are of no use to other decoders.
    let alone = vision.filter(|vision| vision.is_alone()).and_then(DolbyVision::range);
    let range = alone.or(told.map(Colour::range)).or_else(|| vision.and_then(DolbyVision::range));
    Ok(VisualCodec { string, family, supplemental, stream, range: range.unwrap_or(VideoRange::Sdr) })
}

/// `avc1.PPCCLL`: the profile, its constraints and the level, in hexadecimal.
fn avc(avcc: Atom<'_>, kind: FourCc) -> Result<(String, Family, StreamFacts), Error> {
    let mut fields = avcc.fields();
    version(avcc, fields.u8()?)?;
    let [profile, constraints, level] = fields.take()?;
    let nal_length = nal_length(avcc, fields.u8()?)?;
    let sequences = fields.u8()? & 0x1f;
    let mut sets = Vec::new();
    let first = parameter_sets(&mut fields, sequences, &mut sets)?;
    let pictures = fields.u8()?;
    parameter_sets(&mut fields, pictures, &mut sets)?;
    let string = format!("{kind}.{profile:02x}{constraints:02x}{level:02x}");
    let stream = first.map(sps::avc).unwrap_or_default();
    Ok((string, Family::H264 { nal_length, parameter_sets: sets.into() }, stream))
}

/// Appends `count` parameter sets to `sets`, each behind a start code; returns the first. Ignores empty sets.
fn parameter_sets<'a>(fields: &mut BoxFields<'a>, count: u8, sets: &mut Vec<u8>) -> Result<Option<&'a [u8]>, Error> {
    let mut first = None;
    for _ in 0..count {
        let len = fields.u16()?;
        let unit = fields.slice(usize::from(len))?;
        if !unit.is_empty() {
            first = first.or(Some(unit));
            sets.extend([0, 0, 0, 1]);
            sets.extend(unit);
        }
    }
    Ok(first)
}

/// nal_unit_type of H.265 sequence parameter sets.
const SEQUENCE_SET: u8 = 33;

/// `hvc1.[space]profile.compatibility.tier level.constraints`: ISO/IEC 14496-15 annex E.3.
fn hevc(hvcc: Atom<'_>, kind: FourCc) -> Result<(String, Family, StreamFacts), Error> {
    let mut fields = hvcc.fields();
    version(hvcc, fields.u8()?)?;
    let general = fields.u8()?;
    let compatibility = fields.u32()?.reverse_bits();
    let constraints = fields.take::<6>()?;
    let level = fields.u8()?;
    fields.slice(8)?;
    let nal_length = nal_length(hvcc, fields.u8()?)?;
    let mut set = None;
    for _ in 0..fields.u8()? {
        let kind = fields.u8()? & 0x3f;
        let units = fields.u16()?;
        let first = first_unit(&mut fields, units)?;
        set = set.or(first.filter(|_| kind == SEQUENCE_SET));
    }
    let space = ["", "A", "B", "C"].get(usize::from(general >> 6)).copied().unwrap_or_default();
    let tier = if general & 0x20 == 0 { 'L' } else { 'H' };
    let used = constraints.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
    let mut string = format!("{kind}.{space}{}.{compatibility:X}.{tier}{level}", general & 0x1f);
    for byte in constraints.iter().take(used) {
        write!(string, ".{byte:X}").expect("a write to a String cannot fail");
    }
    Ok((string, Family::H265 { nal_length }, set.map(sps::hevc).unwrap_or_default()))
}

/// `vp09.PP.LL.DD`, and `.CC.cp.tc.mc.FF` unless these fields have their defaults: 4:2:0, BT.709, limited range (VP
/// Codec ISO Media File Format Binding §"Codecs parameter string").
fn vpx(parts: &EntryBoxes<'_>, kind: FourCc, boxed: Option<Colour>) -> Result<(String, Family, StreamFacts), Error> {
    if kind.0 == *b"vp08" && parts.get(*b"vpcC").is_none() {
        return Ok((kind.to_string(), Family::Other, StreamFacts::default()));
    }
    let vpcc = parts.need(*b"vpcC")?;
    let (version, _, mut fields) = vpcc.full()?;
    let [profile, level, depth] = fields.take()?;
    let short = format!("{kind}.{profile:02}.{level:02}.{:02}", depth >> 4);
    if version == 0 {
        return Ok((short, Family::Other, StreamFacts::default()));
    }
    let (chroma, full_range) = ((depth >> 1) & 7, depth & 1 == 1);
    let [primaries, transfer, matrix] = fields.take()?;
    let stream =
        StreamFacts { colour: Some(Colour { primaries, transfer, matrix, full_range }), ..StreamFacts::default() };
    let colour = stream::merged(boxed, stream.colour);
    let Some(Colour { primaries, transfer, matrix, full_range }) =
        colour.filter(|_| chroma > 1 || !stream::is_ordinary(colour))
    else {
        return Ok((short, Family::Other, stream));
    };
    let full = u8::from(full_range);
    let string = format!("{short}.{chroma:02}.{primaries:02}.{transfer:02}.{matrix:02}.{full:02}");
    Ok((string, Family::Other, stream))
}

/// `mp4v.20.N`; N is the profile and level at the start of the visual object sequence.
fn mpeg4_visual(parts: &EntryBoxes<'_>) -> Result<String, Error> {
    let esds = Esds::read(parts.need(*b"esds")?)?;
    let object = format!("mp4v.{:02X}", esds.object_type);
    Ok(match esds.specific {
        [0, 0, 1, 0xb0, level, ..] if esds.object_type == 0x20 => format!("{object}.{level}"),
        _ => object,
    })
}

/// `vvc1.P.LN.CXX` (ISO/IEC 14496-15 annex E.6): profile, tier and level, and the constraint bytes up to the last that
/// is not zero, in base 32. The type alone if the record does not tell them.
fn vvc(vvcc: Option<Atom<'_>>, kind: FourCc) -> String {
    let read = |vvcc: Atom<'_>| {
        let (_, _, fields) = vvcc.full().ok()?;
        let mut bits = BitReader::new(fields.rest());
        bits.skip(7)?;
        if !bits.flag()? {
            return None;
        }
        bits.skip(9 + 3 + 2 + 2 + 3 + 5 + 2)?;
        let constraints = usize::from(bits.byte(6)?);
        let (profile, high, level) = (bits.read(7)?, bits.flag()?, bits.read(8)?);
        let bytes = bits.rest().get(..constraints)?;
        let used = bytes.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
        let tier = if high { 'H' } else { 'L' };
        let mut string = format!("{kind}.{profile}.{tier}{level}");
        if used > 0 {
            string.push_str(".C");
            base32(bytes.get(..used)?, &mut string);
        }
        Some(string)
    };
    vvcc.and_then(read).unwrap_or_else(|| kind.to_string())
}

/// RFC 4648 §6, without padding.
fn base32(bytes: &[u8], out: &mut String) {
    let mut bits = BitReader::new(bytes);
    for at in 0..(bytes.len() * 8).div_ceil(5) {
        let width = (bytes.len() * 8 - at * 5).min(5);
        let value = bits.byte(width).unwrap_or(0) << (5 - width);
        let letter = if value < 26 { b'A' + value } else { b'2' + (value - 26) };
        out.push(char::from(letter));
    }
}

fn version(record: Atom<'_>, version: u8) -> Result<(), Error> {
    // Drafts of `hvcC` have version 0.
    if version == 1 || (version == 0 && record.kind.0 == *b"hvcC") {
        return Ok(());
    }
    Err(record.value("configurationVersion", i64::from(version), "1"))
}

/// Size of NAL unit lengths, in bytes: `byte` holds lengthSizeMinusOne in its low two bits.
fn nal_length(record: Atom<'_>, byte: u8) -> Result<u8, Error> {
    match byte & 3 {
        2 => Err(record.value("lengthSizeMinusOne", 2, "0, 1 or 3")),
        other => Ok(other + 1),
    }
}

/// Reads `units` NAL units; returns the first.
fn first_unit<'a>(fields: &mut BoxFields<'a>, units: u16) -> Result<Option<&'a [u8]>, Error> {
    let mut first = None;
    for _ in 0..units {
        let len = fields.u16()?;
        let unit = fields.slice(usize::from(len))?;
        first = first.or(Some(unit));
    }
    Ok(first)
}

#[cfg(test)]
mod tests {
    #![expect(
        clippy::as_conversions,
        clippy::cast_possible_truncation,
        clippy::trivially_copy_pass_by_ref,
        reason = "numbers of a test are small, and box types read better without a star"
    )]

    use crate::demux::boxes::Atom;
    use crate::demux::entry::{DisplayGeometry, visual};
    use crate::demux::fixture::{self, atom, avcc, esds, full};
    use crate::demux::{Error, FourCc};
    use crate::media::{Codec, Colour, Family, Kind, Picture, VideoRange};

    fn codec(kind: &[u8; 4], boxes: &[u8]) -> Result<Codec, Error> {
        visual(Atom::new(&fixture::visual(kind, boxes), 0)?, DisplayGeometry::default())
            .map(|described| described.codec)
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
        assert_eq!(string(b"av01", &atom(b"av1C", &[0x81, 0x54, 0xe0, 0])), "av01.2.20H.12.0.000.02.02.02.0");
        let vpcc = |depth, colours: [u8; 3]| full(b"vpcC", 1, 0, &[&[2, 31, depth][..], &colours, &[0, 0]].concat());
        assert_eq!(string(b"vp09", &vpcc(0xa2, [1, 1, 1])), "vp09.02.31.10");
        assert_eq!(string(b"vp09", &vpcc(0xa0, [2, 2, 2])), "vp09.02.31.10");
        assert_eq!(string(b"vp09", &vpcc(0xa2, [9, 16, 9])), "vp09.02.31.10.01.09.16.09.00");
        assert_eq!(string(b"vp09", &vpcc(0xa7, [1, 1, 1])), "vp09.02.31.10.03.01.01.01.01");
        assert_eq!(string(b"vp09", &full(b"vpcC", 0, 0, &[2, 31, 0xa2])), "vp09.02.31.10");
        assert_eq!(string(b"vp08", &[]), "vp08");
        assert_eq!(string(b"mp4v", &esds(0x20, &[0, 0, 1, 0xb0, 3, 0])), "mp4v.20.3");
        let dolby = atom(b"dvcC", &[1, 0, 0x0a, 0x35, 0, 0]);
        assert_eq!(string(b"dvh1", &[main, dolby].concat()), "dvh1.05.06");
        let ten = atom(b"dvvC", &[1, 0, 0x14, 0x35, 0, 0]);
        assert_eq!(string(b"dav1", &[atom(b"av1C", &[0x81, 0x05, 0x4c, 0]), ten].concat()), "dav1.10.06");
        assert_eq!(string(b"jpeg", &[]), "jpeg");
    }

    #[test]
    fn vvc_names_profile_tier_level_and_constraints() {
        let vvcc = |constraints: &[u8]| {
            let head = [0xff, 0x00, 0x11, 0x5f, constraints.len() as u8, 0x02, 67];
            full(b"vvcC", 0, 0, &[&head[..], constraints, &[0; 8]].concat())
        };
        assert_eq!(string(b"vvc1", &vvcc(&[0x80])), "vvc1.1.L67.CQA");
        assert_eq!(string(b"vvc1", &vvcc(&[0xc0, 0])), "vvc1.1.L67.CYA");
        assert_eq!(string(b"vvi1", &vvcc(&[0])), "vvi1.1.L67");
        let cut = full(b"vvcC", 0, 0, &[0xff, 0x00, 0x11, 0x5f, 63, 0x02, 67, 1]);
        assert_eq!(string(b"vvc1", &cut), "vvc1");
        assert_eq!(string(b"vvc1", &[]), "vvc1");
    }

    fn picture(kind: &[u8; 4], boxes: &[u8]) -> Picture {
        let entry = fixture::visual(kind, boxes);
        let Kind::Video(picture) = visual(Atom::new(&entry, 0).unwrap(), DisplayGeometry::default()).unwrap().kind
        else {
            panic!("video")
        };
        picture
    }

    #[test]
    fn dolby_vision_over_a_base_layer_is_a_supplement() {
        let main = hvcc([1, 2, 0x20, 0, 0, 0, 0x90, 0, 0, 0, 0, 0, 93]);
        let of = |record: [u8; 5]| {
            let boxes = [main.clone(), atom(b"dvvC", &record)].concat();
            let codec = codec(b"hvc1", &boxes).unwrap();
            let supplement = codec.supplemental.map(|supplement| (supplement.codec, supplement.brand));
            (supplement, picture(b"hvc1", &boxes).range, codec.string)
        };
        let named = |brand: &[u8; 4]| Some(("dvh1.08.07".to_owned(), *brand));
        let base = || "hvc1.2.4.L93.90".to_owned();
        assert_eq!(of([1, 0, 0x10, 0x3d, 0x10]), (named(b"db1p"), VideoRange::Pq, base()));
        assert_eq!(of([1, 0, 0x10, 0x3d, 0x20]), (named(b"db2g"), VideoRange::Sdr, base()));
        assert_eq!(of([1, 0, 0x10, 0x3d, 0x40]), (named(b"db4h"), VideoRange::Hlg, base()));
        assert_eq!(of([1, 0, 0x10, 0x3d, 0x00]), (None, VideoRange::Sdr, base()));
        let five = [main, atom(b"dvcC", &[1, 0, 0x0a, 0x35, 0])].concat();
        assert_eq!(
            (codec(b"dvh1", &five).unwrap().supplemental, picture(b"dvh1", &five).range),
            (None, VideoRange::Pq)
        );
    }

    #[test]
    fn colours_come_from_the_box_and_where_it_is_silent_from_the_stream() {
        let colr = |kind: &[u8; 4], codes: [u8; 3]| {
            let [primaries, transfer, matrix] = codes;
            atom(b"colr", &[&kind[..], &[0, primaries, 0, transfer, 0, matrix, 0x80]].concat())
        };
        let vpcc = full(b"vpcC", 1, 0, &[2, 31, 0xa2, 9, 18, 9, 0, 0]);
        let colour = |primaries, transfer, matrix, full_range| Some(Colour { primaries, transfer, matrix, full_range });
        let of = |boxes: &[u8]| picture(b"vp09", boxes).colour;
        assert_eq!(of(&vpcc), colour(9, 18, 9, false));
        assert_eq!(of(&[vpcc.clone(), colr(b"nclx", [1, 1, 1])].concat()), colour(1, 1, 1, true));
        assert_eq!(of(&[vpcc.clone(), colr(b"nclc", [9, 16, 2])].concat()), colour(9, 16, 9, false));
        assert_eq!(of(&[vpcc.clone(), colr(b"prof", [1, 1, 1])].concat()), colour(9, 18, 9, false));
        assert_eq!(picture(b"vp09", &vpcc).range, VideoRange::Hlg);
    }

    #[test]
    fn the_streams_own_size_wins_over_the_entrys() {
        let header = [0x0a, 0x0e, 0, 0, 0, 4, 0x3d, 6, 0xd4, 0xda, 0xf9, 0x50, 0x91, 0, 0x90, 0x40];
        let told = picture(b"av01", &atom(b"av1C", &[&[0x81, 0, 0x4c, 0][..], &header].concat()));
        assert_eq!((told.width, told.height), (322, 182));
        let silent = picture(b"av01", &atom(b"av1C", &[0x81, 0, 0x4c, 0]));
        assert_eq!((silent.width, silent.height), (320, 240));
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
        let described = visual(Atom::new(&entry, 0).unwrap(), DisplayGeometry::default()).unwrap();
        let Kind::Video(picture) = described.kind else { panic!("video") };
        assert_eq!(picture.pixel_aspect, (4, 3));
        assert_eq!(described.entry, fixture::visual(b"avc1", &[avcc(), pasp].concat()));
    }

    #[test]
    fn a_picture_without_width_takes_the_track_headers_or_is_refused() {
        let mut entry = fixture::visual(b"avc1", &avcc());
        entry[32..34].fill(0);
        let error = visual(Atom::new(&entry, 7).unwrap(), DisplayGeometry::default()).unwrap_err();
        assert_eq!(error.to_string(), "`avc1` at byte 7 says width 0; it must be at least 1");
        let shown = DisplayGeometry { width: 640, height: 360, ..DisplayGeometry::default() };
        let Kind::Video(picture) = visual(Atom::new(&entry, 7).unwrap(), shown).unwrap().kind else { panic!("video") };
        assert_eq!((picture.width, picture.height), (640, 360));
    }
}
