//! Uploads: one row each, from its creation until it is forgotten.
//!
//! ```text
//!   insert ─► Receiving ── receive (all bytes durable; a job is queued in the same transaction) ─► Received
//!                │ take: epoch + 1, whoever wrote before is fenced                                    │
//!                │ advance, save: only with the present epoch; the offset never goes back             ├─► Published
//!                └──────────────── settle ────────────────────────────────────────────────────────────┼─► Refused
//!                                                                                                      └─► Cancelled
//! ```

use super::assets::put;
use super::engine::{Purpose, Talk, ours};
use super::jobs::enqueue;
use super::paging::{List, Page, place, rows};
use super::value::{Row, Value, number};
use super::{AssetRow, Error, JobState, Library, NewJob};

/// The columns of an upload.
macro_rules! columns {
    () => {
        "id, asset, file, title, length, durable, state, reason, metadata, saved, report, created, updated, expires, \
         key_id, epoch"
    };
}

/// How far an upload is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum UploadState {
    /// Bytes may come.
    Receiving,
    /// All bytes are durable; it is not yet published.
    Received,
    /// It plays.
    Published,
    /// It will not be published, for the reason in its row.
    Refused,
    /// Nobody wants it any more.
    Cancelled,
}

impl UploadState {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Receiving, Self::Received, Self::Published, Self::Refused, Self::Cancelled];

    /// What it is called in rows and answers.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Receiving => "receiving",
            Self::Received => "received",
            Self::Published => "published",
            Self::Refused => "refused",
            Self::Cancelled => "cancelled",
        }
    }

    /// The state that is called so.
    #[must_use]
    pub fn of(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.word() == word)
    }
}

/// An upload. Times are milliseconds since the epoch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Upload {
    /// What it is called in URLs.
    pub id: String,
    /// The asset that it becomes a part of.
    pub asset: String,
    /// The file of the asset that it becomes.
    pub file: String,
    /// What the asset is to be called, if it was said.
    pub title: Option<String>,
    /// How many bytes there will be; `None` as long as that is not known.
    pub length: Option<u64>,
    /// How many bytes are durable.
    pub offset: u64,
    /// How far it is.
    pub state: UploadState,
    /// Why it was refused.
    pub reason: Option<String>,
    /// What the client said of it.
    pub metadata: String,
    /// How the store goes on with it; only the store understands it.
    pub saved: String,
    /// What was found in it, as JSON.
    pub report: Option<String>,
    /// When it was created.
    pub created: i64,
    /// When its row was last written.
    pub updated: i64,
    /// When it is given up, if it is still being received.
    pub expires: i64,
    /// The id of the API key that made it.
    pub key: String,
    /// Who may write to it: whoever took it last.
    pub epoch: i64,
}

/// An upload that begins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewUpload {
    /// What it is called in URLs.
    pub id: String,
    /// The asset that it becomes a part of.
    pub asset: String,
    /// The file of the asset that it becomes.
    pub file: String,
    /// What the asset is to be called, if it was said.
    pub title: Option<String>,
    /// How many bytes there will be; `None` if that is told later.
    pub length: Option<u64>,
    /// What the client said of it.
    pub metadata: String,
    /// When it is given up, if it is still being received.
    pub expires: i64,
    /// The id of the API key that makes it.
    pub key: String,
}

/// An upload that is Received, and of which nobody goes on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stranded {
    /// Its id.
    pub upload: String,
    /// The state of its job; `None` where there is none any more.
    pub job: Option<JobState>,
    /// Why the job failed.
    pub reason: Option<String>,
}

impl Upload {
    /// The place behind it in a list, for the next page.
    #[must_use]
    pub fn place(&self) -> String {
        place(self.created, &self.id)
    }

    fn read(row: &Row) -> Result<Self, Error> {
        let length = row.maybe_number("length")?;
        let length = length.map(|length| super::value::narrow("length", length)).transpose()?;
        Ok(Self {
            id: row.text("id")?,
            asset: row.text("asset")?,
            file: row.text("file")?,
            title: row.maybe_text("title")?,
            length,
            offset: row.count("durable")?,
            state: row.word("state", UploadState::of)?,
            reason: row.maybe_text("reason")?,
            metadata: row.text("metadata")?,
            saved: row.text("saved")?,
            report: row.maybe_text("report")?,
            created: row.number("created")?,
            updated: row.number("updated")?,
            expires: row.number("expires")?,
            key: row.text("key_id")?,
            epoch: row.number("epoch")?,
        })
    }
}

impl Library {
    /// Begins an upload. [`Error::Taken`] if its id is in use.
    pub async fn insert_upload(&self, new: &NewUpload, now: i64) -> Result<(), Error> {
        let mut talk = self.engine().talk(Purpose::Write).await?;
        let inserted = insert(&mut talk, new, now).await;
        if matches!(inserted, Ok(()) | Err(Error::Refused { .. } | Error::Taken)) {
            talk.done();
        }
        inserted
    }

    /// The upload of that id.
    pub async fn upload(&self, id: &str) -> Result<Option<Upload>, Error> {
        const SQL: &str = concat!("SELECT ", columns!(), " FROM uploads WHERE id = $1");
        let rows = self.engine().ask(Purpose::Read, SQL, vec![id.into()]).await?;
        rows.first().map(Upload::read).transpose()
    }

    /// The upload that becomes, or became, the file `file` of `asset`.
    pub async fn upload_of(&self, asset: &str, file: &str) -> Result<Option<Upload>, Error> {
        const SQL: &str = concat!("SELECT ", columns!(), " FROM uploads WHERE asset = $1 AND file = $2 LIMIT 1");
        let rows = self.engine().ask(Purpose::Read, SQL, vec![asset.into(), file.into()]).await?;
        rows.first().map(Upload::read).transpose()
    }

    /// Uploads, the newest first: at most `limit` behind `after`, which is what [`Upload::place`] said of the last one of
    /// the page before, or its id if it is still there. Of assets alone whose names begin with one of `prefixes`, where
    /// there are any.
    pub async fn uploads(
        &self,
        state: Option<UploadState>,
        after: Option<&str>,
        limit: u32,
        prefixes: &[String],
    ) -> Result<Vec<Upload>, Error> {
        let mut page = Page::of(concat!("SELECT ", columns!(), " FROM uploads"));
        if let Some(state) = state {
            page.only("state = ?", [state.word().into()]);
        }
        page.below("asset", prefixes);
        if let Some((created, id)) = self.place(List::Uploads, after).await? {
            page.only("(created, id) < (?, ?)", [created.into(), (&id).into()]);
        }
        let (sql, values) = page.statement("created DESC, id DESC", limit);
        let rows = self.engine().ask(Purpose::Read, sql, values).await?;
        rows.iter().map(Upload::read).collect()
    }

    /// Takes an upload that is being received, to write to it: whoever took it before is fenced from now on. `None`:
    /// there is none, or it is no longer being received.
    pub async fn take_upload(&self, id: &str, now: i64) -> Result<Option<Upload>, Error> {
        const SQL: &str = concat!(
            "UPDATE uploads SET epoch = epoch + 1, updated = $2 WHERE id = $1 AND state = 'receiving' RETURNING ",
            columns!()
        );
        let rows = self.engine().ask(Purpose::Write, SQL, vec![id.into(), now.into()]).await?;
        rows.first().map(Upload::read).transpose()
    }

    /// Notes down that bytes up to `offset` are durable. `false`: someone else took it, it is no longer being received,
    /// or more was durable already.
    pub async fn advance_upload(
        &self,
        id: &str,
        epoch: i64,
        offset: u64,
        saved: &str,
        expires: i64,
        now: i64,
    ) -> Result<bool, Error> {
        const SQL: &str = "UPDATE uploads SET durable = $3, saved = $4, expires = $5, updated = $6 WHERE id = $1 AND \
             epoch = $2 AND state = 'receiving' AND durable <= $3 RETURNING id";
        let values = vec![id.into(), epoch.into(), number(offset)?.into(), saved.into(), expires.into(), now.into()];
        self.changed(SQL, values).await
    }

    /// Notes down how the store goes on, and nothing else. `false`: as [`Library::advance_upload`].
    pub async fn save_upload(&self, id: &str, epoch: i64, saved: &str, now: i64) -> Result<bool, Error> {
        const SQL: &str = "UPDATE uploads SET saved = $3, updated = $4 WHERE id = $1 AND epoch = $2 AND \
             state = 'receiving' RETURNING id";
        self.changed(SQL, vec![id.into(), epoch.into(), saved.into(), now.into()]).await
    }

    /// Says how long an upload is whose length was not known. `false`: as [`Library::advance_upload`], or another length
    /// is known, or more bytes than that are durable.
    pub async fn set_upload_length(&self, id: &str, epoch: i64, length: u64, now: i64) -> Result<bool, Error> {
        const SQL: &str = "UPDATE uploads SET length = $3, updated = $4 WHERE id = $1 AND epoch = $2 AND \
             state = 'receiving' AND durable <= $3 AND (length IS NULL OR length = $3) RETURNING id";
        self.changed(SQL, vec![id.into(), epoch.into(), number(length)?.into(), now.into()]).await
    }

    /// All bytes are durable: in one transaction the upload becomes Received, of that length, and `job` is queued. The job's
    /// id; also when that was done before, as long as the job is there. `None`: someone else took the upload, it is
    /// neither being received nor Received, or its length is known to be another.
    pub async fn receive_upload(
        &self,
        id: &str,
        epoch: i64,
        offset: u64,
        saved: &str,
        job: &NewJob,
        now: i64,
    ) -> Result<Option<String>, Error> {
        let mut talk = self.engine().begin().await?;
        let values = vec![id.into(), epoch.into(), number(offset)?.into(), saved.into(), now.into()];
        if !receive(&mut talk, values).await? {
            let before = received_before(&mut talk, id, epoch).await?;
            talk.roll_back().await?;
            return Ok(before);
        }
        let job = enqueue(&mut talk, job, now).await?;
        talk.rows("UPDATE uploads SET job = $2 WHERE id = $1", vec![id.into(), (&job).into()]).await?;
        talk.commit().await?;
        self.inner.wake.wake();
        Ok(Some(job))
    }

    /// Moves an upload from one of the states `from` to another. `reason` is why; a `report` stays if none is given.
    /// `false`: it is in none of them.
    pub async fn settle_upload(
        &self,
        id: &str,
        from: &[UploadState],
        to: UploadState,
        reason: Option<&str>,
        report: Option<&str>,
        now: i64,
    ) -> Result<bool, Error> {
        let from: Vec<String> = from.iter().map(|state| format!("'{}'", state.word())).collect();
        if from.is_empty() {
            return Ok(false);
        }
        let sql = format!(
            "UPDATE uploads SET state = $2, reason = $3, report = COALESCE($4, report), updated = $5 WHERE id = $1 AND \
             state IN ({}) RETURNING id",
            from.join(", ")
        );
        let values = vec![id.into(), to.word().into(), reason.into(), report.into(), now.into()];
        self.changed(ours(sql), values).await
    }

    /// Publishes an upload: in one transaction the asset's row is put, and the upload is Published with `report`, so that
    /// its bytes count once. `false`: it is not Received, and nothing is changed.
    pub async fn publish_upload(&self, id: &str, asset: &AssetRow, report: &str, now: i64) -> Result<bool, Error> {
        const SQL: &str = "UPDATE uploads SET state = 'published', reason = NULL, report = $2, updated = $3 WHERE id = $1 \
             AND state = 'received' RETURNING id";
        let mut talk = self.engine().begin().await?;
        put(&mut talk, asset, now).await?;
        if !talk.any(SQL, vec![id.into(), report.into(), now.into()]).await? {
            talk.roll_back().await?;
            return Ok(false);
        }
        talk.commit().await?;
        Ok(true)
    }

    /// Uploads that are Received and whose job is over or gone: nobody will settle them by themselves. With each, the
    /// state of its job and why that failed.
    pub async fn stranded_uploads(&self, limit: u32) -> Result<Vec<Stranded>, Error> {
        const SQL: &str = "SELECT uploads.id AS id, jobs.state AS job, jobs.reason AS reason FROM uploads LEFT JOIN jobs \
             ON jobs.id = uploads.job WHERE uploads.state = 'received' AND (jobs.state IS NULL OR jobs.state NOT IN \
             ('queued', 'running')) ORDER BY uploads.created, uploads.id LIMIT $1";
        let read = |row: &Row| {
            let job = row.maybe_text("job")?.as_deref().and_then(JobState::of);
            Ok(Stranded { upload: row.text("id")?, job, reason: row.maybe_text("reason")? })
        };
        self.engine().ask(Purpose::Read, SQL, vec![rows(limit)]).await?.iter().map(read).collect()
    }

    /// Queues `job` for an upload that is Received. `false`: it is not.
    pub async fn requeue_upload(&self, id: &str, job: &NewJob, now: i64) -> Result<bool, Error> {
        const SQL: &str = "UPDATE uploads SET job = $2, updated = $3 WHERE id = $1 AND state = 'received' RETURNING id";
        let mut talk = self.engine().begin().await?;
        let job = enqueue(&mut talk, job, now).await?;
        if !talk.any(SQL, vec![id.into(), (&job).into(), now.into()]).await? {
            talk.roll_back().await?;
            return Ok(false);
        }
        talk.commit().await?;
        self.inner.wake.wake();
        Ok(true)
    }

    /// The job that is to publish an upload, if there is one.
    pub async fn job_of_upload(&self, id: &str) -> Result<Option<String>, Error> {
        let rows = self.engine().ask(Purpose::Read, "SELECT job FROM uploads WHERE id = $1", vec![id.into()]).await?;
        rows.first().map_or(Ok(None), |row| row.maybe_text("job"))
    }

    /// Uploads that are still being received and are given up at `now`, the earliest first.
    pub async fn expired_uploads(&self, now: i64, limit: u32) -> Result<Vec<Upload>, Error> {
        const SQL: &str = concat!(
            "SELECT ",
            columns!(),
            " FROM uploads WHERE state = 'receiving' AND expires <= $1 ORDER BY expires, id LIMIT $2"
        );
        let rows = self.engine().ask(Purpose::Read, SQL, vec![now.into(), rows(limit)]).await?;
        rows.iter().map(Upload::read).collect()
    }

    /// Forgets an upload. `false`: there is none.
    pub async fn delete_upload(&self, id: &str) -> Result<bool, Error> {
        self.changed("DELETE FROM uploads WHERE id = $1 RETURNING id", vec![id.into()]).await
    }

    /// Forgets uploads that were published, refused or cancelled before `before`; how many.
    pub async fn forget_uploads(&self, before: i64) -> Result<u64, Error> {
        let sql = format!(
            "DELETE FROM uploads WHERE id IN (SELECT id FROM uploads WHERE state IN ('published', 'refused', \
             'cancelled') AND updated < $1 ORDER BY updated LIMIT $2 {}) RETURNING id",
            self.engine().unlocked()
        );
        self.forget(&sql, before).await
    }

    /// Whether a change that answers rows changed any.
    pub(super) async fn changed(&self, sql: impl sqlx::SqlSafeStr, values: Vec<Value>) -> Result<bool, Error> {
        Ok(!self.engine().ask(Purpose::Write, sql, values).await?.is_empty())
    }
}

/// Adds the row of an upload.
pub(super) async fn insert(talk: &mut Talk, new: &NewUpload, now: i64) -> Result<(), Error> {
    const SQL: &str = "INSERT INTO uploads (id, asset, file, title, length, state, metadata, expires, key_id, \
         created, updated) VALUES ($1, $2, $3, $4, $5, 'receiving', $6, $7, $8, $9, $9)";
    let length = new.length.map(number).transpose()?;
    let values = vec![
        (&new.id).into(),
        (&new.asset).into(),
        (&new.file).into(),
        (&new.title).into(),
        length.into(),
        (&new.metadata).into(),
        new.expires.into(),
        (&new.key).into(),
        now.into(),
    ];
    talk.rows(SQL, values).await.map(drop)
}

/// Whether the upload was being received, by this epoch, and now is Received.
async fn receive(talk: &mut Talk, values: Vec<Value>) -> Result<bool, Error> {
    const SQL: &str = "UPDATE uploads SET state = 'received', durable = $3, length = $3, saved = $4, updated = $5 WHERE \
         id = $1 AND epoch = $2 AND state = 'receiving' AND durable <= $3 AND (length IS NULL OR length = $3) RETURNING id";
    talk.any(SQL, values).await
}

/// The job of an upload that this epoch has received before.
async fn received_before(talk: &mut Talk, id: &str, epoch: i64) -> Result<Option<String>, Error> {
    const SQL: &str = "SELECT jobs.id AS job FROM uploads JOIN jobs ON jobs.id = uploads.job WHERE uploads.id = $1 AND \
         uploads.epoch = $2 AND uploads.state = 'received'";
    let rows = talk.rows(SQL, vec![id.into(), epoch.into()]).await?;
    rows.first().map(|row| row.text("job")).transpose()
}
