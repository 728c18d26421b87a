//! The gallery's static files, embedded in the binary: a table of paths, media types and contents.

use super::respond::{Entity, etag_of};
use crate::origin::Content;
use bytes::Bytes;
use hyper::header::HeaderValue;
use std::sync::OnceLock;

/// Content-Security-Policy of the gallery: its own files, players that feed `<video>` from memory, nothing from
/// elsewhere.
pub(super) const POLICY: HeaderValue = HeaderValue::from_static(
    "default-src 'self'; media-src 'self' blob:; worker-src 'self' blob:; connect-src 'self'; img-src 'self' data:; \
     style-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
);

/// Caches must revalidate each time: another release has other files at the same paths.
pub(super) const CACHING: HeaderValue = HeaderValue::from_static("no-cache");

/// A file of the gallery.
#[derive(Debug)]
struct GalleryFile {
    path: &'static str,
    media_type: &'static str,
    bytes: &'static [u8],
    /// Computed at the first request.
    etag: OnceLock<String>,
}

macro_rules! asset {
    ($path:literal, $file:literal, $media_type:literal) => {
        GalleryFile {
            path: $path,
            media_type: $media_type,
            bytes: include_bytes!(concat!("gallery/", $file)),
            etag: OnceLock::new(),
        }
    };
}

static ASSETS: [GalleryFile; 16] = [
    asset!("/", "index.html", "text/html; charset=utf-8"),
    asset!("/favicon.ico", "icon.svg", "image/svg+xml"),
    asset!("/~gallery/app.js", "app.js", "text/javascript; charset=utf-8"),
    asset!("/~gallery/cards.js", "cards.js", "text/javascript; charset=utf-8"),
    asset!("/~gallery/list.js", "list.js", "text/javascript; charset=utf-8"),
    asset!("/~gallery/parts.js", "parts.js", "text/javascript; charset=utf-8"),
    asset!("/~gallery/player.js", "player.js", "text/javascript; charset=utf-8"),
    asset!("/~gallery/words.js", "words.js", "text/javascript; charset=utf-8"),
    asset!("/~gallery/icon.svg", "icon.svg", "image/svg+xml"),
    asset!("/~gallery/style.css", "style.css", "text/css; charset=utf-8"),
    asset!("/~gallery/vendor/hls.min.js", "vendor/hls.min.js", "text/javascript; charset=utf-8"),
    asset!(
        "/~gallery/vendor/shaka-player.dash-es2021.js",
        "vendor/shaka-player.dash-es2021.js",
        "text/javascript; charset=utf-8"
    ),
    // The licences require that their text is distributed with the players.
    asset!(
        "/~gallery/vendor/eventemitter3.LICENSE.txt",
        "vendor/eventemitter3.LICENSE.txt",
        "text/plain; charset=utf-8"
    ),
    asset!("/~gallery/vendor/hls.js.LICENSE.txt", "vendor/hls.js.LICENSE.txt", "text/plain; charset=utf-8"),
    asset!("/~gallery/vendor/shaka-player.LICENSE.txt", "vendor/shaka-player.LICENSE.txt", "text/plain; charset=utf-8"),
    asset!("/~gallery/vendor/shaka-player.NOTICE.txt", "vendor/shaka-player.NOTICE.txt", "text/plain; charset=utf-8"),
];

/// Whether `path` belongs to the gallery, even if there is no file.
pub(super) fn is_at(path: &str) -> bool {
    matches!(path, "/" | "/favicon.ico") || path.starts_with("/~gallery/")
}

/// The gallery's file at `path`; `None` if there is none.
pub(super) fn get(path: &str) -> Option<Entity> {
    let asset = ASSETS.iter().find(|asset| asset.path == path)?;
    Some(Entity {
        media_type: asset.media_type,
        etag: asset.etag.get_or_init(|| etag_of(asset.bytes)).clone(),
        modified: None,
        caching: CACHING,
        content: Content::Text(Bytes::from_static(asset.bytes)),
    })
}
