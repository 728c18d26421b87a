//! Response bodies. Bytes in memory are sent without a copy; all others are read piece by piece.
//!
//! A frame is a [`Rope`]: several chunks that the socket takes in one vectored write, none copied. The first frame is
//! built at once, each further frame when the kernel takes more bytes. If the server had to wait for that, the frame is
//! no larger than the kernel then takes: while the server waits for a slow client, it holds no memory for it. The
//! frames of all connections share one memory budget. When the budget is used up, a frame is small and copied, because
//! a slice of a chunk would keep the whole chunk in memory. File ranges that the kernel sends by itself take no memory:
//! the frame holds placeholders, and the ranges are queued in the outlet. When the client hangs up, the body is dropped
//! and reads nothing further.

use super::access::AccessLogEntry;
use super::wire::budget::{FrameBudget, FrameGrant};
use super::wire::rope::Rope;
use super::wire::writer::ConnectionWriter;
use crate::media::{ByteRange, u64_from_usize};
use crate::origin::{Content, Error, ResponseChunk};
use bytes::Bytes;
use hyper::body::{Frame, SizeHint};
use std::collections::VecDeque;
use std::fmt;
use std::ops::Range;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

/// Largest frame in memory while the budget lasts, in bytes. After a wait for the client, the frame is also limited to
/// the bytes that the kernel takes.
const FRAME: u64 = 512 << 10;

/// Frame size that every connection may hold in memory even when the budget is used up, in bytes.
const LEAST: u64 = 32 << 10;

/// Size, file ranges included, from which a frame gathers no further run, in bytes. The last run may exceed it by as
/// much again. The limit is small because file ranges are checked to be in the page cache when the frame is built.
const SPANS: u64 = 1 << 20;

/// Most chunks in one frame; hyper writes 64 at once.
const CHUNKS: usize = 62;

/// A body of known length.
pub(super) struct ResponseBody {
    pieces: VecDeque<BodyPiece>,
    /// Bytes not handed out yet.
    left: u64,
    source: Option<BodySource>,
    frames: Option<Arc<FrameBudget>>,
    /// The connection writer that sends this body; `None` until `sent_through` is called.
    outlet: Option<Arc<ConnectionWriter>>,
    /// The access log line that counts the bytes; it is written when the body is dropped.
    entry: Option<Box<AccessLogEntry>>,
    /// Whether the first frame was built.
    begun: bool,
    /// Whether the server has waited for the client since the last frame.
    waited: bool,
}

/// A part of a new body.
#[derive(Debug)]
pub(super) enum BodyPart {
    /// These bytes.
    Bytes(Bytes),
    /// This range of the content; all of its bytes exist.
    Range(ByteRange),
}

/// The rest of a part that is not sent yet.
#[derive(Debug)]
enum BodyPiece {
    /// These bytes, at least one.
    Here(Bytes),
    /// This range of the source, at least one byte.
    There(Range<u64>),
}

/// The content that [`BodyPiece::There`] ranges are read from.
struct BodySource {
    content: Content,
    /// Path of the request, for the log.
    path: String,
    reading: Option<(PendingRead, FrameAllowance)>,
    /// Completes when the client hangs up; `None` until a read has to wait.
    hang_up: Option<Pin<Box<dyn Future<Output = ()> + Send>>>,
}

/// Memory that one frame may hold.
#[derive(Debug)]
struct FrameAllowance {
    grant: Option<FrameGrant>,
    /// Most bytes.
    most: u64,
    /// Whether the budget is used up, so that chunks are copied.
    scarce: bool,
}

impl Default for FrameAllowance {
    fn default() -> Self {
        Self { grant: None, most: LEAST, scarce: true }
    }
}

type PendingRead = Pin<Box<dyn Future<Output = Result<Vec<Bytes>, Error>> + Send>>;

impl ResponseBody {
    /// An empty body.
    pub(super) const fn empty() -> Self {
        Self {
            pieces: VecDeque::new(),
            left: 0,
            source: None,
            frames: None,
            outlet: None,
            entry: None,
            begun: false,
            waited: false,
        }
    }

    /// A body that sends the whole `text`.
    pub(super) fn text(text: Bytes) -> Self {
        let mut body = Self::empty();
        body.push(text);
        body
    }

    /// A body that sends `parts` of `content` one after another. `path` is the requested path, for the log.
    pub(super) fn new(content: Content, parts: impl IntoIterator<Item = BodyPart>, path: &str) -> Self {
        let mut body = Self::empty();
        for part in parts {
            match (part, &content) {
                (BodyPart::Bytes(bytes), _) => body.push(bytes),
                (BodyPart::Range(range), Content::Text(_)) => {
                    content.get(&(range.start()..range.end()), &mut |bytes| body.push(bytes));
                }
                (BodyPart::Range(range), Content::Media(_) | Content::Stored(_)) => {
                    body.pieces.push_back(BodyPiece::There(range.start()..range.end()));
                    body.left += range.len();
                }
            }
        }
        if body.pieces.iter().any(|piece| matches!(piece, BodyPiece::There(_))) {
            body.source = Some(BodySource { content, path: path.into(), reading: None, hang_up: None });
        }
        body
    }

    /// Takes the memory of frames from this budget.
    pub(super) fn budgeted(&mut self, frames: &Arc<FrameBudget>) {
        self.frames = Some(Arc::clone(frames));
    }

    /// Builds frames at the pace at which `outlet` takes them.
    pub(super) fn sent_through(&mut self, outlet: Arc<ConnectionWriter>) {
        self.outlet = Some(outlet);
    }

    /// Counts the sent bytes in this line of the access log.
    pub(super) fn logged(&mut self, entry: Box<AccessLogEntry>) {
        self.entry = Some(entry);
    }

    /// Replaces the last byte by `text`, if the last piece is in memory.
    pub(super) fn replace_last_byte(&mut self, text: &str) {
        if let Some(BodyPiece::Here(last)) = self.pieces.pop_back_if(|piece| matches!(piece, BodyPiece::Here(_))) {
            self.left -= u64_from_usize(last.len());
            self.push(Bytes::from([last.split_last().map_or(&[][..], |(_, before)| before), text.as_bytes()].concat()));
        }
    }

    fn push(&mut self, bytes: Bytes) {
        self.left += u64_from_usize(bytes.len());
        if !bytes.is_empty() {
            self.pieces.push_back(BodyPiece::Here(bytes));
        }
    }

    /// Bytes not handed out yet.
    pub(super) const fn len(&self) -> u64 {
        self.left
    }

    /// Takes memory for the next frame from the budget.
    fn grant(&self) -> FrameAllowance {
        let taken = self.outlet.as_ref().filter(|_| self.waited).map_or(FRAME, |outlet| outlet.takes().max(LEAST));
        let wanted = self.left.min(FRAME).min(taken);
        let frames = self.frames.as_ref().filter(|_| wanted > LEAST);
        let grant = frames.and_then(|frames| frames.take(wanted, wanted.min(2 * LEAST)));
        let most = grant.as_ref().map_or(LEAST, FrameGrant::bytes);
        FrameAllowance { scarce: grant.is_none() && wanted > LEAST, grant, most }
    }

    /// Builds a frame from the first pieces: bytes in memory as far as `room` allows, and file ranges. Stops at bytes
    /// that must be read first.
    fn gather(&mut self, room: &FrameAllowance) -> Rope {
        let mut rope = Rope::default();
        while rope.chunks() < CHUNKS && rope.held() < room.most && rope.bytes() < SPANS {
            match self.pieces.pop_front() {
                Some(BodyPiece::Here(bytes)) => rope.push(bytes),
                Some(BodyPiece::There(range)) => {
                    let taken = self.take(&mut rope, &range, room);
                    if range.start + taken < range.end {
                        self.pieces.push_front(BodyPiece::There(range.start + taken..range.end));
                    }
                    if taken == 0 {
                        break;
                    }
                }
                None => break,
            }
        }
        rope
    }

    /// Appends the available start of `range` to `rope`, as file ranges or chunks in memory, up to [`CHUNKS`]. Returns
    /// the number of bytes appended.
    fn take(&self, rope: &mut Rope, range: &Range<u64>, room: &FrameAllowance) -> u64 {
        let Some(BodySource { content, .. }) = &self.source else { return 0 };
        let before = rope.bytes();
        if let Some(outlet) = &self.outlet {
            content.get_in_place(&(range.start..range.end.min(range.start + SPANS)), &mut |lump| {
                if rope.chunks() < CHUNKS {
                    match lump {
                        ResponseChunk::Memory(bytes) => rope.push(bytes),
                        ResponseChunk::File(span) => {
                            rope.stand_for(span.left());
                            outlet.line_up(span);
                        }
                    }
                }
            });
        }
        if rope.bytes() == before {
            let until = range.end.min(range.start + room.most - rope.held());
            content.get(&(range.start..until), &mut |bytes| {
                if rope.chunks() < CHUNKS {
                    rope.push(if room.scarce { alone(bytes) } else { bytes });
                }
            });
        }
        rope.bytes() - before
    }

    /// Reads the start of the first piece, which is not in memory.
    fn poll_read(&mut self, cx: &mut Context<'_>) -> Poll<Result<Rope, Error>> {
        let lost = || Poll::Ready(Err(Error::Interrupted("the body has no source".into())));
        let room = self.source.as_ref().is_some_and(|source| source.reading.is_none()).then(|| self.grant());
        let (Some(source), Some(BodyPiece::There(range))) = (&mut self.source, self.pieces.front_mut()) else {
            return lost();
        };
        let (reading, _) = source.reading.get_or_insert_with(|| {
            let room = room.unwrap_or_default();
            let (content, wanted) = (source.content.clone(), range.start..range.end.min(range.start + room.most));
            (Box::pin(async move { content.read(wanted).await }), room)
        });
        let Poll::Ready(read) = reading.as_mut().poll(cx) else {
            let Some(outlet) = &self.outlet else { return Poll::Pending };
            let hang_up = || -> Pin<Box<dyn Future<Output = ()> + Send>> {
                let outlet = Arc::clone(outlet);
                Box::pin(async move { outlet.hung_up().await })
            };
            ready!(source.hang_up.get_or_insert_with(hang_up).as_mut().poll(cx));
            return Poll::Ready(Err(Error::Interrupted("the client hung up".into())));
        };
        source.hang_up = None;
        let room = source.reading.take().map(|(_, room)| room).unwrap_or_default();
        let rope = read.map(|chunks| rope_of(chunks, room)).and_then(|rope| {
            // A source that returns nothing, or more than requested, would break the promised length.
            let fits = (1..=range.end - range.start).contains(&rope.bytes());
            if fits { Ok(rope) } else { Err(Error::Interrupted("the store returned no bytes or too many".into())) }
        });
        let rope = rope.inspect_err(|error| tracing::warn!(path = source.path, %error, "a response was cut short"))?;
        range.start += rope.bytes();
        if range.start == range.end {
            self.pieces.pop_front();
        }
        Poll::Ready(Ok(rope))
    }
}

impl hyper::body::Body for ResponseBody {
    type Data = Rope;
    type Error = Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Rope>, Error>>> {
        if self.pieces.is_empty() {
            return Poll::Ready(None);
        }
        let reading = self.source.as_ref().is_some_and(|source| source.reading.is_some());
        if let Some(outlet) = self.outlet.as_ref().filter(|_| self.begun && !reading) {
            match outlet.poll_open(cx) {
                Poll::Pending => {
                    self.waited = true;
                    return Poll::Pending;
                }
                Poll::Ready(Err(error)) => return Poll::Ready(Some(Err(Error::Interrupted(error.to_string())))),
                Poll::Ready(Ok(())) => {}
            }
        }
        let mut rope = if reading {
            Rope::default()
        } else {
            let room = self.grant();
            self.gather(&room).granted(room.grant)
        };
        if rope.chunks() == 0 {
            // Return the memory grant before a new one is taken.
            drop(rope);
            rope = match ready!(self.poll_read(cx)) {
                Ok(rope) => rope,
                Err(error) => return Poll::Ready(Some(Err(error))),
            };
        }
        self.left -= rope.bytes();
        if let Some(entry) = &mut self.entry {
            entry.sent += rope.bytes();
        }
        (self.begun, self.waited) = (true, false);
        Poll::Ready(Some(Ok(Frame::data(rope))))
    }

    fn is_end_stream(&self) -> bool {
        self.pieces.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.left)
    }
}

impl fmt::Debug for ResponseBody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Body").field("left", &self.left).field("pieces", &self.pieces.len()).finish_non_exhaustive()
    }
}

/// Builds a frame from chunks that were read.
fn rope_of(chunks: Vec<Bytes>, room: FrameAllowance) -> Rope {
    let mut rope = Rope::default();
    for chunk in chunks {
        rope.push(if room.scarce { alone(chunk) } else { chunk });
    }
    rope.granted(room.grant)
}

/// Copies `bytes` unless they are the only reference to their buffer, so that they keep no other bytes in memory.
fn alone(bytes: Bytes) -> Bytes {
    if bytes.is_unique() { bytes } else { Bytes::copy_from_slice(&bytes) }
}

#[cfg(test)]
mod tests {
    use super::super::wire::budget::FrameBudget;
    use super::{BodyPart, ResponseBody};
    use crate::media::ByteRange;
    use crate::origin::{Content, Media};
    use bytes::{Buf, Bytes};
    use http_body_util::BodyExt;

    fn patterned(count: u8, size: usize) -> Vec<Bytes> {
        (0..count).map(|n| Bytes::from(vec![n; size])).collect()
    }

    fn range(start: u64, end: u64) -> ByteRange {
        ByteRange::new(start, end - start).unwrap()
    }

    #[tokio::test]
    async fn a_body_is_as_long_as_it_says() {
        let chunks = patterned(100, 10_000);
        let parts = [BodyPart::Bytes(Bytes::from_static(b"head")), BodyPart::Range(range(5_000, 905_000))];
        let body = ResponseBody::new(Content::Media(Media::complete(chunks.clone())), parts, "");
        assert_eq!(body.len(), 900_004);
        let got = body.collect().await.unwrap().to_bytes();
        assert_eq!(got, [b"head", &chunks.concat()[5_000..905_000]].concat());
    }

    #[tokio::test]
    async fn frames_are_large_while_the_budget_lasts_and_little_each_when_it_is_used_up() {
        let chunks = patterned(60, 32 << 10);
        let frames = FrameBudget::new(8 << 20);
        let body = |frames| {
            let mut body = ResponseBody::new(
                Content::Media(Media::complete(chunks.clone())),
                [BodyPart::Range(range(100, 60 << 15))],
                "",
            );
            body.budgeted(frames);
            body
        };
        let (mut one, mut other) = (body(&frames), body(&frames));
        let first = one.frame().await.unwrap().unwrap().into_data().unwrap();
        assert_eq!(first.remaining(), 512 << 10);
        let second = other.frame().await.unwrap().unwrap().into_data().unwrap();
        assert_eq!(second.remaining(), 480 << 10);
        drop((first, second));
        let third = other.frame().await.unwrap().unwrap().into_data().unwrap();
        assert_eq!(third.remaining(), 512 << 10);
        let rest = one.collect().await.unwrap().to_bytes();
        assert!(rest == chunks.concat()[100 + (512 << 10)..]);
        let frame = body(&FrameBudget::new(0)).frame().await.unwrap().unwrap().into_data().unwrap();
        assert_eq!(frame.remaining(), 32 << 10);
    }

    #[tokio::test]
    async fn what_fits_into_one_frame_is_one() {
        let chunk = Bytes::from(vec![5; 64 << 10]);
        for len in [1, 32 << 10, (32 << 10) + 1, (64 << 10) - 1, 64 << 10] {
            let mut body = ResponseBody::new(
                Content::Media(Media::complete(vec![chunk.clone()])),
                [BodyPart::Range(range(0, len))],
                "",
            );
            body.budgeted(&FrameBudget::new(8 << 20));
            let frame = body.frame().await.unwrap().unwrap().into_data().unwrap();
            assert_eq!((u64::try_from(frame.remaining()).unwrap(), frame.chunk().as_ptr()), (len, chunk.as_ptr()));
        }
    }

    #[tokio::test]
    async fn where_nothing_is_granted_a_frame_holds_no_chunk() {
        let chunk = Bytes::from(vec![5; 128 << 10]);
        let mut body = ResponseBody::new(
            Content::Media(Media::complete(vec![chunk.clone()])),
            [BodyPart::Range(range(9, (128 << 10) - 9))],
            "",
        );
        body.budgeted(&FrameBudget::new(0));
        let frame = body.frame().await.unwrap().unwrap().into_data().unwrap();
        drop(body);
        assert!(chunk.is_unique());
        assert_eq!(frame.chunk(), vec![5; 32 << 10]);
    }
}
