//! For the publisher: preview an asset that is not published yet, find out whether its name is taken, force a refresh,
//! set titles from outside the store.

use super::annotations::Annotation;
use super::asset::Asset;
use super::error::Error;
use super::open::Catalog;
use super::shape::{AssetForm, AssetSources, FolderShape, below};
use crate::media::{AssetId, ContentId, Descriptor, Rendition};
use crate::store::{self, Object, Stamp};
use std::sync::Arc;
use std::time::Duration;

/// Most films of a folder that are listed to a publisher who cannot have its name.
const FILMS: usize = 64;

/// Current use of a name in the store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ExistingAsset {
    /// Nothing: neither an asset of that name, nor a film in a folder of that name.
    None,
    /// An asset with this `asset.json`.
    Described(Arc<Descriptor>),
    /// Files without an `asset.json`, with their paths as far as known. They may be assets of other names: an
    /// `asset.json` would take them away.
    Loose(Vec<String>),
}

impl Catalog {
    /// Sets the annotation of `id`; an empty one removes it. An `asset.json` wins over it.
    pub fn annotate(&self, id: &AssetId, annotation: Annotation) {
        self.names().annotations().set(id, annotation);
    }

    /// The annotation of `id`, where one is set.
    #[must_use]
    pub fn annotation(&self, id: &AssetId) -> Option<Arc<Annotation>> {
        self.names().annotations().get(id)
    }

    /// Previews the asset `id` with `descriptor` as its `asset.json`: reads and plans it, and nobody else sees it.
    /// `staged` is a rendition that is not at its final path yet.
    pub async fn trial(&self, id: &AssetId, descriptor: Descriptor, staged: Option<&Object>) -> Result<Asset, Error> {
        let (mut files, mut media) = (Vec::new(), Vec::new());
        for Rendition { file, .. } in &descriptor.renditions {
            let path = below(id.as_str(), file);
            let read = match staged.filter(|object| object.path() == path) {
                Some(object) => self.builder().read(file.clone(), object.clone()).await?,
                None => self.builder().open(id.as_str(), (file.clone(), self.store().stat(&path).await?)).await?,
            };
            media.push((file.clone(), read.object.stamp()));
            files.push(read);
        }
        let form = AssetForm::Described(Arc::new(descriptor));
        let found = AssetSources { folder: id.as_str().into(), files: media, form, notes: Vec::new() };
        self.builder().assemble(id, &found, files).await
    }

    /// Target duration of segments in milliseconds.
    #[must_use]
    pub fn target_millis(&self) -> u32 {
        self.builder().settings.target_millis
    }

    /// Finds out what uses the name `id`, as the store has it now. An invalid `asset.json` is an error.
    pub async fn claim(&self, id: &AssetId) -> Result<ExistingAsset, Error> {
        match self.folders().described_by(id.as_str()).await? {
            Some(FolderShape::Described(descriptor)) => return Ok(ExistingAsset::Described(descriptor)),
            Some(FolderShape::Misdescribed(error)) => return Err(error),
            Some(FolderShape::Ladder(_) | FolderShape::Loose(_)) | None => {}
        }
        let mut loose = Vec::new();
        // A store that cannot be listed cannot be written to.
        if !self.store().is_blind(id.as_str()) {
            loose.extend(self.inside(id).await?);
            loose.extend(self.beside(id).await?);
        }
        match self.renewed(id).await {
            Err(Error::NotFound) if loose.is_empty() => Ok(ExistingAsset::None),
            Err(error @ Error::Storage(_)) => Err(error),
            Ok(_) | Err(Error::NotFound | Error::Unplayable { .. } | Error::Interrupted(_) | Error::Overwritten(_)) => {
                Ok(ExistingAsset::Loose(loose))
            }
        }
    }

    /// Films in the folder `id`, including new ones: they may be assets of their own.
    async fn inside(&self, id: &AssetId) -> Result<Vec<String>, Error> {
        match self.store().list(id.as_str(), FILMS).await {
            Ok(listing) if listing.is_large => Ok(vec![format!("{id}/")]),
            Ok(listing) => Ok(listing.media.iter().map(|(name, _)| below(id.as_str(), name)).collect()),
            Err(store::Error::NotFound { .. }) => Ok(Vec::new()),
            Err(error) => Err(error.into()),
        }
    }

    /// Files called `id` beside the folder, including new ones, and files where a folder would have to be.
    async fn beside(&self, id: &AssetId) -> Result<Vec<String>, Error> {
        let mut found = Vec::new();
        // An object store has no folders, so an object with the name of a folder is not in the way.
        let folders = id.as_str().match_indices('/').map(|(end, _)| id.as_str().split_at(end).0);
        for path in folders.chain([id.as_str()]).filter(|path| !self.store().is_remote(path)) {
            found.extend(self.store().seek(path).await?.map(|_| path.to_owned()));
        }
        let folder = id.as_str().rsplit_once('/').map_or("", |(folder, _)| folder);
        match self.store().find(folder, id.last_part()).await {
            Ok(named) => found.extend(named.media.iter().map(|(name, _)| below(folder, name))),
            Err(store::Error::NotFound { .. }) => {}
            Err(error) => return Err(error.into()),
        }
        Ok(found)
    }

    /// Stamp of `path` in the store that is written to, and the content id of its film; the latter is `None` if the
    /// file is not a film. `None` if there is no such object.
    pub async fn version(&self, path: &str) -> Result<Option<(Stamp, Option<ContentId>)>, Error> {
        let Some(stamp) = self.store().written(path).await? else { return Ok(None) };
        match self.builder().movies.at(path, stamp).await {
            Ok(movie) => Ok(Some((stamp, Some(movie.content)))),
            Err(Error::Unplayable { .. }) => Ok(Some((stamp, None))),
            Err(Error::NotFound) => Ok(None),
            Err(error @ (Error::Storage(_) | Error::Interrupted(_) | Error::Overwritten(_))) => Err(error),
        }
    }

    /// Opens the asset as the store has it now, and ignores all earlier checks.
    pub async fn renewed(&self, id: &AssetId) -> Result<Arc<Asset>, Error> {
        self.names().forget();
        self.looked(id, Duration::ZERO).await
    }
}
