//! From upload to playback with third-party clients: curl, tus-js-client, tuspy; interrupted, resumed, refused.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "a test that panics has failed")]
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
use std::process::Stdio;
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
    // Only the asset is left.
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
    // The list does not contain the secret.
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
    // The first client sends half of its announced bytes, with other content, and lingers.
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
    // Players are still served.
    assert_eq!(desk.server.get("/", "").status, 200);
    room.resize("64m");
    let done = desk.patch(&url, durable as u64, &bytes[durable..]);
    assert_eq!(done.status, 204, "{}", done.text);
    assert_eq!(desk.packets("/vod/night/index.m3u8"), desk.packets_of(&film()));
}

#[test]
fn an_upload_is_given_up_on_a_disk_that_is_full_to_the_last_byte() {
    let Some((mut desk, _disk)) = Desk::all_on_disk_of("8m") else { return };
    let bytes = house::film("natural/352p.mp4", 12 << 20);
    let url = desk.begin_upload(bytes.len() as u64, "night.mp4", Some("night"));
    let other = desk.begin_upload(bytes.len() as u64, "day.mp4", Some("day"));
    // Pieces that fit into the socket buffers: curl misses a response that arrives before it has sent everything.
    let mut pieces = bytes.chunks(256 << 10).zip((0..).step_by(256 << 10));
    let full = pieces.find_map(|(piece, at)| Some(desk.patch(&url, at, piece)).filter(|answer| answer.status != 204));
    let full = full.expect("12 MiB do not fit on a disk of 8");
    assert!(matches!(full.status, 503 | 507), "{} {}", full.status, full.text);
    // Other users of the disk take the rest of the space.
    let mut rest = std::fs::File::create(desk.media().join("rest")).unwrap();
    for size in [1 << 16, 4_096, 1] {
        while std::io::Write::write_all(&mut rest, &vec![1; size]).is_ok() {}
    }
    desk.kill();
    desk.start();
    // One upload has bytes to free, the other has none.
    for url in [&other, &url] {
        let given_up = desk.ask("DELETE", url, "Tus-Resumable: 1.0.0");
        assert_eq!(given_up.status, 204, "{}", given_up.text);
        assert_eq!(desk.get(url).status, 404);
    }
    assert!(desk.staged().is_empty());
}

#[test]
fn a_put_replaces_only_what_its_client_expects() {
    let desk = Desk::new();
    let put = |file: &str, conditions: &[&str]| {
        let data = format!("@{}", fixture(file).display());
        let headers: Vec<&str> = conditions.iter().flat_map(|condition| ["-H", *condition]).collect();
        desk.curl(&[&["-X", "PUT", "--data-binary", &data], &headers[..]].concat(), "/api/assets/film/files/a.mp4")
    };
    let only_where_something_is = put("barcode/180p.mp4", &["If-Match: *"]);
    assert_eq!(only_where_something_is.status, 412, "{}", only_where_something_is.text);
    let created = put("barcode/180p.mp4", &["If-None-Match: *"]);
    assert_eq!(created.status, 201, "{}", created.text);
    let first = created.header("etag").unwrap();
    assert_eq!(put("barcode/360p.mp4", &["If-None-Match: *"]).status, 412);
    assert_eq!(put("barcode/360p.mp4", &["If-Match: \"of another\""]).status, 412);
    assert_eq!(desk.get("/api/assets/film").json["renditions"][0]["etag"], json!(first));
    // `/files/` serves it with the same tag.
    let file = desk.get("/api/assets/film").json["renditions"][0]["file"].as_str().unwrap().to_owned();
    let served = desk.server.get(&format!("/vod/film/files/{file}"), "");
    assert_eq!(served.header("etag"), Some(first.as_str()));
    let replaced = put("barcode/360p.mp4", &[&format!("If-Match: {first}")]);
    assert_eq!(replaced.status, 200, "{}", replaced.text);
    let second = replaced.header("etag").unwrap();
    assert_ne!(first, second);
    assert_eq!(put("barcode/180p.mp4", &[&format!("If-Match: {first}")]).status, 412);
    assert_eq!(desk.get("/api/assets/film").json["renditions"][0]["etag"], json!(second));
    assert_eq!(put("barcode/180p.mp4", &[]).status, 200);
    assert!(desk.staged().is_empty());
}

#[test]
fn an_import_reaches_no_private_address_by_a_listed_name() {
    let desk = Desk::with("[ingest]\nimport_hosts = [\"localhost\"]\n");
    for host in ["localhost", "LOCALHOST.", "127.0.0.1", "[::1]", "[::ffff:127.0.0.1]"] {
        let url = format!("http://{host}:{}/metrics", desk.server.private.port());
        let refused = desk.post("/api/imports", &json!({"url": url, "filename": "a.mp4"}));
        assert_eq!(refused.status, 400, "{host}: {}", refused.text);
    }
    let url = format!("http://localhost:{}/metrics", desk.server.private.port());
    let refused = desk.post("/api/imports", &json!({"url": url, "filename": "a.mp4"}));
    assert!(refused.text.contains("is not a public address; ingest.import_hosts lists"), "{}", refused.text);
    assert_eq!(desk.get("/api/uploads").json["items"], json!([]));
}

#[test]
fn a_name_that_is_taken_is_kept_replaced_or_refused_as_the_upload_says() {
    let desk = Desk::new();
    let bytes = std::fs::read(film()).unwrap();
    let length = bytes.len() as u64;
    let create = |said: &[(&str, &str)]| desk.create_with(length, "night.mp4", said);
    let publish = |created: &desk::Told| {
        assert_eq!(created.status, 201, "{}", created.text);
        assert_eq!(desk.patch(&format!("/api/{}", created.header("location").unwrap()), 0, &bytes).status, 204);
        created.header("afflux-asset").unwrap()
    };
    assert_eq!(publish(&create(&[])), "night");
    // `/files/` serves it under its original name, though the store has another.
    let served = desk.server.get("/vod/night/files/night.mp4", "");
    assert_eq!((served.status, served.body == bytes), (200, true));
    let kept = publish(&create(&[]));
    assert!(kept.starts_with("night-"), "{kept}");
    assert_eq!(create(&[("on_conflict", "refuse")]).status, 409);
    assert_eq!(create(&[("on_conflict", "refuse"), ("asset", "night")]).status, 409);
    assert_eq!(create(&[("on_conflict", "overwrite")]).status, 400);
    let files = |asset: &str| desk.get(&format!("/api/assets/{asset}")).json["files"].clone();
    assert_eq!(publish(&create(&[("on_conflict", "replace")])), "night");
    assert_eq!((files("night"), files(&kept)), (json!(1), json!(1)));
    assert_eq!(publish(&create(&[("on_conflict", "keep"), ("asset", "night")])), "night");
    assert_eq!(files("night"), json!(2));
}

#[test]
fn what_an_asset_folder_holds_itself_is_no_name_of_an_asset() {
    let desk = Desk::new();
    for name in ["x/asset.json", "asset.json", "x/files", "x/index.m3u8", "x/ts.m3u8", "x/.afflux", "~x"] {
        assert_eq!(desk.create(10, "a.mp4", Some(name)).status, 400, "{name}");
    }
    assert_eq!(desk.create(10, "a.mp4", Some("x")).status, 201);
}

/// An MP4 of `samples` samples of one byte, each a keyframe of 6 s: a small file that makes a long plan.
fn poison(samples: u32) -> Vec<u8> {
    let words = |numbers: &[u32]| numbers.iter().flat_map(|number| number.to_be_bytes()).collect::<Vec<u8>>();
    let boxed = |kind: &[u8; 4], parts: &[&[u8]]| {
        let content = parts.concat();
        [&(content.len() as u32 + 8).to_be_bytes()[..], kind, &content].concat()
    };
    let film = std::fs::read(film()).unwrap();
    let at = film.windows(8).position(|bytes| bytes == b"stsd\0\0\0\0").unwrap() - 4;
    let size = u32::from_be_bytes(film[at..at + 4].try_into().unwrap()) as usize;
    let stsd = &film[at..at + size];
    let moov = |base: u32| {
        let table = |kind: &[u8; 4], numbers: &[u32]| boxed(kind, &[&words(&[&[0], numbers].concat())]);
        let tables = [
            table(b"stts", &[1, samples, 6]),
            table(b"stsc", &[1, 1, samples, 1]),
            table(b"stsz", &[1, samples]),
            table(b"stco", &[1, base]),
        ];
        let stbl = boxed(b"stbl", &[stsd, &tables.concat()]);
        let clock = boxed(b"mdhd", &[&words(&[0, 0, 0, 1, samples * 6, 0x55c4_0000])]);
        let hdlr = boxed(b"hdlr", &[&[0; 8], b"vide", &[0; 13]]);
        let mdia = boxed(b"mdia", &[&clock, &hdlr, &boxed(b"minf", &[&stbl])]);
        let tkhd = boxed(b"tkhd", &[&words(&[7, 0, 0, 1, 0, samples * 6]), &[0; 60]]);
        let head = boxed(b"mvhd", &[&[0; 12], &words(&[1, samples * 6, 0x1_0000]), &[0; 76]]);
        boxed(b"moov", &[&head, &boxed(b"trak", &[&tkhd, &mdia])])
    };
    let head = [boxed(b"ftyp", &[b"isom\0\0\0\0isomavc1"]), moov(0)].concat().len() as u32 + 8;
    let mdat = boxed(b"mdat", &[&vec![1; samples as usize]]);
    [boxed(b"ftyp", &[b"isom\0\0\0\0isomavc1"]), moov(head), mdat].concat()
}

#[test]
fn a_file_that_takes_more_memory_than_there_is_is_refused_and_the_server_lives() {
    let mut desk = Desk::with("[jobs]\ntrial_memory = \"64MiB\"\n");
    let bytes = poison(3_000_000);
    let url = desk.begin_upload(bytes.len() as u64, "poison.mp4", Some("poison"));
    let answer = desk.patch(&url, 0, &bytes);
    assert_eq!(answer.status, 422, "{}", answer.text);
    assert_eq!(desk.get(&url).json["state"], "refused");
    assert!(desk.server.child.try_wait().unwrap().is_none());
    desk.put("night", "night.mp4");
    desk.kill();
    desk.start();
    assert_eq!(desk.server.get("/vod/night/index.m3u8", "").status, 200);
    assert_eq!(desk.get("/api/jobs?state=running&kind=finish").json["items"], json!([]));
}

/// The last line of `afflux trial` with `memory` bytes allowed; `None` if it prints none.
fn tried(file: &std::path::Path, memory: u64) -> Option<String> {
    use std::io::{BufRead, BufReader, Write};
    let bytes = std::fs::read(file).unwrap();
    let mut command = support::afflux(&["trial"]);
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let (mut input, output) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
    let begun = json!({"size": bytes.len(), "target_millis": 6_000, "memory": memory});
    writeln!(input, "{begun}").unwrap();
    let mut last = None;
    for line in BufReader::new(output).lines().map_while(Result::ok) {
        if let Some((start, len)) = line.split_once(' ') {
            let start: usize = start.parse().unwrap();
            // The process may have ended.
            let _ = input.write_all(&bytes[start..start + len.parse::<usize>().unwrap()]);
        }
        last = Some(line);
    }
    child.wait().unwrap();
    last.filter(|line| !line.contains(' '))
}

#[test]
fn a_trial_ends_where_its_memory_ends_and_says_that_it_is_done_elsewhere() {
    let text = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(text.path(), "this is no video at all").unwrap();
    for file in [film().as_path(), text.path()] {
        assert_eq!(tried(file, 64 << 20).as_deref(), Some("done"), "{}", file.display());
    }
    assert_eq!(tried(&film(), 64 << 10), None);
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
    assert_eq!(replaced.status, 200, "{}", replaced.text);
    let last = desk.segments("/vod/film/index.m3u8");
    assert!(before.iter().all(|url| last.contains(url)));
    // Viewers in the middle of the replaced file continue.
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
    // Cached segments are no longer served: at once on this server, after `store.refresh` on the other.
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
