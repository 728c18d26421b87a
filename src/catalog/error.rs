//! Errors of the catalog.

use crate::cache::BuildLost;
use crate::demux;
use crate::media::DescriptorError;
use crate::plan::PlanError;
use crate::store;

/// Why an asset cannot be opened.
#[derive(Debug, Clone, thiserror::Error)]
pub enum Error {
    /// There is no asset with this name.
    #[error("there is no such asset")]
    NotFound,
    /// The asset exists but cannot be served.
    #[error("{file}: {reason}")]
    Unplayable {
        /// The file or folder at fault, as a path in the store.
        file: String,
        /// The problem with it.
        reason: Reason,
    },
    /// The store failed.
    #[error(transparent)]
    Storage(store::Error),
    /// A file changed while it was read, or the work was abandoned: a retry helps.
    #[error("{0}")]
    Interrupted(String),
    /// All its files are being overwritten in place: the old version cannot be read any more, and the new one is not
    /// complete.
    #[error("{0}: is being written over")]
    Overwritten(String),
}

/// The problem with a file or folder that cannot be served.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Reason {
    /// The file is not a media file that can be served.
    #[error(transparent)]
    Demux(demux::Error),
    /// Its headers need more reads or bytes than the limits allow.
    #[error("its headers need more than {reads} reads or {bytes} bytes")]
    Endless {
        /// Most reads allowed.
        reads: u32,
        /// Most bytes allowed.
        bytes: u64,
    },
    /// Its tracks cannot be planned.
    #[error(transparent)]
    Plan(PlanError),
    /// Its `asset.json` is not valid.
    #[error(transparent)]
    Descriptor(DescriptorError),
    /// Its `asset.json` is too large.
    #[error("asset.json has {size} bytes; at most {limit} are read")]
    DescriptorSize {
        /// Its size in bytes.
        size: u64,
        /// Largest size allowed, in bytes.
        limit: u64,
    },
    /// `asset.json` names a file that is not there.
    #[error("asset.json names it, and there is no such MP4 or QuickTime file")]
    Missing,
    /// Other files or folders claim the same name.
    #[error("its name is also that of {0}: rename one")]
    Collision(String),
    /// Its name cannot be part of a URL.
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

    /// The error for `file` while it is being written.
    pub(super) fn being_written(file: &str) -> Self {
        Self::Interrupted(format!("{file}: is being written"))
    }

    /// Whether the error remains until the files change.
    pub(super) const fn is_settled(&self) -> bool {
        match self {
            Self::NotFound | Self::Unplayable { .. } => true,
            Self::Storage(_) | Self::Interrupted(_) | Self::Overwritten(_) => false,
        }
    }
}

impl From<BuildLost> for Error {
    fn from(lost: BuildLost) -> Self {
        Self::Interrupted(lost.to_string())
    }
}

/// Groups errors of the store by what can be done about them.
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
            // Only writers get these.
            | store::Error::ReadOnly { .. }
            | store::Error::Full { .. }
            | store::Error::Busy { .. }
            | store::Error::Exists { .. }
            | store::Error::Lost { .. }
            | store::Error::TooLarge { .. } => Self::Storage(error),
        }
    }
}
