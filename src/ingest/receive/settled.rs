//! Waits until an upload is published or refused.

use crate::ingest::error::Error;
use crate::ingest::service::Ingest;
use crate::library::{Upload, UploadState};
use std::time::Duration;
use tokio::time::{Instant, timeout_at};

/// Longest time the response to the last bytes waits for the upload to be published.
const PUBLISHING: Duration = Duration::from_secs(20);

impl Ingest {
    /// Waits until the upload is published or refused; if that takes longer than `PUBLISHING`, returns it unfinished.
    pub async fn settled(&self, id: &str) -> Result<Upload, Error> {
        let until = Instant::now() + PUBLISHING;
        let mut waiter = self.announcements.wait_for(id);
        loop {
            let upload = self.upload(id).await?;
            if upload.state != UploadState::Received || Instant::now() >= until || self.stop.is_cancelled() {
                return Ok(upload);
            }
            // All three ends of this wait lead to another look at the row.
            let _ = self.stop.run_until_cancelled(timeout_at(until, waiter.woken())).await;
        }
    }
}
