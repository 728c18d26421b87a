//! The files that prove things: the project's fixtures, and the corpus beside it where there is one.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

/// What the server is expected to serve.
const EXTENSIONS: [&str; 4] = ["mp4", "m4v", "m4a", "mov"];

/// `fixtures/media`.
pub(crate) fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/media")
}

/// The shared corpus: `AFFLUX_CORPUS`, or `../shared/corpus` seen from the package. `None`, said aloud, when absent.
pub(crate) fn corpus() -> Option<PathBuf> {
    let beside = || Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/corpus");
    let folder = std::env::var_os("AFFLUX_CORPUS").map_or_else(beside, PathBuf::from);
    if folder.join("MANIFEST.tsv").is_file() {
        return Some(folder);
    }
    eprintln!("skipped: there is no corpus at {}", folder.display());
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

/// Copies all of `from` to `to`. The copies are a day old: a server may distrust what was written just now.
pub(crate) fn copy(from: &Path, to: &Path) -> std::io::Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy(&entry.path(), &target)?;
        } else {
            fs::write(&target, fs::read(entry.path())?)?;
            File::options().write(true).open(&target)?.set_modified(SystemTime::now() - Duration::from_secs(86_400))?;
        }
    }
    Ok(())
}

/// The name of the asset that is the file at `path`: its path without extension.
pub(crate) fn name(path: &Path) -> String {
    path.with_extension("").to_string_lossy().into_owned()
}

/// Where an asset's URLs start, with a slash at the end.
pub(crate) fn root(base: &str, asset: &str) -> String {
    let encode = |part: &str| {
        let plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"-._~".contains(byte);
        part.bytes().map(|byte| if plain(&byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") }).collect()
    };
    let parts: Vec<String> = asset.split('/').map(encode).collect();
    format!("{base}/vod/{}/", parts.join("/"))
}
