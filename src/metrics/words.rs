//! Enums of the events that are counted; their words are the label values of the metrics.

/// The outcome of a cache lookup.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// The value was cached.
    Hit,
    /// The value was built for this request.
    Made,
    /// The value was being built for another request, and this request joined.
    Joined,
    /// The value was built, and is too large to be cached.
    TooLarge,
    /// The build was refused, because too much was being built already.
    Shed,
}

impl Outcome {
    /// The word for it, in metrics and in `Server-Timing`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Hit => "hit",
            Self::Made => "made",
            Self::Joined => "joined",
            Self::TooLarge => "too_large",
            Self::Shed => "shed",
        }
    }
}

/// The kind of values in a cache.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CacheKind {
    /// Media segments.
    Segment,
    /// Manifests and init segments.
    Manifest,
    /// Indexes of stored files.
    Index,
    /// Layouts of transport streams.
    Transport,
    /// Blocks of objects in object stores.
    Block,
}

/// A tier of the segment cache.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tier {
    /// New entries.
    Nursery,
    /// Entries that were requested again.
    Main,
}

/// The compression of a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Compression {
    /// RFC 1952.
    Gzip,
    /// RFC 7932.
    Brotli,
}

impl Compression {
    /// The word for it in `Accept-Encoding` and `Content-Encoding`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Gzip => "gzip",
            Self::Brotli => "br",
        }
    }
}

/// The kind of resource that a request asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RequestKind {
    /// An HLS multivariant playlist.
    Hls,
    /// A DASH manifest.
    Dash,
    /// A stored file.
    File,
    /// An HLS media playlist.
    Playlist,
    /// An init segment.
    Init,
    /// A media segment.
    Segment,
    /// An HLS multivariant playlist of MPEG-TS.
    Ts,
    /// An HLS media playlist of MPEG-TS.
    TsPlaylist,
    /// An MPEG-TS segment.
    TsSegment,
    /// A page of the gallery, or a resource that it loads.
    Gallery,
    /// A CORS preflight request (OPTIONS).
    Preflight,
    /// A path that does not exist.
    Other,
}

/// A stage in the handling of a request for media.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// Reading and parsing a movie header.
    Index,
    /// Planning: segments, recipes, layouts, manifests.
    Plan,
    /// Reading stored media.
    Read,
    /// Muxing a segment from stored bytes.
    Mux,
    /// Waiting for the governor's room to build.
    Wait,
}
