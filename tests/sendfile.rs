//! `store.sendfile`: segments sent straight from files have the same bytes, cost no read and no memory, and are never
//! complete if the file was written meanwhile. Only files that were not written recently are sent so.

#![allow(
    clippy::as_conversions,
    clippy::cast_possible_truncation,
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "a test that panics has failed, and its numbers are small"
)]
#![cfg(target_os = "linux")]

#[path = "support/film.rs"]
mod film;
#[path = "support/process.rs"]
mod process;
#[path = "support/slow.rs"]
mod slow;
#[path = "support/strace.rs"]
mod strace;
mod support;

use film::{Film, Names};
use process::{MIB, many_descriptors, rss};
use slow::{Reader, read_slowly};
use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant, SystemTime};
use strace::Watch;
use support::{Answer, Client, Server};

const MADE: &str = "afflux_cache_lookups_total{kind=\"segment\",outcome=\"made\"}";
const HIT: &str = "afflux_cache_lookups_total{kind=\"segment\",outcome=\"hit\"}";
const UNCOPIED: &str = "afflux_sent_uncopied_bytes_total";
const READ_BYTES: &str = "afflux_source_read_bytes_total";

/// Sets the last write of the film in `house` to `minutes` ago.
fn aged(house: &Path, minutes: u64) {
    let film = File::options().write(true).open(house.join("film.mp4")).unwrap();
    film.set_modified(SystemTime::now() - Duration::from_mins(minutes)).unwrap();
}

/// A server over `media` that checks its film once and may use sendfile for it, as it is old enough.
fn sending(media: &Path) -> Server {
    aged(media, 11);
    Server::start_with(media, "[store]\nsettle = \"0s\"\nrefresh = \"1h\"\n")
}

/// A server that reads instead of using sendfile.
fn reading(media: &Path) -> Server {
    Server::start_with(media, "[store]\nsettle = \"0s\"\nsendfile = false\n")
}

/// Number of open descriptors of the server.
fn descriptors(server: &Server) -> usize {
    fs::read_dir(format!("/proc/{}/fd", server.child.id())).unwrap().count()
}

fn ask(client: &mut Client, path: &str, headers: &str) -> Answer {
    client.send(&format!("GET {path} HTTP/1.1\r\nHost: test\r\n{headers}\r\n"));
    client.answer("GET")
}

#[test]
fn segments_sent_from_files_keep_no_file_open() {
    const FILMS: usize = 700;
    let house = Film::new(2, 1_000).house();
    aged(house.path(), 11);
    let first = house.path().join("film.mp4");
    let written = fs::metadata(&first).unwrap().modified().unwrap();
    for number in 1..FILMS {
        let copy = house.path().join(format!("film{number}.mp4"));
        fs::copy(&first, &copy).unwrap();
        File::options().write(true).open(copy).unwrap().set_modified(written).unwrap();
    }
    let server = sending(house.path());
    let names = Names::of(&server, "film", "index.m3u8");
    let mut client = server.connect();
    let before = server.metric(UNCOPIED);
    for number in 1..FILMS {
        // The bytes are the same, so their versions are, too.
        let path = names.segments[0].replace("/vod/film/", &format!("/vod/film{number}/"));
        assert_eq!(ask(&mut client, &path, "").status, 200, "{path}");
    }
    assert!(server.metric(UNCOPIED) - before > (FILMS as u64) * 100_000);
    // The catalog keeps at most 512 films open.
    let open = descriptors(&server);
    assert!(open < 600, "{open} descriptors");
}

#[test]
fn what_is_sent_from_a_file_is_what_is_made_in_memory() {
    // In one piece, in pieces large enough for a sendfile each, in pieces that are gathered.
    for film in [Film::large(6), Film::large(6).in_pieces_of(25), Film::new(6, 4_000).in_pieces_of(10)] {
        let house = film.house();
        let (server, pristine) = (sending(house.path()), reading(house.path()));
        let names = Names::of(&server, "film", "index.m3u8");
        let mut client = server.connect();
        for (count, path) in (1..).zip(&names.segments) {
            let whole = pristine.get(path, "").body;
            let size = whole.len();
            // From the file three times, then from memory.
            for turn in 0..5 {
                let answer = ask(&mut client, path, "");
                assert!(answer.status == 200 && answer.body == whole, "{path}, {turn}");
                // Part of the head, the border between it and the samples, the middle, the end.
                for (from, to) in [(0, 10), (500, 90_000), (size / 3, size - size / 5), (size - 1, size)] {
                    let answer = ask(&mut client, path, &format!("Range: bytes={from}-{}\r\n", to - 1));
                    assert!(answer.status == 206 && answer.body == whole[from..to], "{path}, {turn}: {from}..{to}");
                }
            }
            assert_eq!(server.metric(MADE), count);
            assert!(server.metric(HIT) > 10 * count);
        }
    }
}

#[test]
fn only_a_file_that_rests_is_sent_as_it_stands() {
    let house = Film::new(4, 12_000).house();
    for (minutes, sent) in [(9, false), (11, true)] {
        aged(house.path(), minutes);
        let server = Server::start_with(house.path(), "[store]\nsettle = \"0s\"\n");
        let names = Names::of(&server, "film", "index.m3u8");
        let mut client = server.connect();
        let watch = Watch::new(&server);
        for path in &names.segments {
            assert_eq!(ask(&mut client, path, "").body.len() / 100_000, 18);
        }
        assert_eq!(server.metric(UNCOPIED) > 4 * 1_700_000, sent);
        assert_eq!(watch.stop().count(&["sendfile"]) > 0, sent, "written to {minutes} minutes ago");
    }
}

#[test]
fn what_lies_in_small_pieces_is_gathered() {
    let house = Film::new(60, 4_000).in_pieces_of(10).house();
    let server = sending(house.path());
    let names = Names::of(&server, "film", "index.m3u8");
    let mut client = server.connect();
    ask(&mut client, &names.playlist, "");
    let before = server.metric(READ_BYTES);
    let watch = Watch::new(&server);
    let mut bytes = 0;
    for path in &names.segments[..40] {
        bytes += ask(&mut client, path, "").body.len() as u64;
    }
    let calls = watch.stop();
    println!("{:?}", calls.table());
    // 15 pieces of 40 kB into a pipe of 64 KiB: each takes one or two splices in, and there are ten splices out.
    assert!((30 * 40..45 * 40).contains(&calls.count(&["splice"])), "{:?}", calls.table());
    // The last piece goes by itself if it did not fit.
    assert!(calls.count(&["sendfile"]) <= 40 && calls.count(&["pipe2"]) <= 2, "{:?}", calls.table());
    assert!(calls.largest() < MIB, "{} bytes at once", calls.largest());
    let sent = server.metric(READ_BYTES) - before;
    assert!(bytes - sent < 40 * 8_000, "{sent} of {bytes} bytes were sent from the file");
}

#[test]
fn pipes_are_few_however_many_read_slowly_or_hang_up() {
    many_descriptors();
    let house = Film::new(300, 16_000).in_pieces_of(2).house();
    let server = sending(house.path());
    let names = Names::of(&server, "film", "index.m3u8");
    let pristine = reading(house.path());
    assert_eq!(server.get(&names.segments[0], "").status, 200);
    let before = descriptors(&server);
    for turn in 0..3 {
        let mut readers: Vec<Reader> = names.segments.iter().map(|path| Reader::ask(server.public, path, "")).collect();
        let begun = Instant::now();
        let mut most = 0;
        read_slowly(&mut readers, 64_000, |readers| {
            most = most.max(descriptors(&server));
            assert!(begun.elapsed() < Duration::from_secs(20), "some readers have no first bytes after 20 s");
            readers.iter().all(|reader| reader.bytes.len() > 20_000)
        });
        println!("{before} descriptors, {most} with 300 readers");
        assert!(most > before + 300, "the readers do not hold descriptors");
        assert!(most <= before + 300 + 2 * 64, "{most} descriptors, {before} before");
        let late = readers.split_off(290);
        readers.into_iter().for_each(Reader::reset);
        for (reader, path) in late.into_iter().zip(&names.segments[290..]) {
            assert!(reader.finish() == pristine.get(path, "").body, "{path}, {turn}");
        }
    }
    let begun = Instant::now();
    while descriptors(&server) > before + 2 * 64 {
        assert!(begun.elapsed() < Duration::from_secs(10), "{} descriptors, {before} before", descriptors(&server));
        std::thread::sleep(Duration::from_millis(50));
    }
}

#[test]
fn what_the_page_cache_has_not_got_is_read_once_for_all() {
    let house = Film::large(3).house();
    let server = sending(house.path());
    let names = Names::of(&server, "film", "index.m3u8");
    let whole = reading(house.path()).get(&names.segments[1], "").body;
    let film = File::open(house.path().join("film.mp4")).unwrap();
    film.sync_all().unwrap();
    rustix::fs::fadvise(&film, 0, None, rustix::fs::Advice::DontNeed).unwrap();
    let before = server.metric(READ_BYTES);
    let readers: Vec<Reader> = (0..50).map(|_| Reader::ask(server.public, &names.segments[1], "")).collect();
    for reader in readers {
        assert!(reader.finish() == whole);
    }
    let read = server.metric(READ_BYTES) - before;
    assert!(read < 2 * whole.len() as u64, "{read} bytes were read");
    assert_eq!(server.metric(MADE), 1);
}

#[test]
fn it_costs_a_call_and_no_read() {
    let house = Film::new(60, 12_000).house();
    let server = sending(house.path());
    let names = Names::of(&server, "film", "index.m3u8");
    let mut client = server.connect();
    ask(&mut client, &names.playlist, "");
    let before = server.metric(READ_BYTES);
    let watch = Watch::new(&server);
    let mut bytes = 0;
    for path in &names.segments[..40] {
        bytes += ask(&mut client, path, "").body.len() as u64;
    }
    let calls = watch.stop();
    println!("{:?}", calls.table());
    // At least one call per MiB; further calls come from waiting for the client.
    assert!(calls.count(&["sendfile"]) >= 2 * 40, "{:?}", calls.table());
    // A one-byte read per 256 KiB of a frame checks that the page cache has the bytes.
    assert!(calls.count(&["preadv2"]) <= 16 * 40, "{:?}", calls.table());
    assert!(calls.largest() < MIB, "{} bytes at once", calls.largest());
    let sent = server.metric(READ_BYTES) - before;
    assert!(bytes - sent < 40 * 8_000, "{sent} of {bytes} bytes were sent from the file");
}

#[test]
fn slow_readers_take_no_memory_and_get_it_all() {
    many_descriptors();
    let house = Film::large(100).house();
    let server = sending(house.path());
    let names = Names::of(&server, "film", "index.m3u8");
    let whole: Vec<Vec<u8>> = {
        let pristine = reading(house.path());
        names.segments[..3].iter().map(|path| pristine.get(path, "").body).collect()
    };
    let (pid, begun) = (server.child.id(), Instant::now());
    let idle = rss(pid);
    let mut readers: Vec<Reader> = names.segments.iter().map(|path| Reader::ask(server.public, path, "")).collect();
    let mut most = 0;
    read_slowly(&mut readers, 640_000, |_| {
        most = most.max(rss(pid).saturating_sub(idle));
        begun.elapsed() > Duration::from_secs(3)
    });
    println!("{} MiB beyond idle", most / MIB);
    assert!(most < 6 * MIB, "{most} bytes beyond idle");
    for (reader, whole) in readers.into_iter().zip(whole) {
        assert!(reader.finish() == whole);
    }
}

/// A reader with the first bytes of a response of 4.8 MB; the server continues only as the reader reads.
fn begun(house: &Path) -> (Server, Names, Reader) {
    let server = sending(house);
    let names = Names::of(&server, "film", "index.m3u8");
    let mut reader = Reader::ask(server.public, &names.segments[1], "");
    let start = Instant::now();
    while reader.bytes.len() < 64 << 10 {
        assert!(start.elapsed() < Duration::from_secs(10), "no first bytes");
        reader.sip(16 << 10);
        std::thread::sleep(Duration::from_millis(1));
    }
    (server, names, reader)
}

/// Reads to the end, whole or not; returns the bytes after the head.
fn rest(mut reader: Reader) -> Vec<u8> {
    let start = Instant::now();
    while !reader.ended {
        assert!(start.elapsed() < Duration::from_secs(20), "no end");
        reader.sip(1 << 20);
        std::thread::yield_now();
    }
    let head = reader.bytes.windows(4).position(|four| four == b"\r\n\r\n").unwrap();
    reader.bytes.split_off(head + 4)
}

#[test]
fn a_file_that_is_replaced_under_way_is_sent_whole() {
    for film in [Film::large(3), Film::large(3).in_pieces_of(1)] {
        let house = film.house();
        let (server, names, reader) = begun(house.path());
        let other = Film::new(3, 16_000).house();
        fs::rename(other.path().join("film.mp4"), house.path().join("film.mp4"))
            .or_else(|_| {
                fs::copy(other.path().join("film.mp4"), house.path().join("new"))?;
                fs::rename(house.path().join("new"), house.path().join("film.mp4"))
            })
            .unwrap();
        let body = rest(reader);
        let again = server.get(&names.segments[1], "").body;
        assert!(body == again && body.len() > 4_800_000, "{} bytes", body.len());
    }
}

#[test]
fn an_answer_out_of_a_file_that_is_written_to_or_cut_off_is_not_whole() {
    let write = |path: &Path| {
        File::options().write(true).open(path).unwrap().write_all_at(&[7; 4_096], 20_000_000).unwrap();
    };
    let cut = |path: &Path| File::options().write(true).open(path).unwrap().set_len(100_000).unwrap();
    let changes: [&dyn Fn(&Path); 2] = [&write, &cut];
    // The last bytes go by themselves, or out of a pipe with others.
    let pieces = (0..6).map(|more| Film::new(5, 25_000 + 1_111 * more).in_pieces_of(1));
    let films: Vec<Film> = std::iter::once(Film::large(5)).chain(pieces).collect();
    for (change, film) in changes.into_iter().flat_map(|change| films.iter().map(move |film| (change, *film))) {
        let house = film.house();
        let (server, names, reader) = begun(house.path());
        change(&house.path().join("film.mp4"));
        let body = rest(reader);
        let whole = film.frame as usize * 150;
        assert!((64 << 10..whole).contains(&body.len()), "{} bytes of {whole}", body.len());
        // New requests get an error, and other URLs are served.
        assert!(server.get(&names.segments[2], "").status >= 400);
        assert_eq!(server.private("/healthz").status, 200);
    }
}

#[test]
fn curl_gets_the_same_whole_slowly_and_in_parts() {
    let house = Film::large(2).house();
    let server = sending(house.path());
    let path = Names::of(&server, "film", "index.m3u8").segments.swap_remove(0);
    let pristine = reading(house.path());
    let expected = pristine.get(&path, "").body;
    let curl = |more: &[&str]| {
        let url = format!("http://{}{path}", server.public);
        let done = Command::new("curl").args(["--silent", "--show-error", "--fail"]).args(more).arg(url).output();
        let done = done.unwrap();
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
        done.stdout
    };
    // Three times from the file; a fourth would come from memory.
    assert!(curl(&[]) == expected);
    assert!(curl(&["--limit-rate", "4M"]) == expected);
    assert!(curl(&["--range", "100-2000000"]) == expected[100..=2_000_000]);
}
