//! Why the store has no answer.

use std::io;
use std::sync::Arc;

/// Why the store has no answer. Paths are as they were asked for.
#[derive(Debug, Clone, thiserror::Error)]
pub enum Error {
    /// Nothing is stored there, or no such path can exist.
    #[error("{path}: there is no such file or folder")]
    NotFound {
        /// What was asked for.
        path: String,
    },
    /// It is there and is no regular file: a folder, a pipe, a device.
    #[error("{path}: not a regular file")]
    NotAFile {
        /// What was asked for.
        path: String,
    },
    /// It is there and may not be read.
    #[error("{path}: permission denied")]
    Denied {
        /// What was asked for.
        path: String,
    },
    /// It was written to since it was opened.
    #[error("{path}: changed since it was opened")]
    Changed {
        /// The object.
        path: String,
    },
    /// It ends before the bytes that were asked for.
    #[error("{path}: ends before byte {end}")]
    Truncated {
        /// The object.
        path: String,
        /// One past the last byte that was asked for.
        end: u64,
    },
    /// The system failed.
    #[error("{path}: the storage failed")]
    Io {
        /// What was asked for.
        path: String,
        /// What the system says.
        #[source]
        source: Arc<io::Error>,
    },
    /// An object store did not answer, often enough asked.
    #[error("{path}: the store does not answer: {why}")]
    Away {
        /// What was asked for.
        path: String,
        /// What was the matter with the last answer.
        why: Arc<str>,
    },
    /// An object store refuses: wrong credentials, no such bucket.
    #[error("{path}: the store refuses: {why}")]
    Refused {
        /// What was asked for.
        path: String,
        /// What it says.
        why: Arc<str>,
    },
    /// Nothing can be written there, as it is set up.
    #[error("{path}: cannot be written: {why}")]
    ReadOnly {
        /// What was to be written.
        path: String,
        /// Why not.
        why: Arc<str>,
    },
    /// The disk is full, or a quota is used up.
    #[error("{path}: no space is left")]
    Full {
        /// What was to be written.
        path: String,
    },
    /// Another writer has it, and did not let go of it while we waited.
    #[error("{path}: another writer has it")]
    Busy {
        /// What was to be written.
        path: String,
    },
    /// Something is there that must not be written over.
    #[error("{path}: is there already")]
    Exists {
        /// What was to be written.
        path: String,
    },
    /// What was stored of a draft is gone: it has to begin anew.
    #[error("{path}: what was stored of it is gone")]
    Lost {
        /// What was to be written.
        path: String,
    },
    /// It is larger than what is taken whole.
    #[error("{path}: has {size} bytes, at most {limit} are taken")]
    TooLarge {
        /// What was asked for.
        path: String,
        /// What it has.
        size: u64,
        /// What is allowed.
        limit: u64,
    },
    /// The program is ending, or the reading task was lost.
    #[error("{path}: the read was given up")]
    Abandoned {
        /// What was asked for.
        path: String,
    },
}

impl Error {
    /// What the system says of `path`, by meaning.
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
