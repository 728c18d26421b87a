//! Saved ("frozen") indexes and plans in a local directory, so that a file is indexed once and not at every start.
//!
//! ```text
//! <directory>/<key, 64 hexadecimal digits>.index      one frozen movie; only the needed bytes are read
//! <directory>/<key>.plan                              one frozen plan
//! <directory>/<key>.<process>-<nanos>-<turn>.part     a file being written; renamed when complete
//! ```
//! The directory has a size limit; the least recently used files are removed first. It is a cache: every failure counts
//! as a miss. Processes may share it: files appear and disappear at any time, so each is opened again for every read,
//! and the sizes known here are recounted from time to time. Nothing is synced: a checksum detects files torn by a
//! crash.

mod file;
mod key;

use crate::media::{Damage, Missing, Movie, ThawedMovie, u64_from_usize};
use crate::plan::Plan;
use bytes::Bytes;
use file::{Failure, IndexFile, fill};
use std::collections::HashMap;
use std::ffi::OsStr;
use std::fmt;
use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

pub(super) use key::PersistedKey;

/// Largest frozen movie in bytes: some 50 million samples. A larger one is indexed again each time.
pub(super) const FILE_LIMIT: u64 = 256 << 20;

/// Bytes of an index that are read first: most heads fit.
const FIRST: u64 = 96 << 10;

/// Suffix of the name of a file that is being written.
const PART: &str = ".part";

/// A file that is incomplete and was last written to this long ago counts as abandoned.
const TORN: Duration = Duration::from_mins(10);

/// Shortest time between two updates of a file's time of use on the disk.
const TOUCH: Duration = Duration::from_hours(1);

/// Shortest time between two recounts of the directory, which include the files of other processes.
const RECOUNT: Duration = Duration::from_mins(1);

/// Frozen indexes and plans in a directory.
#[derive(Debug)]
pub(super) struct Persisted {
    dir: PathBuf,
    limit: u64,
    shelf: Mutex<PersistedFiles>,
    /// Numbers the files that this process writes.
    turn: AtomicU64,
    warned: AtomicBool,
}

/// The known files, and their total size.
#[derive(Debug)]
struct PersistedFiles {
    files: HashMap<PersistedKey, PersistedFile>,
    bytes: u64,
    counted: SystemTime,
}

/// A known file: its size, and the time of its last use.
#[derive(Debug, Clone, Copy)]
struct PersistedFile {
    bytes: u64,
    used: SystemTime,
}

impl PersistedFiles {
    fn insert(&mut self, key: PersistedKey, held: PersistedFile) {
        self.remove(&key);
        self.bytes += held.bytes;
        self.files.insert(key, held);
    }

    fn remove(&mut self, key: &PersistedKey) {
        if let Some(held) = self.files.remove(key) {
            self.bytes -= held.bytes;
        }
    }

    /// Forgets the least recently used files if more than `limit` bytes are held, and returns their keys. It frees more
    /// than necessary, so that this is not done for every file.
    fn shrink(&mut self, limit: u64) -> Vec<PersistedKey> {
        if self.bytes <= limit {
            return Vec::new();
        }
        let mut oldest: Vec<(SystemTime, PersistedKey)> =
            self.files.iter().map(|(key, held)| (held.used, *key)).collect();
        oldest.sort_unstable();
        let mut gone = Vec::new();
        for (_, key) in oldest {
            if self.bytes <= limit - limit / 16 {
                break;
            }
            self.remove(&key);
            gone.push(key);
        }
        gone
    }
}

impl Persisted {
    /// Opens `dir` to hold up to `limit` bytes; creates it if it is missing.
    pub(super) fn open(dir: &Path, limit: u64) -> io::Result<Self> {
        fs::create_dir_all(dir)?;
        let shelf = Mutex::new(count(dir, &HashMap::new())?);
        let this = Self { dir: dir.into(), limit, shelf, turn: AtomicU64::new(0), warned: AtomicBool::new(false) };
        this.shrink(0);
        Ok(this)
    }

    /// Reads the movie saved as `key`: the first and the last samples of each track, all others are missing. Blocks on
    /// the disk.
    pub(super) fn get(&self, key: &PersistedKey) -> Option<Movie> {
        self.taken(key, |kept| {
            let first = kept.read(0..kept.bytes.min(FIRST))?;
            let head = Movie::frozen_head(&first)?;
            let head = match usize::try_from(head).ok().filter(|head| *head <= first.len()) {
                Some(len) => first.slice(..len),
                None => kept.read(0..head.min(kept.bytes))?,
            };
            let ThawedMovie { movie, bytes } = Movie::thaw_head(&head)?;
            if bytes != kept.bytes {
                return Err(Failure::Damage(Damage::Short { needs: bytes, left: kept.bytes }));
            }
            fill(kept, &movie, &movie.ends_missing())?;
            Ok(movie)
        })
    }

    /// Loads the `missing` samples of the movie saved as `key`; returns whether that succeeded. Blocks on the disk.
    pub(super) fn load_samples(&self, key: &PersistedKey, movie: &Movie, missing: &[Missing]) -> bool {
        self.taken(key, |kept| fill(kept, movie, missing)).is_some()
    }

    /// Reads the plan saved as `key`; `thaw` parses its bytes. Blocks on the disk.
    pub(super) fn plan(&self, key: &PersistedKey, thaw: impl FnOnce(&Bytes) -> Result<Plan, Damage>) -> Option<Plan> {
        self.taken(key, |kept| Ok(thaw(&kept.read(0..kept.bytes)?)?))
    }

    /// Applies `take` to the file saved as `key`. Removes a file that `take` cannot use.
    fn taken<T>(&self, key: &PersistedKey, take: impl FnOnce(&IndexFile) -> Result<T, Failure>) -> Option<T> {
        let path = self.path(key);
        match IndexFile::open(&path).and_then(|kept| Ok((take(&kept)?, kept))) {
            Ok((taken, kept)) => {
                let used = SystemTime::now();
                self.keep(*key, PersistedFile { bytes: kept.bytes, used });
                touch(&path, kept.written, used);
                return Some(taken);
            }
            // A file that ends too early was changed, so it is discarded below.
            Err(Failure::Io(error)) if error.kind() != ErrorKind::UnexpectedEof => {
                self.shelf().remove(key);
                if error.kind() != ErrorKind::NotFound {
                    self.warn(&error);
                }
            }
            Err(failure) => self.discard(key, failure),
        }
        None
    }

    /// Saves a frozen movie or plan as `key`, unless it is too large. Blocks on the disk.
    pub(super) fn put(&self, key: &PersistedKey, frozen: &[u8]) {
        let bytes = u64_from_usize(frozen.len());
        if bytes > FILE_LIMIT.min(self.limit) {
            tracing::debug!(%key, bytes, "an index or plan is too large to be saved");
            return;
        }
        self.recount();
        self.shrink(bytes);
        let part = self.part(key);
        match write(&part, frozen).and_then(|()| fs::rename(&part, self.path(key))) {
            Ok(()) => self.keep(*key, PersistedFile { bytes, used: SystemTime::now() }),
            Err(error) => {
                let _gone = fs::remove_file(&part);
                self.warn(&error);
            }
        }
    }

    /// Records a file that exists.
    fn keep(&self, key: PersistedKey, held: PersistedFile) {
        self.shelf().insert(key, held);
        self.shrink(0);
    }

    /// Removes a file that cannot be used.
    pub(super) fn discard(&self, key: &PersistedKey, why: impl fmt::Display) {
        tracing::debug!(%key, "a saved index or plan is discarded: {why}");
        self.shelf().remove(key);
        let _gone = fs::remove_file(self.path(key));
    }

    /// Removes files until there is room for `bytes` more.
    fn shrink(&self, bytes: u64) {
        let gone = self.shelf().shrink(self.limit.saturating_sub(bytes));
        for key in gone {
            let _gone = fs::remove_file(self.path(&key));
        }
    }

    /// Recounts the directory unless that was done recently.
    fn recount(&self) {
        let known = {
            let mut held = self.shelf();
            // If the clock was set back, recount at once.
            if held.counted.elapsed().is_ok_and(|since| since < RECOUNT) {
                return;
            }
            held.counted = SystemTime::now();
            held.files.clone()
        };
        match count(&self.dir, &known) {
            Ok(found) => *self.shelf() = found,
            Err(error) => self.warn(&error),
        }
    }

    fn shelf(&self) -> MutexGuard<'_, PersistedFiles> {
        self.shelf.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn path(&self, key: &PersistedKey) -> PathBuf {
        self.dir.join(key.file_name())
    }

    /// A file name that no other process writes to, on this machine or another.
    fn part(&self, key: &PersistedKey) -> PathBuf {
        let nanos = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_nanos();
        let turn = self.turn.fetch_add(1, Ordering::Relaxed);
        self.dir.join(format!("{key}.{}-{nanos}-{turn}{PART}", std::process::id()))
    }

    /// Logs only the first failure of the directory: a full disk would cause one for every file.
    fn warn(&self, error: &io::Error) {
        if !self.warned.swap(true, Ordering::Relaxed) {
            tracing::warn!(dir = %self.dir.display(), "cannot save indexes here; check access and space: {error}");
        }
    }
}

/// Counts the complete files in `dir`; their time of use is that of writing, or a later one in `known`. Removes
/// abandoned files.
fn count(dir: &Path, known: &HashMap<PersistedKey, PersistedFile>) -> io::Result<PersistedFiles> {
    let mut shelf = PersistedFiles { files: HashMap::new(), bytes: 0, counted: SystemTime::now() };
    for entry in fs::read_dir(dir)? {
        let entry = entry?;
        // A file that disappeared meanwhile is no error.
        let Ok(metadata) = entry.metadata() else { continue };
        if !metadata.is_file() {
            continue;
        }
        let written = metadata.modified().unwrap_or(UNIX_EPOCH);
        let name = entry.file_name();
        if let Some(key) = PersistedKey::named(&name) {
            let used = known.get(&key).map_or(written, |held| held.used.max(written));
            shelf.insert(key, PersistedFile { bytes: metadata.len(), used });
        } else if is_part(&name) && written.elapsed().is_ok_and(|since| since > TORN) {
            let _gone = fs::remove_file(entry.path());
        }
    }
    Ok(shelf)
}

/// Whether this is the name of a file that is being written; files with other names are left alone.
fn is_part(name: &OsStr) -> bool {
    let digits = name.to_str().and_then(|name| name.strip_suffix(PART)?.split_once('.'));
    digits.is_some_and(|(digits, _)| blake3::Hash::from_hex(digits).is_ok())
}

fn write(path: &Path, bytes: &[u8]) -> io::Result<()> {
    OpenOptions::new().write(true).create_new(true).open(path)?.write_all(bytes)
}

/// Marks a file as used, for the next process. Where that is not allowed, the file is removed earlier.
fn touch(path: &Path, written: SystemTime, now: SystemTime) {
    if now.duration_since(written).is_ok_and(|since| since > TOUCH) {
        let _touched = File::open(path).and_then(|file| file.set_modified(now));
    }
}

#[cfg(test)]
mod tests;
