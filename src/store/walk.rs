//! Walks a store for the names in it: each real folder once, within bounds, for as long as somebody wants them. A folder
//! that did not change since the last walk is not read again.

use super::error::Error;
use super::folder::below;
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

/// Folders that a walk looks into at most.
const FOLDERS_LIMIT: usize = 1 << 17;

/// Bytes that the names which a walk finds take at most, each with its place in a list.
const BYTES_LIMIT: usize = 96 << 20;

/// What a name takes beside its bytes.
const NAME_BYTES: usize = 24;

/// Names that are not understood, of which a folder's walk tells by name.
const IGNORED_LIMIT: usize = 8;

/// How old the last change of a folder must be for its time to tell of the next one.
const TICK: Duration = Duration::from_secs(2);

/// Names of which a walk asks whether it is still wanted.
const BATCH: usize = 1_024;

/// Whether somebody still wants what is walked for.
pub type Wanted = Arc<dyn Fn() -> bool + Send + Sync>;

/// What a walk found in one folder: names only.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Walked {
    /// Its media files, sorted.
    pub media: Vec<String>,
    /// Whether it holds an `asset.json`.
    pub described: bool,
    /// How many other files it holds.
    pub ignored: usize,
    /// The names of some of them, sorted.
    pub ignored_names: Vec<String>,
    state: Option<FolderState>,
}

/// What a local folder was when it was read.
#[derive(Debug, Clone, PartialEq, Eq)]
struct FolderState {
    stamp: FolderStamp,
    folders: Vec<Child>,
}

/// A folder in a folder.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Child {
    name: String,
    is_link: bool,
}

/// Tells a folder from others and from itself before a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct FolderStamp {
    place: (u64, u64),
    times: [(i64, i64); 2],
}

/// All folders of one store, by their paths in it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Part {
    pub(super) folders: BTreeMap<String, Arc<Walked>>,
    pub(super) is_whole: bool,
    bytes: usize,
}

/// What a walk found.
#[derive(Debug, Clone, Default)]
pub struct Walk {
    /// By the prefixes of mounts.
    pub(super) parts: BTreeMap<String, Arc<Part>>,
}

impl Walk {
    /// Whether nothing was left out because there was too much.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        self.parts.values().all(|part| part.is_whole)
    }

    /// Each folder with what is in it, in the order of mounts.
    pub fn folders(&self) -> impl Iterator<Item = (String, &Arc<Walked>)> {
        self.parts
            .iter()
            .flat_map(|(prefix, part)| part.folders.iter().map(move |(folder, walked)| (below(prefix, folder), walked)))
    }

    /// Whether `before` found the same.
    #[must_use]
    pub fn is_as(&self, before: &Self) -> bool {
        let same = |(one, other): (&Arc<Part>, &Arc<Part>)| {
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

impl Part {
    /// Drops the folders that are not `ours`: another mount stands over them.
    pub(super) fn retain(&mut self, ours: impl Fn(&str) -> bool) {
        self.folders.retain(|folder, _| ours(folder));
    }

    /// Adds a folder: whether there is room for more.
    fn add(&mut self, folder: String, walked: Arc<Walked>) -> bool {
        let names = walked.media.iter().map(|name| name.len() + NAME_BYTES).sum::<usize>();
        self.bytes = self.bytes.saturating_add(names).saturating_add(folder.len() + 2 * NAME_BYTES);
        self.folders.insert(folder, walked);
        let room = self.folders.len() < FOLDERS_LIMIT && self.bytes < BYTES_LIMIT;
        self.is_whole &= room;
        if !room {
            tracing::warn!(
                folders = FOLDERS_LIMIT,
                bytes = BYTES_LIMIT,
                "more names than are listed; the rest is left out"
            );
        }
        room
    }
}

impl Walked {
    /// Counts a file that is not understood.
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

/// How a local folder is walked.
pub(super) struct Walker<'a> {
    /// What the last walk found.
    pub(super) before: &'a Part,
    /// How long a new file must not have been written to.
    pub(super) settle: Duration,
    pub(super) wanted: &'a Wanted,
}

/// What a walk of a local folder needs of it.
pub(super) trait Tree {
    /// What is at `path`; `None` where nothing is.
    fn look(&self, path: &str) -> Option<Metadata>;
    /// What the link at `path` leads to, if it may be followed.
    fn follow(&self, path: &str) -> Option<Metadata>;
    /// What is in `folder`.
    fn read(&self, folder: &str) -> Result<std::fs::ReadDir, Error>;
    /// Something in `folder` cannot be listed.
    fn complain(&self, folder: &str, why: &dyn std::fmt::Display);
}

impl Walker<'_> {
    /// All folders of `tree` that are reached, those that no link leads to first.
    pub(super) fn walk(&self, tree: &impl Tree) -> Result<Part, Error> {
        let mut found = Part { is_whole: true, ..Part::default() };
        let (mut seen, mut waiting, mut links) = (HashSet::new(), vec![String::new()], VecDeque::<String>::new());
        loop {
            self.check()?;
            let next = waiting.pop().map(|folder| (tree.look(&folder), folder));
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
            for Child { name, is_link } in children {
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

    /// What the last walk found in the folder, if that still holds.
    fn known(&self, folder: &str, stamp: FolderStamp) -> Option<Arc<Walked>> {
        let known = self.before.folders.get(folder)?;
        known.state.as_ref().is_some_and(|state| state.stamp == stamp).then(|| Arc::clone(known))
    }

    fn read(&self, tree: &impl Tree, folder: &str, stamp: FolderStamp) -> Result<Walked, Error> {
        let fail = |error| Error::from_io(folder, error);
        let before = self.before.folders.get(folder);
        let now = SystemTime::now();
        let mut here = FolderReading { walked: Walked::default(), folders: Vec::new(), lasts: stamp.is_older(now) };
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
            here.add(tree, &entry, Candidate { path: below(folder, &name), name, was, settle: self.settle, now });
        }
        // Without its stamp it is read again the next time.
        let stamp = if here.lasts { stamp } else { FolderStamp { times: [(0, 0); 2], ..stamp } };
        Ok(Walked { state: Some(FolderState { stamp, folders: here.folders }), ..here.walked.sorted() })
    }
}

/// A folder that is being read.
struct FolderReading {
    walked: Walked,
    folders: Vec<Child>,
    /// Whether what is found holds as long as the folder does not change.
    lasts: bool,
}

/// A name in a folder that is being read.
struct Candidate {
    path: String,
    name: String,
    /// Whether the last walk found it.
    was: bool,
    settle: Duration,
    now: SystemTime,
}

impl FolderReading {
    fn add(&mut self, tree: &impl Tree, entry: &DirEntry, Candidate { path, name, was, settle, now }: Candidate) {
        let Ok(kind) = entry.file_type() else { return };
        let is_link = kind.is_symlink();
        let target = if is_link { tree.follow(&path) } else { None };
        let is_file = kind.is_file() || target.as_ref().is_some_and(Metadata::is_file);
        if kind.is_dir() || target.as_ref().is_some_and(Metadata::is_dir) {
            self.folders.push(Child { name, is_link });
            return;
        }
        // Its target may change without the folder.
        self.lasts &= !is_link;
        if !is_file {
            return;
        }
        if name == DESCRIPTOR {
            self.walked.described = true;
        } else if !is_media(&name) {
            self.walked.ignore(&name);
        } else if was || !is_young(tree.look(&path), settle, now) {
            self.walked.media.push(name);
        } else {
            self.lasts = false;
        }
    }
}

/// Whether a file may be half of what it is going to be.
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

    /// Whether its times are so old that a change from now on shows in them.
    fn is_older(&self, now: SystemTime) -> bool {
        let now = now.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let latest = self.times.iter().map(|(seconds, _)| *seconds).max().unwrap_or(0);
        u64::try_from(latest).is_ok_and(|latest| latest + TICK.as_secs() < now.as_secs())
    }
}

impl Remote {
    /// All names, page by page.
    pub(super) async fn walk(&self, wanted: &Wanted) -> Result<Part, Error> {
        let mut found = Gathered::default();
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

    /// The same of a store that is in memory.
    async fn walk_at_once(&self, prefix: &Key, wanted: &Wanted) -> Result<Part, Error> {
        let prefix = Some(prefix).filter(|prefix| !prefix.as_ref().is_empty());
        let mut found = Gathered::default();
        let mut objects = self.store().list(prefix);
        while let Some(meta) = objects.next().await {
            if !wanted() {
                return Err(Error::Abandoned { path: String::new() });
            }
            let meta = meta.map_err(|error| self.failed(super::fault::Fault::of(&error), ""))?;
            found.add(self.inner(&meta.location));
            if found.is_full() {
                break;
            }
        }
        Ok(found.part())
    }
}

/// Folders of an object store, as they are found.
#[derive(Default)]
struct Gathered {
    folders: BTreeMap<String, Walked>,
    /// Paths of objects that nobody may see yet.
    drafts: HashSet<String>,
    bytes: usize,
}

impl Gathered {
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

    fn part(self) -> Part {
        let mut part = Part { is_whole: !self.is_full(), ..Part::default() };
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
