//! Slow readers: hundreds of them in one thread.

#![allow(dead_code, reason = "each test crate uses a part of it")]

use socket2::{Domain, Socket, Type};
use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

/// Receive buffer of a reader that does not read, in bytes; the system takes twice that for its own needs.
const HELD: usize = 16 << 10;

/// A slow reader.
#[derive(Debug)]
pub(crate) struct Reader {
    stream: TcpStream,
    /// All received bytes, including the head.
    pub(crate) bytes: Vec<u8>,
    /// Whether the server has ended the response.
    pub(crate) ended: bool,
}

impl Reader {
    /// A reader that has requested `path`; `more` are lines of the head.
    pub(crate) fn ask(server: SocketAddr, path: &str, more: &str) -> Self {
        let socket = Socket::new(Domain::for_address(server), Type::STREAM, None).unwrap();
        socket.set_recv_buffer_size(HELD).unwrap();
        socket.connect(&server.into()).unwrap();
        let mut stream = TcpStream::from(socket);
        write!(stream, "GET {path} HTTP/1.1\r\nHost: slow\r\nConnection: close\r\n{more}\r\n").unwrap();
        stream.set_nonblocking(true).unwrap();
        Self { stream, bytes: Vec::new(), ended: false }
    }

    /// Reads available bytes, at most `most`.
    pub(crate) fn sip(&mut self, most: usize) {
        let mut bytes = vec![0; most];
        match self.stream.read(&mut bytes) {
            Ok(0) => self.ended = true,
            Ok(count) => self.bytes.extend(&bytes[..count]),
            Err(error) if error.kind() == ErrorKind::WouldBlock => {}
            Err(_) => self.ended = true,
        }
    }

    /// Status of the response, once its head has arrived.
    pub(crate) fn status(&self) -> Option<u16> {
        std::str::from_utf8(self.bytes.get(9..12)?).unwrap().parse().ok()
    }

    /// Reads the rest at once; returns the body.
    pub(crate) fn finish(mut self) -> Vec<u8> {
        self.stream.set_nonblocking(false).unwrap();
        self.stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        self.stream.read_to_end(&mut self.bytes).unwrap();
        let head = self.bytes.windows(4).position(|four| four == b"\r\n\r\n").unwrap();
        self.bytes.split_off(head + 4)
    }

    /// Resets the connection.
    pub(crate) fn reset(self) {
        socket2::SockRef::from(&self.stream).set_linger(Some(Duration::ZERO)).unwrap();
    }
}

/// Lets each of `readers` read at `rate` bytes a second until `enough`, checked ten times a second.
pub(crate) fn read_slowly(readers: &mut [Reader], rate: usize, mut enough: impl FnMut(&[Reader]) -> bool) {
    let begun = Instant::now();
    for tick in 1.. {
        for reader in readers.iter_mut() {
            reader.sip(rate / 10);
        }
        if enough(readers) {
            return;
        }
        let next = begun + Duration::from_millis(100) * tick;
        std::thread::sleep(next.saturating_duration_since(Instant::now()));
    }
}
