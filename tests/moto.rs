//! S3, played by moto: versions, `If-Match`, TLS. Tests a player in the middle of a film that is replaced, and the
//! error for an untrusted certificate.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "a test that panics has failed")]

#[path = "support/emulator.rs"]
mod emulator;
#[path = "support/reel.rs"]
mod reel;
mod support;
#[path = "support/tolerant.rs"]
mod tolerant;
#[path = "support/truth.rs"]
mod truth;

use emulator::{Certificate, Emulator, fill_s3};
use reel::reel;
use std::fs::File;
use std::time::{Duration, Instant};
use support::{Server, fixtures};
use tempfile::TempDir;
use truth::Truth;

const BUCKET: &str = "films";
const STORE: &str = "s3://films";

const FILM: &str = "/vod/film/index.m3u8";

/// Settings that check `s3` on every request, with more `options`.
fn settings(s3: &Emulator, options: &str) -> String {
    let options = format!("{{ endpoint = \"{}\", region = \"us-east-1\", {options} }}", s3.endpoint);
    format!("[store]\nrefresh_remote = \"0s\"\noptions = {options}\n")
}

/// A server over the bucket of `s3`, with more `options`.
fn served(s3: &Emulator, options: &str) -> Server {
    Server::start_over(STORE, &settings(s3, options), &keys())
}

/// moto does not check signatures.
fn keys() -> [(&'static str, String); 2] {
    ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"].map(|name| (name, "any".into()))
}

/// A folder that holds `film.mp4`, and the right responses for its URLs.
fn house(seed: u32) -> (TempDir, Truth) {
    let house = tempfile::tempdir().unwrap();
    std::fs::write(house.path().join("film.mp4"), reel(seed)).unwrap();
    let truth = Truth::of(house.path(), &["film"], &[]);
    (house, truth)
}

/// Number of URLs of `truth` that are served, whole and right, and of those refused as gone. Anything else fails.
fn answered(server: &Server, truth: &Truth) -> (usize, usize) {
    let (mut whole, mut gone) = (0, 0);
    for url in truth.versioned() {
        let got = tolerant::get(server.public, url, None).unwrap();
        truth.judge(url, None, &got).unwrap();
        match got.status {
            200 if got.body.len() == got.promised => whole += 1,
            410 => gone += 1,
            status => panic!("{url}: {status} with {} of {} bytes", got.body.len(), got.promised),
        }
    }
    (whole, gone)
}

/// A player begins with one film, then another replaces it. Returns the number of the first film's URLs that are served
/// afterwards, and that are gone; all URLs of the second must be served.
fn replaced(more: &[&str]) -> (usize, usize) {
    let ((one, of_one), (two, of_two)) = (house(1), house(2));
    let s3 = Emulator::s3();
    fill_s3(&s3, BUCKET, one.path(), more);
    let far = served(&s3, "allow_http = true");
    let begun: Vec<&str> = of_one.segments().into_iter().filter(|url| url.ends_with("/1.m4s")).collect();
    assert!(begun.len() == 2 && far.get(FILM, "").status == 200, "{begun:?}");
    for url in begun {
        assert!(far.get(url, "").body == of_one.body(url), "{url}");
    }
    fill_s3(&s3, BUCKET, two.path(), more);
    let counted = answered(&far, &of_one);
    let begun = Instant::now();
    let is_new = || of_two.judge(FILM, None, &tolerant::get(far.public, FILM, None).unwrap()).is_ok();
    while !is_new() {
        assert!(begun.elapsed() < Duration::from_secs(10), "the new version is not seen");
        std::thread::sleep(Duration::from_millis(50));
    }
    assert_eq!(answered(&far, &of_two), (of_two.versioned().count(), 0));
    let later = answered(&far, &of_one);
    println!("{counted:?} at once, {later:?} later");
    assert_eq!(counted.0 + counted.1, later.0 + later.1);
    later
}

#[test]
fn where_versions_are_kept_a_player_in_the_middle_goes_on_to_the_end() {
    let (whole, gone) = replaced(&["--versioned"]);
    assert!(whole > 20 && gone == 0, "{whole} {gone}");
}

#[test]
fn where_none_are_kept_what_is_lost_is_gone_and_never_mixed_with_what_came() {
    let (whole, gone) = replaced(&[]);
    assert!(whole >= 2 && gone > 10, "{whole} {gone}");
}

#[test]
fn a_certificate_that_nobody_trusts_is_told_and_one_that_is_named_serves() {
    let folder = tempfile::tempdir().unwrap();
    let certificate = Certificate::in_folder(folder.path());
    let s3 = Emulator::s3_with_tls(&certificate);
    let file = certificate.file.to_str().unwrap();
    fill_s3(&s3, BUCKET, &fixtures(), &["--ca", file]);

    let why = "the store failed: s3://films/: the store does not answer: invalid peer certificate: UnknownIssuer";
    let log = folder.path().join("log");
    let far = Server::start_logged(STORE, &settings(&s3, ""), &keys(), File::create(&log).unwrap());
    let ready = far.private("/readyz");
    assert!(ready.status == 503 && ready.text_lossy().contains(why), "{}", ready.text_lossy());
    // The server's own check may finish later than our request.
    let begun = Instant::now();
    let logged = || std::fs::read_to_string(&log).unwrap().matches(&format!("not ready: {why}\n")).count();
    while logged() == 0 && begun.elapsed() < Duration::from_secs(10) {
        std::thread::sleep(Duration::from_millis(50));
    }
    assert_eq!(logged(), 1, "{}", std::fs::read_to_string(&log).unwrap());
    let answer = far.get("/vod/vfr/index.m3u8", "");
    assert!(answer.status == 502 && answer.json()["detail"] == why, "{}", answer.text_lossy());

    let far = served(&s3, &format!("ca = \"{file}\""));
    assert_eq!(far.private("/readyz").status, 200);
    let truth = Truth::of(&fixtures(), &["vfr"], &[]);
    assert_eq!(answered(&far, &truth), (truth.versioned().count(), 0));
}

#[test]
fn moto_serves_what_a_folder_serves() {
    let s3 = Emulator::s3();
    fill_s3(&s3, BUCKET, &fixtures(), &[]);
    let far = served(&s3, "allow_http = true");
    let ids = ["natural", "two-languages", "fragmented"];
    let truth = Truth::of(&fixtures(), &ids, &[]);
    assert_eq!(answered(&far, &truth), (truth.versioned().count(), 0));
}
