//! What nobody asks for and has to be done all the same: uploads expire, finished jobs are forgotten, and what a crash
//! left between two steps is swept away.

use super::error::Error;
use super::name::is_marked;
use super::service::{Ingest, millis, now};
use crate::library::{Change, Depth, JobState, Upload, UploadState};
use crate::metrics::Queue;
use crate::store::Left;
use std::time::{Duration, SystemTime};
use tokio::time::sleep;

/// How often uploads are looked at.
const ROUND: Duration = Duration::from_secs(30);

/// Rounds from one sweep to the next: sweeping lists what is staged.
const SWEEP: u32 = 120;

/// Rounds from one look at all assets to the next.
const SYNC: u32 = 10;

/// How often jobs are counted.
const WATCH: Duration = Duration::from_secs(5);

/// Uploads that one round gives up.
const MOST: u32 = 100;

/// How long it is told what became of a job, or of an upload.
const TOLD: Duration = Duration::from_hours(24 * 7);

impl Ingest {
    /// Tidies up until the service is stopped.
    pub(super) async fn tidy(self) {
        let mut round = 0_u32;
        while !self.stop.is_cancelled() {
            if let Err(error) = self.round(round).await {
                tracing::debug!("tidying up: {error}");
            }
            round = round.wrapping_add(1);
            self.stop.run_until_cancelled(sleep(ROUND)).await;
        }
    }

    /// Counts the jobs that wait, and learns titles, until the service is stopped.
    pub(super) async fn watch(self) {
        let mut seen = Change::default();
        while !self.stop.is_cancelled() {
            match self.library.job_depth().await {
                Ok(depths) => self.metrics.queue(queue(&depths, now())),
                Err(error) => tracing::debug!("jobs are not counted: {error}"),
            }
            match self.annotate(seen.clone()).await {
                Ok(next) => seen = next,
                Err(error) => tracing::debug!("titles are not read: {error}"),
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

    /// Whether a row tells of what is left, or it is not ours: only names that uploads give are. What cannot be asked
    /// about stays.
    async fn knows(&self, left: Left) -> bool {
        match left {
            Left::Draft(id) if is_token(&id) => {
                self.library.upload(&id).await.map_or(true, |row| row.is_some_and(|row| is_open(&row)))
            }
            Left::Draft(_) => true,
            // A name with a mark may be somebody else's: `film-20240131.mp4` has one too.
            Left::Parts(path) => match path.rsplit_once('/').filter(|(_, file)| is_marked(file)) {
                Some((asset, file)) => {
                    self.library.upload_of(asset, file).await.map_or(true, |row| row.is_none_or(|row| is_open(&row)))
                }
                None => true,
            },
        }
    }

    /// Removes what is staged and no row knows of, once it is older than any upload may be.
    pub async fn sweep(&self) -> Result<u64, Error> {
        let old = SystemTime::now().checked_sub(self.settings.expires).unwrap_or(SystemTime::UNIX_EPOCH);
        let swept = self.catalog.store().sweep_drafts(old, |left| self.knows(left)).await?;
        if swept > 0 {
            tracing::info!(swept, "what a crash left of uploads is removed");
        }
        Ok(swept)
    }
}

/// Whether `name` is one that uploads are given.
fn is_token(name: &str) -> bool {
    name.len() == 32 && name.bytes().all(|digit| matches!(digit, b'0'..=b'9' | b'a'..=b'f'))
}

/// Whether bytes of an upload are still staged.
const fn is_open(row: &Upload) -> bool {
    matches!(row.state, UploadState::Receiving | UploadState::Received)
}

/// What `depths` come to: of those that wait, only what is due at `now`.
fn queue(depths: &[Depth], now: i64) -> Queue {
    let of = |state| depths.iter().filter(move |depth| depth.state == state);
    let count = |state| of(state).map(|depth| depth.count).sum();
    let due = || of(JobState::Queued).filter(|depth| depth.run_at <= now);
    let first = due().map(|depth| depth.run_at).min().unwrap_or(now);
    Queue {
        queued: due().map(|depth| depth.count).sum(),
        running: count(JobState::Running),
        dead: count(JobState::Dead),
        age: u64::try_from(now.saturating_sub(first) / 1_000).unwrap_or(0),
    }
}
