//! A worker has a job for as long as it renews its lease.
//!
//! ```text
//!   claim(now) ── lease_until = now + lease ──► renew … renew ──► complete │ fail │ release
//!        │                                        └ Held │ Cancelled: stop, then fail or release │ Lost: stop
//!        └ first, leases that ran out: Queued again, or Dead (no attempt left, or too many workers died of it),
//!          or Cancelled (it was asked for)
//! ```
//! All that a worker says is fenced by the job's id, its attempt and the lease's owner: once somebody else has claimed the
//! job, nothing that the former worker says counts. An owner's name is therefore used for one claim only, not for a process.

use super::engine::{Purpose, ours};
use super::jobs::columns;
use super::value::Value;
use super::{Error, Job, Library};
use std::time::Duration;

/// How often to look again where others have taken what was found: PostgreSQL shows what was there when the statement
/// began, and a job that came later only to the next one.
const CLAIMS: u32 = 4;

/// Workers that may die while they have a job; a worker that stops in good order gives its job back and does not count.
const DEATHS: u32 = 2;

/// The kind of job that publishes an upload. Its dangerous part, to read and to plan a stranger's file, runs in a process of
/// its own: a worker that dies while it has such a job was most likely ended from outside.
pub const PUBLISHING: &str = "finish";

/// Workers that may die while they have a job that publishes: more, so that a server that is killed again and again
/// refuses no upload for it.
const PUBLISHING_DEATHS: u32 = 10;

/// What a worker learns when it renews its lease.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Renewal {
    /// It goes on.
    Held,
    /// It is asked to stop: it has the job still, and gives it back by failing or releasing it.
    Cancelled,
    /// It has the job no longer.
    Lost,
}

impl Library {
    /// Claims a job of one of these kinds: of those that are due, the one with the highest priority, then the one that is
    /// due longest. `owner` is new for each claim. Where many claim at once, `None` may be said although one more has
    /// just come.
    pub async fn claim_job(
        &self,
        owner: &str,
        kinds: &[&str],
        lease: Duration,
        now: i64,
    ) -> Result<Option<Job>, Error> {
        let until = now.saturating_add(i64::try_from(lease.as_millis()).unwrap_or(i64::MAX));
        for _ in 0..CLAIMS {
            if kinds.is_empty() || !self.look(kinds, now).await? {
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
            let rows = self.engine().ask(Purpose::Write, ours(claim), values).await?;
            if let Some(row) = rows.first() {
                return Job::read(row).map(Some);
            }
        }
        Ok(None)
    }

    /// Whether there may be a job to claim; takes back what can be. Who finds nothing has changed nothing, and so has
    /// waited for no one.
    async fn look(&self, kinds: &[&str], now: i64) -> Result<bool, Error> {
        let look = format!(
            "SELECT CAST((SELECT COUNT(*) FROM (SELECT 1 FROM jobs WHERE state = 'running' AND lease_until <= $1 \
             LIMIT 1) AS late) AS BIGINT) AS late, CAST((SELECT COUNT(*) FROM (SELECT 1 FROM jobs WHERE \
             state = 'queued' AND run_at <= $1 AND {} LIMIT 1) AS due) AS BIGINT) AS due",
            is_one_of(kinds, 2)
        );
        let rows = self.engine().ask(Purpose::Read, ours(look), with(kinds, [now.into()])).await?;
        let found = |column| rows.first().map_or(Ok(false), |row| row.number(column).map(|count| count > 0));
        if found("late")? {
            self.take_back(now).await?;
            return Ok(true);
        }
        found("due")
    }

    /// Takes jobs from workers whose lease ran out. One that too many workers died of is
    /// Dead: it may be what kills them.
    async fn take_back(&self, now: i64) -> Result<(), Error> {
        let most = format!("CASE WHEN kind = '{PUBLISHING}' THEN {PUBLISHING_DEATHS} ELSE {DEATHS} END");
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

    /// Says that a worker lives, how far it is in thousandths, and until when it claims the job; asks whether to go on.
    pub async fn renew_job(
        &self,
        id: &str,
        attempt: i32,
        owner: &str,
        progress: i32,
        lease_until: i64,
        now: i64,
    ) -> Result<Renewal, Error> {
        const SQL: &str = "UPDATE jobs SET progress = $4, lease_until = $5, updated = $6 WHERE id = $1 AND attempt = $2 \
             AND lease_owner = $3 AND state = 'running' RETURNING cancel";
        let mut values = held(id, attempt, owner);
        values.extend([i64::from(progress).into(), lease_until.into(), now.into()]);
        let rows = self.engine().ask(Purpose::Write, SQL, values).await?;
        let Some(row) = rows.first() else {
            return Ok(Renewal::Lost);
        };
        Ok(if row.small("cancel")? == 0 { Renewal::Held } else { Renewal::Cancelled })
    }

    /// It was done. `false`: somebody else has it, or it was taken away; what was done must not count.
    pub async fn complete_job(&self, id: &str, attempt: i32, owner: &str, now: i64) -> Result<bool, Error> {
        const SQL: &str = "UPDATE jobs SET state = 'done', progress = 1000, reason = NULL, lease_until = 0, updated = $4, \
             finished = $4 WHERE id = $1 AND attempt = $2 AND lease_owner = $3 AND state = 'running' RETURNING id";
        let mut values = held(id, attempt, owner);
        values.push(now.into());
        self.changed(SQL, values).await
    }

    /// It failed. It is tried again at `retry_at`; it is Dead if that is `None` or no attempt is left, and Cancelled if
    /// that was asked for. `false`: as [`Library::complete_job`].
    pub async fn fail_job(
        &self,
        id: &str,
        attempt: i32,
        owner: &str,
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
        let mut values = held(id, attempt, owner);
        values.extend([reason.into(), retry_at.into(), now.into()]);
        self.changed(SQL, values).await
    }

    /// Its worker stops for reasons of its own: the job is Queued again, and the attempt is not counted; it is Cancelled
    /// if that was asked for. `false`: as [`Library::complete_job`].
    pub async fn release_job(&self, id: &str, attempt: i32, owner: &str, now: i64) -> Result<bool, Error> {
        const SQL: &str = "UPDATE jobs SET attempt = attempt - 1, lease_owner = NULL, lease_until = 0, progress = 0, \
             updated = $4, finished = CASE WHEN cancel = 1 THEN $4 ELSE NULL END, \
             state = CASE WHEN cancel = 1 THEN 'cancelled' ELSE 'queued' END \
             WHERE id = $1 AND attempt = $2 AND lease_owner = $3 AND state = 'running' RETURNING id";
        let mut values = held(id, attempt, owner);
        values.push(now.into());
        let released = self.changed(SQL, values).await?;
        if released {
            self.call().await?;
        }
        Ok(released)
    }
}

/// That a job is of one of these kinds, whose parameters begin at `first`.
fn is_one_of(kinds: &[&str], first: usize) -> String {
    let places: Vec<String> = (first..).take(kinds.len()).map(|at| format!("${at}")).collect();
    format!("kind IN ({})", places.join(", "))
}

/// Parameters, and the kinds behind them.
fn with<const N: usize>(kinds: &[&str], values: [Value; N]) -> Vec<Value> {
    values.into_iter().chain(kinds.iter().map(|&kind| kind.into())).collect()
}

/// What fences: the first three parameters.
fn held(id: &str, attempt: i32, owner: &str) -> Vec<Value> {
    vec![id.into(), i64::from(attempt).into(), owner.into()]
}
