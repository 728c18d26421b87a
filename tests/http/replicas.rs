//! Replicas: servers over copies of the media give equal responses, and each builds a response once.

use crate::site::{FILE, URLS, beside, lasting, shared};
use crate::support::{Answer, Server, fixtures};
use std::fs;
use std::time::{Duration, Instant, SystemTime};

/// A server over a copy of `natural` whose files have other inodes and times.
fn replica(folder: &tempfile::TempDir, age: Duration) -> Server {
    let to = folder.path().join("natural");
    fs::create_dir(&to).unwrap();
    for entry in fs::read_dir(fixtures().join("natural")).unwrap() {
        let from = entry.unwrap().path();
        let copy = to.join(from.file_name().unwrap());
        fs::copy(&from, &copy).unwrap();
        fs::File::options().write(true).open(&copy).unwrap().set_modified(SystemTime::now() - age).unwrap();
    }
    let server = Server::start_with(folder.path(), "[store]\nrefresh = \"100ms\"");
    // A new file appears once two checks in a row found it unchanged.
    let until = Instant::now() + Duration::from_secs(10);
    while server.get(URLS.entry, "").status != 200 && Instant::now() < until {
        std::thread::sleep(Duration::from_millis(50));
    }
    server
}

#[test]
fn copies_of_the_media_have_the_same_tags_and_bytes_on_every_server() {
    let folders = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    let days = |count: u64| Duration::from_hours(24 * count);
    let replicas = [replica(&folders[0], days(1)), replica(&folders[1], days(400))];
    for coding in ["", "Accept-Encoding: gzip", "Accept-Encoding: br", "Range: bytes=5-99"] {
        for path in [URLS.entry, "/vod/natural/index.mpd", &URLS.playlist, &URLS.init, &URLS.segment, &FILE] {
            let of = |server: &Server| {
                let answer = server.get(path, coding);
                let mut headers = lasting(&answer);
                // A date does not identify bytes; the tag takes precedence (RFC 9110 §13.2.2).
                headers.retain(|(name, _)| name != "last-modified");
                (answer.status, headers, answer.body)
            };
            let first = of(&shared());
            assert!(matches!(first.0, 200 | 206), "{path}");
            assert!(replicas.iter().all(|replica| of(replica) == first), "{path} {coding}");
        }
    }
}

#[test]
fn a_tag_of_one_server_is_confirmed_by_another() {
    let folder = tempfile::tempdir().unwrap();
    let other = replica(&folder, Duration::from_hours(24));
    for path in [URLS.entry, &URLS.segment, &FILE] {
        let tag = shared().ask("HEAD", path, "").header("etag").unwrap().to_owned();
        assert_eq!(other.get(path, &format!("If-None-Match: {tag}")).status, 304, "{path}");
        assert_eq!(other.get(path, &format!("Range: bytes=0-9\nIf-Range: {tag}")).status, 206, "{path}");
    }
}

#[test]
fn a_segment_is_made_once_whatever_stands_in_the_query() {
    let server = Server::start(&fixtures(), &[]);
    let plain = server.get(&URLS.segment, "");
    for query in ["?CMCD=bl%3D3200%2Cot%3Dv", "?CMCD=bl%3D100", "?", "?a=b&c", "?token=x/../y", "?~version"] {
        let answer = server.get(&format!("{}{query}", URLS.segment), "CMCD-Request: bl=100\nCMCD-Session: sid=\"a\"");
        assert_eq!((lasting(&answer), &answer.body), (lasting(&plain), &plain.body), "{query}");
    }
    let made = |kind| server.metric(&format!("afflux_cache_lookups_total{{kind=\"{kind}\",outcome=\"made\"}}"));
    assert_eq!(made("segment"), 1);
    let hits = server.metric("afflux_cache_lookups_total{kind=\"segment\",outcome=\"hit\"}");
    assert_eq!(hits, 6);
    assert_eq!(server.get(URLS.entry, "").status, 200);
    // The entry names the media playlists by their content: count from after the first request.
    let manifests = made("manifest");
    for query in ["", "?CMCD=bl%3D3200", "?_HLS_msn=5"] {
        assert_eq!(server.get(&format!("{}{query}", URLS.entry), "").status, 200);
    }
    assert_eq!(made("manifest"), manifests);
}

/// A segment of more than 64 KiB: its path and its response.
fn large_segment(server: &Server) -> (String, Answer) {
    let lines = |path: &str| -> Vec<String> {
        let answer = server.get(path, "");
        let lines = answer.text().lines().filter(|line| !line.starts_with('#') && !line.is_empty());
        lines.map(|line| beside(path, line)).collect()
    };
    let segments = lines(URLS.entry).into_iter().flat_map(|playlist| lines(&playlist));
    let mut answers = segments.map(|path| (path.clone(), server.get(&path, "")));
    answers.find(|(_, answer)| answer.body.len() > 65_536).expect("a segment above 64 KiB")
}

#[test]
fn an_answer_that_was_given_up_is_asked_for_again_from_there_and_made_once() {
    let server = Server::start(&fixtures(), &[]);
    let (path, whole) = large_segment(&shared());
    for _ in 0..5 {
        // Chromium requests from the start, gives up in the middle, and requests the rest under the same tag.
        let mut client = server.connect();
        client.send(&format!("GET {path} HTTP/1.1\r\nHost: h\r\nRange: bytes=0-\r\n\r\n"));
        let begun = client.head();
        assert_eq!((begun.status, begun.header("etag")), (206, whole.header("etag")));
        let mut body = client.read(65_536);
        drop(client);
        let tag = begun.header("etag").unwrap();
        let rest = server.get(&path, &format!("Range: bytes=65536-\nIf-Range: {tag}"));
        assert_eq!(rest.status, 206);
        body.extend(&rest.body);
        assert!(body == whole.body);
    }
    assert_eq!(server.metric("afflux_cache_lookups_total{kind=\"segment\",outcome=\"made\"}"), 1);
}
