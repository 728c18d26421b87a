//! The service as a whole: what it works with, how it is begun and stopped.

use super::discover;
use super::error::Error;
use super::gate::Trial;
use super::random::token;
use super::worker::{DISCOVER, KINDS};
use super::writers::Writers;
use crate::catalog::Catalog;
use crate::config::{Config, Host, OnConflict};
use crate::library::{Library, Upload};
use crate::media::usize_from_u64;
use crate::metrics::Metrics;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// What is allowed, and how long things last.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// Bytes of one upload at most.
    pub largest: u64,
    /// Bytes of all of them; 0 for no bound.
    pub quota: u64,
    /// How long an unfinished upload is kept behind its last byte.
    pub expires: Duration,
    /// How long a deleted asset can be had back.
    pub grace: Duration,
    /// What becomes of an upload whose name is taken, where it does not say.
    pub on_conflict: OnConflict,
    /// Hosts that files are imported from.
    pub import_hosts: Vec<Host>,
    /// Jobs that are done here at a time.
    pub workers: usize,
    /// How long a worker may be silent.
    pub lease: Duration,
    /// The process that reads uploads first; `None`: they are read here alone.
    pub trial: Option<Trial>,
    /// The program that links GStreamer, if there is one.
    pub transcoder: Option<PathBuf>,
}

impl Settings {
    /// As `config` has them.
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

/// Uploads, jobs and publishing. Clones are the same service.
#[derive(Debug, Clone)]
pub struct Ingest {
    pub(super) catalog: Catalog,
    pub(super) library: Library,
    pub(super) settings: Arc<Settings>,
    pub(super) metrics: Arc<Metrics>,
    pub(super) writers: Writers,
    /// What goes on without whoever began it.
    pub(super) tasks: TaskTracker,
    /// Cancelled: whatever is under way keeps what it has and ends.
    pub(super) stop: CancellationToken,
    /// Who this process is, to the others.
    pub(super) name: Arc<str>,
}

impl Ingest {
    /// Uploads into the store of `catalog`, told of in `library`, until `stop` is cancelled.
    #[must_use]
    pub fn new(
        (catalog, library): (Catalog, Library),
        settings: Settings,
        metrics: Arc<Metrics>,
        stop: CancellationToken,
    ) -> Self {
        let name = format!("{}-{}", std::process::id(), token::<8>()).into();
        let (writers, tasks) = (Writers::default(), TaskTracker::new());
        Self { catalog, library, settings: Arc::new(settings), metrics, writers, tasks, stop, name }
    }

    /// Begins to do jobs, so many at a time as the settings say.
    pub fn begin(&self) {
        for number in 0..self.settings.workers {
            let owner = format!("{}-{number}", self.name);
            self.tasks.spawn(self.clone().work(owner, &KINDS));
        }
        if self.settings.workers > 0 {
            // What nobody waits for keeps nobody waiting.
            if self.settings.transcoder.is_some() {
                self.tasks.spawn(self.clone().work(format!("{}-look", self.name), &[DISCOVER]));
            }
            self.tasks.spawn(self.clone().tidy());
        }
        self.tasks.spawn(self.clone().watch());
    }

    /// Waits until nothing is under way, once it was stopped; the caller bounds the wait.
    pub async fn drained(&self) {
        self.tasks.close();
        self.tasks.wait().await;
    }

    /// The database.
    #[must_use]
    pub const fn library(&self) -> &Library {
        &self.library
    }

    /// What is served.
    #[must_use]
    pub const fn catalog(&self) -> &Catalog {
        &self.catalog
    }

    /// What is allowed.
    #[must_use]
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// The upload called `id`.
    pub async fn upload(&self, id: &str) -> Result<Upload, Error> {
        self.library.upload(id).await?.ok_or(Error::NotFound("upload"))
    }
}

/// Milliseconds since 1970.
#[must_use]
pub fn now() -> i64 {
    millis(SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default())
}

/// A length of time in milliseconds.
pub(super) fn millis(span: Duration) -> i64 {
    i64::try_from(span.as_millis()).unwrap_or(i64::MAX)
}

/// So long from now, in milliseconds since 1970.
pub(super) fn later(span: Duration) -> i64 {
    now().saturating_add(millis(span))
}

/// How long to wait before the `attempt`th time, from 1: 1 s, 2 s, 4 s and so on, 5 min at most.
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
