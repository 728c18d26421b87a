//! Reads, parses and plans stored files without a server.

use afflux::demux::{self, Probe, Step};
use afflux::media::{ByteRange, Movie};
use afflux::plan::{Plan, PlanError, Settings, SourceFile};
use bytes::Bytes;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The fixtures' folder.
pub(crate) fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures")
}

/// Reads and bytes that parsing an object took.
#[derive(Debug, Default, Clone, Copy)]
pub(crate) struct Cost {
    pub(crate) reads: u64,
    pub(crate) bytes: u64,
}

/// Drives a probe over `object`, and counts its requests.
pub(crate) fn understand(object: &Bytes, cost: &mut Cost) -> Result<Movie, demux::Error> {
    let (mut probe, mut range) = Probe::new(object.len() as u64)?;
    loop {
        cost.reads += 1;
        cost.bytes += range.len();
        match probe.feed(&slice(object, range))? {
            Step::Need(next) => range = next,
            Step::Done(movie) => return Ok(*movie),
        }
    }
}

/// The bytes of `range`, which must lie within the object.
pub(crate) fn slice(object: &Bytes, range: ByteRange) -> Bytes {
    object.slice(range.start() as usize..range.end() as usize)
}

/// The media files of `folder`, by name: one asset per file, or all of them as one.
pub(crate) fn media_files(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let is_media =
        |path: &PathBuf| path.extension().is_some_and(|ext| ["mp4", "m4a", "mov"].contains(&ext.to_str().unwrap()));
    let mut files: Vec<PathBuf> = entries.filter(is_media).collect();
    files.sort();
    files
}

/// Every asset of the fixtures: its name and its files.
pub(crate) fn fixture_assets() -> Vec<(String, Vec<PathBuf>)> {
    let media = fixtures().join("media");
    let name = |path: &Path| path.file_stem().unwrap().to_str().unwrap().to_string();
    let mut assets: Vec<_> = media_files(&media).into_iter().map(|file| (name(&file), vec![file])).collect();
    let folders = std::fs::read_dir(&media).unwrap().map(|entry| entry.unwrap().path()).filter(|path| path.is_dir());
    assets.extend(folders.map(|folder| (name(&folder), media_files(&folder))));
    assets.sort();
    assert!(!assets.is_empty(), "no fixtures in {}", media.display());
    assets
}

/// The sources of an asset with these files, and the position of the reference: the first with video.
pub(crate) fn sources(files: &[PathBuf]) -> (Vec<SourceFile>, usize) {
    let source = |path: &PathBuf| {
        let object = Bytes::from(std::fs::read(path).unwrap());
        let movie =
            understand(&object, &mut Cost::default()).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        let stem = path.file_stem().unwrap().to_str().unwrap().to_string();
        SourceFile {
            file: path.file_name().unwrap().to_str().unwrap().into(),
            name: (files.len() > 1).then_some(stem),
            movie: Arc::new(movie),
            said: Vec::new(),
        }
    };
    let sources: Vec<SourceFile> = files.iter().map(source).collect();
    let video = |source: &SourceFile| {
        source.movie.tracks.iter().any(|track| matches!(track.kind, afflux::media::Kind::Video(_)))
    };
    let reference = sources.iter().position(video).unwrap_or(0);
    (sources, reference)
}

/// Plans an asset with segments of 6 s.
pub(crate) fn plan(sources: &[SourceFile], reference: usize) -> Result<Plan, PlanError> {
    Plan::new(sources, reference, Settings { target_millis: 6_000 })
}
