//! `afflux explain`: its explanation of a segment matches the response of a running server, byte for byte.

#![allow(
    clippy::as_conversions,
    clippy::cast_possible_truncation,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test's numbers are small, and a test that panics has failed"
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

/// All media URLs of an asset, from its manifests.
fn media_urls(server: &Server, asset: &str, entry: &str) -> Vec<String> {
    let base = format!("/vod/{asset}");
    let multivariant = server.get(&format!("{base}/{entry}"), "");
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
    media.map(|uri| format!("{base}/{}", uri.trim_start_matches("../"))).collect()
}

#[test]
fn every_segment_is_made_of_the_bytes_that_explain_names() {
    let server = Server::start(&fixtures(), &[]);
    let mut segments = 0;
    for asset in ["late-audio", "starts-inside-gop", "fragmented", "two-languages"] {
        for url in media_urls(&server, asset, "index.m3u8") {
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
fn what_is_told_of_mpeg_ts_is_what_is_answered() {
    let server = Server::start(&fixtures(), &[]);
    let mut segments = 0;
    for asset in ["late-audio", "two-languages", "audio-only", "barcode"] {
        for url in media_urls(&server, asset, "ts.m3u8") {
            let (told, answer) = (explained(&url), server.get(&url, ""));
            assert_eq!((told["size"].as_u64(), answer.status), (Some(answer.body.len() as u64), 200), "{url}");
            let etag = format!("\"{}\"", told["etag"].as_str().unwrap());
            assert_eq!(answer.header("etag"), Some(etag.as_str()), "{url}");
            // The first packet with payload of each stream has the continuity counter that `explain` prints.
            let counters = [0x100_u16, 0x101].map(|pid| {
                let is_it = |packet: &&[u8]| {
                    u16::from(packet[1] & 0x1f) << 8 | u16::from(packet[2]) == pid && packet[3] & 0x10 != 0
                };
                answer.body.chunks(188).find(is_it).map(|packet| u64::from(packet[3] & 0xf))
            });
            let streams = told["transport"]["streams"].as_array().unwrap();
            let told_counters: Vec<u64> =
                streams.iter().map(|stream| stream["continuity_counter"].as_u64().unwrap()).collect();
            assert_eq!(counters.into_iter().flatten().collect::<Vec<_>>(), told_counters, "{url}");
            segments += 1;
        }
    }
    assert!(segments >= 14, "only {segments} segments");
    let first = media_urls(&server, "late-audio", "ts.m3u8").remove(0);
    let told = explained(&first);
    let [video, audio] = told["transport"]["streams"].as_array().unwrap().as_slice() else { panic!("{told}") };
    assert_eq!((&video["filler_frames"], &audio["filler_frames"]), (&0.into(), &70.into()));
    assert_eq!((&video["pts"]["seconds"], &video["continuity_counter"]), (&10.0.into(), &0.into()));
}

#[test]
fn filler_and_times_are_told() {
    let server = Server::start(&fixtures(), &[]);
    let audio =
        media_urls(&server, "late-audio", "index.m3u8").into_iter().find(|url| url.contains("/a2/1.m4s")).unwrap();
    // A URL as in a log: with a host and a query.
    let told = explained(&format!("http://cdn.example{audio}?CMCD=bl%3D1"));
    let (track, segment) = (&told["track"], &told["segment"]);
    assert_eq!((&track["filler_frames"], &segment["filler_frames"]), (&70.into(), &70.into()));
    assert_eq!(segment["stored_samples"]["first"], 0);
    assert_eq!(segment["written_decode_time"]["seconds"], 10.0);
    assert_eq!(segment["presented"]["ticks"], -736);
}

#[test]
fn a_url_is_understood_as_people_paste_it() {
    let server = Server::start(&fixtures(), &[]);
    let [first, second] =
        media_urls(&server, "vfr", "index.m3u8").into_iter().take(2).collect::<Vec<_>>().try_into().unwrap();
    let told = explained(&second);
    let (folder, _) = first.rsplit_once('/').unwrap();
    let reference = second.strip_prefix("/vod/vfr/").unwrap();
    for url in [
        format!("https://cdn.example/video/eu{second}?token=a%2Fb&t=1#t=3"),
        format!("https://cdn.example{folder}/../../{reference}"),
        format!("https://cdn.example/vod/x/../../p{second}"),
        second.strip_prefix("/vod").unwrap().to_owned(),
        format!("http://cdn.example/films{}", second.strip_prefix("/vod").unwrap()),
    ] {
        assert_eq!(explained(&url), told, "{url}");
    }
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
