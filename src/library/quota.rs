//! Quota on the bytes of all assets and uploads together. They are counted and reserved in one transaction, so that no
//! two uploads reserve the same room.
//!
//! ```text
//!   lock ─ assets + the other uploads + size of this one ≤ quota? ─ no: Quota, nothing is changed
//!                                                                 └ yes: the change, commit
//! ```
//! An upload counts with its length or, if that is unknown, with its durable bytes. The sum leaves out the upload that
//! is changing, so that none of its bytes counts twice.

use super::engine::{AccessMode, EngineConnection};
use super::uploads::insert;
use super::value::number;
use super::{Error, Library, NewUpload, Upload};

/// Makes transactions that count bytes wait for each other. SQLite's write transactions do so anyway.
const LOCK: &str = "SELECT pg_advisory_xact_lock(4155741219)";

impl Library {
    /// Inserts an upload if it fits into `quota` bytes; 0 means no limit. An upload of unknown length needs room for
    /// one byte. [`Error::Quota`] if it does not fit, [`Error::Taken`] if its id is in use.
    pub async fn begin_upload(&self, new: &NewUpload, quota: u64, now: i64) -> Result<(), Error> {
        let mut talk = self.within(quota, &new.id, new.length.unwrap_or(1)).await?;
        insert(&mut talk, new, now).await?;
        talk.commit().await
    }

    /// Sets the length of an upload whose length was unknown, if it fits into `quota` bytes; 0 means no limit. `false`:
    /// another writer took the upload, it is not Receiving, it has another length, or more bytes than `length` are
    /// durable.
    pub async fn reserve_upload_length(&self, of: &Upload, length: u64, quota: u64, now: i64) -> Result<bool, Error> {
        const SQL: &str = "UPDATE uploads SET length = $3, updated = $4 WHERE id = $1 AND epoch = $2 AND \
             state = 'receiving' AND durable <= $3 AND (length IS NULL OR length = $3) RETURNING id";
        let mut talk = self.within(quota, &of.id, length).await?;
        let values = vec![(&of.id).into(), of.epoch.into(), number(length)?.into(), now.into()];
        let changed = talk.any(SQL, values).await?;
        talk.commit().await?;
        Ok(changed)
    }

    /// Records the durable bytes of `upload` (`offset`, `saved` and `expires`) if they fit into `quota` bytes; 0 means
    /// no limit. `false`: as for [`Library::advance_upload`].
    pub async fn advance_upload_within(&self, upload: &Upload, quota: u64, now: i64) -> Result<bool, Error> {
        const SQL: &str = "UPDATE uploads SET durable = $3, saved = $4, expires = $5, updated = $6 WHERE id = $1 AND \
             epoch = $2 AND state = 'receiving' AND durable <= $3 RETURNING id";
        let mut talk = self.within(quota, &upload.id, upload.offset).await?;
        let changed = talk.any(SQL, upload.progress(now)?).await?;
        talk.commit().await?;
        Ok(changed)
    }

    /// Bytes that `quota` allows the upload `id` in all, including those that it has; a quota of 0 means no limit.
    pub async fn upload_room(&self, id: &str, quota: u64) -> Result<u64, Error> {
        if quota == 0 {
            return Ok(u64::MAX);
        }
        let mut talk = self.engine().talk(AccessMode::Read).await?;
        let others = others(&mut talk, id).await?;
        talk.done();
        Ok(quota.saturating_sub(others))
    }

    /// Begins a transaction in which the upload `id` may grow to `bytes`. [`Error::Quota`] if that exceeds the quota.
    async fn within(&self, quota: u64, id: &str, bytes: u64) -> Result<EngineConnection, Error> {
        let mut talk = self.engine().begin().await?;
        if quota == 0 {
            return Ok(talk);
        }
        if self.engine().is_shared() {
            talk.say(LOCK).await?;
        }
        let bytes = others(&mut talk, id).await?.saturating_add(bytes);
        if bytes <= quota {
            return Ok(talk);
        }
        talk.roll_back().await?;
        Err(Error::Quota { bytes, limit: quota })
    }
}

/// Bytes of all assets that are not purged, and of all uploads but `id` that are Receiving or Received.
async fn others(talk: &mut EngineConnection, id: &str) -> Result<u64, Error> {
    const SQL: &str = "SELECT CAST(COALESCE((SELECT SUM(bytes) FROM assets), 0) AS BIGINT) + \
         CAST(COALESCE((SELECT SUM(COALESCE(length, durable)) FROM uploads WHERE state IN ('receiving', 'received') \
         AND id <> $1), 0) AS BIGINT) AS bytes";
    let rows = talk.rows(SQL, vec![id.into()]).await?;
    rows.first().map_or(Ok(0), |row| row.count("bytes"))
}
