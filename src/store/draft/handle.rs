//! A draft, wherever its store is.

use super::file::{FileDraft, Place};
use super::parts::PartsDraft;
use super::saved::Saved;
use crate::store::Store;
use crate::store::error::Error;
use crate::store::name::{is_draft_id, is_plain};
use crate::store::object::Object;
use crate::store::tree::Backend;
use crate::store::writing::file_url;
use bytes::Bytes;

/// An object that is written piece by piece over any time, by one writer after another, and appears whole or not at all.
///
/// After an error, what [`taken`](Self::taken) says was taken; the same may be tried again from there, or the draft be
/// dropped and opened again with the last text that was saved, which forgets all behind it.
#[derive(Debug)]
pub struct Draft(Inner);

#[derive(Debug)]
enum Inner {
    File(Box<FileDraft>),
    Parts(Box<PartsDraft>),
    /// It is at its path, with so many bytes.
    Done {
        path: String,
        size: u64,
    },
}

/// What opening comes to.
pub(super) enum Opened<T> {
    /// It goes on.
    Draft(T),
    /// It is at its path, with so many bytes.
    Done(u64),
}

impl Store {
    /// The draft `id` of what will be at `path`, of `length` bytes where that is known, behind what `saved` says: the
    /// last text that a [`Draft`] gave and its caller keeps, `""` for a new one. Another writer of it in a folder is
    /// waited for, some 10 s.
    ///
    /// Neither `id` nor `path` may have been those of another draft before.
    pub async fn draft(&self, id: &str, path: &str, length: Option<u64>, saved: &str) -> Result<Draft, Error> {
        let (backend, inner) = self.drafted(id, path)?;
        let known = Saved::parse(saved, path)?;
        let place = Place { id: id.into(), path: inner.into(), length };
        let inner = match backend {
            Backend::Folder(folder) => match FileDraft::open(folder, place, known).await? {
                Opened::Draft(draft) => Inner::File(Box::new(draft)),
                Opened::Done(size) => Inner::Done { path: path.into(), size },
            },
            Backend::Remote(remote) => match PartsDraft::open(remote, place, known).await? {
                Opened::Draft(draft) => Inner::Parts(Box::new(draft)),
                Opened::Done(size) => Inner::Done { path: path.into(), size },
            },
        };
        Ok(Draft(inner))
    }

    /// The bytes of a draft that are written already, before they are in their place, under the path that they will have.
    /// `None` where they cannot be read there: an object store shows an object when it is whole.
    pub async fn staged(&self, draft: &Draft) -> Result<Option<Object>, Error> {
        match &draft.0 {
            Inner::File(file) => file.staged(&self.shared).await.map(Some),
            Inner::Parts(_) | Inner::Done { .. } => Ok(None),
        }
    }

    /// The URL of the same bytes, for another program of this machine.
    #[must_use]
    pub fn staged_url(&self, draft: &Draft) -> Option<String> {
        match &draft.0 {
            Inner::File(file) => file_url(&file.staged_path()),
            Inner::Parts(_) | Inner::Done { .. } => None,
        }
    }

    /// Removes all that is stored of the draft `id`: one that is not there is no error. What is at `path` stays.
    pub async fn discard_draft(&self, id: &str, path: &str, saved: &str) -> Result<(), Error> {
        let (backend, inner) = self.drafted(id, path)?;
        let known = Saved::parse(saved, path)?;
        match backend {
            Backend::Folder(folder) => FileDraft::discard(folder, id).await,
            Backend::Remote(remote) => {
                let place = Place { id: id.into(), path: inner.into(), length: None };
                PartsDraft::discard(remote, &place, known).await
            }
        }
    }

    /// Where the draft `id` of `path` is.
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
    /// Bytes that outlast a crash, as the last text says that was given.
    #[must_use]
    pub fn durable(&self) -> u64 {
        match &self.0 {
            Inner::File(draft) => draft.durable(),
            Inner::Parts(draft) => draft.durable(),
            Inner::Done { size, .. } => *size,
        }
    }

    /// Bytes that were taken; those that are not durable are in memory, or may be lost with this machine.
    #[must_use]
    pub fn taken(&self) -> u64 {
        match &self.0 {
            Inner::File(draft) => draft.taken(),
            Inner::Parts(draft) => draft.taken(),
            Inner::Done { size, .. } => *size,
        }
    }

    /// The text that was given last is where its caller keeps it: what only earlier ones named may be removed.
    pub fn kept(&mut self) {
        match &mut self.0 {
            Inner::Parts(draft) => draft.kept(),
            Inner::File(_) | Inner::Done { .. } => {}
        }
    }

    /// Takes the next bytes. `Some(saved)` when more are durable than before: the caller keeps that text, then tells
    /// others of [`durable`](Self::durable), then says that it is [`kept`](Self::kept).
    pub async fn write(&mut self, bytes: Bytes) -> Result<Option<String>, Error> {
        match &mut self.0 {
            Inner::File(draft) => draft.write(bytes).await,
            Inner::Parts(draft) => draft.write(bytes).await,
            Inner::Done { .. } if bytes.is_empty() => Ok(None),
            Inner::Done { path, .. } => Err(Error::Exists { path: path.clone() }),
        }
    }

    /// Makes everything that was taken durable: the text to be kept.
    pub async fn flush(&mut self) -> Result<String, Error> {
        match &mut self.0 {
            Inner::File(draft) => draft.flush().await,
            Inner::Parts(draft) => draft.flush().await,
            Inner::Done { path, .. } => Err(Error::Exists { path: path.clone() }),
        }
    }

    /// Puts all that was taken at its path, where everyone sees it when this returns. Must follow a
    /// [`flush`](Self::flush) whose text is kept: whoever opens the draft with it after a crash in here may finish it
    /// again.
    pub async fn finish(self) -> Result<(), Error> {
        match self.0 {
            Inner::File(draft) => draft.finish().await,
            Inner::Parts(draft) => draft.finish().await,
            Inner::Done { .. } => Ok(()),
        }
    }
}
