//! Cross-origin access for pages of other sites (Fetch §3.3).

use crate::site::{URLS, lasting, shared};

#[test]
fn any_site_may_use_any_answer() {
    let server = shared();
    let gone =
        URLS.segment.split('/').map(|part| if part.starts_with('~') { "~000000000000000000000000" } else { part });
    let gone = gone.collect::<Vec<_>>().join("/");
    let long = format!("/{}", "a".repeat(5_000));
    for (status, method, path, headers) in [
        (200, "GET", URLS.segment.as_str(), ""),
        (200, "HEAD", &URLS.segment, ""),
        (206, "GET", &URLS.segment, "Range: bytes=0-1"),
        (206, "GET", &URLS.segment, "Range: bytes=0-1,1000-1001"),
        (304, "GET", &URLS.segment, "If-None-Match: *"),
        (400, "GET", &URLS.segment, "Transfer-Encoding: chunked"),
        (400, "GET", "/~gallery/assets.json?limit=0", ""),
        (404, "GET", "/vod/missing/index.mpd", ""),
        (405, "POST", &URLS.segment, ""),
        (410, "GET", &gone, ""),
        (412, "GET", &URLS.segment, "If-Match: \"x\""),
        (414, "GET", &long, ""),
        (416, "GET", &URLS.segment, "Range: bytes=999999999-"),
        (200, "GET", "/", ""),
        (204, "OPTIONS", "/", ""),
    ] {
        let answer = server.ask(method, path, &format!("Origin: https://player.example\n{headers}"));
        assert_eq!(answer.status, status, "{path} {headers}");
        assert_eq!(answer.header("access-control-allow-origin"), Some("*"), "{status}");
        // A star would not count for requests with credentials, and the server uses no cookies.
        assert_eq!(answer.header("access-control-allow-credentials"), None, "{status}");
        assert_eq!(answer.header("timing-allow-origin"), Some("*"), "{status}");
        assert_eq!(answer.header("cross-origin-resource-policy"), Some("cross-origin"), "{status}");
        assert_eq!(answer.header("x-content-type-options"), Some("nosniff"), "{status}");
        let exposed = answer.header("access-control-expose-headers").unwrap();
        for name in ["Content-Length", "Content-Range", "Date", "ETag", "Server-Timing"] {
            assert!(exposed.split(", ").any(|each| each == name), "{status} {name}");
        }
    }
}

#[test]
fn what_is_the_same_for_all_sites_does_not_vary_by_site() {
    let server = shared();
    for path in [URLS.entry, &URLS.segment] {
        let (here, there) = (server.get(path, ""), server.get(path, "Origin: https://player.example"));
        assert_eq!((lasting(&here), &here.body), (lasting(&there), &there.body), "{path}");
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
