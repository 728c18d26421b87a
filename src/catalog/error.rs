//! Why there is no asset.

use crate::cache::Lost;
use crate::demux;
use crate::media::DescriptorError;
use crate::plan::Refusal;
use crate::store;

/// Why there is no asset.
#[derive(Debug, Clone, thiserror::Error)]
pub enum Error {
    /// Nothing is called that.
    #[error("there is no such asset")]
    NotFound,
    /// It is there and cannot be served.
    #[error("{file}: {reason}")]
    Unplayable {
        /// The file or folder at fault, as a path in the store.
        file: String,
        /// What is wrong with it.
        reason: Reason,
    },
    /// The store did not answer as it should.
    #[error(transparent)]
    Storage(store::Error),
    /// A file changed while it was read, or the work was given up: asking again helps.
    #[error("{0}")]
    Interrupted(String),
    /// Its only files are being written over in place: what it was cannot be had, what it will be is not there yet.
    #[error("{0}: is being written over")]
    Overwritten(String),
}

/// What is wrong with a file or folder.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Reason {
    /// It is no media file that can be served.
    #[error(transparent)]
    Demux(demux::Error),
    /// It asks for more reads than any file needs.
    #[error("its headers need more than {reads} reads or {bytes} bytes")]
    Endless {
        /// Reads that are allowed.
        reads: u32,
        /// Bytes that are allowed.
        bytes: u64,
    },
    /// Its tracks cannot be planned.
    #[error(transparent)]
    Plan(Refusal),
    /// Its `asset.json` is none.
    #[error(transparent)]
    Descriptor(DescriptorError),
    /// Its `asset.json` is too large to be one.
    #[error("asset.json has {size} bytes; at most {limit} are read")]
    DescriptorSize {
        /// What it has.
        size: u64,
        /// What is allowed.
        limit: u64,
    },
    /// `asset.json` names a file that is not there.
    #[error("asset.json names it, and there is no such MP4 or QuickTime file")]
    Missing,
    /// Others claim the same name.
    #[error("its name is also that of {0}: rename one")]
    Collision(String),
    /// URLs cannot say its name.
    #[error(
        "`{0}` cannot be part of an asset's name: `files`, `ts.m3u8`, `index.*` and `single.*` are reserved, the whole has at most 1024 bytes"
    )]
    Name(String),
    /// The system does not let us read it.
    #[error("permission denied")]
    Denied,
    /// It is a folder, a pipe or a device.
    #[error("not a regular file")]
    NotAFile,
}

impl Error {
    /// `file` cannot be served because of `reason`.
    pub(super) fn unplayable(file: impl Into<String>, reason: Reason) -> Self {
        Self::Unplayable { file: file.into(), reason }
    }

    /// `file` is not whole yet.
    pub(super) fn being_written(file: &str) -> Self {
        Self::Interrupted(format!("{file}: is being written"))
    }

    /// Whether only a change of the files can help.
    pub(super) const fn is_settled(&self) -> bool {
        match self {
            Self::NotFound | Self::Unplayable { .. } => true,
            Self::Storage(_) | Self::Interrupted(_) | Self::Overwritten(_) => false,
        }
    }
}

impl From<Lost> for Error {
    fn from(lost: Lost) -> Self {
        Self::Interrupted(lost.to_string())
    }
}

/// By what can be done about it.
impl From<store::Error> for Error {
    fn from(error: store::Error) -> Self {
        match error {
            store::Error::NotFound { .. } => Self::NotFound,
            store::Error::NotAFile { path } => Self::unplayable(path, Reason::NotAFile),
            store::Error::Denied { path } => Self::unplayable(path, Reason::Denied),
            store::Error::Changed { .. } | store::Error::Truncated { .. } | store::Error::Abandoned { .. } => {
                Self::Interrupted(error.to_string())
            }
            store::Error::Io { .. }
            | store::Error::Away { .. }
            | store::Error::Refused { .. }
            // Writers alone are told these.
            | store::Error::ReadOnly { .. }
            | store::Error::Full { .. }
            | store::Error::Busy { .. }
            | store::Error::Exists { .. }
            | store::Error::Lost { .. }
            | store::Error::TooLarge { .. } => Self::Storage(error),
        }
    }
}
