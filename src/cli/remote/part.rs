//! A part of a file as a request body. It reads one chunk when the connection has room, so only one chunk is in memory.

use hyper::body::{Body, Bytes, Frame, SizeHint};
use std::fs::File;
use std::io;
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};

/// Largest chunk read at once, in bytes.
const CHUNK: u64 = 64 << 10;

/// Bytes `at..end` of a file.
#[derive(Debug)]
pub(super) struct FilePart {
    file: Arc<File>,
    at: u64,
    end: u64,
    /// Offset after the last byte handed to the connection.
    sent: Arc<AtomicU64>,
}

impl FilePart {
    /// Bytes `range` of `file`; keeps `sent` up to date with the offset after the last byte handed out.
    pub(super) const fn new(file: Arc<File>, range: &Range<u64>, sent: Arc<AtomicU64>) -> Self {
        Self { file, at: range.start, end: range.end, sent }
    }
}

impl Body for FilePart {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        let count = (self.end - self.at).min(CHUNK);
        if count == 0 {
            return Poll::Ready(None);
        }
        let mut bytes = vec![0; usize::try_from(count).unwrap_or_default()];
        // Blocking is fine: disks are faster than the connection, and nothing else waits for this thread.
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
