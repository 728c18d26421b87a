//! The bytes of a reply, with a length known at once.

use super::delivery::{Media, ResponseChunk};
use super::error::Error;
use crate::cache::RangeState;
use crate::media::{ByteRange, RangeSpec, u64_from_usize, usize_from_u64};
use crate::store::Object;
use bytes::Bytes;
use std::ops::Range;

/// The bytes of a reply, whose length is known at once.
#[derive(Debug, Clone)]
pub enum Content {
    /// A complete text in memory; it may be compressed.
    Text(Bytes),
    /// A segment: in memory, growing, or built as it is sent.
    Media(Media),
    /// A stored object, read as it is sent.
    Stored(Object),
}

/// The bytes of a representation that the response will carry: nothing else has to be built.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Demand {
    /// None: HEAD.
    Nothing,
    /// All.
    Whole,
    /// These ranges, at least one, which may lie outside of the representation.
    Ranges(Vec<RangeSpec>),
}

impl Demand {
    /// From the first to the last byte of `length` that the response will carry; `None` where it will carry none.
    #[must_use]
    pub fn span(&self, length: u64) -> Option<Range<u64>> {
        let span = match self {
            Self::Nothing => return None,
            Self::Whole => 0..length,
            Self::Ranges(ranges) => {
                let inside = || ranges.iter().filter_map(|range| range.resolve(length));
                let start = inside().map(ByteRange::start).min()?;
                start..inside().map(ByteRange::end).max()?
            }
        };
        (span.start < span.end).then_some(span)
    }
}

impl Content {
    /// Its length in bytes.
    #[must_use]
    pub fn len(&self) -> u64 {
        match self {
            Self::Text(text) => u64_from_usize(text.len()),
            Self::Media(media) => media.len(),
            Self::Stored(object) => object.size(),
        }
    }

    /// Whether there are no bytes.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Passes the bytes of `range` that are in memory, from its start on, to `each`. Returns their number; 0 if
    /// [`Self::read`] must wait for them.
    pub fn get(&self, range: &Range<u64>, each: &mut impl FnMut(Bytes)) -> u64 {
        match self {
            Self::Text(text) => {
                let slice = slice(text, range);
                let len = u64_from_usize(slice.len());
                each(slice);
                len
            }
            Self::Media(media) => match media.get(range, each) {
                RangeState::Here(len) => len,
                RangeState::Growing | RangeState::Released | RangeState::Failed(_) => 0,
            },
            Self::Stored(_) => 0,
        }
    }

    /// Passes on the bytes of `range` that are sent from their file, from its start on; nothing where none are.
    pub fn get_in_place(&self, range: &Range<u64>, each: &mut impl FnMut(ResponseChunk)) {
        match self {
            Self::Media(media) => media.get_in_place(range, each),
            Self::Text(_) | Self::Stored(_) => {}
        }
    }

    /// Waits for the next bytes of `range`: at least one, unless `range` is empty or begins at the end. Reads or builds
    /// no more than `range`, so the length of `range` bounds the memory.
    pub async fn read(&self, range: Range<u64>) -> Result<Vec<Bytes>, Error> {
        match self {
            Self::Text(text) => Ok(vec![slice(text, &range)]),
            Self::Media(media) => media.read(range).await,
            Self::Stored(object) => {
                let wanted = range.end.min(object.size()).saturating_sub(range.start);
                let Some(wanted) = ByteRange::new(range.start, wanted) else { return Ok(Vec::new()) };
                Ok(object.read_ranges(vec![wanted]).await?)
            }
        }
    }
}

/// The part of `text` within `range`.
fn slice(text: &Bytes, range: &Range<u64>) -> Bytes {
    let len = u64_from_usize(text.len());
    let (from, to) = (range.start.min(len), range.end.min(len));
    text.slice(usize_from_u64(from)..usize_from_u64(to.max(from)))
}

#[cfg(test)]
#[allow(clippy::as_conversions, clippy::cast_possible_truncation, reason = "a test's numbers are small")]
mod tests {
    use super::super::delivery::Media;
    use super::Content;
    use bytes::Bytes;

    #[tokio::test]
    async fn pulling_a_range_gives_its_bytes() {
        let chunks = ["abc", "defg", "h"].map(|chunk| Bytes::from_static(chunk.as_bytes()));
        let content = Content::Media(Media::complete(chunks.into()));
        assert_eq!(content.len(), 8);
        for (from, to) in [(0, 8), (2, 5), (3, 7), (7, 8), (4, 4), (8, 9)] {
            let pulled = content.read(from..to).await.unwrap().concat();
            let whole = b"abcdefgh";
            assert_eq!(pulled, &whole[from as usize..(to as usize).min(8)], "{from}..{to}");
        }
    }
}
