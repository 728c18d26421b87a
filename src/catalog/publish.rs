//! What whoever publishes asks: what an asset would be, and that it is looked at now.

use super::asset::Asset;
use super::error::Error;
use super::open::Catalog;
use super::shape::{Form, Found, Shape, below};
use crate::media::{AssetId, ContentId, Descriptor, Rendition};
use crate::store::{self, Object, Stamp};
use std::sync::Arc;
use std::time::Duration;

/// Films of a folder that are named to whoever may not take its name.
const FILMS: usize = 64;

/// What is called so in the store already.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Claim {
    /// Nothing: neither an asset of that name, nor a film in a folder of that name.
    None,
    /// What its `asset.json` says.
    Described(Arc<Descriptor>),
    /// Files that somebody put there, without an `asset.json`; their paths, as far as they are known. They may be assets
    /// of other names: an `asset.json` would take them away.
    Loose(Vec<String>),
}

impl Catalog {
    /// What the asset `id` would be if its `asset.json` said so: read and planned, and nobody else sees it. `staged` is
    /// a rendition that is not in its place yet.
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
        let form = Form::Described(Arc::new(descriptor));
        let found = Found { folder: id.as_str().into(), files: media, form, notes: Vec::new() };
        self.builder().assemble(id, &found, files).await
    }

    /// How long segments are to be, in milliseconds.
    #[must_use]
    pub fn target_millis(&self) -> u32 {
        self.builder().settings.target_millis
    }

    /// What claims the name `id`, as the store has it now. An `asset.json` that cannot be understood is an error.
    pub async fn claim(&self, id: &AssetId) -> Result<Claim, Error> {
        match self.folders().described_by(id.as_str()).await? {
            Some(Shape::Described(descriptor)) => return Ok(Claim::Described(descriptor)),
            Some(Shape::Misdescribed(error)) => return Err(error),
            Some(Shape::Ladder(_) | Shape::Loose(_)) | None => {}
        }
        let mut loose = Vec::new();
        // Nothing can be put where nothing is listed.
        if !self.store().is_blind(id.as_str()) {
            loose.extend(self.inside(id).await?);
            loose.extend(self.beside(id).await?);
        }
        match self.renewed(id).await {
            Err(Error::NotFound) if loose.is_empty() => Ok(Claim::None),
            Err(error @ Error::Storage(_)) => Err(error),
            Ok(_) | Err(Error::NotFound | Error::Unplayable { .. } | Error::Interrupted(_) | Error::Overwritten(_)) => {
                Ok(Claim::Loose(loose))
            }
        }
    }

    /// Films in the folder `id`, however new: they may be assets of their own.
    async fn inside(&self, id: &AssetId) -> Result<Vec<String>, Error> {
        match self.store().list(id.as_str(), FILMS).await {
            Ok(listing) if listing.is_large => Ok(vec![format!("{id}/")]),
            Ok(listing) => Ok(listing.media.iter().map(|(name, _)| below(id.as_str(), name)).collect()),
            Err(store::Error::NotFound { .. }) => Ok(Vec::new()),
            Err(error) => Err(error.into()),
        }
    }

    /// Files beside the folder `id` that are called so, however new, and files where a folder would have to be.
    async fn beside(&self, id: &AssetId) -> Result<Vec<String>, Error> {
        let mut found = Vec::new();
        // An object store has no folders: an object that is called like one is in nobody's way.
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

    /// Which version of `path` the store that is written to has now, and the content id of what is in it; that is `None`
    /// where no film is. `None`: there is no such object.
    pub async fn version(&self, path: &str) -> Result<Option<(Stamp, Option<ContentId>)>, Error> {
        let Some(stamp) = self.store().written(path).await? else { return Ok(None) };
        match self.builder().movies.at(path, stamp).await {
            Ok(movie) => Ok(Some((stamp, Some(movie.content)))),
            Err(Error::Unplayable { .. }) => Ok(Some((stamp, None))),
            Err(Error::NotFound) => Ok(None),
            Err(error @ (Error::Storage(_) | Error::Interrupted(_) | Error::Overwritten(_))) => Err(error),
        }
    }

    /// The asset as the store has it now, no look before this one believed.
    pub async fn renewed(&self, id: &AssetId) -> Result<Arc<Asset>, Error> {
        self.names().forget();
        self.looked(id, Duration::ZERO).await
    }
}
