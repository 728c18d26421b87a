//! [`Backend`]: one store, whether a local folder or an object store.

use super::context::StoreContext;
use super::error::Error;
use super::listing::Listing;
use super::local::LocalFolder;
use super::object::Object;
use super::remote::{Remote, StoredObject};
use super::stamp::Stamp;
use super::walk::{StillWanted, StoreFolders};
use std::sync::Arc;
use std::time::Duration;

/// One store.
#[derive(Debug, Clone)]
pub(super) enum Backend {
    /// A local folder.
    Folder(LocalFolder),
    /// An object store.
    Remote(Arc<Remote>),
}

/// Which entries of a folder to list.
#[derive(Debug, Clone, Copy)]
pub(super) enum FolderFilter<'a> {
    /// All entries, unless it has more than `most` media files.
    All { most: usize },
    /// Entries of this name, extensions ignored.
    Named(&'a str),
}

impl Backend {
    pub(super) fn is_away(&self) -> bool {
        match self {
            Self::Folder(_) => false,
            Self::Remote(remote) => remote.is_away(),
        }
    }

    /// Whether `stamp` is of one of its objects.
    pub(super) fn owns(&self, stamp: Stamp) -> bool {
        match self {
            Self::Folder(_) => stamp.tag().is_none(),
            Self::Remote(remote) => stamp.tag().is_some_and(|(of, _)| of == remote.number()),
        }
    }

    pub(super) async fn read_listing(&self, folder: &str, view: FolderFilter<'_>) -> Result<Listing, Error> {
        match (self, view) {
            (Self::Folder(root), FolderFilter::All { most }) => root.list(folder, most).await,
            (Self::Folder(root), FolderFilter::Named(stem)) => root.find(folder, stem).await,
            (Self::Remote(remote), FolderFilter::All { .. }) => remote.list(folder).await,
            (Self::Remote(remote), FolderFilter::Named(stem)) => remote.find(folder, stem).await,
        }
    }

    pub(super) async fn walk(
        &self,
        before: &Arc<StoreFolders>,
        settle: Duration,
        wanted: &StillWanted,
    ) -> Result<StoreFolders, Error> {
        match self {
            Self::Folder(root) => root.walk(before, settle, wanted).await,
            Self::Remote(remote) => remote.walk(wanted).await,
        }
    }

    pub(super) async fn stat(&self, path: &str) -> Result<Stamp, Error> {
        match self {
            Self::Folder(root) => root.stat(path).await,
            Self::Remote(remote) => remote.head(path).await.map(|meta| remote.stamp(&meta)),
        }
    }

    pub(super) async fn open(&self, path: &str, name: &str, shared: &Arc<StoreContext>) -> Result<Object, Error> {
        match self {
            Self::Folder(root) => root.open(path, name, shared).await.map(Object::file),
            Self::Remote(remote) => {
                let meta = remote.meta(path).await?;
                let stored = StoredObject::new(name.into(), &meta, Arc::clone(remote), Arc::clone(shared));
                Ok(Object::stored(Arc::new(stored)))
            }
        }
    }

    pub(super) async fn ping(&self) -> Result<(), Error> {
        match self {
            Self::Folder(root) => root.ping().await,
            Self::Remote(remote) => remote.ping().await,
        }
    }
}
