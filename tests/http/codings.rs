//! Compression and its negotiation (RFC 9110 §12.5.3).

use crate::site::{FILE, URLS, shared};
use crate::support::{Answer, Server, fixtures};
use flate2::read::GzDecoder;
use std::io::Read;

/// The body with its content coding removed.
fn unpacked(answer: &Answer) -> Vec<u8> {
    let (mut packed, mut text) = (&answer.body[..], Vec::new());
    match answer.header("content-encoding") {
        Some("gzip") => drop(GzDecoder::new(packed).read_to_end(&mut text).unwrap()),
        Some("br") => brotli::BrotliDecompress(&mut packed, &mut text).unwrap(),
        coding => assert_eq!(coding, Some("gzip or br")),
    }
    text
}

#[test]
fn each_text_is_compressed_under_a_tag_of_its_own() {
    let server = shared();
    for path in [URLS.entry, &URLS.playlist, "/vod/natural/index.mpd", "/", "/~gallery/app.js", "/~gallery/assets.json"]
    {
        let plain = server.get(path, "");
        assert_eq!((plain.header("content-encoding"), plain.header("vary")), (None, Some("accept-encoding")), "{path}");
        let tag = plain.header("etag").unwrap().trim_matches('"');
        for coding in ["gzip", "br"] {
            let packed = server.get(path, &format!("Accept-Encoding: {coding}"));
            assert_eq!((packed.status, packed.header("content-encoding")), (200, Some(coding)), "{path}");
            assert_eq!(packed.header("vary"), Some("accept-encoding"), "{path}");
            assert_eq!(packed.header("etag"), Some(format!("\"{tag}-{coding}\"").as_str()), "{path}");
            assert_eq!(packed.header("content-type"), plain.header("content-type"), "{path}");
            assert_eq!(packed.header("accept-ranges"), None, "{path}");
            assert!(packed.body.len() < plain.body.len() && unpacked(&packed) == plain.body, "{path}");
        }
    }
}

#[test]
fn media_and_stored_files_are_not_compressed() {
    let server = shared();
    for path in [&URLS.init, &URLS.segment, &FILE] {
        let answer = server.ask("HEAD", path, "Accept-Encoding: br, gzip, identity;q=0");
        assert_eq!(
            (answer.status, answer.header("content-encoding"), answer.header("vary")),
            (200, None, None),
            "{path}"
        );
    }
}

#[test]
fn qualities_are_honoured() {
    let server = shared();
    let coding = |value: &str| {
        server.get(URLS.entry, &format!("Accept-Encoding: {value}")).header("content-encoding").map(String::from)
    };
    for value in ["gzip;q=0", "identity, gzip;q=0.5, br;q=0.5", "zstd", "", "*;q=0", "identity;q=0"] {
        assert_eq!(coding(value), None, "{value}");
    }
    for value in ["gzip", "br;q=0.8, gzip", "br;q=0, *", "gzip, identity;q=1, *;q=0", "identity;q=0, gzip;q=0.001"] {
        assert_eq!(coding(value), Some("gzip".into()), "{value}");
    }
    for value in
        ["br", "gzip, deflate, br, zstd", "gzip;q=0.8, br;q=0.8", "*", "identity;q=0, *", "gzip\nAccept-Encoding: br"]
    {
        assert_eq!(coding(value), Some("br".into()), "{value}");
    }
}

#[test]
fn a_text_is_compressed_once_however_many_ask() {
    let server = Server::start(&fixtures(), &[]);
    let texts = [URLS.entry, &URLS.playlist, "/vod/natural/index.mpd", "/", "/~gallery/vendor/hls.min.js"];
    let count = |coding| server.metric(&format!("afflux_compressions_total{{coding=\"{coding}\"}}"));
    assert_eq!((count("gzip"), count("br")), (0, 0));
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                for (path, coding) in texts.iter().flat_map(|path| [(path, "gzip"), (path, "br")]) {
                    assert_eq!(server.get(path, &format!("Accept-Encoding: {coding}")).status, 200);
                    assert_eq!(server.ask("HEAD", path, &format!("Accept-Encoding: {coding}")).status, 200);
                }
            });
        }
    });
    // Each of the five texts once per coding; nothing else is compressed.
    let _ = (server.get("/vod/co64/index.m3u8", ""), server.get(&URLS.segment, "Accept-Encoding: br"));
    assert_eq!((count("gzip"), count("br")), (5, 5));
    // The gallery builds its list for each request, but compresses it once as long as it is the same.
    let list = || server.get("/~gallery/assets.json?limit=1", "Accept-Encoding: br").header("etag").map(String::from);
    assert_eq!(list(), list());
    assert_eq!((count("gzip"), count("br")), (5, 6));
}

#[test]
fn each_coding_is_revalidated_by_its_own_tag() {
    let server = shared();
    let accept = |coding: &str| format!("Accept-Encoding: {coding}");
    let codings = ["identity", "gzip", "br"];
    let tags = codings.map(|coding| server.get(URLS.entry, &accept(coding)).header("etag").unwrap().to_owned());
    for (coding, own) in codings.iter().zip(&tags) {
        for tag in &tags {
            let answer = server.get(URLS.entry, &format!("{}\nIf-None-Match: {tag}", accept(coding)));
            let expected = if tag == own { 304 } else { 200 };
            assert_eq!((answer.status, answer.header("etag")), (expected, Some(own.as_str())), "{coding} {tag}");
            assert_eq!(answer.header("vary"), Some("accept-encoding"), "{coding} {tag}");
            let matched = server.get(URLS.entry, &format!("{}\nIf-Match: {tag}", accept(coding)));
            assert_eq!(matched.status, if tag == own { 200 } else { 412 }, "{coding} {tag}");
        }
        // A cache that holds several representations names them all (RFC 9111 §4.3.1).
        let all = format!("{}\nIf-None-Match: W/{}", accept(coding), tags.join(", W/"));
        assert_eq!(server.get(URLS.entry, &all).status, 304, "{coding}");
    }
}

#[test]
fn a_range_of_a_playlist_is_one_of_the_identity_as_chromium_asks_for_it() {
    let server = shared();
    for path in [URLS.entry, &URLS.playlist] {
        let plain = server.get(path, "");
        let answer = server.get(path, "Range: bytes=0-\nAccept-Encoding: gzip, identity;q=1, *;q=0");
        assert_eq!((answer.status, answer.header("content-encoding")), (206, None));
        assert_eq!((answer.header("etag"), &answer.body), (plain.header("etag"), &plain.body));
        let len = plain.body.len();
        assert_eq!(answer.header("content-range"), Some(format!("bytes 0-{}/{len}", len - 1).as_str()));
        assert_eq!(answer.header("vary"), Some("accept-encoding"));
        // A client resumes an interrupted response under the tag that it began with.
        let rest = format!("Range: bytes=20-\nIf-Range: {}\nAccept-Encoding: br, gzip", plain.header("etag").unwrap());
        let rest = server.get(path, &rest);
        assert!(rest.status == 206 && rest.body == plain.body[20..]);
    }
}

#[test]
fn compressed_text_has_no_ranges() {
    let server = shared();
    let plain = server.get(URLS.entry, "");
    for coding in ["gzip", "br"] {
        let packed = server.get(URLS.entry, &format!("Accept-Encoding: {coding}"));
        let tag = packed.header("etag").unwrap();
        let refused = format!("Range: bytes=0-9\nAccept-Encoding: {coding}, identity;q=0");
        for headers in [refused.clone(), format!("{refused}\nIf-Range: {tag}")] {
            let answer = server.get(URLS.entry, &headers);
            assert_eq!((answer.status, answer.header("content-encoding")), (200, Some(coding)), "{headers}");
            assert_eq!((answer.header("etag"), answer.header("content-range")), (Some(tag), None), "{headers}");
            assert_eq!(unpacked(&answer), plain.body, "{headers}");
        }
        // A range of the compressed bytes would be wrong under either tag: send the whole text uncompressed.
        let answer = server.get(URLS.entry, &format!("Range: bytes=0-9\nAccept-Encoding: {coding}\nIf-Range: {tag}"));
        assert_eq!((answer.status, answer.header("content-encoding")), (200, None), "{coding}");
        assert_eq!((answer.header("etag"), &answer.body), (plain.header("etag"), &plain.body), "{coding}");
    }
}
