//! Jobs: what is to be done, once, by whoever comes first.
//!
//! ```text
//!   enqueue ─► Queued ── claim ─► Running ── complete ─► Done
//!                 ▲ │                │ ├──── fail, attempts left: Queued again, at a later time
//!           retry │ │ cancel         │ ├──── fail for good, or no attempt left ─► Dead
//!   Dead ─────────┤ ▼                │ └──── flagged by cancel, then given back ─► Cancelled
//!   Cancelled ◄───┴─ at once         └ release: Queued again; lease ran out: as if its worker had failed
//! ```
//! `lease` has the right-hand side. Of Queued and Running jobs no two have the same `dedupe` text.

use super::engine::{Purpose, Talk, ours};
use super::paging::{List, Page, place};
use super::value::{Row, narrow};
use super::{Error, Library};

/// The columns of a job.
macro_rules! columns {
    () => {
        "id, kind, subject, payload, priority, dedupe, max_attempts, run_at, state, attempt, lease_owner, lease_until, \
         progress, reason, cancel, created, updated, finished"
    };
}
pub(super) use columns;

/// How often to look again for a job that is like a new one, where it ends just before it is found.
const LOOKS: u32 = 16;

/// How many rows are forgotten in one statement.
const FORGOTTEN: i64 = 1_000;

/// How far a job is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum JobState {
    /// It waits for its time and a worker.
    Queued,
    /// A worker has it.
    Running,
    /// It was done.
    Done,
    /// It was given up, for the reason in its row.
    Dead,
    /// Nobody wants it any more.
    Cancelled,
}

impl JobState {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Queued, Self::Running, Self::Done, Self::Dead, Self::Cancelled];

    /// What it is called in rows and answers.
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

    /// The state that is called so.
    #[must_use]
    pub fn of(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.word() == word)
    }
}

/// A job to be done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewJob {
    /// What it is called.
    pub id: String,
    /// Which workers can do it.
    pub kind: String,
    /// What it is about: an upload, an asset.
    pub subject: String,
    /// What its worker must know.
    pub payload: String,
    /// Higher ones come first.
    pub priority: i16,
    /// What no two jobs may have that are not finished.
    pub dedupe: Option<String>,
    /// How often it may be tried: at least once.
    pub max_attempts: i32,
    /// Not before: milliseconds since the epoch.
    pub run_at: i64,
}

/// A job. Times are milliseconds since the epoch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Job {
    /// What it is called.
    pub id: String,
    /// Which workers can do it.
    pub kind: String,
    /// What it is about.
    pub subject: String,
    /// What its worker must know.
    pub payload: String,
    /// Higher ones come first.
    pub priority: i16,
    /// What no two jobs may have that are not finished.
    pub dedupe: Option<String>,
    /// How often it may be tried.
    pub max_attempts: i32,
    /// Not before.
    pub run_at: i64,
    /// How far it is.
    pub state: JobState,
    /// Which try this is: 0 before the first.
    pub attempt: i32,
    /// The worker that has it, or had it last.
    pub lease_owner: Option<String>,
    /// When it may be taken from its worker.
    pub lease_until: i64,
    /// Thousandths of it that are done, as its worker says.
    pub progress: i32,
    /// Why it failed, the last time that it did.
    pub reason: Option<String>,
    /// Whether its worker is asked to stop.
    pub cancel: bool,
    /// When it was enqueued.
    pub created: i64,
    /// When its row was last written.
    pub updated: i64,
    /// When it became Done, Dead or Cancelled.
    pub finished: Option<i64>,
}

/// How many jobs of one kind are in one state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Depth {
    /// Which workers can do them.
    pub kind: String,
    /// Queued, Running or Dead.
    pub state: JobState,
    /// How many.
    pub count: u64,
    /// When the oldest of them was enqueued.
    pub created: i64,
    /// When the first of them is, or was, due.
    pub run_at: i64,
}

impl Job {
    /// The place behind it in a list, for the next page.
    #[must_use]
    pub fn place(&self) -> String {
        place(self.created, &self.id)
    }

    pub(super) fn read(row: &Row) -> Result<Self, Error> {
        Ok(Self {
            id: row.text("id")?,
            kind: row.text("kind")?,
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
    /// Adds a job and says its id. Where a job that is Queued or Running has the same `dedupe` text, or any job has the
    /// same id, nothing is added and that one's id is said.
    pub async fn enqueue(&self, new: &NewJob, now: i64) -> Result<String, Error> {
        let mut talk = self.engine().talk(Purpose::Write).await?;
        let id = enqueue(&mut talk, new, now).await?;
        talk.done();
        self.inner.wake.wake();
        Ok(id)
    }

    /// The job of that id.
    pub async fn job(&self, id: &str) -> Result<Option<Job>, Error> {
        const SQL: &str = concat!("SELECT ", columns!(), " FROM jobs WHERE id = $1");
        let rows = self.engine().ask(Purpose::Read, SQL, vec![id.into()]).await?;
        rows.first().map(Job::read).transpose()
    }

    /// Jobs, the newest first: at most `limit` behind `after`, which is what [`Job::place`] said of the last one of the
    /// page before, or its id if it is still there.
    pub async fn jobs(
        &self,
        state: Option<JobState>,
        kind: Option<&str>,
        after: Option<&str>,
        limit: u32,
    ) -> Result<Vec<Job>, Error> {
        let mut page = Page::of(concat!("SELECT ", columns!(), " FROM jobs"));
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
        let rows = self.engine().ask(Purpose::Read, sql, values).await?;
        rows.iter().map(Job::read).collect()
    }

    /// How much waits, runs and is dead, by kind; what is over is not counted.
    pub async fn job_depth(&self) -> Result<Vec<Depth>, Error> {
        const SQL: &str = "SELECT kind, state, CAST(COUNT(*) AS BIGINT) AS jobs, MIN(created) AS created, \
             MIN(run_at) AS run_at FROM jobs WHERE state IN ('queued', 'running', 'dead') GROUP BY kind, state \
             ORDER BY kind, state";
        let read = |row: &Row| {
            Ok(Depth {
                kind: row.text("kind")?,
                state: row.word("state", JobState::of)?,
                count: narrow("jobs", row.number("jobs")?)?,
                created: row.number("created")?,
                run_at: row.number("run_at")?,
            })
        };
        self.engine().ask(Purpose::Read, SQL, vec![]).await?.iter().map(read).collect()
    }

    /// Cancels a job: at once if no worker has it, else its worker learns it when it renews its lease. `false`: it is
    /// finished, or there is none.
    pub async fn cancel_job(&self, id: &str, now: i64) -> Result<bool, Error> {
        const SQL: &str = "UPDATE jobs SET cancel = 1, updated = $2, \
             finished = CASE WHEN state = 'queued' OR lease_until <= $2 THEN $2 ELSE finished END, \
             state = CASE WHEN state = 'queued' OR lease_until <= $2 THEN 'cancelled' ELSE state END \
             WHERE id = $1 AND state IN ('queued', 'running') RETURNING id";
        self.changed(SQL, vec![id.into(), now.into()]).await
    }

    /// Queues a job again that is Dead or Cancelled, as if it had never been tried. `false`: it is neither, or one like
    /// it is waiting or running.
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

    /// Forgets jobs that finished before `before`; how many.
    pub async fn forget_jobs(&self, before: i64) -> Result<u64, Error> {
        let sql = format!(
            "DELETE FROM jobs WHERE id IN (SELECT id FROM jobs WHERE finished < $1 ORDER BY finished LIMIT $2 {}) \
             RETURNING id",
            self.engine().unlocked()
        );
        self.forget(&sql, before).await
    }

    /// Deletes what `sql` says, some rows at a time, so that nobody waits long for it.
    pub(super) async fn forget(&self, sql: &str, before: i64) -> Result<u64, Error> {
        let mut forgotten = 0_u64;
        loop {
            let values = vec![before.into(), FORGOTTEN.into()];
            let rows = self.engine().ask(Purpose::Write, ours(sql.to_owned()), values).await?;
            forgotten = forgotten.saturating_add(u64::try_from(rows.len()).unwrap_or(u64::MAX));
            if i64::try_from(rows.len()).is_ok_and(|rows| rows < FORGOTTEN) {
                return Ok(forgotten);
            }
        }
    }
}

/// Adds a job, or finds the one like it. In a transaction of PostgreSQL, workers elsewhere are told when it commits.
pub(super) async fn enqueue(talk: &mut Talk, new: &NewJob, now: i64) -> Result<String, Error> {
    const ALIKE: &str = "SELECT id FROM jobs WHERE id = $1 OR (dedupe = $2 AND state IN ('queued', 'running')) \
         ORDER BY CASE WHEN id = $1 THEN 0 ELSE 1 END LIMIT 1";
    for _ in 0..LOOKS {
        let values = vec![
            (&new.id).into(),
            (&new.kind).into(),
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

/// The statement that adds a job, unless there is one like it.
const fn adding(talk: &Talk) -> &'static str {
    macro_rules! insert {
        () => {
            "INSERT INTO jobs (id, kind, subject, payload, priority, dedupe, max_attempts, run_at, state, created, \
             updated) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, 'queued', $9, $9) ON CONFLICT DO NOTHING RETURNING id"
        };
    }
    match talk {
        Talk::Sqlite(_) => insert!(),
        #[cfg(feature = "postgres")]
        Talk::Postgres(_) => {
            concat!("WITH added AS (", insert!(), ") SELECT id, pg_notify('afflux_jobs', '') FROM added")
        }
    }
}
