//! Parser of sequence parameter sets of H.264 and H.265 → size, pixel aspect and colours (Rec. ITU-T H.264 §7.3.2.1 and
//! E.1.1, H.265 §7.3.2.2 and E.2.1). A set that ends early yields the facts before its end.

use super::bits::{BitReader, unescaped};
use super::stream::{PixelSize, StreamFacts};
use crate::media::Colour;

/// Reads the H.264 sequence parameter set `unit`, which includes the NAL header.
pub(super) fn avc(unit: &[u8]) -> StreamFacts {
    let payload = unescaped(unit.get(1..).unwrap_or_default());
    let mut stream = StreamFacts::default();
    // If the set ends early, the facts before its end remain.
    let _ended = avc_fields(&mut BitReader::new(&payload), &mut stream);
    stream
}

/// Reads the H.265 sequence parameter set `unit`, which includes the NAL header.
pub(super) fn hevc(unit: &[u8]) -> StreamFacts {
    let payload = unescaped(unit.get(2..).unwrap_or_default());
    let mut stream = StreamFacts::default();
    // If the set ends early, the facts before its end remain.
    let _ended = hevc_fields(&mut BitReader::new(&payload), &mut stream);
    stream
}

fn avc_fields(bits: &mut BitReader<'_>, stream: &mut StreamFacts) -> Option<()> {
    let profile = bits.byte(8)?;
    bits.skip(16)?;
    bits.unsigned()?;
    let chroma = if matches!(profile, 44 | 83 | 86 | 100 | 110 | 118 | 122 | 128 | 134 | 135 | 138 | 139 | 244) {
        avc_chroma(bits)?
    } else {
        1
    };
    bits.unsigned()?;
    match bits.unsigned()? {
        0 => {
            bits.unsigned()?;
        }
        1 => {
            bits.skip(1)?;
            bits.signed()?;
            bits.signed()?;
            // num_ref_frames_in_pic_order_cnt_cycle is at most 255.
            for _ in 0..bits.unsigned().filter(|frames| *frames < 256)? {
                bits.signed()?;
            }
        }
        _ => {}
    }
    bits.unsigned()?;
    bits.skip(1)?;
    let (columns, rows) = (u64::from(bits.unsigned()?) + 1, u64::from(bits.unsigned()?) + 1);
    let fields = if bits.flag()? { 1 } else { 2 };
    if fields == 2 {
        bits.skip(1)?;
    }
    bits.skip(1)?;
    let units = Units { width: if matches!(chroma, 1 | 2) { 2 } else { 1 }, height: if chroma == 1 { 2 } else { 1 } };
    let crop = Crop::read(bits)?;
    let units = Units { height: units.height * fields, ..units };
    stream.size = crop.applied(columns * 16, rows * 16 * fields, units);
    vui(bits, stream)
}

/// Reads the fields of the High profiles: chroma_format_idc, depths, scaling lists. Returns chroma_format_idc.
fn avc_chroma(bits: &mut BitReader<'_>) -> Option<u32> {
    let chroma = bits.unsigned()?;
    if chroma == 3 {
        bits.skip(1)?;
    }
    bits.unsigned()?;
    bits.unsigned()?;
    bits.skip(1)?;
    if bits.flag()? {
        for list in 0..if chroma == 3 { 12 } else { 8 } {
            if bits.flag()? {
                avc_scaling_list(bits, if list < 6 { 16 } else { 64 })?;
            }
        }
    }
    Some(chroma)
}

/// Skips scaling_list( ) of `entries` numbers (§7.3.2.1.1.1).
fn avc_scaling_list(bits: &mut BitReader<'_>, entries: u32) -> Option<()> {
    let (mut last, mut next) = (8_i64, 8_i64);
    for _ in 0..entries {
        if next != 0 {
            next = (last + bits.signed()?).rem_euclid(256);
        }
        last = if next == 0 { last } else { next };
    }
    Some(())
}

fn hevc_fields(bits: &mut BitReader<'_>, stream: &mut StreamFacts) -> Option<()> {
    bits.skip(4)?;
    let layers = bits.read(3)?;
    bits.skip(1)?;
    profile_tier_level(bits, layers)?;
    bits.unsigned()?;
    let chroma = bits.unsigned()?;
    if chroma == 3 {
        bits.skip(1)?;
    }
    let (width, height) = (u64::from(bits.unsigned()?), u64::from(bits.unsigned()?));
    let units = Units { width: if matches!(chroma, 1 | 2) { 2 } else { 1 }, height: if chroma == 1 { 2 } else { 1 } };
    stream.size = Crop::read(bits)?.applied(width, height, units);
    bits.unsigned()?;
    bits.unsigned()?;
    let order_bits = bits.unsigned().filter(|less| *less <= 12)? + 4;
    let all = bits.flag()?;
    for _ in if all { 0..=layers } else { layers..=layers } {
        (0..3).try_for_each(|_| bits.unsigned().map(drop))?;
    }
    (0..6).try_for_each(|_| bits.unsigned().map(drop))?;
    if bits.flag()? && bits.flag()? {
        hevc_scaling_lists(bits)?;
    }
    bits.skip(2)?;
    if bits.flag()? {
        bits.skip(8)?;
        bits.unsigned()?;
        bits.unsigned()?;
        bits.skip(1)?;
    }
    reference_sets(bits)?;
    if bits.flag()? {
        // num_long_term_ref_pics_sps is at most 32.
        for _ in 0..bits.unsigned().filter(|pictures| *pictures <= 32)? {
            bits.read(usize::try_from(order_bits).ok()?)?;
            bits.skip(1)?;
        }
    }
    bits.skip(2)?;
    vui(bits, stream)
}

/// Skips profile_tier_level( 1, `layers` ) (H.265 §7.3.3).
fn profile_tier_level(bits: &mut BitReader<'_>, layers: u32) -> Option<()> {
    bits.skip(88 + 8)?;
    let mut present = Vec::new();
    for _ in 0..layers {
        present.push((bits.flag()?, bits.flag()?));
    }
    if layers > 0 {
        (layers..8).try_for_each(|_| bits.skip(2))?;
    }
    for (profile, level) in present {
        bits.skip(if profile { 88 } else { 0 })?;
        bits.skip(if level { 8 } else { 0 })?;
    }
    Some(())
}

/// Skips scaling_list_data( ) (H.265 §7.3.4).
fn hevc_scaling_lists(bits: &mut BitReader<'_>) -> Option<()> {
    for size in 0..4_u32 {
        let step = if size == 3 { 3 } else { 1 };
        for _ in (0..6).step_by(step) {
            if !bits.flag()? {
                bits.unsigned()?;
                continue;
            }
            if size > 1 {
                bits.signed()?;
            }
            for _ in 0..(1_u32 << (4 + (size << 1))).min(64) {
                bits.signed()?;
            }
        }
    }
    Some(())
}

/// Skips all st_ref_pic_set( ) (H.265 §7.3.7): at most 64 sets, which list at most 16 pictures each.
fn reference_sets(bits: &mut BitReader<'_>) -> Option<()> {
    let count = bits.unsigned().filter(|sets| *sets <= 64)?;
    let mut before = 0;
    for set in 0..count {
        let predicted = set > 0 && bits.flag()?;
        before = if predicted { predicted_set(bits, before)? } else { listed_set(bits)? };
    }
    Some(())
}

/// Skips a set that is predicted from the set before, of `before` pictures. Returns its number of pictures.
fn predicted_set(bits: &mut BitReader<'_>, before: u32) -> Option<u32> {
    bits.skip(1)?;
    bits.unsigned()?;
    let mut pictures = 0;
    for _ in 0..=before {
        let used = bits.flag()?;
        if used || bits.flag()? {
            pictures += 1;
        }
    }
    Some(pictures)
}

/// Skips a set that lists its pictures. Returns their number.
fn listed_set(bits: &mut BitReader<'_>) -> Option<u32> {
    let few = |pictures: &u32| *pictures <= 16;
    let (earlier, later) = (bits.unsigned().filter(few)?, bits.unsigned().filter(few)?);
    for _ in 0..earlier + later {
        bits.unsigned()?;
        bits.skip(1)?;
    }
    Some(earlier + later)
}

/// Size of a cropping unit, in pixels.
#[derive(Debug, Clone, Copy)]
struct Units {
    width: u64,
    height: u64,
}

/// Cropping of a decoded picture at each side, in cropping units.
#[derive(Debug, Clone, Copy, Default)]
struct Crop {
    left: u32,
    right: u32,
    top: u32,
    bottom: u32,
}

impl Crop {
    fn read(bits: &mut BitReader<'_>) -> Option<Self> {
        if !bits.flag()? {
            return Some(Self::default());
        }
        let (left, right) = (bits.unsigned()?, bits.unsigned()?);
        let (top, bottom) = (bits.unsigned()?, bits.unsigned()?);
        Some(Self { left, right, top, bottom })
    }

    fn applied(self, width: u64, height: u64, units: Units) -> Option<PixelSize> {
        let across = (u64::from(self.left) + u64::from(self.right)) * units.width;
        let down = (u64::from(self.top) + u64::from(self.bottom)) * units.height;
        PixelSize::new(width.checked_sub(across)?, height.checked_sub(down)?)
    }
}

/// Pixel aspect ratios by aspect_ratio_idc (ISO/IEC 23091-2 table 16).
const ASPECTS: [(u32, u32); 17] = [
    (0, 0),
    (1, 1),
    (12, 11),
    (10, 11),
    (16, 11),
    (40, 33),
    (24, 11),
    (20, 11),
    (32, 11),
    (80, 33),
    (18, 11),
    (15, 11),
    (64, 33),
    (160, 99),
    (4, 3),
    (3, 2),
    (2, 1),
];

/// Reads vui_parameters( ), up to the colours: H.264 and H.265 begin alike.
fn vui(bits: &mut BitReader<'_>, stream: &mut StreamFacts) -> Option<()> {
    if !bits.flag()? {
        return Some(());
    }
    if bits.flag()? {
        let aspect = match bits.byte(8)? {
            255 => (bits.read(16)?, bits.read(16)?),
            known => ASPECTS.get(usize::from(known)).copied().unwrap_or_default(),
        };
        stream.pixel_aspect = Some(aspect).filter(|(across, down)| *across > 0 && *down > 0);
    }
    if bits.flag()? {
        bits.skip(1)?;
    }
    if bits.flag()? {
        bits.skip(3)?;
        let full_range = bits.flag()?;
        let unspecified = Colour::UNSPECIFIED;
        let mut colour = Colour { primaries: unspecified, transfer: unspecified, matrix: unspecified, full_range };
        if bits.flag()? {
            (colour.primaries, colour.transfer, colour.matrix) = (bits.byte(8)?, bits.byte(8)?, bits.byte(8)?);
        }
        stream.colour = Some(colour);
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use super::{avc, hevc};
    use crate::demux::stream::{PixelSize, StreamFacts};
    use crate::media::Colour;

    /// High profile, interlaced, 720×576 in 64:45 pixels, written by x264.
    const PAL: [u8; 29] = [
        0x67, 0x64, 0x00, 0x16, 0xac, 0xd9, 0x40, 0xb4, 0x24, 0xdf, 0xf8, 0x02, 0x00, 0x01, 0x68, 0x80, 0x00, 0x00,
        0x03, 0x01, 0x00, 0x00, 0x03, 0x00, 0x19, 0x0f, 0x8a, 0x14, 0xcb,
    ];

    /// Main 10, 320×180 cropped from 320×184, PQ, written by x265.
    const HDR: [u8; 45] = [
        0x42, 0x01, 0x01, 0x02, 0x20, 0x00, 0x00, 0x03, 0x00, 0x90, 0x00, 0x00, 0x03, 0x00, 0x00, 0x03, 0x00, 0x3c,
        0xa0, 0x0a, 0x08, 0x0b, 0x9f, 0x6d, 0x96, 0x56, 0x69, 0x24, 0xca, 0xf0, 0x16, 0xa1, 0x22, 0x01, 0x20, 0x80,
        0x00, 0x00, 0x03, 0x00, 0x80, 0x00, 0x00, 0x0c, 0x84,
    ];

    /// Main 10, 1280×720, HLG, recorded by a phone.
    const PHONE: [u8; 35] = [
        0x42, 0x01, 0x01, 0x02, 0x20, 0x00, 0x00, 0x03, 0x00, 0xb0, 0x00, 0x00, 0x03, 0x00, 0x00, 0x03, 0x00, 0x5d,
        0xa0, 0x02, 0x80, 0x80, 0x2d, 0x13, 0x62, 0x05, 0x7b, 0x91, 0x65, 0x53, 0x50, 0x91, 0x20, 0x90, 0x08,
    ];

    #[test]
    fn a_set_of_h264_says_size_pixels_and_colours() {
        let stream = avc(&PAL);
        assert_eq!((stream.size, stream.pixel_aspect), (PixelSize::new(720, 576), Some((64, 45))));
    }

    #[test]
    fn a_set_of_h265_says_its_cropped_size_and_its_colours() {
        let colour = |transfer| Some(Colour { primaries: 9, transfer, matrix: 9, full_range: false });
        assert_eq!((hevc(&HDR).size, hevc(&HDR).colour), (PixelSize::new(320, 180), colour(16)));
        assert_eq!((hevc(&PHONE).size, hevc(&PHONE).colour), (PixelSize::new(1_280, 720), colour(18)));
    }

    #[test]
    fn a_set_that_is_cut_or_spoiled_says_less_and_never_panics() {
        type Read = fn(&[u8]) -> StreamFacts;
        let sets: [(&[u8], Read); 3] = [(&PAL, avc), (&HDR, hevc), (&PHONE, hevc)];
        for (set, read) in sets {
            let whole = read(set);
            for len in 0..set.len() {
                let cut = read(&set[..len]);
                assert!(cut.size.is_none() || cut.size == whole.size, "{len}");
            }
            for at in 0..set.len() {
                for byte in [0, 1, 0x7f, 0x80, 0xff] {
                    let mut spoiled = set.to_vec();
                    spoiled[at] = byte;
                    let _read = read(&spoiled);
                }
            }
        }
    }
}
