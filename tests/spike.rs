//! A simultaneous crowd: each segment is built once, a client that hangs up takes nothing with it, and all clients get
//! the same error for unavailable content.

#![allow(
    clippy::as_conversions,
    clippy::cast_possible_truncation,
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "a test that panics has failed, and its numbers are small"
)]

#[path = "support/film.rs"]
mod film;
#[path = "support/process.rs"]
mod process;
#[path = "support/slow.rs"]
mod slow;
mod support;
#[path = "support/tolerant.rs"]
mod tolerant;

use film::{Film, Names, listed};
use process::{MIB, descriptors, rss};
use slow::Reader;
use std::collections::HashSet;
use std::fs::File;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::sync::Barrier;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};
use support::{Answer, Client, Server, until};
use tolerant::Got;

const MADE: &str = "afflux_cache_lookups_total{kind=\"segment\",outcome=\"made\"}";
const HIT: &str = "afflux_cache_lookups_total{kind=\"segment\",outcome=\"hit\"}";
const JOINED: &str = "afflux_cache_lookups_total{kind=\"segment\",outcome=\"joined\"}";
const SHED: &str = "afflux_cache_lookups_total{kind=\"segment\",outcome=\"shed\"}";
const TOO_LARGE: &str = "afflux_cache_lookups_total{kind=\"segment\",outcome=\"too_large\"}";
const READS: &str = "afflux_source_reads_total";
const READ_BYTES: &str = "afflux_source_read_bytes_total";

/// A server over `film` whose cache has these settings.
fn served(film: Film, cache: &str) -> (Server, tempfile::TempDir) {
    let house = film.house();
    let server = Server::start_with(
        house.path(),
        &format!("[log]\nlevel = \"error\"\n[store]\nsettle = \"0s\"\n[cache]\n{cache}"),
    );
    (server, house)
}

/// Sends a request on `client`, which stays open.
fn ask(client: &mut Client, path: &str) -> Answer {
    client.send(&format!("GET {path} HTTP/1.1\r\nHost: test\r\n\r\n"));
    client.answer("GET")
}

/// Results of `count` threads that begin at the same moment.
fn at_once<T: Send>(count: usize, each: impl Fn(usize) -> T + Sync) -> Vec<T> {
    let (start, each) = (&Barrier::new(count), &each);
    thread::scope(|scope| {
        let hand = |number| {
            move || {
                start.wait();
                each(number)
            }
        };
        let hands: Vec<_> = (0..count).map(|number| scope.spawn(hand(number))).collect();
        hands.into_iter().map(|hand| hand.join().unwrap()).collect()
    })
}

/// Number of 5xx responses.
fn errors(server: &Server) -> u64 {
    let metrics = server.private("/metrics");
    let lines = metrics.text().lines().filter(|line| line.starts_with("afflux_requests_total{"));
    let counts = lines.filter(|line| line.contains("status=\"5xx\"")).map(|line| line.rsplit(' ').next().unwrap());
    counts.map(|count| count.parse::<u64>().unwrap()).sum()
}

#[test]
fn two_hundred_who_ask_for_a_cold_film_at_once_are_one_read_of_it_and_one_make() {
    let (server, _house) = served(Film::large(20), "");
    let walk = |_| {
        let mut client = server.connect();
        let mut hash = blake3::Hasher::new();
        let mut next = |path: &str| {
            let answer = ask(&mut client, path);
            assert_eq!(answer.status, 200, "{path}");
            hash.update(&answer.body);
            answer
        };
        let entry = "/vod/film/index.m3u8";
        let playlist = listed(entry, next(entry).text()).swap_remove(0);
        let text = next(&playlist).text().to_owned();
        let (_, rest) = text.split_once("EXT-X-MAP:URI=\"").unwrap();
        next(&film::beside(&playlist, rest.split_once('"').unwrap().0));
        let segment = next(&listed(&playlist, &text)[7]);
        (hash.finalize(), segment.body.len())
    };
    let seen: HashSet<_> = at_once(200, walk).into_iter().collect();
    assert_eq!(seen.len(), 1, "all clients must get the same");
    assert!(seen.iter().all(|(_, segment)| *segment > 4_800_000));
    assert_eq!((server.metric("afflux_moov_reads_total"), server.metric(MADE), errors(&server)), (1, 1, 0));
    assert_eq!(server.metric(HIT) + server.metric(JOINED), 199);
}

/// Requests `path`, reads the head and `count` bytes of the body, and hangs up; `None` hangs up without reading.
fn leave(server: SocketAddr, path: &str, count: Option<usize>) {
    let mut stream = TcpStream::connect(server).unwrap();
    write!(stream, "GET {path} HTTP/1.1\r\nHost: leader\r\n\r\n").unwrap();
    let Some(count) = count else { return };
    let mut byte = [0];
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        stream.read_exact(&mut byte).unwrap();
        head.extend(byte);
    }
    stream.read_exact(&mut vec![0; count]).unwrap();
}

#[test]
fn a_leader_who_hangs_up_at_any_stage_takes_nothing_with_him() {
    let (server, _house) = served(Film::large(10), "");
    let names = Names::of(&server, "film", "index.m3u8");
    let (pristine, _other) = served(Film::large(10), "");
    let size = pristine.get(&names.segments[0], "").body.len();
    let stages = [None, Some(0), Some(1), Some(size / 2), Some(size - 1)];
    let cases = stages.into_iter().flat_map(|stage| [0, 8].map(|waiters| (stage, waiters)));
    for (made, ((stage, waiters), path)) in (1..).zip(cases.zip(&names.segments)) {
        let whole = pristine.get(path, "").body;
        thread::scope(|scope| {
            scope.spawn(|| leave(server.public, path, stage));
            for _ in 0..waiters {
                scope.spawn(|| assert!(server.get(path, "").body == whole, "{path} at {stage:?}"));
            }
        });
        // A build that a client without followers began also completes, and is not repeated.
        until("the end of making", || server.metric(MADE) == made && server.metric("afflux_bodies_making") == 0);
        let hits = server.metric(HIT);
        assert!(server.get(path, "").body == whole, "{path} at {stage:?}");
        assert_eq!((server.metric(MADE), server.metric(HIT)), (made, hits + 1), "{path} at {stage:?}");
    }
    assert_eq!((server.metric("afflux_bodies_making"), errors(&server)), (0, 0));
}

#[test]
fn aborts_by_the_hundred_leave_nothing_behind() {
    let film = Film::new(600, 8_000);
    let (server, _house) = served(film, "segments = \"32MiB\"\nmaking = \"8MiB\"\n");
    let names = Names::of(&server, "film", "index.m3u8");
    let pid = server.child.id();
    let calm = || {
        until("calm", || server.metric("afflux_connections") == 0 && server.metric("afflux_bodies_making") == 0);
    };
    calm();
    let (idle, open) = (rss(pid), descriptors(pid));
    for (number, some) in names.segments.chunks(50).enumerate() {
        let readers: Vec<Reader> = some.iter().map(|path| Reader::ask(server.public, path, "")).collect();
        for (at, mut reader) in readers.into_iter().enumerate() {
            // A third hangs up at once, the rest after a few bytes.
            if at % 3 != number % 3 {
                until("a first byte", || {
                    reader.sip(64 << 10);
                    reader.status().is_some()
                });
            }
            reader.reset();
        }
    }
    calm();
    let (grown, left) = (rss(pid).saturating_sub(idle), descriptors(pid));
    // The cache, segments being built, frames, pooled chunks; and memory that the allocator does not return.
    let bound = (32 + 8 + 12 + 8 + 8) * MIB;
    println!("{} MiB beyond idle, {left} descriptors, {open} before", grown / MIB);
    assert!(grown <= bound, "{grown} bytes beyond idle");
    // The metrics connection may account for one more.
    assert!(left <= open + 1, "{left} descriptors, {open} before");
    assert!(server.metric(MADE) > 300);
    assert_eq!(errors(&server), 0);
}

/// Bytes `from..to` of a segment; the response must be 206.
fn ranged(server: &Server, path: &str, (from, to): (usize, usize)) -> Vec<u8> {
    let answer = server.get(path, &format!("Range: bytes={from}-{}", to - 1));
    assert_eq!(answer.status, 206);
    answer.body
}

#[test]
fn a_small_range_of_a_cold_segment_reads_what_it_needs_and_many_make_it_whole() {
    let (server, _house) = served(Film::large(10), "");
    let path = Names::of(&server, "film", "index.m3u8").segments.swap_remove(5);
    let (pristine, _other) = served(Film::large(10), "");
    let whole = pristine.get(&path, "").body;
    let before = server.metric(READ_BYTES);
    assert!(ranged(&server, &path, (1_000_000, 1_100_000)) == whole[1_000_000..1_100_000]);
    let read = server.metric(READ_BYTES) - before;
    assert!((100_000..=101_000).contains(&read), "{read} bytes read");
    assert_eq!(server.metric(MADE), 1);
    // Together with earlier ranges, more than 1 MiB.
    assert!(ranged(&server, &path, (3_000_000, 4_000_000)) == whole[3_000_000..4_000_000]);
    until("the end of making", || server.metric(MADE) == 2 && server.metric("afflux_bodies_making") == 0);
    assert_eq!(server.metric(READ_BYTES) - before - read, 4_800_000);
    assert!(ranged(&server, &path, (0, whole.len())) == whole);
    assert_eq!(server.metric(READ_BYTES) - before - read, 4_800_000);
}

#[test]
fn what_is_not_sent_is_not_made() {
    let (server, _house) = served(Film::large(3), "");
    let path = Names::of(&server, "film", "index.m3u8").segments.swap_remove(1);
    let before = server.metric(READ_BYTES);
    let head = server.ask("HEAD", &path, "");
    assert_eq!((head.status, server.metric(MADE), server.metric(READ_BYTES)), (200, 0, before));
    let whole = server.get(&path, "");
    assert_eq!(head.header("content-length"), whole.header("content-length"));
    assert_eq!(server.metric(MADE), 1);
}

/// The parts of a multipart response.
fn parts(answer: &Answer) -> Vec<&[u8]> {
    let boundary = answer.header("content-type").unwrap().split_once("boundary=").unwrap().1.trim_matches('"');
    let mark = format!("\r\n--{boundary}");
    let mut at = Vec::new();
    let mut from = 0;
    while let Some(next) = answer.body[from..].windows(mark.len()).position(|some| some == mark.as_bytes()) {
        at.push(from + next);
        from += next + mark.len();
    }
    let part = |ends: &[usize]| {
        let part = &answer.body[ends[0]..ends[1]];
        let head = part[4..].windows(4).position(|four| four == b"\r\n\r\n").unwrap() + 8;
        &part[head..]
    };
    let opens = answer.body.starts_with(&mark.as_bytes()[2..]);
    let first = if opens { vec![0] } else { Vec::new() };
    [first, at].concat().windows(2).map(part).collect()
}

#[test]
fn ranges_of_a_segment_that_is_being_made_are_slices_of_it() {
    let (server, _house) = served(Film::large(10), "making = \"5MiB\"\n");
    let names = Names::of(&server, "film", "index.m3u8");
    let (pristine, _other) = served(Film::large(10), "");
    for path in &names.segments {
        let whole = pristine.get(path, "").body;
        let end = whole.len();
        at_once(9, |number| {
            if number == 0 {
                return assert!(server.get(path, "").body == whole);
            }
            let (from, to) = (number * 500_000, number * 500_000 + 300_000);
            let slices = [(from, to), (number, number + 1_000), (end - number, end)];
            let asked = slices.map(|(from, to)| format!("{from}-{}", to - 1)).join(",");
            let answer = server.get(path, &format!("Range: bytes={asked}"));
            assert_eq!(answer.status, 206);
            let got = parts(&answer);
            assert_eq!(got.len(), 3);
            for (got, (from, to)) in got.into_iter().zip(slices) {
                assert!(got == &whole[from..to], "{from}-{to} of {path}");
            }
            assert!(ranged(&server, path, (from, to)) == whole[from..to]);
        });
    }
    assert_eq!(errors(&server), 0);
}

#[test]
fn what_finds_no_room_is_told_to_come_again_and_nothing_else_waits_for_it() {
    // One build at a time, and no request waits.
    let film = Film::new(240, 7_000);
    let (server, _house) = served(film, "making = \"1MiB\"\nmaking_wait = \"0s\"\n");
    let names = Names::of(&server, "film", "index.m3u8");
    let (hot, cold) = names.segments.split_first().unwrap();
    assert_eq!(server.get(hot, "").status, 200);
    let over = AtomicBool::new(false);
    let shed: u64 = thread::scope(|scope| {
        let others = scope.spawn(|| {
            let mut count = 0;
            while !over.load(Ordering::Relaxed) {
                assert_eq!(server.get(hot, "").status, 200);
                assert_eq!(server.get(&names.playlist, "").status, 200);
                count += 1;
            }
            count
        });
        let refused = at_once(cold.len(), |number| {
            let answer = server.get(&cold[number], "");
            if answer.status == 200 {
                return 0;
            }
            let told = ["content-type", "cache-control"].map(|name| answer.header(name).unwrap());
            assert_eq!((answer.status, told), (503, ["application/problem+json", "no-store"]));
            assert!(answer.header("retry-after").unwrap().parse::<u64>().unwrap() >= 1);
            let timing = answer.header("server-timing").unwrap();
            assert!(timing.contains("cache;desc=\"shed\""), "{timing}");
            1
        });
        over.store(true, Ordering::Relaxed);
        assert!(others.join().unwrap() > 0);
        refused.into_iter().sum()
    });
    println!("{shed} of {} were shed", cold.len());
    assert!(shed > 0 && shed < cold.len() as u64, "{shed} were shed");
    assert_eq!(server.metric(SHED), shed);
    for path in cold {
        assert_eq!(server.get(path, "").status, 200, "{path}");
    }
    assert_eq!((server.metric(SHED), server.metric(MADE)), (shed, u64::from(film.segments)));
}

/// Damage to a file while it is being read: cuts it short.
fn truncate(path: &Path) {
    File::options().write(true).open(path).unwrap().set_len(1 << 20).unwrap();
}

/// Damage to a file while it is being read: overwrites media in place.
fn write_over(path: &Path) {
    let mut film = std::fs::read(path).unwrap();
    film[10_000..4_000_000].iter_mut().for_each(|byte| *byte = !*byte);
    File::options().write(true).open(path).unwrap().write_all(&film).unwrap();
}

#[test]
fn those_who_wait_for_a_maker_that_fails_get_right_bytes_or_one_refusal() {
    let film = Film::large(4);
    let (pristine, _other) = served(film, "");
    let (mut whole, mut short, mut refused) = (0, 0, 0);
    for (round, harm) in [truncate, write_over].repeat(4).into_iter().enumerate() {
        let (server, house) = served(film, "");
        let path = Names::of(&server, "film", "index.m3u8").segments.swap_remove(2);
        let right = pristine.get(&path, "").body;
        let victim = house.path().join("film.mp4");
        let got = at_once(21, |number| {
            if number == 20 {
                // In some rounds they have begun before.
                thread::sleep(Duration::from_millis(round as u64 / 2));
                harm(&victim);
                return None;
            }
            Some(tolerant::get(server.public, &path, None).unwrap())
        });
        for got in got.into_iter().flatten() {
            match got.status {
                200 if got.body.len() == got.promised => whole += 1,
                0 | 200 => short += 1,
                _ => {
                    got.check_problem(&path).unwrap();
                    refused += 1;
                }
            }
            assert!(got.status > 200 || right.starts_with(&got.body), "{} wrong bytes", got.body.len());
        }
        until("the end of making", || server.metric("afflux_bodies_making") == 0);
    }
    println!("{whole} whole, {short} short, {refused} refused");
    assert!(short + refused > 0);
}

#[test]
fn a_segment_that_cannot_be_made_is_not_tried_for_each_who_asks() {
    for harm in [truncate, write_over] {
        let (server, house) = served(Film::large(4), "");
        let names = Names::of(&server, "film", "index.m3u8");
        harm(&house.path().join("film.mp4"));
        let path = &names.segments[2];
        let first = tolerant::get(server.public, path, None).unwrap();
        let (reads, begun) = (server.metric(READS), Instant::now());
        let refusals = at_once(20, |_| (0..5).map(|_| tolerant::get(server.public, path, None).unwrap()).collect());
        let refusals: Vec<Got> = refusals.into_iter().flat_map(|some: Vec<Got>| some).collect();
        let (reads, took) = (server.metric(READS) - reads, begun.elapsed());
        println!("{} first, {reads} reads for 100 requests in {took:?}", first.status);
        for got in [first].iter().chain(&refusals) {
            got.check_problem(path).unwrap();
        }
        // The server remembers a failure for a second, then tries again. One check finds out the new state of the file.
        assert!(reads <= 8 + 2 * took.as_secs(), "{reads} reads in {took:?}");
    }
}

#[test]
fn a_segment_that_is_too_large_to_be_kept_is_made_for_each_and_takes_little() {
    let (server, _house) = served(Film::large(40), "segments = \"8MiB\"\n");
    let names = Names::of(&server, "film", "index.m3u8");
    let (pristine, _other) = served(Film::large(40), "");
    let pid = server.child.id();
    let idle = rss(pid);
    for (number, path) in (1..).zip(&names.segments) {
        assert!(server.get(path, "").body == pristine.get(path, "").body);
        assert_eq!((server.metric(TOO_LARGE), server.metric(MADE)), (number, 0));
    }
    let one = &names.segments[7];
    let bodies = at_once(20, |_| blake3::hash(&server.get(one, "").body));
    assert_eq!(bodies.into_iter().collect::<HashSet<_>>().len(), 1);
    assert_eq!(server.metric(TOO_LARGE), 60);
    let grown = rss(pid).saturating_sub(idle);
    println!("{} MiB beyond idle", grown / MIB);
    // Nothing is cached: only frames in flight and pooled chunks.
    assert!(grown <= (12 + 8 + 4) * MIB, "{grown} bytes beyond idle");
    assert_eq!((server.metric("afflux_cache_size_bytes{kind=\"segment\"}"), errors(&server)), (0, 0));
}
