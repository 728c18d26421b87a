//! Unsupported files beside media files: how many, which, and their formats.

use std::fmt;

/// Files that belong to no asset.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct IgnoredFiles {
    /// Number of files.
    pub count: usize,
    /// Paths of some of them.
    pub some: Vec<String>,
}

impl fmt::Display for IgnoredFiles {
    /// `3 files are not understood: films/a.mkv (Matroska), notes, …`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (noun, verb) = if self.count == 1 { ("file", "is") } else { ("files", "are") };
        write!(f, "{} {noun} {verb} not understood: ", self.count)?;
        for (at, path) in self.some.iter().enumerate() {
            let comma = if at == 0 { "" } else { ", " };
            match format_of(path) {
                Some(format) => write!(f, "{comma}{path} ({format})")?,
                None => write!(f, "{comma}{path}")?,
            }
        }
        if self.some.len() < self.count { f.write_str(", …") } else { Ok(()) }
    }
}

/// Format of files with the extension of `name`; `None` if unknown.
#[must_use]
pub fn format_of(name: &str) -> Option<&'static str> {
    let (_, extension) = name.rsplit_once('.')?;
    match extension.to_ascii_lowercase().as_str() {
        "mkv" | "mka" | "mks" => Some("Matroska"),
        "webm" => Some("WebM"),
        "avi" => Some("AVI"),
        "ts" | "m2ts" | "mts" => Some("MPEG-TS"),
        "mpg" | "mpeg" | "vob" => Some("MPEG-PS"),
        "wmv" | "wma" | "asf" => Some("Windows Media"),
        "flv" => Some("Flash Video"),
        "mxf" => Some("MXF"),
        "ogg" | "ogv" | "oga" | "opus" => Some("Ogg"),
        "mp3" => Some("MP3"),
        "wav" => Some("WAV"),
        "flac" => Some("FLAC"),
        "aac" => Some("AAC without a container"),
        "jpg" | "jpeg" => Some("JPEG"),
        "png" => Some("PNG"),
        "srt" => Some("SubRip"),
        "vtt" => Some("WebVTT"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::{IgnoredFiles, format_of};

    #[test]
    fn what_is_ignored_is_told_with_its_formats() {
        let some = vec!["films/a.mkv".into(), "notes".into()];
        let told = IgnoredFiles { count: 3, some }.to_string();
        assert_eq!(told, "3 files are not understood: films/a.mkv (Matroska), notes, …");
        assert_eq!(
            IgnoredFiles { count: 1, some: vec!["a.PNG".into()] }.to_string(),
            "1 file is not understood: a.PNG (PNG)"
        );
    }

    #[test]
    fn a_format_is_told_by_the_extension() {
        for (name, format) in [("a.b.MKV", Some("Matroska")), ("a.jpeg", Some("JPEG")), ("a.txt", None), ("mkv", None)]
        {
            assert_eq!(format_of(name), format, "{name}");
        }
    }
}
