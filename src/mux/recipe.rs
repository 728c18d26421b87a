//! A recipe: the stored bytes that one segment, or a range of it, is made of, and how its bytes are made of them. One type
//! for every packaging.

use super::copied::{Copied, Piece};
use super::ts::{Chunks, PacketWindow, Packetized};
use crate::media::ByteRange;
use bytes::{Bytes, BytesMut};
use std::ops::Range;

/// How to build one segment.
#[derive(Debug, Clone)]
pub enum Recipe {
    /// Stored bytes as they are, behind generated heads: CMAF.
    Copied(Copied),
    /// Packets around stored bytes: MPEG-TS.
    Packets(Box<Packetized>),
}

/// The length of a segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Length {
    /// In bytes, known before any media is read.
    Exact(u64),
    /// Known only after the segment is built: the index does not tell it.
    AfterBuild,
}

/// Stored byte ranges, in the order in which they are needed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Reads {
    /// Of the object of the stream's first track.
    pub first: Vec<ByteRange>,
    /// Of the object of the stream's second track.
    pub second: Vec<ByteRange>,
}

/// The bytes of [`Reads`], in the same order.
#[derive(Debug, Clone, Default)]
pub struct Stored {
    /// Of the first track's ranges; chunk borders may lie anywhere.
    pub first: Vec<Bytes>,
    /// Of the second track's ranges.
    pub second: Vec<Bytes>,
}

/// A range of a segment that is about to be built.
#[derive(Debug)]
pub struct Window<'a>(WindowPart<'a>);

#[derive(Debug)]
enum WindowPart<'a> {
    Copied(Vec<Piece>),
    Packets(PacketWindow<'a>),
}

impl Recipe {
    /// The length of the segment.
    #[must_use]
    pub const fn length(&self) -> Length {
        match self {
            Self::Copied(copied) => Length::Exact(copied.length()),
            Self::Packets(packets) => packets.length(),
        }
    }

    /// The length of the segment in bytes; an estimate where it is known only after the build.
    #[must_use]
    pub const fn estimate(&self) -> u64 {
        match self {
            Self::Copied(copied) => copied.length(),
            Self::Packets(packets) => packets.estimate(),
        }
    }

    /// The end of a build step that begins at byte `from` and is about `bytes` long: where no work is done twice.
    #[must_use]
    pub fn step_end(&self, from: u64, bytes: u64) -> u64 {
        match self {
            Self::Copied(copied) => copied.length().min(from.saturating_add(bytes)),
            Self::Packets(packets) => packets.step_end(from, bytes),
        }
    }

    /// Bytes `range` of the segment, cut off at its end. The whole segment where its length is known only after the build.
    #[must_use]
    pub fn window(&self, range: Range<u64>) -> Window<'_> {
        Window(match self {
            Self::Copied(copied) => WindowPart::Copied(copied.window(range)),
            Self::Packets(packets) => WindowPart::Packets(packets.window(range)),
        })
    }
}

impl From<Copied> for Recipe {
    fn from(copied: Copied) -> Self {
        Self::Copied(copied)
    }
}

impl From<Packetized> for Recipe {
    fn from(packets: Packetized) -> Self {
        Self::Packets(Box::new(packets))
    }
}

impl Window<'_> {
    /// The stored bytes that the window is made of.
    #[must_use]
    pub fn reads(&self) -> Reads {
        match &self.0 {
            WindowPart::Copied(pieces) => {
                let mut first = Vec::with_capacity(pieces.len());
                first.extend(pieces.iter().filter_map(|piece| match piece {
                    Piece::Stored(range) => Some(*range),
                    Piece::Generated(_) => None,
                }));
                Reads { first, second: Vec::new() }
            }
            WindowPart::Packets(window) => window.reads(),
        }
    }

    /// The bytes of the window, built from `stored`, the bytes of [`Window::reads`]. New bytes are written into what
    /// `room` gives for so many of them: memory of that capacity, whose content does not matter.
    #[must_use]
    pub fn build(self, stored: Stored, room: impl FnMut(usize) -> BytesMut) -> Vec<Bytes> {
        match self.0 {
            WindowPart::Copied(pieces) => joined(pieces, stored.first),
            WindowPart::Packets(window) => window.build(Chunks::new(stored.first), Chunks::new(stored.second), room),
        }
    }
}

/// Generated pieces between the stored bytes.
fn joined(pieces: Vec<Piece>, stored: Vec<Bytes>) -> Vec<Bytes> {
    let mut out = Vec::with_capacity(pieces.len() + stored.len());
    let mut pieces = pieces.into_iter().peekable();
    let mut stored = Chunks::new(stored);
    while let Some(piece) = pieces.next() {
        match piece {
            Piece::Generated(bytes) => out.push(bytes),
            Piece::Stored(range) => {
                let mut len = range.len();
                while let Some(Piece::Stored(next)) = pieces.next_if(|next| matches!(next, Piece::Stored(_))) {
                    len += next.len();
                }
                // Behind the last generated piece the chunks go out as they were read.
                if pieces.peek().is_none() {
                    out.extend(stored.rest());
                    return out;
                }
                out.extend(stored.split_off(len));
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::{Recipe, Stored};
    use crate::media::{ByteRange, u64_from_usize};
    use crate::mux::copied::Copied;
    use bytes::{Bytes, BytesMut};

    #[test]
    fn generated_and_stored_pieces_are_joined_wherever_chunks_end() {
        let object: Vec<u8> = (0..100).collect();
        let mut copied = Copied::default();
        copied.push_generated(Bytes::from_static(b"<a>"));
        copied.push_stored(ByteRange::new(10, 20).unwrap());
        copied.push_stored(ByteRange::new(40, 5).unwrap());
        copied.push_generated(Bytes::from_static(b"<b>"));
        copied.push_stored(ByteRange::new(60, 30).unwrap());
        let whole = [b"<a>", &object[10..30], &object[40..45], b"<b>", &object[60..90]].concat();
        let recipe = Recipe::from(copied);
        for size in [1, 7, 25, 26, 100] {
            for (from, to) in [(0, 61), (0, 3), (2, 30), (28, 31), (31, 61), (5, 5), (60, 99)] {
                let window = recipe.window(from..to);
                let read = window.reads().first.into_iter().flat_map(|range| range.start()..range.end());
                let read: Vec<u8> = read.map(|at| object[usize::try_from(at).unwrap()]).collect();
                let first = read.chunks(size).map(Bytes::copy_from_slice).collect();
                let built = window.build(Stored { first, second: Vec::new() }, BytesMut::with_capacity).concat();
                let at = |at: u64| usize::try_from(at).unwrap().min(whole.len());
                assert_eq!(built, whole[at(from)..at(to)], "{from}..{to}, chunks of {size}");
                assert_eq!(u64_from_usize(built.len()), to.min(61) - from.min(to.min(61)));
            }
        }
    }
}
