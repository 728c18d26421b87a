//! Assets of stores that cannot be listed: their files are asked for by the names that they can have.
//!
//! ```text
//! films/night ─► films/night/asset.json      it is described, as are the files that it names
//!             ─► films/night.mp4, else .m4v, .mov, .m4a: the first that is there
//!             ─► films/asset.json            films is an asset; its files are none of their own
//! ```

use super::error::Error;
use super::folders::Folders;
use super::settle::Media;
use super::shape::{Found, Place, Shape, below, resolve};
use crate::media::{AssetId, DESCRIPTOR};
use futures_util::stream::{self, StreamExt, TryStreamExt};

/// How files may end, the likeliest first.
const EXTENSIONS: [&str; 4] = ["mp4", "m4v", "mov", "m4a"];

/// Files that are asked for at a time.
const AT_ONCE: usize = 4;

/// What was found under the names that an asset's files can have.
#[derive(Debug)]
pub(super) struct Named {
    /// The folder that it stands in.
    folder: String,
    /// The file of its name there, if there is one.
    media: Vec<Media>,
    /// What the `asset.json` in the folder of its name makes of that, and the files that it names.
    own: Option<(Shape, Vec<Media>)>,
}

impl Named {
    /// What `id`, whose names were asked for, is made of.
    pub(super) fn resolve(&self, id: &AssetId) -> Result<Found, Error> {
        let loose = Shape::Loose(None);
        let parent = Place { path: &self.folder, media: &self.media, held: &[], shape: &loose };
        let own = self.own.as_ref().map(|(shape, media)| Place { path: id.as_str(), media, held: &[], shape });
        resolve(id, Some(parent), own)
    }

    /// Whether its `asset.json` says that there is nothing.
    pub(super) fn is_deleted(&self) -> bool {
        self.own.as_ref().is_some_and(|(shape, _)| shape.is_empty())
    }
}

impl Folders {
    /// What there is under the names that files of `id` can have.
    pub(super) async fn named(&self, id: &AssetId) -> Result<Named, Error> {
        let (folder, name) = id.as_str().rsplit_once('/').unwrap_or(("", id.as_str()));
        let (own, above, file) = tokio::try_join!(
            self.is_described(id.as_str()),
            self.is_described(folder),
            self.file(folder, name, EXTENSIONS.get(..1).unwrap_or_default()),
        )?;
        let file = match file {
            None if !own && !above => self.file(folder, name, EXTENSIONS.get(1..).unwrap_or_default()).await?,
            file => file.filter(|_| !above),
        };
        let mut named = Named { folder: folder.into(), media: Vec::from_iter(file), own: None };
        if own {
            let shape = self.descriptor(id.as_str()).await?;
            let files = self.described(id.as_str(), &shape).await?;
            named.own = Some((shape, files));
        }
        Ok(named)
    }

    /// Whether `folder` is an asset by its `asset.json`; the root has no name that one could have.
    async fn is_described(&self, folder: &str) -> Result<bool, Error> {
        Ok(!folder.is_empty() && self.store().seek(&below(folder, DESCRIPTOR)).await?.is_some())
    }

    /// The first file called `name` in `folder` with one of these extensions.
    async fn file(&self, folder: &str, name: &str, extensions: &[&str]) -> Result<Option<Media>, Error> {
        for extension in extensions {
            let file = format!("{name}.{extension}");
            if let Some(stamp) = self.store().seek(&below(folder, &file)).await? {
                return Ok(Some((file, stamp)));
            }
        }
        Ok(None)
    }

    /// The files that an `asset.json` names, as far as they are there, sorted by name.
    pub(super) async fn described(&self, folder: &str, shape: &Shape) -> Result<Vec<Media>, Error> {
        let Shape::Described(descriptor) = shape else { return Ok(Vec::new()) };
        let mut names: Vec<String> = descriptor.renditions.iter().map(|rendition| rendition.file.clone()).collect();
        names.sort_unstable();
        names.dedup();
        let found = stream::iter(names)
            .map(|name| async move {
                let stamp = self.store().seek(&below(folder, &name)).await?;
                Ok::<_, Error>(stamp.map(|stamp| (name, stamp)))
            })
            .buffered(AT_ONCE);
        found.try_filter_map(|found| async move { Ok(found) }).try_collect().await
    }
}
