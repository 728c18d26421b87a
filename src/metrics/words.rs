//! The words that are counted; the same words are the labels.

/// How a cache answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// It was kept.
    Hit,
    /// It was made for this request.
    Made,
    /// It was being made for another request, which this one joined.
    Joined,
    /// It was made, and is too large to be kept.
    TooLarge,
    /// Too much was being made already.
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

/// What a cache keeps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kept {
    /// Media segments.
    Segment,
    /// Manifests and init segments.
    Manifest,
    /// Indexes of stored files.
    Index,
    /// Layouts of transport streams.
    Transport,
    /// Blocks of stored objects that are not files.
    Block,
}

/// Where a cache of two tiers keeps something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tier {
    /// What is new.
    Nursery,
    /// What was asked for again.
    Main,
}

/// How a text is compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Packing {
    /// RFC 1952.
    Gzip,
    /// RFC 7932.
    Brotli,
}

impl Packing {
    /// The word for it in `Accept-Encoding` and `Content-Encoding`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Gzip => "gzip",
            Self::Brotli => "br",
        }
    }
}

/// What a request asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Asked {
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
    /// A page of the gallery, or what belongs to it.
    Gallery,
    /// What may be asked from other sites (OPTIONS).
    Preflight,
    /// Nothing that is there.
    Other,
}

/// What a request for media passes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// Reading and parsing a movie header.
    Index,
    /// Planning: segments, recipes, layouts, manifests.
    Plan,
    /// Reading stored media.
    Read,
    /// Making a body of what was read.
    Mux,
    /// Waiting for a turn, or for what another makes.
    Wait,
}
