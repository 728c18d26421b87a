//! The error type of the origin.

use crate::cache::{BuildLost, Shed};
use crate::catalog;
use crate::mux::Unfit;
use crate::store;
use std::error::Error as _;

/// The reason why there is no reply: one variant for each thing that the client can do about it.
#[derive(Debug, Clone, thiserror::Error)]
pub enum Error {
    /// There is no resource of this name.
    #[error("there is no such asset, track, segment or file")]
    NotFound,
    /// MPEG-TS cannot carry the asset's video or audio; the text names file, track and codec.
    #[error("{0}")]
    Unfit(String),
    /// The resource exists, but not in this version.
    #[error("this version is no longer stored; load the manifest again")]
    Gone,
    /// The asset was deleted, or its files were removed.
    #[error("this asset is no longer here: it was deleted, or its files were removed")]
    Deleted,
    /// The stored file cannot be served; the text names file, box and offset.
    #[error("{0}")]
    Unplayable(String),
    /// The store failed.
    #[error("the store failed: {0}")]
    Storage(String),
    /// Too much is being built already; a retry in a moment may succeed.
    #[error("busy: {0} (`cache.making`, `cache.making_wait`)")]
    Busy(String),
    /// The stored file changed while it was read, or the work was cancelled.
    #[error("interrupted: {0}")]
    Interrupted(String),
}

impl From<catalog::Error> for Error {
    fn from(error: catalog::Error) -> Self {
        match error {
            catalog::Error::NotFound => Self::NotFound,
            catalog::Error::Unplayable { .. } => Self::Unplayable(error.to_string()),
            catalog::Error::Storage(storage) => Self::Storage(chain(&storage)),
            catalog::Error::Interrupted(reason) => Self::Interrupted(reason),
            catalog::Error::Overwritten(_) => Self::Interrupted(error.to_string()),
        }
    }
}

impl From<Unfit> for Error {
    fn from(unfit: Unfit) -> Self {
        Self::Unfit(unfit.to_string())
    }
}

impl From<store::Error> for Error {
    fn from(error: store::Error) -> Self {
        catalog::Error::from(error).into()
    }
}

impl From<BuildLost> for Error {
    fn from(lost: BuildLost) -> Self {
        Self::Interrupted(lost.to_string())
    }
}

impl From<Shed> for Error {
    fn from(shed: Shed) -> Self {
        Self::Busy(shed.to_string())
    }
}

/// The error and its source, in one line.
fn chain(error: &store::Error) -> String {
    error.source().map_or_else(|| error.to_string(), |source| format!("{error}: {source}"))
}
