//! Leases on jobs: a worker owns a job as long as it renews its lease.
//!
//! ```text
//!   claim(now) ── lease_until = now + lease ──► renew … renew ──► complete │ fail │ release
//!        │                                        └ Held │ Cancelled: stop, then fail or release │ Lost: stop
//!        └ first, expired leases: Queued again, or Dead (no attempt left, or too many workers died with it),
//!          or Cancelled (if requested)
//! ```
//! Every call of a worker is fenced by the job's id, its attempt and the lease's owner: once another worker has claimed
//! the job, calls of the former one have no effect. An owner's name is therefore used for one claim only, not for a
//! process.

use super::engine::{AccessMode, ours};
use super::jobs::columns;
use super::value::Value;
use super::{Error, Job, JobKind, Library};
use std::time::Duration;

/// How often to retry when other workers have claimed the job that was found. A PostgreSQL statement only sees jobs
/// that existed when it began; the next statement sees later ones.
const CLAIMS: u32 = 4;

/// Number of worker deaths after which a job is Dead. A worker that stops in good order releases its job and does not
/// count.
const DEATHS: u32 = 2;

/// Number of worker deaths after which a job of the kind [`JobKind::Finish`] is Dead: higher, so that a server that is
/// killed repeatedly does not refuse the upload.
const FINISH_DEATHS: u32 = 10;

/// Result of renewing a lease.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Renewal {
    /// The worker continues.
    Held,
    /// The worker must stop. It still owns the job, and ends it by failing or releasing it.
    Cancelled,
    /// The worker has lost the job.
    Lost,
}

/// The fence of a worker's calls: its job, the attempt, and the owner as which it claimed the job.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct JobLease<'a> {
    /// Id of the job.
    pub id: &'a str,
    /// Number of the attempt, counted from 1.
    pub attempt: i32,
    /// Name under which the worker claimed the job.
    pub owner: &'a str,
}

impl JobLease<'_> {
    /// The fence as the first three parameters of a statement: id, attempt, owner.
    fn values(self) -> Vec<Value> {
        vec![self.id.into(), i64::from(self.attempt).into(), self.owner.into()]
    }
}

impl Library {
    /// Claims a due job of one of these kinds: the one with the highest priority, among equals the one due first.
    /// `owner` must be new for each claim. `None`: no job is due; with many claims at once, a job that was just added
    /// may be missed.
    pub async fn claim_job(
        &self,
        owner: &str,
        kinds: &[JobKind],
        lease: Duration,
        now: i64,
    ) -> Result<Option<Job>, Error> {
        let until = now.saturating_add(i64::try_from(lease.as_millis()).unwrap_or(i64::MAX));
        for _ in 0..CLAIMS {
            if kinds.is_empty() || !self.is_job_due(kinds, now).await? {
                return Ok(None);
            }
            let claim = format!(
                "UPDATE jobs SET state = 'running', attempt = attempt + 1, lease_owner = $1, lease_until = $2, \
                 progress = 0, updated = $3 WHERE id = (SELECT id FROM jobs WHERE state = 'queued' AND run_at <= $3 \
                 AND {} ORDER BY priority DESC, run_at, id LIMIT 1 {}) RETURNING {}",
                is_one_of(kinds, 4),
                self.engine().unlocked(),
                columns!()
            );
            let values = with(kinds, [owner.into(), until.into(), now.into()]);
            let rows = self.engine().ask(AccessMode::Write, ours(claim), values).await?;
            if let Some(row) = rows.first() {
                return Job::read(row).map(Some);
            }
        }
        Ok(None)
    }

    /// Whether there may be a job to claim. Takes back jobs with expired leases first. If there is nothing to do, it
    /// only reads, and so does not wait for writers.
    async fn is_job_due(&self, kinds: &[JobKind], now: i64) -> Result<bool, Error> {
        let look = format!(
            "SELECT CAST((SELECT COUNT(*) FROM (SELECT 1 FROM jobs WHERE state = 'running' AND lease_until <= $1 \
             LIMIT 1) AS late) AS BIGINT) AS late, CAST((SELECT COUNT(*) FROM (SELECT 1 FROM jobs WHERE \
             state = 'queued' AND run_at <= $1 AND {} LIMIT 1) AS due) AS BIGINT) AS due",
            is_one_of(kinds, 2)
        );
        let rows = self.engine().ask(AccessMode::Read, ours(look), with(kinds, [now.into()])).await?;
        let found = |column| rows.first().map_or(Ok(false), |row| row.number(column).map(|count| count > 0));
        if found("late")? {
            self.take_back(now).await?;
            return Ok(true);
        }
        found("due")
    }

    /// Takes jobs back from workers whose lease expired. A job with which too many workers died becomes Dead: it may be
    /// the cause.
    async fn take_back(&self, now: i64) -> Result<(), Error> {
        let most = format!("CASE WHEN kind = '{}' THEN {FINISH_DEATHS} ELSE {DEATHS} END", JobKind::Finish);
        let sql = format!(
            "UPDATE jobs SET updated = $1, lease_owner = NULL, lease_until = 0, deaths = deaths + 1, \
             reason = CASE WHEN cancel = 1 THEN reason \
                 WHEN deaths + 1 >= {most} THEN 'its worker died ' || (deaths + 1) || ' times: it is not tried again' \
                 WHEN attempt >= max_attempts THEN 'its worker died at attempt ' || attempt || ' of ' || max_attempts \
                 ELSE reason END, \
             finished = CASE WHEN cancel = 1 OR attempt >= max_attempts OR deaths + 1 >= {most} THEN $1 \
                 ELSE NULL END, \
             state = CASE WHEN cancel = 1 THEN 'cancelled' \
                 WHEN attempt >= max_attempts OR deaths + 1 >= {most} THEN 'dead' ELSE 'queued' END \
             WHERE id IN (SELECT id FROM jobs WHERE state = 'running' AND lease_until <= $1 {}) RETURNING id",
            self.engine().unlocked()
        );
        self.changed(ours(sql), vec![now.into()]).await.map(|_| ())
    }

    /// Renews a lease until `lease_until` and records `progress` in thousandths. The result tells the worker whether to
    /// continue.
    pub async fn renew_job(
        &self,
        held: JobLease<'_>,
        progress: i32,
        lease_until: i64,
        now: i64,
    ) -> Result<Renewal, Error> {
        const SQL: &str = "UPDATE jobs SET progress = $4, lease_until = $5, updated = $6 WHERE id = $1 AND attempt = $2 \
             AND lease_owner = $3 AND state = 'running' RETURNING cancel";
        let mut values = held.values();
        values.extend([i64::from(progress).into(), lease_until.into(), now.into()]);
        let rows = self.engine().ask(AccessMode::Write, SQL, values).await?;
        let Some(row) = rows.first() else {
            return Ok(Renewal::Lost);
        };
        Ok(if row.small("cancel")? == 0 { Renewal::Held } else { Renewal::Cancelled })
    }

    /// Marks a job as Done. `false`: the worker has lost the job, and its result must not count.
    pub async fn complete_job(&self, held: JobLease<'_>, now: i64) -> Result<bool, Error> {
        const SQL: &str = "UPDATE jobs SET state = 'done', progress = 1000, reason = NULL, lease_until = 0, updated = $4, \
             finished = $4 WHERE id = $1 AND attempt = $2 AND lease_owner = $3 AND state = 'running' RETURNING id";
        let mut values = held.values();
        values.push(now.into());
        self.changed(SQL, values).await
    }

    /// Records that a job failed. It is tried again at `retry_at`; it becomes Dead if that is `None` or no attempt is
    /// left, and Cancelled if that was requested. `false`: as for [`Library::complete_job`].
    pub async fn fail_job(
        &self,
        held: JobLease<'_>,
        reason: &str,
        retry_at: Option<i64>,
        now: i64,
    ) -> Result<bool, Error> {
        const SQL: &str = "UPDATE jobs SET reason = $4, lease_until = 0, updated = $6, \
             run_at = CASE WHEN $5 IS NULL THEN run_at ELSE $5 END, \
             finished = CASE WHEN cancel = 1 OR $5 IS NULL OR attempt >= max_attempts THEN $6 ELSE NULL END, \
             state = CASE WHEN cancel = 1 THEN 'cancelled' \
                 WHEN $5 IS NULL OR attempt >= max_attempts THEN 'dead' ELSE 'queued' END \
             WHERE id = $1 AND attempt = $2 AND lease_owner = $3 AND state = 'running' RETURNING id";
        let mut values = held.values();
        values.extend([reason.into(), retry_at.into(), now.into()]);
        self.changed(SQL, values).await
    }

    /// Releases a job because its worker stops: the job is Queued again and the attempt does not count; it becomes
    /// Cancelled if that was requested. `false`: as for [`Library::complete_job`].
    pub async fn release_job(&self, held: JobLease<'_>, now: i64) -> Result<bool, Error> {
        const SQL: &str = "UPDATE jobs SET attempt = attempt - 1, lease_owner = NULL, lease_until = 0, progress = 0, \
             updated = $4, finished = CASE WHEN cancel = 1 THEN $4 ELSE NULL END, \
             state = CASE WHEN cancel = 1 THEN 'cancelled' ELSE 'queued' END \
             WHERE id = $1 AND attempt = $2 AND lease_owner = $3 AND state = 'running' RETURNING id";
        let mut values = held.values();
        values.push(now.into());
        let released = self.changed(SQL, values).await?;
        if released {
            self.call().await?;
        }
        Ok(released)
    }
}

/// SQL condition that a job is of one of these kinds, whose parameters begin at `first`.
fn is_one_of(kinds: &[JobKind], first: usize) -> String {
    let places: Vec<String> = (first..).take(kinds.len()).map(|at| format!("${at}")).collect();
    format!("kind IN ({})", places.join(", "))
}

/// `values` followed by the kinds, as parameters.
fn with<const N: usize>(kinds: &[JobKind], values: [Value; N]) -> Vec<Value> {
    values.into_iter().chain(kinds.iter().map(|kind| kind.word().into())).collect()
}
