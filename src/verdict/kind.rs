//! Kinds of audio codecs: a player plays all codecs of a kind, or none.

use super::playable::Plays;
use crate::media::{Codec, Family};

/// A kind of audio codec.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AudioKind {
    /// AAC-LC, HE-AAC and HE-AAC v2: every player plays all three.
    Aac,
    /// AAC with its channels in a program config element: browsers refuse it, and stop the video too.
    AacConfigElement,
    /// MPEG-1 and MPEG-2 audio layer 3.
    Mp3,
    /// Opus.
    Opus,
    /// FLAC.
    Flac,
    /// Dolby Digital.
    Ac3,
    /// Dolby Digital Plus.
    Eac3,
    /// Apple Lossless.
    Alac,
    /// Any other: its RFC 6381 string.
    Other(String),
}

/// The kind of an audio codec.
#[must_use]
pub fn audio_kind(codec: &Codec) -> AudioKind {
    if let Family::Aac(aac) = &codec.family
        && aac.channel_configuration == 0
    {
        return AudioKind::AacConfigElement;
    }
    match codec.string.as_str() {
        "mp4a.40.2" | "mp4a.40.5" | "mp4a.40.29" => AudioKind::Aac,
        "mp4a.6B" | "mp4a.69" | "mp4a.40.34" => AudioKind::Mp3,
        "opus" | "Opus" => AudioKind::Opus,
        "fLaC" | "flac" => AudioKind::Flac,
        "ac-3" | "mp4a.A5" => AudioKind::Ac3,
        "ec-3" | "mp4a.A6" => AudioKind::Eac3,
        "alac" => AudioKind::Alac,
        other => AudioKind::Other(other.into()),
    }
}

impl AudioKind {
    /// A short name, for group ids: `aac`, `ec-3`; the RFC 6381 string of other codecs.
    #[must_use]
    pub fn name(&self) -> &str {
        match self {
            Self::Aac | Self::AacConfigElement => "aac",
            Self::Mp3 => "mp3",
            Self::Opus => "opus",
            Self::Flac => "flac",
            Self::Ac3 => "ac-3",
            Self::Eac3 => "ec-3",
            Self::Alac => "alac",
            Self::Other(string) => string,
        }
    }

    /// Whether browsers play it in CMAF segments.
    #[must_use]
    pub const fn browsers(&self) -> Plays {
        match self {
            Self::Aac | Self::Opus | Self::Flac => Plays::Yes,
            // Safari plays them, and Firefox plays MP3 by DASH.
            Self::Mp3 | Self::Ac3 | Self::Eac3 | Self::Alac => Plays::Some,
            Self::AacConfigElement | Self::Other(_) => Plays::No,
        }
    }

    /// Whether Apple's players play it in CMAF segments.
    #[must_use]
    pub const fn apple(&self) -> Plays {
        match self {
            Self::Aac | Self::AacConfigElement | Self::Mp3 | Self::Flac | Self::Ac3 | Self::Eac3 | Self::Alac => {
                Plays::Yes
            }
            Self::Opus => Plays::Some,
            Self::Other(_) => Plays::No,
        }
    }
}
