//! Parser of visual sample entries → picture, codec, and the bytes for init segments.
//!
//! ```text
//! │ header 8 │ 6 zero │ data_reference_index u16 │ 16 │ width u16 │ height u16 │ 50 │ avcC, pasp, colr, … │
//! ```
//! ISO/IEC 14496-12 §12.1.3.

use super::boxes::Atom;
use super::codec;
use super::codec::VisualCodec;
use super::error::Error;
use super::error::FourCc;
use crate::media::Codec;
use crate::media::Kind;
use crate::media::Picture;
use crate::media::u32_from_usize;
use bytes::Bytes;

/// Bytes between the header of a visual sample entry and its first box.
pub(super) const VISUAL: usize = 78;

/// A parsed sample entry.
#[derive(Debug, Clone)]
pub(super) struct ParsedEntry {
    /// Video or audio, with its parameters.
    pub(super) kind: Kind,
    /// Codec of the samples.
    pub(super) codec: Codec,
    /// Bytes of the entry in the form of ISO base media, for init segments.
    pub(super) entry: Bytes,
}

/// The boxes of a sample entry, up to the first malformed one.
#[derive(Debug)]
pub(super) struct EntryBoxes<'a> {
    within: Atom<'a>,
    /// Boxes in file order.
    pub(super) boxes: Vec<Atom<'a>>,
    broken: Option<Error>,
}

impl<'a> EntryBoxes<'a> {
    /// Reads the boxes behind the first `skip` bytes of an entry's body. QuickTime may write stray bytes behind them.
    pub(super) fn new(entry: Atom<'a>, skip: usize) -> Self {
        let mut parts = Self { within: entry, boxes: Vec::new(), broken: None };
        for part in entry.children_behind(skip) {
            match part {
                Ok(part) => parts.boxes.push(part),
                Err(error) => parts.broken = Some(error),
            }
        }
        parts
    }

    /// The first box of type `kind`; `None` if there is none.
    pub(super) fn get(&self, kind: [u8; 4]) -> Option<Atom<'a>> {
        self.boxes.iter().find(|part| part.kind.0 == kind).copied()
    }

    /// The first box of type `kind`; an error if there is none.
    pub(super) fn need(&self, kind: [u8; 4]) -> Result<Atom<'a>, Error> {
        let missing = || Error::Missing { kind: FourCc(kind), within: self.within.kind, at: self.within.at };
        self.get(kind).ok_or_else(|| self.broken.clone().unwrap_or_else(missing))
    }

    /// Bytes of the entry up to its last well-formed box.
    pub(super) fn trimmed(&self) -> Bytes {
        let parts = self.boxes.iter().map(|part| part.whole.len()).sum::<usize>();
        let skip = self.skipped();
        let whole = self.within.whole;
        if skip + parts == whole.len() {
            return Bytes::copy_from_slice(whole);
        }
        let head = whole.get(8..skip).unwrap_or_default();
        let boxes: Vec<&[u8]> = self.boxes.iter().map(|part| part.whole).collect();
        plain_box(self.within.kind, &[head, &boxes.concat()].concat())
    }

    /// Bytes of the entry before its first box.
    fn skipped(&self) -> usize {
        let whole = self.within.whole.len();
        self.boxes.first().map_or(whole, |first| {
            let before = first.at.saturating_sub(self.within.at);
            usize::try_from(before).unwrap_or(whole)
        })
    }
}

/// A box with a 32-bit size.
pub(super) fn plain_box(kind: FourCc, body: &[u8]) -> Bytes {
    let size = u32_from_usize(body.len() + 8).to_be_bytes();
    [&size[..], &kind.0, body].concat().into()
}

/// Presentation of a picture in the track header (`tkhd`).
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct DisplayGeometry {
    /// Transformation matrix.
    pub(super) matrix: [i32; 9],
    /// Width in whole pixels; 0 if the header does not tell.
    pub(super) width: u16,
    /// Height in whole pixels; 0 if the header does not tell.
    pub(super) height: u16,
}

/// Reads a visual sample entry. The size comes from the stream's own headers, else from the entry. Some writers set a
/// side in the entry to 0: then both sides come from the track header.
pub(super) fn visual(entry: Atom<'_>, shown: DisplayGeometry) -> Result<ParsedEntry, Error> {
    let mut fields = entry.fields();
    fields.slice(24)?;
    let (width, height) = (fields.u16()?, fields.u16()?);
    fields.slice(50)?;
    let (width, height) = if width == 0 || height == 0 { (shown.width, shown.height) } else { (width, height) };
    let parts = EntryBoxes::new(entry, VISUAL);
    let VisualCodec { string, family, supplemental, stream, range } = codec::video(&parts, entry.kind)?;
    let (width, height) = stream.size.map_or((width, height), |size| (size.width, size.height));
    for (field, claims) in [("width", width), ("height", height)] {
        if claims == 0 {
            return Err(entry.value(field, 0, "at least 1"));
        }
    }
    let pixel_aspect = pixel_aspect(&parts).or(stream.pixel_aspect).unwrap_or((1, 1));
    let picture = Picture { width, height, pixel_aspect, matrix: shown.matrix, colour: stream.colour, range };
    let codec = Codec { fourcc: entry.kind.0, string, family, supplemental };
    Ok(ParsedEntry { kind: Kind::Video(picture), codec, entry: parts.trimmed() })
}

/// Ratio in `pasp` (§12.1.4); `None` if it is missing or contains a zero.
fn pixel_aspect(parts: &EntryBoxes<'_>) -> Option<(u32, u32)> {
    let read = |pasp: Atom<'_>| {
        let mut fields = pasp.fields();
        Some((fields.u32().ok()?, fields.u32().ok()?))
    };
    parts.get(*b"pasp").and_then(read).filter(|(across, down)| *across > 0 && *down > 0)
}
