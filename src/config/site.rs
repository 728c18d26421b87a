//! `[site]`: what is shown beside the media.

use serde::Deserialize;

/// `[site]`: what is shown beside the media.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Site {
    /// Who may see the gallery, and so the names of all assets.
    pub gallery: Gallery,
    /// Whether stored files are given out as they are, below `files/`.
    pub files: bool,
}

/// Who may see the gallery.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Gallery {
    /// Everybody: it is on the public listener.
    #[default]
    Public,
    /// Those who reach the private listener.
    Private,
    /// Nobody.
    Off,
}

impl Default for Site {
    fn default() -> Self {
        Self { gallery: Gallery::default(), files: true }
    }
}
