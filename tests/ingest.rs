//! From upload to playing, by clients that others wrote: curl, tus-js-client, tuspy; interrupted, resumed, refused.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "what panics here fails a test")]
#![allow(clippy::as_conversions, clippy::cast_possible_truncation, reason = "a test's numbers are small")]

#[path = "support/desk.rs"]
mod desk;
#[path = "support/house.rs"]
#[allow(dead_code, reason = "shared")]
mod house;
mod support;

use desk::{Desk, film, fixture};
use serde_json::json;
use std::collections::BTreeSet;
use std::time::Duration;
use support::{Server, is_on_s3, on_disk_only};

#[test]
fn a_film_plays_the_moment_its_last_byte_is_there() {
    let desk = Desk::new();
    let film = film();
    let answer = desk.curl(
        &["-X", "PUT", "--data-binary", &format!("@{}", film.display())],
        "/api/assets/films/night/files/night.mp4",
    );
    assert_eq!(answer.status, 201, "{}", answer.text);
    assert_eq!((&answer.json["state"], &answer.json["asset"]), (&json!("published"), &json!("films/night")));
    let playlist = desk.server.get("/vod/films/night/index.m3u8", "");
    assert_eq!(playlist.status, 200);
    assert!(playlist.text().starts_with("#EXTM3U"));
    assert_eq!(desk.packets("/vod/films/night/index.m3u8"), desk.packets_of(&film));
    assert_eq!(answer.json["urls"]["hls"], json!(format!("http://{}/vod/films/night/index.m3u8", desk.server.public)));
    // Nothing is left behind but the asset.
    assert!(desk.staged().is_empty());
}

#[test]
fn nobody_may_without_a_key_and_a_key_may_what_its_scope_says() {
    let desk = Desk::new();
    let refused = |key: &str, method: &str, path: &str| desk.ask_as(key, method, path, "").status;
    for (method, path) in [("GET", "/api/uploads"), ("GET", "/api/assets"), ("GET", "/api/jobs"), ("GET", "/api/keys")]
    {
        assert_eq!(refused("", method, path), 401, "{path}");
        assert_eq!(refused("afx_0", method, path), 401, "{path}");
    }
    let made = |scope: &str| {
        let made = desk.post("/api/keys", &json!({"name": scope, "scope": scope}));
        assert_eq!(made.status, 201, "{}", made.text);
        (made.json["secret"].as_str().unwrap().to_owned(), made.json["id"].as_str().unwrap().to_owned())
    };
    let (read, write) = (made("read"), made("write"));
    assert_eq!(refused(&read.0, "GET", "/api/assets"), 200);
    assert_eq!(refused(&read.0, "DELETE", "/api/assets/a"), 403);
    assert_eq!(refused(&write.0, "DELETE", "/api/assets/a"), 404);
    assert_eq!(refused(&write.0, "GET", "/api/keys"), 403);
    assert_eq!(refused(&desk.key, "DELETE", &format!("/api/keys/{}", read.1)), 204);
    assert_eq!(refused(&read.0, "GET", "/api/assets"), 401);
    // What is kept is no secret.
    let listed = desk.get("/api/keys").text;
    assert!(!listed.contains(&write.0) && listed.contains(&write.1));
}

#[test]
fn the_listener_for_uploads_takes_uploads_and_nothing_else() {
    let desk = Desk::with("[listen]\nupload = \"127.0.0.1:0\"\n");
    let film = film();
    let put = ["-X", "PUT", "--data-binary", &format!("@{}", film.display())];
    let answer = desk.curl_at(desk.uploads(), &put, "/api/assets/night/files/night.mp4");
    assert_eq!(answer.status, 201, "{}", answer.text);
    assert_eq!(desk.curl_at(desk.uploads(), &[], "/api/uploads").status, 200);
    assert_eq!(desk.curl_at(desk.uploads(), &[], "/upload").status, 200);
    for path in ["/api/keys", "/api/assets", "/api/jobs", "/metrics", "/healthz"] {
        assert_eq!(desk.curl_at(desk.uploads(), &[], path).status, 404, "{path}");
    }
    assert_eq!(desk.curl_at(desk.uploads(), &["-X", "DELETE"], "/api/assets/night").status, 405);
    assert_eq!(desk.packets("/vod/night/index.m3u8"), desk.packets_of(&film));
}

#[test]
fn an_upload_is_gone_on_with_after_a_kill_at_any_offset() {
    let mut desk = Desk::new();
    let bytes = std::fs::read(film()).unwrap();
    let url = desk.begin_upload(bytes.len() as u64, "night.mp4", Some("night"));
    let mut offset = 0;
    for part in [1, 100_000, 7, 300_000] {
        let end = (offset + part).min(bytes.len());
        let answer = desk.patch(&url, offset as u64, &bytes[offset..end]);
        assert_eq!((answer.status, answer.header("upload-offset")), (204, Some(end.to_string())));
        desk.kill();
        desk.start();
        assert_eq!(desk.offset(&url), end as u64);
        offset = end;
    }
    let answer = desk.patch(&url, offset as u64, &bytes[offset..]);
    assert_eq!(answer.status, 204, "{}", answer.text);
    assert_eq!(desk.packets("/vod/night/index.m3u8"), desk.packets_of(&film()));
    assert!(desk.staged().is_empty());
}

#[test]
fn what_is_no_video_is_refused_by_name_and_leaves_nothing() {
    let desk = Desk::new();
    for (name, bytes) in
        [("text.mp4", &b"this is no video at all"[..]), ("torn.mp4", &std::fs::read(film()).unwrap()[..40_000])]
    {
        let url = desk.begin_upload(bytes.len() as u64, name, Some("bad"));
        let answer = desk.patch(&url, 0, bytes);
        assert_eq!(answer.status, 422, "{}", answer.text);
        assert!(answer.json["detail"].as_str().unwrap().contains("bad/"), "{}", answer.text);
        let upload = desk.get(&url);
        assert_eq!(upload.json["state"], "refused");
        assert_eq!(upload.json["reason"], answer.json["detail"]);
        assert_eq!(desk.server.get("/vod/bad/index.m3u8", "").status, 404);
        assert!(!desk.media().join("bad").exists());
    }
    for (name, status) in [("a.exe", 415), ("a.mkv", 415), ("", 415)] {
        assert_eq!(desk.create(10, name, None).status, status, "{name}");
    }
    assert_eq!(desk.create(0, "a.mp4", None).status, 400);
    assert!(desk.staged().is_empty());
}

#[test]
fn too_much_is_refused_before_a_byte_is_taken() {
    let desk = Desk::with("[ingest]\nlargest = \"1GiB\"\nquota = \"2GiB\"\n");
    let large = desk.create(2 << 30, "a.mp4", None);
    assert_eq!(large.status, 413, "{}", large.text);
    assert!(large.text.contains("1073741824"), "{}", large.text);
    assert_eq!(desk.create(1 << 30, "a.mp4", None).status, 201);
    assert_eq!(desk.create(1 << 30, "b.mp4", None).status, 201);
    let over = desk.create(1, "c.mp4", None);
    assert_eq!(over.status, 413, "{}", over.text);
    assert!(over.text.contains("2147483648"), "{}", over.text);
}

#[test]
fn a_wrong_checksum_counts_for_nothing_and_a_right_one_does() {
    let desk = Desk::new();
    let bytes = std::fs::read(film()).unwrap();
    let url = desk.begin_upload(bytes.len() as u64, "night.mp4", None);
    let wrong = desk.patch_with(&url, 0, &bytes[..1_000], "Upload-Checksum: sha1 Kq5sNclPz7QV2+lfQIuc6R7oRu0=");
    assert_eq!(wrong.status, 460, "{}", wrong.text);
    assert_eq!(desk.offset(&url), 0);
    let right = desk.sha1(&bytes[..1_000]);
    let answer = desk.patch_with(&url, 0, &bytes[..1_000], &format!("Upload-Checksum: sha1 {right}"));
    assert_eq!((answer.status, desk.offset(&url)), (204, 1_000));
    let unknown = desk.patch_with(&url, 1_000, &bytes[1_000..1_001], "Upload-Checksum: crc32 AAAAAA==");
    assert_eq!(unknown.status, 400);
}

#[test]
fn the_second_writer_takes_over_and_nothing_is_mixed() {
    let desk = Desk::new();
    let bytes = std::fs::read(film()).unwrap();
    let url = desk.begin_upload(bytes.len() as u64, "night.mp4", Some("night"));
    // The first brings half of what it announced, of other bytes, and lingers.
    let mut slow = desk.lingering(&url, 0, bytes.len(), &vec![7; 150_000]);
    std::thread::sleep(Duration::from_millis(300));
    assert_eq!(desk.offset(&url), 0);
    let answer = desk.patch(&url, 0, &bytes);
    assert_eq!(answer.status, 204, "{}", answer.text);
    assert_eq!(slow.answer("PATCH").status, 423);
    assert_eq!(desk.packets("/vod/night/index.m3u8"), desk.packets_of(&film()));
}

#[test]
fn a_full_disk_is_told_and_the_upload_goes_on_when_there_is_room() {
    let Some((desk, room)) = Desk::on_disk_of("6m") else { return };
    let bytes = house::film("natural/352p.mp4", 12 << 20);
    let url = desk.begin_upload(bytes.len() as u64, "night.mp4", Some("night"));
    assert_eq!(desk.patch(&url, 0, &bytes[..1 << 20]).status, 204);
    let full = desk.patch(&url, 1 << 20, &bytes[1 << 20..]);
    assert_eq!(full.status, 507, "{}", full.text);
    let durable = desk.offset(&url) as usize;
    assert!(durable >= 1 << 20, "{durable}");
    // Players are served all the same.
    assert_eq!(desk.server.get("/", "").status, 200);
    room.resize("64m");
    let done = desk.patch(&url, durable as u64, &bytes[durable..]);
    assert_eq!(done.status, 204, "{}", done.text);
    assert_eq!(desk.packets("/vod/night/index.m3u8"), desk.packets_of(&film()));
}

#[test]
fn what_cannot_be_understood_is_a_problem_too() {
    let desk = Desk::new();
    let problem = |answer: desk::Told, status: u16| {
        let media_type = answer.header("content-type").unwrap();
        assert_eq!((answer.status, media_type.as_str()), (status, "application/problem+json"), "{}", answer.text);
        assert!(!answer.json["detail"].as_str().unwrap().is_empty());
        answer
    };
    problem(desk.send("POST", "/api/keys", &json!({"name": "ci"})), 422);
    problem(desk.curl(&["-X", "POST", "-d", "{"], "/api/keys"), 415);
    problem(desk.get("/api/assets?sort=size"), 400);
    problem(desk.get("/api/jobs?stat=dead"), 400);
    problem(desk.get("/api/nothing"), 404);
    let method = problem(desk.ask("POST", "/api/assets/night", ""), 405);
    assert_eq!(method.header("allow"), Some("GET, HEAD, DELETE, PATCH".into()));
}

#[test]
fn a_wrong_offset_is_told_the_right_one() {
    let desk = Desk::new();
    let url = desk.begin_upload(1_000, "night.mp4", None);
    let answer = desk.patch(&url, 10, &[1; 10]);
    assert_eq!((answer.status, answer.header("upload-offset")), (409, Some("0".into())));
    assert_eq!(desk.patch(&url, 0, &[1; 2_000]).status, 413);
    assert_eq!(desk.offset(&url), 0);
    assert_eq!(desk.ask("DELETE", &url, "").status, 204);
    assert_eq!(desk.patch(&url, 0, &[1; 10]).status, 404);
    assert!(desk.staged().is_empty());
}

#[test]
fn a_file_of_the_same_name_replaces_it_and_another_joins_and_viewers_go_on() {
    let desk = Desk::new();
    let put = |file: &std::path::Path, name: &str| {
        let path = format!("/api/assets/film/files/{name}");
        desk.curl(&["-X", "PUT", "--data-binary", &format!("@{}", file.display())], &path)
    };
    assert_eq!(put(&fixture("barcode/180p.mp4"), "original.mp4").status, 201);
    let before = desk.segments("/vod/film/index.m3u8");
    assert!(!before.is_empty());
    let joined = put(&fixture("barcode/360p.mp4"), "second.mp4");
    assert_eq!(joined.status, 201, "{}", joined.text);
    let after = desk.segments("/vod/film/index.m3u8");
    assert!(before.iter().all(|url| after.contains(url)), "{before:?} {after:?}");
    let replaced = put(&fixture("barcode/180p.mp4"), "second.mp4");
    assert_eq!(replaced.status, 201, "{}", replaced.text);
    let last = desk.segments("/vod/film/index.m3u8");
    assert!(before.iter().all(|url| last.contains(url)));
    // Who is in the middle of what was replaced goes on.
    let gone: Vec<&String> = after.iter().filter(|url| !last.contains(url)).collect();
    let statuses: Vec<u16> = gone.iter().map(|url| desk.server.get(url, "").status).collect();
    assert!(!gone.is_empty() && statuses.iter().all(|status| *status == 200), "{statuses:?} {gone:?}");
}

#[test]
fn a_deleted_asset_is_gone_and_can_be_had_back() {
    let desk = Desk::new();
    desk.put("films/night", "night.mp4");
    assert_eq!(
        desk.get("/api/assets/films/night").json["milliseconds"],
        desk.get("/api/assets?search=NIGHT").json["items"][0]["milliseconds"]
    );
    let versioned = desk.segments("/vod/films/night/index.m3u8");
    let statuses =
        |server: &Server| -> BTreeSet<u16> { versioned.iter().map(|url| server.get(url, "").status).collect() };
    let replica = (!is_on_s3()).then(|| Server::start_with(&desk.media(), "[store]\nsettle = \"0s\"\n"));
    for server in std::iter::once(&desk.server).chain(&replica) {
        assert_eq!(statuses(server), BTreeSet::from([200]));
    }
    let deleted = desk.ask("DELETE", "/api/assets/films/night", "");
    assert_eq!(deleted.status, 200, "{}", deleted.text);
    assert_eq!(desk.server.get("/vod/films/night/index.m3u8", "").status, 404);
    // What is in memory answers no more either, here at once and elsewhere after `store.refresh`.
    assert_eq!(statuses(&desk.server), BTreeSet::from([410]));
    let gone = desk.server.get(&versioned[0], "");
    assert!(gone.text().contains("no longer here") && gone.header("cache-control") == Some("no-store"), "{gone:?}");
    if let Some(replica) = &replica {
        std::thread::sleep(Duration::from_secs(4));
        assert_eq!(statuses(replica), BTreeSet::from([410]));
    }
    assert_eq!(desk.get("/api/assets").json["items"], json!([]));
    assert_eq!(desk.get("/api/assets?deleted=true").json["items"][0]["id"], "films/night");
    assert_eq!(desk.create(10, "a.mp4", Some("films/night")).status, 409);
    let restored = desk.send("PATCH", "/api/assets/films/night", &json!({"deleted": false}));
    assert_eq!(restored.status, 200, "{}", restored.text);
    assert_eq!(desk.server.get("/vod/films/night/index.m3u8", "").status, 200);
    assert_eq!(statuses(&desk.server), BTreeSet::from([200]));
}

#[test]
fn files_that_somebody_put_there_are_listed_and_not_touched() {
    if on_disk_only("it puts a file into the folder itself") {
        return;
    }
    let desk = Desk::with("[store]\nsettle = \"0s\"\n");
    std::fs::copy(film(), desk.media().join("mine.mp4")).unwrap();
    assert_eq!(desk.create(10, "x.mp4", Some("mine")).status, 409);
    let url = desk.begin_upload(1_000, "mine.mp4", None);
    let asset = desk.get(&url).json["asset"].as_str().unwrap().to_owned();
    assert!(asset.starts_with("mine-"), "{asset}");
    assert_eq!(desk.get("/api/assets/mine").json["files"], 1);
    let deleted = desk.ask("DELETE", "/api/assets/mine", "");
    assert_eq!(deleted.status, 200, "{}", deleted.text);
    assert_eq!(desk.server.get("/vod/mine/index.m3u8", "").status, 404);
    assert_eq!(desk.send("PATCH", "/api/assets/mine", &json!({"deleted": false})).status, 200);
    assert_eq!(desk.server.get("/vod/mine/index.m3u8", "").status, 200);
}

#[test]
fn tus_js_client_goes_on_after_interruptions() {
    let desk = Desk::new();
    desk.node("tus.mjs", &film(), "by-js");
    assert_eq!(desk.packets("/vod/by-js/index.m3u8"), desk.packets_of(&film()));
}

#[test]
fn tuspy_goes_on_after_interruptions() {
    let desk = Desk::new();
    desk.python("tus.py", &film(), "by-py");
    assert_eq!(desk.packets("/vod/by-py/index.m3u8"), desk.packets_of(&film()));
}
