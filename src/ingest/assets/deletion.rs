//! Deletes and restores assets.
//!
//! ```text
//! delete  ─ asset.json lists no files: new viewers find no asset, and its versions answer 410
//! restore ─ asset.json gets its old content back
//! ```
//! `purge` removes the files after the grace period.

use super::deleted::{DeletedAsset, DeletedFile, parsed};
use super::record::row_of;
use super::version::{StoredState, StoredVersion};
use crate::catalog::{Asset, ExistingAsset};
use crate::ingest::clock::{millis, now};
use crate::ingest::error::Error;
use crate::ingest::random::token;
use crate::ingest::service::Ingest;
use crate::library::{AssetRow, JobKind, NewJob};
use crate::media::{AssetId, DESCRIPTOR, Descriptor, Details, SCHEMA_VERSION};

impl Ingest {
    /// Deletes an asset. It can be restored until it is purged.
    pub async fn delete(&self, id: &AssetId) -> Result<AssetRow, Error> {
        let held = token::<8>();
        self.lock_name(id, &held).await?;
        let deleted = self.delete_held(id).await;
        self.library.unlock_asset(id.as_str(), &held).await?;
        deleted
    }

    pub(in crate::ingest) async fn delete_held(&self, id: &AssetId) -> Result<AssetRow, Error> {
        let mut known = self.library.asset(id.as_str()).await?;
        if let Some(row) = known.clone().filter(|row| row.deleted.is_some())
            && self.is_over(id, &row).await?
        {
            // The old deletion is over: other files have taken its place since, and they are to be deleted.
            self.end_deletion(id).await?;
            known = None;
        }
        let row = match known.clone().filter(|row| row.deleted.is_some()) {
            // Repeat the steps: an earlier request may have been killed in the middle.
            Some(row) => row,
            None => self.doomed(id, known).await?,
        };
        let nothing = Descriptor {
            version: SCHEMA_VERSION,
            title: None,
            details: Details::default(),
            reference: None,
            renditions: Vec::new(),
        };
        self.describe(id, &nothing).await?;
        self.gone(id).await?;
        self.library.enqueue(&purging(id, row.purge_at.unwrap_or_default()), now()).await?;
        tracing::info!(asset = %id, "an asset is deleted");
        Ok(row)
    }

    /// Stores the state of an asset before its deletion.
    async fn doomed(&self, id: &AssetId, known: Option<AssetRow>) -> Result<AssetRow, Error> {
        let claim = self.catalog.claim(id).await?;
        let asset = self.catalog.renewed(id).await?;
        self.catalog.store().check_writable(&format!("{id}/{DESCRIPTOR}"))?;
        self.check_neighbours(id, &asset).await?;
        let now = now();
        let row = AssetRow {
            deleted: Some(now),
            purge_at: Some(now.saturating_add(millis(self.settings.grace))),
            before: serde_json::to_string(&self.before(&asset, claim).await?).ok(),
            ..row_of(&asset, known, now)
        };
        self.library.put_asset(&row, now).await?;
        Ok(row)
    }

    /// Refuses to delete a film if a folder of its name holds other films: the `asset.json` that hides this one would
    /// hide them too.
    async fn check_neighbours(&self, id: &AssetId, asset: &Asset) -> Result<(), Error> {
        let inside = format!("{id}/");
        if asset.files.iter().all(|file| file.object.path().starts_with(&inside)) {
            return Ok(());
        }
        match self.catalog.store().list(id.as_str(), 1).await {
            Ok(listing) if listing.media.is_empty() && !listing.is_large => return Ok(()),
            Err(crate::store::Error::NotFound { .. }) => return Ok(()),
            Ok(_) => {}
            Err(error) => return Err(error.into()),
        }
        Err(Error::Conflict(format!("the folder {id}/ holds other films: rename it or the film, then delete {id}")))
    }

    /// The descriptor and file versions of an asset.
    async fn before(&self, asset: &Asset, claim: ExistingAsset) -> Result<DeletedAsset, Error> {
        let descriptor = match claim {
            ExistingAsset::Described(descriptor) => Some(descriptor.print()),
            ExistingAsset::None | ExistingAsset::Loose(_) => None,
        };
        let mut files = Vec::new();
        for file in &asset.files {
            let version = self.version(file.object.path()).await?;
            let same = |version: &StoredVersion| version.content == Some(file.movie.content.to_string());
            let changed = || Error::Interrupted(format!("{}: changed while it was deleted", file.object.path()));
            files.push(DeletedFile::Version(version.filter(same).ok_or_else(changed)?));
        }
        Ok(DeletedAsset { descriptor, files })
    }

    /// Restores a deleted asset.
    pub async fn restore(&self, id: &AssetId) -> Result<AssetRow, Error> {
        let held = token::<8>();
        self.lock_name(id, &held).await?;
        let restored = self.restore_held(id).await;
        self.library.unlock_asset(id.as_str(), &held).await?;
        restored
    }

    async fn restore_held(&self, id: &AssetId) -> Result<AssetRow, Error> {
        let row = self.library.asset(id.as_str()).await?.ok_or(Error::NotFound("asset"))?;
        if row.deleted.is_none() {
            return Ok(row);
        }
        let lost = |what: &str| {
            Error::Conflict(format!(
                "{what} since {id} was deleted: it is kept, and the deleted asset cannot be had back"
            ))
        };
        if self.is_over(id, &row).await? {
            self.end_deletion(id).await?;
            return Err(lost("other files have been put in the place of its files"));
        }
        let before = parsed(&row)?;
        for version in before.versions() {
            match self.look_for(version).await? {
                StoredState::Same => {}
                StoredState::Other => return Err(lost(&format!("{} has been replaced", version.path))),
                StoredState::Nothing => return Err(lost(&format!("{} has been removed", version.path))),
            }
        }
        let path = format!("{id}/{DESCRIPTOR}");
        match before.descriptor {
            Some(text) => self.catalog.store().put(&path, text.into()).await?,
            None => self.unhide(id).await?,
        }
        let row = AssetRow { deleted: None, purge_at: None, before: None, ..row };
        self.library.put_asset(&row, now()).await?;
        self.catalog.renewed(id).await?;
        tracing::info!(asset = %id, "an asset is restored");
        Ok(row)
    }

    /// Waits until the catalog does not find the asset any more.
    async fn gone(&self, id: &AssetId) -> Result<(), Error> {
        match self.catalog.renewed(id).await {
            Err(crate::catalog::Error::NotFound) => Ok(()),
            Ok(_) => Err(Error::Interrupted(format!("{id} is deleted, and can be seen for a moment still"))),
            Err(error) => Err(error.into()),
        }
    }
}

/// The job that purges `id` at `run_at`; each deletion has its own.
fn purging(id: &AssetId, run_at: i64) -> NewJob {
    NewJob {
        id: token::<16>(),
        kind: JobKind::Purge,
        subject: id.as_str().into(),
        payload: String::new(),
        priority: -10,
        dedupe: Some(format!("{} {id} {run_at}", JobKind::Purge)),
        max_attempts: 20,
        run_at,
    }
}
