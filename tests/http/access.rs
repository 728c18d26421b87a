//! The access log, and request ids.

use crate::site::assert_problem;
use crate::support::{Server, fixtures};
use serde_json::Value;
use std::fs::read_to_string;
use std::time::{Duration, Instant};

/// Lines that `server` logs for `requests`, which returns their number.
fn logged(format: &str, requests: impl FnOnce(&Server) -> usize) -> Vec<String> {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("access.log");
    let server =
        Server::start_with(&fixtures(), &format!("[log]\naccess = {format:?}\naccess_file = \"{}\"\n", file.display()));
    let (count, begun) = (requests(&server), Instant::now());
    loop {
        let lines: Vec<String> = read_to_string(&file).unwrap().lines().map(String::from).collect();
        if lines.len() >= count {
            assert_eq!(lines.len(), count, "{lines:?}");
            return lines;
        }
        assert!(begun.elapsed() < Duration::from_secs(20), "{lines:?}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn each_answer_of_each_listener_is_one_line_of_json() {
    let mut length = 0;
    let lines = logged("json", |server| {
        let headers = "X-Request-Id: mine-1\r\nUser-Agent: a \"b\" \\c\r\nReferer: http://x/";
        let answer = server.get("/~gallery/app.js?a=b", headers);
        assert_eq!(answer.header("x-request-id"), Some("mine-1"));
        length = answer.body.len();
        let missing = server.get("/vod/a%0d%0ab/index.m3u8", "X-Request-Id: not fit");
        assert_problem(&missing, 404);
        let id = missing.header("x-request-id").unwrap().to_owned();
        assert_eq!((id.len(), missing.json()["request_id"].as_str()), (32, Some(id.as_str())));
        assert_eq!(server.private("/healthz").status, 200);
        3
    });
    let mut lines: Vec<Value> = lines.iter().map(|line| serde_json::from_str(line).unwrap()).collect();
    lines.sort_by_key(|line| line["target"].as_str().unwrap().to_owned());
    let told = |line: &Value, names: &[&str]| names.iter().map(|name| line[*name].clone()).collect::<Vec<_>>();
    let [health, missing, script] = &lines[..] else { panic!("{lines:?}") };
    assert_eq!(
        told(health, &["listener", "target", "status"]),
        ["private".into(), "/healthz".into(), Value::from(200)]
    );
    assert_eq!(told(missing, &["target", "status"]), ["/vod/a%0d%0ab/index.m3u8".into(), Value::from(404)]);
    assert_eq!(
        told(script, &["listener", "client", "method", "target", "protocol", "status", "bytes"]),
        [
            "public".into(),
            "127.0.0.1".into(),
            "GET".into(),
            "/~gallery/app.js?a=b".into(),
            "HTTP/1.1".into(),
            Value::from(200),
            Value::from(length)
        ]
    );
    assert_eq!(
        told(script, &["request_id", "user_agent", "referer"]),
        ["mine-1", "a \"b\" \\c", "http://x/"].map(Value::from)
    );
}

#[test]
fn the_combined_format_is_that_of_other_servers() {
    let lines = logged("combined", |server| {
        assert_eq!(server.ask("HEAD", "/~gallery/app.js", "User-Agent: a \"b\"").status, 200);
        1
    });
    let (before, behind) = lines[0].split_once(" [").unwrap();
    let (_, behind) = behind.split_once(" +0000] ").unwrap();
    assert_eq!((before, behind), ("127.0.0.1 - -", "\"HEAD /~gallery/app.js HTTP/1.1\" 200 0 \"-\" \"a \\\"b\\\"\""));
}

#[test]
fn an_id_is_repeated_and_made_for_what_fails() {
    let server = crate::site::shared();
    assert_eq!(server.get("/~gallery/app.js", "").header("x-request-id"), None);
    assert_eq!(server.get("/~gallery/app.js", "X-Request-Id: a").header("x-request-id"), Some("a"));
    let missing = server.get("/missing", "");
    assert_eq!(missing.json()["request_id"].as_str(), missing.header("x-request-id"));
    assert_eq!(server.get("/missing", "X-Request-Id: b").json()["request_id"].as_str(), Some("b"));
}
