//! Test media: the project's fixtures, and the corpus beside it if present.

use crate::fetch;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

/// File extensions that the server serves.
const EXTENSIONS: [&str; 4] = ["mp4", "m4v", "m4a", "mov"];

/// `fixtures/media`.
pub(crate) fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/media")
}

/// The shared corpus: `AFFLUX_CORPUS`, or `../shared/corpus` seen from the package. `None`, with a message, if absent.
pub(crate) fn corpus() -> Option<PathBuf> {
    shared("corpus", "AFFLUX_CORPUS")
}

/// The users' cases: `AFFLUX_CASES`, or `../shared/cases` seen from the package. `None`, with a message, if absent.
pub(crate) fn cases() -> Option<PathBuf> {
    shared("cases", "AFFLUX_CASES")
}

/// A folder with a manifest: the one that `variable` names, or one beside the package.
fn shared(name: &str, variable: &str) -> Option<PathBuf> {
    let beside = || Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared").join(name);
    let folder = std::env::var_os(variable).map_or_else(beside, PathBuf::from);
    if folder.join("MANIFEST.tsv").is_file() {
        return Some(folder);
    }
    eprintln!("skipped: there is no {name} at {}", folder.display());
    None
}

/// Every media file below `root`, as paths from it, sorted.
pub(crate) fn files(root: &Path) -> Vec<PathBuf> {
    let (mut found, mut folders) = (Vec::new(), vec![root.to_path_buf()]);
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).into_iter().flatten().flatten() {
            let path = entry.path();
            let extension = path.extension().map(|extension| extension.to_string_lossy().to_ascii_lowercase());
            if path.is_dir() {
                folders.push(path);
            } else if extension.is_some_and(|extension| EXTENSIONS.contains(&extension.as_str())) {
                found.extend(path.strip_prefix(root).map(Path::to_path_buf));
            }
        }
    }
    found.sort();
    found
}

/// Copies all of `from` to `to`. The copies are a day old: the server may hold back recently written files.
pub(crate) fn copy(from: &Path, to: &Path) -> std::io::Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy(&entry.path(), &target)?;
        } else {
            copy_one(&entry.path(), &target)?;
        }
    }
    Ok(())
}

/// Copies one file like `copy`.
pub(crate) fn copy_one(from: &Path, to: &Path) -> std::io::Result<()> {
    to.parent().map_or(Ok(()), fs::create_dir_all)?;
    fs::write(to, fs::read(from)?)?;
    File::options().write(true).open(to)?.set_modified(SystemTime::now() - Duration::from_hours(24))
}

/// The asset name for the file at `path`: its path without extension.
pub(crate) fn name(path: &Path) -> String {
    path.with_extension("").to_string_lossy().into_owned()
}

/// Base URL of an asset, with a slash at the end.
pub(crate) fn root(base: &str, asset: &str) -> String {
    let encode = |part: &str| {
        let plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"-._~".contains(byte);
        part.bytes()
            .map(|byte| if plain(&byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") })
            .collect()
    };
    let parts: Vec<String> = asset.split('/').map(encode).collect();
    format!("{base}/vod/{}/", parts.join("/"))
}

/// A stored asset.
#[derive(Debug, Clone)]
pub(crate) struct Stored {
    /// Its name in URLs, unencoded.
    pub(crate) name: String,
    /// Its files.
    pub(crate) files: Vec<PathBuf>,
}

impl Stored {
    /// The file that a track of this asset comes from: the only one, or the one with that stem.
    pub(crate) fn file(&self, stem: Option<&str>) -> Option<&Path> {
        match stem {
            None => self.files.first(),
            Some(stem) => self.files.iter().find(|file| file.file_stem().is_some_and(|found| found == stem)),
        }
        .map(PathBuf::as_path)
    }
}

/// The assets formed by `files` (paths relative to `folder`): a folder that the server at `base` serves as an asset is
/// one, each other file is its own.
pub(crate) fn assets(base: &str, folder: &Path, files: &[PathBuf]) -> Vec<Stored> {
    let plays = |name: &str| {
        !name.is_empty()
            && fetch::get(&format!("{}index.m3u8", root(base, name))).is_ok_and(|answer| answer.status == 200)
    };
    let mut assets: Vec<Stored> = Vec::new();
    for file in files {
        let parent = file.parent().map(|parent| parent.to_string_lossy().into_owned()).unwrap_or_default();
        if let Some(asset) = assets.iter_mut().find(|asset| asset.name == parent) {
            asset.files.push(folder.join(file));
        } else {
            let name = if plays(&parent) { parent } else { name(file) };
            assets.push(Stored { name, files: vec![folder.join(file)] });
        }
    }
    assets
}

/// A line of the corpus' MANIFEST.tsv.
#[derive(Debug, Clone)]
pub(crate) struct Entry {
    pub(crate) name: String,
    pub(crate) codecs: Vec<String>,
    pub(crate) features: String,
}

impl Entry {
    /// Whether it is a good, unencrypted file with H.264 video and AAC audio.
    pub(crate) fn is_plain(&self) -> bool {
        let is = |words: &[&str]| self.codecs.iter().filter(|codec| words.iter().any(|w| codec.starts_with(w))).count();
        let ours = is(&["h264", "aac"]);
        !self.name.starts_with("bad/")
            && !self.features.contains("scheme=")
            && ours > 0
            && ours + is(&["data:", "subtitle:"]) == self.codecs.len()
    }
}

/// The lines of the corpus' manifest.
pub(crate) fn manifest(corpus: &Path) -> Vec<Entry> {
    let text = fs::read_to_string(corpus.join("MANIFEST.tsv")).unwrap_or_default();
    let entry = |line: &str| {
        let columns: Vec<&str> = line.split('\t').collect();
        let codecs = columns.get(6)?.split('|').map(|codec| codec.trim().to_owned()).collect();
        Some(Entry { name: columns[0].into(), codecs, features: (*columns.get(7)?).into() })
    };
    text.lines().skip(1).filter_map(entry).collect()
}
