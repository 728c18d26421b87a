//! Why an asset cannot be planned.

/// Why an asset cannot be planned; the text names the file.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// No source has a track that can be served.
    #[error("none of its files has a track that can be served")]
    Nothing,
    /// More tracks than are served.
    #[error("it has {count} tracks; at most {limit} are served (`limits.tracks`)")]
    Tracks {
        /// What its files have.
        count: usize,
        /// What is allowed.
        limit: u32,
    },
    /// A track of more segments than are served.
    #[error(
        "{file}: track {track} would have more than {limit} segments (`limits.segments`, `package.segment_target`)"
    )]
    Segments {
        /// Its file.
        file: String,
        /// Its track_ID.
        track: u32,
        /// What is allowed.
        limit: u32,
    },
    /// A plan that takes more memory than is allowed.
    #[error(
        "its tracks would be cut into segments that take {bytes} bytes; {limit} are allowed (half of `cache.indexes`, 128MiB at most)"
    )]
    Bytes {
        /// What it would take, at most.
        bytes: u64,
        /// What is allowed.
        limit: u64,
    },
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
