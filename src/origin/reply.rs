//! The type of a reply, which the HTTP layer turns into a response.

use super::content::Content;
use crate::catalog::AssetFile;
use crate::media::{MediaKind, Version};
use bytes::Bytes;
use std::time::SystemTime;

/// A reply, before the HTTP layer applies ranges, conditions and compression.
#[derive(Debug, Clone)]
pub struct Reply {
    /// Its media type, with parameters if it has any.
    pub media_type: &'static str,
    /// Its strong entity tag, without quotes: equal on every replica (RFC 9110 §8.8.3).
    pub etag: String,
    /// When the stored object was last modified; `None` unless it is a stored file.
    pub modified: Option<SystemTime>,
    /// How long caches may store it.
    pub caching: Caching,
    /// Its bytes.
    pub content: Content,
}

/// How long caches may store a reply.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Caching {
    /// One year, immutable: its URL identifies its bytes.
    Immutable,
    /// Seconds, then caches must revalidate: an entry manifest or a stored file.
    Entry,
}

/// The media type of HLS playlists (RFC 8216 §4).
pub(super) const PLAYLIST: &str = "application/vnd.apple.mpegurl";

/// The reply for a media playlist, whose URL contains a hash of its text.
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

/// The reply for a stored file, unchanged.
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
