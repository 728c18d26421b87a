//! Walks a store and collects the names in it: each real folder once, within limits, for as long as somebody wants the
//! result. A folder that did not change since the last walk is not read again.

use super::error::Error;
use super::local::below;
use super::name::{DEPTH_LIMIT, is_hidden, is_media, is_plain, is_plain_name, veiled};
use super::remote::Remote;
use crate::media::DESCRIPTOR;
use futures_util::StreamExt;
use object_store::list::PaginatedListOptions;
use object_store::path::Path as Key;
use std::collections::{BTreeMap, HashSet, VecDeque};
use std::fs::{DirEntry, Metadata};
use std::os::unix::fs::MetadataExt;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

/// Most folders that one walk reads.
const FOLDERS_LIMIT: usize = 1 << 17;

/// Most bytes for the names that one walk finds, each with its place in a list.
const BYTES_LIMIT: usize = 96 << 20;

/// Bytes that a name takes in memory besides its text.
const NAME_BYTES: usize = 24;

/// Most unsupported files of one folder that are reported by name.
const IGNORED_LIMIT: usize = 8;

/// Age of a folder's last change from which on a further change is sure to alter its times.
const TICK: Duration = Duration::from_secs(2);

/// Number of names after which a walk checks whether it is still wanted.
const BATCH: usize = 1_024;

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
    state: Option<FolderState>,
}

/// State of a local folder when it was read.
#[derive(Debug, Clone, PartialEq, Eq)]
struct FolderState {
    stamp: FolderStamp,
    folders: Vec<FolderEntry>,
}

/// A subfolder, or a link to a folder.
#[derive(Debug, Clone, PartialEq, Eq)]
struct FolderEntry {
    name: String,
    is_link: bool,
}

/// Identifies a folder, and detects changes to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct FolderStamp {
    place: (u64, u64),
    times: [(i64, i64); 2],
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
    /// Drops the folders that are not `ours`: another mount covers them.
    pub(super) fn retain(&mut self, ours: impl Fn(&str) -> bool) {
        self.folders.retain(|folder, _| ours(folder));
    }

    /// Adds a folder; returns whether there is room for more.
    fn add(&mut self, folder: String, walked: Arc<WalkedFolder>) -> bool {
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
    fn ignore(&mut self, name: &str) {
        self.ignored += 1;
        if self.ignored_names.len() < IGNORED_LIMIT {
            self.ignored_names.push(name.to_owned());
        }
    }

    fn sorted(mut self) -> Self {
        self.media.sort_unstable();
        self.ignored_names.sort_unstable();
        self
    }
}

/// Walks a local folder.
pub(super) struct Walker<'a> {
    /// Result of the last walk.
    pub(super) before: &'a StoreFolders,
    /// How long a new file must be unmodified to be listed.
    pub(super) settle: Duration,
    pub(super) wanted: &'a StillWanted,
}

/// Access to a local folder for a walk.
pub(super) trait Tree {
    /// Metadata of `path`; `None` if nothing is there.
    fn metadata(&self, path: &str) -> Option<Metadata>;
    /// Metadata of the target of the link at `path`; `None` if it may not be followed.
    fn follow(&self, path: &str) -> Option<Metadata>;
    /// Entries of `folder`.
    fn read(&self, folder: &str) -> Result<std::fs::ReadDir, Error>;
    /// Logs that something in `folder` cannot be listed.
    fn complain(&self, folder: &str, why: &dyn std::fmt::Display);
}

impl Walker<'_> {
    /// All folders of `tree` that can be reached. Links are followed last, so each folder has its real path if it has
    /// one.
    pub(super) fn walk(&self, tree: &impl Tree) -> Result<StoreFolders, Error> {
        let mut found = StoreFolders { is_whole: true, ..StoreFolders::default() };
        let (mut seen, mut waiting, mut links) = (HashSet::new(), vec![String::new()], VecDeque::<String>::new());
        loop {
            self.check()?;
            let next = waiting.pop().map(|folder| (tree.metadata(&folder), folder));
            let Some((metadata, folder)) = next.or_else(|| links.pop_front().map(|link| (tree.follow(&link), link)))
            else {
                break;
            };
            let Some(metadata) = metadata.filter(Metadata::is_dir) else { continue };
            let stamp = FolderStamp::of(&metadata);
            if !seen.insert(stamp.place) {
                continue;
            }
            let walked = match self.known(&folder, stamp) {
                Some(walked) => walked,
                None => match self.read(tree, &folder, stamp) {
                    Ok(walked) => Arc::new(walked),
                    Err(error @ Error::Abandoned { .. }) => return Err(error),
                    Err(error) if folder.is_empty() => return Err(error),
                    Err(error) => {
                        tree.complain(&folder, &error);
                        continue;
                    }
                },
            };
            let is_deep = folder.split('/').count() >= DEPTH_LIMIT && !folder.is_empty();
            let children = walked.state.iter().flat_map(|state| &state.folders).filter(|_| !is_deep);
            for FolderEntry { name, is_link } in children {
                let path = below(&folder, name);
                if *is_link { links.push_back(path) } else { waiting.push(path) }
            }
            if !found.add(folder, walked) {
                break;
            }
        }
        Ok(found)
    }

    fn check(&self) -> Result<(), Error> {
        if (self.wanted)() { Ok(()) } else { Err(Error::Abandoned { path: String::new() }) }
    }

    /// Result of the last walk for the folder, if the folder did not change since.
    fn known(&self, folder: &str, stamp: FolderStamp) -> Option<Arc<WalkedFolder>> {
        let known = self.before.folders.get(folder)?;
        known.state.as_ref().is_some_and(|state| state.stamp == stamp).then(|| Arc::clone(known))
    }

    fn read(&self, tree: &impl Tree, folder: &str, stamp: FolderStamp) -> Result<WalkedFolder, Error> {
        let fail = |error| Error::from_io(folder, error);
        let before = self.before.folders.get(folder);
        let now = SystemTime::now();
        let mut here =
            FolderReading { walked: WalkedFolder::default(), folders: Vec::new(), lasts: stamp.is_older(now) };
        let mut bytes = 0;
        for (count, entry) in tree.read(folder)?.enumerate() {
            if count % BATCH == 0 {
                self.check()?;
            }
            let entry = entry.map_err(fail)?;
            if is_hidden(entry.file_name().as_encoded_bytes()) {
                continue;
            }
            let Some(name) = entry.file_name().to_str().filter(|name| is_plain_name(name)).map(str::to_owned) else {
                tree.complain(
                    &below(folder, &entry.file_name().to_string_lossy()),
                    &"its name cannot be part of a URL",
                );
                continue;
            };
            bytes += name.len() + NAME_BYTES;
            if bytes > BYTES_LIMIT {
                break;
            }
            let was = before.is_some_and(|before| before.media.binary_search(&name).is_ok());
            here.add(tree, &entry, WalkCandidate { path: below(folder, &name), name, was, settle: self.settle, now });
        }
        // With cleared times, the next walk reads the folder again.
        let stamp = if here.lasts { stamp } else { FolderStamp { times: [(0, 0); 2], ..stamp } };
        Ok(WalkedFolder { state: Some(FolderState { stamp, folders: here.folders }), ..here.walked.sorted() })
    }
}

/// State while a folder is read.
struct FolderReading {
    walked: WalkedFolder,
    folders: Vec<FolderEntry>,
    /// Whether the result stays valid as long as the folder does not change.
    lasts: bool,
}

/// A name in a folder that is being read.
struct WalkCandidate {
    path: String,
    name: String,
    /// Whether the last walk found it.
    was: bool,
    settle: Duration,
    now: SystemTime,
}

impl FolderReading {
    fn add(
        &mut self,
        tree: &impl Tree,
        entry: &DirEntry,
        WalkCandidate { path, name, was, settle, now }: WalkCandidate,
    ) {
        let Ok(kind) = entry.file_type() else { return };
        let is_link = kind.is_symlink();
        let target = if is_link { tree.follow(&path) } else { None };
        let is_file = kind.is_file() || target.as_ref().is_some_and(Metadata::is_file);
        if kind.is_dir() || target.as_ref().is_some_and(Metadata::is_dir) {
            self.folders.push(FolderEntry { name, is_link });
            return;
        }
        // The target of a link may change while the folder does not.
        self.lasts &= !is_link;
        if !is_file {
            return;
        }
        if name == DESCRIPTOR {
            self.walked.described = true;
        } else if !is_media(&name) {
            self.walked.ignore(&name);
        } else if was || !is_young(tree.metadata(&path), settle, now) {
            self.walked.media.push(name);
        } else {
            self.lasts = false;
        }
    }
}

/// Whether a file may still be incomplete: it was written to within `settle`, or its time cannot be read.
fn is_young(metadata: Option<Metadata>, settle: Duration, now: SystemTime) -> bool {
    let written = metadata.and_then(|metadata| metadata.modified().ok());
    written.is_none_or(|written| now.duration_since(written).is_ok_and(|age| age < settle))
}

impl FolderStamp {
    fn of(metadata: &Metadata) -> Self {
        Self {
            place: (metadata.dev(), metadata.ino()),
            times: [(metadata.mtime(), metadata.mtime_nsec()), (metadata.ctime(), metadata.ctime_nsec())],
        }
    }

    /// Whether its times are so old that any change after `now` is sure to alter them.
    fn is_older(&self, now: SystemTime) -> bool {
        let now = now.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let latest = self.times.iter().map(|(seconds, _)| *seconds).max().unwrap_or(0);
        u64::try_from(latest).is_ok_and(|latest| latest + TICK.as_secs() < now.as_secs())
    }
}

impl Remote {
    /// Lists all names, page by page.
    pub(super) async fn walk(&self, wanted: &StillWanted) -> Result<StoreFolders, Error> {
        let mut found = FolderCollector::default();
        let prefix = self.key("")?;
        let Some(pages) = &self.skills().pages else { return self.walk_at_once(&prefix, wanted).await };
        let prefix = if prefix.as_ref().is_empty() { None } else { Some(format!("{prefix}/")) };
        let mut page_token = None;
        loop {
            if !wanted() {
                return Err(Error::Abandoned { path: String::new() });
            }
            let options = || PaginatedListOptions { page_token: page_token.clone(), ..PaginatedListOptions::default() };
            let page = self.asked(|| pages.list_paginated(prefix.as_deref(), options())).await;
            let page = page.map_err(|fault| self.failed(fault, ""))?;
            page.result.objects.iter().for_each(|meta| found.add(self.inner(&meta.location)));
            page_token = page.page_token;
            if page_token.is_none() || found.is_full() {
                return Ok(found.part());
            }
        }
    }

    /// Lists all names of a store without paged listings: one in memory.
    async fn walk_at_once(&self, prefix: &Key, wanted: &StillWanted) -> Result<StoreFolders, Error> {
        let prefix = Some(prefix).filter(|prefix| !prefix.as_ref().is_empty());
        let mut found = FolderCollector::default();
        let mut objects = self.store().list(prefix);
        while let Some(meta) = objects.next().await {
            if !wanted() {
                return Err(Error::Abandoned { path: String::new() });
            }
            let meta = meta.map_err(|error| self.failed(super::remote::Fault::of(&error), ""))?;
            found.add(self.inner(&meta.location));
            if found.is_full() {
                break;
            }
        }
        Ok(found.part())
    }
}

/// Folders of an object store, collected from the names of its objects.
#[derive(Default)]
struct FolderCollector {
    folders: BTreeMap<String, WalkedFolder>,
    /// Paths of objects that are still hidden.
    drafts: HashSet<String>,
    bytes: usize,
}

impl FolderCollector {
    fn add(&mut self, path: &str) {
        let (folder, name) = path.rsplit_once('/').unwrap_or(("", path));
        if let Some(draft) = veiled(name) {
            self.drafts.insert(below(folder, draft));
        }
        if is_hidden(name.as_bytes()) || !is_plain(path) {
            return;
        }
        self.bytes = self.bytes.saturating_add(name.len() + NAME_BYTES);
        let here = self.folders.entry(folder.to_owned()).or_default();
        if name == DESCRIPTOR {
            here.described = true;
        } else if is_media(name) {
            here.media.push(name.to_owned());
        } else {
            here.ignore(name);
        }
    }

    fn is_full(&self) -> bool {
        self.folders.len() >= FOLDERS_LIMIT || self.bytes >= BYTES_LIMIT
    }

    fn part(self) -> StoreFolders {
        let mut part = StoreFolders { is_whole: !self.is_full(), ..StoreFolders::default() };
        for (folder, mut walked) in self.folders {
            if !self.drafts.is_empty() {
                walked.media.retain(|name| !self.drafts.contains(&below(&folder, name)));
            }
            if !part.add(folder, Arc::new(walked.sorted())) {
                break;
            }
        }
        part
    }
}
