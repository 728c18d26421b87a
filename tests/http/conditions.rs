//! Conditional requests (RFC 9110 §13).

use crate::site::{FILE, URLS, assert_problem, segment, shared};

#[test]
fn if_none_match_answers_304_with_the_headers_of_200() {
    let server = shared();
    let full = segment();
    let etag = full.header("etag").unwrap();
    for value in [etag, "*", &format!("\"x\", W/{etag}"), &format!("\"a,b\",{etag}")] {
        let answer = server.get(&URLS.segment, &format!("If-None-Match: {value}\nRange: bytes=0-9"));
        assert_eq!((answer.status, answer.header("etag")), (304, Some(etag)), "{value}");
        assert_eq!(answer.header("cache-control"), full.header("cache-control"));
        assert_eq!(answer.header("access-control-allow-origin"), Some("*"));
    }
    assert_eq!(server.get(&URLS.segment, "If-None-Match: \"x\"").status, 200);
}

#[test]
fn if_match_answers_412() {
    let server = shared();
    let full = segment();
    let etag = full.header("etag").unwrap();
    assert_problem(&server.get(&URLS.segment, "If-Match: \"x\""), 412);
    assert_problem(&server.get(&URLS.segment, &format!("If-Match: W/{etag}")), 412);
    for value in [etag, "*", &format!("\"x\",{etag}")] {
        assert_eq!(server.get(&URLS.segment, &format!("If-Match: {value}")).status, 200);
    }
}

#[test]
fn dates_count_for_stored_files_alone() {
    let server = shared();
    let head = server.ask("HEAD", &FILE, "");
    let modified = head.header("last-modified").unwrap();
    let future = "Fri, 31 Dec 2100 23:59:59 GMT";
    let past = "Fri, 02 Jan 1970 00:00:00 GMT";
    let status = |path: &str, headers: String| server.ask("HEAD", path, &headers).status;
    assert_eq!(status(&FILE, format!("If-Modified-Since: {modified}")), 304);
    assert_eq!(status(&FILE, format!("If-Modified-Since: {future}")), 304);
    assert_eq!(status(&FILE, format!("If-Modified-Since: {past}")), 200);
    assert_eq!(status(&FILE, format!("If-Modified-Since: {future}\nIf-None-Match: \"x\"")), 200);
    assert_eq!(status(&FILE, format!("If-Unmodified-Since: {modified}")), 200);
    assert_eq!(status(&FILE, format!("If-Unmodified-Since: {past}")), 412);
    assert_eq!(status(&URLS.segment, format!("If-Modified-Since: {future}")), 200);
    assert_eq!(status(&URLS.segment, format!("If-Unmodified-Since: {past}")), 200);
}
