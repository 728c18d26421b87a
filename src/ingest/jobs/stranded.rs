//! Settles stranded uploads, whose jobs are over or missing, so that no upload stays in a state for ever.
//!
//! ```text
//! received ─ asset.json names it   ─► published
//!          ├ its job is dead       ─► refused, with the job's reason
//!          ├ its job is cancelled  ─► cancelled, stored bytes removed
//!          └ there is no job       ─► enqueued again
//! ```

use crate::catalog::{self, ExistingAsset};
use crate::ingest::clock::now;
use crate::ingest::error::Error;
use crate::ingest::receive::append::finishing;
use crate::ingest::receive::name::path;
use crate::ingest::service::Ingest;
use crate::library::{JobState, Settlement, StrandedUpload, Upload, UploadState};
use crate::media::AssetId;
use crate::metrics::UploadOutcome;

/// Uploads settled at a time.
const MOST: u32 = 100;

impl Ingest {
    /// Settles the uploads whose jobs are over.
    pub(in crate::ingest) async fn settle_stranded(&self) -> Result<(), Error> {
        for StrandedUpload { upload, job, reason } in self.library.stranded_uploads(MOST).await? {
            if job.is_some() && self.is_described(&upload).await? {
                self.note_published(&upload).await?;
                continue;
            }
            match job {
                Some(JobState::Dead) => self.give_up(&upload, UploadState::Received, reason.as_deref()).await?,
                Some(JobState::Cancelled) => self.call_off(&upload).await?,
                Some(JobState::Done | JobState::Queued | JobState::Running) | None => {
                    let row = self.upload(&upload).await?;
                    self.library.requeue_upload(&upload, &finishing(&row), now()).await?;
                }
            }
        }
        Ok(())
    }

    /// Refuses an upload in the state `from` whose job failed for good.
    pub(in crate::ingest) async fn give_up(
        &self,
        upload: &str,
        from: UploadState,
        reason: Option<&str>,
    ) -> Result<(), Error> {
        let reason = reason.unwrap_or("its job failed");
        if let Some(row) = self.settle_held(upload, from, UploadState::Refused, Some(reason)).await? {
            tracing::warn!(upload, asset = %row.asset, "an upload is refused: {reason}");
            self.metrics.upload_ended(UploadOutcome::Refused);
        }
        Ok(())
    }

    /// Moves an upload from the state `from` to a final state and removes its stored bytes, with the asset's name
    /// locked against publishing. `None` if it is not in the state `from`.
    async fn settle_held(
        &self,
        upload: &str,
        from: UploadState,
        to: UploadState,
        reason: Option<&str>,
    ) -> Result<Option<Upload>, Error> {
        let row = self.upload(upload).await?;
        let asset = AssetId::new(&row.asset).ok_or_else(|| Error::Name(row.asset.clone()))?;
        self.lock_name(&asset, upload).await?;
        let settled =
            match self.library.settle_upload(upload, Settlement { from, to, reason, report: None }, now()).await {
                Ok(true) => self.take_away(&row).await.map(|()| Some(row)),
                Ok(false) => Ok(None),
                Err(error) => Err(error.into()),
            };
        self.library.unlock_asset(asset.as_str(), upload).await?;
        self.announcements.announce(upload);
        settled
    }

    /// Marks an upload published: its job was interrupted after `asset.json` was written.
    async fn note_published(&self, upload: &str) -> Result<(), Error> {
        let settlement = Settlement::plain(UploadState::Received, UploadState::Published);
        self.library.settle_upload(upload, settlement, now()).await?;
        self.announcements.announce(upload);
        Ok(())
    }

    /// Cancels a complete upload.
    pub(in crate::ingest) async fn call_off(&self, upload: &str) -> Result<(), Error> {
        if self.is_described(upload).await? {
            self.note_published(upload).await?;
            return Err(Error::Conflict("the upload is published: delete its asset".into()));
        }
        let (from, to) = (UploadState::Received, UploadState::Cancelled);
        if let Some(row) = self.settle_held(upload, from, to, None).await? {
            self.metrics.upload_ended(UploadOutcome::Cancelled);
            self.library.delete_upload(upload).await?;
            tracing::info!(upload, asset = %row.asset, "an upload is given up");
        }
        Ok(())
    }

    /// Whether the `asset.json` of an upload's asset names its file.
    async fn is_described(&self, upload: &str) -> Result<bool, Error> {
        let row = self.upload(upload).await?;
        let Some(asset) = AssetId::new(&row.asset) else { return Ok(false) };
        match self.catalog.claim(&asset).await {
            Ok(ExistingAsset::Described(descriptor)) => {
                Ok(descriptor.renditions.iter().any(|file| file.file == row.file))
            }
            Ok(ExistingAsset::None | ExistingAsset::Loose(_)) | Err(catalog::Error::Unplayable { .. }) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    /// Removes the stored bytes of an upload: its draft, the client's direct upload, and the file that an interrupted
    /// job had put in place.
    async fn take_away(&self, row: &Upload) -> Result<(), Error> {
        let (store, path) = (self.catalog.store(), path(row));
        store.discard_draft(&row.id, &path, &row.saved).await?;
        self.take_back(row).await?;
        if let Some(stamp) = store.written(&path).await?.filter(|stamp| row.length == Some(stamp.size())) {
            store.remove_version(&path, &stamp.mark()).await?;
        }
        Ok(())
    }

    /// Cancels the job `id`, and settles its upload if no worker would. `false` if the job is over or unknown.
    pub async fn cancel_job(&self, id: &str) -> Result<bool, Error> {
        let cancelled = self.library.cancel_job(id, now()).await?;
        if cancelled {
            self.settle_stranded().await?;
        }
        Ok(cancelled)
    }
}
