//! Shared setup of these tests: one server over the fixtures, and the URLs of one asset.

use crate::support::{Answer, Server, fixtures};
use std::sync::{Arc, LazyLock, Mutex, Weak};

/// One server for all tests that do not change it; it ends with the last running one.
pub(crate) fn shared() -> Arc<Server> {
    static SHARED: Mutex<Weak<Server>> = Mutex::new(Weak::new());
    let mut shared = SHARED.lock().unwrap();
    shared.upgrade().unwrap_or_else(|| {
        let server = Arc::new(Server::start(&fixtures(), &[]));
        *shared = Arc::downgrade(&server);
        server
    })
}

/// URLs of one asset, from its manifests.
pub(crate) struct Urls {
    pub entry: &'static str,
    pub playlist: String,
    pub init: String,
    pub segment: String,
}

/// The URLs of `natural`.
pub(crate) static URLS: LazyLock<Urls> = LazyLock::new(|| {
    let server = shared();
    let entry = "/vod/natural/index.m3u8";
    let read = |path: &str| server.get(path, "").text().to_owned();
    let line = |text: &str| text.lines().find(|line| !line.starts_with('#') && !line.is_empty()).unwrap().to_owned();
    let playlist = beside(entry, &line(&read(entry)));
    let text = read(&playlist);
    let map = text.split_once("#EXT-X-MAP:URI=\"").unwrap().1.split_once('"').unwrap().0;
    Urls { entry, init: beside(&playlist, map), segment: beside(&playlist, &line(&text)), playlist }
});

/// Resolves a relative reference in `of` (RFC 3986 §5.2): beside it, and one folder up for each `..`.
pub(crate) fn beside(of: &str, reference: &str) -> String {
    let mut parts: Vec<&str> = of.split('/').collect();
    parts.pop();
    for part in reference.split('/') {
        match part {
            ".." => drop(parts.pop()),
            part => parts.push(part),
        }
    }
    parts.join("/")
}

/// URL of a stored file of the asset, from the gallery.
pub(crate) static FILE: LazyLock<String> = LazyLock::new(|| {
    let server = shared();
    let natural = server.get("/~gallery/asset.json?id=natural", "").json();
    beside("/~gallery/asset.json", natural["files"][0].as_str().unwrap())
});

/// A whole segment.
pub(crate) fn segment() -> Answer {
    shared().get(&URLS.segment, "")
}

/// Expects an error with a problem body that must not be cached.
#[track_caller]
pub(crate) fn assert_problem(answer: &Answer, status: u16) {
    assert_eq!(answer.status, status);
    assert_eq!(answer.header("content-type"), Some("application/problem+json"));
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    let json = answer.json();
    assert!(json["type"].as_str().unwrap().starts_with("urn:afflux:problem:"), "{json}");
    assert_eq!(json["status"].as_u64(), Some(u64::from(status)));
    assert!(json["title"].is_string() && json["detail"].is_string());
}

/// The headers in order, without the date, request id and timing.
pub(crate) fn lasting(answer: &Answer) -> Vec<(String, String)> {
    let mut headers = answer.headers.clone();
    headers.retain(|(name, _)| !["date", "server-timing", "x-request-id"].contains(&name.as_str()));
    headers.sort();
    headers
}
