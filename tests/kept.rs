//! Indexes and plans stored on the disk: read only as far as needed, they give the same responses as the original;
//! damaged or vanished ones never reach a client.

#![allow(
    dead_code,
    clippy::as_conversions,
    clippy::case_sensitive_file_extension_comparisons,
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    clippy::float_arithmetic,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test that panics has failed, its numbers are small, and it uses a part of what others use"
)]

#[path = "support/far.rs"]
mod far;
#[path = "support/faults.rs"]
mod faults;
#[path = "../benches/support/mod.rs"]
mod film;
#[path = "support/movie.rs"]
mod movie;
mod support;

use afflux::catalog::IndexPersistence;
use far::{Site, Talk, memory};
use faults::Faulty;
use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// Samples of video and audio in the film: 5½ minutes, in three and four sections.
const SAMPLES: [u32; 2] = [9_900, 15_400];

/// A film whose samples identify their positions, and the folder of its stored indexes.
struct Scene {
    store: Faulty,
    folder: TempDir,
    /// The index files as they were written.
    kept: BTreeMap<PathBuf, Vec<u8>>,
    /// URLs of a player, with the responses of a server that has read all headers.
    answers: Vec<(String, Vec<u8>)>,
}

impl Scene {
    fn new() -> Self {
        let mut pictures = movie::video(30, SAMPLES[0], |at| at % 60 == 0);
        for (at, frame) in pictures.frames.iter_mut().enumerate() {
            frame.offset = [1_000, 4_000, 2_000, 0, 0][at % 5];
        }
        let reels = [pictures.edited(0, 1_000), movie::audio(SAMPLES[1]).edited(0, 1_024)];
        let stored = film::Stored::new(&reels);
        let mut bytes = stored.start().to_vec();
        bytes.extend((bytes.len() as u64..stored.size()).map(movie::byte));
        let store = memory(&[("film.mp4", bytes)]);
        let mut scene =
            Self { store, folder: tempfile::tempdir().unwrap(), kept: BTreeMap::new(), answers: Vec::new() };
        let site = scene.site();
        let urls = ["index.m3u8", "index.mpd"].map(|entry| format!("/vod/film/{entry}"));
        let urls = urls.into_iter().chain(Talk::of(&site, "film").all());
        scene.answers = urls.map(|url| (url.clone(), site.get(&url).body)).collect();
        scene.kept = scene.until(|kept| kept.len() == 2);
        scene
    }

    fn site(&self) -> Site {
        let places = IndexPersistence { folder: Some((self.folder.path().into(), 1 << 30)), beside: false };
        Site::lasting(&self.store, &places)
    }

    /// Polls until the index files satisfy `so`; returns them.
    fn until(&self, so: impl Fn(&BTreeMap<PathBuf, Vec<u8>>) -> bool) -> BTreeMap<PathBuf, Vec<u8>> {
        let deadline = Instant::now() + Duration::from_secs(20);
        loop {
            let paths = fs::read_dir(self.folder.path()).unwrap().map(|entry| entry.unwrap().path());
            let whole = paths.filter(|path| path.extension().is_some_and(|end| end != "part"));
            let kept = whole.filter_map(|path| Some((path.clone(), fs::read(path).ok()?))).collect();
            if so(&kept) {
                return kept;
            }
            assert!(Instant::now() < deadline, "no index was stored within 20 s");
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Asserts that all responses are unchanged.
    fn check(&self, site: &Site, about: &str) {
        for (url, body) in &self.answers {
            let answer = site.get(url);
            assert_eq!(answer.status, 200, "{about}: {url}");
            assert!(answer.body == *body, "{about}: {url}");
        }
    }

    fn of_kind(&self, ending: &str) -> (&PathBuf, &Vec<u8>) {
        self.kept.iter().find(|(path, _)| path.extension().unwrap() == ending).unwrap()
    }
}

fn lay(path: &PathBuf, bytes: &[u8]) {
    fs::write(path, bytes).unwrap();
}

#[test]
fn what_was_kept_answers_as_what_it_was_made_of() {
    let scene = Scene::new();
    let site = scene.site();
    scene.check(&site, "kept");
    assert_eq!(site.metric("afflux_moov_reads_total"), 0);
    // Out of order, and from both tracks.
    let site = scene.site();
    for (url, body) in scene.answers.iter().rev().step_by(3) {
        assert!(site.get(url).body == *body, "{url}");
    }
    assert_eq!(site.metric("afflux_moov_reads_total"), 0);
    assert_eq!(scene.until(|_| true), scene.kept);
}

#[test]
fn what_has_rotted_anywhere_is_made_again() {
    let scene = Scene::new();
    for (path, bytes) in &scene.kept {
        for at in (0..bytes.len()).step_by(bytes.len() / 12 + 1).chain([bytes.len() - 1]) {
            let mut rotten = bytes.clone();
            rotten[at] ^= 4;
            lay(path, &rotten);
            scene.check(&scene.site(), &format!("{} has rotted at {at}", path.display()));
            assert_eq!(scene.until(|kept| *kept == scene.kept), scene.kept);
        }
        for len in [0, 5, 20, bytes.len() / 2, bytes.len() - 1] {
            lay(path, &bytes[..len]);
            scene.check(&scene.site(), &format!("{} is torn at {len}", path.display()));
            assert_eq!(scene.until(|kept| *kept == scene.kept), scene.kept);
        }
    }
}

#[test]
fn what_goes_away_or_rots_while_it_is_used_is_made_again() {
    let scene = Scene::new();
    let (path, bytes) = scene.of_kind("index");
    let mut rotten = bytes.clone();
    let middle = bytes.len() / 2;
    rotten[middle..middle + 4_096].fill(0xff);
    for now in [None, Some(&rotten[..]), Some(&bytes[..middle]), Some(&[])] {
        let site = scene.site();
        // The server has now read the head and the ends, but not the middle.
        assert_eq!(site.get(&scene.answers[0].0).status, 200);
        assert_eq!(site.metric("afflux_moov_reads_total"), 0);
        match now {
            None => fs::remove_file(path).unwrap(),
            Some(bytes) => lay(path, bytes),
        }
        scene.check(&site, "meanwhile");
        assert_eq!(site.metric("afflux_moov_reads_total"), 1, "the headers must be read once, for everything missing");
        assert_eq!(scene.until(|kept| *kept == scene.kept), scene.kept);
    }
}

#[test]
fn a_crowd_that_finds_it_gone_reads_once() {
    let scene = Scene::new();
    let (path, _) = scene.of_kind("index");
    for _ in 0..5 {
        let site = scene.site();
        assert_eq!(site.get(&scene.answers[0].0).status, 200);
        fs::remove_file(path).unwrap();
        let site = &site;
        std::thread::scope(|crowd| {
            for (url, body) in &scene.answers {
                crowd.spawn(move || assert!(site.get(url).body == *body, "{url}"));
            }
        });
        assert_eq!(site.metric("afflux_moov_reads_total"), 1);
        assert_eq!(scene.until(|kept| *kept == scene.kept), scene.kept);
    }
}

/// A plan with its checksum corrected.
fn sealed(mut plan: Vec<u8>) -> Vec<u8> {
    let body = plan.len() - 8;
    let checksum = crc_fast::checksum(crc_fast::CrcAlgorithm::Crc64Nvme, &plan[..body]);
    plan[body..].copy_from_slice(&checksum.to_le_bytes());
    plan
}

#[test]
fn a_plan_that_is_not_true_gives_no_wrong_segment_and_is_made_again() {
    let scene = Scene::new();
    let (path, bytes) = scene.of_kind("plan");
    let mut found = 0;
    for at in (20..bytes.len() - 8).step_by(bytes.len() / 40 + 1) {
        let mut forged = bytes.clone();
        forged[at] ^= 1;
        lay(path, &sealed(forged));
        let site = scene.site();
        let segments = scene.answers.iter().filter(|(url, _)| url.ends_with(".m4s"));
        let answers = segments.map(|(url, body)| (site.get(url), body));
        // A plan with moved cuts has other versions, each with its own bytes.
        let answers: Vec<_> = answers.filter(|(answer, _)| answer.status != 410).collect();
        assert!(answers.iter().all(|(answer, body)| answer.status == 200 && answer.body == **body), "{at}");
        if answers.len() + 2 == scene.answers.len() {
            scene.check(&site, &format!("forged at {at}"));
            found += 1;
        }
        lay(path, bytes);
    }
    assert!(found > 10, "{found}");
}
