//! Looks at folders: what is in them, and whether that is one asset. All assets of a folder share its looks.

use super::error::{Error, Reason};
use super::ladder::{Facts, LADDER_LIMIT, Ladder, Loose};
use super::movies::Movies;
use super::shape::{Place, Shape, below};
use crate::cache::Makers;
use crate::media::{ByteRange, Descriptor};
use crate::store::{Listing, Store};
use futures_util::StreamExt;
use futures_util::stream;
use moka::policy::EvictionPolicy;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

/// Bytes of an `asset.json` at most.
const DESCRIPTOR_LIMIT: u64 = 1 << 20;

/// Names in all folders that are remembered, at most.
const NAMES_LIMIT: u64 = 1 << 18;

/// Files that are read at a time.
const AT_ONCE: usize = 4;

/// A folder, what is in it and what it is.
#[derive(Debug)]
pub(super) struct Folder {
    path: String,
    listing: Listing,
    shape: Shape,
    /// Whether its shape holds as long as the listing does: not when a file was being written as it was read.
    settled: bool,
}

impl Folder {
    /// As names are resolved in it.
    pub(super) fn place(&self) -> Place<'_> {
        Place { path: &self.path, media: &self.listing.media, shape: &self.shape }
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
    /// When it was looked at.
    pub(super) at: Instant,
}

/// Folders by path.
#[derive(Debug, Clone)]
pub(super) struct Folders {
    store: Store,
    movies: Arc<Movies>,
    kept: moka::future::Cache<String, Look>,
    makers: Makers<String, Result<Look, Error>>,
}

impl Folders {
    pub(super) fn new(store: Store, movies: Arc<Movies>) -> Self {
        let weigh = |_: &String, look: &Look| {
            let names = look.folder.listing.media.len().saturating_add(look.folder.listing.folders.len());
            u32::try_from(names).unwrap_or(u32::MAX).saturating_add(1)
        };
        let kept = moka::future::Cache::builder()
            .max_capacity(NAMES_LIMIT)
            .weigher(weigh)
            .eviction_policy(EvictionPolicy::lru())
            .build();
        Self { store, movies, kept, makers: Makers::default() }
    }

    /// The folder at `path`, looked at no longer than `age` ago, or now; one look however many ask.
    pub(super) async fn look(&self, path: &str, age: Duration) -> Result<Look, Error> {
        if let Some(look) = self.kept.get(path).await.filter(|look| look.at.elapsed() <= age) {
            return Ok(look);
        }
        let (folders, asked) = (self.clone(), path.to_owned());
        self.makers.start(path.into(), async move { folders.look_now(asked).await }).made().await?
    }

    async fn look_now(self, path: String) -> Result<Look, Error> {
        let at = Instant::now();
        let before = self.kept.get(&path).await.map(|look| look.folder);
        let listing = match self.store.list(&path).await {
            Ok(listing) => listing,
            Err(error) => {
                let error = Error::from(error);
                if error.is_settled() {
                    self.kept.invalidate(&path).await;
                }
                return Err(error);
            }
        };
        let folder = match before.filter(|folder| folder.settled && folder.listing == listing) {
            Some(folder) => folder,
            None => Arc::new(self.judge(path.clone(), listing).await?),
        };
        let look = Look { folder, at };
        self.kept.insert(path, look.clone()).await;
        Ok(look)
    }

    async fn judge(&self, path: String, listing: Listing) -> Result<Folder, Error> {
        let (shape, settled) = match (listing.descriptor, listing.media.len()) {
            (Some(_), _) if !path.is_empty() => (self.descriptor(&path).await?, true),
            // The root has no name that an asset could have; one file alone is no ladder.
            (_, files) if path.is_empty() || files < 2 => (Shape::Loose(None), true),
            (_, files) if files > LADDER_LIMIT => (Shape::Loose(Some(Loose::Many { files })), true),
            _ => self.ladder(&path, &listing).await?,
        };
        Ok(Folder { path, listing, shape, settled })
    }

    async fn descriptor(&self, folder: &str) -> Result<Shape, Error> {
        let path = below(folder, "asset.json");
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
            Err(error) => refused(Reason::Descriptor(error)),
        }
    }

    /// Reads the files in order, some ahead, until two of them cannot be rungs of one ladder.
    async fn ladder(&self, folder: &str, listing: &Listing) -> Result<(Shape, bool), Error> {
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
                Err(Error::NotFound | Error::Interrupted(_)) => settled = false,
                Err(error @ Error::Storage(_)) => return Err(error),
            }
        }
        let shape = if ladder.len() < 2 { Shape::Loose(None) } else { Shape::Ladder(rungs) };
        Ok((shape, settled))
    }
}
