//! What will be served: cuts, segments, ladder, filler.

use crate::media::{DescriptorTrack, Movie};
use std::sync::Arc;

/// One stored file of an asset.
#[derive(Debug, Clone)]
pub struct Source {
    /// Its name, extension included.
    pub file: String,
    /// What tracks are named after: the file without extension; `None` where the asset is one file.
    pub name: Option<String>,
    /// What is in it.
    pub movie: Arc<Movie>,
    /// What `asset.json` says of its tracks.
    pub said: Vec<DescriptorTrack>,
}

/// What cuts depend on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Settings {
    /// The segment target in milliseconds, 1,000 to 60,000.
    pub target_millis: u32,
}

/// Why an asset cannot be planned.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// No source has a track that can be served.
    #[error("no track can be served")]
    Nothing,
}

/// What will be served of an asset.
#[derive(Debug, Clone)]
pub struct Plan {}

impl Plan {
    /// Plans `sources`, the cuts set by the one at `reference`.
    pub fn new(sources: &[Source], reference: usize, settings: Settings) -> Result<Self, Refusal> {
        let _ = (sources, reference, settings);
        Err(Refusal::Nothing)
    }
}
