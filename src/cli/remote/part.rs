//! A part of a file as the body of a request: read when the connection has room for it, so that one chunk of it is in
//! memory.

use hyper::body::{Body, Bytes, Frame, SizeHint};
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};

/// Bytes that are read at once.
const CHUNK: u64 = 64 << 10;

/// Bytes `at..end` of a file.
#[derive(Debug)]
pub(super) struct Part {
    file: Arc<File>,
    at: u64,
    end: u64,
    /// The place behind the last byte that was given away.
    sent: Arc<AtomicU64>,
}

impl Part {
    /// Bytes `at..end` of `file`; `sent` follows what is given away.
    pub(super) const fn new(file: Arc<File>, (at, end): (u64, u64), sent: Arc<AtomicU64>) -> Self {
        Self { file, at, end, sent }
    }
}

impl Body for Part {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        let count = (self.end - self.at).min(CHUNK);
        if count == 0 {
            return Poll::Ready(None);
        }
        let mut bytes = vec![0; usize::try_from(count).unwrap_or_default()];
        // A disk answers sooner than the line takes what it gives; nothing else waits for this thread.
        if let Err(error) = self.file.read_exact_at(&mut bytes, self.at) {
            return Poll::Ready(Some(Err(error)));
        }
        self.at += count;
        self.sent.store(self.at, Ordering::Relaxed);
        Poll::Ready(Some(Ok(Frame::data(bytes.into()))))
    }

    fn is_end_stream(&self) -> bool {
        self.at == self.end
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.end - self.at)
    }
}
