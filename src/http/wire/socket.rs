//! TCP sockets: listening, socket options, and the connection that hyper reads and writes.

use super::heads::Heads;
use super::writer::ConnectionWriter;
use hyper::rt::{Read, ReadBufCursor, Write};
use hyper_util::rt::TokioIo;
use socket2::{Domain, Protocol, SockRef, Socket, Type};
use std::io::{IoSlice, Result};
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use tokio::net::tcp::OwnedReadHalf;
use tokio::net::{TcpListener, TcpStream};

/// Listen backlog: connections that wait in the kernel to be accepted. `somaxconn` may lower it.
const BACKLOG: i32 = 4_096;

/// Listens at `address`. Fails if another listener uses the port, but not if only old connections still wait on it
/// (`SO_REUSEADDR`).
pub(in crate::http) fn listen(address: SocketAddr) -> Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    TcpListener::from_std(socket.into())
}

/// Sets the options of an accepted connection: no Nagle delay, and at most `unsent` unsent bytes in the kernel.
pub(in crate::http) fn prepare(stream: &TcpStream, unsent: u32) {
    // Both fail only on a connection that is already gone, which ends by itself.
    let _ = stream.set_nodelay(true);
    #[cfg(target_os = "linux")]
    let _ = SockRef::from(stream).set_tcp_notsent_lowat(unsent);
    #[cfg(not(target_os = "linux"))]
    let _ = unsent;
}

/// A connection that hyper reads and writes.
#[derive(Debug)]
pub(in crate::http) struct Connection {
    read: TokioIo<Heads<OwnedReadHalf>>,
    outlet: Arc<ConnectionWriter>,
}

impl Connection {
    /// A connection that reads from `half` and writes through `outlet`.
    pub(in crate::http) fn new(half: Heads<OwnedReadHalf>, outlet: Arc<ConnectionWriter>) -> Self {
        Self { read: TokioIo::new(half), outlet }
    }
}

impl Read for Connection {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, into: ReadBufCursor<'_>) -> Poll<Result<()>> {
        Pin::new(&mut self.read).poll_read(cx, into)
    }
}

impl Write for Connection {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<Result<usize>> {
        self.outlet.poll_send(cx, &[IoSlice::new(bytes)])
    }

    /// Does nothing: writes are not buffered.
    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Result<()>> {
        Poll::Ready(self.outlet.shut_down())
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_write_vectored(self: Pin<&mut Self>, cx: &mut Context<'_>, slices: &[IoSlice<'_>]) -> Poll<Result<usize>> {
        self.outlet.poll_send(cx, slices)
    }
}
