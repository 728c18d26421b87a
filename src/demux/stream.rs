//! Facts from the headers of a video stream of any codec: size, pixel aspect and colours.

use super::bits::BitReader;
use super::entry::EntryBoxes;
use crate::media::Colour;

/// Facts in the headers of a stream; `None` where they do not tell.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct StreamFacts {
    /// Width and height of a decoded picture, after cropping.
    pub(super) size: Option<PixelSize>,
    /// Pixel aspect ratio.
    pub(super) pixel_aspect: Option<(u32, u32)>,
    /// Colours.
    pub(super) colour: Option<Colour>,
}

/// Width and height in pixels, neither of them zero.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct PixelSize {
    /// Width.
    pub(super) width: u16,
    /// Height.
    pub(super) height: u16,
}

impl PixelSize {
    /// `None` if a side is 0 or more than 65,535.
    pub(super) fn new(width: u64, height: u64) -> Option<Self> {
        let (width, height) = (u16::try_from(width).ok()?, u16::try_from(height).ok()?);
        (width > 0 && height > 0).then_some(Self { width, height })
    }
}

/// Colours in the first `colr` with code points (ISO/IEC 14496-12 §12.1.5; QuickTime's `nclc` has no range flag).
pub(super) fn colour_box(parts: &EntryBoxes<'_>) -> Option<Colour> {
    let read = |body: &[u8]| {
        let mut bits = BitReader::new(body);
        let ranged = match &bits.read(32)?.to_be_bytes() {
            b"nclx" => true,
            b"nclc" => false,
            _ => return None,
        };
        let mut code = || bits.read(16).map(|code| u8::try_from(code).unwrap_or(Colour::UNSPECIFIED));
        let (primaries, transfer, matrix) = (code()?, code()?, code()?);
        Some(Colour { primaries, transfer, matrix, full_range: ranged && bits.flag().unwrap_or(false) })
    };
    parts.boxes.iter().filter(|part| part.kind.0 == *b"colr").find_map(|part| read(part.body))
}

/// `first`, with code points that it leaves unspecified from `second`; full range if either has it.
pub(super) fn merged(first: Option<Colour>, second: Option<Colour>) -> Option<Colour> {
    let (Some(first), Some(second)) = (first, second) else { return first.or(second) };
    let code = |one: u8, other: u8| if one == Colour::UNSPECIFIED { other } else { one };
    Some(Colour {
        primaries: code(first.primaries, second.primaries),
        transfer: code(first.transfer, second.transfer),
        matrix: code(first.matrix, second.matrix),
        full_range: first.full_range || second.full_range,
    })
}

/// Whether `colour` is BT.709 in limited range, the default of unspecified colours.
pub(super) fn is_ordinary(colour: Option<Colour>) -> bool {
    let ordinary = |code: u8| matches!(code, 1 | Colour::UNSPECIFIED);
    colour.is_none_or(|Colour { primaries, transfer, matrix, full_range }| {
        [primaries, transfer, matrix].into_iter().all(ordinary) && !full_range
    })
}
