//! Every file of the shared corpus plays, or is refused with a reason that names it. No file takes the server down,
//! takes long or takes much memory. Skipped with a message if the corpus is absent.

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
#[path = "support/expected.rs"]
mod expected;
#[path = "support/fetch.rs"]
mod fetch;
#[path = "support/hls.rs"]
mod hls;
#[path = "support/media.rs"]
mod media;
#[path = "support/mpd.rs"]
mod mpd;
#[path = "support/presentation.rs"]
mod presentation;
mod support;

use expected::{EXPECTED, Outcome};
use fetch::Answer;
use presentation::{Presentation, resolve};
use std::cell::Cell;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use support::Server;

/// Longest time for any response.
const PATIENCE: Duration = Duration::from_secs(5);

/// Largest memory use over all files, in KiB.
const MEMORY: u64 = 300 * 1_024;

/// Observed behaviour of an asset.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Seen {
    /// All media that its manifests list are there; holds the kinds and numbers of its tracks.
    Plays(String),
    /// Both manifests answer 422; holds the detail.
    Refused(String),
}

#[test]
fn every_file_plays_or_is_refused_by_name() {
    let Some(corpus) = media::corpus() else { return };
    let folder = tempfile::tempdir().unwrap();
    media::copy(&corpus, folder.path()).unwrap();
    let server = Server::start(folder.path(), &[]);
    let base = format!("http://{}", server.public);
    let (mut wrong, mut observed) = (Vec::new(), Vec::new());
    let files: Vec<PathBuf> = media::manifest(&corpus).iter().map(|entry| PathBuf::from(&entry.name)).collect();
    assert!(files.len() > 100, "the corpus has {} files", files.len());
    for file in &files {
        let (seen, slowest) = request_all(&base, file);
        let path = file.to_string_lossy();
        if slowest > PATIENCE {
            wrong.push(format!("{path}: an answer took {slowest:?}"));
        }
        observed.push(format!("{path}\t{seen:?}"));
        wrong.extend(differs(&path, seen));
    }
    if std::env::var_os("AFFLUX_OBSERVE").is_some() {
        println!("{}", observed.join("\n"));
    }
    for (name, _) in EXPECTED.iter().filter(|(name, _)| !files.iter().any(|file| file == Path::new(name))) {
        wrong.push(format!("{name} is expected, and not in the corpus"));
    }
    wrong.extend(health(&server));
    assert!(wrong.is_empty(), "{} of {} files surprise\n{}", wrong.len(), files.len(), wrong.join("\n"));
}

/// Requests everything of an asset; also returns the duration of the slowest response.
fn request_all(base: &str, file: &Path) -> (Result<Seen, String>, Duration) {
    let root = media::root(base, &media::name(file));
    let slowest = Cell::new(Duration::ZERO);
    let ask = |uri: &str| -> Result<Answer, String> {
        let before = Instant::now();
        let answer = fetch::get(&resolve(&root, uri));
        slowest.set(slowest.get().max(before.elapsed()));
        answer
    };
    let seen = match (ask("index.m3u8"), ask("index.mpd")) {
        (Ok(hls), Ok(dash)) => match (hls.status, dash.status) {
            (200, 200) => plays(&ask).and_then(|seen| transports(&ask).map(|()| seen)),
            (422, 422) => refused(&[&hls, &dash, &ask("ts.m3u8").unwrap_or_default()], file),
            statuses => {
                Err(format!("the manifests are {statuses:?}: {}", hls.text().chars().take(200).collect::<String>()))
            }
        },
        (Err(fault), _) | (_, Err(fault)) => Err(fault),
    };
    (seen, slowest.get())
}

fn plays(ask: &dyn Fn(&str) -> Result<Answer, String>) -> Result<Seen, String> {
    let presentation = Presentation::load(&|uri| {
        let answer = ask(uri)?;
        if answer.status == 200 { Ok(answer.body) } else { Err(format!("{uri}: {}", answer.status)) }
    })?;
    for representation in &presentation.representations {
        let track = presentation.track(&representation.init);
        let Some(track) = track else { return Err(format!("{} is in DASH alone", representation.init)) };
        let uris =
            |track: &presentation::Track| track.segments.iter().map(|segment| segment.uri.clone()).collect::<Vec<_>>();
        if uris(track) != representation.segments.iter().map(|segment| segment.uri.clone()).collect::<Vec<_>>() {
            return Err(format!("{} lists other segments in DASH", representation.init));
        }
    }
    let mut names: Vec<String> = presentation
        .tracks
        .iter()
        .filter_map(presentation::Track::name)
        .map(|(kind, id, _)| format!("{kind}{id}"))
        .collect();
    names.sort();
    Ok(Seen::Plays(names.join(" ")))
}

/// Checks the asset's MPEG-TS: whole packets in every segment, or a problem that says what MPEG-TS can carry.
fn transports(ask: &dyn Fn(&str) -> Result<Answer, String>) -> Result<(), String> {
    let entry = ask("ts.m3u8")?;
    if entry.status == 404 && entry.text().contains("MPEG-TS carries") {
        return Ok(());
    }
    let names = |answer: &Answer| -> Vec<String> {
        let text = answer.text();
        let quoted = text.lines().filter_map(|line| line.split_once("URI=\"")?.1.split('"').next());
        let plain = text.lines().filter(|line| !line.starts_with('#'));
        quoted.chain(plain).map(str::to_owned).collect()
    };
    let whole = |uri: &str, answer: &Answer| match answer.status {
        200 => Ok(()),
        status => Err(format!("{uri}: {status}")),
    };
    whole("ts.m3u8", &entry)?;
    for playlist in names(&entry) {
        let media = ask(&playlist)?;
        whole(&playlist, &media)?;
        for segment in names(&media) {
            let segment = presentation::resolve(&playlist, &segment);
            let answer = ask(&segment)?;
            whole(&segment, &answer)?;
            if answer.body.is_empty() || !answer.body.len().is_multiple_of(188) {
                return Err(format!("{segment}: {} bytes", answer.body.len()));
            }
        }
    }
    Ok(())
}

/// Checks a refusal: a problem of RFC 9457 that names the file and the reason.
fn refused(answers: &[&Answer], file: &Path) -> Result<Seen, String> {
    for answer in answers {
        if answer.status != 422 {
            return Err(format!("one manifest is 422, another {}", answer.status));
        }
        let kind = answer.header("content-type").unwrap_or_default();
        if !kind.starts_with("application/problem+json") {
            return Err(format!("422 as {kind:?}"));
        }
    }
    let problem: serde_json::Value = serde_json::from_slice(&answers[0].body).map_err(|error| error.to_string())?;
    let detail = problem.get("detail").and_then(serde_json::Value::as_str).ok_or("a problem without detail")?;
    let name = file.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    if !detail.contains(&name) {
        return Err(format!("{detail:?} does not name {name}"));
    }
    Ok(Seen::Refused(detail.to_owned()))
}

/// Difference from the expected behaviour; `None` if there is none. Files that are not in the table must play with all
/// their tracks.
fn differs(path: &str, seen: Result<Seen, String>) -> Option<String> {
    let expected = EXPECTED.iter().find(|(name, _)| *name == path).map_or(Outcome::Plays(""), |(_, outcome)| *outcome);
    match (expected, seen) {
        (_, Err(fault)) => Some(format!("{path}: {fault}")),
        (Outcome::Plays(tracks), Ok(Seen::Plays(names))) if tracks.is_empty() || tracks == names => None,
        (Outcome::Refused(words), Ok(Seen::Refused(detail))) if detail.contains(words) => None,
        (expected, Ok(seen)) => Some(format!("{path}: {seen:?}, expected {expected:?}")),
    }
}

/// Checks that the server runs, and that its memory never grew past the bound.
fn health(server: &Server) -> Vec<String> {
    let mut faults = Vec::new();
    match fetch::get(&format!("http://{}/healthz", server.private)) {
        Ok(answer) if answer.status == 200 => {}
        other => faults.push(format!("/healthz: {other:?}")),
    }
    let status = fs::read_to_string(format!("/proc/{}/status", server.child.id())).unwrap_or_default();
    let peak =
        status.lines().find_map(|line| line.strip_prefix("VmHWM:")?.trim().strip_suffix(" kB")?.parse::<u64>().ok());
    match peak {
        Some(peak) if peak < MEMORY => println!("memory at most {} MiB", peak / 1_024),
        other => faults.push(format!("memory at most {other:?} KiB, {MEMORY} are allowed")),
    }
    faults
}
