//! Why there is no reply.

use crate::cache::{Lost, Shed};
use crate::catalog;
use crate::mux::Unfit;
use crate::store;
use std::error::Error as _;

/// Why there is no reply: one variant per thing the client may do about it.
#[derive(Debug, Clone, thiserror::Error)]
pub enum Error {
    /// Nothing is called that.
    #[error("there is no such asset, track, segment or file")]
    NotFound,
    /// The asset has it in no form that MPEG-TS carries; the text names file, track and codec.
    #[error("{0}")]
    Unfit(String),
    /// It was there, in another version.
    #[error("this version is no longer stored; load the manifest again")]
    Gone,
    /// It was there, and was deleted or removed.
    #[error("this asset is no longer here: it was deleted, or its files were removed")]
    Deleted,
    /// The stored file cannot be served; the text names file, box and offset.
    #[error("{0}")]
    Unplayable(String),
    /// The store did not answer as it should.
    #[error("the store failed: {0}")]
    Storage(String),
    /// Too much is being made already; asking again in a moment may help.
    #[error("busy: {0} (`cache.making`, `cache.making_wait`)")]
    Busy(String),
    /// The stored file changed while it was read, or the work was given up.
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

impl From<Lost> for Error {
    fn from(lost: Lost) -> Self {
        Self::Interrupted(lost.to_string())
    }
}

impl From<Shed> for Error {
    fn from(shed: Shed) -> Self {
        Self::Busy(shed.to_string())
    }
}

/// What failed, and why, in one line.
fn chain(error: &store::Error) -> String {
    error.source().map_or_else(|| error.to_string(), |source| format!("{error}: {source}"))
}
