//! What a look at a folder finds, and how far it goes: the work does not grow with the folder.

use super::stamp::Stamp;

/// Names that a look at a folder reads at most: one page of an object store's listing.
pub(super) const NAMES_LIMIT: usize = 1_000;

/// What one folder holds: media files and `asset.json` with their stamps, and folders. Sorted by name, none hidden.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Listing {
    /// Whether the folder holds more than a look reads. Then media files and folders are left out here: each is [looked
    /// up](super::Store::find) by its name.
    pub is_large: bool,
    /// Media files.
    pub media: Vec<(String, Stamp)>,
    /// The `asset.json`.
    pub descriptor: Option<Stamp>,
    /// Names of folders.
    pub folders: Vec<String>,
}

impl Listing {
    /// A folder that holds more than a look reads.
    pub(super) fn large(descriptor: Option<Stamp>) -> Self {
        Self { is_large: true, descriptor, ..Self::default() }
    }

    /// The same, sorted by name.
    pub(super) fn sorted(mut self) -> Self {
        self.folders.sort_unstable();
        self.folders.dedup();
        self.media.sort_unstable_by(|a, b| a.0.cmp(&b.0));
        self
    }
}
