//! One version of one stored object: its bytes, or word that it is no longer that version. A file that is held open, or
//! an object of an object store.

use super::error::Error;
use super::held::OpenFile;
use super::shared::Shared;
use super::span::Span;
use super::stamp::Stamp;
use super::stored::Stored;
use crate::media::ByteRange;
use bytes::{Bytes, BytesMut};
use std::sync::Arc;

/// One version of one stored object. Cheap to clone; what it takes to read it is held as long as a clone lives.
#[derive(Debug, Clone)]
pub struct Object(Inner);

#[derive(Debug, Clone)]
enum Inner {
    File(OpenFile),
    Stored(Arc<Stored>),
}

impl Object {
    pub(super) const fn file(file: OpenFile) -> Self {
        Self(Inner::File(file))
    }

    pub(super) const fn stored(stored: Arc<Stored>) -> Self {
        Self(Inner::Stored(stored))
    }

    /// Its path in the store.
    #[must_use]
    pub fn path(&self) -> &str {
        match &self.0 {
            Inner::File(file) => file.path(),
            Inner::Stored(stored) => stored.path(),
        }
    }

    /// What its object store is called, the same for all that look at it: `s3://bucket`; `""` for a folder.
    #[must_use]
    pub fn store(&self) -> &str {
        match &self.0 {
            Inner::File(_) => "",
            Inner::Stored(stored) => stored.remote().bucket(),
        }
    }

    /// Its size in bytes.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.stamp().size()
    }

    /// Which version it is.
    #[must_use]
    pub fn stamp(&self) -> Stamp {
        match &self.0 {
            Inner::File(file) => file.stamp(),
            Inner::Stored(stored) => stored.stamp(),
        }
    }

    /// Whether it is a file of this machine, whose bytes are a system call away.
    #[must_use]
    pub const fn is_file(&self) -> bool {
        match &self.0 {
            Inner::File(_) => true,
            Inner::Stored(_) => false,
        }
    }

    /// Exactly the bytes of `range`, in one piece: for headers, whose length the caller bounds.
    pub async fn read(&self, range: ByteRange) -> Result<Bytes, Error> {
        match &self.0 {
            Inner::File(file) => file.read(range).await,
            // In a box, here and below: whoever reads a file has no room for what a network takes.
            Inner::Stored(stored) => Box::pin(stored.read(range)).await,
        }
    }

    /// The bytes of `ranges` one behind the other, as separate chunks of [`CHUNK_LIMIT`](super::CHUNK_LIMIT) bytes, the
    /// last ones smaller. A chunk's borders are not those of the ranges.
    pub async fn read_ranges(&self, ranges: Vec<ByteRange>) -> Result<Vec<Bytes>, Error> {
        match &self.0 {
            Inner::File(file) => file.read_ranges(ranges).await,
            Inner::Stored(stored) => Box::pin(stored.read_ranges(&ranges)).await,
        }
    }

    /// The first bytes of `range`, to be sent without being read: of a file those that the page cache has, where the system
    /// can do that.
    #[must_use]
    pub fn span(&self, range: ByteRange) -> Option<Span> {
        match &self.0 {
            Inner::File(file) => file.span(range),
            Inner::Stored(_) => None,
        }
    }

    /// The bytes of `range` in the same chunks, read on this thread however long that takes: for the blocking pool, and
    /// for what [`is_file`](Self::is_file).
    pub fn read_here(&self, range: ByteRange) -> Result<Vec<Bytes>, Error> {
        match &self.0 {
            Inner::File(file) => file.read_here(range),
            Inner::Stored(stored) => Err(Error::Abandoned { path: stored.path().into() }),
        }
    }

    /// Says that `ranges` are about to be read: an object store is asked for them now, in as few requests as they take,
    /// a bounded number of bytes ahead. Of a file nothing is asked. Must be called inside a runtime.
    pub fn expect(&self, ranges: &[ByteRange]) {
        match &self.0 {
            Inner::File(_) => {}
            Inner::Stored(stored) => stored.expect(ranges),
        }
    }

    /// What was [kept](Self::keep_note) in the store beside it, if that has `limit` bytes at most. A file has no note.
    pub async fn note(&self, limit: u64) -> Option<Bytes> {
        match &self.0 {
            Inner::File(_) => None,
            Inner::Stored(stored) => Box::pin(stored.note(limit)).await,
        }
    }

    /// Keeps `note` in the store beside it, for whoever opens it next, as far as the store allows. Of a file nothing is
    /// kept.
    pub async fn keep_note(&self, note: Bytes) {
        match &self.0 {
            Inner::File(_) => {}
            Inner::Stored(stored) => Box::pin(stored.keep_note(note)).await,
        }
    }

    /// Room for `bytes` bytes of what is made of it.
    #[must_use]
    pub fn room(&self, bytes: usize) -> BytesMut {
        self.shared().spare.room(bytes)
    }

    /// Gives chunks back that were read and are no longer needed: others will be read into them.
    pub fn give_back(&self, chunks: Vec<Bytes>) {
        for chunk in chunks {
            self.shared().spare.give(chunk);
        }
    }

    /// Whether its bytes can still be had, as far as that is told without waiting: an error when it was written to since
    /// it was opened. The system holds that in memory of every open file; of an object it is what the last read said.
    pub fn check(&self) -> Result<(), Error> {
        match &self.0 {
            Inner::File(file) => file.check(),
            Inner::Stored(stored) => stored.check(),
        }
    }

    /// The same, asked of the store where it was not asked lately.
    pub async fn verify(&self) -> Result<(), Error> {
        match &self.0 {
            Inner::File(file) => file.check(),
            Inner::Stored(stored) => Box::pin(stored.verify()).await,
        }
    }

    fn shared(&self) -> &Shared {
        match &self.0 {
            Inner::File(file) => file.shared(),
            Inner::Stored(stored) => stored.shared(),
        }
    }
}
