//! What the catalogue lists: a row for each asset, beside the `asset.json` that is served. Where the two differ, `asset.json`
//! is right, and the row is put again.

use super::engine::{Purpose, Talk};
use super::paging::rows;
use super::value::{Row, Value, narrow, number};
use super::{Error, Library};
use crate::media::Details;

/// The columns of an asset.
macro_rules! columns {
    () => {
        "id, title, details, created, updated, bytes, millis, files, deleted, purge_at, asset_json"
    };
}
pub(super) use columns;

/// Adds a row, or changes all of it but `created`.
macro_rules! upsert {
    () => {
        "INSERT INTO assets (id, title, searched, created, updated, bytes, millis, files, deleted, purge_at, asset_json, \
         details) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12) ON CONFLICT (id) DO UPDATE SET \
         title = excluded.title, searched = excluded.searched, updated = excluded.updated, bytes = excluded.bytes, \
         millis = excluded.millis, files = excluded.files, deleted = excluded.deleted, \
         purge_at = excluded.purge_at, asset_json = excluded.asset_json, details = excluded.details"
    };
}

/// An asset, as it is listed. Times are milliseconds since the epoch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AssetRow {
    /// Its name.
    pub id: String,
    /// What it is called.
    pub title: Option<String>,
    /// What else people are told of it.
    pub details: Details,
    /// When it was first put.
    pub created: i64,
    /// When it was last put.
    pub updated: i64,
    /// Bytes of all of its files.
    pub bytes: u64,
    /// How long it plays, in milliseconds.
    pub millis: u64,
    /// How many files it has.
    pub files: u32,
    /// When it was deleted; it can be restored until it is purged.
    pub deleted: Option<i64>,
    /// When its files go.
    pub purge_at: Option<i64>,
    /// What its `asset.json` said before it was deleted, to restore it.
    pub before: Option<String>,
}

/// A position in the order of changes to assets. The default lies before the first.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Change {
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

/// What is searched, of a row and in a query.
pub(super) fn searched(text: &str) -> String {
    text.to_lowercase()
}

impl Library {
    /// Adds an asset, or changes all of it: `updated` becomes `now`, and `created` counts for a new one alone.
    pub async fn put_asset(&self, row: &AssetRow, now: i64) -> Result<(), Error> {
        let mut talk = self.engine().talk(Purpose::Write).await?;
        put(&mut talk, row, now).await?;
        talk.done();
        Ok(())
    }

    /// The same, for whoever only looked at the store: an asset that was deleted meanwhile stays deleted.
    pub async fn note_asset(&self, row: &AssetRow, now: i64) -> Result<(), Error> {
        const SQL: &str = concat!(upsert!(), " WHERE assets.deleted IS NULL");
        self.engine().ask(Purpose::Write, SQL, values(row, now)?).await.map(drop)
    }

    /// Forgets an asset that is not deleted. `false`: there is none.
    pub async fn forget_asset(&self, id: &str) -> Result<bool, Error> {
        const SQL: &str = "DELETE FROM assets WHERE id = $1 AND deleted IS NULL RETURNING id";
        self.changed(SQL, vec![id.into()]).await
    }

    /// The asset of that name, deleted or not.
    pub async fn asset(&self, id: &str) -> Result<Option<AssetRow>, Error> {
        const SQL: &str = concat!("SELECT ", columns!(), " FROM assets WHERE id = $1");
        let rows = self.engine().ask(Purpose::Read, SQL, vec![id.into()]).await?;
        rows.first().map(AssetRow::read).transpose()
    }

    /// At most `limit` assets, deleted ones too, in the order in which they were last put, beginning behind `after`.
    pub async fn changed_assets(&self, after: &Change, limit: u32) -> Result<Vec<AssetRow>, Error> {
        const SQL: &str = concat!(
            "SELECT ",
            columns!(),
            " FROM assets WHERE updated > $1 OR (updated = $1 AND id > $2) ORDER BY updated, id LIMIT $3"
        );
        let values = vec![after.updated.into(), after.id.as_str().into(), rows(limit)];
        let rows = self.engine().ask(Purpose::Read, SQL, values).await?;
        rows.iter().map(AssetRow::read).collect()
    }

    /// Forgets an asset. `false`: there is none.
    pub async fn delete_asset_row(&self, id: &str) -> Result<bool, Error> {
        self.changed("DELETE FROM assets WHERE id = $1 RETURNING id", vec![id.into()]).await
    }

    /// Deleted assets whose files go at `now`, the earliest first.
    pub async fn due_purges(&self, now: i64, limit: u32) -> Result<Vec<AssetRow>, Error> {
        const SQL: &str = concat!(
            "SELECT ",
            columns!(),
            " FROM assets WHERE deleted IS NOT NULL AND purge_at <= $1 ORDER BY purge_at, id LIMIT $2"
        );
        let rows = self.engine().ask(Purpose::Read, SQL, vec![now.into(), rows(limit)]).await?;
        rows.iter().map(AssetRow::read).collect()
    }
}

/// Puts the row of an asset.
pub(super) async fn put(talk: &mut Talk, row: &AssetRow, now: i64) -> Result<(), Error> {
    talk.rows(upsert!(), values(row, now)?).await.map(drop)
}

/// What a statement that puts a row is given.
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
