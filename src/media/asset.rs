//! What an asset is called, and what its `asset.json` may say of it.

use super::details::{Details, DetailsError};
use super::track::Language;
use serde::{Deserialize, Serialize};
use std::fmt;

/// The name of an asset: parts between slashes, each one name of a folder or file in the store, extension dropped.
/// It cannot climb out of the store, and no part is one that URLs reserve.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct AssetId(String);

/// Bytes of an asset's whole name at most.
const NAME_LIMIT: usize = 1_024;

/// Bytes of one part at most: what file systems allow.
const PART_LIMIT: usize = 255;

impl AssetId {
    /// `None` when `name` is empty, longer than 1,024 bytes, or has a part that no asset may have: see [`AssetId::is_part`].
    #[must_use]
    pub fn new(name: &str) -> Option<Self> {
        (name.len() <= NAME_LIMIT && name.split('/').all(Self::is_part)).then(|| Self(name.into()))
    }

    /// Whether `part` may stand between the slashes of a name: 1 to 255 bytes, no control characters, no slashes of
    /// either kind, not beginning with `~` or `.`, and none of `files`, `ts.m3u8`, `asset.json`, `index.*`, `single.*`.
    #[must_use]
    pub fn is_part(part: &str) -> bool {
        let shaped = (1..=PART_LIMIT).contains(&part.len())
            && !part.contains(|c: char| c.is_control() || c == '/' || c == '\\')
            && !part.starts_with(['~', '.']);
        shaped && !Self::is_reserved(part)
    }

    /// Whether `part` is something else below an asset: in URLs, or in its folder.
    #[must_use]
    pub fn is_reserved(part: &str) -> bool {
        matches!(part, "files" | "ts.m3u8" | DESCRIPTOR) || part.starts_with("index.") || part.starts_with("single.")
    }

    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Its last part.
    #[must_use]
    pub fn last_part(&self) -> &str {
        self.0.rsplit('/').next().unwrap_or(&self.0)
    }
}

impl fmt::Display for AssetId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What an asset's description is called, in its folder.
pub const DESCRIPTOR: &str = "asset.json";

/// The version of `asset.json` that is written and understood.
pub const SCHEMA_VERSION: u32 = 1;

/// An `asset.json`: which files of a folder are its renditions, and what players shall call them.
///
/// ```json
/// {
///   "version": 1,
///   "title": "Wanna work together?",
///   "reference": "1080p.mp4",
///   "renditions": [
///     { "file": "1080p.mp4" },
///     { "file": "english.mp4", "tracks": [
///       { "kind": "audio", "label": "English", "language": "en", "role": "main", "default": true } ] }
///   ]
/// }
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Descriptor {
    /// The schema: [`SCHEMA_VERSION`].
    pub version: u32,
    /// What the gallery calls the asset; its name where absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// What else people are told of it.
    #[serde(default, skip_serializing_if = "Details::is_empty")]
    pub details: Details,
    /// The file that sets the start and the cuts; the first rendition that has video where absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reference: Option<String>,
    /// The files, in the order in which players list them, none twice. None at all: nothing is published of it yet, and
    /// nobody is told that it is there.
    pub renditions: Vec<Rendition>,
}

/// One file of an asset.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rendition {
    /// The file's name in the asset's folder.
    pub file: String,
    /// What URLs call it; the file's name without its extension where absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The bytes that it has when it is whole: whoever says so vouches for it, and it is served as soon as it has so many.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub size: Option<u64>,
    /// What is said of its tracks; one that no entry fits is served as the file describes it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tracks: Vec<DescriptorTrack>,
}

/// What is said of one track, or of all tracks of a kind.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DescriptorTrack {
    /// The track_ID it is about; all tracks of `kind` where absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub track: Option<u32>,
    /// The kind it is about.
    pub kind: MediaKind,
    /// What players call it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub label: Option<String>,
    /// Its language, as RFC 5646 writes it; the file's own where absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub language: Option<String>,
    /// What part it plays.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub role: Option<Role>,
    /// Whether players start with it. At most one audio track of an asset says so.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub default: bool,
}

/// The kinds of tracks that are served.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum MediaKind {
    /// Something to see.
    Video,
    /// Something to hear.
    Audio,
}

/// The part a track plays (ISO/IEC 23009-1 §5.8.5.5, `urn:mpeg:dash:role:2011`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// The one that is meant to be played.
    Main,
    /// Instead of the main one.
    Alternate,
    /// A commentary.
    Commentary,
    /// In another language than the original.
    Dub,
    /// Describes what is seen.
    Description,
}

impl Role {
    /// The value that DASH gives it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Main => "main",
            Self::Alternate => "alternate",
            Self::Commentary => "commentary",
            Self::Dub => "dub",
            Self::Description => "description",
        }
    }
}

/// Why an `asset.json` is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DescriptorError {
    /// It is no JSON of the schema; the text names the line, the key and what was expected.
    #[error("asset.json: {0}")]
    Shape(String),
    /// A schema that this release does not know.
    #[error("asset.json: `version` is {0}; this release reads version {SCHEMA_VERSION}")]
    Version(u32),
    /// A file's name that cannot be one.
    #[error("asset.json: `{0}` is not the name of a file in the asset's folder")]
    File(String),
    /// A name that URLs cannot say.
    #[error("asset.json: `{0}` is no name that a rendition can have in URLs")]
    Name(String),
    /// A file that is named twice.
    #[error("asset.json: `{0}` is named twice in `renditions`")]
    Twice(String),
    /// A reference that is no rendition.
    #[error("asset.json: `reference` is `{0}`, which is not among `renditions`")]
    Reference(String),
    /// A language that is none.
    #[error("asset.json: `{0}` is not a language tag of RFC 5646")]
    Language(String),
    /// Details out of their bounds.
    #[error("asset.json: `details`: {0}")]
    Details(#[from] DetailsError),
    /// More than one default audio track.
    #[error("asset.json: more than one audio entry says `default`")]
    Defaults,
}

impl Descriptor {
    /// Reads and checks an `asset.json`.
    pub fn parse(json: &[u8]) -> Result<Self, DescriptorError> {
        let descriptor: Self =
            serde_json::from_slice(json).map_err(|error| DescriptorError::Shape(error.to_string()))?;
        descriptor.check()?;
        Ok(descriptor)
    }

    /// The text of the file.
    #[must_use]
    pub fn print(&self) -> String {
        serde_json::to_string_pretty(self).expect("strings and numbers only")
    }

    fn check(&self) -> Result<(), DescriptorError> {
        if self.version != SCHEMA_VERSION {
            return Err(DescriptorError::Version(self.version));
        }
        self.details.check()?;
        for (at, rendition) in self.renditions.iter().enumerate() {
            let file = &rendition.file;
            if !is_file_name(file) {
                return Err(DescriptorError::File(file.clone()));
            }
            if let Some(name) = rendition.name.as_ref().filter(|name| !is_file_name(name)) {
                return Err(DescriptorError::Name(name.clone()));
            }
            if self.renditions.iter().take(at).any(|other| other.file == *file) {
                return Err(DescriptorError::Twice(file.clone()));
            }
        }
        if let Some(reference) = &self.reference
            && !self.renditions.iter().any(|rendition| rendition.file == *reference)
        {
            return Err(DescriptorError::Reference(reference.clone()));
        }
        self.check_tracks()
    }

    fn check_tracks(&self) -> Result<(), DescriptorError> {
        let tracks = || self.renditions.iter().flat_map(|rendition| &rendition.tracks);
        if let Some(wrong) =
            tracks().filter_map(|track| track.language.as_deref()).find(|tag| Language::new(tag).is_none())
        {
            return Err(DescriptorError::Language(wrong.into()));
        }
        let defaults = tracks().filter(|track| track.default && track.kind == MediaKind::Audio).count();
        if defaults > 1 { Err(DescriptorError::Defaults) } else { Ok(()) }
    }
}

impl Rendition {
    /// What URLs call it.
    #[must_use]
    pub fn name(&self) -> &str {
        let stem = self.file.rsplit_once('.').map_or(self.file.as_str(), |(stem, _)| stem);
        self.name.as_deref().unwrap_or(stem)
    }
}

/// A plain file name: no path, nothing hidden.
fn is_file_name(name: &str) -> bool {
    (1..=PART_LIMIT).contains(&name.len())
        && !name.starts_with(['.', '~'])
        && !name.contains(|c: char| c.is_control() || c == '/' || c == '\\')
}

#[cfg(test)]
mod tests {
    use super::{AssetId, Descriptor, DescriptorError, MediaKind, Role};

    #[test]
    fn a_name_cannot_climb_hide_or_take_a_reserved_part() {
        for name in
            ["", "/", "a//b", "../a", "a/..", ".hidden", "~v", "a/~b", "files", "a/files/b", "index.mp4", "a\\b", "a\0"]
        {
            assert_eq!(AssetId::new(name), None, "{name:?}");
        }
        for name in ["a", "a/b c/d", "filesystem", "indexed", "ünï", "a.b", "a~b"] {
            assert_eq!(AssetId::new(name).unwrap().as_str(), name);
        }
    }

    #[test]
    fn what_is_printed_is_parsed() {
        let json = br#"{"version":1,"title":"T","reference":"a.mp4","renditions":[{"file":"b.mp4","tracks":[
            {"kind":"audio","track":2,"label":"English","language":"en","role":"dub","default":true}]},
            {"file":"a.mp4","name":"original","size":7}]}"#;
        let descriptor = Descriptor::parse(json).unwrap();
        assert_eq!(Descriptor::parse(descriptor.print().as_bytes()), Ok(descriptor.clone()));
        let track = &descriptor.renditions[0].tracks[0];
        assert_eq!((track.kind, track.role, track.default), (MediaKind::Audio, Some(Role::Dub), true));
        let names: Vec<&str> = descriptor.renditions.iter().map(super::Rendition::name).collect();
        assert_eq!((names, descriptor.renditions[1].size), (vec!["b", "original"], Some(7)));
    }

    #[test]
    fn each_mistake_has_its_own_words() {
        let error = |json: &str| Descriptor::parse(json.as_bytes()).unwrap_err();
        assert_eq!(error(r#"{"version":2,"renditions":[{"file":"a"}]}"#), DescriptorError::Version(2));
        assert_eq!(error(r#"{"version":1,"renditions":[{"file":"../a"}]}"#), DescriptorError::File("../a".into()));
        assert_eq!(
            error(r#"{"version":1,"renditions":[{"file":"a"},{"file":"a"}]}"#),
            DescriptorError::Twice("a".into())
        );
        assert_eq!(
            error(r#"{"version":1,"renditions":[{"file":"a"}],"reference":"b"}"#),
            DescriptorError::Reference("b".into())
        );
        let named = r#"{"version":1,"renditions":[{"file":"a","name":"b/c"}]}"#;
        assert_eq!(error(named), DescriptorError::Name("b/c".into()));
        assert_eq!(
            error("{\"version\":1,\n\"renditons\":[]}").to_string(),
            "asset.json: unknown field `renditons`, expected one of `version`, `title`, `details`, `reference`, `renditions` at line 2 column 11"
        );
    }
}
