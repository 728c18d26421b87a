//! A finding: its code, how bad it is, and the words. docs/lint.md explains every code.

use serde::Serialize;

/// Something in an asset that its owner may want to mend.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// A stable code.
    pub code: Code,
    /// How bad it is.
    pub level: Level,
    /// The file, the track, what is wrong and what it does to players.
    pub message: String,
}

/// How bad a finding is. The order is by weight: an error is the greatest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// Harmless: viewers notice nothing.
    Info,
    /// Viewers may notice: coarse seeks, a part that is missing, a player that is left out.
    Warning,
    /// Common players fail, or show something else than the file.
    Error,
}

/// The code of a finding. Codes are stable: programs match them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Code {
    /// The index stands behind the media.
    MoovAtEnd,
    /// A track is not served.
    TrackSkipped,
    /// The edit list starts behind a keyframe.
    EditInsideGop,
    /// A track starts late and is filled.
    LateTrack,
    /// A track starts late and cannot be filled.
    LateTrackUnfilled,
    /// Sample tables count different numbers of samples.
    TotalsDiffer,
    /// A rendition lacks keyframes where the reference is cut.
    UnalignedKeyframes,
    /// No keyframe for longer than 1.5 segment targets.
    LongGop,
    /// Segments begin with frames that need the segment before.
    OpenGop,
    /// Video does not begin with a keyframe.
    NoKeyframe,
    /// Every frame claims to be a keyframe.
    NoSyncTable,
    /// The files of a folder are assets of their own.
    LooseFolder,
    /// A file stands beside a folder of the same name.
    NameBesideFolder,
    /// GStreamer reads an upload with trouble.
    Discoverer,
    /// No player here decodes the video or the audio.
    PlaysNowhere,
    /// Browsers do not all decode the video or the audio.
    NotInBrowsers,
    /// AAC gives its channels in a program config element.
    AacProgramConfig,
    /// Pictures are stored turned, which MPEG-TS cannot say.
    RotationLostInTs,
    /// A recording ends inside a fragment.
    RecordingCut,
    /// The edit list ends before the media does.
    EditEnd,
    /// The edit list leaves out a part in the middle.
    EditCut,
    /// The film begins with an open GOP.
    LeadingFrames,
    /// The pictures end before the sound.
    HeldFrame,
    /// Samples without bytes.
    EmptySamples,
}

impl Finding {
    /// A finding of the code's usual level.
    #[must_use]
    pub const fn new(code: Code, message: String) -> Self {
        Self { code, level: code.level(), message }
    }
}

impl Level {
    /// The word that JSON and people read.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Info => "info",
            Self::Warning => "warning",
            Self::Error => "error",
        }
    }
}

impl Code {
    /// All codes, in the order of docs/lint.md.
    pub const ALL: [Self; 24] = [
        Self::OpenGop,
        Self::PlaysNowhere,
        Self::NotInBrowsers,
        Self::AacProgramConfig,
        Self::NoKeyframe,
        Self::TrackSkipped,
        Self::RecordingCut,
        Self::RotationLostInTs,
        Self::EditInsideGop,
        Self::LateTrackUnfilled,
        Self::LeadingFrames,
        Self::UnalignedKeyframes,
        Self::LongGop,
        Self::NoSyncTable,
        Self::Discoverer,
        Self::EditEnd,
        Self::EditCut,
        Self::HeldFrame,
        Self::EmptySamples,
        Self::NameBesideFolder,
        Self::LooseFolder,
        Self::LateTrack,
        Self::TotalsDiffer,
        Self::MoovAtEnd,
    ];

    /// The code as JSON and people read it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::MoovAtEnd => "moov-at-end",
            Self::TrackSkipped => "track-skipped",
            Self::EditInsideGop => "edit-inside-gop",
            Self::LateTrack => "late-track",
            Self::LateTrackUnfilled => "late-track-unfilled",
            Self::TotalsDiffer => "totals-differ",
            Self::UnalignedKeyframes => "unaligned-keyframes",
            Self::LongGop => "long-gop",
            Self::OpenGop => "open-gop",
            Self::NoKeyframe => "no-keyframe",
            Self::NoSyncTable => "no-sync-table",
            Self::LooseFolder => "loose-folder",
            Self::NameBesideFolder => "name-beside-folder",
            Self::Discoverer => "discoverer",
            Self::PlaysNowhere => "plays-nowhere",
            Self::NotInBrowsers => "not-in-browsers",
            Self::AacProgramConfig => "aac-program-config",
            Self::RotationLostInTs => "rotation-lost-in-ts",
            Self::RecordingCut => "recording-cut",
            Self::EditEnd => "edit-end",
            Self::EditCut => "edit-cut",
            Self::LeadingFrames => "leading-frames",
            Self::HeldFrame => "held-frame",
            Self::EmptySamples => "empty-samples",
        }
    }

    /// The usual level of the code.
    #[must_use]
    pub const fn level(self) -> Level {
        match self {
            Self::OpenGop | Self::PlaysNowhere | Self::NotInBrowsers | Self::AacProgramConfig | Self::NoKeyframe => {
                Level::Error
            }
            Self::TrackSkipped
            | Self::RecordingCut
            | Self::RotationLostInTs
            | Self::EditInsideGop
            | Self::LateTrackUnfilled
            | Self::LeadingFrames
            | Self::UnalignedKeyframes
            | Self::LongGop
            | Self::NoSyncTable
            | Self::Discoverer => Level::Warning,
            Self::EditEnd
            | Self::EditCut
            | Self::HeldFrame
            | Self::EmptySamples
            | Self::NameBesideFolder
            | Self::LooseFolder
            | Self::LateTrack
            | Self::TotalsDiffer
            | Self::MoovAtEnd => Level::Info,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Code, Finding, Level};

    #[test]
    fn json_spells_codes_and_levels_as_people_read_them() {
        for code in Code::ALL {
            let finding = Finding::new(code, "why".into());
            let expected = serde_json::json!({
                "code": code.as_str(), "level": code.level().as_str(), "message": "why",
            });
            assert_eq!(serde_json::to_value(&finding).unwrap(), expected);
        }
    }

    #[test]
    fn an_error_weighs_more_than_a_warning_and_a_warning_more_than_an_info() {
        assert!(Level::Error > Level::Warning && Level::Warning > Level::Info);
    }

    #[test]
    fn the_list_of_all_codes_begins_with_the_errors_and_ends_with_the_harmless_ones() {
        assert!(Code::ALL.windows(2).all(|pair| pair[0].level() >= pair[1].level()));
    }
}
