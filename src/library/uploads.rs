//! Rows of uploads: one each, from its creation until it is deleted.
//!
//! ```text
//!   begin  ─► Receiving ── receive (all bytes durable; a job is queued in the same transaction) ─► Received
//!                │ take: epoch + 1, which fences the previous writer                                  │
//!                │ advance: only with the current epoch; the offset never goes back                   ├─► Published
//!                └──────────────── settle ────────────────────────────────────────────────────────────┼─► Refused
//!                                                                                                      └─► Cancelled
//! ```

use super::assets::put;
use super::engine::{AccessMode, EngineConnection};
use super::jobs::enqueue;
use super::paging::{List, PageQuery, place, rows};
use super::value::{Row, Value, number};
use super::{AssetRow, Error, JobState, Library, NewJob};

/// Columns of an upload row.
macro_rules! columns {
    () => {
        "id, asset, file, title, length, durable, state, reason, metadata, saved, report, created, updated, expires, \
         key_id, epoch"
    };
}

/// State of an upload.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum UploadState {
    /// Accepts bytes.
    Receiving,
    /// All bytes are durable; not yet published.
    Received,
    /// Published: its file belongs to its asset.
    Published,
    /// Will not be published, for the reason in its row.
    Refused,
    /// Cancelled or expired.
    Cancelled,
}

impl UploadState {
    /// All states.
    pub const ALL: [Self; 5] = [Self::Receiving, Self::Received, Self::Published, Self::Refused, Self::Cancelled];

    /// The word for this state in rows and responses.
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

    /// Parses a state. `None` if the word is unknown.
    #[must_use]
    pub fn of(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.word() == word)
    }
}

/// An upload. Times are milliseconds since the epoch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Upload {
    /// Id of the upload, as in URLs.
    pub id: String,
    /// Name of the asset that it becomes a part of.
    pub asset: String,
    /// Name of the file that it becomes.
    pub file: String,
    /// Title for the asset; `None` if the client gave none.
    pub title: Option<String>,
    /// Length in bytes; `None` while unknown.
    pub length: Option<u64>,
    /// Number of durable bytes.
    pub offset: u64,
    /// State of the upload.
    pub state: UploadState,
    /// Reason for the refusal.
    pub reason: Option<String>,
    /// Metadata from the client.
    pub metadata: String,
    /// State with which the store can resume the upload; only the store understands it.
    pub saved: String,
    /// Report on the file, as JSON.
    pub report: Option<String>,
    /// Time of creation.
    pub created: i64,
    /// Time when the row was last written.
    pub updated: i64,
    /// Time at which it expires if it is still Receiving.
    pub expires: i64,
    /// Id of the API key that created it.
    pub key: String,
    /// Fencing number: only the writer that took the upload last has the current one.
    pub epoch: i64,
}

/// An upload to insert.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewUpload {
    /// Id of the upload, as in URLs.
    pub id: String,
    /// Name of the asset that it becomes a part of.
    pub asset: String,
    /// Name of the file that it becomes.
    pub file: String,
    /// Title for the asset; `None` if the client gave none.
    pub title: Option<String>,
    /// Length in bytes; `None` if the client will set it later.
    pub length: Option<u64>,
    /// Metadata from the client.
    pub metadata: String,
    /// Time at which it expires if it is still Receiving.
    pub expires: i64,
    /// Id of the API key that creates it.
    pub key: String,
}

/// A move of an upload to another state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Settlement<'a> {
    /// The state that the upload must be in.
    pub from: UploadState,
    /// The state that it gets.
    pub to: UploadState,
    /// The reason that it gets; `None` removes the old one.
    pub reason: Option<&'a str>,
    /// The report that it gets, as JSON; `None` leaves the old one.
    pub report: Option<&'a str>,
}

impl Settlement<'_> {
    /// A move without a reason and a report.
    #[must_use]
    pub const fn plain(from: UploadState, to: UploadState) -> Self {
        Self { from, to, reason: None, report: None }
    }
}

/// A Received upload without an active job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StrandedUpload {
    /// Id of the upload.
    pub upload: String,
    /// State of its job; `None` if the job is deleted.
    pub job: Option<JobState>,
    /// Reason of the job's failure.
    pub reason: Option<String>,
}

impl Upload {
    /// Cursor behind this upload in a list, for the next page.
    #[must_use]
    pub fn place(&self) -> String {
        place(self.created, &self.id)
    }

    /// Parameters of a statement that records durable bytes: id, epoch, offset, `saved`, `expires`, `now`.
    pub(super) fn progress(&self, now: i64) -> Result<Vec<Value>, Error> {
        Ok(vec![
            (&self.id).into(),
            self.epoch.into(),
            number(self.offset)?.into(),
            (&self.saved).into(),
            self.expires.into(),
            now.into(),
        ])
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
    /// The upload with this id; `None` if there is none.
    pub async fn upload(&self, id: &str) -> Result<Option<Upload>, Error> {
        const SQL: &str = concat!("SELECT ", columns!(), " FROM uploads WHERE id = $1");
        let rows = self.engine().ask(AccessMode::Read, SQL, vec![id.into()]).await?;
        rows.first().map(Upload::read).transpose()
    }

    /// The upload that becomes, or became, the file `file` of `asset`.
    pub async fn upload_of(&self, asset: &str, file: &str) -> Result<Option<Upload>, Error> {
        const SQL: &str = concat!("SELECT ", columns!(), " FROM uploads WHERE asset = $1 AND file = $2 LIMIT 1");
        let rows = self.engine().ask(AccessMode::Read, SQL, vec![asset.into(), file.into()]).await?;
        rows.first().map(Upload::read).transpose()
    }

    /// Uploads, the newest first: at most `limit` behind `after`, which is [`Upload::place`] of the last upload on the
    /// previous page, or its id if the upload still exists. If there are `prefixes`, only uploads of assets whose names
    /// begin with one of them.
    pub async fn uploads(
        &self,
        state: Option<UploadState>,
        after: Option<&str>,
        limit: u32,
        prefixes: &[String],
    ) -> Result<Vec<Upload>, Error> {
        let mut page = PageQuery::of(concat!("SELECT ", columns!(), " FROM uploads"));
        if let Some(state) = state {
            page.only("state = ?", [state.word().into()]);
        }
        page.below("asset", prefixes);
        if let Some((created, id)) = self.place(List::Uploads, after).await? {
            page.only("(created, id) < (?, ?)", [created.into(), (&id).into()]);
        }
        let (sql, values) = page.statement("created DESC, id DESC", limit);
        let rows = self.engine().ask(AccessMode::Read, sql, values).await?;
        rows.iter().map(Upload::read).collect()
    }

    /// Takes a Receiving upload in order to write to it, and fences the writer that took it before. `None`: there is
    /// none, or it is in another state.
    pub async fn take_upload(&self, id: &str, now: i64) -> Result<Option<Upload>, Error> {
        const SQL: &str = concat!(
            "UPDATE uploads SET epoch = epoch + 1, updated = $2 WHERE id = $1 AND state = 'receiving' RETURNING ",
            columns!()
        );
        let rows = self.engine().ask(AccessMode::Write, SQL, vec![id.into(), now.into()]).await?;
        rows.first().map(Upload::read).transpose()
    }

    /// Records the durable bytes of `upload`: `offset`, `saved` and `expires`. `false`: another writer took the upload,
    /// it is not Receiving, or more bytes are durable already.
    pub async fn advance_upload(&self, upload: &Upload, now: i64) -> Result<bool, Error> {
        const SQL: &str = "UPDATE uploads SET durable = $3, saved = $4, expires = $5, updated = $6 WHERE id = $1 AND \
             epoch = $2 AND state = 'receiving' AND durable <= $3 RETURNING id";
        self.changed(SQL, upload.progress(now)?).await
    }

    /// Records that all bytes of `upload` are durable: in one transaction it becomes Received with the length `offset`,
    /// and `job` is queued. Returns the job's id, also if that happened before and the job still exists. `None`: another
    /// writer took the upload, it is neither Receiving nor Received, or it has another length.
    pub async fn receive_upload(&self, upload: &Upload, job: &NewJob, now: i64) -> Result<Option<String>, Error> {
        let Upload { id, epoch, offset, saved, .. } = upload;
        let mut talk = self.engine().begin().await?;
        let values = vec![id.into(), (*epoch).into(), number(*offset)?.into(), saved.into(), now.into()];
        if !receive(&mut talk, values).await? {
            let before = received_before(&mut talk, id, *epoch).await?;
            talk.roll_back().await?;
            return Ok(before);
        }
        let job = enqueue(&mut talk, job, now).await?;
        talk.rows("UPDATE uploads SET job = $2 WHERE id = $1", vec![id.into(), (&job).into()]).await?;
        talk.commit().await?;
        self.inner.wake.wake();
        Ok(Some(job))
    }

    /// Moves an upload to another state, as `settlement` says. `false`: it is not in the state `from`.
    pub async fn settle_upload(&self, id: &str, settlement: Settlement<'_>, now: i64) -> Result<bool, Error> {
        const SQL: &str = "UPDATE uploads SET state = $2, reason = $3, report = COALESCE($4, report), updated = $5 WHERE \
             id = $1 AND state = $6 RETURNING id";
        let Settlement { from, to, reason, report } = settlement;
        let values = vec![id.into(), to.word().into(), reason.into(), report.into(), now.into(), from.word().into()];
        self.changed(SQL, values).await
    }

    /// Publishes an upload: one transaction writes the asset's row and makes the upload Published with `report`, so
    /// that the quota counts its bytes once. `false`: it is not Received, and nothing is changed.
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

    /// Received uploads whose job is finished or deleted, so that no worker will settle them; each with the state of
    /// its job and the reason of its failure.
    pub async fn stranded_uploads(&self, limit: u32) -> Result<Vec<StrandedUpload>, Error> {
        const SQL: &str = "SELECT uploads.id AS id, jobs.state AS job, jobs.reason AS reason FROM uploads LEFT JOIN jobs \
             ON jobs.id = uploads.job WHERE uploads.state = 'received' AND (jobs.state IS NULL OR jobs.state NOT IN \
             ('queued', 'running')) ORDER BY uploads.created, uploads.id LIMIT $1";
        let read = |row: &Row| {
            let job = row.maybe_text("job")?.as_deref().and_then(JobState::of);
            Ok(StrandedUpload { upload: row.text("id")?, job, reason: row.maybe_text("reason")? })
        };
        self.engine().ask(AccessMode::Read, SQL, vec![rows(limit)]).await?.iter().map(read).collect()
    }

    /// Queues `job` for a Received upload. `false`: it is not Received, and nothing is changed.
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

    /// Id of the job that publishes an upload; `None` if there is none.
    pub async fn job_of_upload(&self, id: &str) -> Result<Option<String>, Error> {
        let rows =
            self.engine().ask(AccessMode::Read, "SELECT job FROM uploads WHERE id = $1", vec![id.into()]).await?;
        rows.first().map_or(Ok(None), |row| row.maybe_text("job"))
    }

    /// Receiving uploads that have expired at `now`, the earliest first.
    pub async fn expired_uploads(&self, now: i64, limit: u32) -> Result<Vec<Upload>, Error> {
        const SQL: &str = concat!(
            "SELECT ",
            columns!(),
            " FROM uploads WHERE state = 'receiving' AND expires <= $1 ORDER BY expires, id LIMIT $2"
        );
        let rows = self.engine().ask(AccessMode::Read, SQL, vec![now.into(), rows(limit)]).await?;
        rows.iter().map(Upload::read).collect()
    }

    /// Deletes the row of an upload. `false`: there is none.
    pub async fn delete_upload(&self, id: &str) -> Result<bool, Error> {
        self.changed("DELETE FROM uploads WHERE id = $1 RETURNING id", vec![id.into()]).await
    }

    /// Deletes rows of uploads that were published, refused or cancelled before `before`. Returns their number.
    pub async fn forget_uploads(&self, before: i64) -> Result<u64, Error> {
        let sql = format!(
            "DELETE FROM uploads WHERE id IN (SELECT id FROM uploads WHERE state IN ('published', 'refused', \
             'cancelled') AND updated < $1 ORDER BY updated LIMIT $2 {}) RETURNING id",
            self.engine().unlocked()
        );
        self.forget(&sql, before).await
    }

    /// Runs a change with `RETURNING`. Returns whether it changed any row.
    pub(super) async fn changed(&self, sql: impl sqlx::SqlSafeStr, values: Vec<Value>) -> Result<bool, Error> {
        Ok(!self.engine().ask(AccessMode::Write, sql, values).await?.is_empty())
    }
}

/// Inserts the row of an upload.
pub(super) async fn insert(talk: &mut EngineConnection, new: &NewUpload, now: i64) -> Result<(), Error> {
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

/// Makes a Receiving upload Received, if the epoch is current. Returns whether it did.
async fn receive(talk: &mut EngineConnection, values: Vec<Value>) -> Result<bool, Error> {
    const SQL: &str = "UPDATE uploads SET state = 'received', durable = $3, length = $3, saved = $4, updated = $5 WHERE \
         id = $1 AND epoch = $2 AND state = 'receiving' AND durable <= $3 AND (length IS NULL OR length = $3) RETURNING id";
    talk.any(SQL, values).await
}

/// Id of the job of an upload that the same epoch made Received before.
async fn received_before(talk: &mut EngineConnection, id: &str, epoch: i64) -> Result<Option<String>, Error> {
    const SQL: &str = "SELECT jobs.id AS job FROM uploads JOIN jobs ON jobs.id = uploads.job WHERE uploads.id = $1 AND \
         uploads.epoch = $2 AND uploads.state = 'received'";
    let rows = talk.rows(SQL, vec![id.into(), epoch.into()]).await?;
    rows.first().map(|row| row.text("job")).transpose()
}
