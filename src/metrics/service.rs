//! What is counted of the service around what is served: uploads, and the jobs that wait.

use super::counters::{Labelled, bytes, level, plain, seconds};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

/// What became of an upload.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// It plays.
    Published,
    /// It cannot be played.
    Refused,
    /// Nobody wanted it any more, or nobody went on with it.
    Cancelled,
}

/// Jobs as the library counts them, for whoever decides how many workers there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Queue {
    /// They wait for a worker; those that are not due yet are none of them.
    pub queued: u64,
    /// A worker has them.
    pub running: u64,
    /// They failed for good.
    pub dead: u64,
    /// How long the first of those that wait has waited, in seconds.
    pub age: u64,
}

/// Counters of the service.
#[derive(Debug)]
pub(super) struct Service {
    pub(super) taken: Counter,
    published: Counter,
    refused: Counter,
    cancelled: Counter,
    queued: Gauge,
    running: Gauge,
    dead: Gauge,
    age: Gauge,
}

impl Service {
    pub(super) fn new(registry: &mut Registry) -> Self {
        let uploads: Labelled<1, Counter> = plain(registry, "uploads", "Uploads that ended, by what became of them");
        let jobs: Labelled<1, Gauge> = plain(registry, "jobs", "Jobs of the library that are due or were, by state");
        let ended = |fate| uploads.get_or_create_owned(&[("fate", fate)]);
        let state = |state| jobs.get_or_create_owned(&[("state", state)]);
        Self {
            published: ended("published"),
            refused: ended("refused"),
            cancelled: ended("cancelled"),
            queued: state("queued"),
            running: state("running"),
            dead: state("dead"),
            taken: bytes(registry, "uploaded", "Bytes of uploads that were taken"),
            age: seconds(registry, "jobs_age", "How long the first job that waits has waited"),
        }
    }

    pub(super) fn ended(&self, fate: Fate) {
        match fate {
            Fate::Published => self.published.inc(),
            Fate::Refused => self.refused.inc(),
            Fate::Cancelled => self.cancelled.inc(),
        };
    }

    pub(super) fn queue(&self, queue: Queue) {
        let Queue { queued, running, dead, age } = queue;
        for (gauge, count) in [(&self.queued, queued), (&self.running, running), (&self.dead, dead), (&self.age, age)] {
            gauge.set(level(count));
        }
    }
}
