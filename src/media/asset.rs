//! The name of an asset, and the schema of its `asset.json`.

use super::details::{Details, DetailsError};
use super::track::Language;
use serde::{Deserialize, Serialize};
use std::fmt;

/// The name of an asset: parts between slashes, each the name of a folder or file in the store, without extension.
/// It cannot point outside the store, and no part is a name that URLs reserve.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct AssetId(String);

/// Largest length of an asset's whole name, in bytes.
const NAME_LIMIT: usize = 1_024;

/// Largest length of one part, in bytes: the limit of file systems.
const PART_LIMIT: usize = 255;

impl AssetId {
    /// `None` if `name` is empty, longer than 1,024 bytes, or has a part that is not allowed: see [`AssetId::is_part`].
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

    /// Whether `part` has another meaning below an asset: in URLs, or in its folder.
    #[must_use]
    pub fn is_reserved(part: &str) -> bool {
        matches!(part, "files" | "ts.m3u8" | DESCRIPTOR) || part.starts_with("index.") || part.starts_with("single.")
    }

    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The last part of the name.
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

/// File name of an asset's description, in its folder.
pub const DESCRIPTOR: &str = "asset.json";

/// The version of `asset.json` that this release reads and writes.
pub const SCHEMA_VERSION: u32 = 1;

/// An `asset.json`: the files of a folder that are renditions, and their labels in players.
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
    /// Version of the schema: [`SCHEMA_VERSION`].
    pub version: u32,
    /// Title of the asset in the gallery; its name if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// Descriptive metadata for people.
    #[serde(default, skip_serializing_if = "Details::is_empty")]
    pub details: Details,
    /// The file that sets the start and the segment boundaries; the first rendition with video if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reference: Option<String>,
    /// The files, in the order in which players list them, each at most once. An empty list hides the asset: nothing of
    /// it is published yet.
    pub renditions: Vec<Rendition>,
}

/// One file of an asset.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rendition {
    /// Name of the file in the asset's folder.
    pub file: String,
    /// Name of the rendition in URLs; the file name without its extension if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Size of the complete file, in bytes. The author vouches for the file: it is served as soon as it has this size.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub size: Option<u64>,
    /// Descriptions of its tracks; a track that matches no entry is served as the file describes it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tracks: Vec<DescriptorTrack>,
}

/// Description of one track, or of all tracks of a kind.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DescriptorTrack {
    /// track_ID of the described track; all tracks of `kind` if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub track: Option<u32>,
    /// Kind of the described tracks.
    pub kind: MediaKind,
    /// Label in players.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub label: Option<String>,
    /// Language tag of RFC 5646; the language in the file if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub language: Option<String>,
    /// Role of the track.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub role: Option<Role>,
    /// Whether players start with this track. At most one audio entry of an asset may set it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub default: bool,
}

/// The kinds of tracks that we serve.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum MediaKind {
    /// Video.
    Video,
    /// Sound.
    Audio,
}

/// The role of a track (ISO/IEC 23009-1 §5.8.5.5, `urn:mpeg:dash:role:2011`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// The track to play by default.
    Main,
    /// An alternative to the main track.
    Alternate,
    /// A commentary.
    Commentary,
    /// Sound in another language than the original.
    Dub,
    /// A description of the pictures.
    Description,
}

impl Role {
    /// Value of the role in DASH.
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
    /// The text is not JSON of the schema; the message names the line, the key and the expected values.
    #[error("asset.json: {0}")]
    Shape(String),
    /// This release does not know the version of the schema.
    #[error("asset.json: `version` is {0}; this release reads version {SCHEMA_VERSION}")]
    Version(u32),
    /// This is not a valid file name.
    #[error("asset.json: `{0}` is not the name of a file in the asset's folder")]
    File(String),
    /// This name cannot be part of a URL.
    #[error("asset.json: `{0}` is no name that a rendition can have in URLs")]
    Name(String),
    /// Two renditions name the same file.
    #[error("asset.json: `{0}` is named twice in `renditions`")]
    Twice(String),
    /// The reference is not among the renditions.
    #[error("asset.json: `reference` is `{0}`, which is not among `renditions`")]
    Reference(String),
    /// This is not a language tag.
    #[error("asset.json: `{0}` is not a language tag of RFC 5646")]
    Language(String),
    /// The details exceed their limits.
    #[error("asset.json: `details`: {0}")]
    Details(#[from] DetailsError),
    /// More than one audio entry is the default.
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

    /// JSON text of the file.
    #[must_use]
    pub fn print(&self) -> String {
        serde_json::to_string_pretty(self).expect("strings and numbers always serialize")
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
    /// Name of the rendition in URLs.
    #[must_use]
    pub fn name(&self) -> &str {
        let stem = self.file.rsplit_once('.').map_or(self.file.as_str(), |(stem, _)| stem);
        self.name.as_deref().unwrap_or(stem)
    }
}

/// Whether `name` is a plain file name: not a path, not hidden, and at most 255 bytes long.
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
