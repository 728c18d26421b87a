//! The ingest service: its parts, start and stop.

use super::discover;
use super::error::Error;
use super::gate::Trial;
use super::random::token;
use super::worker::KINDS;
use super::writers::Writers;
use crate::catalog::Catalog;
use crate::config::{Config, Host, OnConflict};
use crate::library::{JobKind, Library, Upload};
use crate::media::usize_from_u64;
use crate::metrics::Metrics;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// Limits and durations of ingest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// Largest upload, in bytes.
    pub largest: u64,
    /// Quota for all assets and uploads, in bytes; 0 for no limit.
    pub quota: u64,
    /// Lifetime of an unfinished upload after its last byte.
    pub expires: Duration,
    /// Grace period in which a deleted asset can be restored.
    pub grace: Duration,
    /// Policy for an upload whose name is taken, unless the upload sets its own.
    pub on_conflict: OnConflict,
    /// Hosts that files may be imported from.
    pub import_hosts: Vec<Host>,
    /// Jobs that run at a time in this process.
    pub workers: usize,
    /// Lease of a job: a worker silent for longer loses it.
    pub lease: Duration,
    /// Child process that tries uploads first; `None` to read them only in this process.
    pub trial: Option<Trial>,
    /// The program that links GStreamer; `None` if there is none.
    pub transcoder: Option<PathBuf>,
}

impl Settings {
    /// Settings from `config`.
    #[must_use]
    pub fn of(config: &Config) -> Self {
        Self {
            largest: config.ingest.largest.bytes(),
            quota: config.ingest.quota.bytes(),
            expires: config.ingest.expires,
            grace: config.ingest.grace,
            on_conflict: config.ingest.on_conflict,
            import_hosts: config.ingest.import_hosts.clone(),
            workers: config.jobs.workers,
            lease: config.jobs.lease,
            trial: std::env::current_exe()
                .ok()
                .map(|program| Trial { program, memory: config.jobs.trial_memory.bytes() }),
            transcoder: discover::program(&config.jobs.transcoder),
        }
    }
}

/// The places that ingest writes to.
#[derive(Debug)]
pub struct IngestStores {
    /// Catalog over the store of published files.
    pub catalog: Catalog,
    /// Database of uploads, jobs and assets.
    pub library: Library,
}

/// Uploads, jobs and publishing. Clones are the same service.
#[derive(Debug, Clone)]
pub struct Ingest {
    pub(super) catalog: Catalog,
    pub(super) library: Library,
    pub(super) settings: Arc<Settings>,
    pub(super) metrics: Arc<Metrics>,
    pub(super) writers: Writers,
    /// Tasks that outlive the request that began them.
    pub(super) tasks: TaskTracker,
    /// When cancelled, running work saves its state and ends.
    pub(super) stop: CancellationToken,
    /// Name of this process for its leases.
    pub(super) name: Arc<str>,
}

impl Ingest {
    /// Ingest into `stores`, until `stop` is cancelled.
    #[must_use]
    pub fn new(stores: IngestStores, settings: Settings, metrics: Arc<Metrics>, stop: CancellationToken) -> Self {
        let IngestStores { catalog, library } = stores;
        let name = format!("{}-{}", std::process::id(), token::<8>()).into();
        let (writers, tasks) = (Writers::default(), TaskTracker::new());
        Self { catalog, library, settings: Arc::new(settings), metrics, writers, tasks, stop, name }
    }

    /// Starts the workers and the periodic cleanup.
    pub fn begin(&self) {
        for number in 0..self.settings.workers {
            let owner = format!("{}-{number}", self.name);
            self.tasks.spawn(self.clone().work(owner, &KINDS));
        }
        if self.settings.workers > 0 {
            // Discovery has a worker of its own: nobody waits for it, so it must not delay other jobs.
            if self.settings.transcoder.is_some() {
                self.tasks.spawn(self.clone().work(format!("{}-look", self.name), &[JobKind::Discover]));
            }
            self.tasks.spawn(self.clone().tidy());
        }
        self.tasks.spawn(self.clone().watch());
    }

    /// Waits until all tasks have ended after a stop; the caller bounds the wait.
    pub async fn drained(&self) {
        self.tasks.close();
        self.tasks.wait().await;
    }

    /// The database.
    #[must_use]
    pub const fn library(&self) -> &Library {
        &self.library
    }

    /// The catalog.
    #[must_use]
    pub const fn catalog(&self) -> &Catalog {
        &self.catalog
    }

    /// Limits and durations.
    #[must_use]
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// The upload `id`.
    pub async fn upload(&self, id: &str) -> Result<Upload, Error> {
        self.library.upload(id).await?.ok_or(Error::NotFound("upload"))
    }
}

/// Current time in milliseconds since 1970.
#[must_use]
pub fn now() -> i64 {
    millis(SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default())
}

/// A duration in milliseconds.
pub(super) fn millis(span: Duration) -> i64 {
    i64::try_from(span.as_millis()).unwrap_or(i64::MAX)
}

/// The time `span` from now, in milliseconds since 1970.
pub(super) fn later(span: Duration) -> i64 {
    now().saturating_add(millis(span))
}

/// Wait before attempt `attempt`, counted from 1: 1 s, 2 s, 4 s and so on, at most 5 min.
pub(super) fn backoff(attempt: i32) -> Duration {
    let doublings = u64::try_from(attempt.saturating_sub(1)).unwrap_or(0).min(9);
    Duration::from_secs((1_u64 << usize_from_u64(doublings)).min(300))
}

#[cfg(test)]
mod tests {
    use super::backoff;
    use std::time::Duration;

    #[test]
    fn each_attempt_waits_longer_up_to_a_bound() {
        let waits: Vec<u64> = [0, 1, 2, 3, 9, 10, i32::MAX].map(|attempt| backoff(attempt).as_secs()).into();
        assert_eq!(waits, [1, 1, 2, 4, 256, 300, 300]);
        assert_eq!(backoff(i32::MIN), Duration::from_secs(1));
    }
}
