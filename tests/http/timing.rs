//! The Server-Timing header (W3C Server Timing).

use crate::site::{FILE, URLS, shared};
use crate::support::{Answer, Server, fixtures};

/// Names of the stages with their parameters; a duration is checked and shown as `dur`.
#[track_caller]
fn stages(answer: &Answer) -> Vec<String> {
    let header = answer.header("server-timing").expect("Server-Timing");
    let stages: Vec<&str> = header.split(", ").collect();
    let (last, rest) = stages.split_last().unwrap();
    let total = millis(last.strip_prefix("total;dur=").expect(header));
    let waited: f64 = rest.iter().filter_map(|stage| stage.split_once(";dur=")).map(|(_, dur)| millis(dur)).sum();
    assert!(waited <= total && total < 60_000.0, "{header}");
    stages
        .iter()
        .map(|stage| {
            stage.split_once('=').filter(|(name, _)| name.ends_with("dur")).map_or(*stage, |(name, _)| name).to_owned()
        })
        .collect()
}

/// Parses digits with three decimals.
fn millis(text: &str) -> f64 {
    let (whole, decimals) = text.split_once('.').expect(text);
    assert!(decimals.len() == 3 && (whole.to_owned() + decimals).bytes().all(|byte| byte.is_ascii_digit()), "{text}");
    text.parse().unwrap()
}

#[test]
fn what_is_made_is_told_from_what_is_kept() {
    let server = Server::start(&fixtures(), &[]);
    for path in [URLS.entry, &URLS.segment] {
        assert_eq!(
            stages(&server.get(path, "")),
            ["open;dur", "cache;desc=\"made\"", "make;dur", "total;dur"],
            "{path}"
        );
        assert_eq!(stages(&server.get(path, "")), ["open;dur", "cache;desc=\"hit\"", "total;dur"], "{path}");
    }
}

#[test]
fn only_stages_that_were_passed_are_told() {
    let server = shared();
    let of = |path: &str, headers: &str| stages(&server.get(path, headers));
    assert_eq!(of(&URLS.init, ""), ["open;dur", "total;dur"]);
    assert_eq!(of(&FILE, "Range: bytes=0-9"), ["open;dur", "total;dur"]);
    assert_eq!(of("/vod/missing/index.mpd", ""), ["open;dur", "total;dur"]);
    assert_eq!(of("/nothing", ""), ["total;dur"]);
    assert_eq!(of("/", ""), ["total;dur"]);
    assert_eq!(of("/", "Accept-Encoding: br"), ["pack;dur", "total;dur"]);
    assert_eq!(of("/", "Content-Length: 5"), ["total;dur"]);
}

#[test]
fn every_way_to_answer_tells_it() {
    let server = shared();
    let _ = server.get(&URLS.segment, "");
    let hit = ["open;dur", "cache;desc=\"hit\"", "total;dur"];
    for (status, headers) in
        [(206, "Range: bytes=0-9"), (304, "If-None-Match: *"), (412, "If-Match: \"x\""), (416, "Range: bytes=-0")]
    {
        let answer = server.get(&URLS.segment, headers);
        assert_eq!((answer.status, stages(&answer)), (status, hit.map(String::from).to_vec()), "{headers}");
    }
    assert_eq!(stages(&server.ask("HEAD", &URLS.segment, "")), hit);
    assert_eq!(stages(&server.ask("OPTIONS", &URLS.segment, "")), ["total;dur"]);
}

#[test]
fn other_sites_may_read_it() {
    let server = shared();
    let answer = server.get(&URLS.segment, "Origin: https://player.example");
    assert_eq!(answer.header("timing-allow-origin"), Some("*"));
    let exposed = answer.header("access-control-expose-headers").unwrap();
    assert!(exposed.split(", ").any(|name| name == "Server-Timing"), "{exposed}");
}

#[test]
fn nothing_is_told_where_it_is_off() {
    let server = Server::start_with(&fixtures(), "[http]\nserver_timing = false");
    for path in [URLS.entry, &URLS.segment, "/", "/nothing"] {
        assert_eq!(server.get(path, "").header("server-timing"), None, "{path}");
    }
}
