//! Discovery: the report of the GStreamer program on uploaded files.

#![cfg(feature = "transcode")]
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "a test that panics has failed")]

#[path = "support/desk.rs"]
mod desk;
mod support;

use desk::{Desk, film};
use serde_json::{Value, json};
use std::io::Write;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// PUTs `file` as the asset `night`.
fn put(desk: &Desk, file: &Path) -> desk::Told {
    let data = format!("@{}", file.display());
    desk.curl(&["-X", "PUT", "--data-binary", &data], "/api/assets/night/files/night.mp4")
}

/// Polls `look` until it returns a value.
fn sooner_or_later<T>(mut look: impl FnMut() -> Option<T>) -> T {
    for _ in 0..300 {
        if let Some(found) = look() {
            return found;
        }
        std::thread::sleep(Duration::from_millis(100));
    }
    panic!("no result within 30 s");
}

/// The report of the only upload, once it includes GStreamer's.
fn report(desk: &Desk) -> Value {
    sooner_or_later(|| {
        let uploads = desk.get("/api/uploads").json;
        let report = uploads["items"][0]["report"].clone();
        report.get("gstreamer").is_some().then_some(report)
    })
}

/// The discovery job of the upload, once it is over.
fn ended(desk: &Desk) -> Value {
    sooner_or_later(|| {
        let job = desk.get("/api/jobs?kind=discover").json["items"][0].clone();
        ["done", "dead"].contains(&job["state"].as_str()?).then_some(job)
    })
}

/// `film` converted by ffmpeg to another container or other codecs.
fn made(folder: &Path, args: &[&str]) -> PathBuf {
    let path = folder.join("made.mp4");
    let mut command = Command::new("ffmpeg");
    command.args(["-v", "error", "-y", "-i"]).arg(film()).args(args).arg(&path);
    assert!(command.status().unwrap().success());
    path
}

/// Settings with a shell script in place of our program.
fn script(folder: &Path, text: &str) -> String {
    let path = folder.join("program");
    std::fs::write(&path, format!("#!/bin/sh\n{text}\n")).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
    format!("[jobs]\ntranscoder = \"{}\"\n", path.display())
}

/// Asserts that both parts of the report agree on the film.
fn agree(report: &Value) {
    let found = &report["gstreamer"];
    assert_eq!(found["container"], json!("Quicktime"), "{report}");
    assert_eq!(found.get("error"), None, "{report}");
    for track in report["tracks"].as_array().unwrap() {
        let mut streams = found["streams"].as_array().unwrap().iter();
        let stream = streams.find(|stream| stream["kind"] == track["kind"]).unwrap();
        let codec = |value: &Value| value.as_str().unwrap().to_ascii_lowercase();
        assert_eq!(codec(&stream["rfc6381"]), codec(&track["codec"]), "{report}");
        for fact in ["width", "height", "channels", "sample_rate"] {
            assert_eq!(stream.get(fact), track.get(fact), "{fact}: {report}");
        }
    }
    let milliseconds = |value: &Value| value["milliseconds"].as_i64().unwrap();
    assert!((milliseconds(found) - milliseconds(report)).abs() < 100, "{report}");
}

#[test]
fn a_film_that_plays_is_looked_at_by_gstreamer_too() {
    let desk = Desk::new();
    assert_eq!(put(&desk, &film()).status, 201);
    agree(&report(&desk));
    assert_eq!(ended(&desk)["state"], json!("done"));
}

#[test]
fn it_is_read_from_a_bucket_by_a_signed_url() {
    let root = tempfile::tempdir().unwrap();
    let desk = Desk::far(&format!("sqlite:{}", root.path().join("library.db").display()), "");
    assert_eq!(put(&desk, &film()).status, 201);
    agree(&report(&desk));
}

#[test]
fn what_is_refused_is_called_by_what_it_is() {
    let folder = tempfile::tempdir().unwrap();
    for (args, expected) in [
        (&["-c", "copy", "-f", "matroska"][..], ["Matroska", "H.264"]),
        (&["-c:v", "mpeg2video", "-c:a", "ac3", "-f", "mpegts"][..], ["MPEG-2 Transport Stream", "AC-3"]),
    ] {
        let desk = Desk::new();
        let refused = put(&desk, &made(folder.path(), args));
        assert_eq!(refused.status, 422, "{}", refused.text);
        let detail = refused.json["detail"].as_str().unwrap();
        assert!(expected.iter().all(|word| detail.contains(word)), "{detail}");
        assert!(desk.staged().is_empty());
        // The folder that claims the asset name is removed only after the response.
        let begun = Instant::now();
        while desk.media().join("night").exists() {
            assert!(begun.elapsed() < Duration::from_secs(10), "the folder of the refused upload still exists");
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}

#[test]
fn what_cannot_be_had_is_no_finding() {
    for uri in ["file:///no/such/film.mp4", "http://127.0.0.1:1/film.mp4"] {
        let mut command = Command::new(env!("CARGO_BIN_EXE_afflux-transcode"));
        let mut child = command.arg("discover").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        child.stdin.take().unwrap().write_all(uri.as_bytes()).unwrap();
        let done = child.wait_with_output().unwrap();
        assert_eq!((done.status.success(), String::from_utf8_lossy(&done.stdout).as_ref()), (false, ""), "{uri}");
    }
}

#[test]
fn nothing_is_found_in_what_is_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let noise = folder.path().join("noise.mp4");
    std::fs::write(&noise, [0x5a; 4_096]).unwrap();
    let desk = Desk::new();
    let refused = put(&desk, &noise);
    assert_eq!(refused.status, 422, "{}", refused.text);
    assert!(!refused.text.contains("GStreamer"), "{}", refused.text);
}

#[test]
fn what_a_file_names_is_not_fetched() {
    let folder = tempfile::tempdir().unwrap();
    let host = TcpListener::bind("127.0.0.1:0").unwrap();
    host.set_nonblocking(true).unwrap();
    let url = format!("http://{}/secret.ts", host.local_addr().unwrap());
    let hls = format!("#EXTM3U\n#EXT-X-TARGETDURATION:6\n#EXTINF:6,\n{url}\n#EXT-X-ENDLIST\n");
    let dash = format!(
        "<?xml version=\"1.0\"?><MPD xmlns=\"urn:mpeg:dash:schema:mpd:2011\" type=\"static\" \
         mediaPresentationDuration=\"PT6S\" profiles=\"urn:mpeg:dash:profile:isoff-on-demand:2011\"><Period>\
         <AdaptationSet mimeType=\"video/mp4\"><Representation id=\"1\" bandwidth=\"1\"><BaseURL>{url}</BaseURL>\
         </Representation></AdaptationSet></Period></MPD>"
    );
    let desk = Desk::new();
    for text in [hls, dash] {
        let playlist = folder.path().join("film.mp4");
        std::fs::write(&playlist, text).unwrap();
        let refused = put(&desk, &playlist);
        assert_eq!(refused.status, 422, "{}", refused.text);
        assert!(host.accept().is_err(), "the server fetched a URL named in the file");
    }
}

#[test]
fn a_program_that_crashes_harms_nobody_and_is_told_of() {
    let folder = tempfile::tempdir().unwrap();
    let desk = Desk::with(&script(folder.path(), "kill -SEGV $$"));
    assert_eq!(put(&desk, &film()).status, 201);
    assert_eq!(desk.server.get("/vod/night/index.m3u8", "").status, 200);
    let job = ended(&desk);
    assert_eq!((&job["state"], &job["attempt"]), (&json!("dead"), &json!(2)), "{job}");
    assert!(job["reason"].as_str().unwrap().contains("signal: 11"), "{job}");
}

#[test]
fn the_program_is_told_what_to_look_at_and_nothing_secret() {
    let folder = tempfile::tempdir().unwrap();
    let told = r#"printf '{"container":"%s","streams":[],"error":"%s"}' "$(env | cut -d= -f1 | sort | tr '\n' ' ')" "$*: $(cat)""#;
    let desk = Desk::with(&script(folder.path(), told));
    assert_eq!(put(&desk, &film()).status, 201);
    let report = report(&desk);
    let names = report["gstreamer"]["container"].as_str().unwrap();
    let allowed = ["HOME", "PATH", "TMPDIR", "LD_LIBRARY_PATH", "PWD", "OLDPWD", "SHLVL", "_"];
    let known = |name: &str| allowed.contains(&name) || name.starts_with("GST_") || name.starts_with("XDG_");
    assert!(names.contains("PATH") && names.split_whitespace().all(known), "{names}");
    let asked = report["gstreamer"]["error"].as_str().unwrap();
    assert!(asked.starts_with("discover: file:///") && asked.contains("/night/night-"), "{asked}");
    let lint = report["lint"].as_array().unwrap();
    assert!(lint.iter().any(|finding| finding["code"] == json!("discoverer")), "{report}");
}

#[test]
fn a_program_that_hangs_is_ended_with_the_server() {
    let folder = tempfile::tempdir().unwrap();
    let (mark, settings) =
        (folder.path().join("pid"), script(folder.path(), "echo $$ > \"${0%/*}/pid\"; exec sleep 600"));
    let desk = Desk::with(&settings);
    assert_eq!(put(&desk, &film()).status, 201);
    let hangs = sooner_or_later(|| std::fs::read_to_string(&mark).ok()?.trim().parse::<u32>().ok());
    let running = || Path::new(&format!("/proc/{hangs}")).exists();
    assert!(running());
    let server = desk.server.child.id();
    assert!(Command::new("kill").arg(server.to_string()).status().unwrap().success());
    sooner_or_later(|| (!running()).then_some(()));
}
