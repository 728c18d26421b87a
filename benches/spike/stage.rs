//! The stage of a scene: a temporary folder, the films in it, and the servers beside it.

use crate::film::{Film, warm};
use crate::load::Tally;
use crate::machine::Cores;
use crate::nginx::Nginx;
use crate::origin::Afflux;
use std::cell::RefCell;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tempfile::TempDir;

/// Extent of the measurements, the cores, and the errors so far.
#[derive(Debug)]
pub(crate) struct Bench {
    pub(crate) cores: Cores,
    quick: bool,
    wrong: RefCell<Vec<String>>,
}

impl Bench {
    pub(crate) const fn new(cores: Cores, quick: bool) -> Self {
        Self { cores, quick, wrong: RefCell::new(Vec::new()) }
    }

    /// Whether `--quick` was given.
    pub(crate) const fn quick(&self) -> bool {
        self.quick
    }

    /// Windows per lane.
    pub(crate) const fn rounds(&self) -> usize {
        if self.quick { 3 } else { 9 }
    }

    /// Length of one window.
    pub(crate) const fn window(&self) -> Duration {
        Duration::from_millis(if self.quick { 500 } else { 1_500 })
    }

    /// `full`, or a fifth of it with `--quick`.
    pub(crate) fn time(&self, full: Duration) -> Duration {
        if self.quick { full / 5 } else { full }
    }

    /// Records an error, which makes the whole bench fail.
    pub(crate) fn wrong(&self, scene: &str, what: impl AsRef<str>) {
        let what = format!("{scene}: {}", what.as_ref());
        println!("WRONG: {what}");
        self.wrong.borrow_mut().push(what);
    }

    /// Records the errors of a tally.
    pub(crate) fn check(&self, scene: &str, tally: &Tally) {
        if tally.errors > 0 {
            self.wrong(scene, format!("{} errors, such as {:?}", tally.errors, tally.told));
        }
    }

    /// Whether there were no errors.
    pub(crate) fn right(&self) -> bool {
        self.wrong.borrow().is_empty()
    }
}

/// A folder with films.
#[derive(Debug)]
pub(crate) struct Stage {
    folder: TempDir,
}

impl Stage {
    /// An empty folder, on the disk of temporary files: reads come from the page cache.
    pub(crate) fn new() -> Self {
        let folder = tempfile::Builder::new().prefix("afflux-spike-").tempdir().unwrap();
        fs::create_dir(folder.path().join("media")).unwrap();
        fs::create_dir(folder.path().join("files")).unwrap();
        Self { folder }
    }

    /// Adds a film; returns the size of its headers in bytes.
    pub(crate) fn film(&self, name: &str, film: &Film) -> usize {
        let path = self.media().join(format!("{name}.mp4"));
        let headers = film.write(&path);
        warm(&path);
        headers
    }

    pub(crate) fn media(&self) -> PathBuf {
        self.folder.path().join("media")
    }

    /// Folder of the files that nginx serves.
    pub(crate) fn files(&self) -> PathBuf {
        self.folder.path().join("files")
    }

    pub(crate) fn afflux(&self, bench: &Bench, settings: &Settings) -> Afflux {
        Afflux::start(&self.media(), bench.cores.server, &settings.toml())
    }

    pub(crate) fn nginx(&self, bench: &Bench, origin: &Afflux) -> Nginx {
        Nginx::start(&self.path().join("nginx"), &self.files(), bench.cores.server, origin.address())
    }

    fn path(&self) -> &Path {
        self.folder.path()
    }
}

/// Settings of a scene; all others keep their defaults.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Settings {
    /// Memory for segments.
    pub(crate) segments: &'static str,
    /// Memory for manifests.
    pub(crate) manifests: &'static str,
    /// Bound of bytes being built at once.
    pub(crate) making: &'static str,
    /// Segment target duration.
    pub(crate) target: &'static str,
    /// Whether to send segments straight from their files.
    pub(crate) sendfile: bool,
}

impl Settings {
    fn toml(&self) -> String {
        let Self { segments, manifests, making, target, sendfile } = self;
        format!(
            "[store]\nsettle = \"0s\"\nsendfile = {sendfile}\n[package]\nsegment_target = \"{target}\"\n\
             [cache]\nsegments = \"{segments}\"\nmanifests = \"{manifests}\"\nmaking = \"{making}\"\n"
        )
    }
}
