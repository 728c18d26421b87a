//! Tests of listings, lookups and walks of a local folder.

use super::LinkPolicy;
use super::folder::LocalFolder;
use super::root::Root;
use super::walker::Walker;
use crate::store::walk::StoreFolders;
use crate::store::{Error, Listing, StillWanted, Store};
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
    let root = Root::new(root, following).unwrap();
    Walker { root: &root, before, settle: Duration::ZERO, wanted: &wanted }.walk().unwrap()
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
    let all: [(&str, &[&str]); 3] = [("", &["a.mp4", "in.mp4", "out.mp4"]), ("d", &["b.mp4"]), ("other", &["c.mp4"])];
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
    let root = Root::new(root.path(), LinkPolicy::Within).unwrap();
    let before = StoreFolders::default();
    let ended = Walker { root: &root, before: &before, settle: Duration::ZERO, wanted: &wanted }.walk();
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

#[tokio::test]
async fn a_root_that_is_no_folder_any_more_is_not_ready() {
    let root = tempfile::tempdir().unwrap();
    let path = root.path().join("films");
    fs::create_dir(&path).unwrap();
    let store = Store::open_folder(&path).unwrap();
    store.ping().await.unwrap();
    fs::remove_dir(&path).unwrap();
    assert!(matches!(store.ping().await, Err(Error::NotFound { .. })));
    fs::write(&path, "").unwrap();
    assert!(matches!(store.ping().await, Err(Error::NotFound { .. })));
}
