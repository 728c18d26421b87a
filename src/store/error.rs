//! Errors of the store.

use std::io;
use std::sync::Arc;

/// Why a store operation failed. Paths are as the caller gave them; those of an object store may begin with its name.
#[derive(Debug, Clone, thiserror::Error)]
pub enum Error {
    /// Nothing is stored there, or no such path can exist.
    #[error("{path}: there is no such file or folder")]
    NotFound {
        /// The requested path.
        path: String,
    },
    /// The path is not a regular file, but a folder, a pipe or a device.
    #[error("{path}: not a regular file")]
    NotAFile {
        /// The requested path.
        path: String,
    },
    /// The object exists, but may not be read.
    #[error("{path}: permission denied")]
    Denied {
        /// The requested path.
        path: String,
    },
    /// The object was written to since it was opened.
    #[error("{path}: changed since it was opened")]
    Changed {
        /// Path of the object.
        path: String,
    },
    /// The object ends before the requested bytes.
    #[error("{path}: ends before byte {end}")]
    Truncated {
        /// Path of the object.
        path: String,
        /// One past the last requested byte.
        end: u64,
    },
    /// The operating system reported a failure.
    #[error("{path}: the storage failed")]
    Io {
        /// The requested path.
        path: String,
        /// The error of the system.
        #[source]
        source: Arc<io::Error>,
    },
    /// An object store did not answer, even after retries.
    #[error("{path}: the store does not answer: {why}")]
    Away {
        /// The requested path.
        path: String,
        /// Why the last attempt failed.
        why: Arc<str>,
    },
    /// An object store refuses the request: wrong credentials, no such bucket.
    #[error("{path}: the store refuses: {why}")]
    Refused {
        /// The requested path.
        path: String,
        /// The reason of the store.
        why: Arc<str>,
    },
    /// The path cannot be written with these settings.
    #[error("{path}: cannot be written: {why}")]
    ReadOnly {
        /// Path that was to be written.
        path: String,
        /// The reason.
        why: Arc<str>,
    },
    /// The disk is full, or a quota is used up.
    #[error("{path}: no space is left")]
    Full {
        /// Path that was to be written.
        path: String,
    },
    /// Another writer has the draft open, and did not release it while we waited.
    #[error("{path}: another writer has it")]
    Busy {
        /// Path that was to be written.
        path: String,
    },
    /// An object exists there and must not be overwritten.
    #[error("{path}: is there already")]
    Exists {
        /// Path that was to be written.
        path: String,
    },
    /// The stored bytes of a draft are lost: the draft must start again.
    #[error("{path}: what was stored of it is gone")]
    Lost {
        /// Path that was to be written.
        path: String,
    },
    /// The object is larger than the limit for reading it whole.
    #[error("{path}: has {size} bytes, at most {limit} are taken")]
    TooLarge {
        /// The requested path.
        path: String,
        /// Size of the object in bytes.
        size: u64,
        /// Largest size allowed, in bytes.
        limit: u64,
    },
    /// The program is shutting down, or the reading task was lost.
    #[error("{path}: the read was given up")]
    Abandoned {
        /// The requested path.
        path: String,
    },
}

impl Error {
    /// Turns an error of the system about `path` into an error of the store.
    pub(super) fn from_io(path: &str, source: io::Error) -> Self {
        let path = path.to_owned();
        match source.kind() {
            io::ErrorKind::NotFound | io::ErrorKind::NotADirectory | io::ErrorKind::InvalidFilename => {
                Self::NotFound { path }
            }
            io::ErrorKind::PermissionDenied => Self::Denied { path },
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Self::Full { path },
            io::ErrorKind::ReadOnlyFilesystem => Self::ReadOnly { path, why: "its file system is read-only".into() },
            _ => Self::Io { path, source: Arc::new(source) },
        }
    }
}
