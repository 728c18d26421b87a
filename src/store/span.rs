//! Bytes of a file that the kernel sends as they stand in the page cache: nobody copies them, nobody holds them.
//!
//! What then lies in a socket's queue is pages of the file still. A file that is replaced by another, or cut off before it
//! is written anew, gets other pages; one that is written over where it stands changes what a client has not taken yet. So
//! only of files that rest, and where `store.sendfile` says so.

use super::error::Error;
use super::held::Held;
use super::system;
use crate::media::{ByteRange, u64_from_usize};
use std::fs::File;
use std::io::{ErrorKind, Result};
use std::os::fd::AsFd;
use std::sync::Arc;

/// A run of bytes of a file, as far as they were not sent yet.
#[derive(Debug)]
pub struct Span {
    held: Arc<Held>,
    at: u64,
    end: u64,
}

impl Span {
    /// Bytes `range` of the file, which it has.
    pub(super) const fn new(held: Arc<Held>, range: ByteRange) -> Self {
        Self { held, at: range.start(), end: range.end() }
    }

    /// Bytes that were not sent yet.
    #[must_use]
    pub const fn left(&self) -> u64 {
        self.end - self.at
    }

    /// Sends the next of its bytes through `socket`, `most` at most: as many as that takes without waiting. An error too
    /// when the file does not reach so far any more.
    pub fn send(&mut self, socket: impl AsFd, most: usize) -> Result<usize> {
        let mut all = 0;
        while all < most && self.left() > 0 {
            match self.step(most - all, |file, range| system::send(file, range, &socket)) {
                Ok(sent) => all += sent,
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) => return Err(error),
            }
        }
        Ok(all)
    }

    /// Puts the next of its bytes into `pipe`, `most` at most: as many as that has room for. An error where that is none,
    /// and when the file does not reach so far any more.
    pub fn gather(&mut self, pipe: impl AsFd, most: usize) -> Result<usize> {
        self.step(most, |file, range| system::gather(file, range, pipe))
    }

    fn step(&mut self, most: usize, step: impl FnOnce(&File, (u64, u64)) -> Result<usize>) -> Result<usize> {
        let end = self.end.min(self.at.saturating_add(u64_from_usize(most)));
        let moved = step(&self.held.file, (self.at, end))?;
        if moved == 0 {
            return Err(ErrorKind::UnexpectedEof.into());
        }
        self.held.uncopied(moved);
        self.at += u64_from_usize(moved);
        Ok(moved)
    }

    /// Whether the file is still the version that was opened.
    pub fn check(&self) -> std::result::Result<(), Error> {
        self.held.check()
    }
}
