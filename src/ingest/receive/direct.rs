//! Uploads that the client sends straight into the store, by a signed URL.

use super::creation::UploadRequest;
use super::name::path;
use crate::ingest::clock::now;
use crate::ingest::error::Error;
use crate::ingest::service::Ingest;
use crate::library::{Upload, UploadState};
use crate::media::AssetId;
use std::time::Duration;

/// Validity of a signed URL.
const SIGNED: Duration = Duration::from_hours(6);

/// An upload by signed URL.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DirectUpload {
    /// The upload.
    pub upload: Upload,
    /// URL for the client's PUT; the body is the file alone.
    pub url: String,
}

impl Ingest {
    /// Begins an upload that the client sends into the store itself.
    pub async fn direct(&self, wanted: UploadRequest<'_>) -> Result<DirectUpload, Error> {
        wanted.length.ok_or_else(|| Error::Request("`length` is needed: the store is told it".into()))?;
        let upload = self.create(wanted).await?;
        match self.signed(&upload).await {
            Ok(url) => Ok(DirectUpload { upload, url }),
            Err(error) => {
                // Return the first error. If this cleanup fails, expiry removes the upload.
                let _ = self.terminate(&upload.id).await;
                Err(error)
            }
        }
    }

    async fn signed(&self, row: &Upload) -> Result<String, Error> {
        let unable = "this store gives out no URLs to write to: upload here instead (tus, or PUT)";
        let url = self.catalog.store().signed_put(&path(row), SIGNED).await?;
        let url = url.ok_or_else(|| Error::Unable(unable.into()))?;
        let id = AssetId::new(&row.asset).ok_or_else(|| Error::Name(row.asset.clone()))?;
        self.check_claim(&id).await?;
        // Hide the path, so that the client's file is not visible before it is published.
        self.catalog.store().hide(&path(row)).await?;
        Ok(url)
    }

    /// Completes a direct upload after the client's PUT.
    pub async fn complete(&self, id: &str) -> Result<Upload, Error> {
        let row = self.upload(id).await?;
        if row.state != UploadState::Receiving {
            return Ok(row);
        }
        let stamp = self.catalog.store().seek(&path(&row)).await?;
        let size =
            stamp.map(|stamp| stamp.size()).ok_or_else(|| Error::Conflict("the file is not there yet".into()))?;
        if row.length.is_some_and(|length| length != size) {
            return Err(Error::Conflict(format!("the file has {size} bytes, and {:?} were announced", row.length)));
        }
        let row = self.library.take_upload(id, now()).await?.ok_or(Error::Gone)?;
        self.receive(&Upload { offset: size, ..row }).await?;
        self.settled(id).await
    }
}
