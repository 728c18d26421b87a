//! Independent proof: players get the stored media, packet by packet and tick by tick, as read by ffprobe, ffmpeg and a
//! reader of our own (DESIGN defines the truth: sample tables and edit lists).

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::float_arithmetic,
    clippy::as_conversions,
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    reason = "a test that panics has failed, which is what it is for"
)]
#![allow(dead_code, reason = "each test program uses its part of the support modules")]

#[path = "support/boxes.rs"]
mod boxes;
#[path = "support/codec.rs"]
mod codec;
#[path = "support/compare.rs"]
mod compare;
#[path = "support/edits.rs"]
mod edits;
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
mod support;

use compare::Source;
use ffmpeg::{Edits, Listing};
use media::Stored;
use presentation::Presentation;
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use support::Server;
use tempfile::TempDir;

/// Cases of edit lists, tables and recordings that are odd only in their packets.
const CASES: [&str; 8] = [
    "c05_cut_middle.mp4",
    "c06_trim_both_ends.mp4",
    "c14_aac_96k.m4a",
    "c20_moov_middle.mp4",
    "c24_obs_hybrid.mp4",
    "c31_ns_timescale.mp4",
    "edits_tail_trim.mp4",
    "h264_opengop.mp4",
];

/// The fixtures, every plain H.264/AAC file of the corpus, and some cases, copied into one folder.
fn stage(choose: impl Fn(&Path) -> bool) -> (TempDir, Vec<PathBuf>) {
    let folder = tempfile::tempdir().unwrap();
    if media::fixtures().is_dir() {
        media::copy(&media::fixtures(), &folder.path().join("fixtures")).unwrap();
    }
    if let Some(corpus) = media::corpus() {
        media::copy(&corpus, &folder.path().join("corpus")).unwrap();
        let plain: Vec<String> =
            media::manifest(&corpus).into_iter().filter(media::Entry::is_plain).map(|entry| entry.name).collect();
        for file in media::files(&folder.path().join("corpus")) {
            if !plain.contains(&file.to_string_lossy().into_owned()) {
                fs::remove_file(folder.path().join("corpus").join(file)).unwrap();
            }
        }
    }
    if let Some(cases) = media::cases() {
        for name in CASES {
            media::copy_one(&cases.join(name), &folder.path().join("cases").join(name)).unwrap();
        }
    }
    let files = media::files(folder.path()).into_iter().filter(|file| choose(file)).collect();
    (folder, files)
}

fn load(base: &str, asset: &Stored) -> Result<Presentation, String> {
    let root = media::root(base, &asset.name);
    Presentation::load(&|uri| fetch::body(&format!("{root}{uri}")))
}

/// The stored files of an asset, read once.
fn sources(asset: &Stored) -> Result<BTreeMap<PathBuf, Source>, String> {
    asset.files.iter().map(|file| Ok((file.clone(), Source::read(file)?))).collect()
}

/// ffprobe's listing of a track's init segment and media segments, joined.
fn probe_joined(track: &presentation::Track, folder: &Path) -> Result<(PathBuf, Listing), String> {
    let file = folder.join("joined.mp4");
    fs::write(&file, track.joined()).map_err(|error| error.to_string())?;
    let listing = ffmpeg::probe(&file.to_string_lossy(), Edits::Apply)?;
    Ok((file, listing))
}

fn check(base: &str, asset: &Stored) -> Result<Vec<String>, String> {
    let presentation = load(base, asset)?;
    let sources = sources(asset)?;
    let scratch = tempfile::tempdir().map_err(|error| error.to_string())?;
    let (mut faults, mut offsets) = (compare::listings_agree(&presentation), Vec::new());
    for track in &presentation.tracks {
        let (_, id, stem) = track.name().ok_or_else(|| format!("{} has no track name", track.uri))?;
        let file = asset.file(stem.as_deref()).ok_or_else(|| format!("{} comes from no file", track.uri))?;
        let (_, joined) = probe_joined(track, scratch.path())?;
        match compare::track(track, &sources[file], id, &joined) {
            Ok(offset) => offsets.push((track, offset)),
            Err(fault) => faults.push(format!("{}: {fault}", track.uri)),
        }
    }
    faults.extend(compare::one_clock(&offsets));
    faults.extend(compare::all_there(&presentation, &sources));
    Ok(faults)
}

fn report(faults: &BTreeMap<String, Vec<String>>, checked: usize) {
    let lines = |(asset, faults): (&String, &Vec<String>)| format!("{asset}:\n    {}", faults.join("\n    "));
    let text: Vec<String> = faults.iter().map(lines).collect();
    assert!(faults.is_empty(), "{} of {checked} assets differ from what is stored\n{}", faults.len(), text.join("\n"));
}

#[test]
fn each_asset_is_exact_to_the_packet_and_the_tick() {
    let (folder, files) = stage(|_| true);
    let server = Server::start(folder.path(), &[]);
    let base = format!("http://{}", server.public);
    let assets = media::assets(&base, folder.path(), &files);
    assert!(!assets.is_empty(), "no assets to compare");
    let mut wrong = BTreeMap::new();
    for asset in &assets {
        let faults = check(&base, asset).unwrap_or_else(|fault| vec![fault]);
        if !faults.is_empty() {
            wrong.insert(asset.name.clone(), faults);
        }
    }
    println!("{} assets compared", assets.len());
    report(&wrong, assets.len());
}

/// Faults of the fixture `file` when compared with a stored file that `spoil` has changed.
fn against(spoil: impl FnOnce(&mut Vec<u8>), file: &str) -> Vec<String> {
    let (folder, files) = stage(|path| path == Path::new("fixtures").join(file));
    let server = Server::start(folder.path(), &[]);
    let base = format!("http://{}", server.public);
    let mut asset = media::assets(&base, folder.path(), &files).remove(0);
    load(&base, &asset).unwrap();
    let mut bytes = fs::read(&asset.files[0]).unwrap();
    spoil(&mut bytes);
    asset.files[0] = folder.path().join("spoiled.mp4");
    fs::write(&asset.files[0], bytes).unwrap();
    check(&base, &asset).unwrap()
}

#[test]
fn a_changed_byte_and_two_ticks_are_noticed() {
    let find = |bytes: &[u8], mark: &[u8]| bytes.windows(4).position(|four| four == mark).unwrap();
    assert_eq!(against(|_| (), "co64.mp4"), Vec::<String>::new());
    // The byte 1 KiB after the first mdat's start.
    let byte = against(
        |bytes| {
            let at = find(bytes, b"mdat") + 1_024;
            bytes[at] ^= 1;
        },
        "co64.mp4",
    );
    assert!(byte[0].contains("is not played as it is"), "{byte:?}");
    // media_time of the first edit list (version 0: after size, type, flags, count, duration).
    let ticks = against(
        |bytes| {
            let at = find(bytes, b"elst") + 19;
            bytes[at] += 2;
        },
        "co64.mp4",
    );
    assert!(ticks.iter().any(|fault| fault.contains("s late, the pictures ask for")), "{ticks:?}");
    // The first duration of the first stts (after type, flags, count, samples).
    let span = against(
        |bytes| {
            let at = find(bytes, b"stts") + 19;
            bytes[at] += 1;
        },
        "co64.mp4",
    );
    assert!(span.iter().any(|fault| fault.contains("clock") || fault.contains("lasts")), "{span:?}");
}

/// Files that ffprobe also reads through its own HLS and DASH readers.
const READ_OVER_HTTP: [&str; 8] = [
    "bbb_480p_30s",
    "ax_sample",
    "mb_edts",
    "wanna_3min",
    "carphone",
    "ax_edit_list_positive_shift",
    "sample_audio_only_15s",
    "fixtures/",
];

#[test]
fn ffprobe_reads_the_same_packets_from_hls_and_dash() {
    let (folder, files) = stage(|file| READ_OVER_HTTP.iter().any(|name| is_named(file, name)));
    let server = Server::start(folder.path(), &[]);
    let base = format!("http://{}", server.public);
    let mut wrong = BTreeMap::new();
    let assets = media::assets(&base, folder.path(), &files);
    for asset in &assets {
        let faults = read_over_http(&base, asset).unwrap_or_else(|fault| vec![fault]);
        if !faults.is_empty() {
            wrong.insert(asset.name.clone(), faults);
        }
    }
    report(&wrong, assets.len());
}

fn read_over_http(base: &str, asset: &Stored) -> Result<Vec<String>, String> {
    let presentation = load(base, asset)?;
    let scratch = tempfile::tempdir().map_err(|error| error.to_string())?;
    let mut joined = Vec::new();
    for track in &presentation.tracks {
        joined.push((track, probe_joined(track, scratch.path())?.1));
    }
    let mut faults = Vec::new();
    for entry in ["index.m3u8", "index.mpd"] {
        let url = format!("{}{entry}", media::root(base, &asset.name));
        let listing = ffmpeg::probe_apart(&url)?;
        faults.extend(compare::same_streams(&listing, &joined).into_iter().map(|fault| format!("{entry}: {fault}")));
    }
    Ok(faults)
}

/// Whether `file` is the corpus file or the fixture (or below the fixture folder) called `name`.
fn is_named(file: &Path, name: &str) -> bool {
    let path = file.with_extension("").to_string_lossy().into_owned();
    path.strip_prefix(name).is_some_and(|rest| name.ends_with('/') || rest.is_empty())
        || path.strip_prefix("corpus/").is_some_and(|rest| rest == name || rest.strip_prefix("ax_") == Some(name))
}

/// Natural and odd files of which pictures and sound are decoded and compared.
const DECODED: [&str; 4] = ["flower_cc0", "bbb_480p_30s", "mb_edts", "fixtures/barcode"];

#[test]
fn decoded_frames_and_sound_are_identical() {
    let (folder, files) = stage(|file| DECODED.iter().any(|name| file.to_string_lossy().contains(name)));
    let server = Server::start(folder.path(), &[]);
    let base = format!("http://{}", server.public);
    let mut wrong = BTreeMap::new();
    let assets = media::assets(&base, folder.path(), &files);
    for asset in &assets {
        let faults = decode(&base, asset).unwrap_or_else(|fault| vec![fault]);
        if !faults.is_empty() {
            wrong.insert(asset.name.clone(), faults);
        }
    }
    report(&wrong, assets.len());
}

fn decode(base: &str, asset: &Stored) -> Result<Vec<String>, String> {
    let presentation = load(base, asset)?;
    let scratch = tempfile::tempdir().map_err(|error| error.to_string())?;
    let mut faults = Vec::new();
    for track in &presentation.tracks {
        let (_, _, stem) = track.name().ok_or("no track name")?;
        let stored = asset.file(stem.as_deref()).ok_or("no file")?;
        let (file, _) = probe_joined(track, scratch.path())?;
        let same = if track.is_video() {
            same(&ffmpeg::frames(stored)?, &ffmpeg::frames(&file)?)
        } else {
            same(&ffmpeg::pcm(stored)?, &ffmpeg::pcm(&file)?)
        };
        faults.extend(same.err().map(|fault| format!("{}: {fault}", track.uri)));
    }
    Ok(faults)
}

fn same<T: PartialEq>(stored: &[T], played: &[T]) -> Result<(), String> {
    if stored.is_empty() {
        return Err("nothing was decoded".into());
    }
    let first = stored.iter().zip(played).position(|(a, b)| a != b);
    match first {
        Some(at) => Err(format!("decoded differently from number {at} on")),
        None if stored.len() != played.len() => Err(format!("{} stored, {} played", stored.len(), played.len())),
        None => Ok(()),
    }
}
