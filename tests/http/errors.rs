//! Error responses and their texts.

use crate::site::{URLS, assert_problem, shared};
use crate::support::Server;
use std::time::{Duration, Instant};

#[test]
fn what_is_not_there_is_404_without_being_kept() {
    let server = shared();
    for path in [
        "/nothing",
        "/vod/",
        "/vod/missing/index.m3u8",
        "/vod/natural/index.m4s",
        "/~gallery/",
        "/~gallery/vendor/other.js",
        "/vod/natural/~000000000000000000000000/x9/1.m4s",
    ] {
        let answer = server.get(path, "");
        assert_problem(&answer, 404);
        assert_eq!(answer.header("access-control-allow-origin"), Some("*"), "{path}");
    }
}

#[test]
fn no_spelling_climbs_out_of_the_store() {
    let server = shared();
    for path in [
        "/vod/../../etc/passwd",
        "/vod/natural/../../index.mpd",
        "/vod/natural/files/../../../etc/passwd",
        "/vod/natural/files/..%2f..%2fetc%2fpasswd",
        "/vod/natural/files/%2e%2e%2f%2e%2e%2fetc%2fpasswd",
        "/vod/natural/files/..%5c..%5cetc",
        "/vod/natural/files/%252e%252e%252fetc",
        "/vod/natural/files/%00",
        "/vod/%2e%2e/index.mpd",
        "/vod/.staging/index.mpd",
        "/~gallery/../config.toml",
        "/~gallery/%2e%2e/config.toml",
        "/~gallery//etc/passwd",
        "//etc/passwd",
        "/vod/%c0%ae%c0%ae/index.mpd",
        "/vod/%e0%80%ae%e0%80%ae/index.mpd",
        "/vod/%u002e%u002e/index.mpd",
        "/vod/..\\..\\etc/index.mpd",
        "/vod/natural/files/.%2e/.%2e/natural/360p.mp4",
        "/vod/natural/files/..;/360p.mp4",
        "/vod/natural/files/..%00/360p.mp4",
        "/vod/natural/files/%2fetc%2fpasswd",
        "/vod/natural/./index.mpd",
        "/vod//natural/index.mpd",
        "/vod/natural%2findex.mpd",
        "/vod/natural/index.mpd/",
        "/vod/natural/index.mpd%00",
        "/vod/natural/index.mpd%0d%0aX:%20y",
        "/VOD/natural/index.mpd",
    ] {
        assert_problem(&server.get(path, ""), 404);
    }
}

#[test]
fn an_unknown_version_is_410() {
    let server = shared();
    let (folder, name) = URLS.segment.rsplit_once('/').unwrap();
    let (before, track) = folder.rsplit_once('/').unwrap();
    let (asset, _) = before.rsplit_once('/').unwrap();
    let path = format!("{asset}/~000000000000000000000000/{track}/{name}");
    assert_problem(&server.get(&path, ""), 410);
}

#[test]
fn an_unreadable_file_is_422_and_names_it() {
    let media = tempfile::tempdir().unwrap();
    std::fs::write(media.path().join("broken.mp4"), b"\0\0\0\x07moov, they said").unwrap();
    let server = Server::start_with(media.path(), "[store]\nrefresh = \"0s\"");
    // A new file appears once two checks in a row found it unchanged.
    let until = Instant::now() + Duration::from_secs(10);
    let mut answer = server.get("/vod/broken/index.m3u8", "");
    while answer.status == 404 && Instant::now() < until {
        std::thread::sleep(Duration::from_millis(200));
        answer = server.get("/vod/broken/index.m3u8", "");
    }
    assert_problem(&answer, 422);
    assert!(answer.json()["detail"].as_str().unwrap().contains("broken.mp4"));
}

#[test]
fn other_methods_are_405_and_say_which_are_not() {
    let server = shared();
    for method in ["POST", "PUT", "DELETE", "PATCH", "TRACE", "BREW"] {
        let answer = server.ask(method, URLS.entry, "");
        assert_problem(&answer, 405);
        assert_eq!(answer.header("allow"), Some("GET, HEAD, OPTIONS"), "{method}");
    }
}

#[test]
fn a_path_of_5_kib_is_414() {
    let server = shared();
    assert_problem(&server.get(&format!("/vod/{}/index.mpd", "a".repeat(5_000)), ""), 414);
    assert_problem(&server.get(&format!("/vod/{}/index.mpd", "%61".repeat(5_000)), ""), 414);
}

#[test]
fn a_query_of_8_kib_is_none_of_our_business() {
    let server = shared();
    assert_eq!(server.get(&format!("{}?CMCD={}", URLS.entry, "a".repeat(8_000)), "").status, 200);
}

#[test]
fn a_path_that_is_spelled_otherwise_leads_to_its_one_spelling_or_nowhere() {
    let server = shared();
    let moved = |path: &str| {
        let answer = server.get(path, "");
        (answer.status, answer.header("location").map(String::from))
    };
    assert_eq!(moved("/vod/n%61tural/index.m3u8?a=b"), (301, Some("../natural/index.m3u8?a=b".into())));
    assert_eq!(moved("/vod/\u{ff0e}\u{ff0e}/index.mpd"), (301, Some("../%EF%BC%8E%EF%BC%8E/index.mpd".into())));
    assert_problem(&server.get("/vod/%EF%BC%8E%EF%BC%8E/index.mpd", ""), 404);
    assert_eq!(moved("/vod/natural/index%2Em3u8"), (301, Some("../natural/index.m3u8".into())));
    assert_eq!(moved("/vod/natural/%66iles/360p.mp4"), (301, Some("../../natural/files/360p.mp4".into())));
    assert_problem(&server.get(&URLS.segment.replacen('n', "%6e", 1), ""), 404);
    assert_problem(&server.get(&URLS.segment.replace(".m4s", ".%6D4s"), ""), 404);
}
