//! Maps a pasted URL to the routes that it may mean.
//!
//! ```text
//! https://cdn.example/video/vod/films/night/index.m3u8?token=x#t=3
//!                    │     └ route of this server           │
//!                    └ prefix of a proxy or CDN             └ query and fragment: left out
//! ```

use crate::route::Route;

/// Largest number of path parts looked at, counted from the end; no route has more.
const PARTS: usize = 24;

/// The routes that `url` may mean, the likeliest first: the rest of the path after each `/vod/`, or, if a proxy maps
/// `/vod/` away, after each slash.
pub(super) fn routes(url: &str) -> Vec<Route> {
    let path = path_of(url.trim_matches(|c: char| c.is_whitespace() || "<>\"'".contains(c)));
    let parts = without_dots(path);
    let below = |at: usize| Route::parse(&format!("/vod/{}", parts.get(at..)?.join("/")));
    let named = parts.iter().enumerate().filter(|(_, part)| **part == "vod").filter_map(|(at, _)| below(at + 1));
    let named: Vec<Route> = named.collect();
    if named.is_empty() { (0..parts.len()).filter_map(below).collect() } else { named }
}

/// The path of a URL, without scheme, host, query and fragment.
fn path_of(url: &str) -> &str {
    let behind_scheme = url.split_once("://").map(|(_, rest)| rest).or_else(|| url.strip_prefix("//"));
    let path = behind_scheme.map_or(url, |rest| rest.find('/').and_then(|at| rest.get(at..)).unwrap_or_default());
    path.split(['?', '#']).next().unwrap_or(path)
}

/// The parts of `path` with dot segments applied (RFC 3986 §5.2.4).
fn without_dots(path: &str) -> Vec<&str> {
    let mut parts = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop()),
            _ => parts.push(part),
        }
    }
    parts.split_off(parts.len().saturating_sub(PARTS))
}

#[cfg(test)]
mod tests {
    use super::routes;

    fn meant(url: &str) -> Vec<String> {
        routes(url).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn a_url_means_the_same_with_and_without_what_surrounds_its_path() {
        for url in [
            "/vod/a/index.mpd",
            "vod/a/index.mpd",
            "http://host:1/vod/a/index.mpd?CMCD=x#y",
            "https://cdn.example/vod/a/index.mpd",
            "//cdn.example/vod/a/index.mpd",
            "https://cdn.example/video/eu//vod/a/index.mpd?token=a/vod/b/index.mpd",
            " <https://cdn.example/vod/a/index.mpd>\n",
            "\"/vod/a/./index.mpd\"",
            "/vod/a/~000102030405060708090a0b/v1/../../index.mpd",
            "https://cdn.example/vod/x/../../../vod/a/index.mpd",
            "https://cdn.example/a/index.mpd",
            "a/index.mpd",
        ] {
            assert_eq!(meant(url).first().map(String::as_str), Some("/vod/a/index.mpd"), "{url}");
        }
    }

    #[test]
    fn a_reference_behind_its_playlist_s_folder_is_followed() {
        let playlist = "https://cdn.example/p/vod/films/night/~000102030405060708090a0b/v1/";
        assert_eq!(
            meant(&format!("{playlist}../../~0b0a09080706050403020100/v1/7.m4s")),
            ["/vod/films/night/~0b0a09080706050403020100/v1/7.m4s"]
        );
    }

    #[test]
    fn every_place_where_the_path_may_begin_is_tried() {
        assert_eq!(meant("/vod/vod/a/index.mpd"), ["/vod/vod/a/index.mpd", "/vod/a/index.mpd"]);
        assert_eq!(
            meant("https://h/p/films/a/index.mpd"),
            ["/vod/p/films/a/index.mpd", "/vod/films/a/index.mpd", "/vod/a/index.mpd"]
        );
        for url in ["", "/", "http://host", "/etc/passwd", "~000102030405060708090a0b/v1/7.m4s", "../..", "/vod/a"] {
            assert_eq!(meant(url), [""; 0], "{url}");
        }
    }
}
