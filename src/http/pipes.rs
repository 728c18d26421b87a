//! Pipes that small spans of files are gathered in on their way to a socket: the kernel sends what a pipe holds in as few
//! packets as it fits into, and copies none of it.
//!
//! A pipe holds 64 KiB of pages, and belongs to a connection only while it holds something: of a client that does not take
//! it at once. There is a bounded number of them; who finds none sends span by span.

use crate::origin::Span;
use rustix::io::{Errno, retry_on_intr};
use std::io::{ErrorKind, Result};
use std::os::fd::{AsFd, OwnedFd};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Pipes at once, two descriptors each.
const MOST: usize = 64;

/// The pipes of a listener.
#[derive(Debug, Default)]
pub(super) struct Pipes {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    idle: Vec<Ends>,
    /// Idle or not.
    all: usize,
}

#[derive(Debug)]
struct Ends {
    out: OwnedFd,
    into: OwnedFd,
}

/// A pipe that is one connection's until this is dropped.
#[derive(Debug)]
pub(super) struct Pipe {
    ends: Option<Ends>,
    held: usize,
    pipes: Arc<Pipes>,
}

impl Pipes {
    /// An empty one; none where there are too many already.
    pub(super) fn take(self: &Arc<Self>) -> Option<Pipe> {
        let mut state = self.state();
        let ends = match state.idle.pop() {
            Some(ends) => ends,
            None if state.all < MOST => {
                let ends = opened()?;
                state.all += 1;
                ends
            }
            None => return None,
        };
        Some(Pipe { ends: Some(ends), held: 0, pipes: Arc::clone(self) })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Pipe {
    /// Bytes that it holds.
    pub(super) const fn held(&self) -> usize {
        self.held
    }

    /// Gathers the next of `span`, `most` at most: as many bytes as there is room for.
    pub(super) fn gather(&mut self, span: &mut Span, most: usize) -> Result<usize> {
        match span.gather(&self.ends().into, most) {
            Ok(gathered) => {
                self.held += gathered;
                Ok(gathered)
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(0),
            Err(error) => Err(error),
        }
    }

    /// Sends what it holds through `socket`, `most` bytes at most: as much as that takes without waiting.
    pub(super) fn send(&mut self, socket: impl AsFd, most: usize) -> Result<usize> {
        let mut all = 0;
        while all < most && self.held > 0 {
            let left = self.held.min(most - all);
            match retry_on_intr(|| spliced(&self.ends().out, &socket, left)) {
                Ok(sent) => {
                    self.held -= sent;
                    all += sent;
                }
                Err(Errno::AGAIN) => break,
                Err(error) => return Err(error.into()),
            }
        }
        Ok(all)
    }

    fn ends(&self) -> &Ends {
        self.ends.as_ref().expect("they are there until it is dropped")
    }
}

impl Drop for Pipe {
    /// One that is not empty is another connection's no more.
    fn drop(&mut self) {
        let mut state = self.pipes.state();
        match self.ends.take().filter(|_| self.held == 0) {
            Some(ends) => state.idle.push(ends),
            None => state.all -= 1,
        }
    }
}

#[cfg(target_os = "linux")]
fn opened() -> Option<Ends> {
    use rustix::pipe::{PipeFlags, pipe_with};
    let (out, into) = pipe_with(PipeFlags::CLOEXEC | PipeFlags::NONBLOCK).ok()?;
    Some(Ends { out, into })
}

#[cfg(target_os = "linux")]
fn spliced(out: &OwnedFd, socket: impl AsFd, len: usize) -> rustix::io::Result<usize> {
    rustix::pipe::splice(out, None, socket, None, len, rustix::pipe::SpliceFlags::NONBLOCK)
}

/// Elsewhere nothing is sent as it stands, so there is nothing to gather.
#[cfg(not(target_os = "linux"))]
const fn opened() -> Option<Ends> {
    None
}

#[cfg(not(target_os = "linux"))]
fn spliced(_: &OwnedFd, _: impl AsFd, _: usize) -> rustix::io::Result<usize> {
    Err(Errno::NOSYS)
}
