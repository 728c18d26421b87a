//! Finds assets in stores that cannot be listed: requests their files by the names that they can have.
//!
//! ```text
//! films/night ─► films/night/asset.json      describes the asset: then the files that it names
//!             ─► films/night.mp4, else .m4v, .mov, .m4a: the first that is there
//!             ─► films/asset.json            then films is the asset, not its files
//! ```

use super::error::Error;
use super::folders::Folders;
use super::settle::StampedFile;
use super::shape::{AssetSources, FolderContents, FolderShape, below, resolve};
use crate::media::{AssetId, DESCRIPTOR};
use futures_util::stream::{self, StreamExt, TryStreamExt};

/// Extensions that files may have, the likeliest first.
const EXTENSIONS: [&str; 4] = ["mp4", "m4v", "mov", "m4a"];

/// Most files that are requested concurrently.
const AT_ONCE: usize = 4;

/// Result of requesting the names that an asset's files can have.
#[derive(Debug)]
pub(super) struct NamedFiles {
    /// The folder that contains the asset.
    folder: String,
    /// The file of its name in that folder, if there is one.
    media: Vec<StampedFile>,
    /// Shape of the folder of its name according to the `asset.json` there, and the files that this names; `None` if
    /// there is no `asset.json`.
    own: Option<(FolderShape, Vec<StampedFile>)>,
}

impl NamedFiles {
    /// The files of `id`, which must be the asset whose names were requested.
    pub(super) fn resolve(&self, id: &AssetId) -> Result<AssetSources, Error> {
        let loose = FolderShape::Loose(None);
        let parent = FolderContents { path: &self.folder, media: &self.media, held: &[], shape: &loose };
        let own = self.own.as_ref().map(|(shape, media)| FolderContents { path: id.as_str(), media, held: &[], shape });
        resolve(id, Some(parent), own)
    }

    /// Whether its `asset.json` lists no renditions.
    pub(super) fn is_deleted(&self) -> bool {
        self.own.as_ref().is_some_and(|(shape, _)| shape.is_empty())
    }
}

impl Folders {
    /// Requests the names that the files of `id` can have.
    pub(super) async fn named(&self, id: &AssetId) -> Result<NamedFiles, Error> {
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
        let mut named = NamedFiles { folder: folder.into(), media: Vec::from_iter(file), own: None };
        if own {
            let shape = self.descriptor(id.as_str()).await?;
            let files = self.described(id.as_str(), &shape).await?;
            named.own = Some((shape, files));
        }
        Ok(named)
    }

    /// Whether `folder` is an asset because it has an `asset.json`; the root has no name that an asset could have.
    async fn is_described(&self, folder: &str) -> Result<bool, Error> {
        Ok(!folder.is_empty() && self.store().seek(&below(folder, DESCRIPTOR)).await?.is_some())
    }

    /// The first file called `name` in `folder` with one of these extensions.
    async fn file(&self, folder: &str, name: &str, extensions: &[&str]) -> Result<Option<StampedFile>, Error> {
        for extension in extensions {
            let file = format!("{name}.{extension}");
            if let Some(stamp) = self.store().seek(&below(folder, &file)).await? {
                return Ok(Some((file, stamp)));
            }
        }
        Ok(None)
    }

    /// The files that an `asset.json` names, as far as they exist, sorted by name.
    pub(super) async fn described(&self, folder: &str, shape: &FolderShape) -> Result<Vec<StampedFile>, Error> {
        let FolderShape::Described(descriptor) = shape else { return Ok(Vec::new()) };
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
