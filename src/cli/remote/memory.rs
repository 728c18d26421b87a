//! Which file goes where, kept across kills: a small JSON file, replaced whole, under a lock.
//!
//! ```text
//! $XDG_STATE_HOME/afflux/uploads.json, or ~/.local/state/afflux/uploads.json
//! [{"server": …, "path": …, "size": …, "modified": …, "asset": …, "url": …, "begun": …}, …]
//! ```

use crate::ingest::now;
use serde::{Deserialize, Serialize};
use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// How long an upload is worth remembering: servers keep none for longer. Milliseconds.
const LASTING: i64 = 30 * 86_400_000;

/// Uploads that are remembered at most; the oldest are forgotten.
const MOST: usize = 1_000;

/// What is uploaded, and where to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Stored {
    /// The server.
    pub(super) server: String,
    /// The file, from the root.
    pub(super) path: PathBuf,
    /// Its bytes.
    pub(super) size: u64,
    /// When it was changed last: nanoseconds since 1970.
    pub(super) modified: i64,
    /// The asset that it was said to be of.
    pub(super) asset: Option<String>,
}

/// An upload that is under way.
#[derive(Debug, Serialize, Deserialize)]
struct Entry {
    #[serde(flatten)]
    file: Stored,
    url: String,
    begun: i64,
}

/// What is remembered.
#[derive(Debug)]
pub(super) struct Memory {
    folder: PathBuf,
}

impl Memory {
    /// Where the environment says that it is; `None` where it says nothing.
    pub(super) fn of_user() -> Option<Self> {
        let named = |name: &str| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
        let state = named("XDG_STATE_HOME").or_else(|| Some(named("HOME")?.join(".local/state")))?;
        Some(Self { folder: state.join("afflux") })
    }

    /// Where `file` goes.
    pub(super) fn find(&self, file: &Stored) -> Option<String> {
        self.read().into_iter().rev().find(|entry| entry.file == *file).map(|entry| entry.url)
    }

    /// `file` goes to `url`.
    pub(super) fn keep(&self, file: &Stored, url: &str) -> io::Result<()> {
        self.change(|entries| {
            entries.retain(|entry| entry.file != *file);
            entries.push(Entry { file: file.clone(), url: url.into(), begun: now() });
        })
    }

    /// `file` has arrived, or never will.
    pub(super) fn forget(&self, file: &Stored) -> io::Result<()> {
        self.change(|entries| entries.retain(|entry| entry.file != *file))
    }

    fn read(&self) -> Vec<Entry> {
        // One that cannot be read remembers nothing: uploads begin again.
        std::fs::read(self.path()).ok().and_then(|text| serde_json::from_slice(&text).ok()).unwrap_or_default()
    }

    fn path(&self) -> PathBuf {
        self.folder.join("uploads.json")
    }

    fn change(&self, change: impl FnOnce(&mut Vec<Entry>)) -> io::Result<()> {
        DirBuilder::new().recursive(true).mode(0o700).create(&self.folder)?;
        let lock = private(&self.folder.join("uploads.lock"))?;
        lock.lock()?;
        let mut entries = self.read();
        change(&mut entries);
        entries.retain(|entry| now().saturating_sub(entry.begun) < LASTING);
        let excess = entries.len().saturating_sub(MOST);
        entries.drain(..excess);
        // Whoever is killed in the middle leaves the old one.
        let fresh = self.folder.join("uploads.json.new");
        let mut file = private(&fresh)?;
        file.set_len(0)?;
        file.write_all(&serde_json::to_vec_pretty(&entries)?)?;
        file.sync_all()?;
        std::fs::rename(fresh, self.path())
    }
}

/// A file for its owner only.
fn private(path: &Path) -> io::Result<File> {
    OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(path)
}

#[cfg(test)]
mod tests {
    use super::{Memory, Stored};

    fn file(size: u64) -> Stored {
        Stored { server: "http://h".into(), path: "/a.mp4".into(), size, modified: 7, asset: None }
    }

    #[test]
    fn what_is_kept_is_found_until_it_is_forgotten() {
        let folder = tempfile::tempdir().unwrap();
        let memory = Memory { folder: folder.path().join("state/afflux") };
        assert_eq!(memory.find(&file(1)), None);
        memory.keep(&file(1), "u/1").unwrap();
        memory.keep(&file(2), "u/2").unwrap();
        memory.keep(&file(1), "u/3").unwrap();
        assert_eq!((memory.find(&file(1)), memory.find(&file(2))), (Some("u/3".into()), Some("u/2".into())));
        // The same path with other bytes is another file.
        assert_eq!(memory.find(&file(3)), None);
        memory.forget(&file(1)).unwrap();
        assert_eq!((memory.find(&file(1)), memory.find(&file(2))), (None, Some("u/2".into())));
    }

    #[test]
    fn one_that_is_torn_remembers_nothing_and_is_written_anew() {
        let folder = tempfile::tempdir().unwrap();
        let memory = Memory { folder: folder.path().into() };
        std::fs::write(memory.path(), b"[{\"server\"").unwrap();
        assert_eq!(memory.find(&file(1)), None);
        memory.keep(&file(1), "u/1").unwrap();
        assert_eq!(memory.find(&file(1)), Some("u/1".into()));
    }
}
