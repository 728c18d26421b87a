//! A local folder as a store: lists it and opens its files. All disk access runs in the blocking pool.

use super::open_file::OpenFile;
use crate::media::DESCRIPTOR;
use crate::store::context::StoreContext;
use crate::store::error::Error;
use crate::store::listing::{Listing, NAMES_LIMIT};
use crate::store::name::{is_hidden, is_media, is_plain_name, spellings};
use crate::store::object::Object;
use crate::store::stamp::Stamp;
use crate::store::walk::{StillWanted, StoreFolders, Tree, Walker};
use std::collections::BTreeSet;
use std::fs::{self, DirEntry, Metadata, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// `O_NONBLOCK`: opening a pipe that took a file's place must not wait for a writer.
#[cfg(any(target_os = "linux", target_os = "android"))]
const NONBLOCK: i32 = 0o4000;
/// `O_NONBLOCK`: opening a pipe that took a file's place must not wait for a writer.
#[cfg(not(any(target_os = "linux", target_os = "android")))]
const NONBLOCK: i32 = 0x4;

/// Most paths whose problems are logged; further ones are left out silently.
const COMPLAINT_LIMIT: usize = 1_024;

/// A local folder. Clones share it.
#[derive(Debug, Clone)]
pub(in crate::store) struct LocalFolder {
    root: Arc<Root>,
}

#[derive(Debug)]
struct Root {
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

impl LocalFolder {
    /// Opens the folder at `path`; an error unless it exists and is readable. Blocks on the disk, so call it only at
    /// program start.
    pub(in crate::store) fn new(path: &Path, following: LinkPolicy) -> Result<Self, Error> {
        let fail = |error| Error::from_io(&path.to_string_lossy(), error);
        let root = Root { path: path.canonicalize().map_err(fail)?, following, complaints: Mutex::default() };
        fs::read_dir(&root.path).map_err(fail)?;
        Ok(Self { root: Arc::new(root) })
    }

    /// Lists `folder`. The listing is marked as large if there are more than `most` media files or a thousand names.
    pub(in crate::store) async fn list(&self, folder: &str, most: usize) -> Result<Listing, Error> {
        self.in_pool(folder, move |root, folder| root.list(folder, most)).await
    }

    /// Finds the media files in `folder` whose name without extension is `stem`, and the folder of that name.
    pub(in crate::store) async fn find(&self, folder: &str, stem: &str) -> Result<Listing, Error> {
        let stem = stem.to_owned();
        self.in_pool(folder, move |root, folder| root.find(folder, &stem)).await
    }

    /// Checks that the root folder can be read.
    pub(in crate::store) async fn ping(&self) -> Result<(), Error> {
        self.in_pool("", |root, _| fs::read_dir(&root.path).map(drop).map_err(|error| Error::from_io("", error))).await
    }

    /// Lists the names in all folders; `before` is the result of the last walk.
    pub(in crate::store) async fn walk(
        &self,
        before: &Arc<StoreFolders>,
        settle: Duration,
        wanted: &StillWanted,
    ) -> Result<StoreFolders, Error> {
        let (before, wanted) = (Arc::clone(before), Arc::clone(wanted));
        self.in_pool("", move |root, _| Walker { before: &before, settle, wanted: &wanted }.walk(root)).await
    }

    /// Stamp of the file at `path`.
    pub(in crate::store) async fn stat(&self, path: &str) -> Result<Stamp, Error> {
        self.in_pool(path, Root::stat).await
    }

    /// Opens the file at `path`; the object reports `name` as its path.
    pub(in crate::store) async fn open(
        &self,
        path: &str,
        name: &str,
        shared: &Arc<StoreContext>,
    ) -> Result<Object, Error> {
        let (name, shared) = (name.to_owned(), Arc::clone(shared));
        self.in_pool(path, move |root, path| root.open(path, &name, shared)).await
    }

    /// Runs `work` with the root folder and `path` in the blocking pool.
    pub(in crate::store) async fn on_disk<T: Send + 'static>(
        &self,
        path: &str,
        work: impl FnOnce(&Path, &str) -> Result<T, Error> + Send + 'static,
    ) -> Result<T, Error> {
        self.in_pool(path, move |root, path| work(&root.path, path)).await
    }

    /// Path of the root folder.
    pub(in crate::store) fn root(&self) -> &Path {
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
    fn list(&self, folder: &str, most: usize) -> Result<Listing, Error> {
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

    fn find(&self, folder: &str, stem: &str) -> Result<Listing, Error> {
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

    fn stat(&self, path: &str) -> Result<Stamp, Error> {
        let full = self.path.join(path);
        let metadata = fs::metadata(&full).map_err(|error| Error::from_io(path, error))?;
        if !metadata.is_file() {
            return Err(Error::NotAFile { path: path.into() });
        }
        if self.may_follow(&full) { Ok(Stamp::of_file(&metadata)) } else { Err(Error::NotFound { path: path.into() }) }
    }

    fn open(&self, path: &str, name: &str, shared: Arc<StoreContext>) -> Result<Object, Error> {
        // Opening a device or a pipe has side effects, so check the type first. `OpenFile::new` checks the opened file
        // again.
        self.stat(path)?;
        let file = OpenOptions::new().read(true).custom_flags(NONBLOCK).open(self.path.join(path));
        OpenFile::new(name, file.map_err(|error| Error::from_io(path, error))?, shared).map(Object::file)
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
}

impl Tree for Root {
    fn metadata(&self, path: &str) -> Option<Metadata> {
        fs::metadata(self.path.join(path)).ok()
    }

    fn follow(&self, path: &str) -> Option<Metadata> {
        let metadata = self.metadata(path)?;
        self.may_follow_found(&self.path.join(path)).then_some(metadata)
    }

    fn read(&self, folder: &str) -> Result<fs::ReadDir, Error> {
        fs::read_dir(self.path.join(folder)).map_err(|error| Error::from_io(folder, error))
    }

    fn complain(&self, path: &str, why: &dyn std::fmt::Display) {
        Self::complain(self, &self.path.join(path), why);
    }
}

pub(in crate::store) fn below(folder: &str, name: &str) -> String {
    match (folder, name) {
        ("", _) => name.into(),
        (_, "") => folder.into(),
        _ => format!("{folder}/{name}"),
    }
}

#[cfg(test)]
mod tests {
    use super::{Error, LinkPolicy, Listing, LocalFolder, Walker};
    use crate::store::walk::StoreFolders;
    use crate::store::{StillWanted, Store};
    use std::ffi::OsStr;
    use std::fs;
    use std::os::unix::ffi::OsStrExt;
    use std::os::unix::fs::symlink;
    use std::path::Path;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::time::{Duration, SystemTime};

    fn fill(root: &Path, names: &[&str]) {
        for name in names {
            let path = root.join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, name).unwrap();
        }
    }

    /// The folders that a walk finds, with their media.
    fn walked(root: &Path, following: LinkPolicy, before: &StoreFolders) -> Vec<(String, Vec<String>)> {
        let part = part(root, following, before);
        part.folders.into_iter().map(|(folder, walked)| (folder, walked.media.clone())).collect()
    }

    fn part(root: &Path, following: LinkPolicy, before: &StoreFolders) -> StoreFolders {
        let wanted: StillWanted = Arc::new(|| true);
        let folder = LocalFolder::new(root, following).unwrap();
        Walker { before, settle: Duration::ZERO, wanted: &wanted }.walk(&*folder.root).unwrap()
    }

    fn named(found: &[(&str, &[&str])]) -> Vec<(String, Vec<String>)> {
        let names = |names: &[&str]| names.iter().map(ToString::to_string).collect();
        found.iter().map(|(folder, media)| ((*folder).to_owned(), names(media))).collect()
    }

    #[tokio::test]
    async fn a_listing_is_sorted_and_knows_nothing_hidden() {
        let root = tempfile::tempdir().unwrap();
        fill(root.path(), &["d/b.mp4", "d/a.MOV", "d/asset.json", "d/.c.mp4", "d/~d.mp4", "d/e.txt", "d/z/f.mp4"]);
        fill(root.path(), &["d/.staging/g.mp4", "d/y/readme"]);
        fs::write(root.path().join("d").join(OsStr::from_bytes(b"\xff.mp4")), b"").unwrap();
        let store = Store::open_folder(root.path()).unwrap();
        let listing = store.list("d", 64).await.unwrap();
        let names: Vec<_> = listing.media.iter().map(|(name, stamp)| (name.as_str(), stamp.size())).collect();
        assert_eq!(names, [("a.MOV", 7), ("b.mp4", 7)]);
        assert_eq!(listing.folders, ["y", "z"]);
        assert_eq!(listing.descriptor, Some(store.stat("d/asset.json").await.unwrap()));
        assert_eq!(store.list("d", 64).await.unwrap(), listing);
        assert_eq!(store.list("d/y", 64).await.unwrap(), Listing::default());
    }

    #[tokio::test]
    async fn a_walk_finds_each_real_folder_once_and_leaves_the_store_only_where_links_may_lead_anywhere() {
        let root = tempfile::tempdir().unwrap();
        let other = tempfile::tempdir().unwrap();
        fill(root.path(), &["a.mp4", "d/b.mp4", "d/.x/c.mp4"]);
        fill(other.path(), &["c.mp4"]);
        symlink(root.path(), root.path().join("d/loop")).unwrap();
        symlink("d", root.path().join("c")).unwrap();
        symlink("d/b.mp4", root.path().join("in.mp4")).unwrap();
        symlink(other.path(), root.path().join("other")).unwrap();
        symlink("nowhere", root.path().join("gone.mp4")).unwrap();
        symlink("self", root.path().join("self")).unwrap();
        symlink(other.path().join("c.mp4"), root.path().join("out.mp4")).unwrap();
        let within = walked(root.path(), LinkPolicy::Within, &StoreFolders::default());
        assert_eq!(within, named(&[("", &["a.mp4", "in.mp4"]), ("d", &["b.mp4"])]));
        let anywhere = walked(root.path(), LinkPolicy::Anywhere, &StoreFolders::default());
        let all: [(&str, &[&str]); 3] =
            [("", &["a.mp4", "in.mp4", "out.mp4"]), ("d", &["b.mp4"]), ("other", &["c.mp4"])];
        assert_eq!(anywhere, named(&all));
        let folder = LocalFolder::new(root.path(), LinkPolicy::Within).unwrap();
        for path in ["out.mp4", "other/c.mp4"] {
            assert!(matches!(folder.stat(path).await, Err(Error::NotFound { .. })), "{path}");
        }
        assert!(matches!(folder.list("other", 64).await, Err(Error::NotFound { .. })));
        assert_eq!(folder.find("", "out").await.unwrap(), Listing::default());
        assert_eq!(folder.find("", "other").await.unwrap(), Listing::default());
        assert!(folder.stat("in.mp4").await.is_ok() && folder.stat("c/b.mp4").await.is_ok());
        let listing = folder.list("", 64).await.unwrap();
        let media: Vec<&str> = listing.media.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!((media, listing.folders), (vec!["a.mp4", "in.mp4"], vec!["c".to_owned(), "d".to_owned()]));
        let free = LocalFolder::new(root.path(), LinkPolicy::Anywhere).unwrap();
        assert!(free.stat("other/c.mp4").await.is_ok() && free.stat("out.mp4").await.is_ok());
    }

    #[test]
    fn two_links_from_each_folder_to_the_next_are_no_more_work() {
        let root = tempfile::tempdir().unwrap();
        for number in 0..15 {
            fill(root.path(), &[&format!("{number}/a.mp4")]);
        }
        for number in 0..14 {
            for link in ["x", "y"] {
                symlink(format!("../{}", number + 1), root.path().join(format!("{number}/{link}"))).unwrap();
            }
        }
        assert_eq!(walked(root.path(), LinkPolicy::Within, &StoreFolders::default()).len(), 16);
    }

    #[test]
    fn a_folder_that_did_not_change_is_not_read_again_and_one_that_did_is() {
        let root = tempfile::tempdir().unwrap();
        fill(root.path(), &["a.mp4", "d/b.mp4", "d/c.mkv", "e/f.mp4"]);
        let long_ago = SystemTime::now() - Duration::from_hours(1);
        // Only the kernel sets a folder's ctime, so wait until it is older than the tick of a walk.
        std::thread::sleep(Duration::from_millis(3_100));
        let first = part(root.path(), LinkPolicy::Within, &StoreFolders::default());
        fill(root.path(), &["e/g.mp4"]);
        fs::File::open(root.path().join("e/g.mp4")).unwrap().set_modified(long_ago).unwrap();
        let second = part(root.path(), LinkPolicy::Within, &first);
        for (folder, same) in [("", true), ("d", true), ("e", false)] {
            assert_eq!(Arc::ptr_eq(&first.folders[folder], &second.folders[folder]), same, "{folder}");
        }
        assert_eq!(second.folders["e"].media, ["f.mp4", "g.mp4"]);
        assert_eq!(
            (second.folders["d"].ignored, second.folders["d"].ignored_names.as_slice()),
            (1, &["c.mkv".to_owned()][..])
        );
    }

    #[test]
    fn a_walk_ends_when_nobody_wants_it() {
        let root = tempfile::tempdir().unwrap();
        fill(root.path(), &["a/a.mp4", "b/b.mp4", "c/c.mp4"]);
        let asked = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&asked);
        let wanted: StillWanted = Arc::new(move || count.fetch_add(1, Ordering::Relaxed) < 3);
        let folder = LocalFolder::new(root.path(), LinkPolicy::Within).unwrap();
        let ended =
            Walker { before: &StoreFolders::default(), settle: Duration::ZERO, wanted: &wanted }.walk(&*folder.root);
        assert!(matches!(ended, Err(Error::Abandoned { .. })));
        assert_eq!(asked.load(Ordering::Relaxed), 4);
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
        let listing = store.list("", 64).await.unwrap();
        assert_eq!(listing.media.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>(), ["c.mp4"]);
        assert!(matches!(store.list("c.mp4", 64).await, Err(Error::NotFound { .. })));
    }

    #[test]
    fn a_root_that_is_not_there_is_an_error_that_names_it() {
        let error = Store::open_folder(Path::new("/nowhere/at/all")).unwrap_err();
        assert_eq!(error.to_string(), "/nowhere/at/all: there is no such file or folder");
    }
}
