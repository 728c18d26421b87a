//! Crash-safe writes to a local folder: a reader sees either the whole old file or the whole new one. All functions
//! block on the disk, so they run in the blocking pool.
//!
//! ```text
//! root/.staging/~…  written, fsynced ─► renamed to root/films/night/asset.json ─► its folders fsynced, up to the root
//! ```

use crate::media::{u64_from_usize, usize_from_u64};
use crate::store::error::Error;
use crate::store::name::{STAGING, nonce};
use crate::store::removal::Removal;
use crate::store::stamp::Stamp;
use bytes::Bytes;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

/// Name prefix of files staged by [`put`]; no draft has such a name.
pub(in crate::store) const PUT: &str = "~put-";

/// How often an operation is tried while another task removes the folders that it needs because they are empty.
const TRIES: u32 = 32;

/// Writes `bytes` to `path`, atomically and durably.
pub(in crate::store) fn put(root: &Path, path: &str, bytes: &[u8]) -> Result<(), Error> {
    let staged = root.join(STAGING).join(format!("{PUT}{}", nonce()));
    let written = create(root, &staged).and_then(|mut file| {
        file.write_all(bytes)?;
        file.sync_all()?;
        place(root, &staged, path)
    });
    written.map_err(|error| {
        // The staged file may not exist.
        let _ = fs::remove_file(&staged);
        Error::from_io(path, error)
    })
}

/// Reads the file at `path`. `None` if there is none; [`Error::TooLarge`] if it has more than `limit` bytes.
pub(in crate::store) fn get(root: &Path, path: &str, limit: u64) -> Result<Option<Bytes>, Error> {
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

/// Removes the file at `path`, then its parent folders as long as they are empty.
pub(in crate::store) fn remove(root: &Path, path: &str) -> Result<(), Error> {
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
        // Another task removed the folder, too.
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(Error::from_io(path, error)),
        _ => Ok(()),
    }
}

/// Removes the file at `path` if it is the version that `mark` names. The check and the removal are separate system
/// calls: no file system removes a name only if it refers to a given file.
pub(in crate::store) fn remove_version(root: &Path, path: &str, mark: &str) -> Result<Removal, Error> {
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

/// Creates a new file at `staged`, a path in the staging folder of `root`; creates that folder if it is missing.
pub(in crate::store) fn create(root: &Path, staged: &Path) -> io::Result<File> {
    again(|| {
        make_folders(root, staged)?;
        OpenOptions::new().read(true).write(true).create_new(true).open(staged)
    })
}

/// Renames `staged` to `path`, durably.
pub(in crate::store) fn place(root: &Path, staged: &Path, path: &str) -> io::Result<()> {
    let target = root.join(path);
    again(|| {
        make_folders(root, &target)?;
        match fs::rename(staged, &target) {
            Err(error) if error.kind() == io::ErrorKind::CrossesDevices => carry(staged, &target),
            // If the staged file itself is missing, a retry does not help.
            Err(error) if error.kind() == io::ErrorKind::NotFound && !staged.exists() => Err(io::Error::other(error)),
            done => done,
        }
    })?;
    sync_folders(root, &target)
}

/// Moves the staged file to another disk, to which a link led: copies it there, then renames the copy.
fn carry(staged: &Path, target: &Path) -> io::Result<()> {
    let beside = target.with_file_name(format!(".afflux-{}", nonce()));
    let carried = fs::copy(staged, &beside).and_then(|_| {
        File::open(&beside)?.sync_all()?;
        fs::rename(&beside, target)
    });
    if carried.is_err() {
        // The copy may not exist.
        let _ = fs::remove_file(&beside);
        return carried;
    }
    fs::remove_file(staged)
}

/// Creates the missing folders between `root` and `file`.
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

/// Syncs all folders from `file` up to `root`, including those that another task created. A missing folder is no error:
/// another task removed it, and the file with it.
pub(in crate::store) fn sync_folders(root: &Path, file: &Path) -> io::Result<()> {
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

/// Retries `work` when a folder disappeared in the meantime.
fn again<T>(work: impl Fn() -> io::Result<T>) -> io::Result<T> {
    for _ in 1..TRIES {
        match work() {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            done => return done,
        }
    }
    work()
}

/// Paths of all entries in the staging folder, including hidden ones.
pub(in crate::store) fn staged(root: &Path) -> io::Result<Vec<PathBuf>> {
    let entries = match fs::read_dir(root.join(STAGING)) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries?,
    };
    entries.map(|entry| entry.map(|entry| entry.path())).collect()
}
