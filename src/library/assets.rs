//! Rows of the asset list: one per asset. The served `asset.json` is authoritative: if the row differs from it, the row
//! is written again.

use super::engine::{AccessMode, EngineConnection};
use super::paging::rows;
use super::value::{Row, Value, narrow, number};
use super::{Error, Library};
use crate::media::Details;

/// Columns of an asset row.
macro_rules! columns {
    () => {
        "id, title, details, created, updated, bytes, millis, files, deleted, purge_at, asset_json"
    };
}
pub(super) use columns;

/// Inserts a row, or updates all columns but `created`.
macro_rules! upsert {
    () => {
        "INSERT INTO assets (id, title, searched, created, updated, bytes, millis, files, deleted, purge_at, asset_json, \
         details) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12) ON CONFLICT (id) DO UPDATE SET \
         title = excluded.title, searched = excluded.searched, updated = excluded.updated, bytes = excluded.bytes, \
         millis = excluded.millis, files = excluded.files, deleted = excluded.deleted, \
         purge_at = excluded.purge_at, asset_json = excluded.asset_json, details = excluded.details"
    };
}

/// A row of the asset list. Times are milliseconds since the epoch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AssetRow {
    /// Name of the asset.
    pub id: String,
    /// Title for people.
    pub title: Option<String>,
    /// Descriptive metadata.
    pub details: Details,
    /// Time when the row was inserted.
    pub created: i64,
    /// Time when the row was last written.
    pub updated: i64,
    /// Size of all files, in bytes.
    pub bytes: u64,
    /// Duration in milliseconds.
    pub millis: u64,
    /// Number of files.
    pub files: u32,
    /// Time of deletion; `None` if it is not deleted. It can be restored until it is purged.
    pub deleted: Option<i64>,
    /// Time of the purge, if it is deleted.
    pub purge_at: Option<i64>,
    /// Its `asset.json` from before the deletion, to restore it.
    pub before: Option<String>,
}

/// A position in the order of changes to assets. The default lies before the first.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct AssetChange {
    /// When an asset was put, in milliseconds since the epoch.
    pub updated: i64,
    /// The name of that asset.
    pub id: String,
}

impl AssetRow {
    pub(super) fn read(row: &Row) -> Result<Self, Error> {
        Ok(Self {
            id: row.text("id")?,
            title: row.maybe_text("title")?,
            details: read_details(&row.text("details")?)?,
            created: row.number("created")?,
            updated: row.number("updated")?,
            bytes: row.count("bytes")?,
            millis: row.count("millis")?,
            files: narrow("files", row.number("files")?)?,
            deleted: row.maybe_number("deleted")?,
            purge_at: row.maybe_number("purge_at")?,
            before: row.maybe_text("asset_json")?,
        })
    }
}

fn read_details(json: &str) -> Result<Details, Error> {
    if json.is_empty() {
        return Ok(Details::default());
    }
    serde_json::from_str(json).map_err(|error| Error::Row { why: format!("details: {error}") })
}

/// Folds text for the search, in rows and in queries alike.
pub(super) fn searched(text: &str) -> String {
    text.to_lowercase()
}

impl Library {
    /// Inserts or updates an asset row. `updated` becomes `now`; an existing row keeps its `created`.
    pub async fn put_asset(&self, row: &AssetRow, now: i64) -> Result<(), Error> {
        let mut talk = self.engine().talk(AccessMode::Write).await?;
        put(&mut talk, row, now).await?;
        talk.done();
        Ok(())
    }

    /// Inserts or updates the row of an asset found in the store. An asset that was deleted meanwhile stays deleted.
    pub async fn note_asset(&self, row: &AssetRow, now: i64) -> Result<(), Error> {
        const SQL: &str = concat!(upsert!(), " WHERE assets.deleted IS NULL");
        self.engine().ask(AccessMode::Write, SQL, values(row, now)?).await.map(drop)
    }

    /// Removes the row of an asset that is not deleted. `false`: there is none.
    pub async fn forget_asset(&self, id: &str) -> Result<bool, Error> {
        const SQL: &str = "DELETE FROM assets WHERE id = $1 AND deleted IS NULL RETURNING id";
        self.changed(SQL, vec![id.into()]).await
    }

    /// The asset with this name, deleted or not.
    pub async fn asset(&self, id: &str) -> Result<Option<AssetRow>, Error> {
        const SQL: &str = concat!("SELECT ", columns!(), " FROM assets WHERE id = $1");
        let rows = self.engine().ask(AccessMode::Read, SQL, vec![id.into()]).await?;
        rows.first().map(AssetRow::read).transpose()
    }

    /// At most `limit` assets, deleted ones too, in the order of their last change, beginning after `after`.
    pub async fn changed_assets(&self, after: &AssetChange, limit: u32) -> Result<Vec<AssetRow>, Error> {
        const SQL: &str = concat!(
            "SELECT ",
            columns!(),
            " FROM assets WHERE updated > $1 OR (updated = $1 AND id > $2) ORDER BY updated, id LIMIT $3"
        );
        let values = vec![after.updated.into(), after.id.as_str().into(), rows(limit)];
        let rows = self.engine().ask(AccessMode::Read, SQL, values).await?;
        rows.iter().map(AssetRow::read).collect()
    }

    /// Removes the row of an asset, deleted or not. `false`: there is none.
    pub async fn delete_asset_row(&self, id: &str) -> Result<bool, Error> {
        self.changed("DELETE FROM assets WHERE id = $1 RETURNING id", vec![id.into()]).await
    }
}

/// Inserts or updates an asset row within `talk`.
pub(super) async fn put(talk: &mut EngineConnection, row: &AssetRow, now: i64) -> Result<(), Error> {
    talk.rows(upsert!(), values(row, now)?).await.map(drop)
}

/// Parameters of the statement that inserts or updates a row.
fn values(row: &AssetRow, now: i64) -> Result<Vec<Value>, Error> {
    let texts = [row.id.as_str(), row.title.as_deref().unwrap_or_default()];
    let text = texts.into_iter().chain(row.details.texts()).collect::<Vec<_>>().join("\n");
    let details = if row.details.is_empty() {
        String::new()
    } else {
        serde_json::to_string(&row.details).map_err(|error| Error::Row { why: error.to_string() })?
    };
    Ok(vec![
        (&row.id).into(),
        (&row.title).into(),
        (&searched(&text)).into(),
        row.created.into(),
        now.into(),
        number(row.bytes)?.into(),
        number(row.millis)?.into(),
        i64::from(row.files).into(),
        row.deleted.into(),
        row.purge_at.into(),
        (&row.before).into(),
        (&details).into(),
    ])
}
