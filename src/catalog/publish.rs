//! What whoever publishes asks: what an asset would be, and that it is looked at now.

use super::asset::Asset;
use super::error::Error;
use super::open::Catalog;
use super::shape::{Form, Found, Shape, below};
use crate::media::{AssetId, Descriptor};
use std::sync::Arc;
use std::time::Duration;

/// What is called so in the store already.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Claim {
    /// Nothing.
    None,
    /// What its `asset.json` says.
    Described(Arc<Descriptor>),
    /// Files that somebody put there, without an `asset.json`.
    Loose,
}

impl Catalog {
    /// What the asset `id` would be if its `asset.json` said so: read and planned, and nobody else sees it.
    pub async fn trial(&self, id: &AssetId, descriptor: Descriptor) -> Result<Asset, Error> {
        let mut files = Vec::new();
        for rendition in &descriptor.renditions {
            let stamp = self.store().stat(&below(id.as_str(), &rendition.file)).await?;
            files.push((rendition.file.clone(), stamp));
        }
        let form = Form::Described(Arc::new(descriptor));
        let found = Found { folder: id.as_str().into(), files, form, notes: Vec::new() };
        self.builder().build(id, &found, None).await
    }

    /// What claims the name `id`, as the store has it now. An `asset.json` that cannot be understood is an error.
    pub async fn claim(&self, id: &AssetId) -> Result<Claim, Error> {
        match self.folders().described_by(id.as_str()).await? {
            Some(Shape::Described(descriptor)) => return Ok(Claim::Described(descriptor)),
            Some(Shape::Misdescribed(error)) => return Err(error),
            Some(Shape::Ladder(_) | Shape::Loose(_)) | None => {}
        }
        match self.renewed(id).await {
            Err(Error::NotFound) => Ok(Claim::None),
            Ok(_) | Err(Error::Unplayable { .. } | Error::Interrupted(_) | Error::Overwritten(_)) => Ok(Claim::Loose),
            Err(error @ Error::Storage(_)) => Err(error),
        }
    }

    /// The asset as the store has it now, no look before this one believed.
    pub async fn renewed(&self, id: &AssetId) -> Result<Arc<Asset>, Error> {
        self.names().forget();
        self.looked(id, Duration::ZERO).await
    }
}
