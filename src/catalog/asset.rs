//! An asset, whole: every file pinned to one version.

use crate::lint::{self, Finding};
use crate::media::{AssetId, Details, Movie};
use crate::plan::Plan;
use crate::store::Object;
use std::sync::Arc;

/// An asset, whole. It never changes: a changed file makes another.
#[derive(Debug, Clone)]
pub struct Asset {
    /// Its name.
    pub id: AssetId,
    /// What the gallery calls it: `asset.json`'s title, else the last part of its name.
    pub title: String,
    /// What else its `asset.json` tells people; `None` where it has none.
    pub details: Option<Details>,
    /// Its files, in the order in which players list them. At least one.
    pub files: Vec<AssetFile>,
    /// What will be served of them.
    pub plan: Arc<Plan>,
    /// Findings about how it lies in the store.
    pub notes: Vec<Finding>,
}

/// One stored file of an asset.
#[derive(Debug, Clone)]
pub struct AssetFile {
    /// Its name in its folder, extension included.
    pub name: String,
    /// What it is called to be had as a file: what `asset.json` calls the rendition, with its extension; else its name.
    pub served: String,
    /// Its bytes, of one version.
    pub object: Object,
    /// What is in it.
    pub movie: Arc<Movie>,
}

impl Asset {
    /// The file of that name.
    #[must_use]
    pub fn file(&self, name: &str) -> Option<&AssetFile> {
        self.files.iter().find(|file| file.name == name)
    }

    /// The file that is had as `name`: by its name in the store, else by the one that it was put as.
    #[must_use]
    pub fn served(&self, name: &str) -> Option<&AssetFile> {
        self.file(name).or_else(|| self.files.iter().find(|file| file.served == name))
    }

    /// All findings: about how it lies in the store, then about its tracks.
    #[must_use]
    pub fn findings(&self) -> Vec<Finding> {
        let mut findings = self.notes.clone();
        findings.extend(lint::findings(&self.plan));
        findings
    }
}
