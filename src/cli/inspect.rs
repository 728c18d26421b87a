//! `afflux inspect PATH…`: reports the contents of stored files, their segment boundaries and lint findings. Needs no
//! server.

use super::plain::plain;
use super::progress::ProgressDisplay;
use super::report::Report;
use crate::config::Config;
use crate::demux::{self, Probe, Step};
use crate::media::{ByteRange, DESCRIPTOR, Movie, usize_from_u64};
use crate::plan::{Plan, PlanError, Settings, SourceFile};
use crate::store::is_media;
use bytes::BytesMut;
use indicatif::ProgressDrawTarget;
use std::collections::HashSet;
use std::fs::{self, File};
use std::io::{self, Write};
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Instant;

/// Reasons why a file cannot be inspected.
#[derive(Debug, thiserror::Error)]
enum Error {
    #[error("{0}")]
    Read(#[from] io::Error),
    #[error("{0}")]
    Demux(#[from] demux::Error),
    #[error("{0}")]
    Plan(#[from] PlanError),
}

/// Output format of a report.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// Lines for people.
    Text,
    /// JSON for programs.
    Json,
}

impl Format {
    /// The format for the flag `--json`.
    #[must_use]
    pub const fn of(json: bool) -> Self {
        if json { Self::Json } else { Self::Text }
    }
}

/// Prints reports on the files at `paths` and in folders among them, planned with the default settings. For each file
/// that cannot be served, prints one line on standard error; the exit code is then 1.
#[must_use]
pub fn run(paths: &[PathBuf], format: Format) -> ExitCode {
    let one_file = paths.len() == 1 && !paths.iter().any(|path| path.is_dir());
    let mut inspection = Inspection { format, one_file, printed: 0, refused: false };
    let done = paths.iter().try_for_each(|path| inspection.path(path)).and_then(|()| inspection.end());
    match done {
        Ok(()) if !inspection.refused => ExitCode::SUCCESS,
        Ok(()) => ExitCode::FAILURE,
        // A reader who closes standard output early has read enough: no failure.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => ExitCode::SUCCESS,
        Err(error) => {
            complain(&error.to_string());
            ExitCode::FAILURE
        }
    }
}

/// Prints one line on standard error. If that is closed, the exit code alone reports the failure.
fn complain(what: &str) {
    let _ = writeln!(io::stderr(), "afflux: {}", plain(what));
}

/// State of one `inspect` run over all files.
struct Inspection {
    format: Format,
    /// Whether the command line names exactly one file: the JSON is then an object, otherwise an array.
    one_file: bool,
    printed: usize,
    refused: bool,
}

impl Inspection {
    fn path(&mut self, path: &Path) -> io::Result<()> {
        if !path.is_dir() {
            return self.file(path);
        }
        let found = match FolderFiles::below(path) {
            Ok(found) => found,
            Err(error) => return self.refuse(path, &error.to_string()),
        };
        if found.media.is_empty() {
            self.refuse(path, "there is no MP4, MOV or M4A file in it")?;
        }
        found.media.iter().try_for_each(|file| self.file(file))?;
        if let Some(first) = found.others.first() {
            let (count, first) = (found.others.len(), first.display());
            complain(&format!("{}: not media, left out: {count} files, {first} the first of them", path.display()));
        }
        Ok(())
    }

    fn file(&mut self, path: &Path) -> io::Result<()> {
        let target = Config::default().package.segment_target;
        let settings = Settings { target_millis: u32::try_from(target.as_millis()).unwrap_or(u32::MAX) };
        let name = if self.one_file { path.file_name().map(Path::new) } else { Some(path) };
        let name = name.unwrap_or(path).to_string_lossy().into_owned();
        match understand(path).and_then(|movie| plan(name, movie, settings)) {
            Ok(plan) => {
                let report = Report::new(&plan);
                match self.format {
                    Format::Text => self.print("\n", &report.to_string()),
                    Format::Json => self.print(",\n", &report.to_json()),
                }
            }
            Err(error) => self.refuse(path, &error.to_string()),
        }
    }

    fn refuse(&mut self, path: &Path, why: &str) -> io::Result<()> {
        self.refused = true;
        complain(&format!("{}: {why}", path.display()));
        match self.format {
            Format::Json if !self.one_file => {
                let refused = serde_json::json!({ "file": path.to_string_lossy(), "refused": why });
                self.print(",\n", &format!("{refused:#}\n"))
            }
            Format::Json | Format::Text => Ok(()),
        }
    }

    /// Prints a report, with `between` in front of it unless it is the first.
    fn print(&mut self, between: &str, report: &str) -> io::Result<()> {
        let before = match (self.printed, self.format) {
            (0, Format::Json) if !self.one_file => "[\n",
            (0, Format::Json | Format::Text) => "",
            (_, Format::Json | Format::Text) => between,
        };
        self.printed += 1;
        let report = if self.one_file { report } else { report.trim_end() };
        let behind = if self.one_file || self.format == Format::Json { "" } else { "\n" };
        io::stdout().write_all([before, report, behind].concat().as_bytes())
    }

    fn end(&self) -> io::Result<()> {
        match (self.format, self.printed) {
            (Format::Json, 0) if !self.one_file => io::stdout().write_all(b"[]\n"),
            (Format::Json, _) if !self.one_file => io::stdout().write_all(b"\n]\n"),
            (Format::Json | Format::Text, _) => Ok(()),
        }
    }
}

/// Files in a folder and its subfolders, without hidden ones.
#[derive(Default)]
struct FolderFiles {
    /// Media files, sorted by name.
    media: Vec<PathBuf>,
    /// All other files, sorted by name.
    others: Vec<PathBuf>,
}

impl FolderFiles {
    fn below(folder: &Path) -> io::Result<Self> {
        let mut found = Self::default();
        let (mut folders, mut visited) = (vec![folder.to_owned()], HashSet::new());
        while let Some(folder) = folders.pop() {
            let metadata = fs::metadata(&folder)?;
            // A symbolic link may lead back up: visit each folder once.
            if !visited.insert((metadata.dev(), metadata.ino())) {
                continue;
            }
            for entry in fs::read_dir(&folder)? {
                let entry = entry?;
                let (path, name) = (entry.path(), entry.file_name());
                let name = name.to_string_lossy();
                if name.starts_with('.') {
                    continue;
                }
                if path.is_dir() {
                    folders.push(path);
                } else if is_media(&name) {
                    found.media.push(path);
                } else if name != DESCRIPTOR {
                    found.others.push(path);
                }
            }
        }
        found.media.sort();
        found.others.sort();
        Ok(found)
    }
}

fn understand(path: &Path) -> Result<Movie, Error> {
    let file = File::open(path)?;
    let size = file.metadata()?.len();
    let (mut probe, mut range) = Probe::new(size)?;
    let (began, mut progress) = (Instant::now(), ProgressDisplay::over(size, ProgressDrawTarget::stderr()));
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

fn plan(file: String, movie: Movie, settings: Settings) -> Result<Plan, Error> {
    let source = SourceFile { file, name: None, movie: Arc::new(movie), said: Vec::new() };
    Ok(Plan::new(&[source], 0, settings)?)
}
