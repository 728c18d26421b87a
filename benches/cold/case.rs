//! The measured cases: the film, its place, and whether its index is on the disk.

/// Lengths of the films, in hours.
pub(crate) const HOURS: [u32; 2] = [2, 8];

/// Place of a film.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    /// In a folder, in the page cache.
    Disk,
    /// In an object store, a round trip away.
    S3,
}

/// Whether an earlier process left an index.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Index {
    None,
    Kept,
}

/// One row of the tables.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Case {
    pub(crate) hours: u32,
    pub(crate) place: Place,
    pub(crate) index: Index,
}

impl Case {
    pub(crate) const ALL: [Self; 8] = [
        Self::new(2, Place::Disk, Index::None),
        Self::new(2, Place::Disk, Index::Kept),
        Self::new(8, Place::Disk, Index::None),
        Self::new(8, Place::Disk, Index::Kept),
        Self::new(2, Place::S3, Index::None),
        Self::new(2, Place::S3, Index::Kept),
        Self::new(8, Place::S3, Index::None),
        Self::new(8, Place::S3, Index::Kept),
    ];

    const fn new(hours: u32, place: Place, index: Index) -> Self {
        Self { hours, place, index }
    }

    /// Name of the asset.
    pub(crate) fn asset(self) -> String {
        asset(self.hours)
    }

    /// Name of the case.
    pub(crate) fn name(self) -> String {
        let place = match self.place {
            Place::Disk => "disk",
            Place::S3 => "S3",
        };
        let index = match self.index {
            Index::None => "no index",
            Index::Kept => "index kept",
        };
        format!("{} h, {place}, {index}", self.hours)
    }
}

/// Asset name of the film of `hours` hours.
pub(crate) fn asset(hours: u32) -> String {
    format!("film{hours}")
}
