//! Upload tokens: each is good for one upload of one asset. As of keys, only hashes are stored.

use super::engine::Purpose;
use super::value::{Row, number};
use super::{Error, Library};

/// What an upload token is good for. Times are milliseconds since the epoch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UploadToken {
    /// What it is called.
    pub id: String,
    /// The asset that is uploaded.
    pub asset: String,
    /// Bytes of the upload at most.
    pub largest: u64,
    /// The extensions that its file may have, between commas; empty for all.
    pub types: String,
    /// The id of the key that made it.
    pub key: String,
    /// When it was made.
    pub created: i64,
    /// Until when an upload may begin.
    pub expires: i64,
    /// The upload that was begun by it.
    pub upload: Option<String>,
}

impl UploadToken {
    fn read(row: &Row) -> Result<Self, Error> {
        Ok(Self {
            id: row.text("id")?,
            asset: row.text("asset")?,
            largest: row.count("largest")?,
            types: row.text("types")?,
            key: row.text("key_id")?,
            created: row.number("created")?,
            expires: row.number("expires")?,
            upload: row.maybe_text("upload")?,
        })
    }
}

impl Library {
    /// Adds a token, known by the hash of its secret.
    pub async fn insert_upload_token(&self, token: &UploadToken, hash: &str) -> Result<(), Error> {
        const SQL: &str = "INSERT INTO upload_tokens (id, hash, asset, largest, types, key_id, created, expires) VALUES \
             ($1, $2, $3, $4, $5, $6, $7, $8)";
        let values = vec![
            (&token.id).into(),
            hash.into(),
            (&token.asset).into(),
            number(token.largest)?.into(),
            (&token.types).into(),
            (&token.key).into(),
            token.created.into(),
            token.expires.into(),
        ];
        self.engine().ask(Purpose::Write, SQL, values).await.map(|_| ())
    }

    /// The token of that hash, as long as the key that made it is valid at `now`.
    pub async fn upload_token(&self, hash: &str, now: i64) -> Result<Option<UploadToken>, Error> {
        const SQL: &str = "SELECT t.id, t.asset, t.largest, t.types, t.key_id, t.created, t.expires, t.upload FROM \
             upload_tokens t JOIN keys ON keys.id = t.key_id WHERE t.hash = $1 AND keys.revoked IS NULL AND \
             (keys.expires IS NULL OR keys.expires > $2)";
        let rows = self.engine().ask(Purpose::Read, SQL, vec![hash.into(), now.into()]).await?;
        rows.first().map(UploadToken::read).transpose()
    }

    /// Spends a token on the upload `upload`. `false`: it was spent before, has expired, or there is none.
    pub async fn spend_upload_token(&self, id: &str, upload: &str, now: i64) -> Result<bool, Error> {
        const SQL: &str = "UPDATE upload_tokens SET upload = $2 WHERE id = $1 AND upload IS NULL AND expires > $3 \
             RETURNING id";
        self.changed(SQL, vec![id.into(), upload.into(), now.into()]).await
    }

    /// Gives a token back whose upload `upload` came to nothing. `false`: it was spent on no such upload.
    pub async fn restore_upload_token(&self, id: &str, upload: &str) -> Result<bool, Error> {
        const SQL: &str = "UPDATE upload_tokens SET upload = NULL WHERE id = $1 AND upload = $2 RETURNING id";
        self.changed(SQL, vec![id.into(), upload.into()]).await
    }

    /// Forgets a token that the key `key` made. `false`: there is none.
    pub async fn delete_upload_token(&self, id: &str, key: &str) -> Result<bool, Error> {
        const SQL: &str = "DELETE FROM upload_tokens WHERE id = $1 AND key_id = $2 RETURNING id";
        self.changed(SQL, vec![id.into(), key.into()]).await
    }

    /// Forgets tokens that expired before `before`; how many.
    pub async fn forget_upload_tokens(&self, before: i64) -> Result<u64, Error> {
        let sql = format!(
            "DELETE FROM upload_tokens WHERE id IN (SELECT id FROM upload_tokens WHERE expires < $1 ORDER BY expires \
             LIMIT $2 {}) RETURNING id",
            self.engine().unlocked()
        );
        self.forget(&sql, before).await
    }
}
