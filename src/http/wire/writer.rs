//! The sending side of a connection: writes bytes and queued file ranges, and limits how long a client may take to
//! read.
//!
//! hyper limits how long a request head may take to arrive. This file limits how long a client may take to read a
//! response. The connection ends when the client reads nothing for `write_stall`, or when the server has waited 20 s in
//! all and the client has read less than `minimum_rate` in that time. The kernel then drops the bytes it holds for the
//! client. It reports progress in steps of half of `unsent`.
//!
//! Written slices may be placeholders (`token`) for queued file ranges, which the kernel sends by itself. The bytes
//! that follow a range are sent only if its file has not changed.

use super::eviction::{Evictable, EvictionSlot};
use super::pace::Pace;
use super::pipes::Pipes;
use super::placeholder;
use super::queue::{SendQueue, SendResult};
use crate::media::u64_from_usize;
use crate::metrics::Metrics;
use crate::store::FileRange;
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

/// How long a response may still take for a client that has closed its sending side: most of these clients are gone.
const HALF_CLOSED: Duration = Duration::from_secs(20);

/// Timeout of a poll that does not wait.
const AT_ONCE: Timespec = Timespec { tv_sec: 0, tv_nsec: 0 };

/// Limits on how slowly a client may read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::http) struct Limits {
    /// Longest time without progress.
    pub(in crate::http) stall: Duration,
    /// Lowest rate while the server waits for the client, in bytes a second; 0 means no limit.
    pub(in crate::http) rate: u64,
    /// Most unsent bytes in the kernel's send buffer.
    pub(in crate::http) unsent: u64,
}

/// State shared by the connections of one listener.
#[derive(Debug, Default)]
pub(in crate::http) struct ListenerState {
    pub(in crate::http) pipes: Arc<Pipes>,
    /// Connections that may be closed to make room.
    pub(in crate::http) evictable: Arc<Evictable>,
}

/// The sending side of a connection: counts its bytes, and ends it if the client reads too slowly.
#[derive(Debug)]
pub(in crate::http) struct ConnectionWriter {
    /// `None` only while this is dropped.
    half: Option<OwnedWriteHalf>,
    limits: Limits,
    wait: Mutex<WriteWait>,
    /// File ranges that the next placeholders represent, in this order.
    line: Mutex<SendQueue>,
    evictable: Arc<Evictable>,
    metrics: Option<Arc<Metrics>>,
}

/// The wait for the client.
#[derive(Debug, Default)]
struct WriteWait {
    /// Timer for [`Limits::stall`]; restarted when a wait begins.
    stall: Option<Pin<Box<Sleep>>>,
    /// Begin of the current wait; `None` if the server does not wait.
    since: Option<Instant>,
    /// How long the server waited before it built the bytes that are written next.
    before: Duration,
    pace: Pace,
}

impl WriteWait {
    /// Ends the wait. Returns how long the server has waited since the last write.
    fn end(&mut self) -> Duration {
        std::mem::take(&mut self.before) + self.since.take().map_or(Duration::ZERO, |since| since.elapsed())
    }
}

impl ConnectionWriter {
    /// The sending side that writes to `half`, with these limits. Counts bytes if there are `metrics`.
    pub(in crate::http) fn new(
        half: OwnedWriteHalf,
        limits: Limits,
        shared: &ListenerState,
        metrics: Option<Arc<Metrics>>,
    ) -> Arc<Self> {
        let line = Mutex::new(SendQueue::new(Arc::clone(&shared.pipes)));
        let evictable = Arc::clone(&shared.evictable);
        Arc::new(Self { half: Some(half), limits, wait: Mutex::default(), line, evictable, metrics })
    }

    /// Returns when the client is taken to be gone: the connection has failed; or the client has closed its sending
    /// side and either a new client needs the slot or [`HALF_CLOSED`] has passed. Until bytes are sent, a client that
    /// has only closed its sending side looks the same as one that is gone.
    pub(in crate::http) async fn hung_up(&self) {
        let stream = self.stream();
        sending_closed(stream).await;
        let seat = EvictionSlot::take(&self.evictable);
        tokio::select! {
            // Any result means that the connection has failed.
            _ = stream.ready(Interest::ERROR) => {}
            () = seat.evicted() => {}
            () = sleep(HALF_CLOSED) => {}
        }
    }

    /// Appends `span` to the queue of file ranges. The placeholder that represents it must be written next.
    pub(in crate::http) fn line_up(&self, span: FileRange) {
        self.line().push(span);
    }

    /// Fewest bytes that the kernel takes at once after [`Self::poll_open`] has succeeded.
    pub(in crate::http) const fn takes(&self) -> u64 {
        self.limits.unsent / 2
    }

    /// Waits until the kernel takes [`Self::takes`] more bytes: a frame built then is sent at once, and takes no memory
    /// while a slow client reads. Fails if the client takes nothing for [`Limits::stall`].
    pub(in crate::http) fn poll_open(&self, cx: &mut Context<'_>) -> Poll<Result<()>> {
        let stream = self.stream();
        loop {
            let Poll::Ready(ready) = stream.poll_write_ready(cx) else { return self.stalled(cx) };
            ready?;
            // Inside `try_io`: it clears only the readiness seen before, so a wake-up during the check is not lost.
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

    /// Sends as much of `slices` as the kernel takes; waits if it takes nothing. Returns the number of bytes sent.
    pub(in crate::http) fn poll_send(&self, cx: &mut Context<'_>, slices: &[IoSlice<'_>]) -> Poll<Result<usize>> {
        let (stream, wanted) = (self.stream(), slices.iter().map(|slice| slice.len()).sum::<usize>());
        loop {
            let Poll::Ready(ready) = stream.poll_write_ready(cx) else { return self.stalled(cx).map_ok(|()| 0) };
            ready?;
            let mut part = None;
            let sent = stream.try_io(Interest::WRITABLE, || {
                let sent = self.send(slices)?;
                if sent < wanted {
                    // The kernel is full: clear the readiness, so that the next call waits without a system call.
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

    /// Sends as much of `slices` as the kernel takes now. `WouldBlock` if it takes nothing.
    fn send(&self, mut slices: &[IoSlice<'_>]) -> Result<usize> {
        let mut sent = 0;
        while let Some(first) = slices.first() {
            let stands = placeholder::is_one(first);
            let run = slices.iter().take_while(|slice| placeholder::is_one(slice) == stands).count();
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

    /// Sends bytes in memory. If `more` follows at once, the kernel may put the end of these bytes and the next ones
    /// into one packet.
    fn send_bytes(&self, slices: &[IoSlice<'_>], more: bool) -> Result<usize> {
        if !more {
            return self.stream().try_write_vectored(slices);
        }
        let flags = SendFlags::MORE | SendFlags::NOSIGNAL;
        Ok(retry_on_intr(|| sendmsg(self.stream(), slices, &mut SendAncillaryBuffer::default(), flags))?)
    }

    fn send_spans(&self, wanted: usize) -> Result<usize> {
        match self.line().send(self.stream(), wanted)? {
            SendResult::Bytes(sent) => Ok(sent),
            SendResult::Changed => Err(self.cut("the file was written to while it was sent")),
        }
    }

    /// Closes the sending side.
    pub(in crate::http) fn shut_down(&self) -> Result<()> {
        match SockRef::from(self.stream()).shutdown(Shutdown::Write) {
            // The client is already gone.
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
        // Bytes that the kernel takes without a wait say nothing about the client's speed.
        if !waited.is_zero() && wait.pace.is_below(self.limits.rate, waited, taken) {
            return Err(self.cut("the client reads more slowly than `http.minimum_rate`"));
        }
        Ok(count)
    }

    fn stalled(&self, cx: &mut Context<'_>) -> Poll<Result<()>> {
        let mut wait = self.wait();
        let WriteWait { stall, since, .. } = &mut *wait;
        let limit = self.limits.stall;
        let stall = stall.get_or_insert_with(|| Box::pin(sleep(limit)));
        if since.is_none() {
            let now = Instant::now();
            *since = Some(now);
            stall.as_mut().reset(now + limit);
        }
        ready!(stall.as_mut().poll(cx));
        Poll::Ready(Err(self.cut("the client read nothing for `http.write_stall`")))
    }

    /// Aborts the connection: with a linger time of 0 the kernel drops the bytes it still holds, and the client notices
    /// that the response is incomplete.
    fn cut(&self, why: &'static str) -> Error {
        let _ = SockRef::from(self.stream()).set_linger(Some(Duration::ZERO));
        Error::new(ErrorKind::TimedOut, why)
    }

    fn stream(&self) -> &TcpStream {
        self.half.as_ref().expect("only drop takes the half").as_ref()
    }

    fn line(&self) -> MutexGuard<'_, SendQueue> {
        self.line.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wait(&self) -> MutexGuard<'_, WriteWait> {
        self.wait.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for ConnectionWriter {
    fn drop(&mut self) {
        // Dropping the half would close the sending side; `forget` prevents it, because hyper decides how a connection
        // ends.
        if let Some(half) = self.half.take() {
            half.forget();
        }
    }
}

/// Succeeds if the kernel takes more bytes, else fails with `WouldBlock`.
fn is_open(stream: &TcpStream) -> Result<()> {
    let mut asked = [PollFd::new(stream, PollFlags::OUT)];
    retry_on_intr(|| poll(&mut asked, Some(&AT_ONCE)))?;
    let [told] = asked;
    // A failed connection counts as open: the next write reports the error.
    if told.revents().is_empty() { Err(ErrorKind::WouldBlock.into()) } else { Ok(()) }
}

/// Waits until the client has closed its sending side. Reads none of the bytes that the client has sent.
#[cfg(target_os = "linux")]
async fn sending_closed(stream: &TcpStream) {
    // This interest reports nothing but a closed sending side. The next operation reports errors.
    let _ = stream.ready(Interest::PRIORITY).await;
}

/// Waits until the client has closed its sending side or, if it has already sent its next request, until the connection
/// fails.
#[cfg(not(target_os = "linux"))]
async fn sending_closed(stream: &TcpStream) {
    if stream.peek(&mut [0]).await.is_ok_and(|sent| sent > 0) {
        let _ = stream.ready(Interest::ERROR).await;
    }
}

#[cfg(test)]
mod tests {
    use super::{ConnectionWriter, Limits, ListenerState};
    use crate::http::body::{BodyPart, ResponseBody};
    use crate::http::wire::budget::FrameBudget;
    use crate::http::wire::pace::Pace;
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

    /// Less than the kernel buffers by default.
    const UNSENT: u64 = 128 << 10;

    /// An outlet and the client that it sends to.
    async fn pair(stall: Duration) -> (Arc<ConnectionWriter>, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let (stream, _) = listener.accept().await.unwrap();
        crate::http::wire::socket::prepare(&stream, u32::try_from(UNSENT).unwrap());
        let (_, half) = stream.into_split();
        (
            ConnectionWriter::new(half, Limits { stall, rate: 0, unsent: UNSENT }, &ListenerState::default(), None),
            client,
        )
    }

    async fn send(outlet: &ConnectionWriter, bytes: &[u8]) -> usize {
        poll_fn(|cx| outlet.poll_send(cx, &[IoSlice::new(bytes)])).await.unwrap()
    }

    #[tokio::test]
    async fn what_is_made_for_an_open_outlet_is_taken_whole() {
        let (outlet, mut client) = pair(Duration::from_mins(1)).await;
        let frame = vec![7; usize::try_from(outlet.takes()).unwrap()];
        let reading = tokio::spawn(async move {
            let (mut taken, mut buffer) = (0, vec![0; 64 << 10]);
            loop {
                // Reads slowly, so that the outlet closes again and again.
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
        let mut body = ResponseBody::new(Content::Media(Media::complete(vec![chunk])), [BodyPart::Range(all)], "");
        let budget = FrameBudget::new(16 << 20);
        body.budgeted(&budget);
        body.sent_through(Arc::clone(&outlet));
        let first = body.frame().now_or_never().unwrap().unwrap().unwrap().into_data().unwrap();
        assert!(budget.take(16 << 20, 0).unwrap().bytes() < 1 << 20, "the first frame holds a grant");
        drop(first);
        assert!(body.frame().now_or_never().is_none());
        assert_eq!(budget.take(16 << 20, 0).unwrap().bytes(), 1 << 20, "no grant is held");
        let reading = tokio::spawn(async move { tokio::io::copy(&mut client, &mut tokio::io::sink()).await });
        let next = body.frame().await.unwrap().unwrap().into_data().unwrap();
        assert_eq!(u64::try_from(next.remaining()).unwrap(), outlet.takes());
        // The wait for room counts as part of the next write.
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
