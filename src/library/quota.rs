//! Bytes that all assets and uploads may have together: counted and taken in one transaction, so that no two uploads take
//! the same room.
//!
//! ```text
//!   lock ─ assets + the other uploads + what this one comes to ≤ quota? ─ no: Quota, nothing is changed
//!                                                                       └ yes: the change, commit
//! ```
//! An upload counts with its length, else with what is durable of it; the one that asks is left out of the sum, so that
//! none of its bytes counts twice.

use super::engine::{Purpose, Talk};
use super::uploads::insert;
use super::value::number;
use super::{Error, Library, NewUpload, Upload};

/// Whoever counts waits for whoever counted before: SQLite's transactions do, PostgreSQL needs a lock of its own.
const LOCK: &str = "SELECT pg_advisory_xact_lock(4155741219)";

impl Library {
    /// Begins an upload, if it fits into `quota`; 0 for no bound. One whose length is not known must have room for a
    /// byte. [`Error::Taken`] if its id is in use.
    pub async fn begin_upload(&self, new: &NewUpload, quota: u64, now: i64) -> Result<(), Error> {
        let mut talk = self.within(quota, &new.id, new.length.unwrap_or(1)).await?;
        insert(&mut talk, new, now).await?;
        talk.commit().await
    }

    /// Says how long an upload is whose length was not known, if that fits into `quota`; 0 for no bound. `false`: as
    /// [`Library::set_upload_length`].
    pub async fn reserve_upload_length(&self, of: &Upload, length: u64, quota: u64, now: i64) -> Result<bool, Error> {
        const SQL: &str = "UPDATE uploads SET length = $3, updated = $4 WHERE id = $1 AND epoch = $2 AND \
             state = 'receiving' AND durable <= $3 AND (length IS NULL OR length = $3) RETURNING id";
        let mut talk = self.within(quota, &of.id, length).await?;
        let values = vec![(&of.id).into(), of.epoch.into(), number(length)?.into(), now.into()];
        let changed = talk.any(SQL, values).await?;
        talk.commit().await?;
        Ok(changed)
    }

    /// Notes down that bytes of an upload are durable, as `upload` has them, if they fit into `quota`; 0 for no bound.
    /// `false`: as [`Library::advance_upload`].
    pub async fn advance_upload_within(&self, upload: &Upload, quota: u64, now: i64) -> Result<bool, Error> {
        const SQL: &str = "UPDATE uploads SET durable = $3, saved = $4, expires = $5, updated = $6 WHERE id = $1 AND \
             epoch = $2 AND state = 'receiving' AND durable <= $3 RETURNING id";
        let mut talk = self.within(quota, &upload.id, upload.offset).await?;
        let values = vec![
            (&upload.id).into(),
            upload.epoch.into(),
            number(upload.offset)?.into(),
            (&upload.saved).into(),
            upload.expires.into(),
            now.into(),
        ];
        let changed = talk.any(SQL, values).await?;
        talk.commit().await?;
        Ok(changed)
    }

    /// How many bytes `quota` leaves for the upload `id`, those that it has included; 0 for no bound.
    pub async fn upload_room(&self, id: &str, quota: u64) -> Result<u64, Error> {
        if quota == 0 {
            return Ok(u64::MAX);
        }
        let mut talk = self.engine().talk(Purpose::Read).await?;
        let others = others(&mut talk, id).await?;
        talk.done();
        Ok(quota.saturating_sub(others))
    }

    /// A transaction in which the upload `id` may come to `bytes`.
    async fn within(&self, quota: u64, id: &str, bytes: u64) -> Result<Talk, Error> {
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

/// Bytes of all assets that are not purged, and of all uploads but `id` that are neither published nor given up.
async fn others(talk: &mut Talk, id: &str) -> Result<u64, Error> {
    const SQL: &str = "SELECT CAST(COALESCE((SELECT SUM(bytes) FROM assets), 0) AS BIGINT) + \
         CAST(COALESCE((SELECT SUM(COALESCE(length, durable)) FROM uploads WHERE state IN ('receiving', 'received') \
         AND id <> $1), 0) AS BIGINT) AS bytes";
    let rows = talk.rows(SQL, vec![id.into()]).await?;
    rows.first().map_or(Ok(0), |row| row.count("bytes"))
}
