//! URLs found by following playlists, and their comparison between servers.

#![allow(dead_code, reason = "each test crate uses a part of it")]

use super::support::Server;

/// Resolves `reference` in a playlist in `folder` (RFC 3986 §5.2).
pub(crate) fn resolved(folder: &str, reference: &str) -> String {
    let mut parts: Vec<&str> = folder.split('/').collect();
    for part in reference.split('/') {
        if part == ".." {
            parts.pop();
        } else {
            parts.push(part);
        }
    }
    parts.join("/")
}

/// Every URL in the playlist at `url`, and those in the playlists that it lists.
pub(crate) fn all(server: &Server, url: &str) -> Vec<String> {
    let text = server.get(url, "");
    assert_eq!(text.status, 200, "{url}: {}", text.text_lossy());
    let folder = url.rsplit_once('/').unwrap().0;
    let quoted = |line: &str| line.split_once("URI=\"").and_then(|(_, rest)| Some(rest.split_once('"')?.0.to_owned()));
    let mut named: Vec<String> = text
        .text()
        .lines()
        .filter_map(|line| if line.starts_with('#') { quoted(line) } else { Some(line.to_owned()) })
        .filter(|line| !line.is_empty())
        .map(|line| resolved(folder, &line))
        .collect();
    let below = named
        .iter()
        .filter(|url| url.rsplit_once('.').is_some_and(|(_, end)| end == "m3u8"))
        .flat_map(|url| all(server, url))
        .collect::<Vec<_>>();
    named.extend(below);
    named
}

/// Requests everything of `asset` from both servers, whose responses must be equal; returns the number of URLs.
pub(crate) fn same(one: &Server, other: &Server, asset: &str, transport: bool) -> usize {
    let mut urls = vec![format!("/vod/{asset}/index.m3u8"), format!("/vod/{asset}/index.mpd")];
    urls.extend(all(one, &urls[0]));
    if transport {
        urls.extend(all(one, &format!("/vod/{asset}/ts.m3u8")));
    }
    for url in &urls {
        let told = [one, other].map(|server| {
            let answer = server.get(url, "");
            (answer.status, answer.header("etag").map(str::to_owned), answer.body)
        });
        assert!(told[0] == told[1] && told[0].0 == 200, "{url} differs: {} and {}", told[0].0, told[1].0);
    }
    urls.len()
}
