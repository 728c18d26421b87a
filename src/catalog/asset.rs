//! [`Asset`]: a complete asset, with every file pinned to one version.

use crate::lint::{self, Finding};
use crate::media::{AssetId, Details, Movie};
use crate::plan::Plan;
use crate::store::Object;
use std::sync::Arc;

/// A complete asset. It never changes: a changed file makes a new asset.
#[derive(Debug, Clone)]
pub struct Asset {
    /// Its name.
    pub id: AssetId,
    /// Title in the gallery: that of `asset.json`, else the last part of its name.
    pub title: String,
    /// Further details for people in its `asset.json`; `None` if it has none.
    pub details: Option<Details>,
    /// Its files, in the order in which players list them. At least one.
    pub files: Vec<AssetFile>,
    /// How the files are cut into segments.
    pub plan: Arc<Plan>,
    /// Findings about how its files lie in the store.
    pub notes: Vec<Finding>,
}

/// One stored file of an asset.
#[derive(Debug, Clone)]
pub struct AssetFile {
    /// Its name in its folder, extension included.
    pub name: String,
    /// File name for download: the name of the rendition in `asset.json`, with the extension; else `name`.
    pub served: String,
    /// The stored object, in one version.
    pub object: Object,
    /// Index of its content.
    pub movie: Arc<Movie>,
}

impl Asset {
    /// The file of that name.
    #[must_use]
    pub fn file(&self, name: &str) -> Option<&AssetFile> {
        self.files.iter().find(|file| file.name == name)
    }

    /// The file to download as `name`: the one with this name in the store, else the one with this `served` name.
    #[must_use]
    pub fn served(&self, name: &str) -> Option<&AssetFile> {
        self.file(name).or_else(|| self.files.iter().find(|file| file.served == name))
    }

    /// All findings: about how its files lie in the store, then about its tracks.
    #[must_use]
    pub fn findings(&self) -> Vec<Finding> {
        let mut findings = self.notes.clone();
        findings.extend(lint::findings(&self.plan));
        findings
    }
}
