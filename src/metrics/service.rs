//! Metrics of uploads and of the job queue.

use super::counters::{LabelledFamily, bytes, level, plain, seconds};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

/// How an upload ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UploadOutcome {
    /// It was published.
    Published,
    /// It cannot be played.
    Refused,
    /// The client cancelled it, or did not resume it in time.
    Cancelled,
}

/// Job counts of the library, for scaling the number of workers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct JobQueue {
    /// Jobs that are due and wait for a worker.
    pub queued: u64,
    /// Jobs that a worker runs.
    pub running: u64,
    /// Jobs that failed permanently.
    pub dead: u64,
    /// How long the oldest queued job has waited, in seconds.
    pub age: u64,
}

/// Metrics of uploads and jobs.
#[derive(Debug)]
pub(super) struct ServiceCounters {
    pub(super) taken: Counter,
    published: Counter,
    refused: Counter,
    cancelled: Counter,
    queued: Gauge,
    running: Gauge,
    dead: Gauge,
    age: Gauge,
}

impl ServiceCounters {
    pub(super) fn new(registry: &mut Registry) -> Self {
        let uploads: LabelledFamily<1, Counter> = plain(registry, "uploads", "Uploads that ended, by result");
        let jobs: LabelledFamily<1, Gauge> = plain(registry, "jobs", "Jobs of the library, by state");
        let ended = |fate| uploads.get_or_create_owned(&[("fate", fate)]);
        let state = |state| jobs.get_or_create_owned(&[("state", state)]);
        Self {
            published: ended("published"),
            refused: ended("refused"),
            cancelled: ended("cancelled"),
            queued: state("queued"),
            running: state("running"),
            dead: state("dead"),
            taken: bytes(registry, "uploaded", "Bytes received from uploads"),
            age: seconds(registry, "jobs_age", "How long the oldest queued job has waited"),
        }
    }

    pub(super) fn ended(&self, fate: UploadOutcome) {
        match fate {
            UploadOutcome::Published => self.published.inc(),
            UploadOutcome::Refused => self.refused.inc(),
            UploadOutcome::Cancelled => self.cancelled.inc(),
        };
    }

    pub(super) fn queue(&self, queue: JobQueue) {
        let JobQueue { queued, running, dead, age } = queue;
        for (gauge, count) in [(&self.queued, queued), (&self.running, running), (&self.dead, dead), (&self.age, age)] {
            gauge.set(level(count));
        }
    }
}
