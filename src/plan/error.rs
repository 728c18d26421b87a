//! The error type of planning.

/// The reason why an asset cannot be planned; the text names the file if the reason is about one.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PlanError {
    /// No source has a track that can be served.
    #[error("none of its files has a track that can be served")]
    Nothing,
    /// The asset has more tracks than `limits.tracks` allows.
    #[error("it has {count} tracks; at most {limit} are served (`limits.tracks`)")]
    Tracks {
        /// Tracks of all its files.
        count: usize,
        /// The most that are allowed.
        limit: u32,
    },
    /// A track would have more segments than `limits.segments` allows.
    #[error(
        "{file}: track {track} would have more than {limit} segments (`limits.segments`, `package.segment_target`)"
    )]
    Segments {
        /// Name of the track's file.
        file: String,
        /// The track_ID.
        track: u32,
        /// The most segments that are allowed.
        limit: u32,
    },
    /// The plan would take more memory than is allowed.
    #[error(
        "its tracks would be cut into segments that take {bytes} bytes; {limit} are allowed (half of `cache.indexes`, 128MiB at most)"
    )]
    Bytes {
        /// Upper bound of the plan's size.
        bytes: u64,
        /// The most bytes that are allowed.
        limit: u64,
    },
    /// A track starts too early or too late for the asset's timeline.
    #[error("{file}: track {track} starts at {micros} µs of the presentation; from −10 s to 2^31 ticks is served")]
    Start {
        /// Name of the track's file.
        file: String,
        /// The track_ID.
        track: u32,
        /// Presented time of its first sample, in microseconds.
        micros: i64,
    },
}
