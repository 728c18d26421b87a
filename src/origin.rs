//! Route → Reply: what is asked, answered. The whole story on one screen.

use crate::media::AssetId;
use crate::route::Route;
use bytes::Bytes;
use std::ops::Range;
use std::sync::Arc;
use std::time::SystemTime;

/// What answers a request, before HTTP has its say (ranges, conditions, compression).
#[derive(Debug, Clone)]
pub struct Reply {
    /// Its media type, with parameters where it has any.
    pub media_type: &'static str,
    /// What a strong entity tag names it by, without quotes: equal on every replica (RFC 9110 §8.8.3).
    pub etag: String,
    /// When the stored object was last modified; only for stored files.
    pub modified: Option<SystemTime>,
    /// Who may keep it, and how long.
    pub caching: Caching,
    /// Its bytes.
    pub content: Content,
}

/// Who may keep an answer, and how long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Caching {
    /// Its URL names its bytes: a year, immutable.
    Immutable,
    /// An entry manifest or a stored file: seconds, then ask again.
    Entry,
}

/// The bytes of a reply, with a length known at once.
#[derive(Debug, Clone)]
pub enum Content {
    /// In memory, complete; text is compressible.
    Text(Bytes),
    /// In memory, complete: separate chunks of at most 256 KiB.
    Media(Arc<[Bytes]>),
}

impl Content {
    /// Its length in bytes.
    #[must_use]
    pub fn len(&self) -> u64 {
        0
    }

    /// The next bytes of `range`, at least one and at most 256 KiB.
    pub async fn read(&self, range: Range<u64>) -> Result<Bytes, Error> {
        let _ = range;
        Err(Error::NotFound)
    }
}

/// Why there is no reply: one variant per thing the client may do about it.
#[derive(Debug, Clone, thiserror::Error)]
pub enum Error {
    /// Nothing is called that.
    #[error("there is no such asset, track or segment")]
    NotFound,
    /// It was there, in another version.
    #[error("this version is no longer stored")]
    Gone,
    /// The stored file cannot be served; the text names file, box and offset.
    #[error("{0}")]
    Unplayable(String),
    /// The store did not answer as it should.
    #[error("the store failed: {0}")]
    Storage(String),
    /// The stored file changed while it was read, or the work was given up.
    #[error("interrupted: {0}")]
    Interrupted(String),
}

/// Answers routes.
#[derive(Debug)]
pub struct Origin {}

impl Origin {
    /// Answers `route`.
    pub async fn reply(&self, route: &Route) -> Result<Reply, Error> {
        let _ = route;
        Err(Error::NotFound)
    }

    /// A page of the gallery as JSON: at most `limit` assets whose names come after `after`.
    pub async fn gallery(&self, after: Option<&AssetId>, limit: usize) -> Result<Bytes, Error> {
        let _ = (after, limit);
        Err(Error::NotFound)
    }

    /// Whether the store can be listed now.
    pub async fn ready(&self) -> Result<(), Error> {
        Ok(())
    }
}
