//! HTTP by the letter, over sockets that hide nothing, against the real binary and the fixtures.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "what panics here fails a test")]

mod support;

use std::sync::{Arc, LazyLock, Mutex, Weak};
use std::time::{Duration, Instant};
use support::{Answer, Client, Server, fixtures};

/// One server for all tests that leave it as it is; it ends with the last of those that run.
fn shared() -> Arc<Server> {
    static SHARED: Mutex<Weak<Server>> = Mutex::new(Weak::new());
    let mut shared = SHARED.lock().unwrap();
    shared.upgrade().unwrap_or_else(|| {
        let server = Arc::new(Server::start(&fixtures(), &[]));
        *shared = Arc::downgrade(&server);
        server
    })
}

/// URLs of one asset, as its manifests say them.
struct Urls {
    entry: &'static str,
    playlist: String,
    init: String,
    segment: String,
}

static URLS: LazyLock<Urls> = LazyLock::new(|| {
    let server = shared();
    let entry = "/vod/natural/index.m3u8";
    let read = |path: &str| server.get(path, "").text().to_owned();
    let line = |text: &str| text.lines().find(|line| !line.starts_with('#') && !line.is_empty()).unwrap().to_owned();
    let playlist = beside(entry, &line(&read(entry)));
    let text = read(&playlist);
    let map = text.split_once("#EXT-X-MAP:URI=\"").unwrap().1.split_once('"').unwrap().0;
    Urls { entry, init: beside(&playlist, map), segment: beside(&playlist, &line(&text)), playlist }
});

/// What a relative reference in `of` names (RFC 3986 §5.2): beside it, each `..` one folder up.
fn beside(of: &str, reference: &str) -> String {
    let mut parts: Vec<&str> = of.split('/').collect();
    parts.pop();
    for part in reference.split('/') {
        match part {
            ".." => drop(parts.pop()),
            part => parts.push(part),
        }
    }
    parts.join("/")
}

/// A stored file of the asset, as the gallery says it.
static FILE: LazyLock<String> = LazyLock::new(|| {
    let server = shared();
    let json = server.get("/~gallery/assets.json?limit=200", "").json();
    let assets = json["assets"].as_array().unwrap();
    let natural = assets.iter().find(|asset| asset["id"] == "natural").unwrap();
    natural["files"][0].as_str().unwrap().to_owned()
});

fn segment() -> Answer {
    shared().get(&URLS.segment, "")
}

#[track_caller]
fn assert_problem(answer: &Answer, status: u16) {
    assert_eq!(answer.status, status);
    assert_eq!(answer.header("content-type"), Some("application/problem+json"));
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    let json = answer.json();
    assert_eq!((json["type"].as_str(), json["status"].as_u64()), (Some("about:blank"), Some(u64::from(status))));
    assert!(json["title"].is_string() && json["detail"].is_string());
}

/// Headers but the date, in order.
fn lasting(answer: &Answer) -> Vec<(String, String)> {
    let mut headers = answer.headers.clone();
    headers.retain(|(name, _)| name != "date");
    headers.sort();
    headers
}

// What is served.

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
    for headers in ["", "Accept-Encoding: gzip", "If-None-Match: *", "If-Match: \"x\""] {
        for path in [URLS.entry, &URLS.init, &URLS.segment, "/", "/vod/missing/index.mpd", "/~gallery/app.js"] {
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

// Conditions.

#[test]
fn if_none_match_answers_304_with_the_headers_of_200() {
    let server = shared();
    let full = segment();
    let etag = full.header("etag").unwrap();
    for value in [etag, "*", &format!("\"x\", W/{etag}"), &format!("\"a,b\",{etag}")] {
        let answer = server.get(&URLS.segment, &format!("If-None-Match: {value}\nRange: bytes=0-9"));
        assert_eq!((answer.status, answer.header("etag")), (304, Some(etag)), "{value}");
        assert_eq!(answer.header("cache-control"), full.header("cache-control"));
        assert_eq!(answer.header("access-control-allow-origin"), Some("*"));
    }
    assert_eq!(server.get(&URLS.segment, "If-None-Match: \"x\"").status, 200);
}

#[test]
fn if_match_answers_412() {
    let server = shared();
    let full = segment();
    let etag = full.header("etag").unwrap();
    assert_problem(&server.get(&URLS.segment, "If-Match: \"x\""), 412);
    assert_problem(&server.get(&URLS.segment, &format!("If-Match: W/{etag}")), 412);
    for value in [etag, "*", &format!("\"x\",{etag}")] {
        assert_eq!(server.get(&URLS.segment, &format!("If-Match: {value}")).status, 200);
    }
}

#[test]
fn dates_count_for_stored_files_alone() {
    let server = shared();
    let head = server.ask("HEAD", &FILE, "");
    let modified = head.header("last-modified").unwrap();
    let future = "Fri, 31 Dec 2100 23:59:59 GMT";
    let past = "Fri, 02 Jan 1970 00:00:00 GMT";
    let status = |path: &str, headers: String| server.ask("HEAD", path, &headers).status;
    assert_eq!(status(&FILE, format!("If-Modified-Since: {modified}")), 304);
    assert_eq!(status(&FILE, format!("If-Modified-Since: {future}")), 304);
    assert_eq!(status(&FILE, format!("If-Modified-Since: {past}")), 200);
    assert_eq!(status(&FILE, format!("If-Modified-Since: {future}\nIf-None-Match: \"x\"")), 200);
    assert_eq!(status(&FILE, format!("If-Unmodified-Since: {modified}")), 200);
    assert_eq!(status(&FILE, format!("If-Unmodified-Since: {past}")), 412);
    assert_eq!(status(&URLS.segment, format!("If-Modified-Since: {future}")), 200);
    assert_eq!(status(&URLS.segment, format!("If-Unmodified-Since: {past}")), 200);
}

// Ranges.

#[test]
fn single_ranges_are_slices_of_the_whole() {
    let server = shared();
    let whole = segment().body;
    let len = whole.len();
    let cases = [
        ("0-0".to_owned(), 0..1),
        ("0-".to_owned(), 0..len),
        ("10-19".to_owned(), 10..20),
        (format!("{}-", len - 1), len - 1..len),
        ("-5".to_owned(), len - 5..len),
        (format!("-{}", len + 5), 0..len),
        (format!("100-{}", len + 5), 100..len),
        (format!("100-{len}9999999999999999999999"), 100..len),
    ];
    for (spec, range) in cases {
        let answer = server.get(&URLS.segment, &format!("Range: bytes={spec}"));
        assert_eq!(answer.status, 206, "{spec}");
        let place = format!("bytes {}-{}/{len}", range.start, range.end - 1);
        assert_eq!(answer.header("content-range"), Some(place.as_str()), "{spec}");
        assert!(answer.body == whole[range], "{spec}");
        assert_eq!(answer.header("accept-ranges"), Some("bytes"));
    }
}

#[test]
fn past_the_end_is_416_with_the_length() {
    let server = shared();
    let len = segment().body.len();
    for spec in [format!("{len}-"), format!("{len}-{}", len + 5), "-0".to_owned(), format!("{len}-,-0")] {
        let answer = server.get(&URLS.segment, &format!("Range: bytes={spec}"));
        assert_problem(&answer, 416);
        assert_eq!(answer.header("content-range"), Some(format!("bytes */{len}").as_str()));
    }
}

#[test]
fn malformed_ranges_and_other_units_are_ignored() {
    let server = shared();
    for value in ["bytes=", "bytes=-", "bytes=5-4", "bytes=a-b", "bytes", "lines=0-1", "bytes=0-1,x", "bytes=0 -1"] {
        let answer = server.get(&URLS.init, &format!("Range: {value}"));
        assert_eq!((answer.status, answer.header("content-range")), (200, None), "{value}");
    }
    assert_eq!(server.get(&URLS.init, "Range: bytes=0-1\nRange: bytes=4-5").status, 200);
    assert_eq!(server.ask("HEAD", &URLS.init, "Range: bytes=0-1").status, 200);
}

#[test]
fn if_range_is_strong_or_nothing() {
    let server = shared();
    let whole = segment();
    let etag = whole.header("etag").unwrap();
    let status = |path: &str, value: &str| server.get(path, &format!("Range: bytes=0-1\nIf-Range: {value}")).status;
    assert_eq!(status(&URLS.segment, etag), 206);
    for value in [&format!("W/{etag}"), "\"x\"", "rubbish", "Sun, 06 Nov 1994 08:49:37 GMT"] {
        assert_eq!(status(&URLS.segment, value), 200, "{value}");
    }
    let modified = server.ask("HEAD", &FILE, "").header("last-modified").unwrap().to_owned();
    assert_eq!(status(&FILE, &modified), 206);
    assert_eq!(status(&FILE, "Fri, 31 Dec 2100 23:59:59 GMT"), 200);
}

#[test]
fn several_ranges_are_parts_in_their_order() {
    let server = shared();
    let whole = segment();
    let len = whole.body.len();
    let answer = server.get(&URLS.segment, "Range: bytes=1000-1009,0-4,-3");
    assert_eq!((answer.status, answer.header("content-range")), (206, None));
    let boundary = answer.header("content-type").unwrap().strip_prefix("multipart/byteranges; boundary=").unwrap();
    let media_type = whole.header("content-type").unwrap();
    let mut expected = Vec::new();
    for (at, range) in [1_000..1_010, 0..5, len - 3..len].into_iter().enumerate() {
        let before = if at == 0 { "" } else { "\r\n" };
        let place = format!("bytes {}-{}/{len}", range.start, range.end - 1);
        let head = format!("{before}--{boundary}\r\nContent-Type: {media_type}\r\nContent-Range: {place}\r\n\r\n");
        expected.extend(head.into_bytes());
        expected.extend(&whole.body[range]);
    }
    expected.extend(format!("\r\n--{boundary}--\r\n").into_bytes());
    assert!(answer.body == expected);
}

#[test]
fn greedy_ranges_get_no_byte_twice() {
    let server = shared();
    let whole = segment().body;
    let overlapping = server.get(&URLS.segment, "Range: bytes=0-,0-,0-,0-,0-");
    assert!(overlapping.status == 206 && overlapping.body == whole);
    let list: Vec<String> = (0..17).map(|at| format!("{}-{}", at * 500, at * 500)).collect();
    let many = server.get(&URLS.segment, &format!("Range: bytes={}", list.join(",")));
    assert!(many.status == 200 && many.body == whole);
}

// Compression.

fn unzipped(answer: &Answer) -> Vec<u8> {
    let mut text = Vec::new();
    std::io::Read::read_to_end(&mut flate2::read::GzDecoder::new(&answer.body[..]), &mut text).unwrap();
    text
}

#[test]
fn text_is_gzipped_under_a_tag_of_its_own() {
    let server = shared();
    for path in [URLS.entry, &URLS.playlist, "/vod/natural/index.mpd", "/", "/~gallery/assets.json"] {
        let (plain, packed) = (server.get(path, ""), server.get(path, "Accept-Encoding: br;q=1, gzip;q=0.8"));
        assert_eq!(
            (plain.header("content-encoding"), packed.header("content-encoding")),
            (None, Some("gzip")),
            "{path}"
        );
        assert_eq!((plain.header("vary"), packed.header("vary")), (Some("accept-encoding"), Some("accept-encoding")));
        assert_ne!(plain.header("etag"), packed.header("etag"), "{path}");
        assert_eq!(unzipped(&packed), plain.body, "{path}");
    }
    assert_eq!(server.get(&URLS.segment, "Accept-Encoding: gzip").header("content-encoding"), None);
}

#[test]
fn qualities_are_honoured() {
    let server = shared();
    let coding = |value: &str| {
        server.get(URLS.entry, &format!("Accept-Encoding: {value}")).header("content-encoding").map(String::from)
    };
    for value in ["gzip;q=0", "identity, gzip;q=0.5", "br", "", "*;q=0"] {
        assert_eq!(coding(value), None, "{value}");
    }
    for value in ["gzip", "*", "gzip, identity;q=1, *;q=0", "identity;q=0, *"] {
        assert_eq!(coding(value), Some("gzip".into()), "{value}");
    }
}

#[test]
fn each_coding_is_revalidated_by_its_own_tag() {
    let server = shared();
    let etag = |headers: &str| server.get(URLS.entry, headers).header("etag").unwrap().to_owned();
    let (plain, packed) = (etag(""), etag("Accept-Encoding: gzip"));
    let status = |headers: String| server.get(URLS.entry, &headers).status;
    assert_eq!(status(format!("If-None-Match: {plain}")), 304);
    assert_eq!(status(format!("If-None-Match: {packed}")), 200);
    assert_eq!(status(format!("Accept-Encoding: gzip\nIf-None-Match: {packed}")), 304);
    assert_eq!(status(format!("Accept-Encoding: gzip\nIf-None-Match: {plain}")), 200);
    assert_eq!(status(format!("Accept-Encoding: gzip\nIf-None-Match: {plain}, W/{packed}")), 304);
}

#[test]
fn a_range_of_text_is_one_of_the_identity() {
    let server = shared();
    let plain = server.get(URLS.entry, "");
    let answer = server.get(URLS.entry, "Range: bytes=0-\nAccept-Encoding: gzip, identity;q=1, *;q=0");
    assert_eq!((answer.status, answer.header("content-encoding")), (206, None));
    assert_eq!((answer.header("etag"), &answer.body), (plain.header("etag"), &plain.body));
    let refused = server.get(URLS.entry, "Range: bytes=0-9\nAccept-Encoding: gzip, identity;q=0");
    assert_eq!((refused.status, refused.header("content-encoding")), (200, Some("gzip")));
    assert_eq!(unzipped(&refused), plain.body);
}

// Errors.

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
    // A new file appears once it was the same for two looks.
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
}

#[test]
fn a_query_of_8_kib_is_none_of_our_business() {
    let server = shared();
    assert_eq!(server.get(&format!("{}?CMCD={}", URLS.entry, "a".repeat(8_000)), "").status, 200);
}

// Other sites.

#[test]
fn any_site_may_use_any_answer() {
    let server = shared();
    for (path, headers) in [
        (URLS.segment.as_str(), ""),
        (&URLS.segment, "Range: bytes=0-1"),
        (&URLS.segment, "If-None-Match: *"),
        (&URLS.segment, "Range: bytes=999999999-"),
        (&URLS.segment, "Transfer-Encoding: chunked"),
        ("/vod/missing/index.mpd", ""),
        ("/", ""),
    ] {
        let answer = server.get(path, &format!("Origin: https://player.example\n{headers}"));
        assert_eq!(answer.header("access-control-allow-origin"), Some("*"), "{path} {headers}");
        assert_eq!(answer.header("timing-allow-origin"), Some("*"));
        assert_eq!(answer.header("x-content-type-options"), Some("nosniff"));
        let exposed = answer.header("access-control-expose-headers").unwrap();
        for name in ["Content-Length", "Content-Range", "Date", "ETag", "Server-Timing"] {
            assert!(exposed.split(", ").any(|each| each == name), "{name}");
        }
    }
}

#[test]
fn a_preflight_allows_what_players_send() {
    let server = shared();
    let headers = "Origin: https://player.example\nAccess-Control-Request-Method: GET\n\
                   Access-Control-Request-Headers: range, cmcd-object, cmcd-request, cmcd-session, cmcd-status, x-mine";
    for path in [URLS.segment.as_str(), "/vod/missing/index.mpd"] {
        let answer = server.ask("OPTIONS", path, headers);
        assert_eq!((answer.status, answer.body.len()), (204, 0));
        assert_eq!(answer.header("access-control-allow-origin"), Some("*"));
        assert_eq!(answer.header("access-control-allow-methods"), Some("GET, HEAD, OPTIONS"));
        assert_eq!(answer.header("access-control-max-age"), Some("86400"));
        assert_eq!(
            answer.header("access-control-allow-headers"),
            Some("cmcd-object, cmcd-request, cmcd-session, cmcd-status, range")
        );
    }
    assert_eq!(server.ask("OPTIONS", "*", "").header("allow"), Some("GET, HEAD, OPTIONS"));
}

// Shapes of requests.

/// Sends `request` and expects a refusal after which the connection is closed.
#[track_caller]
fn assert_refused(request: &str) {
    let mut client = shared().connect();
    client.send(request);
    let answer = client.answer("GET");
    assert_eq!(answer.status, 400, "{request:?}");
    assert!(client.rest().is_none_or(|rest| rest.is_empty()), "{request:?}");
}

#[test]
fn requests_that_smuggle_are_refused_and_the_connection_is_closed() {
    let _server = shared();
    let follow = "GET /vod/natural/index.mpd HTTP/1.1\r\nHost: h\r\n\r\n";
    for headers in [
        "Transfer-Encoding: chunked",
        "Transfer-Encoding: chunked\r\nContent-Length: 5",
        "Content-Length: 5\r\nTransfer-Encoding: chunked",
        "Transfer-Encoding: identity",
        "Transfer-Encoding: xchunked",
        "Transfer-Encoding : chunked",
        "Transfer-Encoding:\x0bchunked",
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity",
        "Content-Length: 5",
        "Content-Length: 5\r\nContent-Length: 6",
        "Content-Length: 5, 5",
        "Content-Length: +5",
        "Content-Length: -1",
        "Content-Length: 0x5",
        " Content-Length: 5",
    ] {
        assert_refused(&format!("GET / HTTP/1.1\r\nHost: h\r\n{headers}\r\n\r\n0\r\n\r\n{follow}"));
        assert_refused(&format!("POST / HTTP/1.1\r\nHost: h\r\n{headers}\r\n\r\n0\r\n\r\n{follow}"));
    }
}

#[test]
fn http_1_1_has_exactly_one_host() {
    let _server = shared();
    for headers in
        ["", "Host: a\r\nHost: b\r\n", "Host: a\r\nHost: a\r\n", "Host: a b\r\n", "Host: a, b\r\n", "Host: u@a\r\n"]
    {
        assert_refused(&format!("GET / HTTP/1.1\r\n{headers}\r\n"));
    }
}

#[test]
fn http_1_0_is_answered_and_closed() {
    let server = shared();
    let mut client = server.connect();
    client.send("GET / HTTP/1.0\r\n\r\n");
    let answer = client.answer("GET");
    assert_eq!((answer.status, answer.header("transfer-encoding")), (200, None));
    assert_eq!(client.rest(), Some(Vec::new()));
}

#[test]
fn http_1_0_is_kept_alive_where_it_asks() {
    let server = shared();
    let mut client = server.connect();
    for _ in 0..2 {
        client.send("GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
        assert_eq!(client.answer("GET").status, 200);
    }
}

#[test]
fn the_absolute_form_is_understood() {
    let server = shared();
    let mut client = server.connect();
    client.send(&format!("GET http://elsewhere.example{} HTTP/1.1\r\nHost: elsewhere.example\r\n\r\n", URLS.entry));
    assert_eq!(client.answer("GET").status, 200);
}

#[test]
fn pipelined_requests_are_answered_in_order() {
    let server = shared();
    let mut client = server.connect();
    let get = |path: &str| format!("GET {path} HTTP/1.1\r\nHost: h\r\n\r\n");
    let head = format!("HEAD {} HTTP/1.1\r\nHost: h\r\n\r\n", URLS.segment);
    client.send(&[get(&URLS.segment), head, get("/missing"), get(URLS.entry)].concat());
    assert!(client.answer("GET").body == segment().body);
    assert_eq!(client.answer("HEAD").status, 200);
    assert_eq!(client.answer("GET").status, 404);
    assert_eq!(client.answer("GET").body, server.get(URLS.entry, "").body);
}

#[test]
fn a_client_that_finished_sending_is_still_answered() {
    let server = shared();
    let mut client = server.connect();
    client.send(&format!("GET {} HTTP/1.1\r\nHost: h\r\n\r\n", URLS.segment));
    client.finish();
    assert!(client.answer("GET").body == segment().body);
}

#[test]
fn a_head_of_20_kib_is_refused() {
    let server = shared();
    let mut client = server.connect();
    client.send(&format!("GET / HTTP/1.1\r\nHost: h\r\nX: {}\r\n\r\n", "x".repeat(20_000)));
    assert_eq!(client.head().status, 431);
}

// Slow and impatient clients.

#[test]
fn a_client_that_hangs_up_disturbs_no_one() {
    let server = shared();
    for _ in 0..20 {
        let mut client = server.connect();
        client.send(&format!("GET {} HTTP/1.1\r\nHost: h\r\n\r\n", URLS.segment));
        assert_eq!(client.head().status, 200);
        let _ = client.read(1_000);
    }
    assert_eq!(segment().status, 200);
}

#[test]
fn a_head_that_does_not_come_is_not_waited_for() {
    let server = Server::start_with(&fixtures(), "[http]\nheader_timeout = \"500ms\"");
    let closes = |sent: &str| {
        let (mut client, start) = (server.connect(), Instant::now());
        client.send(sent);
        while let Some(rest) = client.rest().filter(|rest| !rest.is_empty()) {
            assert!(rest.starts_with(b"HTTP/1.1 "));
        }
        let took = start.elapsed();
        assert!((400..5_000).contains(&took.as_millis()), "{sent:?} took {took:?}");
    };
    closes("");
    closes("GET / HTTP/1.1\r\nHo");
    // A connection that is kept is not kept for ever.
    closes("GET /missing HTTP/1.1\r\nHost: h\r\n\r\n");
}

#[test]
fn dripping_does_not_extend_the_time_for_a_head() {
    let server = Server::start_with(&fixtures(), "[http]\nheader_timeout = \"500ms\"");
    let (mut client, start) = (server.connect(), Instant::now());
    let stopper = Client::connect(server.private);
    for byte in "GET / HTTP/1.1\r\nHost: hhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhh".chars() {
        if std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| client.send(&byte.to_string()))).is_err() {
            break;
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    assert!(client.rest().is_none_or(|rest| rest.is_empty()));
    assert!(start.elapsed() < Duration::from_secs(5));
    drop(stopper);
}

#[test]
fn a_client_that_takes_nothing_is_cut_off() {
    let server = Server::start_with(&fixtures(), "[http]\nwrite_stall = \"500ms\"\nunsent = \"16KiB\"");
    let mut client = server.connect();
    // More than the kernel keeps on both sides.
    let get = format!("GET {} HTTP/1.1\r\nHost: h\r\n\r\n", FILE.as_str());
    client.send(&get.repeat(40));
    std::thread::sleep(Duration::from_secs(2));
    assert_eq!(client.rest(), None, "the connection is reset");
    assert_eq!(server.get("/", "").status, 200);
}

#[test]
fn fifty_slow_clients_do_not_hurt_the_next() {
    let server = shared();
    let mut slow: Vec<Client> = (0..50).map(|_| server.connect()).collect();
    for client in &mut slow {
        client.send(&format!("GET {} HTTP/1.1\r\nHost: h\r\n\r\n", URLS.segment));
    }
    let start = Instant::now();
    assert_eq!(segment().status, 200);
    assert!(start.elapsed() < Duration::from_secs(5));
}

#[test]
fn connections_past_the_bound_wait_for_their_turn() {
    let server = Server::start_with(&fixtures(), "[http]\nconnections = 2");
    let held = [server.connect(), server.connect()];
    let mut third = server.connect();
    third.send("GET / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n");
    std::thread::sleep(Duration::from_millis(300));
    drop(held);
    assert_eq!(third.answer("GET").status, 200);
}

// The gallery.

#[test]
fn the_gallery_is_served_from_the_binary_under_its_policy() {
    let server = shared();
    for (path, media_type) in [
        ("/", "text/html; charset=utf-8"),
        ("/~gallery/app.js", "text/javascript; charset=utf-8"),
        ("/~gallery/style.css", "text/css; charset=utf-8"),
        ("/~gallery/icon.svg", "image/svg+xml"),
        ("/favicon.ico", "image/svg+xml"),
        ("/~gallery/vendor/hls.min.js", "text/javascript; charset=utf-8"),
        ("/~gallery/vendor/shaka-player.dash-es2021.js", "text/javascript; charset=utf-8"),
        ("/~gallery/assets.json", "application/json"),
    ] {
        let answer = server.get(path, "");
        assert_eq!((answer.status, answer.header("content-type")), (200, Some(media_type)), "{path}");
        assert_eq!(answer.header("cache-control"), Some("no-cache"), "{path}");
        let policy = answer.header("content-security-policy").unwrap();
        assert!(policy.contains("default-src 'self'") && !policy.contains("unsafe"), "{path}");
        let again = server.get(path, &format!("If-None-Match: {}", answer.header("etag").unwrap()));
        assert_eq!(again.status, 304, "{path}");
    }
}

#[test]
fn a_page_of_the_gallery_has_1_to_200_assets() {
    let server = shared();
    for query in ["limit=0", "limit=201", "limit=x", "limit=-1", "after=..", "after=%00"] {
        assert_problem(&server.get(&format!("/~gallery/assets.json?{query}"), ""), 400);
    }
    let first = server.get("/~gallery/assets.json?limit=1", "").json();
    assert_eq!(first["assets"].as_array().unwrap().len(), 1);
    let next = first["next"].as_str().unwrap();
    let second = server.get(&format!("/~gallery/assets.json?limit=1&after={next}"), "").json();
    assert_ne!(first["assets"][0]["id"], second["assets"][0]["id"]);
}

// The private listener.

#[test]
fn health_readiness_and_metrics_are_private() {
    let server = shared();
    assert_eq!((server.private("/healthz").status, server.private("/readyz").status), (200, 200));
    assert_eq!(server.private("/").status, 404);
    for path in ["/healthz", "/readyz", "/metrics"] {
        assert_problem(&server.get(path, ""), 404);
    }
    let metrics = server.private("/metrics");
    assert_eq!(metrics.header("content-type"), Some("application/openmetrics-text; version=1.0.0; charset=utf-8"));
    for line in [
        "# TYPE afflux_requests counter",
        "# TYPE afflux_sent_bytes counter",
        "# TYPE afflux_connections gauge",
        "# TYPE afflux_cache_lookups counter",
        "# TYPE afflux_cache_size_bytes gauge",
        "# TYPE afflux_bodies_making gauge",
        "# TYPE afflux_moov_reads counter",
    ] {
        assert!(metrics.text().lines().any(|each| each == line), "{line}");
    }
}

#[test]
fn requests_and_bytes_are_counted() {
    let server = Server::start(&fixtures(), &[]);
    let count = |name: &str| -> u64 {
        let text = server.private("/metrics").text().to_owned();
        text.lines().find_map(|line| line.strip_prefix(name)?.trim().parse().ok()).unwrap()
    };
    let body = server.get("/~gallery/app.js", "").body.len();
    let _ = server.get("/vod/missing/index.m3u8", "");
    assert_eq!(count("afflux_requests_total{route=\"gallery\",status=\"2xx\"}"), 1);
    assert_eq!(count("afflux_requests_total{route=\"hls\",status=\"4xx\"}"), 1);
    // Bytes are counted once the kernel has them: the client may be faster.
    let (body, until) = (u64::try_from(body).unwrap(), Instant::now() + Duration::from_secs(5));
    while count("afflux_sent_bytes_total") <= body && Instant::now() < until {
        std::thread::sleep(Duration::from_millis(20));
    }
    assert!(count("afflux_sent_bytes_total") > body);
}
