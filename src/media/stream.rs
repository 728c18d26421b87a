//! Streams by name: the tracks that segments carry, and how they are packaged.

use super::asset::MediaKind;
use super::track::TrackName;

/// The format of segments.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Packaging {
    /// CMAF (ISO/IEC 23000-19): fragmented MP4, one track in each stream.
    Cmaf,
    /// MPEG-TS (ISO/IEC 13818-1): one track in each stream, or a video and an audio track.
    Ts,
}

/// A stream's name among all streams of its asset.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct StreamName {
    packaging: Packaging,
    first: TrackName,
    second: Option<TrackName>,
}

impl StreamName {
    /// The stream of one track.
    #[must_use]
    pub const fn alone(packaging: Packaging, track: TrackName) -> Self {
        Self { packaging, first: track, second: None }
    }

    /// The MPEG-TS stream of a video and an audio track; `None` where the tracks are of other kinds.
    #[must_use]
    pub fn muxed(video: TrackName, audio: TrackName) -> Option<Self> {
        let kinds = (video.kind, audio.kind);
        let name = Self { packaging: Packaging::Ts, first: video, second: Some(audio) };
        (kinds == (MediaKind::Video, MediaKind::Audio)).then_some(name)
    }

    /// The format of its segments.
    #[must_use]
    pub const fn packaging(&self) -> Packaging {
        self.packaging
    }

    /// The only track, or the video track of two.
    #[must_use]
    pub const fn first(&self) -> &TrackName {
        &self.first
    }

    /// The audio track beside a video track.
    #[must_use]
    pub const fn second(&self) -> Option<&TrackName> {
        self.second.as_ref()
    }

    /// Its tracks, video first.
    pub fn tracks(&self) -> impl Iterator<Item = &TrackName> {
        [&self.first].into_iter().chain(&self.second)
    }
}
