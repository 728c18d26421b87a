//! Pipes for `splice`: small file ranges are gathered in a pipe before they go to a socket. The kernel sends the
//! contents of a pipe in as few packets as possible, without a copy.
//!
//! A pipe holds 64 KiB of pages. A connection owns one only while the pipe holds bytes that the client has not taken
//! yet. The number of pipes is limited; a connection without one sends range by range.

use crate::store::FileRange;
use rustix::io::{Errno, retry_on_intr};
use std::io::{ErrorKind, Result};
use std::os::fd::{AsFd, OwnedFd};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Most pipes at once; each takes two descriptors.
const MOST: usize = 64;

/// Pool of the pipes of one listener.
#[derive(Debug, Default)]
pub(in crate::http) struct Pipes {
    state: Mutex<PoolState>,
}

#[derive(Debug, Default)]
struct PoolState {
    idle: Vec<Ends>,
    /// Number of open pipes, idle or in use.
    all: usize,
}

#[derive(Debug)]
struct Ends {
    out: OwnedFd,
    into: OwnedFd,
}

/// A pipe in use by one connection; dropping it returns it to the pool.
#[derive(Debug)]
pub(in crate::http) struct Pipe {
    ends: Option<Ends>,
    held: usize,
    pipes: Arc<Pipes>,
}

impl Pipes {
    /// Takes an empty pipe. `None` if all are in use or none can be opened.
    pub(in crate::http) fn take(self: &Arc<Self>) -> Option<Pipe> {
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

    fn state(&self) -> MutexGuard<'_, PoolState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Pipe {
    /// Bytes in the pipe.
    pub(in crate::http) const fn held(&self) -> usize {
        self.held
    }

    /// Moves up to `most` bytes from the start of `span` into the pipe, as far as there is room. Returns their number.
    pub(in crate::http) fn gather(&mut self, span: &mut FileRange, most: usize) -> Result<usize> {
        match span.gather(&self.ends().into, most) {
            Ok(gathered) => {
                self.held += gathered;
                Ok(gathered)
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(0),
            Err(error) => Err(error),
        }
    }

    /// Sends up to `most` bytes from the pipe to `socket`, as many as it takes without waiting. Returns their number.
    pub(in crate::http) fn send(&mut self, socket: impl AsFd, most: usize) -> Result<usize> {
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
        self.ends.as_ref().expect("only drop takes the ends")
    }
}

impl Drop for Pipe {
    /// Returns an empty pipe to the pool; closes any other, because its bytes belong to this connection.
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

/// Only Linux sends file ranges directly, so other systems need no pipe.
#[cfg(not(target_os = "linux"))]
const fn opened() -> Option<Ends> {
    None
}

#[cfg(not(target_os = "linux"))]
fn spliced(_: &OwnedFd, _: impl AsFd, _: usize) -> rustix::io::Result<usize> {
    Err(Errno::NOSYS)
}
