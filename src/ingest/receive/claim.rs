//! Claims on names: whether an upload may become a file of an asset, and the lock on the asset's name meanwhile.

use super::condition;
use super::metadata::Metadata;
use super::name::is_marked;
use crate::catalog::ExistingAsset;
use crate::ingest::clock::{later, now};
use crate::ingest::error::Error;
use crate::ingest::service::Ingest;
use crate::media::{AssetId, Descriptor};
use std::time::Duration;

/// Lease on an asset name while an upload claims it.
const NAMING: Duration = Duration::from_secs(30);

/// Attempts to lock a name that another request holds.
const TURNS: u32 = 100;

/// Wait between two attempts.
const TURN: Duration = Duration::from_millis(50);

impl Ingest {
    /// Checks that files may be added to `asset`: it is not deleted, and no loose files occupy its name.
    pub(in crate::ingest) async fn check_claim(&self, asset: &AssetId) -> Result<(), Error> {
        if self.library.asset(asset.as_str()).await?.is_some_and(|row| row.deleted.is_some()) {
            return Err(Error::Conflict(format!("{asset} is deleted: restore it, or wait until it is purged")));
        }
        match self.claimed(asset).await? {
            ExistingAsset::None | ExistingAsset::Described(_) => Ok(()),
            ExistingAsset::Loose(files) => Err(occupied(asset, &files)),
        }
    }

    /// Claim on the name `asset`, not counting files that unpublished uploads have put in place.
    pub(in crate::ingest) async fn claimed(&self, asset: &AssetId) -> Result<ExistingAsset, Error> {
        let claim = self.catalog.claim(asset).await?;
        let ExistingAsset::Loose(files) = &claim else { return Ok(claim) };
        for file in files {
            let ours = match file.strip_prefix(asset.as_str()).and_then(|rest| rest.strip_prefix('/')) {
                Some(name) if is_marked(name) => self.library.is_uploading(asset.as_str(), name).await?,
                Some(_) | None => false,
            };
            if !ours {
                return Ok(claim);
            }
        }
        Ok(if files.is_empty() { claim } else { ExistingAsset::None })
    }

    /// Whether no asset has the name `asset`, and no upload under way will create it.
    pub(in crate::ingest) async fn is_free(&self, asset: &AssetId) -> Result<bool, Error> {
        let known = self.library.asset(asset.as_str()).await?.is_some();
        if known || self.library.uploads_under_way(asset.as_str()).await? > 0 {
            return Ok(false);
        }
        match self.catalog.claim(asset).await {
            Ok(ExistingAsset::None) => Ok(true),
            Ok(ExistingAsset::Described(_) | ExistingAsset::Loose(_))
            | Err(crate::catalog::Error::Unplayable { .. }) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    /// Locks the name `asset` for the upload or job `by`, against other uploads and publishing jobs. The same job gets
    /// the lock again at once after a crash.
    pub(in crate::ingest) async fn lock_name(&self, asset: &AssetId, by: &str) -> Result<(), Error> {
        for _ in 0..TURNS {
            if self.library.lock_asset(asset.as_str(), by, later(NAMING), now()).await? {
                return Ok(());
            }
            tokio::time::sleep(TURN).await;
        }
        Err(Error::Held(asset.as_str().into()))
    }

    /// Content id of the file with the URL name `name` in `descriptor`; `None` if there is none.
    async fn replaced(&self, id: &AssetId, descriptor: &Descriptor, name: &str) -> Result<Option<String>, Error> {
        let Some(file) = descriptor.renditions.iter().find(|rendition| rendition.name() == name) else {
            return Ok(None);
        };
        let version = self.version(&format!("{id}/{}", file.file)).await?;
        Ok(version.and_then(|version| version.content))
    }

    /// Whether `asset` has a file with the URL name `stem`.
    pub(in crate::ingest) async fn has_file(&self, asset: &AssetId, stem: &str) -> Result<bool, Error> {
        match self.catalog.claim(asset).await? {
            ExistingAsset::Described(descriptor) => Ok(descriptor.renditions.iter().any(|file| file.name() == stem)),
            ExistingAsset::None | ExistingAsset::Loose(_) => Ok(false),
        }
    }

    /// Checks the client's If-Match and If-None-Match in `metadata` for a file with the URL name `stem` in `asset`.
    pub(in crate::ingest) async fn check_condition(
        &self,
        asset: &AssetId,
        stem: &str,
        metadata: &str,
    ) -> Result<(), Error> {
        let metadata = Metadata::parse(metadata).unwrap_or_default();
        if metadata.get(condition::IF_MATCH).is_none() && metadata.get(condition::IF_NONE_MATCH).is_none() {
            return Ok(());
        }
        let current = match self.catalog.claim(asset).await? {
            ExistingAsset::Described(descriptor) => self.replaced(asset, &descriptor, stem).await?,
            ExistingAsset::None | ExistingAsset::Loose(_) => None,
        };
        condition::check(&metadata, current.as_deref())
    }
}

/// Error for loose `files` that occupy the name `asset`.
pub(in crate::ingest) fn occupied(asset: &AssetId, files: &[String]) -> Error {
    let lies = match files {
        [] => "files".into(),
        [file] => file.clone(),
        [file, others @ ..] => format!("{file} and {} more", others.len()),
    };
    Error::Conflict(format!(
        "{asset}: {lies} lie in the store without an asset.json, and would not be found any more: write one, or take \
         another name"
    ))
}
