//! [`Object`]: one version of one stored object, either an open local file or an object of an object store. Reads fail
//! once the stored object is another version.

use super::context::StoreContext;
use super::error::Error;
use super::local::FileRange;
use super::local::OpenFile;
use super::remote::StoredObject;
use super::stamp::Stamp;
use crate::media::ByteRange;
use bytes::{Bytes, BytesMut};
use std::sync::Arc;

/// One version of one stored object. Cheap to clone; a local file stays open as long as any clone lives.
#[derive(Debug, Clone)]
pub struct Object(ObjectBackend);

#[derive(Debug, Clone)]
enum ObjectBackend {
    File(OpenFile),
    Stored(Arc<StoredObject>),
}

impl Object {
    pub(super) const fn file(file: OpenFile) -> Self {
        Self(ObjectBackend::File(file))
    }

    pub(super) const fn stored(stored: Arc<StoredObject>) -> Self {
        Self(ObjectBackend::Stored(stored))
    }

    /// Path in the store.
    #[must_use]
    pub fn path(&self) -> &str {
        match &self.0 {
            ObjectBackend::File(file) => file.path(),
            ObjectBackend::Stored(stored) => stored.path(),
        }
    }

    /// Name of its object store without the prefix, such as `s3://bucket`: the same for all programs that use the
    /// bucket. `""` for a folder.
    #[must_use]
    pub fn store(&self) -> &str {
        match &self.0 {
            ObjectBackend::File(_) => "",
            ObjectBackend::Stored(stored) => stored.remote().bucket(),
        }
    }

    /// Its size in bytes.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.stamp().size()
    }

    /// Stamp of this version.
    #[must_use]
    pub fn stamp(&self) -> Stamp {
        match &self.0 {
            ObjectBackend::File(file) => file.stamp(),
            ObjectBackend::Stored(stored) => stored.stamp(),
        }
    }

    /// Whether it is a local file, which is read by system calls instead of network requests.
    #[must_use]
    pub const fn is_file(&self) -> bool {
        match &self.0 {
            ObjectBackend::File(_) => true,
            ObjectBackend::Stored(_) => false,
        }
    }

    /// Reads exactly the bytes of `range` into one buffer. Meant for headers: the caller bounds the length.
    pub async fn read(&self, range: ByteRange) -> Result<Bytes, Error> {
        match &self.0 {
            ObjectBackend::File(file) => file.read(range).await,
            // Boxed, here and below: the future of a network read is large, and reads of local files should not reserve
            // room for it.
            ObjectBackend::Stored(stored) => Box::pin(stored.read(range)).await,
        }
    }

    /// Reads the bytes of `ranges`, one range after the other, as separate chunks of
    /// [`CHUNK_LIMIT`](super::CHUNK_LIMIT) bytes; the last ones are smaller. Chunk boundaries are independent of range
    /// boundaries.
    pub async fn read_ranges(&self, ranges: Vec<ByteRange>) -> Result<Vec<Bytes>, Error> {
        match &self.0 {
            ObjectBackend::File(file) => file.read_ranges(ranges).await,
            ObjectBackend::Stored(stored) => Box::pin(stored.read_ranges(&ranges)).await,
        }
    }

    /// The beginning of `range` for sendfile: as many bytes as the page cache holds. `None` if it holds none, if the
    /// system cannot send files, and for objects of an object store.
    #[must_use]
    pub fn span(&self, range: ByteRange) -> Option<FileRange> {
        match &self.0 {
            ObjectBackend::File(file) => file.span(range),
            ObjectBackend::Stored(_) => None,
        }
    }

    /// Reads the bytes of `range` in chunks as [`read_ranges`](Self::read_ranges) does, and blocks this thread
    /// meanwhile. Call it on the blocking pool, and only if [`is_file`](Self::is_file): objects of an object store
    /// return [`Error::Abandoned`].
    pub fn read_here(&self, range: ByteRange) -> Result<Vec<Bytes>, Error> {
        match &self.0 {
            ObjectBackend::File(file) => file.read_here(range),
            ObjectBackend::Stored(stored) => Err(Error::Abandoned { path: stored.path().into() }),
        }
    }

    /// Prefetches `ranges`, which will be read soon: requests them from an object store right away, in as few requests
    /// as possible and up to a fixed number of bytes. Does nothing for a file. Must be called inside a runtime.
    pub fn expect(&self, ranges: &[ByteRange]) {
        match &self.0 {
            ObjectBackend::File(_) => {}
            ObjectBackend::Stored(stored) => stored.expect(ranges),
        }
    }

    /// The note that [`keep_note`](Self::keep_note) saved beside this object; `None` if there is none or it is longer
    /// than `limit` bytes. A file has no note.
    pub async fn note(&self, limit: u64) -> Option<Bytes> {
        match &self.0 {
            ObjectBackend::File(_) => None,
            ObjectBackend::Stored(stored) => Box::pin(stored.note(limit)).await,
        }
    }

    /// Saves `note` beside this object for the next program that opens it, if the store allows writing. Does nothing
    /// for a file.
    pub async fn keep_note(&self, note: Bytes) {
        match &self.0 {
            ObjectBackend::File(_) => {}
            ObjectBackend::Stored(stored) => Box::pin(stored.keep_note(note)).await,
        }
    }

    /// An empty buffer with room for `bytes` bytes that are generated from this object.
    #[must_use]
    pub fn room(&self, bytes: usize) -> BytesMut {
        self.shared().spare.room(bytes)
    }

    /// Returns chunks that are no longer needed, so that later reads reuse their memory.
    pub fn give_back(&self, chunks: Vec<Bytes>) {
        for chunk in chunks {
            self.shared().spare.give(chunk);
        }
    }

    /// Checks without waiting whether this version can still be read: an error if the file was written to since it was
    /// opened. The system holds this information in memory for every open file; for an object, the result of the last
    /// request counts.
    pub fn check(&self) -> Result<(), Error> {
        match &self.0 {
            ObjectBackend::File(file) => file.check(),
            ObjectBackend::Stored(stored) => stored.check(),
        }
    }

    /// Like [`check`](Self::check), but asks an object store again unless it answered recently.
    pub async fn verify(&self) -> Result<(), Error> {
        match &self.0 {
            ObjectBackend::File(file) => file.check(),
            ObjectBackend::Stored(stored) => Box::pin(stored.verify()).await,
        }
    }

    fn shared(&self) -> &StoreContext {
        match &self.0 {
            ObjectBackend::File(file) => file.shared(),
            ObjectBackend::Stored(stored) => stored.shared(),
        }
    }
}
