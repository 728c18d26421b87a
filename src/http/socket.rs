//! Sockets: how they listen, and how a connection is watched.
//!
//! hyper limits how long a head may take to arrive; how long an answer may take to be taken is limited here: a write
//! that makes no progress for `write_stall` ends the connection, as does a client that has kept writes waiting for 20 s
//! in all and took less than `minimum_rate` of each; what the kernel holds for it is dropped. The kernel tells of progress
//! in steps of half of `unsent`.

use crate::media::u64_from_usize;
use crate::metrics::Metrics;
use hyper::rt::{Read, ReadBufCursor, Write};
use hyper_util::rt::TokioIo;
use socket2::{Domain, Protocol, SockRef, Socket, Type};
use std::io::{Error, ErrorKind, IoSlice, Result};
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{Instant, Sleep, sleep};

/// Connections that the kernel keeps for us until they are accepted; it takes less where `somaxconn` says so.
const BACKLOG: i32 = 4_096;

/// Waiting that a client's rate is measured over.
const MEASURED: Duration = Duration::from_secs(20);

/// Listens at `address`. A port in use by a live listener is refused; one that waits out old connections is not.
pub(super) fn listen(address: SocketAddr) -> Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    TcpListener::from_std(socket.into())
}

/// Prepares an accepted connection: answers leave at once, and the kernel holds at most `unsent` bytes of them.
pub(super) fn prepare(stream: &TcpStream, unsent: u32) {
    // A connection that is gone already refuses both; it ends by itself.
    let _ = stream.set_nodelay(true);
    #[cfg(target_os = "linux")]
    let _ = SockRef::from(stream).set_tcp_notsent_lowat(unsent);
    #[cfg(not(target_os = "linux"))]
    let _ = unsent;
}

/// A connection that is ended when a write stalls, and whose bytes are counted.
#[derive(Debug)]
pub(super) struct Watched {
    stream: TokioIo<TcpStream>,
    limits: Limits,
    /// Runs while a write waits.
    stall: Option<Pin<Box<Sleep>>>,
    /// Since when a write waits.
    waiting: Option<Instant>,
    pace: Pace,
    metrics: Option<Arc<Metrics>>,
}

/// What a client may do to a connection's writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Limits {
    /// How long a write may wait.
    pub(super) stall: Duration,
    /// Bytes a second that are taken at least, of what is waited for; 0 asks none.
    pub(super) rate: u64,
}

/// How fast a client takes what it is waited for with. Time in which nothing waits does not count.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct Pace {
    waited: Duration,
    taken: u64,
}

impl Pace {
    /// A write of `taken` bytes waited for `waited`: whether the client is slower than `rate`.
    fn is_below(&mut self, rate: u64, waited: Duration, taken: u64) -> bool {
        self.waited += waited;
        self.taken += taken;
        if self.waited < MEASURED {
            return false;
        }
        let least = rate.saturating_mul(self.waited.as_secs());
        std::mem::take(self).taken < least
    }
}

impl Watched {
    /// Watches `stream`, whose client has these limits; its bytes are counted where there are `metrics`.
    pub(super) fn new(stream: TcpStream, limits: Limits, metrics: Option<Arc<Metrics>>) -> Self {
        let stream = TokioIo::new(stream);
        Self { stream, limits, stall: None, waiting: None, pace: Pace::default(), metrics }
    }

    fn watch(&mut self, written: Poll<Result<usize>>, cx: &mut Context<'_>) -> Poll<Result<usize>> {
        let Poll::Ready(written) = written else {
            return self.stalled(cx);
        };
        let count = u64_from_usize(written.as_ref().map_or(0, |count| *count));
        if let Some(metrics) = &self.metrics {
            metrics.sent(count);
        }
        let waited = self.waiting.take().map_or(Duration::ZERO, |since| since.elapsed());
        // What is taken at once says nothing of what is waited for.
        if !waited.is_zero() && self.pace.is_below(self.limits.rate, waited, count) {
            return Poll::Ready(Err(self.cut("the client takes less than it must")));
        }
        Poll::Ready(written)
    }

    fn stalled(&mut self, cx: &mut Context<'_>) -> Poll<Result<usize>> {
        let limit = self.limits.stall;
        let stall = self.stall.get_or_insert_with(|| Box::pin(sleep(limit)));
        if self.waiting.is_none() {
            let now = Instant::now();
            self.waiting = Some(now);
            stall.as_mut().reset(now + limit);
        }
        ready!(stall.as_mut().poll(cx));
        Poll::Ready(Err(self.cut("the client took nothing for too long")))
    }

    /// Without lingering the kernel drops what it still holds, and the client learns that the answer is not whole.
    fn cut(&self, why: &'static str) -> Error {
        let _ = SockRef::from(self.stream.inner()).set_linger(Some(Duration::ZERO));
        Error::new(ErrorKind::TimedOut, why)
    }
}

impl Read for Watched {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, into: ReadBufCursor<'_>) -> Poll<Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, into)
    }
}

impl Write for Watched {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(cx, bytes);
        self.watch(written, cx)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(cx, slices);
        self.watch(written, cx)
    }
}

#[cfg(test)]
mod tests {
    use super::Pace;
    use std::time::Duration;

    #[test]
    fn a_client_is_measured_by_what_it_takes_while_it_is_waited_for() {
        let (second, mut pace) = (Duration::from_secs(1), Pace::default());
        for _ in 0..19 {
            assert!(!pace.is_below(100, second, 10));
        }
        // 2,010 bytes in 20 s are enough; then measuring begins anew.
        assert!(!pace.is_below(100, second, 1_820));
        assert_eq!(pace, Pace::default());
        assert!(!pace.is_below(100, 19 * second, 1_000));
        assert!(pace.is_below(100, second, 999));
        assert!(!pace.is_below(0, 30 * second, 0));
    }
}
