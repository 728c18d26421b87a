//! Parser of `av1C` → codec string, size and colours of AV1 (AV1 in ISO Base Media §2.3 and §5; AV1 §5.5).

use super::bits::BitReader;
use super::boxes::Atom;
use super::error::Error;
use super::stream::{self, PixelSize, StreamFacts};
use crate::media::{Colour, usize_from_u64};

/// OBU_SEQUENCE_HEADER.
const SEQUENCE_HEADER: u32 = 1;

/// Content of `av1C`: two bytes of parameters, and OBUs.
#[derive(Debug, Clone, Copy)]
pub(super) struct Av1Config<'a> {
    first: u8,
    second: u8,
    units: &'a [u8],
}

impl<'a> Av1Config<'a> {
    /// Reads `av1C`; checks marker and version.
    pub(super) fn read(av1c: Atom<'a>) -> Result<Self, Error> {
        let mut fields = av1c.fields();
        let [marker, first, second, _] = fields.take()?;
        if marker != 0x81 {
            return Err(av1c.value("marker and version", i64::from(marker), "0x81"));
        }
        Ok(Self { first, second, units: fields.rest() })
    }

    /// Facts in the sequence header among the OBUs; empty without one.
    pub(super) fn stream(&self) -> StreamFacts {
        let mut stream = StreamFacts::default();
        if let Some(header) = sequence_header(self.units) {
            // If the header ends early, the facts before its end remain.
            let _ended = fields(&mut BitReader::new(header), &mut stream);
        }
        stream
    }

    /// Codec string: `av01.P.LLT.DD`, and `.M.CCC.cp.tc.mc.F` unless these fields have their defaults: 4:2:0, BT.709,
    /// limited range. Either all of them are present or none (AV1 in ISO Base Media §5).
    pub(super) fn string(&self, colour: Option<Colour>) -> String {
        let Self { first, second, .. } = *self;
        let (profile, level) = (first >> 5, first & 0x1f);
        let tier = if second & 0x80 == 0 { 'M' } else { 'H' };
        let depth = match (second & 0x40 != 0, second & 0x20 != 0) {
            (false, _) => 8,
            (true, true) if profile == 2 => 12,
            (true, _) => 10,
        };
        let short = format!("av01.{profile}.{level:02}{tier}.{depth:02}");
        let (monochrome, across, down, place) = ((second >> 4) & 1, (second >> 3) & 1, (second >> 2) & 1, second & 3);
        // The position of chroma samples has a meaning only in 4:2:0.
        let place = if across == 1 && down == 1 { place } else { 0 };
        if (monochrome, across, down) == (0, 1, 1) && stream::is_ordinary(colour) {
            return short;
        }
        let unspecified = Colour::UNSPECIFIED;
        let Colour { primaries, transfer, matrix, full_range } = colour.unwrap_or(Colour {
            primaries: unspecified,
            transfer: unspecified,
            matrix: unspecified,
            full_range: false,
        });
        let full = u8::from(full_range);
        format!("{short}.{monochrome}.{across}{down}{place}.{primaries:02}.{transfer:02}.{matrix:02}.{full}")
    }
}

/// The payload of the first sequence header among `units` (AV1 §5.3). Each iteration consumes at least one byte.
fn sequence_header(units: &[u8]) -> Option<&[u8]> {
    let mut bits = BitReader::new(units);
    loop {
        bits.skip(1)?;
        let kind = bits.read(4)?;
        let (extended, sized) = (bits.flag()?, bits.flag()?);
        bits.skip(if extended { 1 + 8 } else { 1 })?;
        let rest = |bits: &BitReader<'_>| u64::try_from(bits.rest().len()).unwrap_or(u64::MAX);
        let size = usize_from_u64(if sized { bits.leb128()? } else { rest(&bits) });
        let payload = bits.rest().get(..size)?;
        if kind == SEQUENCE_HEADER {
            return Some(payload);
        }
        bits.skip(size.checked_mul(8)?)?;
    }
}

/// Reads sequence_header_obu( ), up to the colours.
fn fields(bits: &mut BitReader<'_>, stream: &mut StreamFacts) -> Option<()> {
    let profile = bits.read(3)?;
    bits.skip(1)?;
    let reduced = bits.flag()?;
    if reduced {
        bits.skip(5)?;
    } else {
        operating_points(bits)?;
    }
    let (across, down) = (bits.read(4)? + 1, bits.read(4)? + 1);
    let mut side = |count: u32| bits.read(usize::try_from(count).ok()?).map(|less| u64::from(less) + 1);
    stream.size = PixelSize::new(side(across)?, side(down)?);
    if !reduced && bits.flag()? {
        bits.skip(4 + 3)?;
    }
    bits.skip(3)?;
    if !reduced {
        tools(bits)?;
    }
    bits.skip(3)?;
    colours(bits, profile, stream)
}

/// Skips timing and operating points.
fn operating_points(bits: &mut BitReader<'_>) -> Option<()> {
    let mut delay_bits = None;
    if bits.flag()? {
        bits.skip(64)?;
        if bits.flag()? {
            // uvlc( ) has the format of ue(v).
            bits.unsigned()?;
        }
        if bits.flag()? {
            delay_bits = Some(usize::from(bits.byte(5)?) + 1);
            bits.skip(32 + 5 + 5)?;
        }
    }
    let display_delay = bits.flag()?;
    for _ in 0..=bits.read(5)? {
        bits.skip(12)?;
        if bits.read(5)? > 7 {
            bits.skip(1)?;
        }
        if let Some(count) = delay_bits
            && bits.flag()?
        {
            bits.skip(2 * count + 1)?;
        }
        if display_delay && bits.flag()? {
            bits.skip(4)?;
        }
    }
    Some(())
}

/// Skips the coding tools between size and colours.
fn tools(bits: &mut BitReader<'_>) -> Option<()> {
    bits.skip(4)?;
    let order_hint = bits.flag()?;
    bits.skip(if order_hint { 2 } else { 0 })?;
    let forced = if bits.flag()? { 2 } else { bits.read(1)? };
    if forced > 0 && !bits.flag()? {
        bits.skip(1)?;
    }
    bits.skip(if order_hint { 3 } else { 0 })
}

/// Reads color_config( ) (AV1 §5.5.2).
fn colours(bits: &mut BitReader<'_>, profile: u32, stream: &mut StreamFacts) -> Option<()> {
    let deep = bits.flag()?;
    if profile == 2 && deep {
        bits.skip(1)?;
    }
    let monochrome = profile != 1 && bits.flag()?;
    let unspecified = Colour::UNSPECIFIED;
    let (primaries, transfer, matrix) = if bits.flag()? {
        (bits.byte(8)?, bits.byte(8)?, bits.byte(8)?)
    } else {
        (unspecified, unspecified, unspecified)
    };
    // sRGB has no range flag: its range is always full.
    let rgb = !monochrome && (primaries, transfer, matrix) == (1, 13, 0);
    let full_range = rgb || bits.flag()?;
    stream.colour = Some(Colour { primaries, transfer, matrix, full_range });
    Some(())
}

#[cfg(test)]
mod tests {
    use super::Av1Config;
    use crate::demux::boxes::Atom;
    use crate::demux::fixture::atom;
    use crate::demux::stream::{PixelSize, StreamFacts};
    use crate::media::Colour;

    /// Main profile, 10 bits, 322×182, PQ, written by libaom.
    const HDR: [u8; 20] = [
        0x81, 0x00, 0x4c, 0x00, 0x0a, 0x0e, 0x00, 0x00, 0x00, 0x04, 0x3d, 0x06, 0xd4, 0xda, 0xf9, 0x50, 0x91, 0x00,
        0x90, 0x40,
    ];

    fn read(body: &[u8]) -> Option<(StreamFacts, String)> {
        let whole = atom(b"av1C", body);
        let config = Av1Config::read(Atom::new(&whole, 0).unwrap()).ok()?;
        let stream = config.stream();
        Some((stream, config.string(stream.colour)))
    }

    #[test]
    fn a_sequence_header_says_size_and_colours() {
        let colour = Some(Colour { primaries: 9, transfer: 16, matrix: 9, full_range: false });
        let stream = StreamFacts { size: PixelSize::new(322, 182), pixel_aspect: None, colour };
        assert_eq!(read(&HDR), Some((stream, "av01.0.00M.10.0.110.09.16.09.0".into())));
    }

    #[test]
    fn colours_are_all_named_or_none() {
        let string = |second: u8, colour: Option<[u8; 3]>| {
            let whole = atom(b"av1C", &[0x81, 0x05, second, 0]);
            let colour =
                colour.map(|[primaries, transfer, matrix]| Colour { primaries, transfer, matrix, full_range: false });
            Av1Config::read(Atom::new(&whole, 0).unwrap()).unwrap().string(colour)
        };
        assert_eq!(string(0x0c, None), "av01.0.05M.08");
        assert_eq!(string(0x0c, Some([1, 1, 1])), "av01.0.05M.08");
        assert_eq!(string(0x0e, Some([2, 2, 2])), "av01.0.05M.08");
        assert_eq!(string(0x4e, Some([9, 18, 9])), "av01.0.05M.10.0.112.09.18.09.0");
        assert_eq!(string(0x1c, None), "av01.0.05M.08.1.110.02.02.02.0");
        assert_eq!(string(0x00, None), "av01.0.05M.08.0.000.02.02.02.0");
    }

    #[test]
    fn a_header_that_is_cut_or_spoiled_says_less_and_never_panics() {
        let whole = read(&HDR).unwrap().0;
        for len in 4..HDR.len() {
            let (cut, _) = read(&HDR[..len]).unwrap();
            assert!(cut.size.is_none() || cut == whole, "{len}");
        }
        for at in 0..HDR.len() {
            for byte in [0, 1, 0x7f, 0x80, 0xff] {
                let mut spoiled = HDR;
                spoiled[at] = byte;
                let _read = read(&spoiled);
            }
        }
    }
}
