//! Ends deletions: purges deleted assets after the grace period, and gives names back that other files have taken.
//!
//! ```text
//! purge ─ after the grace: the versions that were deleted, then asset.json, then the row
//! ```
//! A name is not an identity: a file that has replaced a deleted one by then is another version, and stays.

use super::deleted::parsed;
use super::version::{StoredState, StoredVersion};
use crate::catalog::ExistingAsset;
use crate::ingest::clock::now;
use crate::ingest::error::Error;
use crate::ingest::random::token;
use crate::ingest::service::Ingest;
use crate::ingest::task::Task;
use crate::library::AssetRow;
use crate::media::{AssetId, DESCRIPTOR};

impl Ingest {
    /// Purges the deleted asset of `task`.
    pub(in crate::ingest) async fn purge(&self, task: &Task) -> Result<(), Error> {
        let id = AssetId::new(&task.subject).ok_or_else(|| Error::Name(task.subject.clone()))?;
        self.lock_name(&id, &task.id).await?;
        let purged = self.purge_held(&id).await;
        self.library.unlock_asset(id.as_str(), &task.id).await?;
        purged
    }

    async fn purge_held(&self, id: &AssetId) -> Result<(), Error> {
        // The asset was restored, deleted again later, or purged before.
        let Some(row) = self.library.asset(id.as_str()).await?.filter(|row| row.purge_at.is_some_and(|at| at <= now()))
        else {
            return Ok(());
        };
        let before = parsed(&row)?;
        if before.is_by_name() {
            // A path alone does not tell which file to remove: remove nothing, and keep the asset hidden.
            tracing::warn!(asset = %id, "not purged: it was deleted by a version that did not note which files; \
                restore it and delete it again, or remove its files");
            return Ok(());
        }
        let named = self.named_again(id).await?;
        for version in before.versions() {
            match named.iter().find(|path| **path == version.path) {
                Some(path) => tracing::warn!(asset = %id, path, "kept a file: asset.json names it again"),
                None => self.remove_version(version).await?,
            }
        }
        self.end_deletion(id).await?;
        tracing::info!(asset = %id, "an asset is purged");
        Ok(())
    }

    /// Ends deletions whose files somebody else has all replaced or removed, so that the current files are visible;
    /// finishes deletions that a crash interrupted.
    pub(in crate::ingest) async fn settle_deletions(&self) -> Result<(), Error> {
        for (name, deleted) in self.known().await? {
            let Some(id) = AssetId::new(&name).filter(|_| deleted) else { continue };
            if self.stop.is_cancelled() {
                return Ok(());
            }
            let held = token::<8>();
            self.lock_name(&id, &held).await?;
            let settled = self.settle_deletion(&id).await;
            self.library.unlock_asset(&name, &held).await?;
            settled?;
        }
        Ok(())
    }

    async fn settle_deletion(&self, id: &AssetId) -> Result<(), Error> {
        let row = self.library.asset(id.as_str()).await?.filter(|row| row.deleted.is_some());
        let Some(row) = row else { return Ok(()) };
        if self.is_over(id, &row).await? {
            tracing::info!(asset = %id, "the files of a deleted asset have been replaced: the asset is visible again");
            return self.end_deletion(id).await;
        }
        let shown = match self.catalog.claim(id).await? {
            ExistingAsset::Described(descriptor) => Some(descriptor.print()) == parsed(&row)?.descriptor,
            ExistingAsset::None | ExistingAsset::Loose(_) => true,
        };
        if shown { self.delete_held(id).await.map(drop) } else { Ok(()) }
    }

    /// Whether no version in `row` is left to delete and other files have taken its place.
    pub(in crate::ingest) async fn is_over(&self, id: &AssetId, row: &AssetRow) -> Result<bool, Error> {
        let before = parsed(row)?;
        if before.is_by_name() {
            return Ok(false);
        }
        let mut replaced = !self.named_again(id).await?.is_empty();
        for version in before.versions() {
            match self.look_for(version).await? {
                StoredState::Same => return Ok(false),
                StoredState::Other => replaced = true,
                StoredState::Nothing => {}
            }
        }
        Ok(replaced)
    }

    /// Paths of the files that a deleted asset's `asset.json` names because somebody has written it since. An
    /// `asset.json` that cannot be parsed was also written by somebody: it stays, with its files.
    async fn named_again(&self, id: &AssetId) -> Result<Vec<String>, Error> {
        match self.catalog.claim(id).await? {
            ExistingAsset::Described(descriptor) => {
                Ok(descriptor.renditions.iter().map(|rendition| format!("{id}/{}", rendition.file)).collect())
            }
            ExistingAsset::None | ExistingAsset::Loose(_) => Ok(Vec::new()),
        }
    }

    /// Forgets a deletion, and unhides the asset's name.
    pub(in crate::ingest) async fn end_deletion(&self, id: &AssetId) -> Result<(), Error> {
        self.unhide(id).await?;
        self.library.delete_asset_row(id.as_str()).await?;
        Ok(())
    }

    /// Removes the `asset.json` that hides a deleted asset. One that names files is somebody else's, and stays.
    pub(in crate::ingest) async fn unhide(&self, id: &AssetId) -> Result<(), Error> {
        let path = format!("{id}/{DESCRIPTOR}");
        let Some(stamp) = self.catalog.store().written(&path).await? else { return Ok(()) };
        match self.catalog.claim(id).await? {
            ExistingAsset::Described(descriptor) if descriptor.renditions.is_empty() => {
                self.catalog.store().remove_version(&path, &stamp.mark()).await?;
            }
            ExistingAsset::Described(_) | ExistingAsset::Loose(_) | ExistingAsset::None => {}
        }
        Ok(())
    }

    /// Removes a replaced file, unless its asset uses it again.
    pub(in crate::ingest) async fn discard(&self, task: &Task) -> Result<(), Error> {
        let (folder, file) = task.subject.rsplit_once('/').ok_or_else(|| Error::Name(task.subject.clone()))?;
        let id = AssetId::new(folder).ok_or_else(|| Error::Name(folder.into()))?;
        let Ok(version) = serde_json::from_str::<StoredVersion>(&task.payload) else {
            tracing::warn!(
                path = task.subject,
                "kept a replaced file: the job does not say which version of the file to remove"
            );
            return Ok(());
        };
        self.lock_name(&id, &task.id).await?;
        let discarded = match self.named_again(&id).await {
            Ok(named) if named.contains(&format!("{folder}/{file}")) => Ok(()),
            Ok(_) => self.remove_version(&version).await,
            Err(error) => Err(error),
        };
        self.library.unlock_asset(id.as_str(), &task.id).await?;
        discarded
    }
}
