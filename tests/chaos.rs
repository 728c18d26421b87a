//! Fifty uploads while servers and workers are killed at random: each ends published, once, whole, and leaves nothing
//! behind.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "a test that panics has failed")]

#[path = "support/desk.rs"]
mod desk;
#[path = "support/postgres.rs"]
mod postgres;
mod support;

use desk::{Desk, Worker, fixture};
use postgres::Postgres;
use serde_json::Value;
use std::collections::BTreeSet;
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::Receiver;
use std::time::{Duration, SystemTime};

/// Number of uploads.
const COUNT: usize = 50;

/// The uploaded file.
const FILM: &str = "barcode/180p.mp4";

/// Leases run out during the test.
const SETTINGS: &str = "[jobs]\nworkers = 1\nlease = \"1s\"\n[store]\nrefresh_remote = \"1s\"\n";

/// Pseudo-random numbers, the same in every run.
struct Dice(u64);

impl Dice {
    /// A number below `sides`.
    fn throw(&mut self, sides: u64) -> u64 {
        // Knuth's multiplier; the high bits are good enough to break things.
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (self.0 >> 33) % sides
    }
}

fn clients(desks: &[Desk]) -> Child {
    let script = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/clients/chaos.mjs");
    let mut command = Command::new("node");
    command.arg(script).args([desks[0].key.as_str(), &COUNT.to_string()]).arg(fixture(FILM));
    command.args(desks.iter().map(|desk| format!("http://{}/api/uploads", desk.server.private)));
    command.stdout(Stdio::piped()).stderr(Stdio::inherit()).spawn().unwrap()
}

/// The clients' steps as they happen.
fn steps_of(clients: &mut Child) -> Receiver<String> {
    let (sender, steps) = std::sync::mpsc::channel();
    let lines = BufReader::new(clients.stdout.take().unwrap()).lines();
    std::thread::spawn(move || lines.map_while(Result::ok).try_for_each(|line| sender.send(line)));
    steps
}

/// Kills a random server or worker every few steps of the clients until they are done, so that a fast machine sees as
/// many kills as a slow one. Returns the published assets and the number of kills.
fn havoc(desks: &mut [Desk], clients: &mut Child) -> (Vec<String>, usize) {
    let mut dice = Dice(7);
    let mut workers: Vec<Worker> = (0..2).map(|_| desks[0].worker()).collect();
    let (mut published, mut kills, mut left) = (Vec::new(), 0, 5);
    for step in steps_of(clients) {
        published.extend(step.strip_prefix("published ").map(String::from));
        left -= 1;
        if left > 0 {
            continue;
        }
        std::thread::sleep(Duration::from_millis(dice.throw(60)));
        let count = u64::try_from(desks.len()).unwrap();
        if dice.throw(2) == 0 {
            let desk = &mut desks[usize::try_from(dice.throw(count)).unwrap()];
            desk.kill();
            std::thread::sleep(Duration::from_millis(dice.throw(300)));
            desk.start();
        } else {
            let at = usize::try_from(dice.throw(2)).unwrap();
            workers[at] = desks[0].worker();
        }
        kills += 1;
        left = 6 + dice.throw(14);
    }
    (published, kills)
}

/// Makes staged files old enough for the sweep: the rest of a put that a kill cut short stays until then.
fn age(staged: &[PathBuf]) {
    let old = SystemTime::now() - Duration::from_hours(48);
    for path in staged {
        File::options().write(true).open(path).unwrap().set_modified(old).unwrap();
    }
}

/// All items of a list of the API.
fn all(desk: &Desk, path: &str) -> Vec<Value> {
    let (mut items, mut after) = (Vec::new(), String::new());
    loop {
        let page = desk.get(&format!("{path}{after}"));
        assert_eq!(page.status, 200, "{}", page.text);
        items.extend(page.json["items"].as_array().unwrap().iter().cloned());
        match page.json["next"].as_str() {
            Some(next) => after = format!("&after={}", next.replace('+', "%2B")),
            None => return items,
        }
    }
}

fn survives(mut desks: Vec<Desk>) {
    let mut clients = clients(&desks);
    let (told, kills) = havoc(&mut desks, &mut clients);
    assert!(clients.wait().unwrap().success());
    let published: BTreeSet<&String> = told.iter().collect();
    assert_eq!((published.len(), told.len()), (COUNT, COUNT));
    assert!(kills >= 5, "only {kills} kills: nothing was tried");
    age(&desks[0].staged());
    desks[0].kill();
    desks[0].start();
    let desk = &desks[0];
    let expected = desk.packets_of(&fixture(FILM));
    for asset in published {
        // Published once: one file, one rendition, whole.
        let folder = desk.media().join(asset);
        let descriptor: Value = serde_json::from_slice(&std::fs::read(folder.join("asset.json")).unwrap()).unwrap();
        assert_eq!(descriptor["renditions"].as_array().unwrap().len(), 1, "{descriptor}");
        assert_eq!(std::fs::read_dir(&folder).unwrap().count(), 2, "{asset}");
        assert_eq!(desk.packets(&format!("/vod/{asset}/index.m3u8")), expected, "{asset}");
    }
    let uploads = all(desk, "/api/uploads?state=published&limit=20");
    let assets: BTreeSet<&str> = uploads.iter().map(|upload| upload["asset"].as_str().unwrap()).collect();
    assert_eq!((uploads.len(), assets.len()), (COUNT, COUNT));
    let jobs = all(desk, "/api/jobs?kind=finish&limit=20");
    assert!(jobs.iter().all(|job| job["state"] == "done"), "{jobs:?}");
    let subjects: BTreeSet<&str> = jobs.iter().map(|job| job["subject"].as_str().unwrap()).collect();
    assert_eq!((jobs.len(), subjects.len()), (COUNT, COUNT));
    // Creations whose response was lost are uploads of no bytes, which expire by their row; the sweep removes all else.
    let open = all(desk, "/api/uploads?state=receiving&limit=20");
    let known: BTreeSet<String> = open.iter().map(|upload| upload["id"].as_str().unwrap().to_owned()).collect();
    let strangers = || {
        let is_known = |path: &PathBuf| {
            let parts: Vec<&str> = path.iter().filter_map(|part| part.to_str()).collect();
            parts.iter().any(|part| known.contains(part.split('.').next().unwrap()))
        };
        desk.staged().into_iter().filter(|path| !is_known(path)).collect::<Vec<_>>()
    };
    let swept = (0..100).any(|_| {
        std::thread::sleep(Duration::from_millis(100));
        strangers().is_empty()
    });
    assert!(swept, "{:?}", strangers());
    eprintln!("{COUNT} uploads, {kills} kills, {} creations whose answer was lost", open.len());
}

#[test]
fn fifty_uploads_survive_kills_on_disk_with_sqlite() {
    survives(vec![Desk::with(SETTINGS)]);
}

#[test]
fn fifty_uploads_survive_kills_on_s3_with_postgresql_and_two_replicas() {
    let Some(postgres) = Postgres::start() else { return };
    let one = Desk::far(&postgres.url(), SETTINGS);
    let other = one.beside(SETTINGS);
    survives(vec![one, other]);
}
