//! Assets that are no longer there: URLs of their versions are answered no more, as those of a replaced one are.

use crate::media::AssetId;
use std::time::Duration;

/// Names that are remembered at most.
const NAMES_LIMIT: u64 = 1 << 14;

/// How long a name is remembered.
const MEMORY: Duration = Duration::from_hours(24);

/// Why an asset is no longer there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Gone {
    /// It was deleted: its `asset.json` lists no renditions.
    Deleted,
    /// Its files were removed from the store.
    Removed,
}

/// The names of assets that went away lately.
#[derive(Debug)]
pub(super) struct Departed {
    names: moka::sync::Cache<AssetId, Gone>,
}

impl Default for Departed {
    fn default() -> Self {
        Self { names: moka::sync::Cache::builder().max_capacity(NAMES_LIMIT).time_to_live(MEMORY).build() }
    }
}

impl Departed {
    /// The asset went away.
    pub(super) fn add(&self, id: &AssetId, gone: Gone) {
        self.names.insert(id.clone(), gone);
    }

    /// The asset is there.
    pub(super) fn remove(&self, id: &AssetId) {
        if self.names.contains_key(id) {
            self.names.invalidate(id);
        }
    }

    /// Why the asset is no longer there, if it went away lately.
    pub(super) fn get(&self, id: &AssetId) -> Option<Gone> {
        self.names.get(id)
    }
}
