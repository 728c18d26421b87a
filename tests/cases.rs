//! Users' problem files: ffprobe's packets of HLS, DASH and MPEG-TS, and the output of `afflux inspect`, match the
//! manifest beside each file. Skipped with a message if the files are absent.

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
#[path = "support/case_rows.rs"]
mod case_rows;
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

use case_rows::{Expect, ROWS};
use ffmpeg::Listing;
use presentation::Presentation;
use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use support::{Server, afflux};

#[test]
fn every_case_does_what_its_manifest_says() {
    let Some(cases) = media::cases() else { return };
    let folder = tempfile::tempdir().unwrap();
    media::copy(&cases, folder.path()).unwrap();
    let server = Server::start(folder.path(), &[]);
    let base = format!("http://{}", server.public);
    let manifest = fs::read_to_string(cases.join("MANIFEST.tsv")).unwrap();
    let files: BTreeSet<&str> = manifest.lines().skip(1).filter_map(|line| line.split('\t').next()).collect();
    let rows: BTreeSet<&str> = ROWS.iter().map(|(file, _)| *file).collect();
    let mut wrong: Vec<String> = files.difference(&rows).map(|file| format!("{file} has no row")).collect();
    wrong.extend(rows.difference(&files).map(|file| format!("{file} is expected, and not there")));
    for (file, expected) in ROWS.iter().filter(|(file, _)| files.contains(file)) {
        let case = Case { root: media::root(&base, &media::name(Path::new(file))), path: folder.path().join(file) };
        wrong.extend(expected.iter().filter_map(|expect| Some(format!("{file}: {}", case.check(*expect).err()?))));
    }
    assert!(wrong.is_empty(), "{} surprises\n{}", wrong.len(), wrong.join("\n"));
}

/// One file, and its URL.
struct Case {
    root: String,
    path: std::path::PathBuf,
}

impl Case {
    fn check(&self, expect: Expect) -> Result<(), String> {
        match expect {
            Expect::Seconds(seconds) => self.lasts(seconds),
            Expect::Packets { video, audio } => self.packets(video, audio),
            Expect::Transport(count) => self.transport(count),
            Expect::NoTransport => self.status("ts.m3u8", 404),
            Expect::Lint(code) => self.lint(code),
            Expect::Hls(words) => self.says("index.m3u8", words),
            Expect::HlsLacks(words) => self.lacks("index.m3u8", words),
            Expect::Dash(words) => self.says("index.mpd", words),
            Expect::DashLacks(words) => self.lacks("index.mpd", words),
            Expect::Refused(words) => self.refused(words),
            Expect::Ordered => self.ordered(),
        }
    }

    fn text(&self, entry: &str) -> Result<String, String> {
        String::from_utf8(fetch::body(&format!("{}{entry}", self.root))?).map_err(|error| error.to_string())
    }

    fn load(&self) -> Result<Presentation, String> {
        Presentation::load(&|uri| fetch::body(&format!("{}{uri}", self.root)))
    }

    fn status(&self, entry: &str, status: u16) -> Result<(), String> {
        let answer = fetch::get(&format!("{}{entry}", self.root))?;
        if answer.status == status { Ok(()) } else { Err(format!("{entry} is {}, not {status}", answer.status)) }
    }

    fn refused(&self, words: &str) -> Result<(), String> {
        self.status("index.m3u8", 422)?;
        let text = fetch::get(&format!("{}index.m3u8", self.root))?.text();
        if text.contains(words) { Ok(()) } else { Err(format!("refused with {text:?}, not {words:?}")) }
    }

    fn says(&self, entry: &str, words: &str) -> Result<(), String> {
        let text = self.text(entry)?;
        if text.contains(words) { Ok(()) } else { Err(format!("{entry} lacks {words:?}:\n{text}")) }
    }

    fn lacks(&self, entry: &str, words: &str) -> Result<(), String> {
        let text = self.text(entry)?;
        if text.contains(words) { Err(format!("{entry} has {words:?}:\n{text}")) } else { Ok(()) }
    }

    fn lint(&self, code: &str) -> Result<(), String> {
        let output = afflux(&["inspect", "--json", self.path.to_str().unwrap()]).output().unwrap();
        let report: serde_json::Value =
            serde_json::from_slice(&output.stdout).map_err(|error| format!("inspect: {error}"))?;
        let codes: Vec<&str> =
            report["lint"].as_array().into_iter().flatten().filter_map(|found| found["code"].as_str()).collect();
        if codes.contains(&code) { Ok(()) } else { Err(format!("lint is {codes:?}, without {code}")) }
    }

    /// The longest playlist, the MPD and, if there is one, the transport stream last `seconds`, to a tenth of a second:
    /// sound may begin two frames early, for its decoder.
    fn lasts(&self, seconds: f64) -> Result<(), String> {
        let near = |what: &str, found: f64| {
            let off = (found - seconds).abs();
            if off < 0.1 { Ok(()) } else { Err(format!("{what} lasts {found} s, not {seconds}")) }
        };
        let presentation = self.load()?;
        let of_hls = presentation.tracks.iter().map(|track| track.playlist.starts().last().copied().unwrap_or(0.0));
        near("HLS", of_hls.fold(0.0, f64::max))?;
        let mpd = presentation.mpd.get("mediaPresentationDuration").unwrap_or_default();
        near("DASH", mpd::seconds(mpd).unwrap_or(f64::NAN))?;
        let entry = fetch::get(&format!("{}ts.m3u8", self.root))?;
        if entry.status == 404 {
            return Ok(());
        }
        let listing = ffmpeg::probe_apart(&format!("{}ts.m3u8", self.root))?;
        near("MPEG-TS", ends(&listing))
    }

    /// Packets of each kind, as ffprobe reads HLS and DASH.
    fn packets(&self, video: usize, audio: usize) -> Result<(), String> {
        for entry in ["index.m3u8", "index.mpd"] {
            let listing = ffmpeg::probe_apart(&format!("{}{entry}", self.root))?;
            counted(entry, &listing, (video, audio))?;
        }
        Ok(())
    }

    /// Pictures in MPEG-TS.
    fn transport(&self, video: usize) -> Result<(), String> {
        let listing = ffmpeg::probe_apart(&format!("{}ts.m3u8", self.root))?;
        let found = count(&listing, "video");
        if found == video { Ok(()) } else { Err(format!("MPEG-TS has {found} pictures, not {video}")) }
    }

    /// All pictures have distinct presentation times, as far apart as in the file.
    fn ordered(&self) -> Result<(), String> {
        let stored = ffmpeg::probe(&self.path.to_string_lossy(), ffmpeg::Edits::Ignore)?;
        let presentation = self.load()?;
        for track in presentation.tracks.iter().filter(|track| track.is_video()) {
            let mut served = track.presented();
            let stream = stored.streams.iter().find(|stream| stream.kind == "video").ok_or("no video is stored")?;
            let mut times: Vec<i64> = stored.of(stream.index).filter_map(|packet| packet.pts).collect();
            served.sort_unstable();
            times.sort_unstable();
            let apart: BTreeSet<i64> = served.iter().zip(&times).map(|(served, stored)| served - stored).collect();
            if served.len() != times.len() || apart.len() != 1 {
                return Err(format!("{} of {} pictures, {apart:?} ticks later", served.len(), times.len()));
            }
        }
        Ok(())
    }
}

fn count(listing: &Listing, kind: &str) -> usize {
    let streams = listing.streams.iter().filter(|stream| stream.kind == kind);
    streams.map(|stream| listing.of(stream.index).count()).max().unwrap_or(0)
}

fn counted(entry: &str, listing: &Listing, wanted: (usize, usize)) -> Result<(), String> {
    let found = (count(listing, "video"), count(listing, "audio"));
    if found == wanted { Ok(()) } else { Err(format!("{entry} has {found:?} packets, not {wanted:?}")) }
}

/// End of the last packet, in seconds after the 10 by which everything is shifted. A picture lasts as long as the one
/// before.
fn ends(listing: &Listing) -> f64 {
    let end = |stream: &ffmpeg::Stream| {
        let mut times: Vec<i64> = listing.of(stream.index).filter_map(|packet| packet.pts).collect();
        times.sort_unstable();
        let [.., before, last] = times.as_slice() else { return 0.0 };
        (2 * last - before) as f64 / f64::from(stream.timescale) - 10.0
    };
    listing.streams.iter().map(end).fold(0.0, f64::max)
}
