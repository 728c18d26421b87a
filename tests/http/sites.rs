//! What pages of other sites may ask and read (Fetch §3.3).

use crate::site::{URLS, shared};

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
