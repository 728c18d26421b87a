//! Sockets: how they listen, and how a connection is watched.
//!
//! hyper limits how long a head may take to arrive; how long an answer may take to be taken is limited here: a write
//! that makes no progress for `write_stall` ends the connection, and what the kernel holds for it is dropped.

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
    limit: Duration,
    /// Runs while a write waits.
    stall: Option<Pin<Box<Sleep>>>,
    waiting: bool,
    metrics: Option<Arc<Metrics>>,
}

impl Watched {
    /// Watches `stream`: a write may wait for `limit`; its bytes are counted where there are `metrics`.
    pub(super) fn new(stream: TcpStream, limit: Duration, metrics: Option<Arc<Metrics>>) -> Self {
        Self { stream: TokioIo::new(stream), limit, stall: None, waiting: false, metrics }
    }

    fn watch(&mut self, written: Poll<Result<usize>>, cx: &mut Context<'_>) -> Poll<Result<usize>> {
        if let Poll::Ready(written) = written {
            self.waiting = false;
            if let (Some(metrics), Ok(count)) = (&self.metrics, &written) {
                metrics.sent(u64_from_usize(*count));
            }
            return Poll::Ready(written);
        }
        let stall = self.stall.get_or_insert_with(|| Box::pin(sleep(self.limit)));
        if !self.waiting {
            self.waiting = true;
            stall.as_mut().reset(Instant::now() + self.limit);
        }
        ready!(stall.as_mut().poll(cx));
        // Without lingering the kernel drops what it still holds, and the client learns that the answer is not whole.
        let _ = SockRef::from(self.stream.inner()).set_linger(Some(Duration::ZERO));
        Poll::Ready(Err(Error::new(ErrorKind::TimedOut, "the client took nothing for too long")))
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
