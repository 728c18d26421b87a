//! The binary as an operator sees it: its output, its exit codes, its stop.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test that panics has failed")]

mod support;

use std::io::Read;
use std::path::Path;
use std::process::Output;
use std::time::{Duration, Instant};
use support::{Client, Server, afflux, fixtures};

fn output(args: &[&str]) -> Output {
    afflux(args).output().unwrap()
}

/// Expects a refusal: exit code 2, nothing on standard output and this one line on standard error.
#[track_caller]
fn assert_refused(args: &[&str], line: &str) {
    let output = output(args);
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!((said.as_str(), output.status.code()), (format!("afflux: {line}\n").as_str(), Some(2)));
    assert!(output.stdout.is_empty());
}

#[test]
fn a_mistake_in_the_settings_is_one_line_and_exit_code_2() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("c.toml");
    let name = file.to_str().unwrap();
    for (text, line) in [
        (
            "[http]\nconections = 5",
            "2: http.conections: unknown field `conections`, expected one of `connections`, `header_timeout`, `write_stall`, `read_stall`, `drain`, `manifest_max_age`, `unsent`, `frames`, `minimum_rate`, `server_timing`, `misses_per_client`, `misses`",
        ),
        (
            "\n[cache]\nsegments = \"512\"",
            "3: cache.segments: `512`: a size is a whole number and its unit, B, KiB, MiB or GiB, as in \"512MiB\"",
        ),
        ("[package]\nsegment_target = \"2min\"", "2: package.segment_target: 1s to 60s is allowed"),
    ] {
        std::fs::write(&file, text).unwrap();
        assert_refused(&["serve", "--config", name], &format!("{name}:{line}"));
    }
}

#[test]
fn a_file_or_folder_that_is_missing_is_one_line_and_exit_code_2() {
    assert_refused(&["serve", "--config", "/no/such.toml"], "/no/such.toml: No such file or directory (os error 2)");
    assert_refused(
        &["serve", "--media", "/no/such"],
        "/no/such: does not exist (the folder of media: `store.media` or --media)",
    );
    assert_refused(
        &["serve", "--media", "/dev/null"],
        "/dev/null: not a folder (the folder of media: `store.media` or --media)",
    );
}

#[test]
fn a_port_that_is_taken_is_one_line_and_exit_code_2() {
    let server = Server::start(&fixtures(), &[]);
    let media = fixtures();
    let (taken, media) = (server.public.to_string(), media.to_str().unwrap());
    assert_refused(
        &["serve", "--media", media, "--listen", &taken, "--private", "127.0.0.1:0"],
        &format!("cannot listen on {taken} (`listen.public` or --listen): Address already in use (os error 98)"),
    );
    assert_refused(
        &["serve", "--media", media, "--listen", "127.0.0.1:0", "--private", &taken],
        &format!("cannot listen on {taken} (`listen.private` or --private): Address already in use (os error 98)"),
    );
}

#[test]
fn wrong_arguments_are_exit_code_2_and_the_version_is_said() {
    for args in [&["serve", "--port", "1"][..], &["serve", "--listen", "here"], &["fly"], &[]] {
        assert_eq!(output(args).status.code(), Some(2), "{args:?}");
    }
    let version = output(&["--version"]);
    assert_eq!(version.stdout, format!("afflux {}\n", env!("CARGO_PKG_VERSION")).into_bytes());
    assert_eq!(version.status.code(), Some(0));
}

#[test]
fn a_file_name_with_a_line_break_forges_no_log_line() {
    const FORGED: &str = "a\n2026-12-01T00:00:00.000000Z ERROR forged=\u{1b}[2J.mp4";
    let media = tempfile::tempdir().unwrap();
    std::fs::copy(fixtures().join("vfr.mp4"), media.path().join(FORGED)).unwrap();
    for format in ["text", "json"] {
        let log = tempfile::NamedTempFile::new().unwrap();
        let settings = format!("[log]\nlevel = \"debug\"\nformat = \"{format}\"\n");
        let url = format!("file://{}", media.path().display());
        let mut server = Server::start_logged(&url, &settings, &[], log.reopen().unwrap());
        assert_eq!(server.get("/~gallery/assets.json", "").status, 200);
        let path = "/vod/a%0A2026-12-01T00:00:00Z%20ERROR/index.m3u8";
        assert_eq!(server.get(path, "").status, 404);
        server.signal("TERM");
        server.child.wait().unwrap();
        let text = std::fs::read_to_string(log.path()).unwrap();
        let told: Vec<&str> = text.lines().filter(|line| line.contains("left out")).collect();
        assert_eq!(told.len(), 1, "{text}");
        if format == "json" {
            let line: serde_json::Value = serde_json::from_str(told[0]).unwrap();
            assert_eq!(line["path"], media.path().join(FORGED).to_str().unwrap());
            for line in text.lines() {
                let line: serde_json::Value = serde_json::from_str(line).unwrap();
                assert_ne!(line["level"], "ERROR", "{text}");
            }
        } else {
            assert!(told[0].contains(r#"a\n2026-12-01T00:00:00.000000Z ERROR forged=\u{1b}[2J.mp4""#), "{text}");
            assert!(text.lines().all(|line| line.split_whitespace().nth(1) != Some("ERROR")), "{text}");
        }
    }
}

#[test]
fn standard_output_is_two_lines_and_nothing_else() {
    let media = fixtures();
    let args = ["serve", "--listen", "127.0.0.1:0", "--private", "127.0.0.1:0", "--media", media.to_str().unwrap()];
    let args = [&args[..], &["--library", "none"]].concat();
    let mut child = afflux(&args).spawn().unwrap();
    let mut said = String::new();
    let mut stdout = child.stdout.take().unwrap();
    while said.matches('\n').count() < 2 {
        let mut byte = [0];
        stdout.read_exact(&mut byte).unwrap();
        said.push(char::from(byte[0]));
    }
    std::process::Command::new("kill").arg(child.id().to_string()).status().unwrap();
    stdout.read_to_string(&mut said).unwrap();
    let lines: Vec<&str> = said.lines().collect();
    assert_eq!(lines.len(), 2);
    assert!(lines[0].starts_with("public http://127.0.0.1:") && lines[1].starts_with("private http://127.0.0.1:"));
    assert_eq!(child.wait().unwrap().code(), Some(0));
}

/// Exit code of `server`, and the time until it exits.
fn exit_of(server: &mut Server) -> (Option<i32>, Duration) {
    let start = Instant::now();
    (server.child.wait().unwrap().code(), start.elapsed())
}

#[test]
fn an_idle_server_stops_at_once() {
    // If the test's parent ignores SIGHUP, so does the server.
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let ignored = status.lines().find_map(|line| line.strip_prefix("SigIgn:")).unwrap().trim();
    let hang_up = (u64::from_str_radix(ignored, 16).unwrap() & 1 == 0).then_some("HUP");
    for signal in ["TERM", "INT"].into_iter().chain(hang_up) {
        let mut server = Server::start(&fixtures(), &[]);
        let mut idle = server.connect();
        idle.send("GET / HTTP/1.1\r\nHost: h\r\n\r\n");
        assert_eq!(idle.answer("GET").status, 200);
        server.signal(signal);
        let (code, took) = exit_of(&mut server);
        assert_eq!(code, Some(0), "{signal}");
        assert!(took < Duration::from_secs(5), "{signal} took {took:?}");
        assert!(idle.rest().is_none_or(|rest| rest.is_empty()));
    }
}

/// A client that reads slowly a response larger than the kernel's buffers: it stays in flight until the client reads
/// on.
fn slow_reader(server: &Server) -> Client {
    let mut client = server.connect();
    let request = "GET /~gallery/vendor/hls.min.js HTTP/1.1\r\nHost: h\r\n\r\n";
    client.send(&request.repeat(40));
    assert_eq!(client.head().status, 200);
    std::thread::sleep(Duration::from_millis(300));
    client
}

#[test]
fn what_is_under_way_is_finished_before_the_server_stops() {
    let mut server = Server::start_with(&fixtures(), "[http]\nunsent = \"16KiB\"");
    let mut client = slow_reader(&server);
    server.signal("TERM");
    std::thread::sleep(Duration::from_millis(300));
    assert!(std::net::TcpStream::connect(server.public).is_err(), "the server must not accept new connections");
    let mut private = Client::connect(server.private);
    private.send("GET /readyz HTTP/1.1\r\nHost: h\r\n\r\n");
    assert_eq!(private.answer("GET").status, 503);
    // A request sent before the drain gets its response; later ones need not.
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/http/gallery/vendor/hls.min.js");
    assert!(client.rest().unwrap().starts_with(&std::fs::read(path).unwrap()), "the response must be complete");
    assert_eq!(exit_of(&mut server).0, Some(0));
}

#[test]
fn a_drain_takes_no_longer_than_it_may() {
    let mut server = Server::start_with(&fixtures(), "[http]\nunsent = \"16KiB\"\ndrain = \"1s\"");
    let client = slow_reader(&server);
    server.signal("TERM");
    let (code, took) = exit_of(&mut server);
    assert_eq!(code, Some(0));
    assert!((900..6_000).contains(&took.as_millis()), "took {took:?}");
    drop(client);
}

#[test]
fn a_second_signal_stops_at_once() {
    let mut server = Server::start_with(&fixtures(), "[http]\nunsent = \"16KiB\"\ndrain = \"1h\"");
    let client = slow_reader(&server);
    server.signal("TERM");
    std::thread::sleep(Duration::from_millis(300));
    server.signal("TERM");
    let (code, took) = exit_of(&mut server);
    assert_eq!(code, Some(1));
    assert!(took < Duration::from_secs(5), "took {took:?}");
    drop(client);
}
