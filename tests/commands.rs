//! The client commands as processes: uploads that are interrupted and resumed, lists, keys, refusals.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "a test that panics has failed")]

#[path = "support/desk.rs"]
mod desk;
#[path = "support/line.rs"]
mod line;
mod support;

use afflux::library::{JobKind, Library, NewJob};
use desk::{Desk, film, fixture};
use line::Line;
use serde_json::Value;
use std::path::Path;
use std::process::{Child, Command, Output};
use std::thread::sleep;
use std::time::{Duration, Instant};
use support::afflux;
use tempfile::TempDir;

/// Bytes a second: slow enough to interrupt an upload in the middle.
const SLOW: u64 = 400_000;

/// A user with a home directory and a key.
struct Person {
    home: TempDir,
    key: String,
    server: String,
}

impl Person {
    fn at(server: &str, key: &str) -> Self {
        Self { home: tempfile::tempdir().unwrap(), key: key.into(), server: server.into() }
    }

    fn of(desk: &Desk) -> Self {
        Self::at(&format!("http://{}", desk.server.private), &desk.key)
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = afflux(args);
        command.env("XDG_STATE_HOME", self.home.path()).env("AFFLUX_SERVER", &self.server).env("AFFLUX_KEY", &self.key);
        command
    }

    fn says(&self, args: &[&str]) -> Said {
        Said::of(self.command(args).output().unwrap())
    }

    fn begins(&self, args: &[&str]) -> Child {
        self.command(args).spawn().unwrap()
    }

    /// Remembered uploads in progress.
    fn remembered(&self) -> Vec<Value> {
        let text = std::fs::read(self.home.path().join("afflux/uploads.json"));
        text.map(|text| serde_json::from_slice(&text).unwrap()).unwrap_or_default()
    }
}

/// Output and exit code of a process.
#[derive(Debug)]
struct Said {
    code: Option<i32>,
    out: String,
    err: String,
}

impl Said {
    fn of(output: Output) -> Self {
        let text = |bytes| String::from_utf8(bytes).unwrap();
        Self { code: output.status.code(), out: text(output.stdout), err: text(output.stderr) }
    }

    /// Its standard output; it must have succeeded.
    fn done(self) -> String {
        assert_eq!(self.code, Some(0), "{self:?}");
        self.out
    }

    fn json(self) -> Vec<Value> {
        self.done().lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    /// Its exit code and error output; it must have printed nothing else.
    fn refused(self) -> (Option<i32>, String) {
        assert_eq!(self.out, "", "{}", self.err);
        (self.code, self.err)
    }
}

fn path(path: &Path) -> &str {
    path.to_str().unwrap()
}

fn size(file: &Path) -> u64 {
    file.metadata().unwrap().len()
}

#[test]
fn files_are_sent_one_after_the_other_and_each_says_where_it_plays() {
    let desk = Desk::new();
    let person = Person::of(&desk);
    let (film, small) = (film(), fixture("barcode/180p.mp4"));
    let said = person.says(&["upload", path(&film), path(&small)]).done();
    let plays = |asset: &str| format!("{asset}  http://{}/vod/{asset}/index.m3u8\n", desk.server.public);
    assert_eq!(said, plays("352p") + &plays("180p"));
    assert_eq!(desk.packets("/vod/352p/index.m3u8"), desk.packets_of(&film));
    assert_eq!(person.remembered(), [Value::Null; 0]);
    let named = person.says(&["upload", path(&small), "--asset", "films/night", "--title", "Night", "--json"]).json();
    assert_eq!((&named[0]["asset"], &named[0]["state"]), (&"films/night".into(), &"published".into()));
    assert_eq!(desk.get("/api/assets/films/night").json["title"], "Night");
}

#[test]
fn an_upload_goes_on_after_the_client_was_killed_in_its_middle() {
    let desk = Desk::new();
    let line = Line::to(desk.server.private, SLOW);
    let person = Person::at(&line.url(), &desk.key);
    let film = film();
    let mut killed = person.begins(&["upload", path(&film), "--asset", "night"]);
    line.wait_for(size(&film) / 2);
    killed.kill().unwrap();
    killed.wait().unwrap();
    line.cut();
    assert_eq!(person.remembered().len(), 1);
    // The server stores the received bytes once it notices the hang-up.
    sleep(Duration::from_millis(500));
    let before = line.sent();
    line.carries(0);
    let said = person.says(&["upload", path(&film), "--asset", "night"]);
    assert!(said.err.contains("352p.mp4: goes on at ") && said.err.contains(" of 1.91 MB"), "{}", said.err);
    assert_eq!(said.done(), format!("night  http://{}/vod/night/index.m3u8\n", desk.server.public));
    let again = line.sent() - before;
    assert!(again < size(&film) * 2 / 3, "{again} bytes were sent the second time");
    assert_eq!(desk.packets("/vod/night/index.m3u8"), desk.packets_of(&film));
    assert_eq!(person.remembered(), [Value::Null; 0]);
    assert!(desk.staged().is_empty());
}

#[test]
fn an_upload_goes_on_by_itself_after_the_server_was_killed_in_its_middle() {
    let mut desk = Desk::new();
    let line = Line::to(desk.server.private, SLOW);
    let person = Person::at(&line.url(), &desk.key);
    let film = film();
    let client = person.begins(&["upload", path(&film), "--asset", "night"]);
    line.wait_for(size(&film) / 2);
    desk.kill();
    sleep(Duration::from_millis(700));
    desk.start();
    line.leads_to(desk.server.private);
    line.carries(0);
    let said = Said::of(client.wait_with_output().unwrap());
    assert_eq!(said.done(), format!("night  http://{}/vod/night/index.m3u8\n", desk.server.public));
    assert_eq!(desk.packets("/vod/night/index.m3u8"), desk.packets_of(&film));
    assert_eq!(desk.get("/api/uploads").json["items"].as_array().unwrap().len(), 1);
    assert_eq!(person.remembered(), [Value::Null; 0]);
}

#[test]
fn what_is_refused_says_why_and_what_comes_behind_it_is_sent() {
    let desk = Desk::new();
    let person = Person::of(&desk);
    let text = person.home.path().join("text.mp4");
    std::fs::write(&text, "this is no video at all, whatever its name says").unwrap();
    let nowhere = person.home.path().join("nowhere.mp4");
    let film = film();
    let said = person.says(&["upload", path(&text), path(&nowhere), path(&film)]);
    assert_eq!(said.code, Some(1));
    let lines: Vec<&str> = said.err.lines().collect();
    let reason = desk.get("/api/uploads?state=refused").json["items"][0]["reason"].as_str().unwrap().to_owned();
    assert_eq!(lines[0], format!("afflux: {}: {reason}", text.display()));
    assert_eq!(lines[1], format!("afflux: {}: No such file or directory (os error 2)", nowhere.display()));
    assert_eq!(said.out, format!("352p  http://{}/vod/352p/index.m3u8\n", desk.server.public));
    assert_eq!(person.remembered(), [Value::Null; 0]);
}

#[test]
fn assets_are_listed_looked_at_deleted_and_given_back() {
    let desk = Desk::new();
    let person = Person::of(&desk);
    assert_eq!(person.says(&["assets"]).done(), "there are no assets\n");
    desk.put("films/night", "night.mp4");
    desk.put("day", "day.mp4");
    let names = |args: &[&str]| -> Vec<String> {
        let table = person.says(args).done();
        table.lines().skip(1).map(|line| line.split(' ').next().unwrap().to_owned()).collect()
    };
    assert_eq!(names(&["assets"]), ["day", "films/night"]);
    assert_eq!(names(&["assets", "list", "--sort", "-name"]), ["films/night", "day"]);
    assert_eq!(names(&["assets", "--search", "NIGHT"]), ["films/night"]);
    let table = person.says(&["assets", "--search", "day"]).done();
    assert!(
        table
            .starts_with("NAME  TITLE  LENGTH  SIZE     FILES  CREATED (UTC)\nday   day    0:48    1.91 MB  1      20")
    );
    // The JSON is the API's own.
    let listed: Vec<Value> = person.says(&["assets", "--json"]).json();
    assert_eq!(Value::from(listed), desk.get("/api/assets").json["items"]);
    assert_eq!(person.says(&["assets", "get", "day", "--json"]).done().trim_end(), desk.get("/api/assets/day").text);
    let told = person.says(&["assets", "get", "films/night"]).done();
    let lines: Vec<&str> = told.lines().take(4).collect();
    assert_eq!(lines[0], "name        films/night");
    assert_eq!(lines[2..], ["length      0:48", "size        1.91 MB in 1 file"]);
    assert!(person.says(&["assets", "delete", "films/night"]).done().contains("\nkept until  "));
    assert_eq!(names(&["assets", "--deleted"]), ["films/night"]);
    person.says(&["assets", "restore", "films/night"]).done();
    assert_eq!(names(&["assets"]), ["day", "films/night"]);
    assert_eq!(person.says(&["assets", "get", "none"]).refused(), (Some(1), "afflux: there is no such asset\n".into()));
    let (code, why) = person.says(&["assets", "--sort", "colour"]).refused();
    assert_eq!(code, Some(1));
    assert!(why.starts_with("afflux: `sort` is `colour`; name, created"), "{why}");
    assert_eq!(person.says(&["assets", "get", "../x"]).refused().0, Some(2));
    assert_eq!(person.says(&["assets", "--deleted", "get", "day"]).refused().0, Some(2));
}

#[test]
fn jobs_are_listed_cancelled_and_done_again() {
    let desk = Desk::new();
    let person = Person::of(&desk);
    assert_eq!(person.says(&["jobs", "list", "--state", "dead"]).done(), "there are no jobs\n");
    desk.put("day", "day.mp4");
    // A film plays before its job is marked done.
    while !person.says(&["jobs", "--state", "running", "--json"]).json().is_empty() {
        sleep(Duration::from_millis(50));
    }
    let listed = person.says(&["jobs", "--json"]).json();
    assert_eq!(Value::from(listed.clone()), desk.get("/api/jobs").json["items"]);
    let (code, why) = person.says(&["jobs", "retry", "nothing"]).refused();
    assert_eq!((code, why.as_str()), (Some(1), "afflux: there is no such job\n"));
    for job in listed.iter().filter(|job| job["state"] == "done") {
        let (code, why) = person.says(&["jobs", "retry", job["id"].as_str().unwrap()]).refused();
        assert_eq!((code, why.as_str()), (Some(1), "afflux: only dead and cancelled jobs are done again\n"));
    }
    assert_eq!(person.says(&["jobs", "--state", "odd"]).refused().0, Some(1));
}

/// Puts jobs that no worker runs into a library.
fn enqueue(desk: &Desk, count: u32) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let library = Library::open(&library(desk)).await.unwrap();
        for number in 0..count {
            let new = NewJob {
                id: format!("job-{number:04}"),
                kind: JobKind::Discover,
                subject: format!("film \u{1b}[2J{number}"),
                payload: String::new(),
                priority: 0,
                dedupe: None,
                max_attempts: 1,
                run_at: i64::MAX / 2,
            };
            library.enqueue(&new, i64::from(number)).await.unwrap();
        }
        library.close().await;
    });
}

fn library(desk: &Desk) -> String {
    format!("sqlite:{}", desk.media().with_file_name("library.db").display())
}

#[test]
fn a_list_is_followed_to_its_last_page_and_moves_no_cursor() {
    let desk = Desk::new();
    let person = Person::of(&desk);
    // Two full pages and one row.
    enqueue(&desk, 1_001);
    let listed = person.says(&["jobs", "--kind", "discover", "--json"]).json();
    let ids: Vec<&str> = listed.iter().map(|job| job["id"].as_str().unwrap()).collect();
    let expected: Vec<String> = (0..1_001).rev().map(|number| format!("job-{number:04}")).collect();
    assert_eq!(ids, expected);
    let table = person.says(&["jobs", "list", "--kind", "discover"]).done();
    assert_eq!(table.lines().count(), 1_002);
    assert!(!table.contains('\u{1b}') && table.contains("film \u{fffd}[2J7 "), "{}", table.lines().last().unwrap());
    let cancelled = person.says(&["jobs", "cancel", "job-0007"]).done();
    assert_eq!(
        cancelled,
        "job         job-0007\nwhat        discover\nof          film \u{fffd}[2J7\nstate       cancelled\n"
    );
    assert!(person.says(&["jobs", "retry", "job-0007"]).done().ends_with("state       queued\n"));
}

#[test]
fn keys_are_made_used_and_revoked() {
    let desk = Desk::new();
    let admin = Person::of(&desk);
    let made = admin.says(&["keys", "make", "ci", "--scope", "write", "--expires-in", "30d"]);
    let id = made.err.split(' ').nth(1).unwrap().trim_end_matches(';').to_owned();
    let secret = made.done().trim_end().to_owned();
    let ci = Person::at(&admin.server, &secret);
    assert_eq!(ci.says(&["assets"]).done(), "there are no assets\n");
    let (code, why) = ci.says(&["keys"]).refused();
    assert_eq!((code, why.as_str()), (Some(1), "afflux: the key `ci` has the scopes write; this needs admin\n"));
    let table = admin.says(&["keys", "list"]).done();
    let line = table.lines().find(|line| line.starts_with(&id)).unwrap();
    assert_eq!(line.split_whitespace().skip(1).take(3).collect::<Vec<_>>(), ["ci", "write", "good"]);
    assert!(!table.contains(&secret));
    assert_eq!(admin.says(&["keys", "revoke", &id]).done(), format!("revoked {id}\n"));
    assert_eq!(ci.says(&["assets"]).refused(), (Some(1), "afflux: the key was revoked\n".into()));
    assert_eq!(admin.says(&["keys", "make", "ci", "--scope", "all"]).refused().0, Some(2));
}

#[test]
fn who_lost_all_keys_makes_one_in_the_database() {
    let desk = Desk::new();
    let nobody = Person::at(&format!("http://{}", desk.server.private), "");
    let library = library(&desk);
    let secret = nobody.says(&["keys", "make", "rescue", "--scope", "admin", "--library", &library]).done();
    let rescued = Person::at(&nobody.server, secret.trim_end());
    assert!(rescued.says(&["keys"]).done().contains("rescue"));
    let json = nobody.says(&["keys", "make", "second", "--scope", "read", "--library", &library, "--json"]).json();
    assert_eq!((&json[0]["name"], &json[0]["scopes"]), (&"second".into(), &vec!["read"].into()));
    // The command does not create a missing database.
    let (code, why) =
        nobody.says(&["keys", "make", "x", "--scope", "read", "--library", "sqlite:/nowhere.db"]).refused();
    assert_eq!((code, why.as_str()), (Some(1), "afflux: there is no database at /nowhere.db\n"));
}

#[test]
fn a_wrong_key_and_a_server_that_is_away_are_told_on_one_line() {
    let desk = Desk::new();
    let film = film();
    let server = format!("http://{}", desk.server.private);
    let stranger = Person::at(&server, "afx_0");
    assert_eq!(stranger.says(&["assets"]).refused(), (Some(1), "afflux: there is no such key\n".into()));
    let (code, why) = stranger.says(&["upload", path(&film), path(&film)]).refused();
    assert_eq!((code, why), (Some(1), format!("afflux: {}: there is no such key\n", film.display())));
    let (code, why) = Person::at(&server, "").says(&["assets"]).refused();
    assert_eq!((code, why.as_str()), (Some(2), "afflux: a key is needed: --key, or AFFLUX_KEY in the environment\n"));
    let (code, why) = Person::at("ftp://x", "afx_0").says(&["assets"]).refused();
    assert_eq!(code, Some(2));
    assert!(why.starts_with("afflux: --server ftp://x: "), "{why}");
    let away = Person::at("http://127.0.0.1:9", "afx_0");
    let began = Instant::now();
    let (code, why) = away.says(&["assets"]).refused();
    assert_eq!(
        (code, why.as_str()),
        (Some(1), "afflux: no answer from http://127.0.0.1:9: Connection refused (os error 111)\n")
    );
    assert_eq!(away.says(&["upload", path(&film)]).refused().0, Some(1));
    assert!(began.elapsed() < Duration::from_secs(10));
    // Neither help nor errors show the key.
    let help = away.command(&["assets", "--help"]).env("AFFLUX_KEY", "afx_secret").output().unwrap();
    assert!(!String::from_utf8(help.stdout).unwrap().contains("afx_secret"));
}
