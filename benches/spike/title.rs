//! URLs of a title, found like a player finds them: its playlists, and the URLs in them.

use crate::client::{Connection, request};
use std::fs;
use std::net::SocketAddr;
use std::path::Path;

/// The paths of a title's first variant.
#[derive(Debug, Clone)]
pub(crate) struct Title {
    pub(crate) entry: String,
    pub(crate) playlist: String,
    /// `None` for MPEG-TS.
    pub(crate) init: Option<String>,
    /// Without the last one, which is shorter.
    pub(crate) segments: Vec<String>,
}

impl Title {
    /// Follows the playlists like a player: `index.m3u8` or `ts.m3u8` of `asset`, then its media playlist.
    pub(crate) async fn ask(address: SocketAddr, asset: &str, entry: &str) -> Self {
        let mut connection = Connection::open(address).await.unwrap();
        let entry = format!("/vod/{asset}/{entry}");
        let text = text(&mut connection, &entry).await;
        let playlist = beside(&entry, lines(&text).next().expect("a variant"));
        Self::of_playlist(&mut connection, entry, playlist).await
    }

    /// Its separate audio, from `index.m3u8`.
    pub(crate) async fn sound(address: SocketAddr, asset: &str) -> Self {
        let mut connection = Connection::open(address).await.unwrap();
        let entry = format!("/vod/{asset}/index.m3u8");
        let text = text(&mut connection, &entry).await;
        let playlist = beside(&entry, quoted(&text, "TYPE=AUDIO,URI=").expect("sound"));
        Self::of_playlist(&mut connection, entry, playlist).await
    }

    async fn of_playlist(connection: &mut Connection, entry: String, playlist: String) -> Self {
        let text = text(connection, &playlist).await;
        let init = quoted(&text, "#EXT-X-MAP:URI=").map(|name| beside(&playlist, name));
        let mut segments: Vec<String> = lines(&text).map(|name| beside(&playlist, name)).collect();
        segments.pop();
        Self { entry, playlist, init, segments }
    }
}

/// Writes the responses of `address` for `paths` below `folder`, under the same paths. Returns their mean size in
/// bytes.
pub(crate) async fn store(address: SocketAddr, paths: &[String], folder: &Path) -> u64 {
    let mut connection = Connection::open(address).await.unwrap();
    let mut total = 0;
    for path in paths {
        let (answer, body) = connection.fetch(&request(path, "")).await.unwrap();
        assert_eq!(answer.status, 200, "{path}");
        let file = folder.join(path.trim_start_matches('/'));
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(file, &body).unwrap();
        total += answer.length;
    }
    total / paths.len() as u64
}

/// Fails unless all of `addresses` return the same bytes for `path`.
pub(crate) async fn compare(addresses: &[SocketAddr], path: &str) {
    let mut bodies = Vec::new();
    for address in addresses {
        let (answer, body) = Connection::open(*address).await.unwrap().fetch(&request(path, "")).await.unwrap();
        assert_eq!(answer.status, 200, "{path} of {address}");
        bodies.push(body);
    }
    assert!(bodies.windows(2).all(|pair| pair[0] == pair[1]), "{path}: servers differ");
}

async fn text(connection: &mut Connection, path: &str) -> String {
    let (answer, body) = connection.fetch(&request(path, "")).await.unwrap();
    assert_eq!(answer.status, 200, "{path}: {}", String::from_utf8_lossy(&body));
    String::from_utf8(body).unwrap()
}

fn lines(text: &str) -> impl Iterator<Item = &str> {
    text.lines().filter(|line| !line.is_empty() && !line.starts_with('#'))
}

fn quoted<'a>(text: &'a str, before: &str) -> Option<&'a str> {
    text.split_once(before)?.1.split('"').nth(1)
}

/// Resolves `name` in the document at `path`.
fn beside(path: &str, name: &str) -> String {
    let mut parts: Vec<&str> = path.split('/').collect();
    parts.pop();
    for part in name.split('/') {
        if part == ".." {
            parts.pop();
        } else {
            parts.push(part);
        }
    }
    parts.join("/")
}
