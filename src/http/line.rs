//! Spans of files that wait to be sent on a connection: large ones each by itself, small ones in a row through a pipe.

use super::pipes::{Pipe, Pipes};
use crate::media::usize_from_u64;
use crate::origin::Span;
use std::collections::VecDeque;
use std::io::{Error, ErrorKind, Result};
use std::os::fd::AsFd;
use std::sync::Arc;

/// Bytes that are worth a packet of their own.
const LARGE: u64 = 64 << 10;

/// Spans in the order in which they are sent.
#[derive(Debug)]
pub(super) struct Line {
    spans: VecDeque<Span>,
    /// Before them: what is on its way already.
    gathered: Option<Gathered>,
    pipes: Arc<Pipes>,
}

/// What a pipe holds, and the last span that is in it to its end.
#[derive(Debug)]
struct Gathered {
    pipe: Pipe,
    last: Option<Span>,
}

/// What one write of spans did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sent {
    /// So many bytes of what was wanted, perhaps all.
    Bytes(usize),
    /// A file is not what it was: the last of its bytes were not sent.
    Changed,
}

/// What a step of it did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    /// So many bytes were sent, and there may be more.
    On(usize),
    /// So many were sent, and the socket takes no more now.
    Full(usize),
    Changed,
}

impl Line {
    /// Nothing waits; small spans are sent through `pipes`.
    pub(super) fn new(pipes: Arc<Pipes>) -> Self {
        Self { spans: VecDeque::new(), gathered: None, pipes }
    }

    /// The last to be sent from now on.
    pub(super) fn push(&mut self, span: Span) {
        self.spans.push_back(span);
    }

    /// Sends through `socket` the next `wanted` bytes, as many as it takes now. An error where it takes none.
    pub(super) fn send(&mut self, socket: impl AsFd, wanted: usize) -> Result<Sent> {
        let mut all = 0;
        while all < wanted {
            let step = match self.gathering() {
                Some(gathered) => self.send_gathered(gathered, &socket, wanted - all)?,
                None => self.send_first(&socket, wanted - all)?,
            };
            match step {
                Step::On(sent) => all += sent,
                Step::Full(sent) => {
                    all += sent;
                    break;
                }
                Step::Changed => return Ok(Sent::Changed),
            }
        }
        if all == 0 { Err(ErrorKind::WouldBlock.into()) } else { Ok(Sent::Bytes(all)) }
    }

    /// What is gathered already, or where several small spans can be.
    fn gathering(&mut self) -> Option<Gathered> {
        self.gathered.take().or_else(|| {
            let several = self.spans.len() > 1 && self.spans.front().is_some_and(|first| first.left() < LARGE);
            let pipe = several.then(|| self.pipes.take()).flatten()?;
            Some(Gathered { pipe, last: None })
        })
    }

    /// Gathers on, and sends what was gathered, `wanted` bytes at most.
    fn send_gathered(&mut self, mut gathered: Gathered, socket: impl AsFd, wanted: usize) -> Result<Step> {
        let Gathered { pipe, last } = &mut gathered;
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
            return Ok(Step::Changed);
        }
        let sent = pipe.send(socket, wanted)?;
        if pipe.held() == 0 {
            return Ok(Step::On(sent));
        }
        self.gathered = Some(gathered);
        Ok(Step::Full(sent))
    }

    /// Sends the first span, `wanted` bytes at most.
    fn send_first(&mut self, socket: impl AsFd, wanted: usize) -> Result<Step> {
        let first = self.spans.front_mut().ok_or_else(nothing)?;
        let now = usize_from_u64(first.left()).min(wanted);
        if now == wanted && !are_same([&*first].into_iter()) {
            return Ok(Step::Changed);
        }
        let sent = first.send(socket, now)?;
        if first.left() == 0 {
            self.spans.pop_front();
        }
        Ok(if sent < now { Step::Full(sent) } else { Step::On(sent) })
    }
}

/// Looked at before the last bytes of a write: no answer of a file that was written to under way is whole.
fn are_same<'a>(mut spans: impl Iterator<Item = &'a Span>) -> bool {
    spans.all(|span| span.check().is_ok())
}

fn nothing() -> Error {
    Error::other("what is written stands for nothing")
}
