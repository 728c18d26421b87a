//! Receives a whole file in one request.

use super::creation::UploadRequest;
use super::tus;
use crate::ingest::error::Error;
use crate::ingest::service::Ingest;
use crate::library::{Upload, UploadState};
use bytes::Bytes;
use futures_util::Stream;

impl Ingest {
    /// Stores a whole file from one request; removes everything if it does not arrive whole.
    pub async fn put<S, E>(&self, wanted: UploadRequest<'_>, body: S) -> Result<Upload, Error>
    where
        S: Stream<Item = Result<Bytes, E>> + Send + Unpin + 'static,
        E: Send,
    {
        let row = self.create(wanted).await?;
        let brought = tus::Bytes { offset: 0, count: wanted.length, checksum: None, length: None };
        let put = match self.append(&row.id, brought, body).await {
            Ok(row) if row.state == UploadState::Receiving => self.seal(row).await,
            put => put,
        };
        if put.is_err() {
            // Return the first error. If this cleanup fails, expiry removes the upload.
            let _ = self.terminate(&row.id).await;
        }
        let put = put?;
        match put.state {
            UploadState::Refused => Err(refusal(&put)),
            _ => Ok(put),
        }
    }

    /// Completes an upload of unknown length at its current offset.
    async fn seal(&self, row: Upload) -> Result<Upload, Error> {
        if row.length.is_some_and(|length| length != row.offset) {
            return Err(Error::Stalled);
        }
        self.check_length(Some(row.offset))?;
        self.receive(&row).await?;
        self.settled(&row.id).await
    }
}

/// Reason of a refused upload, as an error.
#[must_use]
pub fn refusal(row: &Upload) -> Error {
    let reason = row.reason.clone().unwrap_or_else(|| "it cannot be played".into());
    if reason == Error::Precondition.to_string() { Error::Precondition } else { Error::Unplayable(reason) }
}
