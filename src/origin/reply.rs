//! What answers a request, before HTTP has its say.

use super::content::Content;
use crate::catalog::AssetFile;
use crate::media::{MediaKind, Version};
use bytes::Bytes;
use std::time::SystemTime;

/// What answers a request, before HTTP has its say (ranges, conditions, compression).
#[derive(Debug, Clone)]
pub struct Reply {
    /// Its media type, with parameters where it has any.
    pub media_type: &'static str,
    /// What a strong entity tag names it by, without quotes: equal on every replica (RFC 9110 §8.8.3).
    pub etag: String,
    /// When the stored object was last modified; only for stored files.
    pub modified: Option<SystemTime>,
    /// Who may keep it, and how long.
    pub caching: Caching,
    /// Its bytes.
    pub content: Content,
}

/// Who may keep an answer, and how long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Caching {
    /// Its URL names its bytes: a year, immutable.
    Immutable,
    /// An entry manifest or a stored file: seconds, then ask again.
    Entry,
}

/// The media type of HLS playlists (RFC 8216 §4).
pub(super) const PLAYLIST: &str = "application/vnd.apple.mpegurl";

/// A media playlist, whose URL names it by what it says.
pub(super) fn playlist(version: Version, text: Bytes) -> Reply {
    Reply {
        media_type: PLAYLIST,
        etag: version.to_string(),
        modified: None,
        caching: Caching::Immutable,
        content: Content::Text(text),
    }
}

pub(super) fn entry(media_type: &'static str, version: Version, text: &Bytes) -> Reply {
    let content = Content::Text(text.clone());
    Reply { media_type, etag: version.to_string(), modified: None, caching: Caching::Entry, content }
}

/// A stored file, as it is.
pub(super) fn stored(file: &AssetFile) -> Reply {
    let video = file.movie.tracks.iter().any(|track| track.kind.media() == MediaKind::Video);
    let quicktime = file.name.to_ascii_lowercase().ends_with(".mov");
    let media_type = match (quicktime, video) {
        (true, _) => "video/quicktime",
        (false, true) => "video/mp4",
        (false, false) => "audio/mp4",
    };
    Reply {
        media_type,
        etag: file.movie.content.to_string(),
        modified: file.object.stamp().modified(),
        caching: Caching::Entry,
        content: Content::Stored(file.object.clone()),
    }
}
