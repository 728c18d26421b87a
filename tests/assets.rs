//! Assets as an operator arranges them: `asset.json`, replaced files, broken neighbours. Uses the real binary and real
//! files.

#![allow(clippy::indexing_slicing, clippy::unwrap_used, reason = "a test that panics has failed")]

mod support;

use std::fs;
use std::path::Path;
use support::{Server, fixtures, until};

/// The server checks files ten times a second, and does not wait for them to settle.
const AT_ONCE: &str = "[store]\nrefresh = \"100ms\"\nsettle = \"0s\"\n";

/// Copies a fixture into `folder` under another name.
fn lay(fixture: &str, folder: &Path, name: &str) {
    fs::create_dir_all(folder).unwrap();
    fs::copy(fixtures().join(fixture), folder.join(name)).unwrap();
}

fn line<'a>(text: &'a str, start: &str) -> Vec<&'a str> {
    text.lines().filter(|line| line.starts_with(start)).collect()
}

/// The first segment in the media playlist that `entry` refers to.
fn first_segment(server: &Server, entry: &str) -> String {
    let base = entry.rsplit_once('/').unwrap().0;
    let multivariant = server.get(entry, "");
    let playlist = multivariant.text().lines().find(|line| !line.starts_with('#')).unwrap().to_owned();
    let media = server.get(&format!("{base}/{playlist}"), "");
    let segment = media.text().lines().find(|line| !line.starts_with('#')).unwrap().to_owned();
    format!("{base}/{}", segment.strip_prefix("../../").unwrap())
}

#[test]
fn asset_json_names_renditions_languages_labels_roles_and_the_default() {
    let media = tempfile::tempdir().unwrap();
    let film = media.path().join("film");
    lay("barcode/360p.mp4", &film, "360p.mp4");
    lay("barcode/180p.mp4", &film, "180p.mp4");
    lay("barcode/audio.mp4", &film, "original.m4a");
    lay("barcode/audio.mp4", &film, "talk.m4a");
    let json = r#"{"version":1,"title":"A film","reference":"360p.mp4","renditions":[
        {"file":"360p.mp4"},
        {"file":"original.m4a","tracks":[{"kind":"audio","label":"Français","language":"fr","role":"main"}]},
        {"file":"talk.m4a","tracks":[{"kind":"audio","label":"The director","language":"en","role":"commentary","default":true}]}]}"#;
    fs::write(film.join("asset.json"), json).unwrap();
    let server = Server::start(media.path(), &[]);
    let hls = server.get("/vod/film/index.m3u8", "");
    let tell = |line: &&str| {
        let part = |key: &str| line.split_once(key).map(|(_, rest)| rest.split([',', '\n']).next().unwrap().to_owned());
        (part("LANGUAGE=").unwrap(), part("NAME=").unwrap(), part("DEFAULT="))
    };
    let told: Vec<_> = line(hls.text(), "#EXT-X-MEDIA:").iter().map(tell).collect();
    let quoted = |text: &str| format!("\"{text}\"");
    let expected =
        [(quoted("fr"), quoted("Français"), None), (quoted("en"), quoted("The director"), Some("YES".to_owned()))];
    assert_eq!(told, expected);
    // asset.json does not list 180p.mp4, so the server does not serve it.
    assert_eq!(line(hls.text(), "#EXT-X-STREAM-INF:").len(), 1);
    let dash = server.get("/vod/film/index.mpd", "");
    let roles: Vec<_> = line(dash.text(), "<Role ").iter().map(|line| line.split("value=").nth(1).unwrap()).collect();
    assert_eq!(roles, ["\"main\"/>", "\"main\"/>", "\"commentary\"/>"]);
    let sets = line(dash.text(), "<AdaptationSet ");
    assert!(sets[1].contains("lang=\"fr\"") && sets[2].contains("lang=\"en\""), "{sets:?}");
    let gallery = server.assets();
    assert_eq!((&gallery[0]["title"], gallery.len()), (&"A film".into(), 1));
    // Search finds the title of an asset once the asset has been opened.
    let found = server.get("/~gallery/assets.json?q=a+FILM", "").json();
    assert_eq!((&found["total"], &found["assets"][0]["title"]), (&1.into(), &"A film".into()));
}

#[test]
fn a_wrong_asset_json_is_refused_by_line_and_mended_without_a_restart() {
    let media = tempfile::tempdir().unwrap();
    let film = media.path().join("film");
    lay("barcode/360p.mp4", &film, "360p.mp4");
    fs::write(film.join("asset.json"), "{\"version\":1,\n\"renditons\":[]}").unwrap();
    let server = Server::start_with(media.path(), AT_ONCE);
    let refused = server.get("/vod/film/index.m3u8", "");
    assert_eq!(refused.status, 422);
    let detail = refused.json()["detail"].as_str().unwrap().to_owned();
    assert!(detail.contains("unknown field `renditons`") && detail.contains("line 2"), "{detail}");
    fs::write(film.join("asset.json"), r#"{"version":1,"renditions":[{"file":"360p.mp4"}]}"#).unwrap();
    until("the mended asset", || server.get("/vod/film/index.m3u8", "").status == 200);
}

#[test]
fn a_replaced_file_gets_new_urls_and_viewers_in_the_middle_keep_the_old() {
    let media = tempfile::tempdir().unwrap();
    lay("vfr.mp4", media.path(), "film.mp4");
    let server = Server::start_with(media.path(), AT_ONCE);
    let entry = "/vod/film/index.m3u8";
    let old = first_segment(&server, entry);
    let before = server.get(&old, "");
    assert_eq!(before.status, 200);
    lay("co64.mp4", media.path(), ".film.mp4");
    fs::rename(media.path().join(".film.mp4"), media.path().join("film.mp4")).unwrap();
    until("the new version", || first_segment(&server, entry) != old);
    let new = first_segment(&server, entry);
    let (still, fresh) = (server.get(&old, ""), server.get(&new, ""));
    assert_eq!((still.status, &still.body), (200, &before.body));
    assert_eq!(fresh.status, 200);
    assert_ne!(fresh.body, before.body);
    // The whole old version is available, including later segments that nobody requested before.
    let second = old.replace("/1.m4s", "/2.m4s");
    assert_eq!(server.get(&second, "").status, 200);
    // A version that never existed answers 410.
    let version = old.split('~').nth(1).unwrap().split('/').next().unwrap();
    assert_eq!(server.get(&old.replace(version, "0123456789abcdef01234567"), "").status, 410);
}

#[test]
fn a_rung_that_joins_changes_no_url_of_the_others() {
    let media = tempfile::tempdir().unwrap();
    let film = media.path().join("film");
    lay("barcode/360p.mp4", &film, "360p.mp4");
    lay("barcode/audio.mp4", &film, "audio.m4a");
    let server = Server::start_with(media.path(), AT_ONCE);
    let segment = first_segment(&server, "/vod/film/index.m3u8");
    lay("barcode/180p.mp4", &film, "480p.mp4");
    let variants = || line(server.get("/vod/film/index.m3u8", "").text(), "#EXT-X-STREAM-INF:").len();
    until("the second rung", || variants() == 2);
    let dash = server.get("/vod/film/index.mpd", "");
    let version = segment.split('~').nth(1).unwrap().split('/').next().unwrap();
    assert!(dash.text().contains(version), "{version} is not in\n{}", dash.text());
}
