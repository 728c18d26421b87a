//! The type of a finding: its code, its level and its message. docs/lint.md explains every code.

use serde::Serialize;

/// A problem in an asset that its owner may want to fix.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// The stable code.
    pub code: Code,
    /// Severity.
    pub level: Level,
    /// The file, the track, the problem, and its effect on players.
    pub message: String,
}

/// Severity of a finding, in ascending order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// Harmless: viewers notice nothing.
    Info,
    /// Viewers may notice: coarse seeks, missing parts, players that cannot play it.
    Warning,
    /// Common players fail, or show something other than the file.
    Error,
}

/// The code of a finding. Codes are stable: programs match them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Code {
    /// The index (`moov`) is after the media.
    MoovAtEnd,
    /// A track is not served.
    TrackSkipped,
    /// The edit list starts after a keyframe.
    EditInsideGop,
    /// A track starts late, and its start is filled.
    LateTrack,
    /// A track starts late, and its start cannot be filled.
    LateTrackUnfilled,
    /// Sample tables count different numbers of samples.
    TotalsDiffer,
    /// A rendition lacks keyframes where the reference is cut.
    UnalignedKeyframes,
    /// No keyframe for longer than 1.5 segment targets.
    LongGop,
    /// Segments begin with frames that depend on the previous segment.
    OpenGop,
    /// Video does not begin with a keyframe.
    NoKeyframe,
    /// Every frame claims to be a keyframe.
    NoSyncTable,
    /// Each file of a folder is an asset of its own.
    LooseFolder,
    /// A file is next to a folder of the same name.
    NameBesideFolder,
    /// GStreamer reports problems with an upload.
    Discoverer,
    /// No supported player decodes the video or the audio.
    PlaysNowhere,
    /// Some or all browsers cannot decode the video or the audio.
    NotInBrowsers,
    /// AAC declares its channels in a program config element.
    AacProgramConfig,
    /// Pictures are stored rotated, which MPEG-TS cannot express.
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
    /// Some samples have no bytes.
    EmptySamples,
}

impl Finding {
    /// A finding with the usual level of `code`.
    #[must_use]
    pub const fn new(code: Code, message: String) -> Self {
        Self { code, level: code.level(), message }
    }
}

impl Level {
    /// The word for it, in JSON and in text.
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

    /// The code, as written in JSON and in text.
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
