//! Job workers: they lease a job, run it and report the result. A worker that dies stops renewing its lease, and
//! another takes the job.

use crate::ingest::clock::{later, now};
use crate::ingest::error::Error;
use crate::ingest::random::token;
use crate::ingest::service::Ingest;
use crate::ingest::task::Task;
use crate::library::{JobKind, JobState, Renewal, UploadState};
use crate::media::usize_from_u64;
use std::time::Duration;
use tokio::time::{MissedTickBehavior, interval, sleep};

/// The kinds of jobs that every worker runs.
pub(in crate::ingest) const KINDS: [JobKind; 4] = [JobKind::Finish, JobKind::Import, JobKind::Purge, JobKind::Discard];

/// Longest wait for a wake-up before polling for jobs.
const POLL: Duration = Duration::from_millis(500);

/// Wait before retrying when the database does not respond.
const AWAY: Duration = Duration::from_secs(1);

/// Renewals per lease.
const BEATS: u32 = 3;

/// Outcome of a job.
enum JobEnd {
    Done(Result<(), Error>),
    /// Somebody cancelled it.
    Cancelled,
    /// Another worker has taken it.
    Lost,
    /// The process is stopping.
    Stopped,
    /// Another upload or job holds the asset name it needs.
    Waited,
}

impl Ingest {
    /// Runs jobs of these `kinds` as `owner`, one at a time, until the service is stopped.
    pub(in crate::ingest) async fn work(self, owner: String, kinds: &'static [JobKind]) {
        let mut away = false;
        while !self.stop.is_cancelled() {
            // Use a new name for each claim: a released attempt goes to another worker with the same attempt number.
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
                        tracing::warn!("cannot lease jobs: {error}");
                    }
                    self.stop.run_until_cancelled(sleep(AWAY)).await;
                }
            }
        }
    }

    async fn run(&self, task: Task) {
        let ended = self.until_ended(&task).await;
        if matches!(ended, JobEnd::Cancelled) {
            self.abandon(&task).await;
        }
        let (id, attempt, lease) = (task.id.as_str(), task.attempt, task.lease());
        let told = match &ended {
            JobEnd::Done(Ok(())) => self.library.complete_job(lease, now()).await,
            JobEnd::Done(Err(error)) => {
                let again = error.passes().then(|| later(backoff(attempt)));
                tracing::warn!(
                    job = id,
                    kind = task.kind.word(),
                    subject = task.subject,
                    attempt,
                    "a job failed: {error}"
                );
                self.library.fail_job(lease, &error.to_string(), again, now()).await
            }
            // The library does not queue a job again that is to be cancelled. It does queue one that waited for a name,
            // without counting an attempt.
            JobEnd::Cancelled | JobEnd::Stopped | JobEnd::Waited => self.library.release_job(lease, now()).await,
            JobEnd::Lost => Ok(true),
        };
        if !matches!(ended, JobEnd::Done(Ok(())) | JobEnd::Lost)
            && let Err(error) = self.settle_subject(&task).await
        {
            tracing::debug!(job = id, "cannot settle the upload of a job yet: {error}");
        }
        if let Err(error) = told {
            // The lease runs out, and another worker repeats the job, which is safe.
            tracing::warn!(job = id, "cannot store the outcome of a job, it will run again: {error}");
        }
        // Last, so that the client's next request finds the asset's name unlocked and the job done.
        self.announcements.announce(&task.subject);
    }

    async fn until_ended(&self, task: &Task) -> JobEnd {
        let mut work = std::pin::pin!(self.perform(task));
        let mut beat = interval(self.settings.lease / BEATS);
        beat.set_missed_tick_behavior(MissedTickBehavior::Delay);
        beat.tick().await;
        let mut heard = tokio::time::Instant::now();
        loop {
            tokio::select! {
                done = &mut work => return match done {
                    Err(Error::Held(_)) => JobEnd::Waited,
                    done => JobEnd::Done(done),
                },
                () = self.stop.cancelled() => return JobEnd::Stopped,
                _ = beat.tick() => {}
            }
            let until = later(self.settings.lease);
            let progress = task.progress.thousandths();
            match self.library.renew_job(task.lease(), progress, until, now()).await {
                Ok(Renewal::Held) => heard = tokio::time::Instant::now(),
                Ok(Renewal::Cancelled) => return JobEnd::Cancelled,
                // As long as the lease holds, nobody else runs the job.
                Err(_) if heard.elapsed() < self.settings.lease => {}
                Ok(Renewal::Lost) | Err(_) => return JobEnd::Lost,
            }
        }
    }

    /// Settles the upload of a job that will not run again, so that its client gets an answer instead of waiting for
    /// ever.
    async fn settle_subject(&self, task: &Task) -> Result<(), Error> {
        match task.kind {
            JobKind::Finish => self.settle_stranded().await,
            JobKind::Import => {
                let job = self.library.job(&task.id).await?.filter(|job| job.state == JobState::Dead);
                match job {
                    Some(job) => self.give_up(&task.subject, UploadState::Receiving, job.reason.as_deref()).await,
                    None => Ok(()),
                }
            }
            JobKind::Purge | JobKind::Discard | JobKind::Discover => Ok(()),
        }
    }

    /// Undoes the work of a cancelled job.
    async fn abandon(&self, task: &Task) {
        if task.kind == JobKind::Import
            && let Err(error) = self.terminate(&task.subject).await
        {
            tracing::debug!(upload = task.subject, "cannot give up a cancelled upload, it will expire: {error}");
        }
    }

    async fn perform(&self, task: &Task) -> Result<(), Error> {
        match task.kind {
            JobKind::Finish => self.finish(task).await,
            JobKind::Import => self.import(task).await,
            JobKind::Purge => self.purge(task).await,
            JobKind::Discard => self.discard(task).await,
            JobKind::Discover => self.discover(task).await,
        }
    }
}

/// Wait before attempt `attempt`, counted from 1: 1 s, 2 s, 4 s and so on, at most 5 min.
fn backoff(attempt: i32) -> Duration {
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
