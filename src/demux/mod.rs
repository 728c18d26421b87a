//! Stored bytes → [`crate::media::Movie`].

use crate::media::{ByteRange, Movie};
use bytes::Bytes;

/// What a probe wants next.
#[derive(Debug)]
pub enum Step {
    /// These bytes of the object, then [`Probe::feed`].
    Need(ByteRange),
    /// Nothing: the file is understood.
    Done(Box<Movie>),
}

/// Why a file cannot be served.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// No bytes at all.
    #[error("the file is empty")]
    Empty,
}

/// Finds out what a stored file is by asking for ranges of it.
#[derive(Debug)]
pub struct Probe {
    size: u64,
}

impl Probe {
    /// Begins with an object of `size` bytes; the step says which bytes are needed first.
    pub fn new(size: u64) -> Result<(Self, ByteRange), Error> {
        let first = ByteRange::new(0, size).ok_or(Error::Empty)?;
        Ok((Self { size }, first))
    }

    /// Takes the bytes of the range that was needed, all of them.
    pub fn feed(&mut self, bytes: &Bytes) -> Result<Step, Error> {
        let _ = (bytes, self.size);
        Err(Error::Empty)
    }
}
