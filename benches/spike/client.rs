//! An HTTP/1.1 client connection. It discards bodies in the kernel without copying, so that requesting is cheaper than
//! serving.

use socket2::SockRef;
use std::io::{self, ErrorKind};
use std::mem::MaybeUninit;
use std::net::SocketAddr;
use std::ops::Range;
use std::time::{Duration, Instant};
use tokio::io::{AsyncWriteExt, Interest};
use tokio::net::{TcpSocket, TcpStream};

/// tcp(7): discards received bytes instead of copying them.
const MSG_TRUNC: i32 = 0x20;

/// Most bytes discarded by one call.
const DISCARDED: usize = 1 << 20;

/// Largest head of a response, in bytes.
const HEAD: usize = 64 << 10;

/// Longest time without a byte.
const PATIENCE: Duration = Duration::from_secs(30);

/// The bytes of a GET of `path`; `headers` are whole lines.
pub(crate) fn request(path: &str, headers: &str) -> Vec<u8> {
    format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n{headers}\r\n").into_bytes()
}

/// The head of a response.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    /// Size of the body, in bytes.
    pub(crate) length: u64,
    /// Moment of its first bytes.
    pub(crate) began: Instant,
}

/// A keep-alive connection. It sends a request once the previous response is complete.
#[derive(Debug)]
pub(crate) struct Connection {
    stream: TcpStream,
    head: Box<[u8]>,
    /// Never written and never read: the kernel wants a buffer as long as the bytes to discard.
    nowhere: Box<[MaybeUninit<u8>]>,
}

impl Connection {
    pub(crate) async fn open(address: SocketAddr) -> io::Result<Self> {
        Self::from(TcpStream::connect(address).await?)
    }

    /// A connection with a receive buffer of about `bytes` bytes.
    pub(crate) async fn narrow(address: SocketAddr, bytes: u32) -> io::Result<Self> {
        let socket = TcpSocket::new_v4()?;
        socket.set_recv_buffer_size(bytes)?;
        Self::from(socket.connect(address).await?)
    }

    fn from(stream: TcpStream) -> io::Result<Self> {
        stream.set_nodelay(true)?;
        Ok(Self { stream, head: vec![0; HEAD].into(), nowhere: Box::new_uninit_slice(DISCARDED) })
    }

    /// Sends a request, and discards the response body.
    pub(crate) async fn get(&mut self, request: &[u8]) -> io::Result<Answer> {
        let (answer, here) = self.ask(request).await?;
        self.discard(answer.length.saturating_sub(here.len() as u64)).await?;
        Ok(answer)
    }

    /// Sends a request, and returns the response body.
    pub(crate) async fn fetch(&mut self, request: &[u8]) -> io::Result<(Answer, Vec<u8>)> {
        let (answer, here) = self.ask(request).await?;
        let mut at = here.len();
        let mut body = self.head[here].to_vec();
        body.resize(usize::try_from(answer.length).unwrap(), 0);
        while at < body.len() {
            let place = &mut body[at..];
            at += patient(&self.stream, |stream| stream.try_read(place)).await?;
        }
        Ok((answer, body))
    }

    /// Sends a request; returns the hash of the response body without storing the body.
    pub(crate) async fn hash(&mut self, request: &[u8]) -> io::Result<(Answer, blake3::Hash)> {
        let (answer, here) = self.ask(request).await?;
        let mut hasher = blake3::Hasher::new();
        hasher.update(&self.head[here.clone()]);
        let mut left = usize::try_from(answer.length).unwrap().saturating_sub(here.len());
        while left > 0 {
            let place = &mut self.head[..left.min(HEAD)];
            let count = patient(&self.stream, |stream| stream.try_read(place)).await?;
            hasher.update(&self.head[..count]);
            left -= count;
        }
        Ok((answer, hasher.finalize()))
    }

    /// Sends a request; returns the head of the response and the range of body bytes that arrived with it.
    pub(crate) async fn ask(&mut self, request: &[u8]) -> io::Result<(Answer, Range<usize>)> {
        self.stream.write_all(request).await?;
        let mut filled = 0;
        let (head, began) = loop {
            let place = &mut self.head[filled..];
            if place.is_empty() {
                return Err(io::Error::other("a head without end"));
            }
            filled += patient(&self.stream, |stream| stream.try_read(place)).await?;
            let began = Instant::now();
            if let Some(end) = self.head[..filled].windows(4).position(|window| window == b"\r\n\r\n") {
                break (end + 4, began);
            }
        };
        let (status, length) = understand(&self.head[..head]).ok_or_else(|| io::Error::other("no HTTP/1.1 head"))?;
        Ok((Answer { status, length, began }, head..filled))
    }

    /// Discards `left` bytes of the body.
    pub(crate) async fn discard(&mut self, mut left: u64) -> io::Result<()> {
        while left > 0 {
            left -= self.discard_some(left).await?;
        }
        Ok(())
    }

    /// Discards available bytes, at least one and at most `most`.
    pub(crate) async fn discard_some(&mut self, most: u64) -> io::Result<u64> {
        let most = usize::try_from(most).unwrap_or(DISCARDED).min(DISCARDED);
        let nowhere = &mut self.nowhere[..most];
        let discard = |stream: &TcpStream| {
            stream.try_io(Interest::READABLE, || SockRef::from(stream).recv_with_flags(nowhere, MSG_TRUNC))
        };
        Ok(patient(&self.stream, discard).await? as u64)
    }
}

/// Waits until `read` returns bytes.
async fn patient(stream: &TcpStream, mut read: impl FnMut(&TcpStream) -> io::Result<usize>) -> io::Result<usize> {
    loop {
        match read(stream) {
            Ok(0) => return Err(ErrorKind::UnexpectedEof.into()),
            Err(error) if error.kind() == ErrorKind::WouldBlock => {}
            read => return read,
        }
        tokio::time::timeout(PATIENCE, stream.readable()).await.map_err(|_| ErrorKind::TimedOut)??;
    }
}

/// Parses the status and the length of the body.
fn understand(head: &[u8]) -> Option<(u16, u64)> {
    let text = std::str::from_utf8(head).ok()?;
    let status = text.strip_prefix("HTTP/1.1 ")?.get(..3)?.parse().ok()?;
    let mut lines = text.lines().filter_map(|line| line.split_once(':'));
    let length = lines.find(|(name, _)| name.eq_ignore_ascii_case("content-length"));
    Some((status, length.map_or(Some(0), |(_, value)| value.trim().parse().ok())?))
}
