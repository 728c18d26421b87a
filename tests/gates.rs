//! What an answer costs, counted: system calls, wake-ups, memory asked for. Not timed: the same on every machine.

#![allow(
    clippy::as_conversions,
    clippy::cast_possible_truncation,
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "what panics here fails a test, and its numbers are small"
)]

#[path = "support/film.rs"]
mod film;
#[path = "support/strace.rs"]
mod strace;
mod support;

use film::{FRAMES, Film, Names};
use strace::{Calls, Watch};
use support::Server;

/// Requests of one count, one after the other on one connection.
const REQUESTS: usize = 40;

/// A film of segments of about `bytes`, served, and its names. The settings are the default ones.
fn served(segments: u32, bytes: u32) -> (Server, Names, tempfile::TempDir) {
    let house = Film::new(segments, bytes / FRAMES).house();
    // Nothing of the look at the folder that is due each two seconds falls into the count.
    let server = Server::start_with(house.path(), "[store]\nsettle = \"0s\"\nrefresh = \"1h\"\n");
    let names = Names::of(&server, "film", "index.m3u8");
    (server, names, house)
}

/// What the answers to `paths` take, on a connection that is open and has been used.
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
    // One look after each read tells that the file is what it was.
    assert_eq!(calls.count(&["statx"]), REQUESTS, "{:?}", calls.table());
    // The request wakes the connection's task; the maker's may run on another thread, and its reader wait for it there.
    assert!(calls.wakes() <= 4 * REQUESTS, "{:?}", calls.table());
}

#[test]
fn a_hot_segment_of_2_mb_is_no_read_and_few_writes() {
    let (server, names, _house) = served(3, 2_000_000);
    let hot = vec![names.segments[1].clone(); REQUESTS];
    let calls = counted(&server, &names.segments[1], &hot);
    assert_eq!(calls.reads(), 0, "{:?}", calls.table());
    assert!(calls.writes() <= 8 * REQUESTS, "{:?}", calls.table());
    // Woken by the request, and by room in the socket as often as the client falls behind: a write each at most.
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
    // Woken by the request alone; a few more for timers, and for threads that look for work before they sleep.
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
        // Each request is a look.
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
    // A folder that was written to a moment ago is read again.
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
