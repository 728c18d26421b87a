//! Uploads of which nobody goes on by himself: each gets an end, so that no state is for ever.
//!
//! ```text
//! received ─ its job is dead       ─► refused, for the reason that the job has
//!          ├ its job is cancelled  ─► cancelled; what is stored of it goes
//!          └ there is no job       ─► enqueued again
//! ```

use super::append::{finishing, path};
use super::error::Error;
use super::service::{Ingest, now};
use crate::library::{JobState, Stranded, UploadState};
use crate::metrics::Fate;

/// Uploads that are settled at a time.
const MOST: u32 = 100;

impl Ingest {
    /// Settles the uploads whose jobs are over.
    pub(super) async fn settle_stranded(&self) -> Result<(), Error> {
        for Stranded { upload, job, reason } in self.library.stranded_uploads(MOST).await? {
            match job {
                Some(JobState::Dead) => self.give_up(&upload, reason.as_deref()).await?,
                Some(JobState::Cancelled) => self.call_off(&upload).await?,
                Some(JobState::Done | JobState::Queued | JobState::Running) | None => {
                    let row = self.upload(&upload).await?;
                    self.library.requeue_upload(&upload, &finishing(&row), now()).await?;
                }
            }
        }
        Ok(())
    }

    /// Refuses an upload whose job failed for good.
    pub(super) async fn give_up(&self, upload: &str, reason: Option<&str>) -> Result<(), Error> {
        let row = self.upload(upload).await?;
        let from = [UploadState::Receiving, UploadState::Received];
        let reason = reason.unwrap_or("its job failed");
        if self.library.settle_upload(upload, &from, UploadState::Refused, Some(reason), None, now()).await? {
            tracing::warn!(upload, asset = %row.asset, "an upload is refused: {reason}");
            self.metrics.upload_ended(Fate::Refused);
            self.catalog.store().discard_draft(&row.id, &path(&row), &row.saved).await?;
            self.take_back(&row).await?;
        }
        Ok(())
    }

    /// Cancels an upload all of whose bytes are there.
    pub(super) async fn call_off(&self, upload: &str) -> Result<(), Error> {
        let row = self.upload(upload).await?;
        let from = [UploadState::Received];
        if self.library.settle_upload(upload, &from, UploadState::Cancelled, None, None, now()).await? {
            self.metrics.upload_ended(Fate::Cancelled);
            self.clear(&row).await?;
            tracing::info!(upload, asset = %row.asset, "an upload is given up");
        }
        Ok(())
    }

    /// Cancels the job `id`, and settles its upload where nobody else would. `false`: it is over, or there is none.
    pub async fn cancel_job(&self, id: &str) -> Result<bool, Error> {
        let cancelled = self.library.cancel_job(id, now()).await?;
        if cancelled {
            self.settle_stranded().await?;
        }
        Ok(cancelled)
    }
}
