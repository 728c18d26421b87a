//! Request targets as they arrive: the parser drops a fragment (`/a#b` becomes `/a`), so two spellings of one path would
//! be answered alike, and a cache in front would store both. RFC 9112 §3.2 has no fragment in a request target.

use memchr::memchr;
use std::collections::VecDeque;
use std::io::Result;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};
use tokio::io::{AsyncRead, ReadBuf};

/// For each request that has arrived and was not answered yet: whether its request line contains `#`. Clones share it.
#[derive(Debug, Clone, Default)]
pub(in crate::http) struct Fragments(Arc<Mutex<VecDeque<bool>>>);

/// The receiving side of a connection whose requests have no bodies.
#[derive(Debug)]
pub(in crate::http) struct Heads<R> {
    inner: R,
    scan: HeadScan,
    /// `None` where requests may have bodies: they cannot be told from heads here.
    fragments: Option<Fragments>,
}

/// A position in the sequence of request heads.
#[derive(Debug, Default)]
struct HeadScan {
    /// Whether the current line comes after a request line.
    in_fields: bool,
    /// Bytes of the current line, a carriage return aside.
    line: usize,
    has_fragment: bool,
}

impl Fragments {
    /// Whether the next request has a fragment. Called once for each request, in the order of their arrival.
    pub(in crate::http) fn next(&self) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).pop_front().unwrap_or(false)
    }
}

impl<R> Heads<R> {
    pub(in crate::http) fn new(inner: R, fragments: Option<Fragments>) -> Self {
        Self { inner, scan: HeadScan::default(), fragments }
    }
}

impl HeadScan {
    /// Passes over `bytes`, and calls `each` at the end of each request line.
    fn feed(&mut self, bytes: &[u8], mut each: impl FnMut(bool)) {
        let mut rest = bytes;
        loop {
            let end = memchr(b'\n', rest);
            let (part, behind) = rest.split_at(end.unwrap_or(rest.len()));
            let text = part.strip_suffix(b"\r").unwrap_or(part);
            self.line += text.len();
            if !self.in_fields {
                self.has_fragment |= memchr(b'#', text).is_some();
            }
            let Some((_, next)) = behind.split_first() else { return };
            rest = next;
            // An empty line ends a head; parsers skip empty lines before one (RFC 9112 §2.2).
            let is_empty = std::mem::take(&mut self.line) == 0;
            if !is_empty && !self.in_fields {
                each(std::mem::take(&mut self.has_fragment));
            }
            self.in_fields = !is_empty;
        }
    }
}

impl<R: AsyncRead + Unpin> AsyncRead for Heads<R> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<Result<()>> {
        let before = into.filled().len();
        let Self { inner, scan, fragments } = &mut *self;
        ready!(Pin::new(inner).poll_read(cx, into))?;
        if let Some(Fragments(fragments)) = fragments {
            let read = into.filled().get(before..).unwrap_or_default();
            scan.feed(read, |has| fragments.lock().unwrap_or_else(PoisonError::into_inner).push_back(has));
        }
        Poll::Ready(Ok(()))
    }
}

#[cfg(test)]
mod tests {
    use super::HeadScan;

    #[test]
    fn a_fragment_is_found_in_request_lines_alone_however_the_bytes_arrive() {
        let heads = b"\r\nGET /a HTTP/1.1\r\nX: #\r\n\r\nGET /a#b HTTP/1.1\r\nHost: h\r\n\r\nGET /c HTTP/1.1\nHost: h\n\nHEAD /#";
        for size in 1..heads.len() {
            let (mut scan, mut found) = (HeadScan::default(), Vec::new());
            heads.chunks(size).for_each(|part| scan.feed(part, |has| found.push(has)));
            assert_eq!(found, [false, true, false], "parts of {size} bytes");
        }
    }
}
