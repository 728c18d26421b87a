//! One HTTP/1.1 connection. Bodies are discarded in the kernel, not copied, so that asking costs less than answering.

use socket2::SockRef;
use std::io::{self, ErrorKind};
use std::mem::MaybeUninit;
use std::net::SocketAddr;
use std::ops::Range;
use std::time::{Duration, Instant};
use tokio::io::{AsyncWriteExt, Interest};
use tokio::net::{TcpSocket, TcpStream};

/// tcp(7): received bytes are discarded instead of being passed back.
const MSG_TRUNC: i32 = 0x20;

/// Bytes that are discarded at once.
const DISCARDED: usize = 1 << 20;

/// Bytes of an answer's head at most.
const HEAD: usize = 64 << 10;

/// How long an answer may give nothing.
const PATIENCE: Duration = Duration::from_secs(30);

/// What a GET of `path` sends; `headers` are whole lines.
pub(crate) fn request(path: &str, headers: &str) -> Vec<u8> {
    format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n{headers}\r\n").into_bytes()
}

/// The head of an answer.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    /// Bytes of its body.
    pub(crate) length: u64,
    /// When its first bytes were here.
    pub(crate) began: Instant,
}

/// A connection that is kept alive. A request is sent when the answer before is complete.
#[derive(Debug)]
pub(crate) struct Connection {
    stream: TcpStream,
    head: Box<[u8]>,
    /// Never written and never read: the kernel wants a place that is as long as what it discards.
    nowhere: Box<[MaybeUninit<u8>]>,
}

impl Connection {
    pub(crate) async fn open(address: SocketAddr) -> io::Result<Self> {
        Self::from(TcpStream::connect(address).await?)
    }

    /// A connection whose side of the kernel holds about so many bytes that were not read.
    pub(crate) async fn narrow(address: SocketAddr, bytes: u32) -> io::Result<Self> {
        let socket = TcpSocket::new_v4()?;
        socket.set_recv_buffer_size(bytes)?;
        Self::from(socket.connect(address).await?)
    }

    fn from(stream: TcpStream) -> io::Result<Self> {
        stream.set_nodelay(true)?;
        Ok(Self { stream, head: vec![0; HEAD].into(), nowhere: Box::new_uninit_slice(DISCARDED) })
    }

    /// Asks, and discards the answer's body.
    pub(crate) async fn get(&mut self, request: &[u8]) -> io::Result<Answer> {
        let (answer, here) = self.ask(request).await?;
        self.discard(answer.length.saturating_sub(here.len() as u64)).await?;
        Ok(answer)
    }

    /// Asks, and keeps the answer's body.
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

    /// Asks, and says what the answer's body hashes to; it is nowhere kept.
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

    /// Asks. Says the head of the answer, and where the bytes of its body that came with it are.
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

    /// Discards so many bytes of the body.
    pub(crate) async fn discard(&mut self, mut left: u64) -> io::Result<()> {
        while left > 0 {
            left -= self.discard_some(left).await?;
        }
        Ok(())
    }

    /// Discards what is there, at least one byte, and at most so many.
    pub(crate) async fn discard_some(&mut self, most: u64) -> io::Result<u64> {
        let most = usize::try_from(most).unwrap_or(DISCARDED).min(DISCARDED);
        let nowhere = &mut self.nowhere[..most];
        let discard = |stream: &TcpStream| {
            stream.try_io(Interest::READABLE, || SockRef::from(stream).recv_with_flags(nowhere, MSG_TRUNC))
        };
        Ok(patient(&self.stream, discard).await? as u64)
    }
}

/// Waits until `read` gives bytes.
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

/// The status and the length of the body.
fn understand(head: &[u8]) -> Option<(u16, u64)> {
    let text = std::str::from_utf8(head).ok()?;
    let status = text.strip_prefix("HTTP/1.1 ")?.get(..3)?.parse().ok()?;
    let mut lines = text.lines().filter_map(|line| line.split_once(':'));
    let length = lines.find(|(name, _)| name.eq_ignore_ascii_case("content-length"));
    Some((status, length.map_or(Some(0), |(_, value)| value.trim().parse().ok())?))
}
