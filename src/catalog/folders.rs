//! Lists folders and decides whether each is one asset. All assets of a folder share its listing.

use super::error::{Error, Reason};
use super::ladder::{FileTraits, LADDER_LIMIT, Ladder, LooseReason};
use super::movies::Movies;
use super::settle::{Believed, Clocks, UnsettledFile, is_held};
use super::shape::{FolderContents, FolderShape, below, resolve};
use crate::cache::SingleFlight;
use crate::media::{AssetId, ByteRange, DESCRIPTOR, Descriptor};
use crate::store::{Listing, Stamp, Store};
use futures_util::StreamExt;
use futures_util::stream;
use moka::policy::EvictionPolicy;
use std::sync::Arc;
use std::time::{Duration, SystemTime};
use tokio::time::Instant;

/// Largest `asset.json` in bytes.
const DESCRIPTOR_LIMIT: u64 = 1 << 20;

/// Most names in all cached listings.
const NAMES_LIMIT: u64 = 1 << 18;

/// How long lists of names rely on a cached listing.
const JUDGED: Duration = Duration::from_mins(1);

/// Most files that are read concurrently.
const AT_ONCE: usize = 4;

/// A folder with its contents and its shape.
#[derive(Debug)]
pub(super) struct Folder {
    path: String,
    /// Its contents; of its media files only the complete ones.
    listing: Listing,
    shape: FolderShape,
    /// Whether its shape stays valid as long as the listing does: not if a file was being written while it was read.
    settled: bool,
}

impl Folder {
    /// Whether it holds more than a listing reads, so that its files are looked up by their names.
    pub(super) const fn is_large(&self) -> bool {
        self.listing.is_large
    }

    /// Whether its `asset.json` lists no renditions.
    pub(super) fn is_deleted(&self) -> bool {
        self.shape.is_empty()
    }

    /// Whether it contains a folder called `name`.
    pub(super) fn has_folder(&self, name: &str) -> bool {
        self.listing.folders.binary_search_by(|folder| folder.as_str().cmp(name)).is_ok()
    }
}

/// State of a folder at one moment.
#[derive(Debug, Clone)]
pub(super) struct FolderSnapshot {
    /// The folder; the same one as long as nothing changes.
    pub(super) folder: Arc<Folder>,
    /// Its files that are being written.
    pub(super) held: Arc<[UnsettledFile]>,
    /// When it was listed.
    pub(super) at: Instant,
}

impl FolderSnapshot {
    /// The folder as input for [`resolve`].
    pub(super) fn place(&self) -> FolderContents<'_> {
        let Folder { path, listing, shape, .. } = &*self.folder;
        FolderContents { path, media: &listing.media, held: &self.held, shape }
    }

    fn believed(&self) -> Believed {
        Believed { media: self.folder.listing.media.clone(), held: self.held.to_vec() }
    }
}

/// Key of a cached listing: a folder, or in a large folder only the entries called `name`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct LookKey {
    folder: String,
    name: Option<String>,
}

/// Cached listings of folders, by path.
#[derive(Debug, Clone)]
pub(super) struct Folders {
    store: Store,
    movies: Arc<Movies>,
    /// How long a file must be unmodified to count as complete.
    settle: Duration,
    kept: moka::future::Cache<LookKey, FolderSnapshot>,
    makers: SingleFlight<LookKey, Result<FolderSnapshot, Error>>,
}

impl Folders {
    pub(super) fn new(store: Store, movies: Arc<Movies>, settle: Duration) -> Self {
        let weigh = |_: &LookKey, look: &FolderSnapshot| {
            let listing = &look.folder.listing;
            let names = listing.media.len().saturating_add(listing.folders.len()).saturating_add(look.held.len());
            u32::try_from(names).unwrap_or(u32::MAX).saturating_add(1)
        };
        let kept = moka::future::Cache::builder()
            .max_capacity(NAMES_LIMIT)
            .weigher(weigh)
            .eviction_policy(EvictionPolicy::lru())
            .build();
        Self { store, movies, settle, kept, makers: SingleFlight::default() }
    }

    pub(super) const fn store(&self) -> &Store {
        &self.store
    }

    /// Lists the folder at `path`, unless a listing no older than `age` is cached. All concurrent callers share one
    /// listing.
    pub(super) async fn list(&self, path: &str, age: Duration) -> Result<FolderSnapshot, Error> {
        let key = LookKey { folder: path.into(), name: None };
        if let Some(look) = self.kept_within(&key, age).await {
            return Ok(look);
        }
        let (folders, asked) = (self.clone(), key.clone());
        self.makers.start(key, async move { folders.look_now(asked).await }).made().await?
    }

    /// The entries called `name` in the large folder `parent`, without its other files.
    pub(super) async fn look_up(
        &self,
        parent: &FolderSnapshot,
        name: &str,
        age: Duration,
    ) -> Result<FolderSnapshot, Error> {
        let key = LookKey { folder: parent.folder.path.clone(), name: Some(name.into()) };
        if let Some(look) = self.kept_within(&key, age).await {
            return Ok(look);
        }
        let (folders, asked, parent) = (self.clone(), key.clone(), Arc::clone(&parent.folder));
        self.makers.start(key, async move { folders.look_up_now(asked, &parent).await }).made().await?
    }

    async fn kept_within(&self, key: &LookKey, age: Duration) -> Option<FolderSnapshot> {
        self.kept.get(key).await.filter(|look| look.at.elapsed() <= age)
    }

    async fn look_now(self, key: LookKey) -> Result<FolderSnapshot, Error> {
        let at = Instant::now();
        let before = self.kept.get(&key).await;
        let path = &key.folder;
        let mut listing = match self.store.list(path, LADDER_LIMIT).await {
            Ok(listing) => listing,
            Err(error) => {
                let error = Error::from(error);
                if error.is_settled() {
                    self.kept.invalidate(&key).await;
                }
                return Err(error);
            }
        };
        let described = self.described_large(path, &mut listing).await?;
        let (listing, held) = self.settled(listing, at, before.as_ref());
        let same = |folder: &Arc<Folder>| folder.settled && folder.listing == listing;
        let folder = match (before.map(|look| look.folder).filter(same), described) {
            (Some(folder), _) => folder,
            (None, Some(shape)) => Arc::new(Folder { path: path.clone(), listing, shape, settled: true }),
            (None, None) => Arc::new(self.judge(path.clone(), listing, &held).await?),
        };
        Ok(self.keep(key, FolderSnapshot { folder, held: held.into(), at }).await)
    }

    async fn look_up_now(self, key: LookKey, parent: &Folder) -> Result<FolderSnapshot, Error> {
        let at = Instant::now();
        let before = self.kept.get(&key).await;
        let found = self.store.find(&parent.path, key.name.as_deref().unwrap_or_default()).await?;
        let (listing, held) = self.settled(found, at, before.as_ref());
        let (path, shape) = (parent.path.clone(), parent.shape.clone());
        let folder = Arc::new(Folder { path, listing, shape, settled: true });
        Ok(self.keep(key, FolderSnapshot { folder, held: held.into(), at }).await)
    }

    async fn keep(&self, key: LookKey, look: FolderSnapshot) -> FolderSnapshot {
        self.kept.insert(key, look.clone()).await;
        look
    }

    /// Reduces the listing to complete files, given the state `before`; also returns the files that are being written.
    fn settled(&self, listing: Listing, at: Instant, before: Option<&FolderSnapshot>) -> (Listing, Vec<UnsettledFile>) {
        let now = Clocks { instant: at, system: SystemTime::now() };
        let believed = before.map(FolderSnapshot::believed).unwrap_or_default();
        let Believed { media, held } = believed.next(listing.media, now, self.settle);
        (Listing { media, ..listing }, held)
    }

    /// Shape of a large folder according to its `asset.json`; `None` if it has none. Adds the files that this names to
    /// the listing, which has no files before.
    async fn described_large(&self, path: &str, listing: &mut Listing) -> Result<Option<FolderShape>, Error> {
        if !listing.is_large || listing.descriptor.is_none() || path.is_empty() {
            return Ok(None);
        }
        let shape = self.descriptor(path).await?;
        listing.media = self.described(path, &shape).await?;
        Ok(Some(shape))
    }

    async fn judge(&self, path: String, listing: Listing, held: &[UnsettledFile]) -> Result<Folder, Error> {
        let (shape, settled) = match (listing.descriptor, listing.media.len()) {
            (Some(_), _) if !path.is_empty() => (self.descriptor(&path).await?, true),
            // The root has no name that an asset could have; one file alone is no ladder.
            (_, 0 | 1) if !listing.is_large => (FolderShape::Loose(None), true),
            _ if path.is_empty() => (FolderShape::Loose(None), true),
            (_, files) if listing.is_large || files > LADDER_LIMIT => {
                (FolderShape::Loose(Some(LooseReason::Many)), true)
            }
            _ => self.ladder(&path, &listing, held).await?,
        };
        Ok(Folder { path, listing, shape, settled })
    }

    /// Whether `id` is an asset, according to listings of the last minute; `None` if these are missing.
    pub(super) async fn judged(&self, id: &AssetId) -> Option<bool> {
        let (folder, name) = id.as_str().rsplit_once('/').unwrap_or(("", id.as_str()));
        let key = |folder: &str, name: Option<&str>| LookKey { folder: folder.into(), name: name.map(str::to_owned) };
        let mut parent = self.kept_within(&key(folder, None), JUDGED).await?;
        if parent.folder.is_large() {
            parent = self.kept_within(&key(folder, Some(name)), JUDGED).await?;
        }
        let own = if parent.folder.has_folder(name) {
            Some(self.kept_within(&key(id.as_str(), None), JUDGED).await?)
        } else {
            None
        };
        let found = resolve(id, Some(parent.place()), own.as_ref().map(FolderSnapshot::place));
        Some(!matches!(found, Err(Error::NotFound)))
    }

    /// Shape of `folder` according to its `asset.json`, as the store has it now; `None` if there is none.
    pub(super) async fn described_by(&self, folder: &str) -> Result<Option<FolderShape>, Error> {
        match self.store.seek(&below(folder, DESCRIPTOR)).await? {
            Some(_) => self.descriptor(folder).await.map(Some),
            None => Ok(None),
        }
    }

    /// Shape of `folder` according to its `asset.json`.
    pub(super) async fn descriptor(&self, folder: &str) -> Result<FolderShape, Error> {
        let path = below(folder, DESCRIPTOR);
        let refused = |reason| Ok(FolderShape::Misdescribed(Error::unplayable(path.clone(), reason)));
        let object = match self.store.open(&path).await.map_err(Error::from) {
            Ok(object) => object,
            Err(error @ Error::Unplayable { .. }) => return Ok(FolderShape::Misdescribed(error)),
            Err(Error::NotFound) => return Err(Error::Interrupted(format!("{path}: went away while it was read"))),
            Err(error) => return Err(error),
        };
        if object.size() > DESCRIPTOR_LIMIT {
            return refused(Reason::DescriptorSize { size: object.size(), limit: DESCRIPTOR_LIMIT });
        }
        let json = match ByteRange::new(0, object.size()) {
            Some(range) => object.read(range).await?,
            None => bytes::Bytes::new(),
        };
        match Descriptor::parse(&json) {
            Ok(descriptor) => Ok(FolderShape::Described(Arc::new(descriptor))),
            Err(_) if self.is_young(object.stamp()) => Err(Error::being_written(&path)),
            Err(error) => refused(Reason::Descriptor(error)),
        }
    }

    /// Whether a file may still be incomplete: it was written to within `settle`.
    fn is_young(&self, stamp: Stamp) -> bool {
        !stamp.is_atomic() && stamp.age(SystemTime::now()).is_some_and(|age| age < self.settle)
    }

    /// Reads the files in order, some ahead, until two of them cannot be rungs of one ladder.
    async fn ladder(
        &self,
        folder: &str,
        listing: &Listing,
        held: &[UnsettledFile],
    ) -> Result<(FolderShape, bool), Error> {
        let files = listing.media.clone();
        let mut read = stream::iter(files)
            .map(|(name, stamp)| async move {
                let movie = self.movies.at(&below(folder, &name), stamp).await;
                (name, movie)
            })
            .buffered(AT_ONCE);
        let (mut ladder, mut rungs, mut settled) = (Ladder::default(), Vec::new(), true);
        while let Some((name, movie)) = read.next().await {
            match movie {
                Ok(movie) => match ladder.join(FileTraits::new(&name, &movie)) {
                    Ok(()) => rungs.push(name),
                    Err(loose) => return Ok((FolderShape::Loose(Some(loose)), settled)),
                },
                // A file that cannot be played never affects its neighbours.
                Err(Error::Unplayable { .. }) => {}
                // A file that is being replaced can no longer be read: the folder keeps its previous state.
                Err(error) if is_held(held, &name) => return Err(error),
                Err(Error::NotFound | Error::Interrupted(_) | Error::Overwritten(_)) => settled = false,
                Err(error @ Error::Storage(_)) => return Err(error),
            }
        }
        let shape = if ladder.len() < 2 { FolderShape::Loose(None) } else { FolderShape::Ladder(rungs) };
        Ok((shape, settled))
    }
}
