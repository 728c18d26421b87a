//! Uploads over several servers: PostgreSQL and S3, separate workers, and an unreachable database.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "a test that panics has failed")]
#![allow(clippy::as_conversions, clippy::cast_possible_truncation, reason = "a test's numbers are small")]

#[path = "support/desk.rs"]
mod desk;
#[path = "support/house.rs"]
#[allow(dead_code, reason = "shared")]
mod house;
#[path = "support/postgres.rs"]
mod postgres;
mod support;

use desk::{Desk, film};
use postgres::Postgres;
use serde_json::json;
use std::collections::BTreeSet;
use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};
use std::time::Duration;
use support::until;

/// A short refresh, so that replicas notice changes soon.
const SOON: &str = "[store]\nrefresh_remote = \"1s\"\n";

#[test]
fn an_upload_goes_from_replica_to_replica_whichever_is_killed() {
    let Some(postgres) = Postgres::start() else { return };
    let mut one = Desk::far(&postgres.url(), SOON);
    let other = one.beside(SOON);
    // Longer than two parts of a multipart upload.
    let bytes = house::film("natural/352p.mp4", 19 << 20);
    let url = one.begin_upload(bytes.len() as u64, "night.mp4", Some("night"));
    let mut offset = 0;
    for (turn, part) in [1_usize, 9 << 20, 100_000, 7 << 20].into_iter().enumerate() {
        let desk = if turn % 2 == 0 { &one } else { &other };
        let answer = desk.patch(&url, offset as u64, &bytes[offset..offset + part]);
        assert_eq!(answer.status, 204, "{}", answer.text);
        offset += part;
        assert_eq!(one.offset(&url), offset as u64);
        assert_eq!(other.offset(&url), offset as u64);
        one.kill();
        one.start();
    }
    let answer = other.patch(&url, offset as u64, &bytes[offset..]);
    assert_eq!(answer.status, 204, "{}", answer.text);
    for desk in [&one, &other] {
        until("the other sees it", || desk.server.get("/vod/night/index.m3u8", "").status == 200);
        assert_eq!(desk.packets("/vod/night/index.m3u8"), desk.packets_of(&film()));
    }
    let file = one.get(&url).json["file"].as_str().unwrap().to_owned();
    assert!(std::fs::read(one.media().join("night").join(file)).unwrap() == bytes, "other bytes");
    assert!(one.staged().is_empty(), "{:?}", one.staged());
}

#[test]
fn real_clients_upload_to_a_bucket() {
    let Some(postgres) = Postgres::start() else { return };
    let desk = Desk::far(&postgres.url(), SOON);
    desk.node("tus.mjs", &film(), "by-js");
    desk.python("tus.py", &film(), "by-py");
    for path in ["/vod/by-js/index.m3u8", "/vod/by-py/index.m3u8"] {
        assert_eq!(desk.packets(path), desk.packets_of(&film()));
    }
    assert!(desk.staged().is_empty());
}

#[test]
fn a_bucket_that_goes_away_in_the_middle_of_a_part_loses_nothing() {
    let root = tempfile::tempdir().unwrap();
    let desk = Desk::far(&format!("sqlite:{}", root.path().join("library.db").display()), SOON);
    let bytes = house::film("natural/352p.mp4", 30 << 20);
    let url = desk.begin_upload(bytes.len() as u64, "night.mp4", Some("night"));
    let first = 9 << 20;
    assert_eq!(desk.patch(&url, 0, &bytes[..first]).status, 204);
    let mut client = desk.lingering(&url, first as u64, bytes.len() - first, &bytes[first..12 << 20]);
    std::thread::sleep(Duration::from_millis(300));
    desk.bucket_goes(true);
    // The second part is complete now, and the store does not take it.
    client.send_bytes(&bytes[12 << 20..(16 << 20) + 4_096]);
    let refused = client.answer("PATCH");
    assert_eq!(refused.status, 502, "{}", refused.text_lossy());
    assert!(refused.header("retry-after").is_some());
    assert_eq!(desk.offset(&url), first as u64);
    let again = desk.patch(&url, first as u64, &bytes[first..]);
    assert_eq!((again.status, desk.offset(&url)), (502, first as u64), "{}", again.text);
    desk.bucket_goes(false);
    let rest = desk.patch(&url, first as u64, &bytes[first..]);
    assert_eq!(rest.status, 204, "{}", rest.text);
    let file = desk.get(&url).json["file"].as_str().unwrap().to_owned();
    assert!(std::fs::read(desk.media().join("night").join(file)).unwrap() == bytes, "other bytes");
    assert!(desk.staged().is_empty(), "{:?}", desk.staged());
}

#[test]
fn a_file_is_put_into_the_bucket_by_its_client_where_the_store_signs_urls() {
    let root = tempfile::tempdir().unwrap();
    let library = format!("sqlite:{}", root.path().join("library.db").display());
    let desk = Desk::far(&library, SOON);
    let length = std::fs::metadata(film()).unwrap().len();
    let announced = json!({"asset": "night", "filename": "night.mp4", "length": length});
    let signed = desk.post("/api/direct", &announced);
    assert_eq!(signed.status, 201, "{}", signed.text);
    let id = signed.json["upload"]["id"].as_str().unwrap();
    let complete = format!("/api/uploads/{id}/complete");
    assert_eq!(desk.post(&complete, &json!({})).status, 409);
    desk.put_elsewhere(signed.json["url"].as_str().unwrap(), &film());
    // The file is in the store, but not visible yet.
    assert_eq!(desk.server.get("/vod/night/index.m3u8", "").status, 404);
    let done = desk.post(&complete, &json!({}));
    assert_eq!((done.status, &done.json["state"]), (200, &json!("published")), "{}", done.text);
    assert_eq!(desk.packets("/vod/night/index.m3u8"), desk.packets_of(&film()));
    let refuse = json!({"asset": "night", "filename": "night.mp4", "length": length, "on_conflict": "refuse"});
    assert_eq!(desk.post("/api/direct", &refuse).status, 409);
    let folder = Desk::new();
    let refused = folder.post("/api/direct", &announced);
    assert_eq!(refused.status, 501, "{}", refused.text);
    assert!(refused.text.contains("tus"), "{}", refused.text);
    assert!(!folder.media().join("night").exists());
}

#[test]
fn imports_do_not_hold_the_worker_that_publishes_them() {
    let source = Desk::new();
    source.put("night", "night.mp4");
    let url = format!("http://{}/vod/night/files/night.mp4", source.server.public);
    let desk = Desk::with("[ingest]\nimport_hosts = [\"127.0.0.1\"]\n[jobs]\nworkers = 1\n");
    // Each would wait for 20 s, and `until` waits for 40 s in all.
    for number in 0..3 {
        let begun = desk.post("/api/imports", &json!({"url": url, "asset": format!("copy{number}")}));
        assert_eq!(begun.status, 202, "{}", begun.text);
    }
    let published = || desk.get("/api/uploads?state=published").json["items"].as_array().map(Vec::len);
    until("all are published", || published() == Some(3));
}

#[test]
fn a_file_is_fetched_from_a_listed_host_and_from_no_other() {
    let source = Desk::new();
    source.put("night", "night.mp4");
    let file = source.get("/api/assets/night").json["renditions"][0]["file"].as_str().unwrap().to_owned();
    let url = format!("http://{}/vod/night/files/{file}", source.server.public);
    let desk = Desk::with("[ingest]\nimport_hosts = [\"127.0.0.1\"]\n");
    let begun = desk.post("/api/imports", &json!({"url": url, "asset": "copy"}));
    assert_eq!(begun.status, 202, "{}", begun.text);
    let id = format!("/api/uploads/{}", begun.json["id"].as_str().unwrap());
    until("it is fetched", || desk.get(&id).json["state"] == "published");
    assert_eq!(desk.packets("/vod/copy/index.m3u8"), desk.packets_of(&film()));
    for (policy, status) in [("refuse", 409), ("overwrite", 422), ("keep", 202)] {
        let again = desk.post("/api/imports", &json!({"url": url, "asset": "copy", "on_conflict": policy}));
        assert_eq!(again.status, status, "{policy}: {}", again.text);
    }
    for other in
        ["http://localhost:1/a.mp4", "http://169.254.169.254/a.mp4", "file:///etc/passwd", "http://u:p@127.0.0.1/a"]
    {
        let refused = desk.post("/api/imports", &json!({"url": other, "filename": "a.mp4"}));
        assert_eq!(refused.status, 400, "{other}: {}", refused.text);
    }
    assert_eq!(source.post("/api/imports", &json!({"url": url})).status, 400);
}

/// A Python web server that answers only GET, and slowly. It prints its address as the first line.
const SLOW: &str = "
import http.server, sys, time
class Slow(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        film = open(sys.argv[1], 'rb').read()
        self.send_response(200)
        self.send_header('Content-Length', str(len(film)))
        self.end_headers()
        for at in range(0, len(film), 100_000):
            self.wfile.write(film[at:at + 100_000])
            time.sleep(0.1)
server = http.server.ThreadingHTTPServer(('127.0.0.1', 0), Slow)
print(server.server_address[1], flush=True)
server.serve_forever()
";

#[test]
fn a_host_that_answers_get_alone_is_fetched_from_and_the_job_tells_how_far_it_is() {
    let mut command = Command::new("python3");
    let host = command.args(["-c", SLOW]).arg(film()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let mut host = desk::Worker(host);
    let mut port = String::new();
    BufReader::new(host.0.stdout.take().unwrap()).read_line(&mut port).unwrap();
    let desk = Desk::with("[ingest]\nimport_hosts = [\"127.0.0.1\"]\n[jobs]\nlease = \"1s\"\n");
    let url = format!("http://127.0.0.1:{}/night.mp4", port.trim());
    let begun = desk.post("/api/imports", &json!({"url": url, "asset": "copy"}));
    assert_eq!(begun.status, 202, "{}", begun.text);
    let mut told = BTreeSet::new();
    let id = format!("/api/uploads/{}", begun.json["id"].as_str().unwrap());
    until("it is fetched", || {
        told.insert(desk.get("/api/jobs?kind=import").json["items"][0]["progress"].as_i64().unwrap());
        desk.get(&id).json["state"] == "published"
    });
    assert!(told.iter().filter(|progress| (1..1_000).contains(*progress)).count() > 1, "{told:?}");
    assert_eq!(desk.packets("/vod/copy/index.m3u8"), desk.packets_of(&film()));
}

#[test]
fn a_worker_elsewhere_publishes_and_what_a_killed_one_had_is_anothers() {
    let alone = "[jobs]\nworkers = 0\nlease = \"1s\"\n";
    let desk = Desk::with(alone);
    let bytes = std::fs::read(film()).unwrap();
    let upload = |asset: &str| {
        let url = desk.begin_upload(bytes.len() as u64, "night.mp4", Some(asset));
        assert_eq!(desk.patch(&url, 0, &bytes).status, 204);
        url
    };
    let first = upload("first");
    assert_eq!(desk.get(&first).json["state"], "received");
    assert_eq!(desk.server.get("/vod/first/index.m3u8", "").status, 404);
    let mut worker = desk.worker();
    until("a worker does it", || desk.get(&first).json["state"] == "published");
    worker.0.kill().unwrap();
    let second = upload("second");
    let _another = desk.worker();
    until("another does it", || desk.get(&second).json["state"] == "published");
    // A worker killed after publication leaves its job to the other, which finds nothing to do.
    let jobs = || desk.get("/api/jobs?kind=finish").json["items"].as_array().unwrap().clone();
    until("the jobs are done", || jobs().iter().all(|job| job["state"] == "done"));
    assert_eq!(jobs().len(), 2);
    assert_eq!(desk.packets("/vod/second/index.m3u8"), desk.packets_of(&film()));
}

#[test]
fn players_go_on_while_the_database_is_away_and_uploads_go_on_when_it_is_back() {
    let Some(mut postgres) = Postgres::start() else { return };
    let desk = Desk::far(&postgres.url(), SOON);
    desk.put("night", "night.mp4");
    let bytes = std::fs::read(film()).unwrap();
    let url = desk.begin_upload(bytes.len() as u64, "more.mp4", Some("more"));
    assert_eq!(desk.patch(&url, 0, &bytes[..500_000]).status, 204);
    postgres.kill();
    let segments = desk.segments("/vod/night/index.m3u8");
    assert!(segments.len() > 8 && segments.iter().all(|url| desk.server.get(url, "").status == 200));
    assert_eq!(desk.packets("/vod/night/index.m3u8"), desk.packets_of(&film()));
    let away = desk.get("/api/assets");
    assert_eq!((away.status, away.header("retry-after")), (503, Some("1".into())), "{}", away.text);
    // A server that starts during the outage serves players too.
    let late = desk.starting_late();
    assert_eq!(late.server.get("/vod/night/index.m3u8", "").status, 200);
    assert_eq!(late.get("/api/assets").status, 503);
    postgres.resume();
    until("the library is back", || late.get("/api/assets").status == 200);
    until("the library is back", || desk.get("/api/assets").status == 200);
    assert_eq!(desk.offset(&url), 500_000);
    assert_eq!(late.patch(&url, 500_000, &bytes[500_000..]).status, 204);
    assert_eq!(late.packets("/vod/more/index.m3u8"), desk.packets_of(&film()));
}
