//! The section `[site]` of the configuration: the gallery, and access to stored files.

use serde::Deserialize;

/// `[site]`: the gallery, and access to stored files.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Site {
    /// Visibility of the gallery, which lists the names of all assets.
    pub gallery: Gallery,
    /// Whether stored files can be downloaded unchanged, below `files/`.
    pub files: bool,
}

/// Visibility of the gallery.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Gallery {
    /// The gallery is on the public listener.
    #[default]
    Public,
    /// The gallery is on the private listener only.
    Private,
    /// There is no gallery.
    Off,
}

impl Default for Site {
    fn default() -> Self {
        Self { gallery: Gallery::default(), files: true }
    }
}
