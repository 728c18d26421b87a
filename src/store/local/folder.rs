//! [`LocalFolder`]: the interface to a local folder. All disk access runs in the blocking pool.

use super::open_file::OpenFile;
use super::root::{LinkPolicy, Root};
use super::walker::Walker;
use crate::store::context::StoreContext;
use crate::store::error::Error;
use crate::store::listing::Listing;
use crate::store::stamp::Stamp;
use crate::store::walk::{StillWanted, StoreFolders};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

/// A local folder. Clones share it.
#[derive(Debug, Clone)]
pub(in crate::store) struct LocalFolder {
    root: Arc<Root>,
}

impl LocalFolder {
    /// Opens the folder at `path`; an error unless it exists and is readable. Blocks on the disk, so call it only at
    /// program start.
    pub(in crate::store) fn new(path: &Path, following: LinkPolicy) -> Result<Self, Error> {
        let fail = |error| Error::from_io(&path.to_string_lossy(), error);
        Ok(Self { root: Arc::new(Root::new(path, following).map_err(fail)?) })
    }

    /// Lists `folder`. The listing is marked as large if there are more than `most` media files or a thousand names.
    pub(in crate::store) async fn list(&self, folder: &str, most: usize) -> Result<Listing, Error> {
        self.in_pool(folder, move |root, folder| root.list(folder, most)).await
    }

    /// Finds the media files in `folder` whose name without extension is `stem`, and the folder of that name.
    pub(in crate::store) async fn find(&self, folder: &str, stem: &str) -> Result<Listing, Error> {
        let stem = stem.to_owned();
        self.in_pool(folder, move |root, folder| root.find(folder, &stem)).await
    }

    /// Checks that the root folder can be read.
    pub(in crate::store) async fn ping(&self) -> Result<(), Error> {
        self.in_pool("", |root, _| root.check()).await
    }

    /// Lists the names in all folders; `before` is the result of the last walk.
    pub(in crate::store) async fn walk(
        &self,
        before: &Arc<StoreFolders>,
        settle: Duration,
        wanted: &StillWanted,
    ) -> Result<StoreFolders, Error> {
        let (before, wanted) = (Arc::clone(before), Arc::clone(wanted));
        self.in_pool("", move |root, _| Walker { root, before: &before, settle, wanted: &wanted }.walk()).await
    }

    /// Stamp of the file at `path`.
    pub(in crate::store) async fn stat(&self, path: &str) -> Result<Stamp, Error> {
        self.in_pool(path, Root::stat).await
    }

    /// Opens the file at `path`; which reports `name` as its path.
    pub(in crate::store) async fn open(
        &self,
        path: &str,
        name: &str,
        shared: &Arc<StoreContext>,
    ) -> Result<OpenFile, Error> {
        let (name, shared) = (name.to_owned(), Arc::clone(shared));
        self.in_pool(path, move |root, path| root.open(path, &name, shared)).await
    }

    /// Runs `work` with the root folder and `path` in the blocking pool.
    pub(in crate::store) async fn on_disk<T: Send + 'static>(
        &self,
        path: &str,
        work: impl FnOnce(&Path, &str) -> Result<T, Error> + Send + 'static,
    ) -> Result<T, Error> {
        self.in_pool(path, move |root, path| work(root.path(), path)).await
    }

    /// Path of the root folder.
    pub(in crate::store) fn root(&self) -> &Path {
        self.root.path()
    }

    async fn in_pool<T: Send + 'static>(
        &self,
        path: &str,
        work: impl FnOnce(&Root, &str) -> Result<T, Error> + Send + 'static,
    ) -> Result<T, Error> {
        let (root, asked) = (Arc::clone(&self.root), path.to_owned());
        let done = tokio::task::spawn_blocking(move || work(&root, &asked));
        done.await.unwrap_or_else(|_| Err(Error::Abandoned { path: path.into() }))
    }
}
