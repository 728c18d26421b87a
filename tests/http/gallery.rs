//! The gallery.

use crate::site::{assert_problem, shared};
use crate::support::{Server, fixtures, on_disk_only};
use std::time::{Duration, SystemTime};

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

#[test]
fn names_are_searched_on_the_server_whatever_their_case_and_order() {
    let server = shared();
    let ids = |query: &str| -> Vec<String> {
        let page = server.get(&format!("/~gallery/assets.json?{query}"), "").json();
        let lines = page["assets"].as_array().unwrap();
        assert_eq!(page["total"].as_u64().unwrap(), u64::try_from(lines.len()).unwrap());
        lines.iter().map(|line| line["id"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(ids("q=LANGUAGES+two"), ["two-languages"]);
    assert_eq!(ids("q=nothing+is+called+so"), [""; 0]);
    assert_problem(&server.get(&format!("/~gallery/assets.json?q={}", "x".repeat(300)), ""), 400);
    for query in ["", "id=", "id=..", "id=%00"] {
        assert_problem(&server.get(&format!("/~gallery/asset.json?{query}"), ""), 400);
    }
    assert_problem(&server.get("/~gallery/asset.json?id=none", ""), 404);
}

#[test]
fn a_list_opens_no_film_and_tells_of_files_that_are_not_understood() {
    if on_disk_only("it counts the files that are opened") {
        return;
    }
    let media = tempfile::tempdir().unwrap();
    let long_ago = SystemTime::now() - Duration::from_hours(1);
    for name in ["a.mp4", "ladder/1.mp4", "ladder/2.mp4", "asset.mkv", "ladder/poster.jpg", "notes"] {
        let path = media.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::copy(fixtures().join("vfr.mp4"), &path).unwrap();
        std::fs::File::options().write(true).open(&path).unwrap().set_modified(long_ago).unwrap();
    }
    std::fs::copy(fixtures().join("barcode/180p.mp4"), media.path().join("ladder/2.mp4")).unwrap();
    let server = Server::start(media.path(), &[]);
    let page = server.get("/~gallery/assets.json", "").json();
    let lines: Vec<(&str, bool)> = page["assets"]
        .as_array()
        .unwrap()
        .iter()
        .map(|line| (line["id"].as_str().unwrap(), line["certain"].as_bool().unwrap()))
        .collect();
    assert_eq!(lines, [("a", true), ("ladder", false), ("ladder/1", false), ("ladder/2", false)]);
    let ignored = serde_json::json!({"count": 3, "files": [
        {"path": "asset.mkv", "format": "Matroska"},
        {"path": "notes", "format": null},
        {"path": "ladder/poster.jpg", "format": "JPEG"},
    ]});
    assert_eq!((&page["ignored"], &page["complete"]), (&ignored, &true.into()));
    assert_eq!(server.metric("afflux_moov_reads_total"), 0);
    // After the server has opened its files, it knows the kind of the folder.
    let ids: Vec<_> = server.assets().iter().map(|asset| asset["id"].as_str().unwrap().to_owned()).collect();
    assert_eq!(ids, ["a", "ladder/1", "ladder/2"]);
    let page = server.get("/~gallery/assets.json", "").json();
    assert!(page["assets"].as_array().unwrap().iter().any(|line| line["id"] == "ladder/1" && line["certain"] == true));
    assert!(page["assets"].as_array().unwrap().iter().all(|line| line["id"] != "ladder"));
}

#[test]
fn the_gallery_is_on_the_private_listener_or_nowhere_and_files_stay_where_they_are() {
    let media = tempfile::tempdir().unwrap();
    std::fs::copy(fixtures().join("vfr.mp4"), media.path().join("a.mp4")).unwrap();
    let settings = "[store]\nsettle = \"0s\"\n[site]\n";
    let paths = ["/", "/~gallery/app.js", "/~gallery/assets.json", "/~gallery/asset.json?id=a"];
    for (gallery, private) in [("private", 200), ("off", 404)] {
        let server = Server::start_with(media.path(), &format!("{settings}gallery = \"{gallery}\"\nfiles = false\n"));
        for path in paths {
            assert_problem(&server.get(path, ""), 404);
            assert_eq!(server.private(path).status, private, "{path}");
        }
        assert_eq!(server.get("/vod/a/index.m3u8", "").status, 200);
        assert_eq!(server.private("/vod/a/index.m3u8").status, private);
        assert_problem(&server.get("/vod/a/files/a.mp4", ""), 404);
        if private == 200 {
            assert_eq!(server.private("/~gallery/asset.json?id=a").json()["files"], serde_json::json!([]));
        }
    }
}
