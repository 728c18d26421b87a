//! [`DraftTarget`]: identifies a draft and the object that it becomes.

use crate::store::error::Error;

/// Identifies a draft.
#[derive(Debug, Clone)]
pub(super) struct DraftTarget {
    pub(super) id: String,
    /// Final path of the object, in its store.
    pub(super) path: String,
    /// Final size in bytes; `None` if unknown.
    pub(super) length: Option<u64>,
}

impl DraftTarget {
    /// An error unless `taken` bytes are the whole object.
    pub(super) fn check(&self, taken: u64) -> Result<(), Error> {
        match self.length.filter(|length| *length != taken) {
            None => Ok(()),
            Some(end) => Err(Error::Truncated { path: self.path.clone(), end }),
        }
    }
}

/// Result of opening a draft.
pub(super) enum OpenedDraft<T> {
    /// The draft is unfinished.
    Draft(T),
    /// The object is at its final path, with so many bytes.
    Done(u64),
}
