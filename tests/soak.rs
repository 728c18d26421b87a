//! A mixed crowd for any length of time: in the end the server holds no more than in the beginning.

#![allow(
    clippy::as_conversions,
    clippy::cast_possible_truncation,
    clippy::indexing_slicing,
    clippy::panic,
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
#[path = "support/truth.rs"]
mod truth;

use film::{Film, Names};
use process::{descriptors, processor, rss, threads};
use slow::{Reader, read_slowly};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant, SystemTime};
use support::{Client, Server, fixtures};

/// Less than a tenth of the film, so that cold segments are evicted again and again.
const SETTINGS: &str =
    "[log]\nlevel = \"error\"\n[store]\nsettle = \"0s\"\n[cache]\nsegments = \"64MiB\"\nmaking = \"16MiB\"\n";

/// Readers at 64 kB/s, present all the time.
const SLOW: usize = 60;

/// Warm-up before the measurement: the cache is full, and its content has been replaced once.
const WARM_UP: Duration = Duration::from_secs(45);

/// State shared by the crowd.
struct Place<'a> {
    server: &'a Server,
    film: Names,
    transport: Names,
    over: AtomicBool,
    answers: AtomicU64,
}

impl Place<'_> {
    /// Calls `work` `a_second` times a second until the end, each time with another pseudo-random number.
    fn each(&self, a_second: u32, mut work: impl FnMut(usize)) {
        let mut next = Instant::now();
        let mut dice = a_second | 1;
        while !self.over.load(Ordering::Relaxed) {
            dice ^= dice << 13;
            dice ^= dice >> 17;
            dice ^= dice << 5;
            work(dice as usize);
            next += Duration::from_secs(1) / a_second;
            thread::sleep(next.saturating_duration_since(Instant::now()));
        }
    }

    /// Requests `path`, and checks status and length of the response.
    fn get(&self, path: &str, headers: &str) {
        let answer = self.server.get(path, headers);
        let expected = if headers.contains("Range") { 206 } else { 200 };
        assert_eq!(answer.status, expected, "{path}");
        self.answers.fetch_add(1, Ordering::Relaxed);
    }

    /// Like `get`, on a connection that stays open.
    fn again(&self, client: &mut Client, path: &str) {
        client.send(&format!("GET {path} HTTP/1.1\r\nHost: test\r\n\r\n"));
        assert_eq!(client.answer("GET").status, 200, "{path}");
        self.answers.fetch_add(1, Ordering::Relaxed);
    }

    fn hot(&self) {
        let mut client = self.server.connect();
        self.each(10, |dice| {
            self.again(&mut client, &self.film.playlist);
            self.again(&mut client, &self.film.segments[dice % 4]);
        });
    }

    fn cold(&self, names: &Names, a_second: u32) {
        self.each(a_second, |dice| self.get(&names.segments[dice % names.segments.len()], ""));
    }

    fn aborts(&self) {
        self.each(10, |dice| {
            let path = &self.film.segments[dice % self.film.segments.len()];
            let mut reader = Reader::ask(self.server.public, path, "");
            while reader.bytes.len() < 64 << 10 && !reader.ended {
                reader.sip(16 << 10);
                thread::sleep(Duration::from_millis(1));
            }
            reader.reset();
        });
    }

    fn slow(&self) {
        let ask = |number: usize| {
            let names = if number.is_multiple_of(4) { &self.transport } else { &self.film };
            Reader::ask(self.server.public, &names.segments[number % names.segments.len()], "")
        };
        let mut readers: Vec<Reader> = (0..SLOW).map(ask).collect();
        let mut number = SLOW;
        while !self.over.load(Ordering::Relaxed) {
            let begun = Instant::now();
            read_slowly(&mut readers, 64_000, |_| begun.elapsed() > Duration::from_secs(1));
            for reader in readers.iter_mut().filter(|reader| reader.ended) {
                assert!(reader.bytes.len() > 2_000_000, "{} bytes", reader.bytes.len());
                *reader = ask(number);
                number += 1;
            }
        }
    }

    fn ranges(&self) {
        self.each(10, |dice| {
            let path = &self.film.segments[dice % self.film.segments.len()];
            let from = (dice >> 8) % 2_000_000;
            let range = match dice % 3 {
                0 => format!("{from}-{}", from + 999),
                1 => format!("{from}-"),
                _ => format!("0-99,{from}-{},-100", from + 9_999),
            };
            self.get(path, &format!("Range: bytes={range}"));
        });
    }

    /// Requests a ladder with sound through all of its entries.
    fn ladder(&self) {
        let urls: Vec<String> = truth::walk(self.server, "ladder").into_iter().collect();
        self.each(20, |dice| self.get(&urls[dice % urls.len()], ""));
    }
}

/// Resources that the server holds at this moment, by name.
fn sample(server: &Server) -> [(&'static str, u64); 6] {
    let pid = server.child.id();
    [
        ("bytes in memory", rss(pid)),
        ("descriptors", descriptors(pid)),
        ("threads", threads(pid)),
        ("tasks", server.metric("afflux_tasks")),
        ("connections", server.metric("afflux_connections")),
        ("bodies being made", server.metric("afflux_bodies_making")),
    ]
}

/// Samples each second for `time`; returns the medians of each resource in the first and in the last third.
fn watch(server: &Server, time: Duration) -> Vec<(&'static str, u64, u64)> {
    let (mut samples, begun) = (Vec::new(), Instant::now());
    while begun.elapsed() < time {
        samples.push(sample(server));
        if samples.len().is_multiple_of(30) {
            println!("{:>5} s: {:?}", begun.elapsed().as_secs(), samples[samples.len() - 1]);
        }
        thread::sleep(Duration::from_secs(1));
    }
    let third = samples.len() / 3;
    let median = |part: &[[(&'static str, u64); 6]], of: usize| {
        let mut values: Vec<u64> = part.iter().map(|sample| sample[of].1).collect();
        values.sort_unstable();
        values[values.len() / 2]
    };
    let medians = |of: usize| {
        let (first, last) = (&samples[..third], &samples[samples.len() - third..]);
        (samples[0][of].0, median(first, of), median(last, of))
    };
    (0..6).map(medians).collect()
}

#[test]
#[ignore = "takes as many minutes as SOAK_MINUTES says: `make soak`"]
fn what_a_mixed_crowd_takes_does_not_grow() {
    let minutes: u64 = std::env::var("SOAK_MINUTES").map_or(15, |minutes| minutes.parse().unwrap());
    // In pieces that are gathered, and old enough for sendfile.
    let house = Film::new(300, 16_000).in_pieces_of(2).house();
    let film = std::fs::File::options().write(true).open(house.path().join("film.mp4")).unwrap();
    film.set_modified(SystemTime::now() - Duration::from_hours(1)).unwrap();
    std::fs::create_dir(house.path().join("ladder")).unwrap();
    for rung in ["176p.mp4", "264p.mp4", "352p.mp4"] {
        std::fs::copy(fixtures().join("natural").join(rung), house.path().join("ladder").join(rung)).unwrap();
    }
    let server = Server::start_with(house.path(), SETTINGS);
    let place = Place {
        server: &server,
        film: Names::of(&server, "film", "index.m3u8"),
        transport: Names::of(&server, "film", "ts.m3u8"),
        over: AtomicBool::new(false),
        answers: AtomicU64::new(0),
    };
    let (place, pid) = (&place, server.child.id());
    let medians = thread::scope(|scope| {
        // A failure in the crowd or here ends both.
        let ends = || Ends(&place.over);
        let crowd: [fn(&Place); 7] = [
            |place| place.hot(),
            |place| place.cold(&place.film, 6),
            |place| place.cold(&place.transport, 2),
            |place| place.aborts(),
            |place| place.slow(),
            |place| place.ranges(),
            |place| place.ladder(),
        ];
        for work in crowd {
            scope.spawn(move || {
                let _ends = ends();
                work(place);
            });
        }
        let _ends = ends();
        thread::sleep(WARM_UP);
        let (answers, used) = (place.answers.load(Ordering::Relaxed), processor(pid));
        let medians = watch(&server, Duration::from_secs(60 * minutes));
        let (answers, used) = (place.answers.load(Ordering::Relaxed) - answers, processor(pid) - used);
        println!("{answers} whole answers, {} % of a core", used / (60 * minutes));
        assert!(!place.over.load(Ordering::Relaxed), "the crowd ended early");
        medians
    });
    for (what, first, last) in &medians {
        println!("{what}: {first} in the first third, {last} in the last");
    }
    for (what, first, last) in medians {
        // For small counts, a growth of two is chance.
        assert!(last <= first + (first / 20).max(2), "{what}: {first} in the first third, {last} in the last");
    }
    assert!(server.metric("afflux_cache_evictions_total{tier=\"nursery\"}") > 50);
}

/// Sets the flag when dropped, even by a panic.
struct Ends<'a>(&'a AtomicBool);

impl Drop for Ends<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}
