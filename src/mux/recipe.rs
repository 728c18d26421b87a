//! A body as a list of pieces whose length is known before any media is read.

use crate::media::{ByteRange, u64_from_usize};
use bytes::Bytes;
use std::ops::Range;

/// Pieces that there is room for from the start: a segment has about as many, one for each half second.
const USUAL: usize = 16;

/// A run of bytes of a body. Never empty.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Piece {
    /// Made by the muxer.
    Made(Bytes),
    /// Standing in the track's object.
    Stored(ByteRange),
}

impl Piece {
    /// Its length in bytes; at least 1.
    #[expect(clippy::len_without_is_empty, reason = "a piece is never empty")]
    #[must_use]
    pub fn len(&self) -> u64 {
        match self {
            Self::Made(bytes) => u64_from_usize(bytes.len()),
            Self::Stored(range) => range.len(),
        }
    }

    fn slice(&self, skip: u64, take: u64) -> Option<Self> {
        match self {
            Self::Made(bytes) => {
                let from = usize::try_from(skip).ok().filter(|from| *from < bytes.len())?;
                let to = usize::try_from(skip.saturating_add(take)).unwrap_or(usize::MAX).min(bytes.len());
                (from < to).then(|| Self::Made(bytes.slice(from..to)))
            }
            Self::Stored(range) => range.slice(skip, take).map(Self::Stored),
        }
    }
}

/// How long a body is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Length {
    /// So many bytes, known before any media is read.
    Exact(u64),
    /// Known when it has been made: its format does not let the index say.
    AfterMake,
}

/// A body: pieces in order, neighbours in the object joined.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Recipe {
    pieces: Vec<Piece>,
    /// Where each piece begins in the body.
    starts: Vec<u64>,
    length: u64,
}

impl Recipe {
    /// Appends bytes that are made here.
    pub(super) fn push_made(&mut self, bytes: Bytes) {
        if !bytes.is_empty() {
            self.push(Piece::Made(bytes));
        }
    }

    /// Appends bytes that stand in the object.
    pub(super) fn push_stored(&mut self, range: ByteRange) {
        if let Some(Piece::Stored(last)) = self.pieces.last_mut()
            && let Some(joined) = last.joined(range)
        {
            *last = joined;
            self.length += range.len();
            return;
        }
        self.push(Piece::Stored(range));
    }

    fn push(&mut self, piece: Piece) {
        if self.pieces.is_empty() {
            self.starts.reserve(USUAL);
            self.pieces.reserve(USUAL);
        }
        self.starts.push(self.length);
        self.length += piece.len();
        self.pieces.push(piece);
    }

    /// The length of the whole body in bytes.
    #[must_use]
    pub const fn length(&self) -> u64 {
        self.length
    }

    /// All pieces, in order.
    #[must_use]
    pub fn pieces(&self) -> &[Piece] {
        &self.pieces
    }

    /// The pieces that make up bytes `range` of the body, as far as it reaches. O(log pieces) and those it returns.
    #[must_use]
    pub fn window(&self, range: Range<u64>) -> Vec<Piece> {
        let end = range.end.min(self.length);
        let first = self.starts.partition_point(|start| *start <= range.start).saturating_sub(1);
        let standing = self.starts.iter().zip(&self.pieces).skip(first).take_while(|(start, _)| **start < end);
        let cut = standing.filter_map(|(start, piece)| {
            let skip = range.start.saturating_sub(*start);
            let take = end.checked_sub(start + skip)?;
            piece.slice(skip, take)
        });
        cut.collect()
    }
}

#[cfg(test)]
#[allow(clippy::as_conversions, clippy::cast_possible_truncation, reason = "a test's numbers are small")]
mod tests {
    use super::{Piece, Recipe};
    use crate::media::ByteRange;
    use bytes::Bytes;
    use proptest::prelude::{any, prop, prop_assert_eq, proptest};

    /// What a recipe answers when the object's bytes are their own offsets.
    fn bake(pieces: &[Piece]) -> Vec<u8> {
        let bake = |piece: &Piece| match piece {
            Piece::Made(bytes) => bytes.to_vec(),
            Piece::Stored(range) => (range.start()..range.end()).map(|at| at as u8).collect(),
        };
        pieces.iter().flat_map(bake).collect()
    }

    proptest! {
        #[test]
        fn any_window_is_that_slice_of_the_whole(
            parts in prop::collection::vec((any::<bool>(), 0_u64..40, 1_u64..9), 0..12), from in 0_u64..80, len in 0_u64..80,
        ) {
            let mut recipe = Recipe::default();
            for (made, at, len) in parts {
                if made {
                    recipe.push_made(Bytes::from(vec![at as u8; len as usize]));
                } else {
                    recipe.push_stored(ByteRange::new(at, len).unwrap());
                }
            }
            let whole = bake(recipe.pieces());
            prop_assert_eq!(whole.len() as u64, recipe.length());
            let clamp = |at: u64| (at as usize).min(whole.len());
            prop_assert_eq!(bake(&recipe.window(from..from + len)), &whole[clamp(from)..clamp(from + len)]);
        }
    }

    #[test]
    fn neighbours_in_the_object_are_one_piece() {
        let mut recipe = Recipe::default();
        recipe.push_stored(ByteRange::new(10, 5).unwrap());
        recipe.push_stored(ByteRange::new(15, 5).unwrap());
        recipe.push_stored(ByteRange::new(21, 1).unwrap());
        let expected = [ByteRange::new(10, 10), ByteRange::new(21, 1)].map(|range| Piece::Stored(range.unwrap()));
        assert_eq!(recipe.pieces(), expected);
    }
}
