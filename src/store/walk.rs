//! Result of a walk through a store: the names in it by folder, up to a limit.
//!
//! Local folders and object stores collect [`StoreFolders`]; a [`Walk`] joins those of all mounts. The folders of a local
//! folder also have a stamp, so that the next walk reads only those that changed.

use super::name::below;
use std::collections::BTreeMap;
use std::fs::Metadata;
use std::os::unix::fs::MetadataExt;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

/// Most folders that one walk reads.
pub(super) const FOLDERS_LIMIT: usize = 1 << 17;

/// Most bytes for the names that one walk finds, each with its place in a list.
pub(super) const BYTES_LIMIT: usize = 96 << 20;

/// Bytes that a name takes in memory besides its text.
pub(super) const NAME_BYTES: usize = 24;

/// Most unsupported files of one folder that are reported by name.
const IGNORED_LIMIT: usize = 8;

/// Age of a folder's last change from which on a further change is sure to alter its times.
const TICK: Duration = Duration::from_secs(2);

/// Tells whether somebody still wants the result of a walk.
pub type StillWanted = Arc<dyn Fn() -> bool + Send + Sync>;

/// The names that a walk found in one folder.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct WalkedFolder {
    /// Its media files, sorted.
    pub media: Vec<String>,
    /// Whether it holds an `asset.json`.
    pub described: bool,
    /// Number of other files that it holds.
    pub ignored: usize,
    /// The names of some of them, sorted.
    pub ignored_names: Vec<String>,
    pub(super) state: Option<FolderState>,
}

/// State of a local folder when it was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct FolderState {
    pub(super) stamp: FolderStamp,
    pub(super) folders: Vec<FolderEntry>,
}

/// A subfolder, or a link to a folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct FolderEntry {
    pub(super) name: String,
    pub(super) is_link: bool,
}

/// Identifies a folder, and detects changes to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct FolderStamp {
    pub(super) place: (u64, u64),
    pub(super) times: [(i64, i64); 2],
}

/// All folders of one store, by their paths in it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct StoreFolders {
    pub(super) folders: BTreeMap<String, Arc<WalkedFolder>>,
    pub(super) is_whole: bool,
    bytes: usize,
}

/// Result of a walk through all stores.
#[derive(Debug, Clone, Default)]
pub struct Walk {
    /// Results by the prefixes of mounts.
    pub(super) parts: BTreeMap<String, Arc<StoreFolders>>,
}

impl Walk {
    /// Whether it is complete: no limit was reached.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        self.parts.values().all(|part| part.is_whole)
    }

    /// All folders with their contents, in the order of mounts.
    pub fn folders(&self) -> impl Iterator<Item = (String, &Arc<WalkedFolder>)> {
        self.parts
            .iter()
            .flat_map(|(prefix, part)| part.folders.iter().map(move |(folder, walked)| (below(prefix, folder), walked)))
    }

    /// Whether `before` has the same contents.
    #[must_use]
    pub fn is_as(&self, before: &Self) -> bool {
        let same = |(one, other): (&Arc<StoreFolders>, &Arc<StoreFolders>)| {
            one.is_whole == other.is_whole
                && one.folders.len() == other.folders.len()
                && one.folders.iter().zip(&other.folders).all(|((path, walked), (other_path, other))| {
                    path == other_path && (Arc::ptr_eq(walked, other) || walked == other)
                })
        };
        self.parts.len() == before.parts.len()
            && self.parts.keys().eq(before.parts.keys())
            && self.parts.values().zip(before.parts.values()).all(same)
    }
}

impl StoreFolders {
    /// The folders of a walk that begins: none.
    pub(super) fn new() -> Self {
        Self { is_whole: true, ..Self::default() }
    }

    /// Drops the folders that are not `ours`: another mount covers them.
    pub(super) fn retain(&mut self, ours: impl Fn(&str) -> bool) {
        self.folders.retain(|folder, _| ours(folder));
    }

    /// Adds a folder; returns whether there is room for more.
    pub(super) fn add(&mut self, folder: String, walked: Arc<WalkedFolder>) -> bool {
        let names = walked.media.iter().map(|name| name.len() + NAME_BYTES).sum::<usize>();
        self.bytes = self.bytes.saturating_add(names).saturating_add(folder.len() + 2 * NAME_BYTES);
        self.folders.insert(folder, walked);
        let room = self.folders.len() < FOLDERS_LIMIT && self.bytes < BYTES_LIMIT;
        self.is_whole &= room;
        if !room {
            tracing::warn!(
                folders = FOLDERS_LIMIT,
                bytes = BYTES_LIMIT,
                "the store has more folders or names than one walk lists; the rest is left out"
            );
        }
        room
    }
}

impl WalkedFolder {
    /// Counts an unsupported file.
    pub(super) fn ignore(&mut self, name: &str) {
        self.ignored += 1;
        if self.ignored_names.len() < IGNORED_LIMIT {
            self.ignored_names.push(name.to_owned());
        }
    }

    pub(super) fn sorted(mut self) -> Self {
        self.media.sort_unstable();
        self.ignored_names.sort_unstable();
        self
    }
}

impl FolderStamp {
    pub(super) fn of(metadata: &Metadata) -> Self {
        Self {
            place: (metadata.dev(), metadata.ino()),
            times: [(metadata.mtime(), metadata.mtime_nsec()), (metadata.ctime(), metadata.ctime_nsec())],
        }
    }

    /// Whether its times are so old that any change after `now` is sure to alter them.
    pub(super) fn is_older(&self, now: SystemTime) -> bool {
        let now = now.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let latest = self.times.iter().map(|(seconds, _)| *seconds).max().unwrap_or(0);
        u64::try_from(latest).is_ok_and(|latest| latest + TICK.as_secs() < now.as_secs())
    }
}
