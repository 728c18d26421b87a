//! Stored versions of files, recorded for later work: a purge or a discard removes exactly the version it was meant
//! for. Another file that has taken the name by then stays.

use crate::ingest::error::Error;
use crate::ingest::service::Ingest;
use crate::store::Removal;
use serde::{Deserialize, Serialize};

/// One version of one stored file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::ingest) struct StoredVersion {
    /// Its path in the store.
    pub(in crate::ingest) path: String,
    /// Content id of the file; `None` if it is not a film.
    pub(in crate::ingest) content: Option<String>,
    /// The store's mark that tells versions of a path apart.
    pub(in crate::ingest) mark: String,
}

/// Comparison of a recorded version with the file in its place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::ingest) enum StoredState {
    /// The recorded version.
    Same,
    /// Another file.
    Other,
    /// Nothing.
    Nothing,
}

impl Ingest {
    /// The stored version of `path`; `None` if there is no file.
    pub(in crate::ingest) async fn version(&self, path: &str) -> Result<Option<StoredVersion>, Error> {
        let found = self.catalog.version(path).await?;
        Ok(found.map(|(stamp, content)| StoredVersion {
            path: path.into(),
            content: content.map(|content| content.to_string()),
            mark: stamp.mark(),
        }))
    }

    /// Compares `version` with the file in its place. Mark and content decide together: a store may give a mark twice,
    /// and the same film put there again is another file.
    pub(in crate::ingest) async fn look_for(&self, version: &StoredVersion) -> Result<StoredState, Error> {
        Ok(match self.catalog.version(&version.path).await? {
            None => StoredState::Nothing,
            Some((stamp, content)) => {
                let content = content.map(|content| content.to_string());
                if stamp.is(&version.mark) && content == version.content {
                    StoredState::Same
                } else {
                    StoredState::Other
                }
            }
        })
    }

    /// Removes `version`, and no other file of its name.
    pub(in crate::ingest) async fn remove_version(&self, version: &StoredVersion) -> Result<(), Error> {
        let path = version.path.as_str();
        let removal = match self.look_for(version).await? {
            StoredState::Same => self.catalog.store().remove_version(path, &version.mark).await?,
            StoredState::Other => Removal::Other,
            StoredState::Nothing => Removal::Absent,
        };
        match removal {
            Removal::Removed => tracing::info!(path, "a file is removed"),
            Removal::Absent => tracing::info!(path, "a file to remove is gone already"),
            Removal::Other => tracing::warn!(path, "kept a file: it has replaced the one to remove"),
        }
        Ok(())
    }
}
