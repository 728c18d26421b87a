//! Remembers which file goes to which upload, across kills: a small JSON file, replaced as a whole, under a lock.
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

/// Lifetime of an entry, in milliseconds. Servers do not keep uploads any longer.
const LASTING: i64 = 30 * 86_400_000;

/// Largest number of remembered uploads; the oldest are dropped.
const MOST: usize = 1_000;

/// A local file and its destination.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct UploadIdentity {
    /// The server's address.
    pub(super) server: String,
    /// Absolute path of the file.
    pub(super) path: PathBuf,
    /// Size in bytes.
    pub(super) size: u64,
    /// Time of last modification, in nanoseconds since 1970.
    pub(super) modified: i64,
    /// The asset given by the user.
    pub(super) asset: Option<String>,
}

/// A remembered upload in progress.
#[derive(Debug, Serialize, Deserialize)]
struct ResumableUpload {
    #[serde(flatten)]
    file: UploadIdentity,
    url: String,
    begun: i64,
}

/// Access to the file of remembered uploads.
#[derive(Debug)]
pub(super) struct Memory {
    folder: PathBuf,
}

impl Memory {
    /// The file's place according to the environment; `None` if the environment names none.
    pub(super) fn of_user() -> Option<Self> {
        let named = |name: &str| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
        let state = named("XDG_STATE_HOME").or_else(|| Some(named("HOME")?.join(".local/state")))?;
        Some(Self { folder: state.join("afflux") })
    }

    /// URL of the remembered upload of `file`.
    pub(super) fn find(&self, file: &UploadIdentity) -> Option<String> {
        self.read().into_iter().rev().find(|entry| entry.file == *file).map(|entry| entry.url)
    }

    /// Remembers that `file` goes to `url`.
    pub(super) fn keep(&self, file: &UploadIdentity, url: &str) -> io::Result<()> {
        self.change(|entries| {
            entries.retain(|entry| entry.file != *file);
            entries.push(ResumableUpload { file: file.clone(), url: url.into(), begun: now() });
        })
    }

    /// Forgets `file`: it has arrived, or never will.
    pub(super) fn forget(&self, file: &UploadIdentity) -> io::Result<()> {
        self.change(|entries| entries.retain(|entry| entry.file != *file))
    }

    fn read(&self) -> Vec<ResumableUpload> {
        // Treat an unreadable file as empty: uploads then start anew.
        std::fs::read(self.path()).ok().and_then(|text| serde_json::from_slice(&text).ok()).unwrap_or_default()
    }

    fn path(&self) -> PathBuf {
        self.folder.join("uploads.json")
    }

    fn change(&self, change: impl FnOnce(&mut Vec<ResumableUpload>)) -> io::Result<()> {
        DirBuilder::new().recursive(true).mode(0o700).create(&self.folder)?;
        let lock = private(&self.folder.join("uploads.lock"))?;
        lock.lock()?;
        let mut entries = self.read();
        change(&mut entries);
        entries.retain(|entry| now().saturating_sub(entry.begun) < LASTING);
        let excess = entries.len().saturating_sub(MOST);
        entries.drain(..excess);
        // Write a new file and rename it: a kill in between leaves the old one.
        let fresh = self.folder.join("uploads.json.new");
        let mut file = private(&fresh)?;
        file.set_len(0)?;
        file.write_all(&serde_json::to_vec_pretty(&entries)?)?;
        file.sync_all()?;
        std::fs::rename(fresh, self.path())
    }
}

/// Opens a file that only its owner may read.
fn private(path: &Path) -> io::Result<File> {
    OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(path)
}

#[cfg(test)]
mod tests {
    use super::{Memory, UploadIdentity};

    fn file(size: u64) -> UploadIdentity {
        UploadIdentity { server: "http://h".into(), path: "/a.mp4".into(), size, modified: 7, asset: None }
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
        // The same path with another size is another file.
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
