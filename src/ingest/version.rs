//! Stored versions of files, written down for work that is done later: a purge or a discard removes the version that it
//! was meant for. Whatever else has that name by then stays.

use super::error::Error;
use super::service::Ingest;
use crate::store::Removal;
use serde::{Deserialize, Serialize};

/// One version of one stored file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct StoredVersion {
    /// Its path in the store.
    pub(super) path: String,
    /// The content id of what is in it; `None` where it holds no film.
    pub(super) content: Option<String>,
    /// What the store tells its versions apart by.
    pub(super) mark: String,
}

/// What there is in the place of a version.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum InPlace {
    /// That version.
    Same,
    /// Another file.
    Other,
    /// Nothing.
    Nothing,
}

impl Ingest {
    /// The version of `path` that is stored now, if any.
    pub(super) async fn version(&self, path: &str) -> Result<Option<StoredVersion>, Error> {
        let found = self.catalog.version(path).await?;
        Ok(found.map(|(stamp, content)| StoredVersion {
            path: path.into(),
            content: content.map(|content| content.to_string()),
            mark: stamp.mark(),
        }))
    }

    /// What there is in the place of `version`. The store's mark and the content decide together: a mark alone may be
    /// given twice, and the same film that was put there again is another file.
    pub(super) async fn look_for(&self, version: &StoredVersion) -> Result<InPlace, Error> {
        Ok(match self.catalog.version(&version.path).await? {
            None => InPlace::Nothing,
            Some((stamp, content)) => {
                let content = content.map(|content| content.to_string());
                if stamp.is(&version.mark) && content == version.content { InPlace::Same } else { InPlace::Other }
            }
        })
    }

    /// Removes `version`, and no other file of its name.
    pub(super) async fn remove_version(&self, version: &StoredVersion) -> Result<(), Error> {
        let path = version.path.as_str();
        let removal = match self.look_for(version).await? {
            InPlace::Same => self.catalog.store().remove_version(path, &version.mark).await?,
            InPlace::Other => Removal::Other,
            InPlace::Nothing => Removal::Absent,
        };
        match removal {
            Removal::Removed => tracing::info!(path, "a file is removed"),
            Removal::Absent => tracing::info!(path, "a file that was to be removed is gone already"),
            Removal::Other => tracing::warn!(path, "kept: another file has been put in the place of the one to remove"),
        }
        Ok(())
    }
}
