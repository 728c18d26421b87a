//! [`Draft`]: the interface to a draft, whether its store is a folder or an object store.

use super::file::FileDraft;
use super::parts::PartsDraft;
use super::saved::Saved;
use super::target::{DraftTarget, OpenedDraft};
use crate::store::Store;
use crate::store::backend::Backend;
use crate::store::error::Error;
use crate::store::name::{is_draft_id, is_plain};
use crate::store::object::Object;
use crate::store::writing::file_url;
use bytes::Bytes;

/// An object that is written piece by piece over any time, by one writer after another, and appears whole or not at
/// all.
///
/// After an error, [`taken`](Self::taken) tells how many bytes were accepted. Continue from there, or drop the draft
/// and open it again with the last text that was stored, which discards all later bytes.
#[derive(Debug)]
pub struct Draft(DraftState);

#[derive(Debug)]
enum DraftState {
    File(Box<FileDraft>),
    Parts(Box<PartsDraft>),
    /// The object is at its final path, with `size` bytes.
    Done {
        path: String,
        size: u64,
    },
}

impl Store {
    /// Opens the draft `id` of the object that will be at `path`, of `length` bytes if that is known. `saved` is the
    /// last text from a [`Draft`] that the caller stored, `""` for a new one. In a folder, waits some 10 s for another
    /// writer to release the draft.
    ///
    /// Neither `id` nor `path` may have been those of another draft before.
    pub async fn draft(&self, id: &str, path: &str, length: Option<u64>, saved: &str) -> Result<Draft, Error> {
        let (backend, inner) = self.drafted(id, path)?;
        let known = Saved::parse(saved, path)?;
        let place = DraftTarget { id: id.into(), path: inner.into(), length };
        let inner = match backend {
            Backend::Folder(folder) => match FileDraft::open(folder, place, known).await? {
                OpenedDraft::Draft(draft) => DraftState::File(Box::new(draft)),
                OpenedDraft::Done(size) => DraftState::Done { path: path.into(), size },
            },
            Backend::Remote(remote) => match PartsDraft::open(remote, place, known).await? {
                OpenedDraft::Draft(draft) => DraftState::Parts(Box::new(draft)),
                OpenedDraft::Done(size) => DraftState::Done { path: path.into(), size },
            },
        };
        Ok(Draft(inner))
    }

    /// Opens the bytes of an unfinished draft that are written so far, under their final path. `None` if they cannot be
    /// read: an object store shows only complete objects.
    pub async fn staged(&self, draft: &Draft) -> Result<Option<Object>, Error> {
        match &draft.0 {
            DraftState::File(file) => file.staged(&self.shared).await.map(Some),
            DraftState::Parts(_) | DraftState::Done { .. } => Ok(None),
        }
    }

    /// File URL of the same bytes, for another program on this machine; `None` if they are not in a file.
    #[must_use]
    pub fn staged_url(&self, draft: &Draft) -> Option<String> {
        match &draft.0 {
            DraftState::File(file) => file_url(&file.staged_path()),
            DraftState::Parts(_) | DraftState::Done { .. } => None,
        }
    }

    /// Removes everything stored for the draft `id`; no error if there is no such draft. An object at `path` stays.
    pub async fn discard_draft(&self, id: &str, path: &str, saved: &str) -> Result<(), Error> {
        let (backend, inner) = self.drafted(id, path)?;
        let known = Saved::parse(saved, path)?;
        match backend {
            Backend::Folder(folder) => FileDraft::discard(folder, id).await,
            Backend::Remote(remote) => {
                let place = DraftTarget { id: id.into(), path: inner.into(), length: None };
                PartsDraft::discard(remote, &place, known).await
            }
        }
    }

    /// The store of the draft `id`, and `path` inside it; an error if one of them is not valid.
    fn drafted<'a>(&self, id: &str, path: &'a str) -> Result<(&Backend, &'a str), Error> {
        let found = self.first(path)?;
        if !is_draft_id(id) || !is_plain(path) {
            let why = "a draft has a plain name and a plain path".into();
            return Err(Error::ReadOnly { path: path.into(), why });
        }
        Ok(found)
    }
}

impl Draft {
    /// Bytes that survive a crash, according to the last returned text.
    #[must_use]
    pub fn durable(&self) -> u64 {
        match &self.0 {
            DraftState::File(draft) => draft.durable(),
            DraftState::Parts(draft) => draft.durable(),
            DraftState::Done { size, .. } => *size,
        }
    }

    /// Bytes that were accepted; those that are not durable are in memory, or may be lost with this machine.
    #[must_use]
    pub fn taken(&self) -> u64 {
        match &self.0 {
            DraftState::File(draft) => draft.taken(),
            DraftState::Parts(draft) => draft.taken(),
            DraftState::Done { size, .. } => *size,
        }
    }

    /// Confirms that the caller stored the last returned text: objects that only earlier texts name may be removed.
    pub fn kept(&mut self) {
        match &mut self.0 {
            DraftState::Parts(draft) => draft.kept(),
            DraftState::File(_) | DraftState::Done { .. } => {}
        }
    }

    /// Accepts the next bytes. `Some(saved)` if more bytes are durable than before: the caller stores that text, then
    /// reports [`durable`](Self::durable) to others, then confirms the text with [`kept`](Self::kept).
    pub async fn write(&mut self, bytes: Bytes) -> Result<Option<String>, Error> {
        match &mut self.0 {
            DraftState::File(draft) => draft.write(bytes).await,
            DraftState::Parts(draft) => draft.write(bytes).await,
            DraftState::Done { .. } if bytes.is_empty() => Ok(None),
            DraftState::Done { path, .. } => Err(Error::Exists { path: path.clone() }),
        }
    }

    /// Makes all accepted bytes durable; returns the text to store.
    pub async fn flush(&mut self) -> Result<String, Error> {
        match &mut self.0 {
            DraftState::File(draft) => draft.flush().await,
            DraftState::Parts(draft) => draft.flush().await,
            DraftState::Done { path, .. } => Err(Error::Exists { path: path.clone() }),
        }
    }

    /// Moves all accepted bytes to their final path, where everyone sees the object when this returns. Must follow a
    /// [`flush`](Self::flush) whose text was stored: after a crash in here, the draft can be opened with that text and
    /// finished again.
    pub async fn finish(self) -> Result<(), Error> {
        match self.0 {
            DraftState::File(draft) => draft.finish().await,
            DraftState::Parts(draft) => draft.finish().await,
            DraftState::Done { .. } => Ok(()),
        }
    }
}
