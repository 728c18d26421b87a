//! Errors of ingest: one variant for each way a client can react.

use super::receive::tus::TusError;
use crate::catalog;
use crate::library;
use crate::store;

/// Reasons why a request or a job failed.
#[derive(Debug, Clone, thiserror::Error)]
pub enum Error {
    /// There is no such upload, job, key or asset.
    #[error("there is no such {0}")]
    NotFound(&'static str),
    /// The upload has expired or was given up.
    #[error("the upload has expired or was given up")]
    Gone,
    /// The request breaks the tus protocol.
    #[error(transparent)]
    Tus(#[from] TusError),
    /// The request makes no sense.
    #[error("{0}")]
    Request(String),
    /// A field of the request is out of bounds.
    #[error("{0}")]
    Field(String),
    /// Not a valid asset name.
    #[error("`{0}` is no name of an asset: parts between slashes, none empty, hidden or reserved")]
    Name(String),
    /// Not a supported file type.
    #[error("`{0}`: files of type mp4, m4v, m4a, mov, m4b, qt, f4v, 3gp, 3g2, ismv and isma are understood")]
    Type(String),
    /// The stored file is not the one that the client expects.
    #[error("the file is not as If-Match or If-None-Match says: look at it again")]
    Precondition,
    /// An existing file or state is in the way.
    #[error("{0}")]
    Conflict(String),
    /// The bytes are for another offset than the next one.
    #[error("bytes of offset {asked} were brought, and {durable} are durable")]
    Offset {
        /// Offset of the request.
        asked: u64,
        /// Durable offset, at which the next bytes belong.
        durable: u64,
    },
    /// A size is over its limit.
    #[error("{what}: {bytes} bytes are more than the {limit} that are allowed")]
    Large {
        /// The thing that is too large.
        what: &'static str,
        /// Its size, in bytes.
        bytes: u64,
        /// The limit, in bytes.
        limit: u64,
    },
    /// The bytes do not match their checksum; none of them counts.
    #[error("the bytes are others than their checksum says; none of them counts")]
    Checksum,
    /// Another request took over the upload.
    #[error("another request goes on with this upload")]
    Taken,
    /// Another upload or job holds the name.
    #[error("{0} is being published by another: try again")]
    Held(String),
    /// The client stopped sending.
    #[error("the bytes stopped coming; those that came are kept")]
    Stalled,
    /// The store is full. Acknowledged bytes stay stored.
    #[error("the store is full; what was acknowledged is kept")]
    Full,
    /// The store does not support the operation.
    #[error("{0}")]
    Unable(String),
    /// The store does not respond.
    #[error("{0}")]
    Storage(String),
    /// The database does not respond.
    #[error("{0}")]
    Library(String),
    /// The uploaded file is not playable.
    #[error("{0}")]
    Unplayable(String),
    /// Interrupted; the same request may succeed later.
    #[error("{0}")]
    Interrupted(String),
}

impl Error {
    /// Whether the same request may succeed later.
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
