//! The bytes of an answer: what is in memory goes out as it lies there, what is stored is pulled piece by piece.
//!
//! A frame is a [`Rope`]: several chunks that the socket takes in one vectored write, none copied. A body that is
//! dropped, because the client hung up, asks for nothing further.

use crate::media::{ByteRange, u64_from_usize, usize_from_u64};
use crate::origin::{Content, Error};
use bytes::{Buf, Bytes};
use hyper::body::{Frame, SizeHint};
use std::collections::VecDeque;
use std::fmt;
use std::io::IoSlice;
use std::ops::Range;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

/// Bytes that one frame gathers, about; what the kernel takes at once (`http.unsent`).
const FRAME: usize = 512 << 10;

/// Chunks of one frame at most; hyper writes 64 at once.
const CHUNKS: usize = 64;

/// A body of known length.
pub(super) struct Body {
    pieces: VecDeque<Piece>,
    /// Bytes not handed out yet.
    left: u64,
    source: Option<Source>,
}

/// What a body is made of.
#[derive(Debug)]
pub(super) enum Part {
    /// These bytes.
    Bytes(Bytes),
    /// These bytes of the content; all of them exist.
    Range(ByteRange),
}

/// What is left of a part.
#[derive(Debug)]
enum Piece {
    /// In memory, not empty.
    Here(Bytes),
    /// To be read from the source, not empty.
    There(Range<u64>),
}

/// Where pieces are read from.
struct Source {
    content: Content,
    /// What was asked for; for the log.
    path: String,
    reading: Option<Reading>,
}

type Reading = Pin<Box<dyn Future<Output = Result<Bytes, Error>> + Send>>;

impl Body {
    /// No bytes.
    pub(super) const fn empty() -> Self {
        Self { pieces: VecDeque::new(), left: 0, source: None }
    }

    /// `text`, all of it.
    pub(super) fn text(text: Bytes) -> Self {
        let mut body = Self::empty();
        body.push(text);
        body
    }

    /// `parts` of `content`, which is what `path` names, in a row.
    pub(super) fn new(content: Content, parts: impl IntoIterator<Item = Part>, path: &str) -> Self {
        let mut body = Self::empty();
        for part in parts {
            match part {
                Part::Bytes(bytes) => body.push(bytes),
                Part::Range(range) => body.push_range(&content, range),
            }
        }
        if body.pieces.iter().any(|piece| matches!(piece, Piece::There(_))) {
            body.source = Some(Source { content, path: path.into(), reading: None });
        }
        body
    }

    fn push(&mut self, bytes: Bytes) {
        self.left += u64_from_usize(bytes.len());
        if !bytes.is_empty() {
            self.pieces.push_back(Piece::Here(bytes));
        }
    }

    fn push_range(&mut self, content: &Content, range: ByteRange) {
        match in_memory(content) {
            Some(chunks) => self.pieces.extend(slices(chunks, range).map(Piece::Here)),
            None => self.pieces.push_back(Piece::There(range.start()..range.end())),
        }
        self.left += range.len();
    }

    /// Bytes not handed out yet.
    pub(super) const fn len(&self) -> u64 {
        self.left
    }

    /// Takes what is in memory at the front, up to a frame of it.
    fn gather(&mut self) -> Rope {
        let mut rope = Rope::default();
        while rope.left < FRAME && rope.chunks.len() < CHUNKS {
            match self.pieces.pop_front() {
                Some(Piece::Here(bytes)) => rope.push(bytes),
                Some(there @ Piece::There(_)) => {
                    self.pieces.push_front(there);
                    break;
                }
                None => break,
            }
        }
        rope
    }

    fn poll_read(&mut self, range: Range<u64>, cx: &mut Context<'_>) -> Poll<Result<Rope, Error>> {
        let Some(source) = &mut self.source else {
            return Poll::Ready(Err(Error::Interrupted("the body has no source".into())));
        };
        let read = ready!(source.poll(range.clone(), cx)).and_then(|bytes| {
            // A source that gives nothing, or more than was asked for, would break the promised length.
            let fits = (1..=range.end - range.start).contains(&u64_from_usize(bytes.len()));
            if fits { Ok(bytes) } else { Err(Error::Interrupted("the store gave another length".into())) }
        });
        let bytes = read.inspect_err(|error| {
            tracing::warn!(path = source.path, %error, "an answer is cut short");
        })?;
        self.pieces.pop_front();
        let next = range.start + u64_from_usize(bytes.len());
        if next < range.end {
            self.pieces.push_front(Piece::There(next..range.end));
        }
        let mut rope = Rope::default();
        rope.push(bytes);
        Poll::Ready(Ok(rope))
    }
}

impl Source {
    fn poll(&mut self, range: Range<u64>, cx: &mut Context<'_>) -> Poll<Result<Bytes, Error>> {
        let reading = self.reading.get_or_insert_with(|| {
            let content = self.content.clone();
            Box::pin(async move { content.read(range).await })
        });
        let read = ready!(reading.as_mut().poll(cx));
        self.reading = None;
        Poll::Ready(read)
    }
}

/// The chunks of what is in memory; `None` of what is read while it is sent.
fn in_memory(content: &Content) -> Option<&[Bytes]> {
    match content {
        Content::Text(bytes) => Some(std::slice::from_ref(bytes)),
        Content::Media(chunks) => Some(chunks),
        Content::Stored(_) => None,
    }
}

/// `range` of what `chunks` are in a row, uncopied.
fn slices(chunks: &[Bytes], range: ByteRange) -> impl Iterator<Item = Bytes> {
    let mut start = 0;
    chunks.iter().filter_map(move |chunk| {
        let end = start + u64_from_usize(chunk.len());
        let (from, to) = (range.start().max(start), range.end().min(end));
        let slice = (from < to).then(|| chunk.slice(usize_from_u64(from - start)..usize_from_u64(to - start)));
        start = end;
        slice
    })
}

impl hyper::body::Body for Body {
    type Data = Rope;
    type Error = Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Rope>, Error>>> {
        let rope = match self.pieces.front() {
            None => return Poll::Ready(None),
            Some(Piece::Here(_)) => self.gather(),
            Some(Piece::There(range)) => {
                let range = range.clone();
                match ready!(self.poll_read(range, cx)) {
                    Ok(rope) => rope,
                    Err(error) => return Poll::Ready(Some(Err(error))),
                }
            }
        };
        self.left -= u64_from_usize(rope.left);
        Poll::Ready(Some(Ok(Frame::data(rope))))
    }

    fn is_end_stream(&self) -> bool {
        self.pieces.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.left)
    }
}

impl fmt::Debug for Body {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Body").field("left", &self.left).field("pieces", &self.pieces.len()).finish_non_exhaustive()
    }
}

/// Chunks in a row, none of them empty.
#[derive(Debug, Default)]
pub(super) struct Rope {
    chunks: VecDeque<Bytes>,
    left: usize,
}

impl Rope {
    fn push(&mut self, bytes: Bytes) {
        self.left += bytes.len();
        self.chunks.push_back(bytes);
    }
}

impl Buf for Rope {
    fn remaining(&self) -> usize {
        self.left
    }

    fn chunk(&self) -> &[u8] {
        self.chunks.front().map_or(&[], |front| front)
    }

    fn chunks_vectored<'a>(&'a self, into: &mut [IoSlice<'a>]) -> usize {
        let filled = into.iter_mut().zip(&self.chunks).map(|(slot, chunk)| *slot = IoSlice::new(chunk));
        filled.count()
    }

    fn advance(&mut self, mut count: usize) {
        assert!(count <= self.left, "advanced past the end");
        self.left -= count;
        while let Some(front) = self.chunks.front_mut() {
            if count < front.len() {
                front.advance(count);
                return;
            }
            count -= front.len();
            self.chunks.pop_front();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Body, Part, Piece, Rope, Source, slices};
    use crate::media::ByteRange;
    use crate::origin::Content;
    use bytes::{Buf, Bytes};
    use http_body_util::BodyExt;
    use proptest::prelude::{prop_assert_eq, proptest};
    use std::io::IoSlice;

    fn chunked(bytes: &[u8], size: usize) -> Vec<Bytes> {
        bytes.chunks(size).map(Bytes::copy_from_slice).collect()
    }

    proptest! {
        #[test]
        fn slices_of_chunks_are_slices_of_the_whole(len in 1_usize..200, size in 1_usize..50, a in 0_usize..200, b in 0_usize..200) {
            let whole: Vec<u8> = (0..=255).cycle().take(len).collect();
            let (start, end) = (a.min(b) % len, (a.max(b) % len) + 1);
            if let Some(range) = end.checked_sub(start).and_then(|count| ByteRange::new(u64::try_from(start).unwrap(), u64::try_from(count).unwrap())) {
                let got: Vec<u8> = slices(&chunked(&whole, size), range).flatten().collect();
                prop_assert_eq!(got, &whole[start..end]);
            }
        }

        #[test]
        fn a_rope_advances_like_one_buffer(len in 1_usize..200, size in 1_usize..50, steps in proptest::collection::vec(1_usize..60, 1..20)) {
            let whole: Vec<u8> = (0..=255).cycle().take(len).collect();
            let mut rope = Rope::default();
            for chunk in chunked(&whole, size) {
                rope.push(chunk);
            }
            let mut at = 0;
            for step in steps {
                let step = step.min(rope.remaining());
                rope.advance(step);
                at += step;
                prop_assert_eq!(rope.remaining(), len - at);
                let mut vectors = [IoSlice::new(&[]); 64];
                let count = rope.chunks_vectored(&mut vectors);
                let seen: Vec<u8> = vectors[..count].iter().flat_map(|slice| slice.to_vec()).collect();
                prop_assert_eq!(&seen[..], &whole[at..(at + seen.len())]);
                prop_assert_eq!(rope.chunk().is_empty(), rope.remaining() == 0);
            }
        }
    }

    #[tokio::test]
    async fn a_body_is_as_long_as_it_says() {
        let chunks: Vec<Bytes> = (0..100_u8).map(|n| Bytes::from(vec![n; 10_000])).collect();
        let parts = [Part::Bytes(Bytes::from_static(b"head")), Part::Range(ByteRange::new(5_000, 900_000).unwrap())];
        let body = Body::new(Content::Media(chunks.clone().into()), parts, "");
        assert_eq!(body.len(), 900_004);
        let got = body.collect().await.unwrap().to_bytes();
        let whole = chunks.concat();
        assert_eq!(got, [b"head", &whole[5_000..905_000]].concat());
    }

    /// A body whose content is read piece by piece.
    fn pulled(chunks: &[Bytes], range: std::ops::Range<u64>) -> Body {
        let content = Content::Media(chunks.to_vec().into());
        let source = Some(Source { content, path: "/x".into(), reading: None });
        Body { left: range.end - range.start, pieces: [Piece::There(range)].into(), source }
    }

    #[tokio::test]
    async fn what_is_read_while_it_is_sent_is_the_same() {
        let chunks: Vec<Bytes> = (0..10_u8).map(|n| Bytes::from(vec![n; 100_000])).collect();
        let got = pulled(&chunks, 5_000..905_000).collect().await.unwrap().to_bytes();
        assert!(got == chunks.concat()[5_000..905_000]);
    }
}
