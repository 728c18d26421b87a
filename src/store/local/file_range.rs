//! [`FileRange`]: bytes of a file that the kernel sends straight from the page cache, without a copy in our memory.
//!
//! A socket's queue then refers to pages of the file. A file that is replaced by another, or truncated before it is
//! rewritten, gets other pages; but a write in place changes bytes that a client has not received yet. So use this only
//! for files that were not written to recently, and only if `store.sendfile` is set.

use super::open_file::OpenedFile;
use super::system;
use crate::media::{ByteRange, u64_from_usize};
use crate::store::error::Error;
use std::fs::File;
use std::io::{ErrorKind, Result};
use std::ops::Range;
use std::os::fd::AsFd;
use std::sync::Arc;

/// A range of bytes of a file; it shrinks as they are sent.
#[derive(Debug)]
pub struct FileRange {
    held: Arc<OpenedFile>,
    at: u64,
    end: u64,
}

impl FileRange {
    /// Bytes `range` of the file, which must contain them.
    pub(super) const fn new(held: Arc<OpenedFile>, range: ByteRange) -> Self {
        Self { held, at: range.start(), end: range.end() }
    }

    /// Number of bytes not sent yet.
    #[must_use]
    pub const fn left(&self) -> u64 {
        self.end - self.at
    }

    /// Sends up to `most` bytes through `socket`, as many as it takes without blocking; returns how many. Also an error
    /// if the file has become too short.
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

    /// Splices up to `most` bytes into `pipe`, as many as it has room for; returns how many. An error if the pipe is
    /// full or the file has become too short.
    pub fn gather(&mut self, pipe: impl AsFd, most: usize) -> Result<usize> {
        self.step(most, |file, range| system::gather(file, range, pipe))
    }

    fn step(&mut self, most: usize, step: impl FnOnce(&File, &Range<u64>) -> Result<usize>) -> Result<usize> {
        let end = self.end.min(self.at.saturating_add(u64_from_usize(most)));
        let moved = step(&self.held.file, &(self.at..end))?;
        if moved == 0 {
            return Err(ErrorKind::UnexpectedEof.into());
        }
        self.held.uncopied(moved);
        self.at += u64_from_usize(moved);
        Ok(moved)
    }

    /// Checks that the file is still the version that was opened.
    pub fn check(&self) -> std::result::Result<(), Error> {
        self.held.check()
    }
}
