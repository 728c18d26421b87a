//! State of an asset before its deletion, as its row holds it: to restore it, and to purge the right files.

use super::version::StoredVersion;
use crate::ingest::error::Error;
use crate::library::AssetRow;
use serde::{Deserialize, Serialize};

/// State of an asset before its deletion.
#[derive(Debug, Serialize, Deserialize)]
pub(in crate::ingest) struct DeletedAsset {
    /// Content of its `asset.json`; `None` if it had none.
    pub(in crate::ingest) descriptor: Option<String>,
    /// Its files.
    pub(in crate::ingest) files: Vec<DeletedFile>,
}

/// A file to remove.
#[derive(Debug, Serialize, Deserialize)]
#[serde(untagged)]
pub(in crate::ingest) enum DeletedFile {
    /// The version that was deleted.
    Version(StoredVersion),
    /// Only its path, as earlier releases wrote it: too little to decide which file to remove.
    Name(String),
}

impl DeletedAsset {
    /// The versions to remove.
    pub(in crate::ingest) fn versions(&self) -> impl Iterator<Item = &StoredVersion> {
        self.files.iter().filter_map(|file| match file {
            DeletedFile::Version(version) => Some(version),
            DeletedFile::Name(_) => None,
        })
    }

    /// Whether the files are known by path only.
    pub(in crate::ingest) fn is_by_name(&self) -> bool {
        self.files.iter().any(|file| matches!(file, DeletedFile::Name(_)))
    }
}

/// The state that a deleted asset's row holds.
pub(in crate::ingest) fn parsed(row: &AssetRow) -> Result<DeletedAsset, Error> {
    let text = row.before.as_deref().unwrap_or_default();
    serde_json::from_str(text).map_err(|error| Error::Library(format!("what {} was cannot be read: {error}", row.id)))
}
