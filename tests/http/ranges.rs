//! Ranges (RFC 9110 §14).

use crate::site::{FILE, URLS, assert_problem, segment, shared};

#[test]
fn single_ranges_are_slices_of_the_whole() {
    let server = shared();
    let whole = segment().body;
    let len = whole.len();
    let cases = [
        ("0-0".to_owned(), 0..1),
        ("0-".to_owned(), 0..len),
        ("10-19".to_owned(), 10..20),
        (format!("{}-", len - 1), len - 1..len),
        ("-5".to_owned(), len - 5..len),
        (format!("-{}", len + 5), 0..len),
        (format!("100-{}", len + 5), 100..len),
        (format!("100-{len}9999999999999999999999"), 100..len),
    ];
    for (spec, range) in cases {
        let answer = server.get(&URLS.segment, &format!("Range: bytes={spec}"));
        assert_eq!(answer.status, 206, "{spec}");
        let place = format!("bytes {}-{}/{len}", range.start, range.end - 1);
        assert_eq!(answer.header("content-range"), Some(place.as_str()), "{spec}");
        assert!(answer.body == whole[range], "{spec}");
        assert_eq!(answer.header("accept-ranges"), Some("bytes"));
    }
}

#[test]
fn past_the_end_is_416_with_the_length() {
    let server = shared();
    let len = segment().body.len();
    for spec in [format!("{len}-"), format!("{len}-{}", len + 5), "-0".to_owned(), format!("{len}-,-0")] {
        let answer = server.get(&URLS.segment, &format!("Range: bytes={spec}"));
        assert_problem(&answer, 416);
        assert_eq!(answer.header("content-range"), Some(format!("bytes */{len}").as_str()));
    }
}

#[test]
fn a_failed_condition_goes_before_a_range_that_cannot_be_had() {
    let server = shared();
    let status = |headers: &str| server.get(&URLS.segment, &format!("Range: bytes=999999999-\n{headers}")).status;
    assert_eq!(status(""), 416);
    assert_eq!(status("If-None-Match: *"), 304);
    assert_eq!(status("If-Match: \"x\""), 412);
    assert_eq!(status("If-Range: \"x\""), 200);
}

#[test]
fn malformed_ranges_and_other_units_are_ignored() {
    let server = shared();
    for value in ["bytes=", "bytes=-", "bytes=5-4", "bytes=a-b", "bytes", "lines=0-1", "bytes=0-1,x", "bytes=0 -1"] {
        let answer = server.get(&URLS.init, &format!("Range: {value}"));
        assert_eq!((answer.status, answer.header("content-range")), (200, None), "{value}");
    }
    assert_eq!(server.get(&URLS.init, "Range: bytes=0-1\nRange: bytes=4-5").status, 200);
    assert_eq!(server.ask("HEAD", &URLS.init, "Range: bytes=0-1").status, 200);
}

#[test]
fn if_range_is_strong_or_nothing() {
    let server = shared();
    let whole = segment();
    let etag = whole.header("etag").unwrap();
    let status = |path: &str, value: &str| server.get(path, &format!("Range: bytes=0-1\nIf-Range: {value}")).status;
    assert_eq!(status(&URLS.segment, etag), 206);
    for value in [&format!("W/{etag}"), "\"x\"", "rubbish", "Sun, 06 Nov 1994 08:49:37 GMT"] {
        assert_eq!(status(&URLS.segment, value), 200, "{value}");
    }
    let modified = server.ask("HEAD", &FILE, "").header("last-modified").unwrap().to_owned();
    assert_eq!(status(&FILE, &modified), 206);
    assert_eq!(status(&FILE, "Fri, 31 Dec 2100 23:59:59 GMT"), 200);
}

#[test]
fn several_ranges_are_parts_in_their_order() {
    let server = shared();
    let whole = segment();
    let len = whole.body.len();
    let answer = server.get(&URLS.segment, "Range: bytes=1000-1009,0-4,-3");
    assert_eq!((answer.status, answer.header("content-range")), (206, None));
    let boundary = answer.header("content-type").unwrap().strip_prefix("multipart/byteranges; boundary=").unwrap();
    let media_type = whole.header("content-type").unwrap();
    let mut expected = Vec::new();
    for (at, range) in [1_000..1_010, 0..5, len - 3..len].into_iter().enumerate() {
        let before = if at == 0 { "" } else { "\r\n" };
        let place = format!("bytes {}-{}/{len}", range.start, range.end - 1);
        let head = format!("{before}--{boundary}\r\nContent-Type: {media_type}\r\nContent-Range: {place}\r\n\r\n");
        expected.extend(head.into_bytes());
        expected.extend(&whole.body[range]);
    }
    expected.extend(format!("\r\n--{boundary}--\r\n").into_bytes());
    assert!(answer.body == expected);
}

#[test]
fn greedy_ranges_get_no_byte_twice() {
    let server = shared();
    let whole = segment().body;
    let overlapping = server.get(&URLS.segment, "Range: bytes=0-,0-,0-,0-,0-");
    assert!(overlapping.status == 206 && overlapping.body == whole);
    let list: Vec<String> = (0..17).map(|at| format!("{}-{}", at * 500, at * 500)).collect();
    let many = server.get(&URLS.segment, &format!("Range: bytes={}", list.join(",")));
    assert!(many.status == 200 && many.body == whole);
}
