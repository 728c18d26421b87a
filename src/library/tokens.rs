//! Rows of upload tokens: each allows one upload of one asset. Only hashes of the secrets are stored.

use super::engine::AccessMode;
use super::value::{Row, number};
use super::{Error, Library};

/// An upload token without its secret. Times are milliseconds since the epoch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UploadToken {
    /// Id of the token.
    pub id: String,
    /// Name of the asset that the upload belongs to.
    pub asset: String,
    /// Largest upload, in bytes.
    pub largest: u64,
    /// Allowed file extensions, separated by commas; empty: all.
    pub types: String,
    /// Id of the key that created it.
    pub key: String,
    /// Time of creation.
    pub created: i64,
    /// Time until which the upload must begin.
    pub expires: i64,
    /// Id of the upload that the token was spent on; `None` if unused.
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
    /// Inserts a token with the hash of its secret.
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
        self.engine().ask(AccessMode::Write, SQL, values).await.map(|_| ())
    }

    /// The token with this hash. `None` if there is none, or if the key that created it is revoked or expired at `now`.
    pub async fn upload_token(&self, hash: &str, now: i64) -> Result<Option<UploadToken>, Error> {
        const SQL: &str = "SELECT t.id, t.asset, t.largest, t.types, t.key_id, t.created, t.expires, t.upload FROM \
             upload_tokens t JOIN keys ON keys.id = t.key_id WHERE t.hash = $1 AND keys.revoked IS NULL AND \
             (keys.expires IS NULL OR keys.expires > $2)";
        let rows = self.engine().ask(AccessMode::Read, SQL, vec![hash.into(), now.into()]).await?;
        rows.first().map(UploadToken::read).transpose()
    }

    /// Spends a token on the upload `upload`. `false`: it is already spent, has expired, or there is none.
    pub async fn spend_upload_token(&self, id: &str, upload: &str, now: i64) -> Result<bool, Error> {
        const SQL: &str = "UPDATE upload_tokens SET upload = $2 WHERE id = $1 AND upload IS NULL AND expires > $3 \
             RETURNING id";
        self.changed(SQL, vec![id.into(), upload.into(), now.into()]).await
    }

    /// Makes a token usable again after its upload `upload` failed to begin. `false`: it was not spent on that upload.
    pub async fn restore_upload_token(&self, id: &str, upload: &str) -> Result<bool, Error> {
        const SQL: &str = "UPDATE upload_tokens SET upload = NULL WHERE id = $1 AND upload = $2 RETURNING id";
        self.changed(SQL, vec![id.into(), upload.into()]).await
    }

    /// Deletes a token that the key `key` created. `false`: there is none.
    pub async fn delete_upload_token(&self, id: &str, key: &str) -> Result<bool, Error> {
        const SQL: &str = "DELETE FROM upload_tokens WHERE id = $1 AND key_id = $2 RETURNING id";
        self.changed(SQL, vec![id.into(), key.into()]).await
    }

    /// Deletes tokens that expired before `before`. Returns their number.
    pub async fn forget_upload_tokens(&self, before: i64) -> Result<u64, Error> {
        let sql = format!(
            "DELETE FROM upload_tokens WHERE id IN (SELECT id FROM upload_tokens WHERE expires < $1 ORDER BY expires \
             LIMIT $2 {}) RETURNING id",
            self.engine().unlocked()
        );
        self.forget(&sql, before).await
    }
}
