//! What can go wrong with what is handed in: one variant for each thing that a client may do about it.

use super::tus::Refusal;
use crate::catalog;
use crate::library;
use crate::store;

/// Why something was not done.
#[derive(Debug, Clone, thiserror::Error)]
pub enum Error {
    /// There is no such upload, job, key or asset.
    #[error("there is no such {0}")]
    NotFound(&'static str),
    /// The upload has expired or was given up.
    #[error("the upload has expired or was given up")]
    Gone,
    /// The request is no tus.
    #[error(transparent)]
    Tus(#[from] Refusal),
    /// What is asked for cannot be understood.
    #[error("{0}")]
    Request(String),
    /// A field of what is asked for is out of its bounds.
    #[error("{0}")]
    Field(String),
    /// No name of an asset.
    #[error("`{0}` is no name of an asset: parts between slashes, none empty, hidden or reserved")]
    Name(String),
    /// Not a file of a kind that is understood.
    #[error("`{0}`: files of type mp4, m4v, m4a, mov, m4b, qt, f4v, 3gp, 3g2, ismv and isma are understood")]
    Type(String),
    /// The file there is not the one that the client expects.
    #[error("the file is not as If-Match or If-None-Match says: look at it again")]
    Precondition,
    /// What is there already is in the way.
    #[error("{0}")]
    Conflict(String),
    /// Bytes for another place than the next one.
    #[error("bytes of offset {asked} were brought, and {durable} are durable")]
    Offset {
        /// Where they belong.
        asked: u64,
        /// Where the next ones belong.
        durable: u64,
    },
    /// More than may be.
    #[error("{what}: {bytes} bytes are more than the {limit} that are allowed")]
    Large {
        /// Of what.
        what: &'static str,
        /// How many.
        bytes: u64,
        /// How many may be.
        limit: u64,
    },
    /// The bytes are others than their checksum says; none of them counts.
    #[error("the bytes are others than their checksum says; none of them counts")]
    Checksum,
    /// Another request took the upload over.
    #[error("another request goes on with this upload")]
    Taken,
    /// Another publishes by that name at this moment.
    #[error("{0} is being published by another: try again")]
    Held(String),
    /// The bytes stopped coming.
    #[error("the bytes stopped coming; those that came are kept")]
    Stalled,
    /// The store is full. What was acknowledged is kept.
    #[error("the store is full; what was acknowledged is kept")]
    Full,
    /// The store cannot do that.
    #[error("{0}")]
    Unable(String),
    /// The store does not answer.
    #[error("{0}")]
    Storage(String),
    /// The database does not answer.
    #[error("{0}")]
    Library(String),
    /// What was uploaded cannot be played.
    #[error("{0}")]
    Unplayable(String),
    /// Given up; the same again may succeed.
    #[error("{0}")]
    Interrupted(String),
}

impl Error {
    /// Whether the same may succeed later.
    #[must_use]
    pub const fn passes(&self) -> bool {
        match self {
            Self::Storage(_)
            | Self::Library(_)
            | Self::Interrupted(_)
            | Self::Full
            | Self::Taken
            | Self::Held(_)
            | Self::Stalled => true,
            Self::NotFound(_)
            | Self::Gone
            | Self::Tus(_)
            | Self::Request(_)
            | Self::Field(_)
            | Self::Name(_)
            | Self::Type(_)
            | Self::Precondition
            | Self::Conflict(_)
            | Self::Offset { .. }
            | Self::Large { .. }
            | Self::Checksum
            | Self::Unable(_)
            | Self::Unplayable(_) => false,
        }
    }
}

impl From<catalog::Error> for Error {
    fn from(error: catalog::Error) -> Self {
        match error {
            catalog::Error::NotFound => Self::NotFound("asset"),
            catalog::Error::Unplayable { .. } => Self::Unplayable(error.to_string()),
            catalog::Error::Storage(_) => Self::Storage(error.to_string()),
            catalog::Error::Interrupted(_) | catalog::Error::Overwritten(_) => Self::Interrupted(error.to_string()),
        }
    }
}

impl From<library::Error> for Error {
    fn from(error: library::Error) -> Self {
        match error {
            library::Error::Taken => Self::Conflict("something of that name is there already".into()),
            library::Error::Place => Self::Request(error.to_string()),
            library::Error::Full { .. } => Self::Full,
            library::Error::Quota { bytes, limit } => {
                Self::Large { what: "all assets and uploads together", bytes, limit }
            }
            library::Error::Address { .. }
            | library::Error::Away { .. }
            | library::Error::Refused { .. }
            | library::Error::Newer { .. }
            | library::Error::Row { .. } => Self::Library(error.to_string()),
        }
    }
}

impl From<store::Error> for Error {
    fn from(error: store::Error) -> Self {
        match error {
            store::Error::Full { .. } => Self::Full,
            store::Error::Busy { .. } => Self::Taken,
            store::Error::ReadOnly { .. } => Self::Unable(error.to_string()),
            store::Error::NotFound { .. } => Self::NotFound("object"),
            store::Error::Exists { path } => Self::Conflict(format!("{path}: another file has been put there")),
            store::Error::Lost { path } => Self::Unplayable(format!("{path}: bytes of it were lost: upload it again")),
            other => Self::Storage(other.to_string()),
        }
    }
}
