//! A leased job, as its handler sees it, and the progress that the handler reports.

use crate::library::{Job, JobKind, JobLease};
use std::sync::Arc;
use std::sync::atomic::{AtomicI32, Ordering};

/// A leased job, as its handler sees it.
#[derive(Debug, Clone)]
pub(super) struct Task {
    /// Id of the job.
    pub(super) id: String,
    /// Kind of the job.
    pub(super) kind: JobKind,
    /// Id or name of the job's object.
    pub(super) subject: String,
    /// Job parameters, as JSON.
    pub(super) payload: String,
    /// Number of this attempt, counted from 1.
    pub(super) attempt: i32,
    /// Owner of the lease.
    owner: String,
    /// Progress of the job.
    pub(super) progress: JobProgress,
}

/// Progress of a job, in thousandths.
#[derive(Debug, Clone, Default)]
pub(super) struct JobProgress(Arc<AtomicI32>);

impl JobProgress {
    /// Sets the progress to `done` of `whole`.
    pub(super) fn at(&self, done: u64, whole: u64) {
        let thousandths = u128::from(done.min(whole)) * 1_000 / u128::from(whole.max(1));
        self.0.store(i32::try_from(thousandths).unwrap_or(1_000), Ordering::Relaxed);
    }

    /// The progress, from 0 to 1000.
    pub(super) fn thousandths(&self) -> i32 {
        self.0.load(Ordering::Relaxed)
    }
}

impl Task {
    /// The task of `job`, which `owner` has leased.
    pub(super) fn of(job: Job, owner: &str) -> Self {
        let Job { id, kind, subject, payload, attempt, .. } = job;
        Self { id, kind, subject, payload, attempt, owner: owner.into(), progress: JobProgress::default() }
    }

    /// The lease on the job.
    pub(super) fn lease(&self) -> JobLease<'_> {
        JobLease { id: &self.id, attempt: self.attempt, owner: &self.owner }
    }
}
