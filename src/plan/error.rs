//! Why an asset cannot be planned.

/// Why an asset cannot be planned; the text names the file.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// No source has a track that can be served.
    #[error("none of its files has a track that can be served")]
    Nothing,
    /// A track whose times cannot stand on the asset's timeline.
    #[error("{file}: track {track} starts at {micros} µs of the presentation; from −10 s to 2^31 ticks is served")]
    Start {
        /// Its file.
        file: String,
        /// Its track_ID.
        track: u32,
        /// When its first sample would be presented.
        micros: i64,
    },
}
