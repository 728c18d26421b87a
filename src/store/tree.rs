//! [`Store`]: finds stored objects by path. Several stores are mounted under prefixes, and each may have a second store
//! behind it with the same content.
//!
//! ```text
//! archive/film/v720.mp4 ─► the mount with the longest prefix, archive/ ─► film/v720.mp4 in its first store
//!                                                                          └─ if away or missing: in its second
//! ```
//! An object is opened in the store whose listing reported it, as the version that was listed.

use super::backend::{Backend, FolderFilter};
use super::context::StoreContext;
use super::error::Error;
use super::listing::Listing;
use super::local::{LinkPolicy, LocalFolder};
use super::name::{below, is_plain};
use super::object::Object;
use super::remote::Blocks;
use super::remote::Capabilities;
use super::remote::{Remote, RemoteSettings, RemoteTimeouts};
use super::spare::ChunkPool;
use super::stamp::Stamp;
use super::walk::{StillWanted, StoreFolders, Walk};
use crate::cache::Ledger;
use crate::metrics::Metrics;
use object_store::ObjectStore;
use object_store::multipart::MultipartStore;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

/// Default size of the cache of blocks, in bytes.
const BLOCKS: u64 = 64 << 20;

/// Finds objects by path. Clones share the same stores.
#[derive(Debug, Clone)]
pub struct Store {
    pub(super) mounts: Arc<[Mount]>,
    pub(super) shared: Arc<StoreContext>,
}

/// Stores under one prefix.
#[derive(Debug)]
pub(super) struct Mount {
    /// `""` for the root, else a path.
    pub(super) prefix: String,
    /// The first store, and those with the same content.
    pub(super) backends: Vec<Backend>,
}

impl Mount {
    /// Its stores in the order in which to try them: those that failed to answer recently come last.
    fn asked(&self) -> impl Iterator<Item = &Backend> {
        let away = |backend: &&Backend| backend.is_away();
        self.backends.iter().filter(move |each| !away(each)).chain(self.backends.iter().filter(away))
    }

    /// Whether one of its stores cannot be listed.
    fn is_blind(&self) -> bool {
        self.backends.iter().any(|backend| matches!(backend, Backend::Remote(remote) if !remote.lists()))
    }

    /// The path inside its stores; `None` if `path` is not under its prefix.
    fn inner<'a>(&self, path: &'a str) -> Option<&'a str> {
        let rest = path.strip_prefix(&self.prefix)?;
        match (self.prefix.is_empty(), rest.is_empty()) {
            (true, _) | (_, true) => Some(rest),
            (false, false) => rest.strip_prefix('/'),
        }
    }
}

impl Store {
    /// A store over the folder at `path`; an error unless it exists and is readable. Blocks on the disk, so call it
    /// only at program start.
    pub fn open_folder(path: &Path) -> Result<Self, Error> {
        let backends = vec![Backend::Folder(LocalFolder::new(path, LinkPolicy::Within)?)];
        Ok(Self::of(vec![Mount { prefix: String::new(), backends }]))
    }

    /// A store over a whole object store, with a cache of 64 MiB for its blocks.
    #[must_use]
    pub fn over(store: Arc<dyn ObjectStore>) -> Self {
        Self::over_all(vec![store], RemoteTimeouts::default(), BLOCKS)
    }

    /// A store over a whole object store with multipart uploads, so that drafts can be written to it.
    #[must_use]
    pub fn over_parts<T: ObjectStore + MultipartStore>(store: Arc<T>, patience: RemoteTimeouts) -> Self {
        let name = store.to_string();
        let address = RemoteSettings { name, root: String::new(), number: 0, lists: true, patience };
        let skills = Capabilities { parts: Some(store.clone()), ..Capabilities::default() };
        let remote = Remote::new(store, address, Blocks::new(BLOCKS, Arc::default())).with(skills);
        Self::of(vec![Mount { prefix: String::new(), backends: vec![Backend::Remote(Arc::new(remote))] }])
    }

    /// A store over object stores with the same content, the first tried first. Their blocks share a cache of `blocks`
    /// bytes.
    #[must_use]
    pub fn over_all(stores: Vec<Arc<dyn ObjectStore>>, patience: RemoteTimeouts, blocks: u64) -> Self {
        let blocks = Blocks::new(blocks, Arc::default());
        let backends = (0..).zip(stores).map(|(number, store)| {
            let address =
                RemoteSettings { name: store.to_string(), root: String::new(), number, lists: true, patience };
            Backend::Remote(Arc::new(Remote::new(store, address, Arc::clone(&blocks))))
        });
        Self::of(vec![Mount { prefix: String::new(), backends: backends.collect() }])
    }

    /// A store over `mounts`; tries the longest prefixes first.
    pub(super) fn of(mut mounts: Vec<Mount>) -> Self {
        mounts.sort_by_key(|mount| std::cmp::Reverse(mount.prefix.len()));
        Self { mounts: mounts.into(), shared: Arc::default() }
    }

    /// The same store; objects opened through it count their reads in `metrics`.
    #[must_use]
    pub fn with_metrics(self, metrics: Arc<Metrics>) -> Self {
        Self { shared: Arc::new(self.shared.with_metrics(metrics)), ..self }
    }

    /// Pool of the chunks that its objects are read into. Give a chunk back here instead of dropping its last handle.
    #[must_use]
    pub fn spare(&self) -> &Arc<ChunkPool> {
        &self.shared.spare
    }

    /// The ledger from which the blocks of its object stores are borrowed; `None` if all its stores are folders.
    #[must_use]
    pub fn ledger(&self) -> Option<&Arc<Ledger>> {
        self.remotes().next().map(|remote| remote.blocks().ledger())
    }

    /// Whether `path` is in an object store, where every lookup costs a request.
    #[must_use]
    pub fn is_remote(&self, path: &str) -> bool {
        let first = self.mount(path).and_then(|(mount, _)| mount.backends.first());
        matches!(first, Some(Backend::Remote(_)))
    }

    /// Whether `path` is in a store that cannot be listed, so that objects must be [looked up](Self::seek) by name.
    #[must_use]
    pub fn is_blind(&self, path: &str) -> bool {
        self.mount(path).is_some_and(|(mount, _)| mount.is_blind())
    }

    /// Whether `path` is also in a second store.
    #[must_use]
    pub fn has_second(&self, path: &str) -> bool {
        self.mount(path).is_some_and(|(mount, _)| mount.backends.len() > 1)
    }

    /// Lists `folder`. The listing is [large](Listing::is_large) if a local folder has more than `most` media files, or
    /// any folder more than a thousand names.
    pub async fn list(&self, folder: &str, most: usize) -> Result<Listing, Error> {
        let known = folder.is_empty() || is_plain(folder);
        let found =
            if known { self.read_listing(folder, FolderFilter::All { most }).await } else { Err(absent(folder)) };
        self.with_mounts(folder, found)
    }

    /// Finds the media files in `folder` whose name without extension is `stem`, and the folder of that name, however
    /// many other entries the folder has.
    pub async fn find(&self, folder: &str, stem: &str) -> Result<Listing, Error> {
        let known = is_plain(&below(folder, stem));
        let found =
            if known { self.read_listing(folder, FolderFilter::Named(stem)).await } else { Err(absent(folder)) };
        let mut found = self.with_mounts(folder, found)?;
        found.folders.retain(|name| name == stem);
        Ok(found)
    }

    /// Lists `folder` in the first store that answers.
    async fn read_listing(&self, folder: &str, view: FolderFilter<'_>) -> Result<Listing, Error> {
        let Some((mount, inner)) = self.mount(folder) else { return Err(absent(folder)) };
        let mut failed = FirstFailure::default();
        for backend in mount.asked() {
            match backend.read_listing(inner, view).await {
                Ok(found) => return Ok(found),
                Err(error) => failed.add(error),
            }
        }
        Err(failed.error(folder))
    }

    /// Lists the names in all folders, except in stores that cannot be listed; `before` is the last walk. A new file is
    /// included once it has not been written to for `settle`. An error as soon as the walk is no longer `wanted`.
    pub async fn walk(&self, before: Walk, settle: Duration, wanted: StillWanted) -> Result<Walk, Error> {
        let mut walk = Walk::default();
        for mount in self.mounts.iter().filter(|mount| !mount.is_blind()) {
            let known = before.parts.get(&mount.prefix).cloned().unwrap_or_default();
            let mut part = self.walk_mount(mount, &known, settle, &wanted).await?;
            // Leave out folders that another mount covers.
            part.retain(|folder| {
                self.mount(&below(&mount.prefix, folder)).is_some_and(|(of, _)| of.prefix == mount.prefix)
            });
            walk.parts.insert(mount.prefix.clone(), Arc::new(part));
        }
        Ok(walk)
    }

    async fn walk_mount(
        &self,
        mount: &Mount,
        before: &Arc<StoreFolders>,
        settle: Duration,
        wanted: &StillWanted,
    ) -> Result<StoreFolders, Error> {
        let mut failed = FirstFailure::default();
        for backend in mount.asked() {
            match backend.walk(before, settle, wanted).await {
                Ok(part) => return Ok(part),
                Err(error @ Error::Abandoned { .. }) => return Err(error),
                Err(error) => failed.add(error),
            }
        }
        Err(failed.error(&mount.prefix))
    }

    /// Stamp of the object at `path`.
    pub async fn stat(&self, path: &str) -> Result<Stamp, Error> {
        let (mount, inner) = self.object(path)?;
        let mut failed = FirstFailure::default();
        for backend in mount.asked() {
            match backend.stat(inner).await {
                Ok(stamp) => return Ok(stamp),
                Err(error) => failed.add(error),
            }
        }
        Err(failed.error(path))
    }

    /// Stamp of the object at `path`; `None` if there is no such object.
    pub async fn seek(&self, path: &str) -> Result<Option<Stamp>, Error> {
        let (mount, inner) = self.object(path)?;
        let mut failed = FirstFailure::default();
        for backend in mount.asked() {
            let sought = match backend {
                Backend::Remote(remote) => remote.seek(inner).await,
                Backend::Folder(_) => backend.stat(inner).await.map(Some),
            };
            match sought {
                Ok(Some(stamp)) => return Ok(Some(stamp)),
                Ok(None) | Err(Error::NotFound { .. } | Error::NotAFile { .. }) => {}
                Err(error) => failed.add(error),
            }
        }
        failed.0.map_or(Ok(None), Err)
    }

    /// Opens the current version of the object at `path`.
    pub async fn open(&self, path: &str) -> Result<Object, Error> {
        let (mount, inner) = self.object(path)?;
        let mut failed = FirstFailure::default();
        for backend in mount.asked() {
            match backend.open(inner, path, &self.shared).await {
                Ok(object) => return Ok(object),
                Err(error) => failed.add(error),
            }
        }
        Err(failed.error(path))
    }

    /// Opens the object at `path` in the store that `stamp` is from; [`Error::Changed`] if it is another version by
    /// now.
    pub async fn open_as(&self, path: &str, stamp: Stamp) -> Result<Object, Error> {
        let (mount, inner) = self.object(path)?;
        let mut failed = FirstFailure::default();
        for backend in mount.backends.iter().filter(|backend| backend.owns(stamp)) {
            match backend.open(inner, path, &self.shared).await {
                Ok(object) if object.stamp() == stamp => return Ok(object),
                Ok(_) => failed.add(Error::Changed { path: path.into() }),
                Err(error) => failed.add(error),
            }
        }
        Err(failed.error(path))
    }

    /// Checks that every mount answers, if need be through its second store.
    pub async fn ping(&self) -> Result<(), Error> {
        for mount in self.mounts.iter() {
            let (mut failed, mut answered) = (FirstFailure::default(), false);
            for backend in mount.asked() {
                match backend.ping().await {
                    Ok(()) => {
                        answered = true;
                        break;
                    }
                    Err(error) => failed.add(error),
                }
            }
            if !answered {
                return Err(failed.error(&mount.prefix));
            }
        }
        Ok(())
    }

    fn remotes(&self) -> impl Iterator<Item = &Arc<Remote>> {
        self.mounts.iter().flat_map(|mount| &mount.backends).filter_map(|backend| match backend {
            Backend::Folder(_) => None,
            Backend::Remote(remote) => Some(remote),
        })
    }

    /// The mount that `path` is in, and the path inside it.
    pub(super) fn mount<'a>(&self, path: &'a str) -> Option<(&Mount, &'a str)> {
        self.mounts.iter().find_map(|mount| Some((mount, mount.inner(path)?)))
    }

    fn object<'a>(&self, path: &'a str) -> Result<(&Mount, &'a str), Error> {
        if path.is_empty() {
            return Err(Error::NotAFile { path: path.into() });
        }
        let found = self.mount(path).filter(|(_, inner)| is_plain(path) && !inner.is_empty());
        found.ok_or_else(|| absent(path))
    }

    /// Adds the folders of mounts below `folder` to the listing. If there are any, `folder` exists in any case.
    fn with_mounts(&self, folder: &str, found: Result<Listing, Error>) -> Result<Listing, Error> {
        let below = self.mounts.iter().filter_map(|mount| {
            let rest = mount.prefix.strip_prefix(folder)?;
            let rest = if folder.is_empty() { Some(rest) } else { rest.strip_prefix('/') };
            rest.and_then(|rest| rest.split('/').next()).filter(|name| !name.is_empty()).map(str::to_owned)
        });
        let below: Vec<String> = below.collect();
        let mut listing = match found {
            Err(Error::NotFound { .. }) if !below.is_empty() => Listing::default(),
            found => found?,
        };
        listing.folders.extend(below);
        Ok(listing.sorted())
    }
}

fn absent(path: &str) -> Error {
    Error::NotFound { path: path.into() }
}

/// Collects why none of several stores had an object: any other failure takes precedence over a missing object.
#[derive(Debug, Default)]
struct FirstFailure(Option<Error>);

impl FirstFailure {
    fn add(&mut self, error: Error) {
        let missing = matches!(self.0, None | Some(Error::NotFound { .. }));
        if missing {
            self.0 = Some(error);
        }
    }

    fn error(self, path: &str) -> Error {
        self.0.unwrap_or_else(|| absent(path))
    }
}
