//! Looks at folders: what is in them, and whether that is one asset. All assets of a folder share its looks.

use super::error::{Error, Reason};
use super::ladder::{Facts, LADDER_LIMIT, Ladder, Loose};
use super::movies::Movies;
use super::settle::{Believed, Held, Now, is_held};
use super::shape::{Place, Shape, below, resolve};
use crate::cache::Makers;
use crate::media::{AssetId, ByteRange, DESCRIPTOR, Descriptor};
use crate::store::{Listing, Stamp, Store};
use futures_util::StreamExt;
use futures_util::stream;
use moka::policy::EvictionPolicy;
use std::sync::Arc;
use std::time::{Duration, SystemTime};
use tokio::time::Instant;

/// Bytes of an `asset.json` at most.
const DESCRIPTOR_LIMIT: u64 = 1 << 20;

/// Names in all folders that are remembered, at most.
const NAMES_LIMIT: u64 = 1 << 18;

/// How long lists go by what a look found.
const JUDGED: Duration = Duration::from_mins(1);

/// Files that are read at a time.
const AT_ONCE: usize = 4;

/// A folder, what is in it and what it is.
#[derive(Debug)]
pub(super) struct Folder {
    path: String,
    /// Its media: those that are believed to be whole.
    listing: Listing,
    shape: Shape,
    /// Whether its shape holds as long as the listing does: not when a file was being written as it was read.
    settled: bool,
}

impl Folder {
    /// Whether it holds more than a look reads, so that its files are looked up by their names.
    pub(super) const fn is_large(&self) -> bool {
        self.listing.is_large
    }

    /// Whether its `asset.json` says that there is nothing.
    pub(super) fn is_deleted(&self) -> bool {
        self.shape.is_empty()
    }

    /// Whether it has a folder of that name.
    pub(super) fn has_folder(&self, name: &str) -> bool {
        self.listing.folders.binary_search_by(|folder| folder.as_str().cmp(name)).is_ok()
    }
}

/// A folder as it was at a moment.
#[derive(Debug, Clone)]
pub(super) struct Look {
    /// The folder; the same one as long as nothing changes.
    pub(super) folder: Arc<Folder>,
    /// Its files that are being written.
    pub(super) held: Arc<[Held]>,
    /// When it was looked at.
    pub(super) at: Instant,
}

impl Look {
    /// As names are resolved in it.
    pub(super) fn place(&self) -> Place<'_> {
        let Folder { path, listing, shape, .. } = &*self.folder;
        Place { path, media: &listing.media, held: &self.held, shape }
    }

    fn believed(&self) -> Believed {
        Believed { media: self.folder.listing.media.clone(), held: self.held.to_vec() }
    }
}

/// What is looked at: a folder, or only what is called `name` in it, where the folder is large.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct LookKey {
    folder: String,
    name: Option<String>,
}

/// Folders by path.
#[derive(Debug, Clone)]
pub(super) struct Folders {
    store: Store,
    movies: Arc<Movies>,
    /// How long a file must not have been written to.
    settle: Duration,
    kept: moka::future::Cache<LookKey, Look>,
    makers: Makers<LookKey, Result<Look, Error>>,
}

impl Folders {
    pub(super) fn new(store: Store, movies: Arc<Movies>, settle: Duration) -> Self {
        let weigh = |_: &LookKey, look: &Look| {
            let listing = &look.folder.listing;
            let names = listing.media.len().saturating_add(listing.folders.len()).saturating_add(look.held.len());
            u32::try_from(names).unwrap_or(u32::MAX).saturating_add(1)
        };
        let kept = moka::future::Cache::builder()
            .max_capacity(NAMES_LIMIT)
            .weigher(weigh)
            .eviction_policy(EvictionPolicy::lru())
            .build();
        Self { store, movies, settle, kept, makers: Makers::default() }
    }

    pub(super) const fn store(&self) -> &Store {
        &self.store
    }

    /// The folder at `path`, looked at no longer than `age` ago, or now; one look however many ask.
    pub(super) async fn look(&self, path: &str, age: Duration) -> Result<Look, Error> {
        let key = LookKey { folder: path.into(), name: None };
        if let Some(look) = self.kept_within(&key, age).await {
            return Ok(look);
        }
        let (folders, asked) = (self.clone(), key.clone());
        self.makers.start(key, async move { folders.look_now(asked).await }).made().await?
    }

    /// What is called `name` in the large folder `parent`: its other files are left out.
    pub(super) async fn look_up(&self, parent: &Look, name: &str, age: Duration) -> Result<Look, Error> {
        let key = LookKey { folder: parent.folder.path.clone(), name: Some(name.into()) };
        if let Some(look) = self.kept_within(&key, age).await {
            return Ok(look);
        }
        let (folders, asked, parent) = (self.clone(), key.clone(), Arc::clone(&parent.folder));
        self.makers.start(key, async move { folders.look_up_now(asked, &parent).await }).made().await?
    }

    async fn kept_within(&self, key: &LookKey, age: Duration) -> Option<Look> {
        self.kept.get(key).await.filter(|look| look.at.elapsed() <= age)
    }

    async fn look_now(self, key: LookKey) -> Result<Look, Error> {
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
        Ok(self.keep(key, Look { folder, held: held.into(), at }).await)
    }

    async fn look_up_now(self, key: LookKey, parent: &Folder) -> Result<Look, Error> {
        let at = Instant::now();
        let before = self.kept.get(&key).await;
        let found = self.store.find(&parent.path, key.name.as_deref().unwrap_or_default()).await?;
        let (listing, held) = self.settled(found, at, before.as_ref());
        let (path, shape) = (parent.path.clone(), parent.shape.clone());
        let folder = Arc::new(Folder { path, listing, shape, settled: true });
        Ok(self.keep(key, Look { folder, held: held.into(), at }).await)
    }

    async fn keep(&self, key: LookKey, look: Look) -> Look {
        self.kept.insert(key, look.clone()).await;
        look
    }

    /// The listing with those files alone that are believed to be whole, given what was believed `before`; and those
    /// that are being written.
    fn settled(&self, listing: Listing, at: Instant, before: Option<&Look>) -> (Listing, Vec<Held>) {
        let now = Now { instant: at, system: SystemTime::now() };
        let believed = before.map(Look::believed).unwrap_or_default();
        let Believed { media, held } = believed.next(listing.media, now, self.settle);
        (Listing { media, ..listing }, held)
    }

    /// What the `asset.json` of a large folder makes of it; the files that it names are added to the listing, which
    /// has none.
    async fn described_large(&self, path: &str, listing: &mut Listing) -> Result<Option<Shape>, Error> {
        if !listing.is_large || listing.descriptor.is_none() || path.is_empty() {
            return Ok(None);
        }
        let shape = self.descriptor(path).await?;
        listing.media = self.described(path, &shape).await?;
        Ok(Some(shape))
    }

    async fn judge(&self, path: String, listing: Listing, held: &[Held]) -> Result<Folder, Error> {
        let (shape, settled) = match (listing.descriptor, listing.media.len()) {
            (Some(_), _) if !path.is_empty() => (self.descriptor(&path).await?, true),
            // The root has no name that an asset could have; one file alone is no ladder.
            (_, 0 | 1) if !listing.is_large => (Shape::Loose(None), true),
            _ if path.is_empty() => (Shape::Loose(None), true),
            (_, files) if listing.is_large || files > LADDER_LIMIT => (Shape::Loose(Some(Loose::Many)), true),
            _ => self.ladder(&path, &listing, held).await?,
        };
        Ok(Folder { path, listing, shape, settled })
    }

    /// Whether `id` is an asset, as far as looks of the last minute tell.
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
        let found = resolve(id, Some(parent.place()), own.as_ref().map(Look::place));
        Some(!matches!(found, Err(Error::NotFound)))
    }

    /// What its `asset.json` makes of `folder` now; `None` where there is none.
    pub(super) async fn described_by(&self, folder: &str) -> Result<Option<Shape>, Error> {
        match self.store.seek(&below(folder, DESCRIPTOR)).await? {
            Some(_) => self.descriptor(folder).await.map(Some),
            None => Ok(None),
        }
    }

    /// What the `asset.json` of `folder` makes of it.
    pub(super) async fn descriptor(&self, folder: &str) -> Result<Shape, Error> {
        let path = below(folder, DESCRIPTOR);
        let refused = |reason| Ok(Shape::Misdescribed(Error::unplayable(path.clone(), reason)));
        let object = match self.store.open(&path).await.map_err(Error::from) {
            Ok(object) => object,
            Err(error @ Error::Unplayable { .. }) => return Ok(Shape::Misdescribed(error)),
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
            Ok(descriptor) => Ok(Shape::Described(Arc::new(descriptor))),
            Err(_) if self.is_young(object.stamp()) => Err(Error::being_written(&path)),
            Err(error) => refused(Reason::Descriptor(error)),
        }
    }

    /// Whether a file may be half of what it is going to be.
    fn is_young(&self, stamp: Stamp) -> bool {
        !stamp.is_atomic() && stamp.age(SystemTime::now()).is_some_and(|age| age < self.settle)
    }

    /// Reads the files in order, some ahead, until two of them cannot be rungs of one ladder.
    async fn ladder(&self, folder: &str, listing: &Listing, held: &[Held]) -> Result<(Shape, bool), Error> {
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
                Ok(movie) => match ladder.join(Facts::new(&name, &movie)) {
                    Ok(()) => rungs.push(name),
                    Err(loose) => return Ok((Shape::Loose(Some(loose)), settled)),
                },
                // A bad file never takes its neighbours down.
                Err(Error::Unplayable { .. }) => {}
                // One that is being replaced is no longer there to be read: what is known of the folder stays.
                Err(error) if is_held(held, &name) => return Err(error),
                Err(Error::NotFound | Error::Interrupted(_) | Error::Overwritten(_)) => settled = false,
                Err(error @ Error::Storage(_)) => return Err(error),
            }
        }
        let shape = if ladder.len() < 2 { Shape::Loose(None) } else { Shape::Ladder(rungs) };
        Ok((shape, settled))
    }
}
