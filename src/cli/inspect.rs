//! `afflux inspect PATH`: what a stored file holds, how it would be cut, and what lint says of it. Needs no server.

use super::progress::Progress;
use super::report::Report;
use crate::config::Config;
use crate::demux::{self, Probe, Step};
use crate::media::{ByteRange, Movie, usize_from_u64};
use crate::plan::{Plan, Refusal, Settings, Source};
use bytes::BytesMut;
use indicatif::ProgressDrawTarget;
use std::fs::File;
use std::io::{self, Write};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Instant;

/// Why a file cannot be inspected.
#[derive(Debug, thiserror::Error)]
enum Error {
    #[error("{0}")]
    Read(#[from] io::Error),
    #[error("{0}")]
    Demux(#[from] demux::Error),
    #[error("{0}")]
    Plan(#[from] Refusal),
}

/// How a report is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// Lines for people.
    Text,
    /// JSON for programs.
    Json,
}

impl Format {
    /// What the flag `--json` asks for.
    #[must_use]
    pub const fn of(json: bool) -> Self {
        if json { Self::Json } else { Self::Text }
    }
}

/// Prints what is known of the file at `path`, cut with the default settings; exit code 1, with one line on standard
/// error, when it cannot be served.
#[must_use]
pub fn run(path: &Path, format: Format) -> ExitCode {
    let target = Config::default().package.segment_target;
    let settings = Settings { target_millis: u32::try_from(target.as_millis()).unwrap_or(u32::MAX) };
    let planned = understand(path).and_then(|movie| plan(path, movie, settings));
    let printed = planned.and_then(|plan| {
        let report = Report::new(&plan);
        let text = match format {
            Format::Text => report.to_string(),
            Format::Json => report.to_json(),
        };
        Ok(io::stdout().write_all(text.as_bytes())?)
    });
    match printed {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // A closed standard error leaves the exit code to speak.
            let _ = writeln!(io::stderr(), "afflux: {}: {error}", path.display());
            ExitCode::FAILURE
        }
    }
}

fn understand(path: &Path) -> Result<Movie, Error> {
    let file = File::open(path)?;
    let size = file.metadata()?.len();
    let (mut probe, mut range) = Probe::new(size)?;
    let (began, mut progress) = (Instant::now(), Progress::over(size, ProgressDrawTarget::stderr()));
    loop {
        progress.at(range.start(), began.elapsed());
        match probe.feed(&read(&file, range)?.freeze())? {
            Step::Need(next) => range = next,
            Step::Done(movie) => return Ok(*movie),
        }
    }
}

fn read(file: &File, range: ByteRange) -> io::Result<BytesMut> {
    let mut bytes = BytesMut::zeroed(usize_from_u64(range.len()));
    file.read_exact_at(&mut bytes, range.start())?;
    Ok(bytes)
}

fn plan(path: &Path, movie: Movie, settings: Settings) -> Result<Plan, Error> {
    let file = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let source = Source { file, name: None, movie: Arc::new(movie), said: Vec::new() };
    Ok(Plan::new(&[source], 0, settings)?)
}
