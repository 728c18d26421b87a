//! A local folder: what is in it, and its files held open. All of it waits in the blocking pool.

use super::error::Error;
use super::held::OpenFile;
use super::name::{DEPTH_LIMIT, is_hidden, is_media, is_plain_name};
use super::object::Object;
use super::shared::Shared;
use super::stamp::Stamp;
use crate::media::DESCRIPTOR;
use std::collections::BTreeSet;
use std::fs::{self, DirEntry, Metadata, OpenOptions};
use std::io;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

/// `O_NONBLOCK`: opening a pipe that took a file's place must not wait for a writer.
#[cfg(any(target_os = "linux", target_os = "android"))]
const NONBLOCK: i32 = 0o4000;
/// `O_NONBLOCK`: opening a pipe that took a file's place must not wait for a writer.
#[cfg(not(any(target_os = "linux", target_os = "android")))]
const NONBLOCK: i32 = 0x4;

/// Names that are remembered as complained about, at most.
const COMPLAINT_LIMIT: usize = 1_024;

/// Media files that a walk finds at most; the rest is left out with a log line.
pub(super) const WALK_LIMIT: usize = 1 << 20;

/// A local folder. Clones are the same one.
#[derive(Debug, Clone)]
pub(super) struct Folder {
    root: Arc<Root>,
}

#[derive(Debug)]
struct Root {
    path: PathBuf,
    complaints: Mutex<BTreeSet<PathBuf>>,
}

/// What one folder holds: media files and `asset.json` with their stamps, and folders. Sorted by name, none hidden.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Listing {
    /// Media files.
    pub media: Vec<(String, Stamp)>,
    /// The `asset.json`.
    pub descriptor: Option<Stamp>,
    /// Names of folders.
    pub folders: Vec<String>,
}

/// What a walk found in one folder: names only.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Walked {
    /// The folder; the root is `""`.
    pub folder: String,
    /// Its media files, sorted.
    pub media: Vec<String>,
    /// Whether it holds an `asset.json`.
    pub described: bool,
}

impl Folder {
    /// The folder at `path`, which must be there and readable. Waits for the disk: for the start of the program.
    pub(super) fn new(path: &Path) -> Result<Self, Error> {
        let fail = |error| Error::from_io(&path.to_string_lossy(), error);
        let root = Root { path: path.canonicalize().map_err(fail)?, complaints: Mutex::default() };
        fs::read_dir(&root.path).map_err(fail)?;
        Ok(Self { root: Arc::new(root) })
    }

    /// What `folder` holds.
    pub(super) async fn list(&self, folder: &str) -> Result<Listing, Error> {
        self.in_pool(folder, Root::list).await
    }

    /// All folders with media, sorted by path. Links are followed, never into a folder that they stand in.
    pub(super) async fn walk(&self) -> Result<Vec<Walked>, Error> {
        self.in_pool("", |root, _| root.walk()).await
    }

    /// Which version of the file at `path` is stored.
    pub(super) async fn stat(&self, path: &str) -> Result<Stamp, Error> {
        self.in_pool(path, Root::stat).await
    }

    /// The file at `path`, held open; it calls itself `name`.
    pub(super) async fn open(&self, path: &str, name: &str, shared: &Arc<Shared>) -> Result<Object, Error> {
        let (name, shared) = (name.to_owned(), Arc::clone(shared));
        self.in_pool(path, move |root, path| root.open(path, &name, shared)).await
    }

    /// What `work` makes of its root and `path`, in the blocking pool.
    pub(super) async fn on_disk<T: Send + 'static>(
        &self,
        path: &str,
        work: impl FnOnce(&Path, &str) -> Result<T, Error> + Send + 'static,
    ) -> Result<T, Error> {
        self.in_pool(path, move |root, path| work(&root.path, path)).await
    }

    /// Where it is.
    pub(super) fn root(&self) -> &Path {
        &self.root.path
    }

    async fn in_pool<T: Send + 'static>(
        &self,
        path: &str,
        work: impl FnOnce(&Root, &str) -> Result<T, Error> + Send + 'static,
    ) -> Result<T, Error> {
        let (root, asked) = (Arc::clone(&self.root), path.to_owned());
        let done = tokio::task::spawn_blocking(move || work(&root, &asked));
        done.await.unwrap_or_else(|_| Err(Error::Abandoned { path: path.into() }))
    }
}

impl Root {
    fn list(&self, folder: &str) -> Result<Listing, Error> {
        let mut listing = Listing::default();
        for (name, metadata) in self.entries(folder)? {
            if metadata.is_dir() {
                listing.folders.push(name);
            } else if is_media(&name) {
                listing.media.push((name, Stamp::of_file(&metadata)));
            } else if name == DESCRIPTOR {
                listing.descriptor = Some(Stamp::of_file(&metadata));
            }
        }
        listing.folders.sort_unstable();
        listing.media.sort_unstable_by(|a, b| a.0.cmp(&b.0));
        Ok(listing)
    }

    fn walk(&self) -> Result<Vec<Walked>, Error> {
        let root = fs::metadata(&self.path).map_err(|error| Error::from_io("", error))?;
        let (mut walked, mut found) = (Vec::new(), 0_usize);
        let mut waiting = vec![(String::new(), vec![place(&root)])];
        while let Some((folder, above)) = waiting.pop() {
            let entries = match self.entries(&folder) {
                Ok(entries) => entries,
                Err(error) if folder.is_empty() => return Err(error),
                Err(error) => {
                    self.complain(&self.path.join(&folder), &error);
                    continue;
                }
            };
            let mut here = Walked::default();
            for (name, metadata) in entries {
                if metadata.is_dir() && above.len() <= DEPTH_LIMIT && !above.contains(&place(&metadata)) {
                    waiting.push((below(&folder, &name), [above.as_slice(), &[place(&metadata)]].concat()));
                } else if metadata.is_file() && is_media(&name) {
                    here.media.push(name);
                } else if metadata.is_file() && name == DESCRIPTOR {
                    here.described = true;
                }
            }
            found += here.media.len();
            if found > WALK_LIMIT {
                tracing::warn!(limit = WALK_LIMIT, "more media files than are listed; the rest is left out");
                break;
            }
            here.media.sort_unstable();
            if !here.media.is_empty() || here.described {
                walked.push(Walked { folder, ..here });
            }
        }
        walked.sort_unstable_by(|a, b| a.folder.cmp(&b.folder));
        Ok(walked)
    }

    fn stat(&self, path: &str) -> Result<Stamp, Error> {
        let metadata = fs::metadata(self.path.join(path)).map_err(|error| Error::from_io(path, error))?;
        if metadata.is_file() { Ok(Stamp::of_file(&metadata)) } else { Err(Error::NotAFile { path: path.into() }) }
    }

    fn open(&self, path: &str, name: &str, shared: Arc<Shared>) -> Result<Object, Error> {
        // Opening a device or a pipe has effects of its own: look first. What is opened is looked at again.
        self.stat(path)?;
        let file = OpenOptions::new().read(true).custom_flags(NONBLOCK).open(self.path.join(path));
        OpenFile::new(name, file.map_err(|error| Error::from_io(path, error))?, shared).map(Object::file)
    }

    /// Files and folders of `folder` that have plain names; links followed, pipes and devices left out.
    fn entries(&self, folder: &str) -> Result<Vec<(String, Metadata)>, Error> {
        let fail = |error| Error::from_io(folder, error);
        let mut entries = Vec::new();
        for entry in fs::read_dir(self.path.join(folder)).map_err(fail)? {
            let entry = entry.map_err(fail)?;
            entries.extend(self.known(&entry).filter(|(_, metadata)| metadata.is_dir() || metadata.is_file()));
        }
        Ok(entries)
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
        // Only what may be a folder, a media file or the descriptor is worth a stat.
        if !is_media(name) && name != DESCRIPTOR && entry.file_type().is_ok_and(|kind| kind.is_file()) {
            return None;
        }
        match fs::metadata(entry.path()) {
            Ok(metadata) => Some((name.to_owned(), metadata)),
            Err(error) => {
                // A file that went away between the listing and now is no complaint; a link to nowhere is.
                if error.kind() != io::ErrorKind::NotFound || entry.path().is_symlink() {
                    self.complain(&entry.path(), &error);
                }
                None
            }
        }
    }

    /// One log line per path, not one per look.
    fn complain(&self, path: &Path, why: &(impl std::fmt::Display + ?Sized)) {
        let mut complaints = self.complaints.lock().unwrap_or_else(PoisonError::into_inner);
        if complaints.len() < COMPLAINT_LIMIT && complaints.insert(path.to_owned()) {
            tracing::warn!(path = %path.display(), "left out: {why}");
        }
    }
}

/// What tells two folders apart.
fn place(metadata: &Metadata) -> (u64, u64) {
    (metadata.dev(), metadata.ino())
}

pub(super) fn below(folder: &str, name: &str) -> String {
    match (folder, name) {
        ("", _) => name.into(),
        (_, "") => folder.into(),
        _ => format!("{folder}/{name}"),
    }
}

#[cfg(test)]
mod tests {
    use super::{Error, Listing, Walked};
    use crate::store::Store;
    use std::ffi::OsStr;
    use std::fs;
    use std::os::unix::ffi::OsStrExt;
    use std::os::unix::fs::symlink;
    use std::path::Path;

    fn fill(root: &Path, names: &[&str]) {
        for name in names {
            let path = root.join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, name).unwrap();
        }
    }

    fn walked(folder: &str, media: &[&str]) -> Walked {
        Walked { folder: folder.into(), media: media.iter().map(ToString::to_string).collect(), described: false }
    }

    #[tokio::test]
    async fn a_listing_is_sorted_and_knows_nothing_hidden() {
        let root = tempfile::tempdir().unwrap();
        fill(root.path(), &["d/b.mp4", "d/a.MOV", "d/asset.json", "d/.c.mp4", "d/~d.mp4", "d/e.txt", "d/z/f.mp4"]);
        fill(root.path(), &["d/.staging/g.mp4", "d/y/readme"]);
        fs::write(root.path().join("d").join(OsStr::from_bytes(b"\xff.mp4")), b"").unwrap();
        let store = Store::open_folder(root.path()).unwrap();
        let listing = store.list("d").await.unwrap();
        let names: Vec<_> = listing.media.iter().map(|(name, stamp)| (name.as_str(), stamp.size())).collect();
        assert_eq!(names, [("a.MOV", 7), ("b.mp4", 7)]);
        assert_eq!(listing.folders, ["y", "z"]);
        assert_eq!(listing.descriptor, Some(store.stat("d/asset.json").await.unwrap()));
        assert_eq!(store.list("d").await.unwrap(), listing);
        assert_eq!(store.list("d/y").await.unwrap(), Listing::default());
    }

    #[tokio::test]
    async fn a_walk_follows_links_but_no_loops() {
        let root = tempfile::tempdir().unwrap();
        let other = tempfile::tempdir().unwrap();
        fill(root.path(), &["a.mp4", "d/b.mp4", "d/.x/c.mp4"]);
        fill(other.path(), &["c.mp4"]);
        symlink(root.path(), root.path().join("d/loop")).unwrap();
        symlink("d", root.path().join("d2")).unwrap();
        symlink(other.path(), root.path().join("other")).unwrap();
        symlink("nowhere", root.path().join("gone.mp4")).unwrap();
        symlink("self", root.path().join("self")).unwrap();
        symlink(other.path().join("c.mp4"), root.path().join("link.mp4")).unwrap();
        let found = Store::open_folder(root.path()).unwrap().walk().await.unwrap();
        let expected = [
            walked("", &["a.mp4", "link.mp4"]),
            walked("d", &["b.mp4"]),
            walked("d2", &["b.mp4"]),
            walked("other", &["c.mp4"]),
        ];
        assert_eq!(found, expected);
    }

    #[tokio::test]
    async fn what_is_no_file_is_refused_at_once() {
        let root = tempfile::tempdir().unwrap();
        fill(root.path(), &["a.mp4/b", "c.mp4"]);
        let made = std::process::Command::new("mkfifo").arg(root.path().join("p.mp4")).status().unwrap();
        assert!(made.success());
        symlink("/dev/zero", root.path().join("z.mp4")).unwrap();
        let store = Store::open_folder(root.path()).unwrap();
        for path in ["a.mp4", "p.mp4", "z.mp4", ""] {
            assert!(matches!(store.open(path).await, Err(Error::NotAFile { .. })), "{path}");
        }
        for path in ["d.mp4", "c.mp4/x.mp4", "../x.mp4", "/etc/passwd", "./c.mp4", "a.mp4/../c.mp4"] {
            assert!(matches!(store.open(path).await, Err(Error::NotFound { .. })), "{path}");
        }
        let listing = store.list("").await.unwrap();
        assert_eq!(listing.media.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>(), ["c.mp4"]);
        assert!(matches!(store.list("c.mp4").await, Err(Error::NotFound { .. })));
    }

    #[test]
    fn a_root_that_is_not_there_is_an_error_that_names_it() {
        let error = Store::open_folder(Path::new("/nowhere/at/all")).unwrap_err();
        assert_eq!(error.to_string(), "/nowhere/at/all: there is no such file or folder");
    }
}
