//! MPEG-TS equals the stored media: each packet is a sample of the CMAF track, which other tests verify, to the tick of
//! 90 kHz. The checker finds no fault in any segment or across segments fetched in any order; FFmpeg and GStreamer play
//! to the end.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::float_arithmetic,
    clippy::as_conversions,
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_possible_wrap,
    clippy::cast_sign_loss,
    reason = "a test that panics has failed, which is what it is for"
)]
#![allow(dead_code, reason = "each test program uses its part of the support modules")]

#[path = "support/boxes.rs"]
mod boxes;
#[path = "support/check_es.rs"]
mod check_es;
#[path = "support/check_ts.rs"]
mod check_ts;
#[path = "support/codec.rs"]
mod codec;
#[path = "support/elementary.rs"]
mod elementary;
#[path = "support/fetch.rs"]
mod fetch;
#[path = "support/ffmpeg.rs"]
mod ffmpeg;
#[path = "support/hls.rs"]
mod hls;
#[path = "support/media.rs"]
mod media;
#[path = "support/mpd.rs"]
mod mpd;
#[path = "support/presentation.rs"]
mod presentation;
#[path = "support/psi.rs"]
mod psi;
mod support;
#[path = "support/transport.rs"]
mod transport;
#[path = "support/ts.rs"]
mod ts;
#[path = "support/undo_ts.rs"]
mod undo_ts;

use media::Stored;
use presentation::Presentation;
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use support::Server;
use tempfile::TempDir;
use transport::Program;

/// The fixtures and every good file of the corpus, copied into one folder.
fn stage(choose: impl Fn(&Path) -> bool) -> (TempDir, Vec<PathBuf>) {
    let folder = tempfile::tempdir().unwrap();
    media::copy(&media::fixtures(), &folder.path().join("fixtures")).unwrap();
    if let Some(corpus) = media::corpus() {
        media::copy(&corpus, &folder.path().join("corpus")).unwrap();
        let _ = fs::remove_dir_all(folder.path().join("corpus/bad"));
    }
    let files = media::files(folder.path()).into_iter().filter(|file| choose(file)).collect();
    (folder, files)
}

fn load(base: &str, asset: &Stored) -> Result<Presentation, String> {
    let root = media::root(base, &asset.name);
    Presentation::load(&|uri| fetch::body(&format!("{root}{uri}")))
}

/// All programs of an asset; `None` if the server refuses it for a codec that MPEG-TS does not carry.
fn programs(base: &str, asset: &Stored, cmaf: &Presentation) -> Result<Option<Vec<Program>>, String> {
    let root = media::root(base, &asset.name);
    let answer = fetch::get(&format!("{root}ts.m3u8"))?;
    let lacks = transport::lacks(cmaf);
    match (answer.status, lacks) {
        (404, Some(_)) if answer.text().contains("MPEG-TS") => Ok(None),
        (200, None) => Program::load_all(&answer.text(), &|uri| fetch::body(&format!("{root}{uri}"))).map(Some),
        (status, lacks) => Err(format!("ts.m3u8 is answered {status}; of what it needs it lacks {lacks:?}")),
    }
}

/// Faults of stored films themselves: the rule that the checker finds broken.
const ODD: [(&str, &str); 1] = [
    // FFmpeg reports the same for the stored file: "missing picture in access unit with size 5".
    ("afl_small_negctts", "an access unit without a picture"),
];

fn check(base: &str, asset: &Stored) -> Result<Option<Vec<String>>, String> {
    let cmaf = load(base, asset)?;
    let Some(programs) = programs(base, asset, &cmaf)? else { return Ok(None) };
    let mut faults = Vec::new();
    for program in &programs {
        let mut found = program.faults(&cmaf).unwrap_or_else(|fault| vec![fault]);
        found.retain(|fault| !ODD.iter().any(|(name, rule)| asset.name.ends_with(name) && fault.ends_with(rule)));
        faults.extend(found.into_iter().take(8).map(|fault| format!("{}: {fault}", program.uri)));
    }
    Ok(Some(faults))
}

#[test]
fn each_asset_is_exact_to_the_sample_and_the_tick() {
    let (folder, files) = stage(|_| true);
    let server = Server::start(folder.path(), &[]);
    let base = format!("http://{}", server.public);
    let (mut wrong, mut checked, mut refused) = (BTreeMap::new(), 0, Vec::new());
    for asset in &media::assets(&base, folder.path(), &files) {
        // Without CMAF there is nothing to compare with.
        if load(&base, asset).is_err() {
            continue;
        }
        match check(&base, asset) {
            Ok(None) => refused.push(asset.name.clone()),
            Ok(Some(faults)) if faults.is_empty() => checked += 1,
            Ok(Some(faults)) => drop(wrong.insert(asset.name.clone(), faults)),
            Err(fault) => drop(wrong.insert(asset.name.clone(), vec![fault])),
        }
    }
    println!("{checked} assets compared; not carried: {}", refused.join(", "));
    assert!(checked > 10, "only {checked} assets: too few for a meaningful test");
    let lines = |(asset, faults): (&String, &Vec<String>)| format!("{asset}:\n    {}", faults.join("\n    "));
    assert!(wrong.is_empty(), "{} differ\n{}", wrong.len(), wrong.iter().map(lines).collect::<Vec<_>>().join("\n"));
}

#[test]
fn a_range_is_that_slice_of_the_whole_hot_and_cold() {
    let (folder, _) = stage(|_| false);
    let asset = "/vod/fixtures/two-languages";
    let warm = Server::start(folder.path(), &[]);
    let entry = warm.get(&format!("{asset}/ts.m3u8"), "");
    let playlist = entry.text().lines().find(|line| !line.starts_with('#')).unwrap().to_owned();
    let media = warm.get(&format!("{asset}/{playlist}"), "");
    let first = media.text().lines().find(|line| !line.starts_with('#')).unwrap().to_owned();
    let url = format!("{asset}/{}", presentation::resolve(&playlist, &first));
    let whole = warm.get(&url, "").body;
    let cold = Server::start(folder.path(), &[]);
    for (from, to) in [(0, 0), (187, 188), (1_000, 20_000), (whole.len() - 1_024, whole.len() - 1)] {
        for server in [&cold, &warm] {
            let answer = server.get(&url, &format!("Range: bytes={from}-{to}\r\n"));
            assert_eq!((answer.status, answer.body.as_slice()), (206, &whole[from..=to]), "{from}-{to}");
            assert_eq!(answer.header("content-type"), Some("video/mp2t"));
        }
    }
}

/// Assets that FFmpeg and GStreamer play: fixtures, and films of the corpus if it is present.
const PLAYED: [&str; 9] = [
    "fixtures/barcode",
    "fixtures/natural",
    "fixtures/late-audio",
    "fixtures/two-languages",
    "fixtures/starts-inside-gop",
    "fixtures/vfr",
    "fixtures/audio-only",
    "fixtures/video-only",
    "bbb_480p_30s",
];

fn played() -> (TempDir, Server, Vec<Stored>) {
    let (folder, files) = stage(|file| PLAYED.iter().any(|name| file.to_string_lossy().contains(name)));
    let server = Server::start(folder.path(), &[]);
    let assets = media::assets(&format!("http://{}", server.public), folder.path(), &files);
    (folder, server, assets)
}

#[test]
fn ffmpeg_decodes_the_frames_and_the_sound_of_cmaf() {
    let (_folder, server, assets) = played();
    let base = format!("http://{}", server.public);
    let mut faults = Vec::new();
    for asset in &assets {
        let cmaf = load(&base, asset).unwrap();
        let scratch = tempfile::tempdir().unwrap();
        for program in programs(&base, asset, &cmaf).unwrap().unwrap() {
            let url = format!("{}{}", media::root(&base, &asset.name), program.uri);
            let fault = decodes_alike(&cmaf, (&program, &url), scratch.path()).err();
            faults.extend(fault.map(|fault| format!("{}: {fault}", asset.name)));
        }
    }
    assert_eq!(faults, Vec::<String>::new());
}

/// Compares the decoded joined segments, and FFmpeg's own HLS reader, with CMAF.
fn decodes_alike(cmaf: &Presentation, (program, url): (&Program, &str), scratch: &Path) -> Result<(), String> {
    let joined = scratch.join("joined.ts");
    fs::write(&joined, program.segments.iter().flat_map(|(_, bytes)| bytes.clone()).collect::<Vec<u8>>())
        .map_err(|error| error.to_string())?;
    for track in program.tracks(cmaf)? {
        let single = scratch.join("track.mp4");
        fs::write(&single, track.joined()).map_err(|error| error.to_string())?;
        let same = if track.is_video() {
            let stored = ffmpeg::frames(&single)?;
            stored == ffmpeg::frames(&joined)? && stored == ffmpeg::frames(Path::new(url))?
        } else {
            let stored = ffmpeg::pcm(&single)?;
            stored == ffmpeg::pcm(&joined)? && stored == ffmpeg::pcm(Path::new(url))?
        };
        if !same {
            return Err(format!("{} is decoded differently from {}", program.uri, track.uri));
        }
    }
    Ok(())
}

#[test]
fn gstreamer_plays_to_the_end() {
    let (_folder, server, assets) = played();
    let base = format!("http://{}", server.public);
    let mut faults = Vec::new();
    for asset in &assets {
        let cmaf = load(&base, asset).unwrap();
        let root = media::root(&base, &asset.name);
        let programs = programs(&base, asset, &cmaf).unwrap().unwrap();
        let variants = programs.iter().filter(|program| program.is_variant()).map(|program| program.uri.as_str());
        for entry in variants.chain(["ts.m3u8"]) {
            // On a busy machine GStreamer's decoder or its log sometimes lacks the last pictures, while the sound from
            // the same segments is whole: the better of two plays counts. GStreamer may also give up for reasons of its
            // own; one of three plays may do so.
            let play = |_| gstreamer(&format!("{root}{entry}")).inspect_err(|fault| println!("{root}{entry}: {fault}"));
            let plays: Vec<Shown> = (0..3).filter_map(|turn| play(turn).ok()).take(2).collect();
            let [one, other] = plays[..] else { panic!("{root}{entry} is not played") };
            let shown = Shown { pictures: one.pictures.max(other.pictures), sounds: one.sounds.max(other.sounds) };
            println!("{}/{entry}: {one:?}, {other:?}", asset.name);
            let last = |track: &presentation::Track| {
                let presented = track.presented();
                let (first, last) = (presented.iter().min().unwrap(), presented.iter().max().unwrap());
                (last - first) as f64 / f64::from(track.timescale())
            };
            for track in &cmaf.tracks {
                let reached = if track.is_video() { shown.pictures } else { shown.sounds };
                if reached + 0.15 < last(track) {
                    faults.push(format!("{}/{entry}: {shown:?}, {} lasts {} s", asset.name, track.uri, last(track)));
                }
            }
        }
    }
    assert_eq!(faults, Vec::<String>::new());
}

/// Time from the first buffer of each sink to its last, in seconds.
#[derive(Debug, Clone, Copy)]
struct Shown {
    pictures: f64,
    sounds: f64,
}

/// Plays `url` to the end of the stream, as fast as it can be decoded.
fn gstreamer(url: &str) -> Result<Shown, String> {
    let sink = |name: &str| format!("fakesink name={name} sync=false silent=false");
    let output = Command::new("timeout")
        .args(["60", "gst-launch-1.0", "-v", "-m", "playbin3", &format!("uri={url}")])
        .arg(format!("video-sink={}", sink("pictures")))
        .arg(format!("audio-sink={}", sink("sounds")))
        .env("GST_DEBUG_NO_COLOR", "1")
        .output()
        .map_err(|error| error.to_string())?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let ended = text.contains("Got EOS from element") || text.contains("(eos)");
    if !output.status.success() || !ended {
        return Err(format!("{}: {}", output.status, String::from_utf8_lossy(&output.stderr)));
    }
    let reached = |name: &str| {
        let mark = format!(":{name}: last-message = chain");
        let times =
            text.lines().filter(|line| line.contains(&mark)).filter_map(|line| clock(line.split("pts: ").nth(1)?));
        let (first, last) = times.fold((f64::MAX, 0.0_f64), |(low, high), at| (low.min(at), high.max(at)));
        (last - first).max(0.0)
    };
    Ok(Shown { pictures: reached("pictures"), sounds: reached("sounds") })
}

/// Parses `h:mm:ss.nnnnnnnnn` at the start of `text` into seconds.
fn clock(text: &str) -> Option<f64> {
    let digits = text.split(|c: char| !c.is_ascii_digit() && c != ':' && c != '.').next()?;
    digits.split(':').try_fold(0.0, |sum, part| Some(sum * 60.0 + part.parse::<f64>().ok()?))
}
