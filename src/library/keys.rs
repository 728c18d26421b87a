//! Rows of API keys. Only hashes of the secrets are stored, so that a reader of the database cannot use the keys.

use super::engine::AccessMode;
use super::value::{Row, Value};
use super::{Error, Library};

/// Columns of a key row.
macro_rules! columns {
    () => {
        "id, name, scopes, created, expires, used, revoked"
    };
}

/// Precision of the time of last use, in milliseconds.
const EXACTLY: i64 = 60_000;

/// An API key without its secret. Times are milliseconds since the epoch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApiKey {
    /// Id of the key.
    pub id: String,
    /// Name for people.
    pub name: String,
    /// Scopes, separated by commas: `read,upload:films/`.
    pub scopes: String,
    /// Time of creation.
    pub created: i64,
    /// Expiry time; `None`: never.
    pub expires: Option<i64>,
    /// Time of the last use, to the minute; `None`: never used.
    pub used: Option<i64>,
    /// Time of revocation; `None` if it is not revoked.
    pub revoked: Option<i64>,
}

impl ApiKey {
    fn read(row: &Row) -> Result<Self, Error> {
        Ok(Self {
            id: row.text("id")?,
            name: row.text("name")?,
            scopes: row.text("scopes")?,
            created: row.number("created")?,
            expires: row.maybe_number("expires")?,
            used: row.maybe_number("used")?,
            revoked: row.maybe_number("revoked")?,
        })
    }

    /// Values of the columns, in the order in which they are inserted.
    fn values(&self, hash: &str) -> Vec<Value> {
        vec![
            (&self.id).into(),
            (&self.name).into(),
            (&self.scopes).into(),
            self.created.into(),
            self.expires.into(),
            self.used.into(),
            self.revoked.into(),
            hash.into(),
        ]
    }
}

impl Library {
    /// Inserts a key with the hash of its secret. [`Error::Taken`] if its id or hash is in use.
    pub async fn insert_key(&self, key: &ApiKey, hash: &str) -> Result<(), Error> {
        const SQL: &str = concat!("INSERT INTO keys (", columns!(), ", hash) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)");
        self.engine().ask(AccessMode::Write, SQL, key.values(hash)).await.map(|_| ())
    }

    /// Inserts a key if there is none at all, not even a revoked one. `true` for only one of several processes that
    /// try.
    pub async fn insert_first_key(&self, key: &ApiKey, hash: &str) -> Result<bool, Error> {
        const SQL: &str = concat!(
            "INSERT INTO keys (",
            columns!(),
            ", hash) SELECT $1, $2, $3, $4, $5, $6, $7, $8 WHERE NOT EXISTS (SELECT 1 FROM keys) RETURNING id"
        );
        let mut talk = self.engine().begin().await?;
        // SQLite has one writer at a time; on PostgreSQL two transactions could both see an empty table.
        if self.engine().is_shared() {
            talk.say("LOCK TABLE keys IN SHARE ROW EXCLUSIVE MODE").await?;
        }
        let first = talk.any(SQL, key.values(hash)).await?;
        talk.commit().await?;
        Ok(first)
    }

    /// The key whose secret has this hash. It may be expired or revoked: the caller must check.
    pub async fn key_by_hash(&self, hash: &str) -> Result<Option<ApiKey>, Error> {
        const SQL: &str = concat!("SELECT ", columns!(), " FROM keys WHERE hash = $1");
        let rows = self.engine().ask(AccessMode::Read, SQL, vec![hash.into()]).await?;
        rows.first().map(ApiKey::read).transpose()
    }

    /// All keys, the oldest first.
    pub async fn keys(&self) -> Result<Vec<ApiKey>, Error> {
        const SQL: &str = concat!("SELECT ", columns!(), " FROM keys ORDER BY created, id");
        self.engine().ask(AccessMode::Read, SQL, vec![]).await?.iter().map(ApiKey::read).collect()
    }

    /// Revokes a key. `false`: it is already revoked, or there is none.
    pub async fn revoke_key(&self, id: &str, now: i64) -> Result<bool, Error> {
        const SQL: &str = "UPDATE keys SET revoked = $2 WHERE id = $1 AND revoked IS NULL RETURNING id";
        self.changed(SQL, vec![id.into(), now.into()]).await
    }

    /// Records that a key was used; writes at most once a minute.
    pub async fn used_key(&self, id: &str, now: i64) -> Result<(), Error> {
        let values = || vec![id.into(), now.saturating_sub(EXACTLY).into()];
        // A read does not wait for the writer.
        let old = "SELECT 1 FROM keys WHERE id = $1 AND (used IS NULL OR used <= $2)";
        if self.engine().ask(AccessMode::Read, old, values()).await?.is_empty() {
            return Ok(());
        }
        let sql = "UPDATE keys SET used = $3 WHERE id = $1 AND (used IS NULL OR used <= $2) RETURNING id";
        let values = values().into_iter().chain([now.into()]).collect();
        match self.changed(sql, values).await {
            // A full disk must not block the calls that free space.
            Ok(_) | Err(Error::Full { .. }) => Ok(()),
            Err(error) => Err(error),
        }
    }
}
