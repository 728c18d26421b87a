//! Titles and descriptive metadata of assets that have no `asset.json`: the library holds them, the gallery shows them
//! and searches the titles.

use crate::media::{AssetId, Details};
use std::sync::Arc;

/// Annotations in memory at most; the least recently used are evicted first.
const LIMIT: u64 = 1 << 16;

/// Title and descriptive metadata of an asset, from outside the store.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Annotation {
    /// The title; `None` where the asset is shown by its name.
    pub title: Option<Arc<str>>,
    /// The descriptive metadata.
    pub details: Details,
}

/// Annotations by asset.
#[derive(Debug, Clone)]
pub(super) struct Annotations(moka::sync::Cache<AssetId, Arc<Annotation>>);

impl Default for Annotations {
    fn default() -> Self {
        Self(moka::sync::Cache::new(LIMIT))
    }
}

impl Annotations {
    /// The title of `id` that was set.
    pub(super) fn title(&self, id: &AssetId) -> Option<Arc<str>> {
        self.get(id)?.title.clone()
    }

    /// The annotation of `id`, where one is set.
    pub(super) fn get(&self, id: &AssetId) -> Option<Arc<Annotation>> {
        self.0.get(id)
    }

    /// Sets the annotation of `id`; an empty one removes it.
    pub(super) fn set(&self, id: &AssetId, annotation: Annotation) {
        let title = annotation.title.filter(|title| **title != *id.last_part());
        let annotation = Annotation { title, ..annotation };
        if annotation == Annotation::default() {
            self.0.invalidate(id);
        } else {
            self.0.insert(id.clone(), Arc::new(annotation));
        }
    }
}
