//! Frozen indexes and plans in a local directory, so that a file is understood once and not once a start.
//!
//! ```text
//! <directory>/<key, 64 hexadecimal digits>.index      one frozen movie, of which no more is read than is needed
//! <directory>/<key>.plan                              one frozen plan
//! <directory>/<key>.<process>-<nanos>-<turn>.part     one that is being written; renamed when it is whole
//! ```
//! The directory holds so many bytes; the least recently used files go first. It is a cache: whatever fails, the answer
//! is that nothing is kept. Processes may share it: files come and go at any time, so each is read anew, and the sizes
//! known here are counted again now and then. Nothing is synced: a checksum finds what a crash has torn.

mod file;
mod key;

use crate::media::{Damage, Missing, Movie, Thawed, u64_from_usize};
use crate::plan::Plan;
use bytes::Bytes;
use file::{Failure, Kept, fill};
use std::collections::HashMap;
use std::ffi::OsStr;
use std::fmt;
use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

pub(super) use key::Key;

/// Bytes of one frozen movie at most: some 50 million samples. A larger one is understood anew each time.
pub(super) const FILE_LIMIT: u64 = 256 << 20;

/// Bytes that are read of an index at first: the head of most.
const FIRST: u64 = 96 << 10;

/// How the name of a file that is being written ends.
const PART: &str = ".part";

/// A file that has been written to for the last time so long ago, and is not whole, never will be.
const TORN: Duration = Duration::from_mins(10);

/// A file's time of use is written to the disk so often at most.
const TOUCH: Duration = Duration::from_hours(1);

/// What other processes wrote is counted so often at most.
const RECOUNT: Duration = Duration::from_mins(1);

/// Frozen indexes and plans in a directory.
#[derive(Debug)]
pub(super) struct Persisted {
    dir: PathBuf,
    limit: u64,
    shelf: Mutex<Shelf>,
    /// Numbers this process's files that are being written.
    turn: AtomicU64,
    warned: AtomicBool,
}

/// The files that are known, and their bytes together.
#[derive(Debug)]
struct Shelf {
    files: HashMap<Key, Held>,
    bytes: u64,
    counted: SystemTime,
}

/// A file.
#[derive(Debug, Clone, Copy)]
struct Held {
    bytes: u64,
    used: SystemTime,
}

impl Shelf {
    fn insert(&mut self, key: Key, held: Held) {
        self.remove(&key);
        self.bytes += held.bytes;
        self.files.insert(key, held);
    }

    fn remove(&mut self, key: &Key) {
        if let Some(held) = self.files.remove(key) {
            self.bytes -= held.bytes;
        }
    }

    /// Forgets the least recently used files where more than `limit` bytes are held: some more than need be, so that
    /// this is not done for every file.
    fn shrink(&mut self, limit: u64) -> Vec<Key> {
        if self.bytes <= limit {
            return Vec::new();
        }
        let mut oldest: Vec<(SystemTime, Key)> = self.files.iter().map(|(key, held)| (held.used, *key)).collect();
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
    /// Keeps `limit` bytes of them in `dir`, which is made where it is missing.
    pub(super) fn open(dir: &Path, limit: u64) -> io::Result<Self> {
        fs::create_dir_all(dir)?;
        let shelf = Mutex::new(count(dir, &HashMap::new())?);
        let this = Self { dir: dir.into(), limit, shelf, turn: AtomicU64::new(0), warned: AtomicBool::new(false) };
        this.shrink(0);
        Ok(this)
    }

    /// The movie that is kept as `key`: the first and the last samples of each track, all others missing. Reads a file: to
    /// be called where waiting is allowed.
    pub(super) fn get(&self, key: &Key) -> Option<Movie> {
        self.taken(key, |kept| {
            let first = kept.read(0..kept.bytes.min(FIRST))?;
            let head = Movie::frozen_head(&first)?;
            let head = match usize::try_from(head).ok().filter(|head| *head <= first.len()) {
                Some(len) => first.slice(..len),
                None => kept.read(0..head.min(kept.bytes))?,
            };
            let Thawed { movie, bytes } = Movie::thaw_head(&head)?;
            if bytes != kept.bytes {
                return Err(Failure::Damage(Damage::Short { needs: bytes, left: kept.bytes }));
            }
            fill(kept, &movie, &movie.ends_missing())?;
            Ok(movie)
        })
    }

    /// Brings what is `missing` of a movie that is kept as `key`: whether it could be had. Reads a file.
    pub(super) fn bring(&self, key: &Key, movie: &Movie, missing: &[Missing]) -> bool {
        self.taken(key, |kept| fill(kept, movie, missing)).is_some()
    }

    /// The plan that is kept as `key`, as `thaw` makes it of its bytes. Reads a file.
    pub(super) fn plan(&self, key: &Key, thaw: impl FnOnce(&Bytes) -> Result<Plan, Damage>) -> Option<Plan> {
        self.taken(key, |kept| Ok(thaw(&kept.read(0..kept.bytes)?)?))
    }

    /// What `take` makes of the file that is kept as `key`. One of which nothing can be made is removed.
    fn taken<T>(&self, key: &Key, take: impl FnOnce(&Kept) -> Result<T, Failure>) -> Option<T> {
        let path = self.path(key);
        match Kept::open(&path).and_then(|kept| Ok((take(&kept)?, kept))) {
            Ok((taken, kept)) => {
                let used = SystemTime::now();
                self.keep(*key, Held { bytes: kept.bytes, used });
                touch(&path, kept.written, used);
                return Some(taken);
            }
            // One that ends too early was written to.
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

    /// Keeps a frozen movie or plan as `key`, if it is not too large. Writes a file: to be called where
    /// waiting is allowed.
    pub(super) fn put(&self, key: &Key, frozen: &[u8]) {
        let bytes = u64_from_usize(frozen.len());
        if bytes > FILE_LIMIT.min(self.limit) {
            tracing::debug!(%key, bytes, "an index is too large to be kept");
            return;
        }
        self.recount();
        self.shrink(bytes);
        let part = self.part(key);
        match write(&part, frozen).and_then(|()| fs::rename(&part, self.path(key))) {
            Ok(()) => self.keep(*key, Held { bytes, used: SystemTime::now() }),
            Err(error) => {
                let _gone = fs::remove_file(&part);
                self.warn(&error);
            }
        }
    }

    /// Knows of a file that is there.
    fn keep(&self, key: Key, held: Held) {
        self.shelf().insert(key, held);
        self.shrink(0);
    }

    /// Removes a file that is of no use.
    pub(super) fn discard(&self, key: &Key, why: impl fmt::Display) {
        tracing::debug!(%key, "what was kept is discarded: {why}");
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

    /// Looks at the directory again, if the last look is some time ago.
    fn recount(&self) {
        let known = {
            let mut held = self.shelf();
            // A clock that was set back is no reason to wait for it.
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

    fn shelf(&self) -> MutexGuard<'_, Shelf> {
        self.shelf.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn path(&self, key: &Key) -> PathBuf {
        self.dir.join(key.file_name())
    }

    /// A name that no one else writes to, on this machine or another.
    fn part(&self, key: &Key) -> PathBuf {
        let nanos = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_nanos();
        let turn = self.turn.fetch_add(1, Ordering::Relaxed);
        self.dir.join(format!("{key}.{}-{nanos}-{turn}{PART}", std::process::id()))
    }

    /// Says once that the directory is of no use; a full disk would say so for every file.
    fn warn(&self, error: &io::Error) {
        if !self.warned.swap(true, Ordering::Relaxed) {
            tracing::warn!(dir = %self.dir.display(), "indexes are not kept on the disk: {error}");
        }
    }
}

/// The whole files in `dir`, used when they were written or as `known` says; removes those that never will be whole.
fn count(dir: &Path, known: &HashMap<Key, Held>) -> io::Result<Shelf> {
    let mut shelf = Shelf { files: HashMap::new(), bytes: 0, counted: SystemTime::now() };
    for entry in fs::read_dir(dir)? {
        let entry = entry?;
        // A file that is gone by now is no error.
        let Ok(metadata) = entry.metadata() else { continue };
        if !metadata.is_file() {
            continue;
        }
        let written = metadata.modified().unwrap_or(UNIX_EPOCH);
        let name = entry.file_name();
        if let Some(key) = Key::named(&name) {
            let used = known.get(&key).map_or(written, |held| held.used.max(written));
            shelf.insert(key, Held { bytes: metadata.len(), used });
        } else if is_part(&name) && written.elapsed().is_ok_and(|since| since > TORN) {
            let _gone = fs::remove_file(entry.path());
        }
    }
    Ok(shelf)
}

/// Whether a file that is being written may have this name: others in the directory are left alone.
fn is_part(name: &OsStr) -> bool {
    let digits = name.to_str().and_then(|name| name.strip_suffix(PART)?.split_once('.'));
    digits.is_some_and(|(digits, _)| blake3::Hash::from_hex(digits).is_ok())
}

fn write(path: &Path, bytes: &[u8]) -> io::Result<()> {
    OpenOptions::new().write(true).create_new(true).open(path)?.write_all(bytes)
}

/// Marks a file as used, for the next process to know. Where that is not allowed, it goes earlier.
fn touch(path: &Path, written: SystemTime, now: SystemTime) {
    if now.duration_since(written).is_ok_and(|since| since > TOUCH) {
        let _touched = File::open(path).and_then(|file| file.set_modified(now));
    }
}

#[cfg(test)]
mod tests;
