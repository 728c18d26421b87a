//! Jobs: taken by a lease, done, told. A worker that dies is silent, and its job is another's.

use super::error::Error;
use super::random::token;
use super::service::{Ingest, backoff, later, now};
use crate::library::{Job, JobState, PUBLISHING, Renewal, UploadState};
use std::sync::Arc;
use std::sync::atomic::{AtomicI32, Ordering};
use std::time::Duration;
use tokio::time::{MissedTickBehavior, interval, sleep};

/// Publishes an upload.
pub(super) const FINISH: &str = PUBLISHING;

/// Fetches a file from elsewhere.
pub(super) const IMPORT: &str = "import";

/// Removes what is left of a deleted asset.
pub(super) const PURGE: &str = "purge";

/// Removes a file that another replaced.
pub(super) const DISCARD: &str = "discard";

/// Asks GStreamer what an upload holds.
pub(super) const DISCOVER: &str = "discover";

/// What every worker does.
pub(super) const KINDS: [&str; 4] = [FINISH, IMPORT, PURGE, DISCARD];

/// How long to wait for jobs before asking anyway.
const POLL: Duration = Duration::from_millis(500);

/// How long to wait when the database does not answer.
const AWAY: Duration = Duration::from_secs(1);

/// Signs of life during a lease.
const BEATS: u32 = 3;

/// A job as whoever does it sees it.
#[derive(Debug, Clone)]
pub(super) struct Task {
    /// The job's.
    pub(super) id: String,
    kind: String,
    /// What it is about.
    pub(super) subject: String,
    /// What else it needs to know.
    pub(super) payload: String,
    attempt: i32,
    owner: String,
    /// How far it is.
    pub(super) progress: Progress,
}

/// How far a job is, in thousandths.
#[derive(Debug, Clone, Default)]
pub(super) struct Progress(Arc<AtomicI32>);

impl Progress {
    /// So much of `whole` is done.
    pub(super) fn at(&self, done: u64, whole: u64) {
        let thousandths = u128::from(done.min(whole)) * 1_000 / u128::from(whole.max(1));
        self.0.store(i32::try_from(thousandths).unwrap_or(1_000), Ordering::Relaxed);
    }

    fn thousandths(&self) -> i32 {
        self.0.load(Ordering::Relaxed)
    }
}

/// How a job ended.
enum Ended {
    Done(Result<(), Error>),
    /// Somebody does not want it any more.
    Cancelled,
    /// It is another's by now.
    Lost,
    /// The process is about to stop.
    Stopped,
    /// Another publishes by the name that it needs.
    Waited,
}

impl Ingest {
    /// Does jobs of these `kinds` as `owner`, one at a time, until the service is stopped.
    pub(super) async fn work(self, owner: String, kinds: &'static [&'static str]) {
        let mut away = false;
        while !self.stop.is_cancelled() {
            // A name for each claim: an attempt that is given back is another's by the same number.
            let claim = format!("{owner}-{}", token::<4>());
            match self.library.claim_job(&claim, kinds, self.settings.lease, now()).await {
                Ok(Some(job)) => {
                    away = false;
                    self.run(Task::of(job, &claim)).await;
                }
                Ok(None) => {
                    away = false;
                    self.stop.run_until_cancelled(self.library.job_woken(POLL)).await;
                }
                Err(error) => {
                    if !std::mem::replace(&mut away, true) {
                        tracing::warn!("no jobs are done: {error}");
                    }
                    self.stop.run_until_cancelled(sleep(AWAY)).await;
                }
            }
        }
    }

    async fn run(&self, task: Task) {
        let ended = self.until_ended(&task).await;
        if matches!(ended, Ended::Cancelled) {
            self.abandon(&task).await;
        }
        let (id, attempt, owner) = (task.id.as_str(), task.attempt, task.owner.as_str());
        let told = match &ended {
            Ended::Done(Ok(())) => self.library.complete_job(id, attempt, owner, now()).await,
            Ended::Done(Err(error)) => {
                let again = error.passes().then(|| later(backoff(attempt)));
                tracing::warn!(job = id, kind = task.kind, subject = task.subject, attempt, "a job failed: {error}");
                self.library.fail_job(id, attempt, owner, &error.to_string(), again, now()).await
            }
            // One that is to be cancelled is not queued again; one that waited its turn for a name is, and that was no
            // attempt.
            Ended::Cancelled | Ended::Stopped | Ended::Waited => {
                self.library.release_job(id, attempt, owner, now()).await
            }
            Ended::Lost => Ok(true),
        };
        if !matches!(ended, Ended::Done(Ok(())) | Ended::Lost)
            && let Err(error) = self.settle_subject(&task).await
        {
            tracing::debug!(job = id, "its upload is settled later: {error}");
        }
        if let Err(error) = told {
            // Its lease runs out, and it is done again: nothing of it is harmed by that.
            tracing::warn!(job = id, "what became of a job could not be written down: {error}");
        }
    }

    async fn until_ended(&self, task: &Task) -> Ended {
        let mut work = std::pin::pin!(self.perform(task));
        let mut beat = interval(self.settings.lease / BEATS);
        beat.set_missed_tick_behavior(MissedTickBehavior::Delay);
        beat.tick().await;
        let mut heard = tokio::time::Instant::now();
        loop {
            tokio::select! {
                done = &mut work => return match done {
                    Err(Error::Held(_)) => Ended::Waited,
                    done => Ended::Done(done),
                },
                () = self.stop.cancelled() => return Ended::Stopped,
                _ = beat.tick() => {}
            }
            let until = later(self.settings.lease);
            match self
                .library
                .renew_job(&task.id, task.attempt, &task.owner, task.progress.thousandths(), until, now())
                .await
            {
                Ok(Renewal::Held) => heard = tokio::time::Instant::now(),
                Ok(Renewal::Cancelled) => return Ended::Cancelled,
                // As long as the lease holds nobody else does it.
                Err(_) if heard.elapsed() < self.settings.lease => {}
                Ok(Renewal::Lost) | Err(_) => return Ended::Lost,
            }
        }
    }

    /// Settles the upload of a job that will not be done: one that a client may ask for has an answer, and is not for ever
    /// about to be published.
    async fn settle_subject(&self, task: &Task) -> Result<(), Error> {
        match task.kind.as_str() {
            FINISH => self.settle_stranded().await,
            IMPORT => {
                let job = self.library.job(&task.id).await?.filter(|job| job.state == JobState::Dead);
                match job {
                    Some(job) => self.give_up(&task.subject, UploadState::Receiving, job.reason.as_deref()).await,
                    None => Ok(()),
                }
            }
            _ => Ok(()),
        }
    }

    /// Takes back what a cancelled job began.
    async fn abandon(&self, task: &Task) {
        if task.kind == IMPORT
            && let Err(error) = self.terminate(&task.subject).await
        {
            tracing::debug!(upload = task.subject, "it expires: {error}");
        }
    }

    async fn perform(&self, task: &Task) -> Result<(), Error> {
        match task.kind.as_str() {
            FINISH => self.finish(task).await,
            IMPORT => self.import(task).await,
            PURGE => self.purge(task).await,
            DISCARD => self.discard(task).await,
            DISCOVER => self.discover(task).await,
            other => Err(Error::Request(format!("`{other}` is no kind of job"))),
        }
    }
}

impl Task {
    fn of(job: Job, owner: &str) -> Self {
        let Job { id, kind, subject, payload, attempt, .. } = job;
        Self { id, kind, subject, payload, attempt, owner: owner.into(), progress: Progress::default() }
    }
}
