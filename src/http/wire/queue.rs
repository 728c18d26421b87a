//! Queue of file ranges to be sent on a connection: large ones are sent one by one, runs of small ones through a pipe.

use super::pipes::{Pipe, Pipes};
use crate::media::usize_from_u64;
use crate::store::FileRange;
use std::collections::VecDeque;
use std::io::{Error, ErrorKind, Result};
use std::os::fd::AsFd;
use std::sync::Arc;

/// Size from which a file range is sent by itself, in bytes.
const LARGE: u64 = 64 << 10;

/// File ranges in the order in which they are sent.
#[derive(Debug)]
pub(in crate::http) struct SendQueue {
    spans: VecDeque<FileRange>,
    /// Bytes before `spans` that are already in a pipe.
    gathered: Option<FilledPipe>,
    pipes: Arc<Pipes>,
}

/// A pipe with gathered bytes, and the last file range that the pipe holds completely.
#[derive(Debug)]
struct FilledPipe {
    pipe: Pipe,
    last: Option<FileRange>,
}

/// Result of one write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::http) enum SendResult {
    /// This many of the wanted bytes were sent, perhaps all.
    Bytes(usize),
    /// A file changed while it was sent; its last bytes were withheld.
    Changed,
}

/// Result of one step of a write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum SendStep {
    /// This many bytes were sent, and the socket may take more.
    On(usize),
    /// This many bytes were sent, and the socket takes no more for now.
    Full(usize),
    Changed,
}

impl SendQueue {
    /// An empty queue; small ranges are sent through `pipes`.
    pub(in crate::http) fn new(pipes: Arc<Pipes>) -> Self {
        Self { spans: VecDeque::new(), gathered: None, pipes }
    }

    /// Appends a range.
    pub(in crate::http) fn push(&mut self, span: FileRange) {
        self.spans.push_back(span);
    }

    /// Sends up to `wanted` bytes to `socket`, as many as it takes now. `WouldBlock` if it takes none.
    pub(in crate::http) fn send(&mut self, socket: impl AsFd, wanted: usize) -> Result<SendResult> {
        let mut all = 0;
        while all < wanted {
            let step = match self.gathering() {
                Some(gathered) => self.send_gathered(gathered, &socket, wanted - all)?,
                None => self.send_first(&socket, wanted - all)?,
            };
            match step {
                SendStep::On(sent) => all += sent,
                SendStep::Full(sent) => {
                    all += sent;
                    break;
                }
                SendStep::Changed => return Ok(SendResult::Changed),
            }
        }
        if all == 0 { Err(ErrorKind::WouldBlock.into()) } else { Ok(SendResult::Bytes(all)) }
    }

    /// The pipe in use, or a new one if several small ranges can be gathered. `None` if the first range is sent by
    /// itself.
    fn gathering(&mut self) -> Option<FilledPipe> {
        self.gathered.take().or_else(|| {
            let several = self.spans.len() > 1 && self.spans.front().is_some_and(|first| first.left() < LARGE);
            let pipe = several.then(|| self.pipes.take()).flatten()?;
            Some(FilledPipe { pipe, last: None })
        })
    }

    /// Gathers more ranges, then sends up to `wanted` bytes from the pipe.
    fn send_gathered(&mut self, mut gathered: FilledPipe, socket: impl AsFd, wanted: usize) -> Result<SendStep> {
        let FilledPipe { pipe, last } = &mut gathered;
        while pipe.held() < wanted
            && let Some(first) = self.spans.front_mut()
        {
            let most = usize_from_u64(first.left()).min(wanted - pipe.held());
            let full = pipe.gather(first, most)? < most;
            if first.left() == 0 {
                *last = self.spans.pop_front();
            }
            if full {
                break;
            }
        }
        if pipe.held() == 0 {
            return Err(nothing());
        }
        let ends = [last.as_ref(), self.spans.front()];
        if pipe.held() >= wanted && !are_same(ends.into_iter().flatten()) {
            return Ok(SendStep::Changed);
        }
        let sent = pipe.send(socket, wanted)?;
        if pipe.held() == 0 {
            return Ok(SendStep::On(sent));
        }
        self.gathered = Some(gathered);
        Ok(SendStep::Full(sent))
    }

    /// Sends up to `wanted` bytes of the first range.
    fn send_first(&mut self, socket: impl AsFd, wanted: usize) -> Result<SendStep> {
        let first = self.spans.front_mut().ok_or_else(nothing)?;
        let now = usize_from_u64(first.left()).min(wanted);
        if now == wanted && !are_same([&*first].into_iter()) {
            return Ok(SendStep::Changed);
        }
        let sent = first.send(socket, now)?;
        if first.left() == 0 {
            self.spans.pop_front();
        }
        Ok(if sent < now { SendStep::Full(sent) } else { SendStep::On(sent) })
    }
}

/// Whether no file has changed. Checked before the last bytes of a write, so that no response completes whose file was
/// written to meanwhile.
fn are_same<'a>(mut spans: impl Iterator<Item = &'a FileRange>) -> bool {
    spans.all(|span| span.check().is_ok())
}

fn nothing() -> Error {
    Error::other("a placeholder was written without a queued file range")
}
