//! Compression and its negotiation (RFC 9110 §12.5.3).

use crate::site::{URLS, shared};
use crate::support::Answer;

fn unzipped(answer: &Answer) -> Vec<u8> {
    let mut text = Vec::new();
    std::io::Read::read_to_end(&mut flate2::read::GzDecoder::new(&answer.body[..]), &mut text).unwrap();
    text
}

#[test]
fn text_is_gzipped_under_a_tag_of_its_own() {
    let server = shared();
    for path in [URLS.entry, &URLS.playlist, "/vod/natural/index.mpd", "/", "/~gallery/assets.json"] {
        let (plain, packed) = (server.get(path, ""), server.get(path, "Accept-Encoding: br;q=1, gzip;q=0.8"));
        assert_eq!(
            (plain.header("content-encoding"), packed.header("content-encoding")),
            (None, Some("gzip")),
            "{path}"
        );
        assert_eq!((plain.header("vary"), packed.header("vary")), (Some("accept-encoding"), Some("accept-encoding")));
        assert_ne!(plain.header("etag"), packed.header("etag"), "{path}");
        assert_eq!(unzipped(&packed), plain.body, "{path}");
    }
    assert_eq!(server.get(&URLS.segment, "Accept-Encoding: gzip").header("content-encoding"), None);
}

#[test]
fn qualities_are_honoured() {
    let server = shared();
    let coding = |value: &str| {
        server.get(URLS.entry, &format!("Accept-Encoding: {value}")).header("content-encoding").map(String::from)
    };
    for value in ["gzip;q=0", "identity, gzip;q=0.5", "br", "", "*;q=0"] {
        assert_eq!(coding(value), None, "{value}");
    }
    for value in ["gzip", "*", "gzip, identity;q=1, *;q=0", "identity;q=0, *"] {
        assert_eq!(coding(value), Some("gzip".into()), "{value}");
    }
}

#[test]
fn each_coding_is_revalidated_by_its_own_tag() {
    let server = shared();
    let etag = |headers: &str| server.get(URLS.entry, headers).header("etag").unwrap().to_owned();
    let (plain, packed) = (etag(""), etag("Accept-Encoding: gzip"));
    let status = |headers: String| server.get(URLS.entry, &headers).status;
    assert_eq!(status(format!("If-None-Match: {plain}")), 304);
    assert_eq!(status(format!("If-None-Match: {packed}")), 200);
    assert_eq!(status(format!("Accept-Encoding: gzip\nIf-None-Match: {packed}")), 304);
    assert_eq!(status(format!("Accept-Encoding: gzip\nIf-None-Match: {plain}")), 200);
    assert_eq!(status(format!("Accept-Encoding: gzip\nIf-None-Match: {plain}, W/{packed}")), 304);
}

#[test]
fn a_range_of_text_is_one_of_the_identity() {
    let server = shared();
    let plain = server.get(URLS.entry, "");
    let answer = server.get(URLS.entry, "Range: bytes=0-\nAccept-Encoding: gzip, identity;q=1, *;q=0");
    assert_eq!((answer.status, answer.header("content-encoding")), (206, None));
    assert_eq!((answer.header("etag"), &answer.body), (plain.header("etag"), &plain.body));
    let refused = server.get(URLS.entry, "Range: bytes=0-9\nAccept-Encoding: gzip, identity;q=0");
    assert_eq!((refused.status, refused.header("content-encoding")), (200, Some("gzip")));
    assert_eq!(unzipped(&refused), plain.body);
}
