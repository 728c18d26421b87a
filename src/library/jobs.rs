//! The job queue: each job is work that one worker does once.
//!
//! ```text
//!   enqueue ─► Queued ── claim ─► Running ── complete ─► Done
//!                 ▲ │                │ ├──── fail, attempts left: Queued again, at a later time
//!           retry │ │ cancel         │ ├──── fail for good, or no attempt left ─► Dead
//!   Dead ─────────┤ ▼                │ └──── flagged by cancel, then given back ─► Cancelled
//!   Cancelled ◄───┴─ at once         └ release: Queued again; lease ran out: as if its worker had failed
//! ```
//! `lease` implements the right-hand side. No two Queued or Running jobs have the same `dedupe` text.

use super::engine::{AccessMode, EngineConnection, ours};
use super::paging::{List, PageQuery, place};
use super::value::{Row, narrow};
use super::{Error, JobKind, Library};

/// Columns of a job row.
macro_rules! columns {
    () => {
        "id, kind, subject, payload, priority, dedupe, max_attempts, run_at, state, attempt, lease_owner, lease_until, \
         progress, reason, cancel, created, updated, finished"
    };
}
pub(super) use columns;

/// How often to retry when the existing job with the same id or `dedupe` text ends just before it is read.
const LOOKS: u32 = 16;

/// Most rows that one statement deletes.
const FORGOTTEN: i64 = 1_000;

/// State of a job.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum JobState {
    /// Waits for its time and a worker.
    Queued,
    /// A worker holds its lease.
    Running,
    /// Completed.
    Done,
    /// Failed for good, for the reason in its row.
    Dead,
    /// Cancelled by a caller.
    Cancelled,
}

impl JobState {
    /// All states.
    pub const ALL: [Self; 5] = [Self::Queued, Self::Running, Self::Done, Self::Dead, Self::Cancelled];

    /// The word for this state in rows and responses.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Running => "running",
            Self::Done => "done",
            Self::Dead => "dead",
            Self::Cancelled => "cancelled",
        }
    }

    /// Parses a state. `None` if the word is unknown.
    #[must_use]
    pub fn of(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.word() == word)
    }
}

/// A job to enqueue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewJob {
    /// Id of the job.
    pub id: String,
    /// Kind of the job, which decides which workers can do it.
    pub kind: JobKind,
    /// Subject of the job: an upload or an asset.
    pub subject: String,
    /// Parameters for the worker, as JSON or empty.
    pub payload: String,
    /// Jobs with a higher priority run first.
    pub priority: i16,
    /// Deduplication text: no two Queued or Running jobs may have the same. `None`: no deduplication.
    pub dedupe: Option<String>,
    /// Most attempts; at least 1.
    pub max_attempts: i32,
    /// Earliest start, in milliseconds since the epoch.
    pub run_at: i64,
}

/// A job. Times are milliseconds since the epoch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Job {
    /// Id of the job.
    pub id: String,
    /// Kind of the job, which decides which workers can do it.
    pub kind: JobKind,
    /// Subject of the job: an upload or an asset.
    pub subject: String,
    /// Parameters for the worker, as JSON or empty.
    pub payload: String,
    /// Jobs with a higher priority run first.
    pub priority: i16,
    /// Deduplication text: no two Queued or Running jobs may have the same. `None`: no deduplication.
    pub dedupe: Option<String>,
    /// Most attempts.
    pub max_attempts: i32,
    /// Earliest start of the next attempt.
    pub run_at: i64,
    /// State of the job.
    pub state: JobState,
    /// Number of the current or last attempt; 0 before the first.
    pub attempt: i32,
    /// The worker that holds the lease, or held it last.
    pub lease_owner: Option<String>,
    /// End of the lease: from then on, the job may be taken from its worker.
    pub lease_until: i64,
    /// Progress in thousandths, as its worker reports it.
    pub progress: i32,
    /// Reason of the last failure.
    pub reason: Option<String>,
    /// Whether cancellation was requested.
    pub cancel: bool,
    /// Time when it was enqueued.
    pub created: i64,
    /// Time when the row was last written.
    pub updated: i64,
    /// Time when it became Done, Dead or Cancelled.
    pub finished: Option<i64>,
}

/// Number of jobs of one kind in one state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QueueDepth {
    /// Queued, Running or Dead.
    pub state: JobState,
    /// Number of jobs.
    pub count: u64,
    /// Time when the first of them is or was due.
    pub run_at: i64,
}

impl Job {
    /// Cursor behind this job in a list, for the next page.
    #[must_use]
    pub fn place(&self) -> String {
        place(self.created, &self.id)
    }

    pub(super) fn read(row: &Row) -> Result<Self, Error> {
        Ok(Self {
            id: row.text("id")?,
            kind: row.word("kind", JobKind::of)?,
            subject: row.text("subject")?,
            payload: row.text("payload")?,
            priority: row.small("priority")?,
            dedupe: row.maybe_text("dedupe")?,
            max_attempts: row.short("max_attempts")?,
            run_at: row.number("run_at")?,
            state: row.word("state", JobState::of)?,
            attempt: row.short("attempt")?,
            lease_owner: row.maybe_text("lease_owner")?,
            lease_until: row.number("lease_until")?,
            progress: row.short("progress")?,
            reason: row.maybe_text("reason")?,
            cancel: row.small("cancel")? != 0,
            created: row.number("created")?,
            updated: row.number("updated")?,
            finished: row.maybe_number("finished")?,
        })
    }
}

impl Library {
    /// Adds a job and returns its id. If a Queued or Running job has the same `dedupe` text, or any job the same id,
    /// adds nothing and returns the id of that job.
    pub async fn enqueue(&self, new: &NewJob, now: i64) -> Result<String, Error> {
        let mut talk = self.engine().talk(AccessMode::Write).await?;
        let id = enqueue(&mut talk, new, now).await?;
        talk.done();
        self.inner.wake.wake();
        Ok(id)
    }

    /// The job with this id; `None` if there is none.
    pub async fn job(&self, id: &str) -> Result<Option<Job>, Error> {
        const SQL: &str = concat!("SELECT ", columns!(), " FROM jobs WHERE id = $1");
        let rows = self.engine().ask(AccessMode::Read, SQL, vec![id.into()]).await?;
        rows.first().map(Job::read).transpose()
    }

    /// Jobs, the newest first: at most `limit` behind `after`, which is [`Job::place`] of the last job on the previous
    /// page, or its id if the job still exists.
    pub async fn jobs(
        &self,
        state: Option<JobState>,
        kind: Option<&str>,
        after: Option<&str>,
        limit: u32,
    ) -> Result<Vec<Job>, Error> {
        let mut page = PageQuery::of(concat!("SELECT ", columns!(), " FROM jobs"));
        if let Some(state) = state {
            page.only("state = ?", [state.word().into()]);
        }
        if let Some(kind) = kind {
            page.only("kind = ?", [kind.into()]);
        }
        if let Some((created, id)) = self.place(List::Jobs, after).await? {
            page.only("(created, id) < (?, ?)", [created.into(), (&id).into()]);
        }
        let (sql, values) = page.statement("created DESC, id DESC", limit);
        let rows = self.engine().ask(AccessMode::Read, sql, values).await?;
        rows.iter().map(Job::read).collect()
    }

    /// Number of queued, running and dead jobs: an entry for each kind and state, in this order. Done and cancelled jobs are not counted.
    pub async fn job_depth(&self) -> Result<Vec<QueueDepth>, Error> {
        const SQL: &str = "SELECT state, CAST(COUNT(*) AS BIGINT) AS jobs, MIN(run_at) AS run_at FROM jobs WHERE \
             state IN ('queued', 'running', 'dead') GROUP BY kind, state ORDER BY kind, state";
        let read = |row: &Row| {
            Ok(QueueDepth {
                state: row.word("state", JobState::of)?,
                count: narrow("jobs", row.number("jobs")?)?,
                run_at: row.number("run_at")?,
            })
        };
        self.engine().ask(AccessMode::Read, SQL, vec![]).await?.iter().map(read).collect()
    }

    /// Cancels a job: at once if no worker holds its lease, else when its worker next renews the lease. `false`: it is
    /// finished, or there is none.
    pub async fn cancel_job(&self, id: &str, now: i64) -> Result<bool, Error> {
        const SQL: &str = "UPDATE jobs SET cancel = 1, updated = $2, \
             finished = CASE WHEN state = 'queued' OR lease_until <= $2 THEN $2 ELSE finished END, \
             state = CASE WHEN state = 'queued' OR lease_until <= $2 THEN 'cancelled' ELSE state END \
             WHERE id = $1 AND state IN ('queued', 'running') RETURNING id";
        self.changed(SQL, vec![id.into(), now.into()]).await
    }

    /// Queues a Dead or Cancelled job again, as if it had never been tried. `false`: it is in another state, or a job
    /// with the same `dedupe` text is queued or running.
    pub async fn retry_job(&self, id: &str, now: i64) -> Result<bool, Error> {
        const SQL: &str = "UPDATE jobs SET state = 'queued', attempt = 0, deaths = 0, cancel = 0, progress = 0, run_at = $2, \
             lease_owner = NULL, lease_until = 0, finished = NULL, updated = $2 \
             WHERE id = $1 AND state IN ('dead', 'cancelled') RETURNING id";
        let retried = match self.changed(SQL, vec![id.into(), now.into()]).await {
            Err(Error::Taken) => false,
            other => other?,
        };
        if retried {
            self.call().await?;
        }
        Ok(retried)
    }

    /// Deletes jobs that finished before `before`. Returns their number.
    pub async fn forget_jobs(&self, before: i64) -> Result<u64, Error> {
        let sql = format!(
            "DELETE FROM jobs WHERE id IN (SELECT id FROM jobs WHERE finished < $1 ORDER BY finished LIMIT $2 {}) \
             RETURNING id",
            self.engine().unlocked()
        );
        self.forget(&sql, before).await
    }

    /// Runs `sql`, which deletes a limited number of rows, until none is left: small steps keep other writers from
    /// waiting long. Returns the number of deleted rows.
    pub(super) async fn forget(&self, sql: &str, before: i64) -> Result<u64, Error> {
        let mut forgotten = 0_u64;
        loop {
            let values = vec![before.into(), FORGOTTEN.into()];
            let rows = self.engine().ask(AccessMode::Write, ours(sql.to_owned()), values).await?;
            forgotten = forgotten.saturating_add(u64::try_from(rows.len()).unwrap_or(u64::MAX));
            if i64::try_from(rows.len()).is_ok_and(|rows| rows < FORGOTTEN) {
                return Ok(forgotten);
            }
        }
    }
}

/// Adds a job, or finds the existing one with the same id or `dedupe` text. On PostgreSQL, workers of other processes
/// are notified when the transaction commits.
pub(super) async fn enqueue(talk: &mut EngineConnection, new: &NewJob, now: i64) -> Result<String, Error> {
    const ALIKE: &str = "SELECT id FROM jobs WHERE id = $1 OR (dedupe = $2 AND state IN ('queued', 'running')) \
         ORDER BY CASE WHEN id = $1 THEN 0 ELSE 1 END LIMIT 1";
    for _ in 0..LOOKS {
        let values = vec![
            (&new.id).into(),
            new.kind.word().into(),
            (&new.subject).into(),
            (&new.payload).into(),
            i64::from(new.priority).into(),
            (&new.dedupe).into(),
            i64::from(new.max_attempts).into(),
            new.run_at.into(),
            now.into(),
        ];
        if talk.any(adding(talk), values).await? {
            return Ok(new.id.clone());
        }
        let alike = talk.rows(ALIKE, vec![(&new.id).into(), (&new.dedupe).into()]).await?;
        if let Some(row) = alike.first() {
            return row.text("id");
        }
    }
    Err(Error::Away { why: "jobs like it come and go too fast".into() })
}

/// The statement that adds a job, unless one with the same id or `dedupe` text exists.
const fn adding(talk: &EngineConnection) -> &'static str {
    macro_rules! insert {
        () => {
            "INSERT INTO jobs (id, kind, subject, payload, priority, dedupe, max_attempts, run_at, state, created, \
             updated) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, 'queued', $9, $9) ON CONFLICT DO NOTHING RETURNING id"
        };
    }
    match talk {
        EngineConnection::Sqlite(_) => insert!(),
        #[cfg(feature = "postgres")]
        EngineConnection::Postgres(_) => {
            concat!("WITH added AS (", insert!(), ") SELECT id, pg_notify('afflux_jobs', '') FROM added")
        }
    }
}
