//! [`Listing`]: the contents of one folder, up to a limit, so that the work does not grow with the folder.

use super::stamp::Stamp;

/// Most names that a listing of a folder reads: one page of an object store.
pub(super) const NAMES_LIMIT: usize = 1_000;

/// The contents of one folder: media files and `asset.json` with their stamps, and folders. Sorted by name, without
/// hidden ones.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Listing {
    /// Whether the folder holds more than a listing reads. Its media files and folders are then missing here: use
    /// [`find`](super::Store::find) for each name.
    pub is_large: bool,
    /// Media files.
    pub media: Vec<(String, Stamp)>,
    /// The `asset.json`.
    pub descriptor: Option<Stamp>,
    /// Names of folders.
    pub folders: Vec<String>,
}

impl Listing {
    /// The listing of a folder that holds more than a listing reads.
    pub(super) fn large(descriptor: Option<Stamp>) -> Self {
        Self { is_large: true, descriptor, ..Self::default() }
    }

    /// This listing, sorted by name.
    pub(super) fn sorted(mut self) -> Self {
        self.folders.sort_unstable();
        self.folders.dedup();
        self.media.sort_unstable_by(|a, b| a.0.cmp(&b.0));
        self
    }
}
