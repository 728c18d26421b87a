//! Periodic cleanup: expires uploads, forgets finished jobs, and sweeps leftovers of crashes.

use crate::ingest::clock::{millis, now};
use crate::ingest::error::Error;
use crate::ingest::receive::name::is_marked;
use crate::ingest::service::Ingest;
use crate::library::{AssetChange, JobState, QueueDepth, Upload, UploadState};
use crate::metrics::JobQueue;
use crate::store::Leftover;
use std::time::{Duration, SystemTime};
use tokio::time::sleep;

/// Interval between rounds.
const ROUND: Duration = Duration::from_secs(30);

/// Rounds between two sweeps: a sweep lists all staged parts.
const SWEEP: u32 = 120;

/// Rounds between two synchronisations with the store's assets.
const SYNC: u32 = 10;

/// Interval between job counts for the metrics.
const WATCH: Duration = Duration::from_secs(5);

/// Most uploads that one round expires.
const MOST: u32 = 100;

/// Time for which the outcome of a job or an upload stays available.
const TOLD: Duration = Duration::from_hours(24 * 7);

impl Ingest {
    /// Runs the cleanup until the service is stopped.
    pub(in crate::ingest) async fn tidy(self) {
        let mut round = 0_u32;
        while !self.stop.is_cancelled() {
            if let Err(error) = self.round(round).await {
                tracing::debug!("a cleanup round failed: {error}");
            }
            round = round.wrapping_add(1);
            self.stop.run_until_cancelled(sleep(ROUND)).await;
        }
    }

    /// Counts queued jobs for the metrics and reads changed titles until the service is stopped.
    pub(in crate::ingest) async fn watch(self) {
        let mut since = AssetChange::default();
        while !self.stop.is_cancelled() {
            match self.library.job_depth().await {
                Ok(depths) => self.metrics.queue(queue(&depths, now())),
                Err(error) => tracing::debug!("cannot count jobs for the metrics: {error}"),
            }
            match self.annotate(since.clone()).await {
                Ok(next) => since = next,
                Err(error) => tracing::debug!("cannot read changed titles: {error}"),
            }
            self.stop.run_until_cancelled(sleep(WATCH)).await;
        }
    }

    async fn round(&self, round: u32) -> Result<(), Error> {
        self.expire(MOST).await?;
        self.settle_stranded().await?;
        self.library.keep_reserve().await;
        let told = now().saturating_sub(millis(TOLD));
        self.library.forget_jobs(told).await?;
        self.library.forget_uploads(told).await?;
        self.library.forget_upload_tokens(told).await?;
        if round.is_multiple_of(SYNC) {
            self.settle_deletions().await?;
            self.sync().await?;
        }
        if round.is_multiple_of(SWEEP) {
            self.sweep().await?;
        }
        Ok(())
    }

    /// Whether to keep a leftover: its upload is still open, its name is not one that uploads get, or the library does
    /// not respond. Parts without any row may belong to somebody else, and stay.
    async fn knows(&self, left: Leftover) -> bool {
        match left {
            Leftover::Draft(id) if is_token(&id) => {
                self.library.upload(&id).await.map_or(true, |row| row.is_some_and(|row| is_open(&row)))
            }
            Leftover::Draft(_) => true,
            // Other files may look as if they had a mark: `film-20240131.mp4` does.
            Leftover::Parts(path) => match path.rsplit_once('/').filter(|(_, file)| is_marked(file)) {
                Some((asset, file)) => {
                    self.library.upload_of(asset, file).await.map_or(true, |row| row.is_none_or(|row| is_open(&row)))
                }
                None => true,
            },
        }
    }

    /// Removes leftovers of uploads that are not open, once older than any upload may be; returns their number.
    pub async fn sweep(&self) -> Result<u64, Error> {
        let old = SystemTime::now().checked_sub(self.settings.expires).unwrap_or(SystemTime::UNIX_EPOCH);
        let swept = self.catalog.store().sweep_drafts(old, |left| self.knows(left)).await?;
        if swept > 0 {
            tracing::info!(swept, "removed leftovers of uploads that a crash interrupted");
        }
        Ok(swept)
    }
}

/// Whether `name` has the form of an upload's id.
fn is_token(name: &str) -> bool {
    name.len() == 32 && name.bytes().all(|digit| matches!(digit, b'0'..=b'9' | b'a'..=b'f'))
}

/// Whether bytes of an upload are still staged.
const fn is_open(row: &Upload) -> bool {
    matches!(row.state, UploadState::Receiving | UploadState::Received)
}

/// Metrics from `depths`; of queued jobs, only those due at `now` count.
fn queue(depths: &[QueueDepth], now: i64) -> JobQueue {
    let of = |state| depths.iter().filter(move |depth| depth.state == state);
    let count = |state| of(state).map(|depth| depth.count).sum();
    let due = || of(JobState::Queued).filter(|depth| depth.run_at <= now);
    let first = due().map(|depth| depth.run_at).min().unwrap_or(now);
    JobQueue {
        queued: due().map(|depth| depth.count).sum(),
        running: count(JobState::Running),
        dead: count(JobState::Dead),
        age: u64::try_from(now.saturating_sub(first) / 1_000).unwrap_or(0),
    }
}
