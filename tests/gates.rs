//! Cost of a response, counted: system calls, wake-ups, allocations. Counts, unlike times, are the same on every
//! machine.

#![allow(
    clippy::as_conversions,
    clippy::cast_possible_truncation,
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "a test that panics has failed, and its numbers are small"
)]

#[path = "support/film.rs"]
mod film;
#[path = "support/strace.rs"]
mod strace;
mod support;

use film::{FRAMES, Film, Names};
use strace::{Calls, Watch};
use support::Server;

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
    let long_ago = std::time::SystemTime::now() - std::time::Duration::from_hours(1);
    std::fs::File::options().write(true).open(house.path().join("film.mp4")).unwrap().set_modified(long_ago).unwrap();
    for title in 0..50_000 {
        std::fs::hard_link(house.path().join("film.mp4"), house.path().join(format!("{title}.mp4"))).unwrap();
    }
    // The server would read a folder again that was written to a moment ago.
    std::thread::sleep(std::time::Duration::from_secs(3));
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
