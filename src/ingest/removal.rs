//! Taking away: uploads that nobody wants any more, assets that are deleted, and had back until they are purged.
//!
//! ```text
//! delete  ─ asset.json says nothing: new viewers find no asset, and versions answer 410
//! restore ─ asset.json says what it said
//! purge   ─ after the grace: files, then asset.json, then the row
//! ```

use super::append::path;
use super::error::Error;
use super::random::token;
use super::service::{Ingest, millis, now};
use super::worker::{PURGE, Task};
use crate::catalog::{Asset, Claim};
use crate::library::{AssetRow, NewJob, Upload, UploadState};
use crate::media::{AssetId, DESCRIPTOR, Descriptor, Details, SCHEMA_VERSION, u64_from_usize};
use crate::metrics::Fate;
use serde::{Deserialize, Serialize};

/// What an asset was before it was deleted.
#[derive(Debug, Serialize, Deserialize)]
struct Before {
    /// What its `asset.json` said; `None` where it had none.
    descriptor: Option<String>,
    /// Its files, by their paths.
    files: Vec<String>,
}

impl Ingest {
    /// Gives an upload up: what is stored of it goes.
    pub async fn terminate(&self, id: &str) -> Result<(), Error> {
        let row = self.upload(id).await?;
        match row.state {
            UploadState::Receiving => {}
            UploadState::Received => {
                return Err(Error::Conflict("all bytes are there, and the upload is being published".into()));
            }
            // What became of it is told no longer.
            UploadState::Published | UploadState::Refused | UploadState::Cancelled => {
                self.library.delete_upload(id).await?;
                return Ok(());
            }
        }
        self.writers.stop(id);
        // Whoever writes elsewhere is fenced.
        let row = self.library.take_upload(id, now()).await?.unwrap_or(row);
        let from = [UploadState::Receiving];
        if !self.library.settle_upload(id, &from, UploadState::Cancelled, None, None, now()).await? {
            return Err(Error::Conflict("the upload was finished in the meantime".into()));
        }
        self.metrics.upload_ended(Fate::Cancelled);
        self.clear(&row).await?;
        tracing::info!(upload = id, asset = %row.asset, "an upload is given up");
        Ok(())
    }

    /// Removes what is stored of an upload, then its row.
    async fn clear(&self, row: &Upload) -> Result<(), Error> {
        self.catalog.store().discard_draft(&row.id, &path(row), &row.saved).await?;
        self.library.delete_upload(&row.id).await?;
        let Some(asset) = AssetId::new(&row.asset) else { return Ok(()) };
        self.hold(&asset, &row.id).await?;
        // What the client put there itself.
        let removed = match self.catalog.store().remove(&path(row)).await {
            Ok(()) => self.unclaim(&asset).await,
            Err(error) => Err(error.into()),
        };
        self.library.unlock_asset(asset.as_str(), &row.id).await?;
        removed
    }

    /// Gives up uploads that nobody went on with.
    pub(super) async fn expire(&self, most: u32) -> Result<(), Error> {
        for row in self.library.expired_uploads(now(), most).await? {
            match self.terminate(&row.id).await {
                Ok(()) | Err(Error::NotFound(_) | Error::Conflict(_)) => {}
                Err(error) => tracing::warn!(upload = %row.id, "an upload that expired is still there: {error}"),
            }
        }
        Ok(())
    }

    /// Deletes an asset: it is not there any more, and can be had back until it is purged.
    pub async fn delete(&self, id: &AssetId) -> Result<AssetRow, Error> {
        let held = token::<8>();
        self.hold(id, &held).await?;
        let deleted = self.delete_held(id).await;
        self.library.unlock_asset(id.as_str(), &held).await?;
        deleted
    }

    async fn delete_held(&self, id: &AssetId) -> Result<AssetRow, Error> {
        let known = self.library.asset(id.as_str()).await?;
        let row = match known.clone().filter(|row| row.deleted.is_some()) {
            // Again: whoever did it before may have been killed in its middle.
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

    /// Writes down what an asset was, before it is taken away.
    async fn doomed(&self, id: &AssetId, known: Option<AssetRow>) -> Result<AssetRow, Error> {
        let claim = self.catalog.claim(id).await?;
        let asset = self.catalog.renewed(id).await?;
        self.catalog.store().check_writable(&format!("{id}/{DESCRIPTOR}"))?;
        let now = now();
        let row = AssetRow {
            deleted: Some(now),
            purge_at: Some(now.saturating_add(millis(self.settings.grace))),
            before: serde_json::to_string(&before(&asset, claim)).ok(),
            ..row_of(&asset, known, now)
        };
        self.library.put_asset(&row, now).await?;
        Ok(row)
    }

    /// Gives a deleted asset back.
    pub async fn restore(&self, id: &AssetId) -> Result<AssetRow, Error> {
        let held = token::<8>();
        self.hold(id, &held).await?;
        let restored = self.restore_held(id).await;
        self.library.unlock_asset(id.as_str(), &held).await?;
        restored
    }

    async fn restore_held(&self, id: &AssetId) -> Result<AssetRow, Error> {
        let row = self.library.asset(id.as_str()).await?.ok_or(Error::NotFound("asset"))?;
        if row.deleted.is_none() {
            return Ok(row);
        }
        let path = format!("{id}/{DESCRIPTOR}");
        match parsed(&row)?.descriptor {
            Some(text) => self.catalog.store().put(&path, text.into()).await?,
            None => self.catalog.store().remove(&path).await?,
        }
        let row = AssetRow { deleted: None, purge_at: None, before: None, ..row };
        self.library.put_asset(&row, now()).await?;
        self.catalog.renewed(id).await?;
        tracing::info!(asset = %id, "an asset is restored");
        Ok(row)
    }

    /// Removes what is left of the deleted asset that `task` is about.
    pub(super) async fn purge(&self, task: &Task) -> Result<(), Error> {
        let id = AssetId::new(&task.subject).ok_or_else(|| Error::Name(task.subject.clone()))?;
        self.hold(&id, &task.id).await?;
        let purged = self.purge_held(&id).await;
        self.library.unlock_asset(id.as_str(), &task.id).await?;
        purged
    }

    async fn purge_held(&self, id: &AssetId) -> Result<(), Error> {
        // Restored in the meantime, deleted again later, or purged before.
        let Some(row) = self.library.asset(id.as_str()).await?.filter(|row| row.purge_at.is_some_and(|at| at <= now()))
        else {
            return Ok(());
        };
        let store = self.catalog.store();
        for file in parsed(&row)?.files {
            store.remove(&file).await?;
        }
        store.remove(&format!("{id}/{DESCRIPTOR}")).await?;
        self.library.delete_asset_row(id.as_str()).await?;
        tracing::info!(asset = %id, "an asset is purged");
        Ok(())
    }

    /// Removes a file that another replaced, unless it is part of its asset again.
    pub(super) async fn discard(&self, task: &Task) -> Result<(), Error> {
        let (folder, file) = task.subject.rsplit_once('/').ok_or_else(|| Error::Name(task.subject.clone()))?;
        let id = AssetId::new(folder).ok_or_else(|| Error::Name(folder.into()))?;
        if let Claim::Described(descriptor) = self.catalog.claim(&id).await?
            && descriptor.renditions.iter().any(|rendition| rendition.file == file)
        {
            return Ok(());
        }
        Ok(self.catalog.store().remove(&task.subject).await?)
    }

    /// Waits until the asset is not found any more.
    async fn gone(&self, id: &AssetId) -> Result<(), Error> {
        match self.catalog.renewed(id).await {
            Err(crate::catalog::Error::NotFound) => Ok(()),
            Ok(_) => Err(Error::Interrupted(format!("{id} is deleted, and can be seen for a moment still"))),
            Err(error) => Err(error.into()),
        }
    }
}

/// The job that purges `id` then: one for each time that it is deleted.
fn purging(id: &AssetId, run_at: i64) -> NewJob {
    NewJob {
        id: token::<16>(),
        kind: PURGE.into(),
        subject: id.as_str().into(),
        payload: String::new(),
        priority: -10,
        dedupe: Some(format!("{PURGE} {id} {run_at}")),
        max_attempts: 20,
        run_at,
    }
}

fn before(asset: &Asset, claim: Claim) -> Before {
    let descriptor = match claim {
        Claim::Described(descriptor) => Some(descriptor.print()),
        Claim::None | Claim::Loose => None,
    };
    Before { descriptor, files: asset.files.iter().map(|file| file.object.path().to_owned()).collect() }
}

fn parsed(row: &AssetRow) -> Result<Before, Error> {
    let text = row.before.as_deref().unwrap_or_default();
    serde_json::from_str(text).map_err(|error| Error::Library(format!("what {} was cannot be read: {error}", row.id)))
}

/// What is told of `asset`, created when it was `known` first.
pub(super) fn row_of(asset: &Asset, known: Option<AssetRow>, now: i64) -> AssetRow {
    let (title, details, created) = known.map_or((None, Details::default(), now), |known| {
        let AssetRow { title, details, created, .. } = known;
        (title, details, created)
    });
    // The library alone knows what a loose file is called.
    let (title, details) = match &asset.details {
        Some(details) => (asset.title.clone(), details.clone()),
        None => (title.unwrap_or_else(|| asset.title.clone()), details),
    };
    AssetRow {
        id: asset.id.as_str().into(),
        title: Some(title),
        details,
        created,
        updated: now,
        bytes: asset.files.iter().map(|file| file.object.size()).sum(),
        millis: u64::try_from(asset.plan.end().micros() / 1_000).unwrap_or(0),
        files: u32::try_from(u64_from_usize(asset.files.len())).unwrap_or(u32::MAX),
        deleted: None,
        purge_at: None,
        before: None,
    }
}
