//! The bytes of a reply, with a length known at once.

use super::error::Error;
use crate::media::{ByteRange, u64_from_usize, usize_from_u64};
use crate::store::{CHUNK_LIMIT, Object};
use bytes::Bytes;
use std::ops::Range;
use std::sync::Arc;

/// The bytes of a reply, with a length known at once.
#[derive(Debug, Clone)]
pub enum Content {
    /// In memory, complete; text is compressible.
    Text(Bytes),
    /// In memory, complete: separate chunks of at most 256 KiB.
    Media(Arc<[Bytes]>),
    /// A stored object, read as it is asked for.
    Stored(Object),
}

impl Content {
    /// Its length in bytes.
    #[must_use]
    pub fn len(&self) -> u64 {
        match self {
            Self::Text(text) => u64_from_usize(text.len()),
            Self::Media(chunks) => chunks.iter().map(|chunk| u64_from_usize(chunk.len())).sum(),
            Self::Stored(object) => object.size(),
        }
    }

    /// Whether there are no bytes.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The next bytes of `range`, at least one and at most 256 KiB; none where it is empty or begins at the end.
    pub async fn read(&self, range: Range<u64>) -> Result<Bytes, Error> {
        match self {
            Self::Text(text) => Ok(slice(text, 0, &range)),
            Self::Media(chunks) => Ok(find(chunks, &range)),
            Self::Stored(object) => {
                let wanted = range.end.min(object.size()).saturating_sub(range.start).min(CHUNK_LIMIT);
                let Some(wanted) = ByteRange::new(range.start, wanted) else { return Ok(Bytes::new()) };
                Ok(object.read(wanted).await?)
            }
        }
    }
}

fn find(chunks: &[Bytes], range: &Range<u64>) -> Bytes {
    let mut start = 0;
    for chunk in chunks {
        let end = start + u64_from_usize(chunk.len());
        if range.start < end {
            return slice(chunk, start, range);
        }
        start = end;
    }
    Bytes::new()
}

/// What of `range` lies in `chunk`, which begins at `start`.
fn slice(chunk: &Bytes, start: u64, range: &Range<u64>) -> Bytes {
    let len = u64_from_usize(chunk.len());
    let from = range.start.saturating_sub(start).min(len);
    let to = range.end.saturating_sub(start).min(len);
    chunk.slice(usize_from_u64(from)..usize_from_u64(to.max(from)))
}

#[cfg(test)]
#[allow(clippy::as_conversions, clippy::cast_possible_truncation, reason = "a test's numbers are small")]
mod tests {
    use super::Content;
    use bytes::Bytes;

    #[tokio::test]
    async fn pulling_a_range_gives_its_bytes_chunk_by_chunk() {
        let chunks = ["abc", "defg", "h"].map(|chunk| Bytes::from_static(chunk.as_bytes()));
        let content = Content::Media(chunks.into());
        assert_eq!(content.len(), 8);
        for (from, to) in [(0, 8), (2, 5), (3, 7), (7, 8), (4, 4), (8, 9)] {
            let (mut at, mut pulled) = (from, Vec::new());
            while at < to {
                let next = content.read(at..to).await.unwrap();
                if next.is_empty() {
                    break;
                }
                at += next.len() as u64;
                pulled.extend(next);
            }
            let whole = b"abcdefgh";
            assert_eq!(pulled, &whole[from as usize..(to as usize).min(8)], "{from}..{to}");
        }
    }
}
