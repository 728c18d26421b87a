//! Spans of files that wait to be sent on a connection.

use crate::media::usize_from_u64;
use crate::origin::Span;
use std::collections::VecDeque;
use std::io::{Error, ErrorKind, Result};
use std::os::fd::AsFd;

/// Spans in the order in which they are sent.
#[derive(Debug, Default)]
pub(super) struct Line {
    spans: VecDeque<Span>,
}

/// What one write of spans did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sent {
    /// So many bytes of what was wanted, perhaps all.
    Bytes(usize),
    /// A file is not what it was: the last of its bytes were not sent.
    Changed,
}

impl Line {
    /// The last to be sent from now on.
    pub(super) fn push(&mut self, span: Span) {
        self.spans.push_back(span);
    }

    /// Sends through `socket` the next `wanted` bytes, as many as it takes now. An error where it takes none.
    pub(super) fn send(&mut self, socket: impl AsFd, wanted: usize) -> Result<Sent> {
        let mut all = 0;
        while all < wanted {
            let nothing = || Error::other("what is written stands for nothing");
            let first = self.spans.front_mut().ok_or_else(nothing)?;
            let now = usize_from_u64(first.left()).min(wanted - all);
            // Before the last of them: no answer of a file that was written to under way is whole.
            if all + now == wanted && first.check().is_err() {
                return Ok(Sent::Changed);
            }
            let sent = first.send(&socket, now)?;
            if first.left() == 0 {
                self.spans.pop_front();
            }
            all += sent;
            if sent < now {
                break;
            }
        }
        if all == 0 { Err(ErrorKind::WouldBlock.into()) } else { Ok(Sent::Bytes(all)) }
    }
}
