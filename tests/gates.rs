//! Cost of a response, counted: system calls, wake-ups, allocations. Counts, unlike times, are the same on every
//! machine.

#![allow(
    clippy::as_conversions,
    clippy::cast_possible_truncation,
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "a test that panics has failed, and its numbers are small"
)]

#[path = "support/desk.rs"]
mod desk;
#[path = "support/film.rs"]
mod film;
#[path = "support/strace.rs"]
mod strace;
mod support;

use afflux::ingest::now;
use afflux::library::{Library, UploadState};
use desk::Desk;
use film::{FRAMES, Film, Names};
use std::thread::sleep;
use std::time::{Duration, Instant};
use strace::{Calls, Watch};
use support::{Client, Server};

/// Requests per count, one after the other on one connection.
const REQUESTS: usize = 40;

/// A server over a film with segments of about `bytes`, and the names of the segments. Uses default settings.
fn served(segments: u32, bytes: u32) -> (Server, Names, tempfile::TempDir) {
    let house = Film::new(segments, bytes / FRAMES).house();
    // The refresh of the folder, due every two seconds, must not fall into the count.
    let server = Server::start_with(house.path(), "[store]\nsettle = \"0s\"\nrefresh = \"1h\"\n");
    let names = Names::of(&server, "film", "index.m3u8");
    (server, names, house)
}

/// System calls for the responses to `paths`, on an open connection that has been used before.
fn counted(server: &Server, warm: &str, paths: &[String]) -> Calls {
    let mut client = server.connect();
    let mut ask = |path: &str| {
        client.send(&format!("GET {path} HTTP/1.1\r\nHost: test\r\n\r\n"));
        assert_eq!(client.answer("GET").status, 200, "{path}");
    };
    for _ in 0..3 {
        ask(warm);
    }
    let watch = Watch::new(server);
    for path in paths {
        ask(path);
    }
    let calls = watch.stop();
    println!("{} requests, largest {}: {:?}", paths.len(), calls.largest(), calls.table());
    calls
}

#[test]
fn a_cold_segment_of_200_kb_is_one_read_and_two_writes() {
    let (server, names, _house) = served(60, 200_000);
    let calls = counted(&server, &names.segments[0], &names.segments[1..=REQUESTS]);
    assert_eq!(calls.reads(), REQUESTS, "{:?}", calls.table());
    assert!(calls.writes() <= 2 * REQUESTS, "{:?}", calls.table());
    // One `statx` after each read checks that the file did not change.
    assert_eq!(calls.count(&["statx"]), REQUESTS, "{:?}", calls.table());
    // The request wakes the connection's task; the builder's task may run on another thread, and there its reader waits
    // for it.
    assert!(calls.wakes() <= 4 * REQUESTS, "{:?}", calls.table());
}

#[test]
fn a_hot_segment_of_2_mb_is_no_read_and_few_writes() {
    let (server, names, _house) = served(3, 2_000_000);
    let hot = vec![names.segments[1].clone(); REQUESTS];
    let calls = counted(&server, &names.segments[1], &hot);
    assert_eq!(calls.reads(), 0, "{:?}", calls.table());
    assert!(calls.writes() <= 8 * REQUESTS, "{:?}", calls.table());
    // Wake-ups come from the request, and from room in the socket whenever the client falls behind: at most one write
    // each.
    assert!(calls.wakes() <= 2 * calls.writes(), "{:?}", calls.table());
}

#[test]
fn a_cached_playlist_is_one_receive_and_one_write() {
    let (server, names, _house) = served(1_000, 20_000);
    let again = vec![names.playlist.clone(); REQUESTS];
    let calls = counted(&server, &names.playlist, &again);
    assert_eq!(calls.writes(), REQUESTS, "{:?}", calls.table());
    assert_eq!(calls.count(&["recvfrom", "recvmsg", "read"]), REQUESTS, "{:?}", calls.table());
    assert_eq!(calls.reads(), 0, "{:?}", calls.table());
    // The request is the only wake-up; a few more are for timers, and for threads that look for work before they sleep.
    assert!(calls.wakes() <= REQUESTS * 5 / 4 + 10, "{:?}", calls.table());
    assert!(calls.all() <= 4 * REQUESTS, "{:?}", calls.table());
}

#[test]
fn no_allocation_is_large_however_large_the_segment_is() {
    let (server, names, _house) = served(30, 4_800_000);
    let transport = Names::of(&server, "film", "ts.m3u8");
    let calls = counted(&server, &names.playlist, &[&names.segments[..], &transport.segments].concat());
    // Read in steps of 1 MiB.
    assert!(calls.reads() >= 2 * 30 * 5, "{:?}", calls.table());
    assert!(calls.largest() > 0, "{:?}", calls.table());
    assert!(calls.largest() < 1 << 20, "{} bytes at once", calls.largest());
}

#[test]
fn a_look_at_one_of_50000_titles_is_as_many_calls_as_among_100() {
    let calls = [100, 50_000].map(|titles| {
        let house = Film::new(1, 100).house();
        for title in 0..titles {
            std::fs::hard_link(house.path().join("film.mp4"), house.path().join(format!("{title}.mp4"))).unwrap();
        }
        // Each request checks the folder.
        let server = Server::start_with(house.path(), "[store]\nsettle = \"0s\"\nrefresh = \"0s\"\n");
        let paths: Vec<String> = (0..REQUESTS).map(|title| format!("/vod/{title}/index.m3u8")).collect();
        counted(&server, "/vod/film/index.m3u8", &paths)
    });
    let [few, many] = calls;
    assert!(many.all() <= few.all() * 11 / 10 + 20, "{:?} {:?}", few.table(), many.table());
    let names = ["statx", "newfstatat", "getdents64", "openat", "readlink"];
    assert!(many.count(&names) <= few.count(&names) + REQUESTS, "{:?} {:?}", few.table(), many.table());
    assert!(few.count(&names) <= 100 * REQUESTS, "{:?}", few.table());
}

#[test]
fn a_search_among_50000_titles_is_one_request_and_reads_no_folder_that_did_not_change() {
    let house = Film::new(1, 100).house();
    let long_ago = std::time::SystemTime::now() - Duration::from_hours(1);
    std::fs::File::options().write(true).open(house.path().join("film.mp4")).unwrap().set_modified(long_ago).unwrap();
    for title in 0..50_000 {
        std::fs::hard_link(house.path().join("film.mp4"), house.path().join(format!("{title}.mp4"))).unwrap();
    }
    // The server would read a folder again that was written to a moment ago.
    sleep(Duration::from_secs(3));
    let server = Server::start_with(house.path(), "[store]\nrefresh = \"0s\"\n");
    let found = server.get("/~gallery/assets.json?q=4999&limit=200", "").json();
    let names: Vec<&str> =
        found["assets"].as_array().unwrap().iter().map(|line| line["id"].as_str().unwrap()).collect();
    assert_eq!(
        names,
        [
            "14999", "24999", "34999", "44999", "4999", "49990", "49991", "49992", "49993", "49994", "49995", "49996",
            "49997", "49998", "49999"
        ]
    );
    assert_eq!(
        (&found["total"], &found["next"], &found["complete"]),
        (&15.into(), &serde_json::Value::Null, &true.into())
    );
    let searches: Vec<String> = (0..REQUESTS).map(|at| format!("/~gallery/assets.json?q=4{at}")).collect();
    let calls = counted(&server, "/~gallery/assets.json?limit=1", &searches);
    assert_eq!(calls.count(&["getdents64"]), 0, "{:?}", calls.table());
    assert!(calls.count(&["statx", "newfstatat", "openat", "readlink"]) <= 4 * REQUESTS, "{:?}", calls.table());
    assert_eq!(server.metric("afflux_moov_reads_total"), 0);
}

/// The library of `desk`.
async fn library(desk: &Desk) -> Library {
    let path = desk.media().with_file_name("library.db");
    Library::open(&format!("sqlite:{}", path.display())).await.unwrap()
}

/// Waits until the upload `id` has this state.
async fn reached(library: &Library, id: &str, state: UploadState) {
    while library.upload(id).await.unwrap().unwrap().state != state {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// Sends a whole upload to the asset `night` in one request; returns its id and the client, which waits for the
/// response.
fn sent(desk: &Desk) -> (String, Client) {
    let bytes = std::fs::read(desk::film()).unwrap();
    let url = desk.begin_upload(bytes.len() as u64, "night.mp4", Some("night"));
    let client = desk.lingering(&url, 0, bytes.len(), &bytes);
    (url.rsplit_once('/').unwrap().1.to_owned(), client)
}

#[tokio::test]
async fn a_wait_for_a_worker_elsewhere_is_a_few_lookups() {
    let desk = Desk::with("[jobs]\nworkers = 0\n");
    let (id, _client) = sent(&desk);
    let library = library(&desk).await;
    reached(&library, &id, UploadState::Received).await;
    let watch = Watch::new(&desk.server);
    tokio::time::sleep(Duration::from_secs(2)).await;
    let calls = watch.stop();
    println!("{:?}", calls.table());
    // SQLite locks its log at the begin and the end of each read.
    assert!(calls.count(&["fcntl"]) <= 40, "{:?}", calls.table());
    assert_eq!(library.upload(&id).await.unwrap().unwrap().state, UploadState::Received);
}

#[tokio::test]
async fn an_upload_that_this_process_publishes_is_answered_at_once() {
    let desk = Desk::new();
    let library = library(&desk).await;
    // The job waits for the name, long enough that the next poll would be a second later.
    assert!(library.lock_asset("night", "somebody", i64::MAX, now()).await.unwrap());
    let (id, mut client) = sent(&desk);
    reached(&library, &id, UploadState::Received).await;
    tokio::time::sleep(Duration::from_millis(850)).await;
    assert!(library.unlock_asset("night", "somebody").await.unwrap());
    reached(&library, &id, UploadState::Published).await;
    let published = Instant::now();
    assert_eq!(client.answer("PATCH").status, 204);
    assert!(published.elapsed() < Duration::from_millis(400), "{:?}", published.elapsed());
}
