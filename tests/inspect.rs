//! `afflux inspect`, run like a user or a script runs it.

#![allow(clippy::unwrap_used, reason = "a test that panics has failed")]

mod support;

use afflux::lint::Code;
use serde_json::Value;
use std::process::Output;
use support::{afflux, fixtures};

fn inspect(args: &[&str]) -> Output {
    afflux(&[&["inspect"], args].concat()).output().unwrap()
}

fn fixture(name: &str) -> String {
    fixtures().join(name).to_str().unwrap().to_string()
}

#[test]
fn json_tells_tracks_codecs_edits_cuts_and_lint() {
    let output = inspect(&[&fixture("late-audio.mp4"), "--json"]);
    assert!(output.status.success());
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    let tracks = report["tracks"].as_array().unwrap();
    let codecs: Vec<&str> = tracks.iter().map(|track| track["codec"].as_str().unwrap()).collect();
    assert_eq!(codecs, ["avc1.64000b", "mp4a.40.2"]);
    assert_eq!(
        (&tracks[0]["cuts"], &tracks[0]["start"], &tracks[0]["end"]),
        (&[0.0, 6.0].into(), &0.0.into(), &12.0.into())
    );
    assert_eq!((&tracks[1]["edit"]["delay"], &tracks[1]["samples"]), (&1.478.into(), &494.into()));
    assert_eq!((&report["layout"], &report["duration"]), (&"moov first".into(), &12.0.into()));
    let lint: Vec<&str> =
        report["lint"].as_array().unwrap().iter().map(|found| found["code"].as_str().unwrap()).collect();
    assert_eq!(lint, ["late-track"]);
}

#[test]
fn text_tells_a_person_the_same() {
    let output = inspect(&[&fixture("moov-at-end.mp4")]);
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.starts_with("moov-at-end.mp4: "), "{text}");
    for word in ["video avc1.", "audio mp4a.40.2", "cuts", "bit rate", "info moov-at-end: "] {
        assert!(text.contains(word), "{word} is missing in\n{text}");
    }
}

#[test]
fn what_is_no_mp4_is_one_line_and_exit_code_1() {
    let output = inspect(&[&format!("{}/Cargo.toml", env!("CARGO_MANIFEST_DIR"))]);
    let error = String::from_utf8(output.stderr).unwrap();
    assert_eq!((output.status.code(), output.stdout.len(), error.lines().count()), (Some(1), 0, 1), "{error}");
    assert!(error.contains("Cargo.toml: "), "{error}");
    assert_eq!(inspect(&["/nowhere.mp4"]).status.code(), Some(1));
}

#[test]
fn folders_and_several_files_are_inspected_one_after_the_other() {
    let media = tempfile::tempdir().unwrap();
    let place = |name: &str| media.path().join(name).to_str().unwrap().to_owned();
    std::fs::create_dir_all(media.path().join("films/.hidden")).unwrap();
    for name in ["films/b.mp4", "a.MP4", "films/.hidden/c.mp4"] {
        std::fs::copy(fixture("vfr.mp4"), place(name)).unwrap();
    }
    std::fs::write(place("films/bad.mp4"), b"this is no film at all").unwrap();
    std::fs::write(place("films/cover.jpg"), b"").unwrap();
    std::os::unix::fs::symlink(media.path().join("films"), media.path().join("films/up")).unwrap();
    let text = inspect(&[media.path().to_str().unwrap()]);
    let (out, errors) = (String::from_utf8(text.stdout).unwrap(), String::from_utf8(text.stderr).unwrap());
    let heads: Vec<&str> = out
        .lines()
        .filter_map(|line| line.split_once(".mp4: ").or(line.split_once(".MP4: ")))
        .map(|(name, _)| name)
        .collect();
    assert_eq!(heads, [place("a"), place("films/b")]);
    assert_eq!((text.status.code(), errors.lines().count()), (Some(1), 2), "{errors}");
    assert!(
        errors.contains(&place("films/bad.mp4")) && errors.contains("1 files") && errors.contains("cover.jpg"),
        "{errors}"
    );
    let json = inspect(&["--json", &place("films"), &place("a.MP4")]);
    let reports: Value = serde_json::from_slice(&json.stdout).unwrap();
    let files: Vec<&str> = reports.as_array().unwrap().iter().map(|report| report["file"].as_str().unwrap()).collect();
    assert_eq!(files, [place("films/b.mp4"), place("films/bad.mp4"), place("a.MP4")]);
    assert!(reports[1]["refused"].is_string() && reports[0]["tracks"].is_array(), "{reports}");
    let empty = inspect(&["--json", &place("films/.hidden/none")]);
    assert_eq!((empty.status.code(), String::from_utf8(empty.stdout).unwrap().as_str()), (Some(1), ""));
    std::fs::create_dir(media.path().join("empty")).unwrap();
    let empty = inspect(&[&place("empty")]);
    assert_eq!(empty.status.code(), Some(1));
    assert!(String::from_utf8(empty.stderr).unwrap().contains("no MP4, MOV or M4A file"));
}

#[test]
fn each_fixture_has_the_lint_it_was_made_for_and_no_other() {
    let expected: [(&str, &[&str]); 10] = [
        ("barcode/360p.mp4", &[]),
        ("natural/352p.mp4", &[]),
        ("empty-edit.mp4", &["late-track"]),
        ("late-audio.mp4", &["late-track"]),
        ("moov-at-end.mp4", &["moov-at-end"]),
        ("no-stss.mp4", &["no-sync-table"]),
        ("starts-inside-gop.mp4", &["edit-inside-gop"]),
        ("vfr.mp4", &[]),
        ("fragmented.mp4", &[]),
        ("audio-only.m4a", &[]),
    ];
    for (name, codes) in expected {
        let output = inspect(&[&fixture(name), "--json"]);
        let report: Value = serde_json::from_slice(&output.stdout).unwrap();
        let found: Vec<&str> =
            report["lint"].as_array().unwrap().iter().map(|found| found["code"].as_str().unwrap()).collect();
        assert_eq!(found, codes, "{name}");
    }
}

#[test]
fn the_page_about_lint_explains_every_code_and_names_its_level() {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    let page = std::fs::read_to_string(root.join("docs/lint.md")).unwrap();
    let rows: Vec<(&str, &str)> = page
        .lines()
        .filter_map(|line| line.strip_prefix("| `")?.split_once("` | "))
        .filter_map(|(code, rest)| Some((code, rest.split(" |").next()?)))
        .filter(|(_, level)| ["error", "warning", "info"].contains(level))
        .collect();
    let codes = Code::ALL.map(|code| (code.as_str(), code.level().as_str()));
    assert_eq!(rows, codes);
}

#[test]
fn indexes_are_made_ahead_and_bad_files_are_told() {
    let (media, indexes) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    for name in ["vfr.mp4", "co64.mp4"] {
        std::fs::copy(support::fixtures().join(name), media.path().join(name)).unwrap();
    }
    std::fs::write(media.path().join("bad.mp4"), b"this is no film at all").unwrap();
    let run = |args: &[&str]| {
        let folder = ["--index-folder", indexes.path().to_str().unwrap()];
        let done = support::afflux(&[&["index"], args, &folder].concat()).output().unwrap();
        (done.status.code(), String::from_utf8(done.stdout).unwrap())
    };
    let (place, file) = (media.path().to_str().unwrap(), media.path().join("vfr.mp4"));
    let one = (Some(0), "vfr: 1 file\n1 assets indexed, 0 refused\n".into());
    assert_eq!(run(&[place, "--asset", "vfr"]), one);
    assert_eq!(run(&[file.to_str().unwrap()]), one);
    let kept = || {
        let names = std::fs::read_dir(indexes.path()).unwrap().map(|entry| entry.unwrap().path());
        let mut endings: Vec<_> = names.map(|name| name.extension().unwrap().to_str().unwrap().to_owned()).collect();
        endings.sort_unstable();
        endings
    };
    assert_eq!(kept(), ["index", "plan"]);
    let (code, told) = run(&[place]);
    assert_eq!(code, Some(1));
    assert!(told.starts_with("bad: refused: bad.mp4: "), "{told}");
    assert!(told.ends_with("co64: 1 file\nvfr: 1 file\n2 assets indexed, 1 refused\n"), "{told}");
    assert_eq!(kept(), ["index", "index", "plan", "plan"]);
}
