//! The bytes of an answer: what is in memory goes out as it lies there, what is not is pulled piece by piece.
//!
//! A frame is a [`Rope`]: several chunks that the socket takes in one vectored write, none copied. The first is made at
//! once, each other when the kernel takes more, and where that had to be waited for, no larger than what it takes then: a
//! slow client holds nothing while it is waited for. What all connections hold together has a budget; where that has
//! nothing to grant, a frame is little, and copied: a part of a chunk would hold the whole of it.
//! What is sent from where it stands in a file is in no frame's memory: there it is stood for, and waits in the outlet's line.
//! A body that is dropped, because the client hung up, asks for nothing further.

use super::access::Entry;
use super::frames::{Frames, Grant};
use super::outlet::Outlet;
use super::rope::Rope;
use crate::media::{ByteRange, u64_from_usize};
use crate::origin::{Content, Error, Lump};
use bytes::Bytes;
use hyper::body::{Frame, SizeHint};
use std::collections::VecDeque;
use std::fmt;
use std::ops::Range;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

/// Bytes that one frame gathers while the budget lasts; of a client that was waited for, what the kernel takes then, if
/// that is less.
const FRAME: u64 = 512 << 10;

/// Bytes of a frame that every connection may hold, whatever the budget says.
const LEAST: u64 = 32 << 10;

/// Bytes of one frame, those in files included, but for one run of them that is as long at most: that those are in the page
/// cache was seen when it was made.
const SPANS: u64 = 1 << 20;

/// Chunks of one frame at most; hyper writes 64 at once.
const CHUNKS: usize = 62;

/// A body of known length.
pub(super) struct Body {
    pieces: VecDeque<Piece>,
    /// Bytes not handed out yet.
    left: u64,
    source: Option<Source>,
    frames: Option<Arc<Frames>>,
    /// Where it is sent.
    outlet: Option<Arc<Outlet>>,
    /// The line of the access log that counts its bytes; written when the body is dropped.
    entry: Option<Box<Entry>>,
    /// Whether a frame of it was made.
    begun: bool,
    /// Whether the client was waited for since.
    waited: bool,
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
    /// These bytes, at least one.
    Here(Bytes),
    /// Those of the source, at least one.
    There(Range<u64>),
}

/// Where pieces come from.
struct Source {
    content: Content,
    /// What was asked for; for the log.
    path: String,
    reading: Option<(Reading, Room)>,
    /// Ends when the client hangs up; there once a reading had to be waited for.
    hang_up: Option<Pin<Box<dyn Future<Output = ()> + Send>>>,
}

/// What one frame may hold.
#[derive(Debug)]
struct Room {
    grant: Option<Grant>,
    /// Bytes.
    most: u64,
    /// Whether the budget has nothing for it.
    scarce: bool,
}

impl Default for Room {
    fn default() -> Self {
        Self { grant: None, most: LEAST, scarce: true }
    }
}

type Reading = Pin<Box<dyn Future<Output = Result<Vec<Bytes>, Error>> + Send>>;

impl Body {
    /// No bytes.
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
            match (part, &content) {
                (Part::Bytes(bytes), _) => body.push(bytes),
                (Part::Range(range), Content::Text(_)) => {
                    content.look(&(range.start()..range.end()), &mut |bytes| body.push(bytes));
                }
                (Part::Range(range), Content::Media(_) | Content::Stored(_)) => {
                    body.pieces.push_back(Piece::There(range.start()..range.end()));
                    body.left += range.len();
                }
            }
        }
        if body.pieces.iter().any(|piece| matches!(piece, Piece::There(_))) {
            body.source = Some(Source { content, path: path.into(), reading: None, hang_up: None });
        }
        body
    }

    /// The same, taking its frames from this budget.
    pub(super) fn budgeted(&mut self, frames: &Arc<Frames>) {
        self.frames = Some(Arc::clone(frames));
    }

    /// The same, made as `outlet` takes it.
    pub(super) fn sent_through(&mut self, outlet: Arc<Outlet>) {
        self.outlet = Some(outlet);
    }

    /// The same, counted in the access log.
    pub(super) fn logged(&mut self, entry: Box<Entry>) {
        self.entry = Some(entry);
    }

    /// Puts `text` in the place of its last byte, where it is a text.
    pub(super) fn replace_last_byte(&mut self, text: &str) {
        if let Some(Piece::Here(last)) = self.pieces.pop_back_if(|piece| matches!(piece, Piece::Here(_))) {
            self.left -= u64_from_usize(last.len());
            self.push(Bytes::from([last.split_last().map_or(&[][..], |(_, before)| before), text.as_bytes()].concat()));
        }
    }

    fn push(&mut self, bytes: Bytes) {
        self.left += u64_from_usize(bytes.len());
        if !bytes.is_empty() {
            self.pieces.push_back(Piece::Here(bytes));
        }
    }

    /// Bytes not handed out yet.
    pub(super) const fn len(&self) -> u64 {
        self.left
    }

    /// What the next frame may hold.
    fn grant(&self) -> Room {
        let taken = self.outlet.as_ref().filter(|_| self.waited).map_or(FRAME, |outlet| outlet.takes().max(LEAST));
        let wanted = self.left.min(FRAME).min(taken);
        let frames = self.frames.as_ref().filter(|_| wanted > LEAST);
        let grant = frames.and_then(|frames| frames.take(wanted, wanted.min(2 * LEAST)));
        let most = grant.as_ref().map_or(LEAST, Grant::bytes);
        Room { scarce: grant.is_none() && wanted > LEAST, grant, most }
    }

    /// Takes at the front what is in memory, as far as there is room for it, and what lies in files.
    fn gather(&mut self, room: &Room) -> Rope {
        let mut rope = Rope::default();
        while rope.chunks() < CHUNKS && rope.held() < room.most && rope.bytes() < SPANS {
            match self.pieces.pop_front() {
                Some(Piece::Here(bytes)) => rope.push(bytes),
                Some(Piece::There(range)) => {
                    let taken = self.take(&mut rope, &range, room);
                    if range.start + taken < range.end {
                        self.pieces.push_front(Piece::There(range.start + taken..range.end));
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

    /// Appends to `rope` what there is of `range`, until it has as many chunks as one may; how many bytes.
    fn take(&self, rope: &mut Rope, range: &Range<u64>, room: &Room) -> u64 {
        let Some(Source { content, .. }) = &self.source else { return 0 };
        let before = rope.bytes();
        if let Some(outlet) = &self.outlet {
            content.stands(&(range.start..range.end.min(range.start + SPANS)), &mut |lump| {
                if rope.chunks() < CHUNKS {
                    match lump {
                        Lump::Bytes(bytes) => rope.push(bytes),
                        Lump::Span(span) => {
                            rope.stand_for(span.left());
                            outlet.line_up(span);
                        }
                    }
                }
            });
        }
        if rope.bytes() == before {
            let until = range.end.min(range.start + room.most - rope.held());
            content.look(&(range.start..until), &mut |bytes| {
                if rope.chunks() < CHUNKS {
                    rope.push(if room.scarce { alone(bytes) } else { bytes });
                }
            });
        }
        rope.bytes() - before
    }

    /// Waits for what is not in memory at the front.
    fn poll_read(&mut self, cx: &mut Context<'_>) -> Poll<Result<Rope, Error>> {
        let lost = || Poll::Ready(Err(Error::Interrupted("the body has no source".into())));
        let room = self.source.as_ref().is_some_and(|source| source.reading.is_none()).then(|| self.grant());
        let (Some(source), Some(Piece::There(range))) = (&mut self.source, self.pieces.front_mut()) else {
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
            // A source that gives nothing, or more than was asked for, would break the promised length.
            let fits = (1..=range.end - range.start).contains(&rope.bytes());
            if fits { Ok(rope) } else { Err(Error::Interrupted("the store gave another length".into())) }
        });
        let rope = rope.inspect_err(|error| tracing::warn!(path = source.path, %error, "an answer is cut short"))?;
        range.start += rope.bytes();
        if range.start == range.end {
            self.pieces.pop_front();
        }
        Poll::Ready(Ok(rope))
    }
}

impl hyper::body::Body for Body {
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
            // What it was granted is given back first.
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

impl fmt::Debug for Body {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Body").field("left", &self.left).field("pieces", &self.pieces.len()).finish_non_exhaustive()
    }
}

/// What was read, as a frame.
fn rope_of(chunks: Vec<Bytes>, room: Room) -> Rope {
    let mut rope = Rope::default();
    for chunk in chunks {
        rope.push(if room.scarce { alone(chunk) } else { chunk });
    }
    rope.granted(room.grant)
}

/// The same bytes, holding no others in memory.
fn alone(bytes: Bytes) -> Bytes {
    if bytes.is_unique() { bytes } else { Bytes::copy_from_slice(&bytes) }
}

#[cfg(test)]
mod tests {
    use super::super::frames::Frames;
    use super::{Body, Part};
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
        let parts = [Part::Bytes(Bytes::from_static(b"head")), Part::Range(range(5_000, 905_000))];
        let body = Body::new(Content::Media(Media::of(chunks.clone())), parts, "");
        assert_eq!(body.len(), 900_004);
        let got = body.collect().await.unwrap().to_bytes();
        assert_eq!(got, [b"head", &chunks.concat()[5_000..905_000]].concat());
    }

    #[tokio::test]
    async fn frames_are_large_while_the_budget_lasts_and_little_each_when_it_is_used_up() {
        let chunks = patterned(60, 32 << 10);
        let frames = Frames::new(8 << 20);
        let body = |frames| {
            let mut body =
                Body::new(Content::Media(Media::of(chunks.clone())), [Part::Range(range(100, 60 << 15))], "");
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
        let frame = body(&Frames::new(0)).frame().await.unwrap().unwrap().into_data().unwrap();
        assert_eq!(frame.remaining(), 32 << 10);
    }

    #[tokio::test]
    async fn what_fits_into_one_frame_is_one() {
        let chunk = Bytes::from(vec![5; 64 << 10]);
        for len in [1, 32 << 10, (32 << 10) + 1, (64 << 10) - 1, 64 << 10] {
            let mut body = Body::new(Content::Media(Media::of(vec![chunk.clone()])), [Part::Range(range(0, len))], "");
            body.budgeted(&Frames::new(8 << 20));
            let frame = body.frame().await.unwrap().unwrap().into_data().unwrap();
            assert_eq!((u64::try_from(frame.remaining()).unwrap(), frame.chunk().as_ptr()), (len, chunk.as_ptr()));
        }
    }

    #[tokio::test]
    async fn where_nothing_is_granted_a_frame_holds_no_chunk() {
        let chunk = Bytes::from(vec![5; 128 << 10]);
        let mut body =
            Body::new(Content::Media(Media::of(vec![chunk.clone()])), [Part::Range(range(9, (128 << 10) - 9))], "");
        body.budgeted(&Frames::new(0));
        let frame = body.frame().await.unwrap().unwrap().into_data().unwrap();
        drop(body);
        assert!(chunk.is_unique());
        assert_eq!(frame.chunk(), vec![5; 32 << 10]);
    }
}
