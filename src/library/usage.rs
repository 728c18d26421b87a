//! Names in use by unfinished uploads.

use super::engine::AccessMode;
use super::{Error, Library};

impl Library {
    /// Number of Receiving and Received uploads of `asset`.
    pub async fn uploads_under_way(&self, asset: &str) -> Result<u64, Error> {
        const SQL: &str = "SELECT CAST(COUNT(*) AS BIGINT) AS uploads FROM uploads WHERE asset = $1 AND \
             state IN ('receiving', 'received')";
        let rows = self.engine().ask(AccessMode::Read, SQL, vec![asset.into()]).await?;
        rows.first().map_or(Ok(0), |row| row.count("uploads"))
    }

    /// Whether a Receiving or Received upload will become the file `file` of `asset`.
    pub async fn is_uploading(&self, asset: &str, file: &str) -> Result<bool, Error> {
        const SQL: &str =
            "SELECT id FROM uploads WHERE asset = $1 AND file = $2 AND state IN ('receiving', 'received')";
        Ok(!self.engine().ask(AccessMode::Read, SQL, vec![asset.into(), file.into()]).await?.is_empty())
    }
}
