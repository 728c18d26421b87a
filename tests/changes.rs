//! Files that change during playback and between requests: every response is of one version, whole or cut
//! short, or an error if that version is not available. Uses the real binary, real files and dozens of players.

#![allow(clippy::indexing_slicing, clippy::panic, clippy::unwrap_used, reason = "a test that panics has failed")]

#[path = "support/crowd.rs"]
mod crowd;
#[path = "support/house.rs"]
mod house;
mod support;
#[path = "support/tolerant.rs"]
mod tolerant;
#[path = "support/truth.rs"]
mod truth;

use crowd::Crowd;
use house::{House, film, scrambled};
use std::fs::{self, File};
use std::io::{BufReader, Read, Write};
use std::path::Path;
use std::time::{Duration, Instant};
use support::{Server, fixtures, is_on_s3, on_disk_only, until};
use truth::Truth;

/// The server checks files often, and waits for them to settle for longer than any writer here pauses.
const QUICK: &str = "[store]\nrefresh = \"100ms\"\nsettle = \"1500ms\"\n";

const FILM: &str = "/vod/film/index.m3u8";
const FILM_FILE: &str = "/vod/film/files/film.mp4";
const LADDER: &str = "/vod/ladder/index.m3u8";
const LADDER_FILE: &str = "/vod/ladder/files/176p.mp4";

/// Whether the entry `url` answers as for the folder of `truth`.
fn says(server: &Server, url: &str, truth: &Truth) -> bool {
    let got = tolerant::get(server.public, url, None).unwrap();
    got.status == 200 && truth.judge(url, None, &got).is_ok()
}

fn status(server: &Server, url: &str) -> u16 {
    tolerant::get(server.public, url, None).unwrap().status
}

/// Requests every versioned URL of `truth`: each must be right, or, if it may be `gone`, answer 410. Returns the number
/// of right ones.
fn sweep(server: &Server, truth: &Truth, gone: bool) -> usize {
    let mut there = 0;
    for url in truth.versioned() {
        let got = tolerant::get(server.public, url, None).unwrap();
        assert!(got.status == 200 || (gone && got.status == 410), "{url}: {}", got.status);
        truth.judge(url, None, &got).unwrap();
        there += usize::from(got.status == 200);
    }
    there
}

/// The successive contents of `film.mp4`.
struct Films {
    bytes: [Vec<u8>; 3],
    truths: [Truth; 3],
}

impl Films {
    /// The first and the second have equal size and layout.
    fn new() -> Self {
        let one = film("natural/264p.mp4", 1 << 20);
        let bytes = [one.clone(), scrambled(&one), film("natural/352p.mp4", 2 << 20)];
        let truths = bytes.each_ref().map(|bytes| {
            let house = House::pristine(&[("film.mp4", bytes)]);
            Truth::of(house.root.path(), &["film"], &[FILM_FILE])
        });
        Self { bytes, truths }
    }

    fn all(&self) -> Truth {
        self.truths.iter().fold(Truth::default(), Truth::or)
    }
}

#[test]
fn what_the_truth_says_is_what_explain_says() {
    let house = House::pristine(&[("film.mp4", &film("natural/352p.mp4", 2 << 20))]);
    truth::assert_explained(&Truth::of(house.root.path(), &["film"], &[]), house.root.path());
}

#[test]
fn fifty_players_see_one_version_each_time_however_a_film_is_changed() {
    if on_disk_only("no object is written in place") {
        return;
    }
    let films = Films::new();
    let [one, two, three] = &films.bytes;
    let [of_one, of_two, of_three] = &films.truths;
    let house = House::new();
    house.lay("film.mp4", one);
    let server = Server::start_with(house.root.path(), QUICK);
    let crowd = Crowd::new(server.public, 50, &[("film", FILM_FILE)], films.all());
    until("the first film", || says(&server, FILM, of_one));
    sweep(&server, of_one, false);

    house.rename_over("film.mp4", two);
    until("the film renamed over", || says(&server, FILM, of_two));
    sweep(&server, of_two, false);
    sweep(&server, of_one, false);

    house.write_over("film.mp4", one);
    until("the film written over at the same size", || says(&server, FILM, of_one));
    sweep(&server, of_one, false);
    sweep(&server, of_two, true);

    house.copy("film.mp4", three);
    until("the longer film copied over", || says(&server, FILM, of_three));
    sweep(&server, of_three, false);
    sweep(&server, of_one, true);

    house.write_over("film.mp4", two);
    until("the shorter film written over", || says(&server, FILM, of_two));
    sweep(&server, of_two, false);

    house.truncate("film.mp4", 200_000);
    until("the truncated film", || status(&server, FILM) == 422);
    assert_eq!(status(&server, FILM_FILE), 422);
    sweep(&server, of_two, true);

    house.rename_over("film.mp4", three);
    until("the mended film", || says(&server, FILM, of_three));
    sweep(&server, of_three, false);

    house.remove("film.mp4");
    until("the removed film", || status(&server, FILM) == 404);
    assert_eq!(status(&server, FILM_FILE), 404);
    assert_eq!(sweep(&server, of_three, true), 0);

    house.copy("film.mp4", one);
    until("the new film", || says(&server, FILM, of_one));
    sweep(&server, of_one, false);
    let count = crowd.stop();
    assert!(count.whole > 1_000 && count.refused > 0, "{count:?}");
    println!("{count:?}");
}

#[test]
fn fifty_players_see_one_version_each_time_a_film_is_replaced_whole() {
    let films = Films::new();
    let house = House::new();
    house.lay("film.mp4", &films.bytes[0]);
    let server = Server::start_with(house.root.path(), QUICK);
    let crowd = Crowd::new(server.public, 50, &[("film", FILM_FILE)], films.all());
    until("the first film", || says(&server, FILM, &films.truths[0]));
    for (before, now) in [(0, 1), (1, 2), (2, 0), (0, 2)] {
        house.rename_over("film.mp4", &films.bytes[now]);
        until("the film renamed over", || says(&server, FILM, &films.truths[now]));
        sweep(&server, &films.truths[now], false);
        // A bucket does not retain the bytes of a replaced object.
        sweep(&server, &films.truths[before], is_on_s3());
    }
    let count = crowd.stop();
    assert!(count.whole > 1_000, "{count:?}");
    println!("{count:?}");
}

#[test]
fn fifty_players_see_a_ladder_as_it_was_or_as_it_is() {
    let rung = |name: &str| fs::read(fixtures().join("natural").join(name)).unwrap();
    let (low, middle, high) = (rung("176p.mp4"), rung("264p.mp4"), rung("352p.mp4"));
    let truth_of = |files: &[(&str, &[u8])]| {
        let house = House::pristine(files);
        Truth::of(house.root.path(), &["ladder"], &[LADDER_FILE])
    };
    let of_two = truth_of(&[("ladder/176p.mp4", &low), ("ladder/264p.mp4", &middle)]);
    let of_three = truth_of(&[("ladder/176p.mp4", &low), ("ladder/264p.mp4", &middle), ("ladder/352p.mp4", &high)]);
    let padded = film("natural/352p.mp4", 2 << 20);
    let of_padded = truth_of(&[("ladder/176p.mp4", &low), ("ladder/264p.mp4", &middle), ("ladder/352p.mp4", &padded)]);

    let house = House::new();
    house.lay("ladder/176p.mp4", &low);
    house.lay("ladder/264p.mp4", &middle);
    let server = Server::start_with(house.root.path(), QUICK);
    let all = of_two.clone().or(&of_three).or(&of_padded);
    let crowd = Crowd::new(server.public, 50, &[("ladder", LADDER_FILE)], all);
    until("two rungs", || says(&server, LADDER, &of_two));
    for _ in 0..2 {
        house.copy("ladder/352p.mp4", &high);
        let whole = Instant::now();
        let held = says(&server, LADDER, &of_two);
        assert!(held || whole.elapsed() > Duration::from_secs(1), "the film appeared before it had settled");
        until("the third rung", || says(&server, LADDER, &of_three));
        sweep(&server, &of_three, false);
        house.rename_over("ladder/352p.mp4", &padded);
        until("the rung renamed over", || says(&server, LADDER, &of_padded));
        sweep(&server, &of_padded, false);
        sweep(&server, &of_three, false);
        house.copy("ladder/352p.mp4", &high);
        until("the rung copied over", || says(&server, LADDER, &of_three));
        sweep(&server, &of_three, false);
        house.remove("ladder/352p.mp4");
        until("the rung removed", || says(&server, LADDER, &of_two));
        sweep(&server, &of_three, false);
    }
    let count = crowd.stop();
    assert!(count.whole > 1_000, "{count:?}");
    println!("{count:?}");
}

/// A server over one film, and a client in the middle of downloading it.
fn half_read(bytes: &[u8]) -> (House, Server, BufReader<std::net::TcpStream>) {
    let house = House::new();
    house.lay("film.mp4", bytes);
    let server = Server::start_with(house.root.path(), "[http]\nunsent = \"16KiB\"\n[store]\nrefresh = \"100ms\"\n");
    let stream = tolerant::begun(server.public, FILM_FILE, None).unwrap();
    // The rest waits for the client: only a part fits into the buffers.
    std::thread::sleep(Duration::from_millis(300));
    (house, server, stream)
}

#[test]
fn a_download_under_way_ends_whole_when_the_file_is_replaced_or_removed() {
    if on_disk_only("a bucket does not keep the bytes of what was replaced") {
        return;
    }
    let (old, new) = (film("vfr.mp4", 24 << 20), film("co64.mp4", 24 << 20));
    let (house, _server, stream) = half_read(&old);
    house.rename_over("film.mp4", &new);
    assert!(tolerant::finished(stream, FILM_FILE).unwrap().body == old);
    let (house, _server, stream) = half_read(&old);
    house.remove("film.mp4");
    assert!(tolerant::finished(stream, FILM_FILE).unwrap().body == old);
}

#[test]
fn a_download_under_way_ends_early_when_the_file_is_written_over_or_truncated() {
    if on_disk_only("no object is written in place") {
        return;
    }
    let (old, new) = (film("vfr.mp4", 24 << 20), film("co64.mp4", 24 << 20));
    let changes: [fn(&House, &[u8]); 3] = [
        |house, new| fs::write(house.path("film.mp4"), new).unwrap(),
        |house, new| house.write_over("film.mp4", &new[..1 << 20]),
        |house, _| house.truncate("film.mp4", 1 << 20),
    ];
    for change in changes {
        let (house, server, stream) = half_read(&old);
        change(&house, &new);
        let got = tolerant::finished(stream, FILM_FILE).unwrap();
        assert_eq!((got.status, got.promised), (200, old.len()));
        assert!(got.body.len() < old.len() && old.starts_with(&got.body), "{} bytes", got.body.len());
        let again = tolerant::get(server.public, FILM_FILE, None).unwrap();
        assert_eq!(again.status, 503, "a file that is being overwritten must answer 503");
        again.check_problem(FILM_FILE).unwrap();
    }
}

#[test]
fn an_old_version_is_gone_once_its_bytes_are_and_not_before() {
    if on_disk_only("no object is written in place") {
        return;
    }
    let films = Films::new();
    let [one, two, _] = &films.bytes;
    let house = House::new();
    house.lay("film.mp4", one);
    let server = Server::start_with(house.root.path(), "[store]\nrefresh = \"100ms\"\nsettle = \"4s\"\n");
    assert!(says(&server, FILM, &films.truths[0]));
    let segments = films.truths[0].segments();
    // Request it often enough that it is in memory; before that, the server may send it from the file.
    for _ in 0..4 {
        assert_eq!(status(&server, segments[0]), 200);
    }
    house.write_over("film.mp4", two);
    // The new content is not settled yet.
    let got = tolerant::get(server.public, segments[1], None).unwrap();
    assert_eq!(got.status, 503);
    until("a refusal of the entry", || status(&server, FILM) == 503);
    until("the new film", || says(&server, FILM, &films.truths[1]));
    let got = tolerant::get(server.public, segments[1], None).unwrap();
    assert_eq!(got.status, 410);
    got.check_problem(segments[1]).unwrap();
    // The cached segment is still valid.
    assert_eq!(status(&server, segments[0]), 200);
    assert_eq!(sweep(&server, &films.truths[1], false), films.truths[1].versioned().count());
}

#[test]
fn what_changes_a_file_but_not_its_bytes_is_no_change() {
    let films = Films::new();
    let [one, two, _] = &films.bytes;
    let house = House::new();
    house.lay("film.mp4", two);
    let server = Server::start_with(house.root.path(), "[store]\nrefresh = \"1h\"\n");
    assert!(says(&server, FILM, &films.truths[1]));
    house.lay("film.mp4", one);
    let segments = films.truths[0].segments();
    // An unknown version makes the server look again, whatever `refresh` is.
    std::thread::sleep(Duration::from_millis(300));
    assert_eq!(status(&server, segments[0]), 200);
    let path = house.path("film.mp4");
    for (change, segment) in segments.iter().enumerate().skip(1).take(3) {
        std::thread::sleep(Duration::from_millis(300));
        match change {
            1 => fs::hard_link(&path, house.path("link")).unwrap(),
            2 => fs::remove_file(house.path("link")).unwrap(),
            _ => fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o640)).unwrap(),
        }
        let got = tolerant::get(server.public, segment, None).unwrap();
        assert_eq!(got.status, 200, "{change}");
        films.truths[0].judge(segment, None, &got).unwrap();
    }
    sweep(&server, &films.truths[0], false);
    assert_eq!(tolerant::get(server.public, FILM_FILE, None).unwrap().body.len(), one.len());
}

#[test]
fn a_hole_that_is_filled_later_leaves_nothing_behind_in_the_cache() {
    // Both ends and the headers are there: both states have one content id.
    let whole = film("natural/352p.mp4", 2 << 20);
    let mut holed = whole.clone();
    holed[300_000..1_500_000].fill(0);
    let truth = Truth::of(House::pristine(&[("film.mp4", &whole)]).root.path(), &["film"], &[FILM_FILE]);
    let house = House::new();
    house.lay("film.mp4", &holed);
    let server = Server::start_with(house.root.path(), QUICK);
    for url in truth.versioned() {
        assert_eq!(status(&server, url), 200);
    }
    house.write_over("film.mp4", &whole);
    until("the whole film", || {
        let got = tolerant::get(server.public, FILM_FILE, None).unwrap();
        got.body == whole
    });
    sweep(&server, &truth, false);
}

/// Copies a fixture in pieces. The copy takes longer than files need to settle, but each pause is shorter. Sends
/// requests in between.
fn copied_slowly(server: &Server, house: &House, name: &str, bytes: &[u8]) {
    let id = Path::new(name).file_stem().unwrap().to_str().unwrap();
    let urls = ["index.m3u8", "index.mpd", &format!("files/{name}")].map(|part| format!("/vod/{id}/{part}"));
    let mut file = File::create(house.path(name)).unwrap();
    let pieces = bytes.chunks(bytes.len().div_ceil(12));
    for piece in pieces {
        file.write_all(piece).unwrap();
        std::thread::sleep(Duration::from_millis(300));
        for url in &urls {
            assert_eq!(status(server, url), 404, "{url}");
        }
        let gallery = server.get("/~gallery/assets.json", "");
        assert!(!gallery.text().contains(id), "{}", gallery.text());
    }
}

#[test]
fn half_copied_files_do_not_appear() {
    if on_disk_only("an object is there whole or not at all") {
        return;
    }
    let house = House::new();
    let server = Server::start_with(house.root.path(), "[store]\nrefresh = \"100ms\"\n");
    let names = ["vfr.mp4", "moov-at-end.mp4", "fragmented.mp4"];
    std::thread::scope(|scope| {
        for name in names {
            let (server, house) = (&server, &house);
            scope.spawn(move || {
                let bytes = fs::read(fixtures().join(name)).unwrap();
                copied_slowly(server, house, name, &bytes);
                let id = Path::new(name).file_stem().unwrap().to_str().unwrap();
                let (entry, file) = (format!("/vod/{id}/index.m3u8"), format!("/vod/{id}/files/{name}"));
                let pristine = House::pristine(&[(name, &bytes)]);
                let truth = Truth::of(pristine.root.path(), &[id], &[&file]);
                until(name, || match status(server, &entry) {
                    404 => false,
                    _ => says(server, &entry, &truth) || panic!("{name} appears as something else"),
                });
                sweep(server, &truth, false);
            });
        }
    });
    until("the gallery", || {
        let gallery = server.get("/~gallery/assets.json", "");
        let is_listed =
            |name: &&str| gallery.text().contains(&format!("\"id\":\"{}\"", name.split('.').next().unwrap()));
        names.iter().all(is_listed)
    });
}

#[test]
fn a_file_that_is_being_copied_when_the_server_starts_does_not_appear_either() {
    if on_disk_only("an object is there whole or not at all") {
        return;
    }
    let house = House::new();
    let bytes = fs::read(fixtures().join("fragmented.mp4")).unwrap();
    let (half, rest) = bytes.split_at(bytes.len() / 2);
    let mut file = File::create(house.path("film.mp4")).unwrap();
    file.write_all(half).unwrap();
    let server = Server::start_with(house.root.path(), "");
    assert_eq!(status(&server, FILM), 404);
    file.write_all(rest).unwrap();
    let truth = Truth::of(House::pristine(&[("film.mp4", &bytes)]).root.path(), &["film"], &[]);
    until("the whole film", || says(&server, FILM, &truth));
}

#[test]
fn a_file_that_was_moved_in_appears_at_once() {
    let house = House::new();
    let server = Server::start_with(house.root.path(), "[store]\nrefresh = \"0s\"\nsettle = \"1h\"\n");
    assert_eq!(status(&server, FILM), 404);
    house.lay(".film.mp4", &film("vfr.mp4", 1 << 20));
    fs::rename(house.path(".film.mp4"), house.path("film.mp4")).unwrap();
    assert_eq!(status(&server, FILM), 200);
}

#[test]
fn a_half_written_asset_json_is_waited_for() {
    if on_disk_only("an object is there whole or not at all") {
        return;
    }
    let house = House::new();
    house.lay("film/a.mp4", &fs::read(fixtures().join("vfr.mp4")).unwrap());
    let server = Server::start_with(house.root.path(), "[store]\nrefresh = \"100ms\"\n");
    let json = br#"{"version":1,"renditions":[{"file":"a.mp4"},{"file":"b.m4a"}]}"#;
    fs::write(house.path("film/asset.json"), &json[..40]).unwrap();
    assert_eq!(status(&server, FILM), 503);
    fs::write(house.path("film/asset.json"), json).unwrap();
    // It names a file that is still being copied.
    let mut sound = File::create(house.path("film/b.m4a")).unwrap();
    let bytes = fs::read(fixtures().join("audio-only.m4a")).unwrap();
    sound.write_all(&bytes[..9_000]).unwrap();
    std::thread::sleep(Duration::from_millis(300));
    assert_eq!(status(&server, FILM), 503);
    sound.write_all(&bytes[9_000..]).unwrap();
    until("the whole asset", || status(&server, FILM) == 200);
}

#[test]
fn a_reader_that_is_slow_gets_the_version_that_it_asked_for() {
    let films = Films::new();
    let house = House::new();
    house.lay("film.mp4", &films.bytes[2]);
    let server = Server::start_with(house.root.path(), QUICK);
    let url = films.truths[2].versioned().find(|url| url.ends_with("/2.m4s")).unwrap().to_owned();
    let mut stream = tolerant::begun(server.public, &url, None).unwrap();
    let mut first = [0; 1];
    stream.read_exact(&mut first).unwrap();
    house.copy("film.mp4", &films.bytes[0]);
    until("the next film", || says(&server, FILM, &films.truths[0]));
    let mut rest = Vec::new();
    stream.read_to_end(&mut rest).unwrap();
    assert!(rest.ends_with(films.truths[2].body(&url)));
}
