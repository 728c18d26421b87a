//! Files of a folder, written so that they outlast a crash: whoever reads sees what was there or what is there now, whole.
//! All of it waits for the disk: for the blocking pool.
//!
//! ```text
//! root/.staging/~…  written, fsynced ─► renamed to root/films/night/asset.json ─► its folders fsynced, up to the root
//! ```

use super::error::Error;
use super::name::STAGING;
use super::stamp::Stamp;
use super::writing::Removal;
use crate::media::{u64_from_usize, usize_from_u64};
use bytes::Bytes;
use std::fs::{self, File, OpenOptions};
use std::hash::{BuildHasher, Hasher, RandomState};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

/// What the names of files begin with that are on their way to be put: no draft is called that.
pub(super) const PUT: &str = "~put-";

/// How often folders are made that another removes at the same moment because they are empty.
const TRIES: u32 = 32;

/// Puts `bytes` at `path`.
pub(super) fn put(root: &Path, path: &str, bytes: &[u8]) -> Result<(), Error> {
    let staged = root.join(STAGING).join(format!("{PUT}{}", nonce()));
    let written = create(root, &staged).and_then(|mut file| {
        file.write_all(bytes)?;
        file.sync_all()?;
        place(root, &staged, path)
    });
    written.map_err(|error| {
        // It may not be there.
        let _ = fs::remove_file(&staged);
        Error::from_io(path, error)
    })
}

/// The bytes of the file at `path`, `limit` of them at most.
pub(super) fn get(root: &Path, path: &str, limit: u64) -> Result<Option<Bytes>, Error> {
    let file = root.join(path);
    let read = || {
        let metadata = fs::metadata(&file)?;
        if !metadata.is_file() || metadata.len() > limit {
            return Ok((metadata, Vec::new()));
        }
        let mut bytes = Vec::with_capacity(usize_from_u64(metadata.len()));
        File::open(&file)?.take(limit.saturating_add(1)).read_to_end(&mut bytes)?;
        Ok((metadata, bytes))
    };
    match read() {
        Ok((metadata, _)) if !metadata.is_file() => Err(Error::NotAFile { path: path.into() }),
        Ok((metadata, bytes)) => {
            let size = metadata.len().max(u64_from_usize(bytes.len()));
            if size > limit {
                return Err(Error::TooLarge { path: path.into(), size, limit });
            }
            Ok(Some(bytes.into()))
        }
        Err(error) => match Error::from_io(path, error) {
            Error::NotFound { .. } => Ok(None),
            error => Err(error),
        },
    }
}

/// Removes the file at `path`, and the folders that are empty then.
pub(super) fn remove(root: &Path, path: &str) -> Result<(), Error> {
    let file = root.join(path);
    match fs::remove_file(&file) {
        Ok(()) => {}
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => return Ok(()),
        Err(_) if file.is_dir() => return Err(Error::NotAFile { path: path.into() }),
        Err(error) => return Err(Error::from_io(path, error)),
    }
    let mut folder = file.parent();
    while let Some(empty) = folder.filter(|folder| *folder != root && fs::remove_dir(folder).is_ok()) {
        folder = empty.parent();
    }
    let synced = folder.map_or(Ok(()), sync_folder);
    match synced {
        // Another removed it too.
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(Error::from_io(path, error)),
        _ => Ok(()),
    }
}

/// Removes the file at `path` if it is the version that `mark` names. The two steps are one system call apart: no file
/// system removes a name only while it stands for a given file.
pub(super) fn remove_version(root: &Path, path: &str, mark: &str) -> Result<Removal, Error> {
    let found = match fs::metadata(root.join(path)) {
        Ok(metadata) => metadata,
        Err(error) => match Error::from_io(path, error) {
            Error::NotFound { .. } => return Ok(Removal::Absent),
            error => return Err(error),
        },
    };
    if !found.is_file() || !Stamp::of_file(&found).is(mark) {
        return Ok(Removal::Other);
    }
    remove(root, path).map(|()| Removal::Removed)
}

/// A new file at `staged`, a place in the staging folder of `root`, which is made where it is not there.
pub(super) fn create(root: &Path, staged: &Path) -> io::Result<File> {
    again(|| {
        make_folders(root, staged)?;
        OpenOptions::new().read(true).write(true).create_new(true).open(staged)
    })
}

/// Renames `staged` to `path`, durably.
pub(super) fn place(root: &Path, staged: &Path, path: &str) -> io::Result<()> {
    let target = root.join(path);
    again(|| {
        make_folders(root, &target)?;
        match fs::rename(staged, &target) {
            Err(error) if error.kind() == io::ErrorKind::CrossesDevices => carry(staged, &target),
            // That of the staged file itself helps nobody.
            Err(error) if error.kind() == io::ErrorKind::NotFound && !staged.exists() => Err(io::Error::other(error)),
            done => done,
        }
    })?;
    sync_folders(root, &target)
}

/// A link led to another disk: what is staged is copied there, and renamed there.
fn carry(staged: &Path, target: &Path) -> io::Result<()> {
    let beside = target.with_file_name(format!(".afflux-{}", nonce()));
    let carried = fs::copy(staged, &beside).and_then(|_| {
        File::open(&beside)?.sync_all()?;
        fs::rename(&beside, target)
    });
    if carried.is_err() {
        // It may not be there.
        let _ = fs::remove_file(&beside);
        return carried;
    }
    fs::remove_file(staged)
}

/// Makes the folders between `root` and `file`.
fn make_folders(root: &Path, file: &Path) -> io::Result<()> {
    let mut missing: Vec<&Path> = Vec::new();
    for folder in folders(root, file) {
        if folder.is_dir() {
            break;
        }
        missing.push(folder);
    }
    for folder in missing.into_iter().rev() {
        match fs::create_dir(folder) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
            _ => {}
        }
    }
    Ok(())
}

/// Syncs the folders that lead to `file`, whoever made them. Where one is gone, so is the file: another removed it.
pub(super) fn sync_folders(root: &Path, file: &Path) -> io::Result<()> {
    for folder in folders(root, file) {
        match sync_folder(folder) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
    }
    sync_folder(root)
}

/// The folders between `root` and `file`, the innermost first.
fn folders<'a>(root: &'a Path, file: &'a Path) -> impl Iterator<Item = &'a Path> {
    file.ancestors().skip(1).take_while(move |folder| *folder != root)
}

fn sync_folder(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}

/// Tries again when a folder went away in between.
fn again<T>(work: impl Fn() -> io::Result<T>) -> io::Result<T> {
    for _ in 1..TRIES {
        match work() {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            done => return done,
        }
    }
    work()
}

/// What is in the staging folder, hidden things too.
pub(super) fn staged(root: &Path) -> io::Result<Vec<PathBuf>> {
    let entries = match fs::read_dir(root.join(STAGING)) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries?,
    };
    entries.map(|entry| entry.map(|entry| entry.path())).collect()
}

/// Letters that nobody else comes upon.
pub(super) fn nonce() -> String {
    format!("{:016x}", RandomState::new().build_hasher().finish())
}
