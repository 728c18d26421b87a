//! Who may ask. Only hashes are stored: whoever reads the database cannot ask with what is in it.

use super::engine::Purpose;
use super::value::{Row, Value};
use super::{Error, Library};

/// The columns of a key.
macro_rules! columns {
    () => {
        "id, name, scopes, created, expires, used, revoked"
    };
}

/// How exactly it is known when a key was used: milliseconds.
const EXACTLY: i64 = 60_000;

/// What an API key may do. Times are milliseconds since the epoch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Key {
    /// What it is called in lists.
    pub id: String,
    /// What its owner calls it.
    pub name: String,
    /// What it may be used for, between commas: `read,write,admin`.
    pub scopes: String,
    /// When it was made.
    pub created: i64,
    /// From when it is worth nothing; `None`: never.
    pub expires: Option<i64>,
    /// When it was last used, to the minute.
    pub used: Option<i64>,
    /// When it was revoked.
    pub revoked: Option<i64>,
}

impl Key {
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

    /// Its columns, in the order in which they are inserted.
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
    /// Adds a key, known by the hash of its secret. [`Error::Taken`] if its id or hash is in use.
    pub async fn insert_key(&self, key: &Key, hash: &str) -> Result<(), Error> {
        const SQL: &str = concat!("INSERT INTO keys (", columns!(), ", hash) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)");
        self.engine().ask(Purpose::Write, SQL, key.values(hash)).await.map(|_| ())
    }

    /// Adds a key if there is none at all, revoked ones counted. `true` for one process only, however many ask.
    pub async fn insert_first_key(&self, key: &Key, hash: &str) -> Result<bool, Error> {
        const SQL: &str = concat!(
            "INSERT INTO keys (",
            columns!(),
            ", hash) SELECT $1, $2, $3, $4, $5, $6, $7, $8 WHERE NOT EXISTS (SELECT 1 FROM keys) RETURNING id"
        );
        let mut talk = self.engine().begin().await?;
        // SQLite has one writer at a time; PostgreSQL would let two see that there is none.
        if self.engine().is_shared() {
            talk.say("LOCK TABLE keys IN SHARE ROW EXCLUSIVE MODE").await?;
        }
        let first = talk.any(SQL, key.values(hash)).await?;
        talk.commit().await?;
        Ok(first)
    }

    /// The key whose secret has this hash; whether it is still good is for the caller to see.
    pub async fn key_by_hash(&self, hash: &str) -> Result<Option<Key>, Error> {
        const SQL: &str = concat!("SELECT ", columns!(), " FROM keys WHERE hash = $1");
        let rows = self.engine().ask(Purpose::Read, SQL, vec![hash.into()]).await?;
        rows.first().map(Key::read).transpose()
    }

    /// All keys, the oldest first.
    pub async fn keys(&self) -> Result<Vec<Key>, Error> {
        const SQL: &str = concat!("SELECT ", columns!(), " FROM keys ORDER BY created, id");
        self.engine().ask(Purpose::Read, SQL, vec![]).await?.iter().map(Key::read).collect()
    }

    /// Whether there is any key, revoked ones counted.
    pub async fn any_keys(&self) -> Result<bool, Error> {
        Ok(!self.engine().ask(Purpose::Read, "SELECT 1 FROM keys LIMIT 1", vec![]).await?.is_empty())
    }

    /// Makes a key worth nothing. `false`: it was, or there is none.
    pub async fn revoke_key(&self, id: &str, now: i64) -> Result<bool, Error> {
        const SQL: &str = "UPDATE keys SET revoked = $2 WHERE id = $1 AND revoked IS NULL RETURNING id";
        self.changed(SQL, vec![id.into(), now.into()]).await
    }

    /// Notes down that a key is used; writes at most once a minute.
    pub async fn used_key(&self, id: &str, now: i64) -> Result<(), Error> {
        let values = || vec![id.into(), now.saturating_sub(EXACTLY).into()];
        // Looking waits for nobody.
        let old = "SELECT 1 FROM keys WHERE id = $1 AND (used IS NULL OR used <= $2)";
        if self.engine().ask(Purpose::Read, old, values()).await?.is_empty() {
            return Ok(());
        }
        let sql = "UPDATE keys SET used = $3 WHERE id = $1 AND (used IS NULL OR used <= $2) RETURNING id";
        let values = values().into_iter().chain([now.into()]).collect();
        match self.changed(sql, values).await {
            // A full disk keeps nobody from what frees it.
            Ok(_) | Err(Error::Full { .. }) => Ok(()),
            Err(error) => Err(error),
        }
    }
}
