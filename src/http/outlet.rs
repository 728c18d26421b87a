//! The sending side of a connection: what is written to it, and who waits until its client takes more.
//!
//! hyper limits how long a head may take to arrive; how long an answer may take to be taken is limited here: a client that
//! takes nothing for `write_stall` ends the connection, as does one that has been waited for for 20 s in all and took less
//! than `minimum_rate` of each; what the kernel holds for it is dropped. The kernel tells of progress in steps of half of
//! `unsent`.
//!
//! What is written may stand for spans of files (`token`), which wait in line: the kernel sends them itself, and what
//! follows them is sent only if their files are what they were.

use super::line::{Line, Sent};
use super::pace::Pace;
use super::pipes::Pipes;
use super::seat::{Evictable, Seat};
use super::token;
use crate::media::u64_from_usize;
use crate::metrics::Metrics;
use crate::origin::Span;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::retry_on_intr;
use rustix::net::{SendAncillaryBuffer, SendFlags, sendmsg};
use socket2::SockRef;
use std::io::{Error, ErrorKind, IoSlice, Result};
use std::net::Shutdown;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::io::Interest;
use tokio::net::TcpStream;
use tokio::net::tcp::OwnedWriteHalf;
use tokio::time::{Instant, Sleep, sleep};

/// How long an answer is waited for on behalf of a client that has closed its sending side: most of them are gone.
const HALF_CLOSED: Duration = Duration::from_secs(20);

/// Asks and does not wait.
const AT_ONCE: Timespec = Timespec { tv_sec: 0, tv_nsec: 0 };

/// What a client may do to what is sent to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Limits {
    /// How long it may take nothing.
    pub(super) stall: Duration,
    /// Bytes a second that are taken at least, of what is waited for; 0 asks none.
    pub(super) rate: u64,
    /// Unsent bytes that the kernel holds.
    pub(super) unsent: u64,
}

/// What the connections of one listener share.
#[derive(Debug, Default)]
pub(super) struct Shared {
    pub(super) pipes: Arc<Pipes>,
    /// Those that may be closed to make room.
    pub(super) evictable: Arc<Evictable>,
}

/// The sending side of a connection: its bytes are counted, and its client is not waited for for ever.
#[derive(Debug)]
pub(super) struct Outlet {
    /// Until it is dropped.
    half: Option<OwnedWriteHalf>,
    limits: Limits,
    wait: Mutex<Wait>,
    /// What is written stands for these, in this order.
    line: Mutex<Line>,
    evictable: Arc<Evictable>,
    metrics: Option<Arc<Metrics>>,
}

/// How the client is waited for.
#[derive(Debug, Default)]
struct Wait {
    /// Runs while it is.
    stall: Option<Pin<Box<Sleep>>>,
    /// Since when it is.
    since: Option<Instant>,
    /// How long it was before what is written next was made.
    before: Duration,
    pace: Pace,
}

impl Wait {
    /// The client is waited for no more; how long it was since the last write.
    fn end(&mut self) -> Duration {
        std::mem::take(&mut self.before) + self.since.take().map_or(Duration::ZERO, |since| since.elapsed())
    }
}

impl Outlet {
    /// What is sent through `half`, whose client has these limits; its bytes are counted where there are `metrics`.
    pub(super) fn new(
        half: OwnedWriteHalf,
        limits: Limits,
        shared: &Shared,
        metrics: Option<Arc<Metrics>>,
    ) -> Arc<Self> {
        let line = Mutex::new(Line::new(Arc::clone(&shared.pipes)));
        let evictable = Arc::clone(&shared.evictable);
        Arc::new(Self { half: Some(half), limits, wait: Mutex::default(), line, evictable, metrics })
    }

    /// Returns when nobody is left to be answered: the connection has failed, or its client has closed its sending side
    /// and a new client needs the place, or has to wait for [`HALF_CLOSED`]. A client that has only closed its sending
    /// side cannot be told from one that is gone until it is sent something.
    pub(super) async fn hung_up(&self) {
        let stream = self.stream();
        sending_closed(stream).await;
        let seat = Seat::take(&self.evictable);
        tokio::select! {
            // Whatever it says, the connection is of no use.
            _ = stream.ready(Interest::ERROR) => {}
            () = seat.evicted() => {}
            () = sleep(HALF_CLOSED) => {}
        }
    }

    /// `span` is what is written next stands for, after those that wait already.
    pub(super) fn line_up(&self, span: Span) {
        self.line().push(span);
    }

    /// Bytes that the kernel takes at once of a connection that is open, at least.
    pub(super) const fn takes(&self) -> u64 {
        self.limits.unsent / 2
    }

    /// Waits until the kernel takes [`Self::takes`] bytes more: what is made then is sent at once, and nobody holds it for
    /// a client that is slow. An error when the client is waited for for too long.
    pub(super) fn poll_open(&self, cx: &mut Context<'_>) -> Poll<Result<()>> {
        let stream = self.stream();
        loop {
            let Poll::Ready(ready) = stream.poll_write_ready(cx) else { return self.stalled(cx) };
            ready?;
            // Within, so that what the kernel tells meanwhile is not forgotten with what it told before.
            match stream.try_io(Interest::WRITABLE, || is_open(stream)) {
                Ok(()) => {
                    let mut wait = self.wait();
                    wait.before = wait.end();
                    return Poll::Ready(Ok(()));
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                Err(error) => return Poll::Ready(Err(error)),
            }
        }
    }

    /// Sends of `slices` what the kernel takes.
    pub(super) fn poll_send(&self, cx: &mut Context<'_>, slices: &[IoSlice<'_>]) -> Poll<Result<usize>> {
        let (stream, wanted) = (self.stream(), slices.iter().map(|slice| slice.len()).sum::<usize>());
        loop {
            let Poll::Ready(ready) = stream.poll_write_ready(cx) else { return self.stalled(cx).map_ok(|()| 0) };
            ready?;
            let mut part = None;
            let sent = stream.try_io(Interest::WRITABLE, || {
                let sent = self.send(slices)?;
                if sent < wanted {
                    // It takes no more now: the next call need not ask.
                    part = Some(sent);
                    return Err(ErrorKind::WouldBlock.into());
                }
                Ok(sent)
            });
            match part.map_or(sent, Ok) {
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                sent => return Poll::Ready(sent.and_then(|sent| self.sent(sent))),
            }
        }
    }

    /// Sends of `slices` what the kernel takes now, at least one byte; an error where it takes none.
    fn send(&self, mut slices: &[IoSlice<'_>]) -> Result<usize> {
        let mut sent = 0;
        while let Some(first) = slices.first() {
            let stands = token::is_one(first);
            let run = slices.iter().take_while(|slice| token::is_one(slice) == stands).count();
            let (now, later) = slices.split_at(run);
            slices = later;
            let wanted = now.iter().map(|slice| slice.len()).sum();
            let took = match if stands { self.send_spans(wanted) } else { self.send_bytes(now, !later.is_empty()) } {
                Err(error) if error.kind() == ErrorKind::WouldBlock && sent > 0 => return Ok(sent),
                took => took?,
            };
            sent += took;
            if took < wanted {
                break;
            }
        }
        Ok(sent)
    }

    /// Sends what is in memory; where there is more, what follows at once may be sent in one packet with its end.
    fn send_bytes(&self, slices: &[IoSlice<'_>], more: bool) -> Result<usize> {
        if !more {
            return self.stream().try_write_vectored(slices);
        }
        let flags = SendFlags::MORE | SendFlags::NOSIGNAL;
        Ok(retry_on_intr(|| sendmsg(self.stream(), slices, &mut SendAncillaryBuffer::default(), flags))?)
    }

    fn send_spans(&self, wanted: usize) -> Result<usize> {
        match self.line().send(self.stream(), wanted)? {
            Sent::Bytes(sent) => Ok(sent),
            Sent::Changed => Err(self.cut("the file was written to while it was sent")),
        }
    }

    /// Says that nothing more is sent.
    pub(super) fn shut_down(&self) -> Result<()> {
        match SockRef::from(self.stream()).shutdown(Shutdown::Write) {
            // The client is gone already.
            Err(error) if error.kind() == ErrorKind::NotConnected => Ok(()),
            done => done,
        }
    }

    fn sent(&self, count: usize) -> Result<usize> {
        let taken = u64_from_usize(count);
        if let Some(metrics) = &self.metrics {
            metrics.sent(taken);
        }
        let mut wait = self.wait();
        let waited = wait.end();
        // What is taken at once says nothing of what is waited for.
        if !waited.is_zero() && wait.pace.is_below(self.limits.rate, waited, taken) {
            return Err(self.cut("the client takes less than it must"));
        }
        Ok(count)
    }

    fn stalled(&self, cx: &mut Context<'_>) -> Poll<Result<()>> {
        let mut wait = self.wait();
        let Wait { stall, since, .. } = &mut *wait;
        let limit = self.limits.stall;
        let stall = stall.get_or_insert_with(|| Box::pin(sleep(limit)));
        if since.is_none() {
            let now = Instant::now();
            *since = Some(now);
            stall.as_mut().reset(now + limit);
        }
        ready!(stall.as_mut().poll(cx));
        Poll::Ready(Err(self.cut("the client took nothing for too long")))
    }

    /// Without lingering the kernel drops what it still holds, and the client learns that the answer is not whole.
    fn cut(&self, why: &'static str) -> Error {
        let _ = SockRef::from(self.stream()).set_linger(Some(Duration::ZERO));
        Error::new(ErrorKind::TimedOut, why)
    }

    fn stream(&self) -> &TcpStream {
        self.half.as_ref().expect("it is there until it is dropped").as_ref()
    }

    fn line(&self) -> MutexGuard<'_, Line> {
        self.line.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wait(&self) -> MutexGuard<'_, Wait> {
        self.wait.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Outlet {
    fn drop(&mut self) {
        // The connection ends as its protocol says, not because nothing is left to be sent.
        if let Some(half) = self.half.take() {
            half.forget();
        }
    }
}

/// Whether the kernel takes more; it would block where not.
fn is_open(stream: &TcpStream) -> Result<()> {
    let mut asked = [PollFd::new(stream, PollFlags::OUT)];
    retry_on_intr(|| poll(&mut asked, Some(&AT_ONCE)))?;
    let [told] = asked;
    // A connection that has failed is told so by the next write.
    if told.revents().is_empty() { Err(ErrorKind::WouldBlock.into()) } else { Ok(()) }
}

/// Waits until the client has closed its sending side; what it has sent before that is left where it is.
#[cfg(target_os = "linux")]
async fn sending_closed(stream: &TcpStream) {
    // Of this interest the kernel tells nothing but that; an error shows in what is done next.
    let _ = stream.ready(Interest::PRIORITY).await;
}

/// The same, unless the client has sent the next request already: then until the connection fails.
#[cfg(not(target_os = "linux"))]
async fn sending_closed(stream: &TcpStream) {
    if stream.peek(&mut [0]).await.is_ok_and(|sent| sent > 0) {
        let _ = stream.ready(Interest::ERROR).await;
    }
}

#[cfg(test)]
mod tests {
    use super::{Limits, Outlet, Shared};
    use crate::http::body::{Body, Part};
    use crate::http::frames::Frames;
    use crate::http::pace::Pace;
    use crate::media::ByteRange;
    use crate::origin::{Content, Media};
    use bytes::{Buf, Bytes};
    use futures_util::FutureExt;
    use http_body_util::BodyExt;
    use std::future::poll_fn;
    use std::io::{ErrorKind, IoSlice};
    use std::sync::Arc;
    use std::time::Duration;
    use tokio::io::AsyncReadExt;
    use tokio::net::{TcpListener, TcpStream};
    use tokio::time::timeout;

    /// Less than what the kernel holds of an answer by itself.
    const UNSENT: u64 = 128 << 10;

    /// An outlet, and the client that it sends to.
    async fn pair(stall: Duration) -> (Arc<Outlet>, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let (stream, _) = listener.accept().await.unwrap();
        crate::http::socket::prepare(&stream, u32::try_from(UNSENT).unwrap());
        let (_, half) = stream.into_split();
        (Outlet::new(half, Limits { stall, rate: 0, unsent: UNSENT }, &Shared::default(), None), client)
    }

    async fn send(outlet: &Outlet, bytes: &[u8]) -> usize {
        poll_fn(|cx| outlet.poll_send(cx, &[IoSlice::new(bytes)])).await.unwrap()
    }

    #[tokio::test]
    async fn what_is_made_for_an_open_outlet_is_taken_whole() {
        let (outlet, mut client) = pair(Duration::from_mins(1)).await;
        let frame = vec![7; usize::try_from(outlet.takes()).unwrap()];
        let reading = tokio::spawn(async move {
            let (mut taken, mut buffer) = (0, vec![0; 64 << 10]);
            loop {
                // Slowly: the outlet closes again and again.
                tokio::time::sleep(Duration::from_millis(1)).await;
                match client.read(&mut buffer).await.unwrap() {
                    0 => return taken,
                    read => taken += read,
                }
            }
        });
        let mut closed = 0;
        for _ in 0..200 {
            let mut open = std::pin::pin!(poll_fn(|cx| outlet.poll_open(cx)));
            if timeout(Duration::ZERO, &mut open).await.is_err() {
                closed += 1;
                open.await.unwrap();
            }
            assert_eq!(send(&outlet, &frame).await, frame.len());
        }
        outlet.shut_down().unwrap();
        assert_eq!(reading.await.unwrap(), 200 * frame.len());
        assert!(closed > 10, "it was closed {closed} times");
    }

    #[tokio::test]
    async fn what_is_taken_in_parts_arrives_whole_and_once() {
        let (outlet, mut client) = pair(Duration::from_mins(1)).await;
        let bytes: Vec<u8> = (0..=250).cycle().take(32 << 20).collect();
        let expected = bytes.clone();
        let reading = tokio::spawn(async move {
            let mut taken = Vec::new();
            client.read_to_end(&mut taken).await.unwrap();
            taken == expected
        });
        let (mut left, mut parts) = (bytes.as_slice(), 0);
        while !left.is_empty() {
            left = left.split_at(send(&outlet, left).await).1;
            parts += 1;
        }
        outlet.shut_down().unwrap();
        assert!(reading.await.unwrap() && parts > 1, "{parts} parts");
    }

    #[tokio::test]
    async fn nothing_is_held_for_a_client_that_is_waited_for() {
        let (outlet, mut client) = pair(Duration::from_mins(1)).await;
        let fill = vec![7; usize::try_from(outlet.takes()).unwrap()];
        while poll_fn(|cx| outlet.poll_open(cx)).now_or_never().is_some() {
            send(&outlet, &fill).await;
        }
        let chunk = Bytes::from(vec![5; 8 << 20]);
        let all = ByteRange::new(0, 8 << 20).unwrap();
        let mut body = Body::new(Content::Media(Media::of(vec![chunk])), [Part::Range(all)], "");
        let budget = Frames::new(16 << 20);
        body.budgeted(&budget);
        body.sent_through(Arc::clone(&outlet));
        let first = body.frame().now_or_never().unwrap().unwrap().unwrap().into_data().unwrap();
        assert!(budget.take(16 << 20, 0).unwrap().bytes() < 1 << 20, "the first frame is granted");
        drop(first);
        assert!(body.frame().now_or_never().is_none());
        assert_eq!(budget.take(16 << 20, 0).unwrap().bytes(), 1 << 20, "nothing is granted");
        let reading = tokio::spawn(async move { tokio::io::copy(&mut client, &mut tokio::io::sink()).await });
        let next = body.frame().await.unwrap().unwrap().into_data().unwrap();
        assert_eq!(u64::try_from(next.remaining()).unwrap(), outlet.takes());
        // The wait for room counts as a wait for what is sent then.
        assert_eq!(outlet.wait().pace, Pace::default());
        send(&outlet, next.chunk()).await;
        assert!(outlet.wait().pace.waited > Duration::ZERO);
        reading.abort();
    }

    #[tokio::test]
    async fn a_client_that_takes_nothing_is_not_waited_for_for_ever() {
        let (outlet, client) = pair(Duration::from_millis(50)).await;
        let frame = vec![7; 64 << 10];
        let sending = async {
            loop {
                if let Err(error) = poll_fn(|cx| outlet.poll_open(cx)).await {
                    return error;
                }
                send(&outlet, &frame).await;
            }
        };
        let error = timeout(Duration::from_secs(20), sending).await.unwrap();
        assert_eq!(error.kind(), ErrorKind::TimedOut);
        drop(client);
    }
}
