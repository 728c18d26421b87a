//! Object stores: few requests, equal responses from stores with equal content, and failures. The server is the real
//! one, reached over sockets; the store behind it injects faults.

#![allow(
    clippy::as_conversions,
    clippy::cast_precision_loss,
    clippy::float_arithmetic,
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "a test that panics has failed, and its numbers are small"
)]

#[path = "support/far.rs"]
mod far;
#[path = "support/faults.rs"]
mod faults;
mod support;

use afflux::catalog::IndexPersistence;
use far::{Site, Talk, film, memory, put, runtime};
use faults::{Faults, Faulty, Seen};
use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

/// Block size for reads of stored objects, in bytes.
const BLOCK: u64 = afflux::store::BLOCK;

/// Blocks requested in `seen`, with repeats.
fn blocks(seen: &Seen) -> Vec<(String, u64)> {
    let of = |(name, range): &(String, std::ops::Range<u64>)| {
        let name = name.clone();
        (range.start / BLOCK..range.end.div_ceil(BLOCK)).map(move |number| (name.clone(), number))
    };
    seen.reads.iter().flat_map(of).collect()
}

fn assert_each_once(seen: &Seen) {
    let blocks = blocks(seen);
    let distinct: HashSet<_> = blocks.iter().collect();
    assert_eq!(blocks.len(), distinct.len(), "requested a block twice: {:?}", seen.reads);
}

#[test]
fn a_cold_walk_reads_little_more_than_it_serves_in_few_requests() {
    let store = memory(&[("film.mp4", film())]);
    let site = Site::over(vec![store.clone()]);
    let talk = Talk::of(&site, "film");
    let opened = store.take();
    assert!(opened.reads.len() <= 3, "too many reads to open a film: {:?}", opened.reads);
    let (mut served, mut worst) = (0, 0);
    let mut all = opened.clone();
    for number in 0..talk.segments() {
        for url in talk.segment(number) {
            served += site.get(&url).body.len() as u64;
        }
        // Wait so that read-ahead counts for the segment that caused it.
        site.settle();
        let seen = store.take();
        worst = worst.max(seen.reads.len());
        all.reads.extend(seen.reads);
        all.bytes += seen.bytes;
    }
    assert_each_once(&all);
    let ratio = all.bytes as f64 / served as f64;
    println!("{} bytes read for {served} served: {ratio:.3}; {worst} requests for a segment at most", all.bytes);
    assert!(ratio <= 1.15, "{ratio}");
    assert!(worst <= 2, "{worst} requests for one segment");
}

#[test]
fn a_storm_on_a_cold_asset_asks_for_each_block_once() {
    let store = memory(&[("film.mp4", film())]);
    store.set(Faults { latency: Duration::from_millis(20), ..Faults::default() });
    let site = Site::over(vec![store.clone()]);
    let master = site.crowd(1_000, "/vod/film/index.m3u8");
    assert_eq!(master.iter().collect::<HashSet<_>>().len(), 1);
    let talk = Talk::of(&site, "film");
    for url in talk.segment(3) {
        let bodies = site.crowd(1_000, &url);
        assert_eq!(bodies.iter().collect::<HashSet<_>>().len(), 1);
        assert!(bodies[0].len() > 10_000);
    }
    site.settle();
    assert_each_once(&store.take());
}

#[test]
fn stores_that_hold_the_same_serve_the_same() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("film.mp4"), film()).unwrap();
    let disk = support::Server::start(folder.path(), &[]);
    let (one, two) = (memory(&[("film.mp4", film())]), memory(&[("a.mp4", film()), ("film.mp4", film())]));
    let (one, two) = (Site::over(vec![one]), Site::over(vec![two]));
    let talk = Talk::of(&one, "film");
    let urls = ["/vod/film/index.m3u8", "/vod/film/index.mpd", "/vod/film/ts.m3u8"].map(str::to_owned);
    for url in urls.into_iter().chain(talk.all()) {
        let answers = [disk.get(&url, ""), one.get(&url), two.get(&url)];
        let told = answers.map(|answer| (answer.status, answer.header("etag").map(str::to_owned), answer.body));
        assert_eq!(told[0].0, 200, "{url}");
        assert!(told[0] == told[1] && told[0] == told[2], "{url} differs");
    }
}

#[test]
fn a_second_store_takes_over_with_the_same_urls_and_gives_back() {
    let (first, second) = (memory(&[("film.mp4", film())]), memory(&[("film.mp4", film())]));
    let site = Site::over(vec![first.clone(), second.clone()]);
    let talk = Talk::of(&site, "film");
    let expected = Site::over(vec![second.clone()]);
    let same = |number: usize| {
        for url in talk.segment(number) {
            let (got, wanted) = (site.get(&url), expected.get(&url));
            assert!(got.status == 200 && got.body == wanted.body, "{url}: {} {}", got.status, got.text_lossy());
        }
    };
    same(0);
    first.set(Faults { away: true, ..Faults::default() });
    (3..7).for_each(same);
    assert_eq!(site.get("/vod/film/index.m3u8").status, 200);
    first.set(Faults::default());
    (7..9).for_each(same);
}

#[test]
fn what_is_in_neither_store_is_not_there() {
    let (first, second) = (memory(&[("a.mp4", film())]), memory(&[("b.mp4", film())]));
    let site = Site::over(vec![first, second]);
    assert_eq!(site.get("/vod/a/index.m3u8").status, 200);
    assert_eq!(site.get("/vod/c/index.m3u8").status, 404);
}

#[test]
fn a_replaced_object_never_mixes_with_what_it_was() {
    for deaf in [false, true] {
        let store = memory(&[("film.mp4", film())]);
        let site = Site::over(vec![store.clone()]);
        let talk = Talk::of(&site, "film");
        let old: Vec<_> = talk.segment(1).iter().map(|url| site.get(url).body).collect();
        store.set(Faults { deaf, ..Faults::default() });
        // Equal length, other bytes.
        let mut other = film();
        let middle = other.len() / 2;
        other[middle..].iter_mut().for_each(|byte| *byte ^= 1);
        put(&store, "film.mp4", other);
        for (url, old) in talk.segment(1).iter().zip(old) {
            assert_eq!(site.get(url).body, old, "a cached segment must keep its bytes");
        }
        // The old bytes are gone, and the server must report that. It trusts a check for a quarter of a second.
        std::thread::sleep(Duration::from_millis(300));
        for url in talk.segment(8) {
            let answer = site.get(&url);
            assert_eq!(answer.status, 410, "{} deaf: {deaf}", answer.text_lossy());
            assert_eq!(answer.header("content-type"), Some("application/problem+json"));
            assert_eq!(answer.header("cache-control"), Some("no-store"));
        }
        let now = Talk::of(&site, "film");
        assert_ne!(now.segment(8), talk.segment(8));
        for url in now.segment(8) {
            assert_eq!(site.get(&url).status, 200);
        }
    }
}

#[test]
fn a_removed_object_is_gone_from_the_next_look_on() {
    let store = memory(&[("film.mp4", film()), ("other.mp4", film())]);
    let site = Site::over(vec![store.clone()]);
    let talk = Talk::of(&site, "film");
    far::remove(&store, "film.mp4");
    // A check is trusted for a quarter of a second, even if something turns out to be missing.
    std::thread::sleep(Duration::from_millis(300));
    for url in talk.segment(8) {
        assert_eq!(site.get(&url).status, 410);
    }
    assert_eq!(site.get("/vod/film/index.m3u8").status, 404);
    assert_eq!(site.get("/vod/other/index.m3u8").status, 200);
}

#[test]
fn memory_for_blocks_is_part_of_that_for_segments() {
    let store = memory(&[("film.mp4", film())]);
    let site = Site::sized(vec![store], 8 << 20, 4 << 20);
    let talk = Talk::of(&site, "film");
    for url in talk.all() {
        assert_eq!(site.get(&url).status, 200);
        let held = site.metric("afflux_cache_size_bytes{kind=\"segment\"}")
            + site.metric("afflux_cache_size_bytes{kind=\"block\"}");
        assert!(held <= 8 << 20, "{held} held after {url}");
    }
}

#[test]
fn an_index_that_was_kept_spares_the_headers() {
    let (store, folder) = (memory(&[("film.mp4", film())]), tempfile::tempdir().unwrap());
    let places = IndexPersistence { folder: Some((folder.path().into(), 1 << 30)), beside: false };
    let urls = {
        let first = Site::lasting(&store, &places);
        let talk = Talk::of(&first, "film");
        first.settle();
        talk.segment(5)
    };
    let kept = || std::fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().path()).collect::<Vec<_>>();
    let deadline = std::time::Instant::now() + Duration::from_secs(10);
    while kept().iter().all(|path| path.extension().is_none_or(|end| end != "index")) {
        assert!(std::time::Instant::now() < deadline, "no index was stored within 10 s");
        std::thread::sleep(Duration::from_millis(20));
    }
    store.take();
    let second = Site::lasting(&store, &places);
    assert_eq!(second.get("/vod/film/index.m3u8").status, 200);
    let seen = store.take();
    assert_eq!((seen.reads.len(), seen.heads, seen.lists), (0, 0, 1), "a playlist must take one round trip");
    for (url, reads) in urls.iter().zip([1, 0]) {
        assert_eq!(second.get(url).status, 200);
        let seen = store.take();
        assert!(seen.reads.len() <= reads + 1 && seen.lists == 0, "{url}: {:?}", seen.reads);
    }
    assert_eq!(second.metric("afflux_moov_reads_total"), 0);
    // A damaged index is rebuilt.
    for path in kept() {
        let mut bytes = std::fs::read(&path).unwrap();
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
        std::fs::write(path, bytes).unwrap();
    }
    let third = Site::lasting(&store, &places);
    for url in &urls {
        assert!(third.get(url).body == second.get(url).body, "{url}");
    }
    assert_eq!(third.metric("afflux_moov_reads_total"), 1);
    // A replaced object has another index.
    let mut other = film();
    let middle = other.len() / 2;
    other[middle] ^= 1;
    put(&store, "film.mp4", other);
    let fourth = Site::lasting(&store, &places);
    assert_eq!(fourth.get("/vod/film/index.m3u8").status, 200);
    assert_eq!(fourth.metric("afflux_moov_reads_total"), 1);
}

#[test]
fn what_a_player_says_it_will_ask_for_next_is_asked_for_ahead() {
    let store = memory(&[("film.mp4", film()), ("other.mp4", film())]);
    let site = Site::over(vec![store.clone()]);
    let talk = Talk::of(&site, "film");
    let [now, next] = [1, 7].map(|number| talk.segment(number).swap_remove(0));
    let name = next.rsplit_once('/').unwrap().1;
    let reads = |url: &str| {
        site.settle();
        store.take();
        let body = site.get(url).body;
        site.settle();
        (store.take().reads.len(), body)
    };
    let (asked, _) = reads(&format!("{now}?CMCD=mtp%3D100%2Cnor%3D%22{name}%22%2Csid%3D%22a%22"));
    assert!(asked >= 2, "{asked}");
    let (later, body) = reads(&next);
    assert_eq!(later, 0, "the read-ahead must have fetched everything");
    assert!(body == Site::over(vec![memory(&[("film.mp4", film())])]).get(&next).body);
    // A client can cause read-ahead neither of another asset nor of something that does not exist.
    let far = talk.segment(4).swap_remove(0);
    let other = Talk::of(&site, "other").segment(4).swap_remove(0);
    for said in [other.replace('/', "%2F"), "https%3A%2F%2Fhost%2F5.m4s".into(), "9999.m4s".into()] {
        let (asked, _) = reads(&format!("{far}?CMCD=nor%3D%22{said}%22"));
        assert!(asked <= 2, "{said}: {asked}");
    }
    let (asked, _) = reads(&other);
    assert!(asked > 0);
}

/// Content of the index file beside the film in its store, once it satisfies `until`.
fn beside(store: &Faulty, until: impl Fn(&[u8]) -> bool) -> Vec<u8> {
    let deadline = std::time::Instant::now() + Duration::from_secs(10);
    loop {
        if let Some(note) = far::object(store, "films/.afflux/film.mp4.index").filter(|note| until(note)) {
            return note;
        }
        assert!(std::time::Instant::now() < deadline, "no such index was stored within 10 s");
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn an_index_that_stands_beside_its_object_is_picked_up_by_other_servers() {
    let store = memory(&[("films/film.mp4", film())]);
    let places = IndexPersistence { folder: None, beside: true };
    let playlist = "/vod/films/film/index.m3u8";
    let opened = |store: &Faulty, moovs| {
        let site = Site::lasting(store, &places);
        assert_eq!(site.get(playlist).status, 200);
        assert_eq!(site.metric("afflux_moov_reads_total"), moovs);
        site
    };
    let first = opened(&store, 1);
    let note = beside(&store, |_| true);
    store.take();
    let second = opened(&store, 0);
    let seen = store.take();
    assert_eq!((seen.whole, seen.reads.len(), seen.heads, seen.lists, seen.puts), (1, 0, 0, 1, 0), "two round trips");
    let urls = Talk::of(&second, "films/film").segment(5);
    for url in &urls {
        assert!(first.get(url).body == second.get(url).body, "{url}");
    }
    // An index that is damaged or belongs to another object is rebuilt and replaced.
    let mut damaged = note.clone();
    damaged[note.len() / 2] ^= 1;
    let mut other = note.clone();
    other[0] ^= 1;
    for wrong in [damaged, other, note[..40].to_vec(), Vec::new()] {
        put(&store, "films/.afflux/film.mp4.index", wrong);
        let third = opened(&store, 1);
        assert!(urls.iter().all(|url| third.get(url).body == first.get(url).body));
        beside(&store, |now| now == note);
    }
    // A replaced object has another index.
    let mut changed = film();
    let middle = changed.len() / 2;
    changed[middle] ^= 1;
    put(&store, "films/film.mp4", changed);
    opened(&store, 1);
    beside(&store, |now| now != note);
    opened(&store, 0);
    // A read-only store plays all the same, and the index file is no asset of its own.
    let store = memory(&[("films/film.mp4", film())]);
    store.set(Faults { read_only: true, ..Faults::default() });
    let site = opened(&store, 1);
    assert_eq!(site.get("/vod/films/.afflux/film/index.m3u8").status, 404);
    site.settle();
    opened(&store, 1);
    assert!(far::object(&store, "films/.afflux/film.mp4.index").is_none());
}

/// One kind of failure.
struct Day {
    name: &'static str,
    faults: Faults,
}

fn days() -> Vec<Day> {
    let none = Faults::default();
    let ms = Duration::from_millis;
    vec![
        Day { name: "50 ms more for each request", faults: Faults { latency: ms(50), ..none } },
        Day { name: "1 % of requests take 500 ms more", faults: Faults { slow: 10, ..none } },
        Day { name: "1 % of requests fail", faults: Faults { failing: 10, ..none } },
        Day { name: "20 % of requests fail", faults: Faults { failing: 200, ..none } },
        Day { name: "two requests are told to slow down (503 SlowDown)", faults: Faults { slow_downs: 2, ..none } },
        Day { name: "40 requests in a row are told to slow down", faults: Faults { slow_downs: 40, ..none } },
        Day { name: "30 % of answers are reset in their middle", faults: Faults { resets: 300, ..none } },
        Day { name: "30 % of answers end early", faults: Faults { short: 300, ..none } },
        Day { name: "the store is away", faults: Faults { away: true, ..none } },
    ]
}

/// Outcomes for players during a failure.
#[derive(Debug, Default, PartialEq, Eq)]
struct Told {
    right: usize,
    again: usize,
}

/// Plays everything during the failure; repeats refused requests when it is over.
fn lived(day: &Day) -> Told {
    let store = memory(&[("film.mp4", film())]);
    let site = Site::over(vec![store.clone()]);
    let talk = Talk::of(&site, "film");
    let calm = Site::over(vec![memory(&[("film.mp4", film())])]);
    // Cached segments are served in any failure.
    let kept = talk.segment(0);
    for url in &kept {
        assert_eq!(site.get(url).status, 200);
    }
    site.settle();
    store.set(day.faults);
    let (mut told, mut left) = (Told::default(), Vec::new());
    for url in talk.all() {
        let (answer, wanted) = (site.get(&url), calm.get(&url));
        if answer.status == 200 {
            assert!(answer.body == wanted.body, "{}: {url} has other bytes", day.name);
            told.right += 1;
            continue;
        }
        assert!(!kept.contains(&url), "{}: {url} was kept", day.name);
        assert!(matches!(answer.status, 502 | 503), "{}: {url}: {}", day.name, answer.status);
        assert_eq!(answer.header("content-type"), Some("application/problem+json"), "{}", day.name);
        assert!(answer.header("retry-after").is_some(), "{}", day.name);
        told.again += 1;
        left.push((url, wanted.body));
    }
    store.set(Faults::default());
    // The server remembers a failure for a second.
    std::thread::sleep(Duration::from_millis(1_200));
    for (url, wanted) in left {
        let answer = site.get(&url);
        assert!(answer.status == 200 && answer.body == wanted, "{}: {url} did not recover", day.name);
    }
    told
}

impl Told {
    /// A summary that does not depend on chance.
    const fn words(&self) -> &'static str {
        match self {
            Self { again: 0, .. } => "nothing: every segment right",
            Self { right: 0, .. } => "502 with Retry-After",
            Self { .. } => "what is kept right; else 502 or 503 with Retry-After, right once it was over",
        }
    }
}

/// Status that players in the middle of a film get for uncached segments after `harm`.
fn harmed(harm: impl Fn(&Faulty)) -> u16 {
    let store = memory(&[("film.mp4", film())]);
    let site = Site::over(vec![store.clone()]);
    let (talk, calm) = (Talk::of(&site, "film"), Site::over(vec![memory(&[("film.mp4", film())])]));
    let seen: Vec<String> = (0..3).flat_map(|number| talk.segment(number)).collect();
    for url in &seen {
        assert_eq!(site.get(url).status, 200);
    }
    site.settle();
    harm(&store);
    // A check is trusted for a quarter of a second, even if something turns out to be missing.
    std::thread::sleep(Duration::from_millis(300));
    let mut statuses = HashSet::new();
    for url in talk.all() {
        let answer = site.get(&url);
        if answer.status == 200 {
            assert!(answer.body == calm.get(&url).body, "{url} has other bytes");
        } else {
            assert_eq!(answer.header("content-type"), Some("application/problem+json"), "{url}");
            assert_eq!(answer.header("cache-control"), Some("no-store"), "{url}");
            statuses.insert(answer.status);
        }
    }
    assert_eq!(statuses.len(), 1, "{statuses:?}");
    statuses.into_iter().next().unwrap()
}

#[test]
fn bad_days_are_lived_through_as_the_handbook_says() {
    let mut table = String::from("| what happens to the store | what players see of it |\n|---|---|\n");
    for day in days() {
        table.push_str(&["| ", day.name, " | ", lived(&day).words(), " |\n"].concat());
    }
    let mut changed = film();
    let middle = changed.len() / 2;
    changed[middle..].iter_mut().for_each(|byte| *byte ^= 1);
    let replaced = harmed(|store| put(store, "film.mp4", changed.clone()));
    let removed = harmed(|store| far::remove(store, "film.mp4"));
    for (name, status) in [("the object is replaced while it plays", replaced), ("the object is removed", removed)] {
        let seen = format!(" | what was fetched before right; else {status}, never a mix |\n");
        table.push_str(&["| ", name, &seen].concat());
    }
    far::check_table("docs/operations.md", "bad days", &table);
}

#[test]
fn an_index_that_was_asked_for_on_a_bad_day_is_asked_for_again() {
    let store = memory(&[("film.mp4", film())]);
    let site = Site::over(vec![store.clone()]);
    store.set(Faults { away: true, ..Faults::default() });
    let answer = site.get("/vod/film/index.m3u8");
    assert_eq!((answer.status, answer.header("retry-after")), (502, Some("1")), "{}", answer.text_lossy());
    assert!(answer.text_lossy().contains("connection refused"), "{}", answer.text_lossy());
    let ready = site.private("/readyz");
    assert!(ready.status == 503 && ready.text_lossy().contains("connection refused"), "{}", ready.text_lossy());
    store.set(Faults::default());
    std::thread::sleep(Duration::from_millis(1_200));
    assert_eq!(site.get("/vod/film/index.m3u8").status, 200);
    assert_eq!(site.private("/readyz").status, 200);
}

#[test]
fn a_check_of_readiness_is_one_listing_of_no_names() {
    let store = Faulty::new(Arc::new(object_store::memory::InMemory::new()), 7);
    for name in ["a.mp4", "film/v.mp4", "film/.afflux/v.mp4.index", ".afflux/a.mp4.index"] {
        put(&store, name, b"bytes".to_vec());
    }
    store.take();
    let whole_store = afflux::store::Store::over(Arc::new(store.clone()));
    let ready = || runtime().block_on(whole_store.ping());
    ready().unwrap();
    let Seen { lists, names, heads, whole, .. } = store.take();
    assert_eq!((lists, names, heads, whole), (1, 0, 0, 0));
    store.set(Faults { away: true, ..Faults::default() });
    assert!(ready().is_err());
}

#[test]
fn faults_are_the_same_for_the_same_seed() {
    let ask = || {
        let store = Faulty::new(Arc::new(object_store::memory::InMemory::new()), 7);
        store.set(Faults { failing: 300, ..Faults::default() });
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let list = || object_store::ObjectStore::list_with_delimiter(&store, None);
        (0..64).map(|_| runtime.block_on(list()).is_ok()).collect::<Vec<_>>()
    };
    let first = ask();
    assert!(first == ask() && first.contains(&true) && first.contains(&false));
}
