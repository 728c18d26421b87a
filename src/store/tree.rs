//! Stored objects by path: several stores mounted under prefixes, each with another behind it that holds the same.
//!
//! ```text
//! archive/film/v720.mp4 ─► the mount with the longest prefix, archive/ ─► film/v720.mp4 in its first store
//!                                                                          └─ away, or not there: in its second
//! ```
//! What is opened is the version that a listing told of, in the store that told of it.

use super::blocks::Blocks;
use super::error::Error;
use super::folder::{Folder, Following, below};
use super::listing::Listing;
use super::name::is_plain;
use super::object::Object;
use super::remote::{Address, Patience, Remote};
use super::shared::Shared;
use super::skills::Skills;
use super::spare::Spare;
use super::stamp::Stamp;
use super::stored::Stored;
use super::walk::{Part, Walk, Wanted};
use crate::cache::Ledger;
use crate::metrics::Metrics;
use object_store::ObjectStore;
use object_store::multipart::MultipartStore;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

/// Bytes of stored blocks that are kept where nothing else is said.
const BLOCKS: u64 = 64 << 20;

/// Objects by path. Clones are the same store.
#[derive(Debug, Clone)]
pub struct Store {
    pub(super) mounts: Arc<[Mount]>,
    pub(super) shared: Arc<Shared>,
}

/// Stores under one prefix.
#[derive(Debug)]
pub(super) struct Mount {
    /// `""` for the root, else a path.
    pub(super) prefix: String,
    /// The first, and those that hold the same.
    pub(super) backends: Vec<Backend>,
}

/// One store.
#[derive(Debug, Clone)]
pub(super) enum Backend {
    /// A folder of this machine.
    Folder(Folder),
    /// An object store.
    Remote(Arc<Remote>),
}

/// What is shown of a folder.
#[derive(Debug, Clone, Copy)]
enum View<'a> {
    /// All of it, unless it has more than so many media files.
    All { most: usize },
    /// What has this name, extensions apart.
    Named(&'a str),
}

impl Mount {
    /// Its stores in the order in which they are asked now: those that did not answer lately last.
    fn asked(&self) -> impl Iterator<Item = &Backend> {
        let away = |backend: &&Backend| backend.is_away();
        self.backends.iter().filter(move |each| !away(each)).chain(self.backends.iter().filter(away))
    }

    /// Whether one of its stores cannot be listed.
    fn is_blind(&self) -> bool {
        self.backends.iter().any(|backend| matches!(backend, Backend::Remote(remote) if !remote.lists()))
    }

    /// What `path` is called in its stores; `None` where it is none of it.
    fn inner<'a>(&self, path: &'a str) -> Option<&'a str> {
        let rest = path.strip_prefix(&self.prefix)?;
        match (self.prefix.is_empty(), rest.is_empty()) {
            (true, _) | (_, true) => Some(rest),
            (false, false) => rest.strip_prefix('/'),
        }
    }
}

impl Backend {
    fn is_away(&self) -> bool {
        match self {
            Self::Folder(_) => false,
            Self::Remote(remote) => remote.is_away(),
        }
    }

    /// Whether `stamp` tells of one of its objects.
    fn told(&self, stamp: Stamp) -> bool {
        match self {
            Self::Folder(_) => stamp.tag().is_none(),
            Self::Remote(remote) => stamp.tag().is_some_and(|(of, _)| of == remote.number()),
        }
    }

    async fn look(&self, folder: &str, view: View<'_>) -> Result<Listing, Error> {
        match (self, view) {
            (Self::Folder(root), View::All { most }) => root.list(folder, most).await,
            (Self::Folder(root), View::Named(stem)) => root.find(folder, stem).await,
            (Self::Remote(remote), View::All { .. }) => remote.list(folder).await,
            (Self::Remote(remote), View::Named(stem)) => remote.find(folder, stem).await,
        }
    }

    async fn walk(&self, before: &Arc<Part>, settle: Duration, wanted: &Wanted) -> Result<Part, Error> {
        match self {
            Self::Folder(root) => root.walk(before, settle, wanted).await,
            Self::Remote(remote) => remote.walk(wanted).await,
        }
    }

    async fn stat(&self, path: &str) -> Result<Stamp, Error> {
        match self {
            Self::Folder(root) => root.stat(path).await,
            Self::Remote(remote) => remote.head(path).await.map(|meta| remote.stamp(&meta)),
        }
    }

    async fn open(&self, path: &str, name: &str, shared: &Arc<Shared>) -> Result<Object, Error> {
        match self {
            Self::Folder(root) => root.open(path, name, shared).await,
            Self::Remote(remote) => {
                let meta = remote.meta(path).await?;
                let stored = Stored::new(name.into(), &meta, Arc::clone(remote), Arc::clone(shared));
                Ok(Object::stored(Arc::new(stored)))
            }
        }
    }

    async fn ping(&self) -> Result<(), Error> {
        match self {
            Self::Folder(root) => root.ping().await,
            Self::Remote(remote) => remote.ping().await,
        }
    }
}

impl Store {
    /// The folder at `path`, which must be there and readable. Waits for the disk: for the start of the program.
    pub fn open_folder(path: &Path) -> Result<Self, Error> {
        let backends = vec![Backend::Folder(Folder::new(path, Following::Within)?)];
        Ok(Self::of(vec![Mount { prefix: String::new(), backends }]))
    }

    /// All of an object store, with 64 MiB of its blocks kept.
    #[must_use]
    pub fn over(store: Arc<dyn ObjectStore>) -> Self {
        Self::over_all(vec![store], Patience::default(), BLOCKS)
    }

    /// All of an object store that takes objects in parts: drafts can be written to it.
    #[must_use]
    pub fn over_parts<T: ObjectStore + MultipartStore>(store: Arc<T>, patience: Patience) -> Self {
        let name = store.to_string();
        let address = Address { name, root: String::new(), number: 0, lists: true, patience };
        let skills = Skills { parts: Some(store.clone()), ..Skills::default() };
        let remote = Remote::new(store, address, Blocks::new(BLOCKS, Arc::default())).with(skills);
        Self::of(vec![Mount { prefix: String::new(), backends: vec![Backend::Remote(Arc::new(remote))] }])
    }

    /// Object stores that hold the same, the first asked first, with so many bytes of blocks kept of all together.
    #[must_use]
    pub fn over_all(stores: Vec<Arc<dyn ObjectStore>>, patience: Patience, blocks: u64) -> Self {
        let blocks = Blocks::new(blocks, Arc::default());
        let backends = (0..).zip(stores).map(|(number, store)| {
            let address = Address { name: store.to_string(), root: String::new(), number, lists: true, patience };
            Backend::Remote(Arc::new(Remote::new(store, address, Arc::clone(&blocks))))
        });
        Self::of(vec![Mount { prefix: String::new(), backends: backends.collect() }])
    }

    /// Mounts, the longest prefixes first.
    pub(super) fn of(mut mounts: Vec<Mount>) -> Self {
        mounts.sort_by_key(|mount| std::cmp::Reverse(mount.prefix.len()));
        Self { mounts: mounts.into(), shared: Arc::default() }
    }

    /// The same store; its objects that are opened from now on count their reads in `metrics`.
    #[must_use]
    pub fn with_metrics(self, metrics: Arc<Metrics>) -> Self {
        Self { shared: Arc::new(self.shared.with_metrics(metrics)), ..self }
    }

    /// Chunks that its objects are read into: whoever drops the last handle of one may give it here instead.
    #[must_use]
    pub fn spare(&self) -> &Arc<Spare> {
        &self.shared.spare
    }

    /// What its object stores' blocks are lent from; `None` where it has folders alone.
    #[must_use]
    pub fn ledger(&self) -> Option<&Arc<Ledger>> {
        self.remotes().next().map(|remote| remote.blocks().ledger())
    }

    /// Whether what is called `path` is in an object store: a look at it costs a request.
    #[must_use]
    pub fn is_remote(&self, path: &str) -> bool {
        let first = self.mount(path).and_then(|(mount, _)| mount.backends.first());
        matches!(first, Some(Backend::Remote(_)))
    }

    /// Whether what is called `path` is in a store that cannot be listed: what is there has to be [asked
    /// for](Self::seek) by name.
    #[must_use]
    pub fn is_blind(&self, path: &str) -> bool {
        self.mount(path).is_some_and(|(mount, _)| mount.is_blind())
    }

    /// Whether what is called `path` is held by a second store too.
    #[must_use]
    pub fn has_second(&self, path: &str) -> bool {
        self.mount(path).is_some_and(|(mount, _)| mount.backends.len() > 1)
    }

    /// What `folder` holds; [large](Listing::is_large) where a folder of this machine has more than `most` media files,
    /// or any folder more than a thousand names.
    pub async fn list(&self, folder: &str, most: usize) -> Result<Listing, Error> {
        let known = folder.is_empty() || is_plain(folder);
        let found = if known { self.look(folder, View::All { most }).await } else { Err(absent(folder)) };
        self.with_mounts(folder, found)
    }

    /// The media files in `folder` that are called `stem` without their extensions, and the folder of that name,
    /// whatever else the folder holds.
    pub async fn find(&self, folder: &str, stem: &str) -> Result<Listing, Error> {
        let known = is_plain(&below(folder, stem));
        let found = if known { self.look(folder, View::Named(stem)).await } else { Err(absent(folder)) };
        let mut found = self.with_mounts(folder, found)?;
        found.folders.retain(|name| name == stem);
        Ok(found)
    }

    /// What the first store that answers shows of `folder`.
    async fn look(&self, folder: &str, view: View<'_>) -> Result<Listing, Error> {
        let Some((mount, inner)) = self.mount(folder) else { return Err(absent(folder)) };
        let mut failed = Failed::default();
        for backend in mount.asked() {
            match backend.look(inner, view).await {
                Ok(found) => return Ok(found),
                Err(error) => failed.add(error),
            }
        }
        Err(failed.error(folder))
    }

    /// The names in all folders, but for those of stores that cannot be listed, given what the walk `before` found; new
    /// files count once nothing was written to them for `settle`. An error once it is no longer `wanted`.
    pub async fn walk(&self, before: Walk, settle: Duration, wanted: Wanted) -> Result<Walk, Error> {
        let mut walk = Walk::default();
        for mount in self.mounts.iter().filter(|mount| !mount.is_blind()) {
            let known = before.parts.get(&mount.prefix).cloned().unwrap_or_default();
            let mut part = self.walk_mount(mount, &known, settle, &wanted).await?;
            // What another mount stands over is not seen.
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
        before: &Arc<Part>,
        settle: Duration,
        wanted: &Wanted,
    ) -> Result<Part, Error> {
        let mut failed = Failed::default();
        for backend in mount.asked() {
            match backend.walk(before, settle, wanted).await {
                Ok(part) => return Ok(part),
                Err(error @ Error::Abandoned { .. }) => return Err(error),
                Err(error) => failed.add(error),
            }
        }
        Err(failed.error(&mount.prefix))
    }

    /// Which version of the object at `path` is stored.
    pub async fn stat(&self, path: &str) -> Result<Stamp, Error> {
        let (mount, inner) = self.object(path)?;
        let mut failed = Failed::default();
        for backend in mount.asked() {
            match backend.stat(inner).await {
                Ok(stamp) => return Ok(stamp),
                Err(error) => failed.add(error),
            }
        }
        Err(failed.error(path))
    }

    /// The same, `None` where there is no such object.
    pub async fn seek(&self, path: &str) -> Result<Option<Stamp>, Error> {
        let (mount, inner) = self.object(path)?;
        let mut failed = Failed::default();
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

    /// The object at `path`, of whatever version there is.
    pub async fn open(&self, path: &str) -> Result<Object, Error> {
        let (mount, inner) = self.object(path)?;
        let mut failed = Failed::default();
        for backend in mount.asked() {
            match backend.open(inner, path, &self.shared).await {
                Ok(object) => return Ok(object),
                Err(error) => failed.add(error),
            }
        }
        Err(failed.error(path))
    }

    /// The object at `path` in the store that told of `stamp`; perhaps another version by now.
    pub async fn open_as(&self, path: &str, stamp: Stamp) -> Result<Object, Error> {
        let (mount, inner) = self.object(path)?;
        let mut failed = Failed::default();
        for backend in mount.backends.iter().filter(|backend| backend.told(stamp)) {
            match backend.open(inner, path, &self.shared).await {
                Ok(object) if object.stamp() == stamp => return Ok(object),
                Ok(_) => failed.add(Error::Changed { path: path.into() }),
                Err(error) => failed.add(error),
            }
        }
        Err(failed.error(path))
    }

    /// Whether every mount answers; by its second store where the first is away.
    pub async fn ping(&self) -> Result<(), Error> {
        for mount in self.mounts.iter() {
            let (mut failed, mut answered) = (Failed::default(), false);
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

    /// The mount that `path` is in, and what it is called there.
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

    /// With the folders that mounts below `folder` add; where there are any, the folder is there.
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

/// Why none of several stores had it: what failed says more than that something is not there.
#[derive(Debug, Default)]
struct Failed(Option<Error>);

impl Failed {
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
