//! [`Removal`]: outcome of removing one version of an object.

/// Outcome of removing one version of an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Removal {
    /// The version existed and was removed.
    Removed,
    /// There is no object of that name.
    Absent,
    /// The object is another version and was not removed.
    Other,
}
