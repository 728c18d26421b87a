//! Remembers assets that disappeared: URLs of their versions are no longer answered, unlike those of replaced assets.

use crate::media::AssetId;
use std::time::Duration;

/// Most names that are remembered.
const NAMES_LIMIT: u64 = 1 << 14;

/// How long a name is remembered.
const MEMORY: Duration = Duration::from_hours(24);

/// Why an asset is no longer there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GoneReason {
    /// It was deleted: its `asset.json` lists no renditions.
    Deleted,
    /// Its files were removed from the store.
    Removed,
}

/// The names of assets that disappeared recently.
#[derive(Debug)]
pub(super) struct DepartedNames {
    names: moka::sync::Cache<AssetId, GoneReason>,
}

impl Default for DepartedNames {
    fn default() -> Self {
        Self { names: moka::sync::Cache::builder().max_capacity(NAMES_LIMIT).time_to_live(MEMORY).build() }
    }
}

impl DepartedNames {
    /// Remembers that the asset disappeared.
    pub(super) fn add(&self, id: &AssetId, gone: GoneReason) {
        self.names.insert(id.clone(), gone);
    }

    /// Forgets a name, because the asset exists.
    pub(super) fn remove(&self, id: &AssetId) {
        if self.names.contains_key(id) {
            self.names.invalidate(id);
        }
    }

    /// Why the asset is no longer there; `None` unless it disappeared recently.
    pub(super) fn get(&self, id: &AssetId) -> Option<GoneReason> {
        self.names.get(id)
    }
}
