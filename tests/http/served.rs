//! Served content and its cache lifetimes.

use crate::site::{FILE, URLS, lasting, segment, shared};
use crate::support::fixtures;

#[test]
fn two_gets_are_equal() {
    let server = shared();
    for path in [URLS.entry, &URLS.playlist, &URLS.init, &URLS.segment, "/vod/natural/index.mpd", "/"] {
        let (one, two) = (server.get(path, ""), server.get(path, ""));
        assert_eq!(one.status, 200, "{path}");
        assert_eq!((lasting(&one), &one.body), (lasting(&two), &two.body), "{path}");
        assert!(one.header("etag").unwrap().starts_with('"'), "{path}");
        assert_eq!(one.header("content-length"), Some(one.body.len().to_string().as_str()), "{path}");
        assert!(one.header("date").is_some(), "{path}");
    }
}

#[test]
fn head_says_what_get_says() {
    let server = shared();
    for headers in ["", "Accept-Encoding: gzip", "Accept-Encoding: br", "If-None-Match: *", "If-Match: \"x\""] {
        for path in [URLS.entry, &URLS.init, &URLS.segment, "/", "/vod/missing/index.mpd", "/~gallery/app.js", &FILE] {
            let (get, head) = (server.get(path, headers), server.ask("HEAD", path, headers));
            assert_eq!((get.status, lasting(&get)), (head.status, lasting(&head)), "{path} {headers}");
        }
    }
}

#[test]
fn media_are_kept_for_ever_and_entries_for_seconds() {
    let server = shared();
    for path in [&URLS.playlist, &URLS.init, &URLS.segment] {
        let answer = server.get(path, "");
        assert_eq!(answer.header("cache-control"), Some("public, max-age=31536000, immutable"), "{path}");
    }
    for path in [URLS.entry, "/vod/natural/index.mpd", &FILE] {
        assert_eq!(server.get(path, "").header("cache-control"), Some("public, max-age=2"), "{path}");
    }
}

#[test]
fn queries_change_nothing() {
    let server = shared();
    let plain = segment();
    let query = server.get(&format!("{}?CMCD=bl%3D3200%2Cot%3Dv&x=/../y", URLS.segment), "CMCD-Object: br=3200");
    assert_eq!((lasting(&plain), plain.body), (lasting(&query), query.body));
}

#[test]
fn the_stored_file_is_served_as_it_is() {
    let server = shared();
    let name = FILE.rsplit_once('/').unwrap().1;
    let stored = std::fs::read(fixtures().join("natural").join(name)).unwrap();
    let answer = server.get(&FILE, "");
    assert_eq!((answer.status, answer.header("content-type")), (200, Some("video/mp4")));
    assert!(answer.header("last-modified").is_some());
    assert!(answer.body == stored);
    let middle = server.get(&FILE, &format!("Range: bytes={}-{}", stored.len() / 2, stored.len() / 2 + 400_000));
    assert!(
        middle.status == 206 && middle.body == stored[stored.len() / 2..(stored.len() / 2 + 400_001).min(stored.len())]
    );
}
