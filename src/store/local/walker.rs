//! Walks a local folder and collects the names in it: each real folder once, for as long as somebody wants the result. A
//! folder that did not change since the last walk is not read again.

use super::root::Root;
use crate::media::DESCRIPTOR;
use crate::store::error::Error;
use crate::store::name::{DEPTH_LIMIT, below, is_hidden, is_media, is_plain_name};
use crate::store::walk::{
    BYTES_LIMIT, FolderEntry, FolderStamp, FolderState, NAME_BYTES, StillWanted, StoreFolders, WalkedFolder,
};
use std::collections::{HashSet, VecDeque};
use std::fs::{DirEntry, Metadata};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

/// Number of names after which a walk checks whether it is still wanted.
const BATCH: usize = 1_024;

/// Walks a local folder.
pub(super) struct Walker<'a> {
    /// The folder to walk.
    pub(super) root: &'a Root,
    /// Result of the last walk.
    pub(super) before: &'a StoreFolders,
    /// How long a new file must be unmodified to be listed.
    pub(super) settle: Duration,
    pub(super) wanted: &'a StillWanted,
}

impl Walker<'_> {
    /// All folders that can be reached. Links are followed last, so each folder has its real path if it has
    /// one.
    pub(super) fn walk(&self) -> Result<StoreFolders, Error> {
        let mut found = StoreFolders::new();
        let (mut seen, mut waiting, mut links) = (HashSet::new(), vec![String::new()], VecDeque::<String>::new());
        loop {
            self.check()?;
            let next = waiting.pop().map(|folder| (self.root.metadata(&folder), folder));
            let Some((metadata, folder)) =
                next.or_else(|| links.pop_front().map(|link| (self.root.follow(&link), link)))
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
                None => match self.read(&folder, stamp) {
                    Ok(walked) => Arc::new(walked),
                    Err(error @ Error::Abandoned { .. }) => return Err(error),
                    Err(error) if folder.is_empty() => return Err(error),
                    Err(error) => {
                        self.root.complain_below(&folder, &error);
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

    fn read(&self, folder: &str, stamp: FolderStamp) -> Result<WalkedFolder, Error> {
        let fail = |error| Error::from_io(folder, error);
        let before = self.before.folders.get(folder);
        let now = SystemTime::now();
        let mut here =
            FolderReading { walked: WalkedFolder::default(), folders: Vec::new(), lasts: stamp.is_older(now) };
        let mut bytes = 0;
        for (count, entry) in self.root.read(folder)?.enumerate() {
            if count % BATCH == 0 {
                self.check()?;
            }
            let entry = entry.map_err(fail)?;
            if is_hidden(entry.file_name().as_encoded_bytes()) {
                continue;
            }
            let Some(name) = entry.file_name().to_str().filter(|name| is_plain_name(name)).map(str::to_owned) else {
                self.root.complain_below(
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
            here.add(
                self.root,
                &entry,
                WalkCandidate { path: below(folder, &name), name, was, settle: self.settle, now },
            );
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
    fn add(&mut self, root: &Root, entry: &DirEntry, WalkCandidate { path, name, was, settle, now }: WalkCandidate) {
        let Ok(kind) = entry.file_type() else { return };
        let is_link = kind.is_symlink();
        let target = if is_link { root.follow(&path) } else { None };
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
        } else if was || !is_young(root.metadata(&path), settle, now) {
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
