//! The upload page: its static files, embedded in the binary.

use super::extract::PathName;
use super::problem::ApiProblem;
use crate::http::ProblemKind;
use axum::body::Body;
use axum::http::Response;
use axum::http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderValue, X_CONTENT_TYPE_OPTIONS};

macro_rules! file {
    ($name:literal, $from:literal, $media_type:literal) => {
        ($name, concat!($media_type, "; charset=utf-8"), include_bytes!($from))
    };
}

/// Name, media type and bytes of each file. Files that the gallery also uses come from the gallery's folder.
static FILES: [(&str, &str, &[u8]); 12] = [
    file!("index.html", "page/index.html", "text/html"),
    file!("upload.js", "page/upload.js", "text/javascript"),
    file!("upload.css", "page/upload.css", "text/css"),
    file!("tus.min.js", "page/vendor/tus.min.js", "text/javascript"),
    file!("gallery.css", "../http/gallery/style.css", "text/css"),
    file!("parts.js", "../http/gallery/parts.js", "text/javascript"),
    file!("player.js", "../http/gallery/player.js", "text/javascript"),
    file!("words.js", "../http/gallery/words.js", "text/javascript"),
    file!("hls.min.js", "../http/gallery/vendor/hls.min.js", "text/javascript"),
    file!("icon.svg", "../http/gallery/icon.svg", "image/svg+xml"),
    // The licences require that their text is distributed with the programs.
    file!("tus-js-client.LICENSE.txt", "page/vendor/tus-js-client.LICENSE.txt", "text/plain"),
    file!("hls.js.LICENSE.txt", "../http/gallery/vendor/hls.js.LICENSE.txt", "text/plain"),
];

/// Content-Security-Policy of the page: its own files, this API, and media from any host that serves players.
const POLICY: &str = "default-src 'self'; media-src * blob:; connect-src *; worker-src 'self' blob:; img-src 'self' data:; \
                      style-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// Serves the page itself.
pub(super) async fn index() -> Result<Response<Body>, ApiProblem> {
    found("index.html")
}

/// Serves a file of the page.
pub(super) async fn file(PathName(name): PathName) -> Result<Response<Body>, ApiProblem> {
    found(&name)
}

fn found(name: &str) -> Result<Response<Body>, ApiProblem> {
    let file = FILES.iter().find(|(known, _, _)| *known == name);
    let (_, media_type, bytes) =
        file.ok_or_else(|| ApiProblem::new(ProblemKind::PathNotFound, "there is no such file"))?;
    let mut response = Response::new(Body::from(*bytes));
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(media_type));
    headers.insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    Ok(response)
}
