//! [`Root`]: lists a local folder and opens its files, within the rules for links. All functions block on the disk.

use super::open_file::OpenFile;
use crate::media::DESCRIPTOR;
use crate::store::context::StoreContext;
use crate::store::error::Error;
use crate::store::listing::{Listing, NAMES_LIMIT};
use crate::store::name::{below, is_hidden, is_media, is_plain_name, spellings};
use crate::store::stamp::Stamp;
use rustix::fs::{Access, access};
use std::collections::BTreeSet;
use std::fs::{self, DirEntry, Metadata, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

/// `O_NONBLOCK`: opening a pipe that took a file's place must not wait for a writer.
#[cfg(any(target_os = "linux", target_os = "android"))]
const NONBLOCK: i32 = 0o4000;
/// `O_NONBLOCK`: opening a pipe that took a file's place must not wait for a writer.
#[cfg(not(any(target_os = "linux", target_os = "android")))]
const NONBLOCK: i32 = 0x4;

/// Most paths whose problems are logged; further ones are left out silently.
const COMPLAINT_LIMIT: usize = 1_024;

/// A folder and the rules for links in it. All functions block on the disk.
#[derive(Debug)]
pub(super) struct Root {
    path: PathBuf,
    following: LinkPolicy,
    complaints: Mutex<BTreeSet<PathBuf>>,
}

/// Which symbolic links are followed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::store) enum LinkPolicy {
    /// Links whose target lies inside the folder.
    Within,
    /// All links.
    Anywhere,
}

impl Root {
    /// The folder at `path`; an error unless it exists and is readable.
    pub(super) fn new(path: &Path, following: LinkPolicy) -> io::Result<Self> {
        let root = Self { path: path.canonicalize()?, following, complaints: Mutex::default() };
        fs::read_dir(&root.path)?;
        Ok(root)
    }

    /// Path of the folder.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Checks that the folder exists and may be read, without reading its entries.
    pub(super) fn check(&self) -> Result<(), Error> {
        let fail = |error| Error::from_io("", error);
        if !fs::metadata(&self.path).map_err(fail)?.is_dir() {
            return Err(fail(io::ErrorKind::NotADirectory.into()));
        }
        access(&self.path, Access::READ_OK | Access::EXEC_OK).map_err(|error| fail(error.into()))
    }

    pub(super) fn list(&self, folder: &str, most: usize) -> Result<Listing, Error> {
        let fail = |error| Error::from_io(folder, error);
        if !self.may_follow(&self.path.join(folder)) {
            return Err(Error::NotFound { path: folder.into() });
        }
        let (mut entries, mut media) = (Vec::new(), 0_usize);
        for entry in fs::read_dir(self.path.join(folder)).map_err(fail)? {
            let entry = entry.map_err(fail)?;
            let is_folder = entry.file_type().is_ok_and(|kind| kind.is_dir());
            media += usize::from(!is_folder && entry.file_name().to_str().is_some_and(is_media));
            entries.push(entry);
            if media > most || entries.len() > NAMES_LIMIT {
                return Ok(Listing::large(self.stat(&below(folder, DESCRIPTOR)).ok()));
            }
        }
        let mut listing = Listing::default();
        for (name, metadata) in entries.iter().filter_map(|entry| self.known(entry)) {
            if metadata.is_dir() {
                listing.folders.push(name);
            } else if is_media(&name) {
                listing.media.push((name, Stamp::of_file(&metadata)));
            } else if name == DESCRIPTOR {
                listing.descriptor = Some(Stamp::of_file(&metadata));
            }
        }
        Ok(listing.sorted())
    }

    pub(super) fn find(&self, folder: &str, stem: &str) -> Result<Listing, Error> {
        let mut found = Listing::default();
        for extensions in spellings() {
            let mut same: Vec<(String, Stamp)> = Vec::new();
            for extension in extensions {
                let name = format!("{stem}.{extension}");
                match self.stat(&below(folder, &name)) {
                    // On a file system that ignores case, every spelling is the same file.
                    Ok(stamp) if !same.iter().any(|(_, other)| *other == stamp) => same.push((name, stamp)),
                    Ok(_) | Err(Error::NotFound { .. } | Error::NotAFile { .. }) => {}
                    Err(error) => return Err(error),
                }
            }
            found.media.extend(same);
        }
        let own = self.path.join(below(folder, stem));
        if fs::metadata(&own).is_ok_and(|metadata| metadata.is_dir()) && self.may_follow(&own) {
            found.folders.push(stem.into());
        }
        Ok(found.sorted())
    }

    pub(super) fn stat(&self, path: &str) -> Result<Stamp, Error> {
        let full = self.path.join(path);
        let metadata = fs::metadata(&full).map_err(|error| Error::from_io(path, error))?;
        if !metadata.is_file() {
            return Err(Error::NotAFile { path: path.into() });
        }
        if self.may_follow(&full) { Ok(Stamp::of_file(&metadata)) } else { Err(Error::NotFound { path: path.into() }) }
    }

    pub(super) fn open(&self, path: &str, name: &str, shared: Arc<StoreContext>) -> Result<OpenFile, Error> {
        // Opening a device or a pipe has side effects, so check the type first. `OpenFile::new` checks the opened file
        // again.
        self.stat(path)?;
        let file = OpenOptions::new().read(true).custom_flags(NONBLOCK).open(self.path.join(path));
        OpenFile::new(name, file.map_err(|error| Error::from_io(path, error))?, shared)
    }

    /// Whether the target of `path`, which exists, may be read under the link policy.
    fn may_follow(&self, path: &Path) -> bool {
        match self.following {
            LinkPolicy::Anywhere => true,
            LinkPolicy::Within => path.canonicalize().is_ok_and(|real| real.starts_with(&self.path)),
        }
    }

    /// Like [`may_follow`](Self::may_follow), for a link found in a folder; logs once if it leads out of the store.
    fn may_follow_found(&self, path: &Path) -> bool {
        let may = self.may_follow(path);
        // A dangling link is logged where its metadata is read.
        if !may && path.exists() {
            self.complain(path, "the link leads out of the store (`store.follow_links` is false)");
        }
        may
    }

    fn known(&self, entry: &DirEntry) -> Option<(String, Metadata)> {
        let name = entry.file_name();
        if is_hidden(name.as_encoded_bytes()) {
            return None;
        }
        let Some(name) = name.to_str().filter(|name| is_plain_name(name)) else {
            self.complain(&entry.path(), "its name is not UTF-8 or has control characters or a backslash");
            return None;
        };
        // Skip the stat of other files: only folders, media files and the descriptor are listed.
        if !is_media(name) && name != DESCRIPTOR && entry.file_type().is_ok_and(|kind| kind.is_file()) {
            return None;
        }
        if entry.file_type().is_ok_and(|kind| kind.is_symlink())
            && entry.path().exists()
            && !self.may_follow_found(&entry.path())
        {
            return None;
        }
        match fs::metadata(entry.path()) {
            // Pipes and devices are left out.
            Ok(metadata) => (metadata.is_dir() || metadata.is_file()).then(|| (name.to_owned(), metadata)),
            Err(error) => {
                // Do not log a file that was removed since the listing; log a dangling link.
                if error.kind() != io::ErrorKind::NotFound || entry.path().is_symlink() {
                    self.complain(&entry.path(), &error);
                }
                None
            }
        }
    }

    /// Logs a problem once per path, not at every listing.
    fn complain(&self, path: &Path, why: &(impl std::fmt::Display + ?Sized)) {
        let mut complaints = self.complaints.lock().unwrap_or_else(PoisonError::into_inner);
        if complaints.len() < COMPLAINT_LIMIT && complaints.insert(path.to_owned()) {
            tracing::warn!(path = %path.display(), "left out: {why}");
        }
    }

    /// Metadata of `path`; `None` if nothing is there.
    pub(super) fn metadata(&self, path: &str) -> Option<Metadata> {
        fs::metadata(self.path.join(path)).ok()
    }

    /// Metadata of the target of the link at `path`; `None` if it may not be followed.
    pub(super) fn follow(&self, path: &str) -> Option<Metadata> {
        let metadata = self.metadata(path)?;
        self.may_follow_found(&self.path.join(path)).then_some(metadata)
    }

    /// Entries of `folder`.
    pub(super) fn read(&self, folder: &str) -> Result<fs::ReadDir, Error> {
        fs::read_dir(self.path.join(folder)).map_err(|error| Error::from_io(folder, error))
    }

    /// Logs that something at `path` cannot be listed.
    pub(super) fn complain_below(&self, path: &str, why: &dyn std::fmt::Display) {
        self.complain(&self.path.join(path), why);
    }
}
