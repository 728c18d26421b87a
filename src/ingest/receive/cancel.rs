//! Cancels uploads and removes their stored bytes.

use super::name::path;
use crate::ingest::clock::now;
use crate::ingest::error::Error;
use crate::ingest::service::Ingest;
use crate::library::{JobState, Settlement, Upload, UploadState};
use crate::metrics::UploadOutcome;

impl Ingest {
    /// Gives up an upload and removes its stored bytes. On a full disk it first frees the bytes, then updates the
    /// database.
    pub async fn terminate(&self, id: &str) -> Result<(), Error> {
        match self.terminate_once(id).await {
            Err(Error::Full) => {
                self.make_room(id).await?;
                self.terminate_once(id).await
            }
            done => done,
        }
    }

    /// Frees the staged bytes of an unfinished upload and the library's reserve.
    async fn make_room(&self, id: &str) -> Result<(), Error> {
        let row = self.upload(id).await?;
        if row.state == UploadState::Receiving {
            self.writers.stop(id);
            self.catalog.store().discard_draft(&row.id, &path(&row), &row.saved).await?;
        }
        self.library.release_reserve().await;
        Ok(())
    }

    async fn terminate_once(&self, id: &str) -> Result<(), Error> {
        let row = self.upload(id).await?;
        match row.state {
            UploadState::Receiving => {}
            UploadState::Received => return self.terminate_received(id).await,
            // The upload is settled: forget it.
            UploadState::Published | UploadState::Refused | UploadState::Cancelled => {
                self.library.delete_upload(id).await?;
                return Ok(());
            }
        }
        self.writers.stop(id);
        // Fence off writers in other processes.
        let row = self.library.take_upload(id, now()).await?.unwrap_or(row);
        let settlement = Settlement::plain(UploadState::Receiving, UploadState::Cancelled);
        if !self.library.settle_upload(id, settlement, now()).await? {
            return Err(Error::Conflict("the upload was finished in the meantime".into()));
        }
        self.metrics.upload_ended(UploadOutcome::Cancelled);
        self.clear(&row).await?;
        tracing::info!(upload = id, asset = %row.asset, "an upload is given up");
        Ok(())
    }

    /// Gives up an upload that waits for publication. An error if the job is already running.
    async fn terminate_received(&self, id: &str) -> Result<(), Error> {
        if let Some(job) = self.library.job_of_upload(id).await? {
            self.library.cancel_job(&job, now()).await?;
            if self.library.job(&job).await?.is_some_and(|job| job.state == JobState::Running) {
                return Err(Error::Conflict(
                    "all bytes are there, and the upload is being published: ask again".into(),
                ));
            }
        }
        self.call_off(id).await
    }

    /// Removes the stored bytes of an upload, then its row.
    async fn clear(&self, row: &Upload) -> Result<(), Error> {
        self.catalog.store().discard_draft(&row.id, &path(row), &row.saved).await?;
        self.take_back(row).await?;
        self.library.delete_upload(&row.id).await?;
        Ok(())
    }

    /// Removes a file that the client put by a signed URL; only such files are hidden.
    pub(in crate::ingest) async fn take_back(&self, row: &Upload) -> Result<(), Error> {
        let (store, path) = (self.catalog.store(), path(row));
        if !store.is_hidden(&path).await? {
            return Ok(());
        }
        if let Some(stamp) = store.written(&path).await? {
            store.remove_version(&path, &stamp.mark()).await?;
        }
        Ok(store.reveal(&path).await?)
    }

    /// Gives up expired uploads, at most `most`.
    pub(in crate::ingest) async fn expire(&self, most: u32) -> Result<(), Error> {
        for row in self.library.expired_uploads(now(), most).await? {
            match self.terminate(&row.id).await {
                Ok(()) | Err(Error::NotFound(_) | Error::Conflict(_)) => {}
                Err(error) => tracing::warn!(upload = %row.id, "cannot remove an expired upload: {error}"),
            }
        }
        Ok(())
    }
}
