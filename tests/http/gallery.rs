//! The gallery.

use crate::site::{assert_problem, shared};

#[test]
fn the_gallery_is_served_from_the_binary_under_its_policy() {
    let server = shared();
    for (path, media_type) in [
        ("/", "text/html; charset=utf-8"),
        ("/~gallery/app.js", "text/javascript; charset=utf-8"),
        ("/~gallery/cards.js", "text/javascript; charset=utf-8"),
        ("/~gallery/list.js", "text/javascript; charset=utf-8"),
        ("/~gallery/parts.js", "text/javascript; charset=utf-8"),
        ("/~gallery/player.js", "text/javascript; charset=utf-8"),
        ("/~gallery/words.js", "text/javascript; charset=utf-8"),
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
