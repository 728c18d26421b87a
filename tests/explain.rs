//! `afflux explain`: what it says of a segment is what a running server answers, byte for byte.

#![allow(
    clippy::as_conversions,
    clippy::cast_possible_truncation,
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "a test's numbers are small, and what panics here fails a test"
)]

mod support;

use serde_json::Value;
use std::process::Output;
use support::{Server, afflux, fixtures};

fn explain(url: &str) -> Output {
    let media = fixtures();
    afflux(&["explain", url, "--json", "--media", media.to_str().unwrap()]).output().unwrap()
}

fn explained(url: &str) -> Value {
    let output = explain(url);
    assert!(output.status.success(), "{url}: {}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

/// All URLs of an asset's media, as its manifests name them.
fn media_urls(server: &Server, asset: &str) -> Vec<String> {
    let base = format!("/vod/{asset}");
    let multivariant = server.get(&format!("{base}/index.m3u8"), "");
    let uris = |text: &str| -> Vec<String> {
        let quoted =
            text.lines().filter_map(|line| line.split_once("URI=\"")).map(|(_, rest)| rest.split('"').next().unwrap());
        quoted.chain(text.lines().filter(|line| !line.starts_with('#'))).map(str::to_owned).collect()
    };
    let playlists = uris(multivariant.text());
    let media = playlists.iter().flat_map(|playlist| {
        let playlist = server.get(&format!("{base}/{playlist}"), "");
        uris(playlist.text())
    });
    media.map(|uri| format!("{base}/{}", uri.strip_prefix("../../").unwrap())).collect()
}

#[test]
fn every_segment_is_made_of_the_bytes_that_explain_names() {
    let server = Server::start(&fixtures(), &[]);
    let mut segments = 0;
    for asset in ["late-audio", "starts-inside-gop", "fragmented", "two-languages"] {
        for url in media_urls(&server, asset) {
            let (told, answer) = (explained(&url), server.get(&url, ""));
            assert_eq!((told["size"].as_u64(), answer.status), (Some(answer.body.len() as u64), 200), "{url}");
            assert_eq!(
                answer.header("etag"),
                Some(format!("\"{}\"", told["etag"].as_str().unwrap()).as_str()),
                "{url}"
            );
            let Some(ranges) = told["segment"]["source_ranges"].as_array() else { continue };
            let stored = std::fs::read(fixtures().join(told["track"]["file"].as_str().unwrap())).unwrap();
            let named = |range: &Value| {
                let place = |key: &str| range[key].as_u64().unwrap() as usize;
                stored[place("start")..place("end")].to_vec()
            };
            let media: Vec<u8> = ranges.iter().flat_map(named).collect();
            assert!(answer.body.ends_with(&media), "{url}");
            let made = told["segment"]["made_bytes"].as_u64().unwrap() as usize;
            assert_eq!(answer.body.len(), made + media.len(), "{url}");
            segments += 1;
        }
    }
    assert!(segments >= 18, "only {segments} segments");
}

#[test]
fn filler_and_times_are_told() {
    let server = Server::start(&fixtures(), &[]);
    let audio = media_urls(&server, "late-audio").into_iter().find(|url| url.contains("/a2/1.m4s")).unwrap();
    // A URL as a log has it: with a host and a query.
    let told = explained(&format!("http://cdn.example{audio}?CMCD=bl%3D1"));
    let (track, segment) = (&told["track"], &told["segment"]);
    assert_eq!((&track["filler_frames"], &segment["filler_frames"]), (&70.into(), &70.into()));
    assert_eq!(segment["stored_samples"]["first"], 0);
    assert_eq!(segment["written_decode_time"]["seconds"], 10.0);
    assert_eq!(segment["presented"]["ticks"], -736);
}

#[test]
fn what_is_no_url_of_ours_is_one_line_and_exit_code_1() {
    for url in ["/", "/vod/nothing/index.m3u8", "/vod/vfr/~000102030405060708090a0b/v1/1.m4s", "/etc/passwd"] {
        let output = explain(url);
        let error = String::from_utf8(output.stderr).unwrap();
        assert_eq!((output.status.code(), output.stdout.len(), error.lines().count()), (Some(1), 0, 1), "{error}");
        assert!(error.contains(url), "{error}");
    }
}
