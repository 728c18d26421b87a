//! Drafts on real storage: disks that fill up, writers that are killed, S3 played by s3s-fs and moto.
//!
//! A test that needs credentials in the environment runs in a process of its own: this program again, with one test.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "a test that panics has failed")]

#[path = "support/bucket.rs"]
mod bucket;
#[path = "support/emulator.rs"]
mod emulator;

use afflux::config;
use afflux::store::{Draft, Error, Leftover, Store, Walk};
use bucket::Bucket;
use bytes::Bytes;
use emulator::{Emulator, fill_s3};
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

const ID: &str = "01draft";
const PATH: &str = "films/night/original.mp4";
const MIB: usize = 1 << 20;

fn film(len: usize) -> Vec<u8> {
    (0..len).map(|at| u8::try_from(at.wrapping_mul(2_654_435_761) / 65_536 % 251).unwrap()).collect()
}

fn u64_of(len: usize) -> u64 {
    u64::try_from(len).unwrap()
}

/// Writes `film` from the draft's end up to `end`, and makes it durable; returns the state to store in the row.
async fn written(draft: &mut Draft, film: &[u8], end: usize) -> Result<String, Error> {
    while draft.taken() < u64_of(end) {
        let from = usize::try_from(draft.taken()).unwrap();
        let bytes = Bytes::copy_from_slice(&film[from..end.min(from + 65_536)]);
        if draft.write(bytes).await?.is_some() {
            draft.kept();
        }
    }
    let saved = draft.flush().await?;
    draft.kept();
    Ok(saved)
}

/// Number of staged files in a folder.
fn staged(root: &Path) -> usize {
    fs::read_dir(root.join(".staging")).map_or(0, Iterator::count)
}

#[tokio::test]
async fn one_writer_waits_for_the_other_but_not_for_ever() {
    let root = tempfile::tempdir().unwrap();
    let (store, film) = (Store::open_folder(root.path()).unwrap(), film(3 * MIB));
    let mut first = store.draft(ID, PATH, None, "").await.unwrap();
    let saved = written(&mut first, &film, MIB).await.unwrap();
    // The bytes that it writes from here on are not in the row.
    first.write(Bytes::copy_from_slice(&film[..=MIB])).await.unwrap();
    let begun = Instant::now();
    let busy = store.draft(ID, PATH, None, &saved).await.unwrap_err();
    assert!(matches!(busy, Error::Busy { .. }) && begun.elapsed() < Duration::from_secs(15), "{busy}");
    let (other, kept) = (store.clone(), saved.clone());
    let second = tokio::spawn(async move { other.draft(ID, PATH, None, &kept).await });
    tokio::time::sleep(Duration::from_millis(100)).await;
    drop(first);
    let mut second = second.await.unwrap().unwrap();
    assert_eq!((second.durable(), second.taken()), (u64_of(MIB), u64_of(MIB)));
    written(&mut second, &film, film.len()).await.unwrap();
    second.finish().await.unwrap();
    assert!(fs::read(root.path().join(PATH)).unwrap() == film && staged(root.path()) == 0);
}

#[tokio::test]
async fn what_is_long_is_durable_before_anyone_asks_for_it() {
    let root = tempfile::tempdir().unwrap();
    let store = Store::open_folder(root.path()).unwrap();
    let mut draft = store.draft(ID, PATH, None, "").await.unwrap();
    let (chunk, mut told) = (Bytes::from(vec![7; 300_000]), Vec::new());
    for _ in 0..240 {
        told.extend(draft.write(chunk.clone()).await.unwrap());
    }
    assert_eq!(told, [r#"{"file":{"durable":33554432}}"#, r#"{"file":{"durable":67108864}}"#]);
    assert_eq!((draft.durable(), draft.taken()), (67_108_864, 72_000_000));
}

#[tokio::test]
async fn what_is_there_is_not_written_over() {
    let root = tempfile::tempdir().unwrap();
    let store = Store::open_folder(root.path()).unwrap();
    let mut draft = store.draft(ID, PATH, None, "").await.unwrap();
    written(&mut draft, b"new", 3).await.unwrap();
    store.put(PATH, Bytes::from_static(b"old")).await.unwrap();
    assert!(matches!(draft.finish().await, Err(Error::Exists { .. })));
    assert!(matches!(store.draft("other", PATH, None, "").await, Err(Error::Exists { .. })));
    assert_eq!(fs::read(root.path().join(PATH)).unwrap(), b"old");
}

#[tokio::test]
async fn small_objects_are_put_and_removed_whole() {
    let root = tempfile::tempdir().unwrap();
    let store = Store::open_folder(root.path()).unwrap();
    assert_eq!(store.get("a/b/asset.json", 9).await.unwrap(), None);
    for text in ["one", "two and more", ""] {
        store.put("a/b/asset.json", Bytes::from_static(text.as_bytes())).await.unwrap();
        assert_eq!(store.get("a/b/asset.json", 12).await.unwrap().unwrap(), text);
    }
    store.put("a/film.mp4", Bytes::from_static(b"film")).await.unwrap();
    store.put(".staging/x/note", Bytes::from_static(b"note")).await.unwrap();
    assert!(matches!(store.get("a/film.mp4", 3).await, Err(Error::TooLarge { size: 4, limit: 3, .. })));
    assert!(matches!(store.get("a", 3).await, Err(Error::NotAFile { .. })));
    assert!(matches!(store.remove("a/b").await, Err(Error::NotAFile { .. })));
    // Lists do not contain staged files.
    assert_eq!(store.list("", 64).await.unwrap().folders, ["a"]);
    let walk = store.walk(Walk::default(), Duration::ZERO, Arc::new(|| true)).await.unwrap();
    assert_eq!(walk.folders().filter(|(_, walked)| walked.described || !walked.media.is_empty()).count(), 2);
    for path in ["a/b/asset.json", ".staging/x/note", "a/b/asset.json", "never/there"] {
        store.remove(path).await.unwrap();
    }
    assert!(!root.path().join("a/b").exists() && !root.path().join(".staging").exists());
    assert!(root.path().join("a/film.mp4").exists());
    for path in ["../a", "a/.b/c", "", ".staging", "a/.staging/b"] {
        assert!(matches!(store.put(path, Bytes::new()).await, Err(Error::ReadOnly { .. })), "{path}");
    }
    assert_eq!(store.signed_put("a/b.mp4", Duration::from_secs(9)).await.unwrap(), None);
}

#[tokio::test]
async fn puts_of_many_at_once_end_with_one_of_them() {
    let root = tempfile::tempdir().unwrap();
    let store = Store::open_folder(root.path()).unwrap();
    let tasks: Vec<_> = (0..64_u8)
        .map(|number| {
            let store = store.clone();
            tokio::spawn(async move {
                for _ in 0..8 {
                    store.put("a/b/asset.json", Bytes::from(vec![number; 50_000])).await.unwrap();
                    // Removing an object also removes its empty folder.
                    store.remove("a/b/other").await.unwrap();
                    store.put("a/b/c/other", Bytes::from(vec![number; 5])).await.unwrap();
                    store.remove("a/b/c/other").await.unwrap();
                    let seen = store.get("a/b/asset.json", 50_000).await.unwrap().unwrap();
                    assert!(seen.len() == 50_000 && seen.iter().all(|byte| *byte == seen[0]));
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    assert_eq!(staged(root.path()), 0);
}

#[test]
#[ignore = "the other process of the test that kills it"]
fn a_writer_that_is_killed() {
    let Ok(root) = std::env::var("DRAFT_ROOT") else { return };
    let saved = std::env::var("DRAFT_SAVED").unwrap();
    let film = film(12 * MIB);
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let store = Store::open_folder(Path::new(&root)).unwrap();
        let mut draft = store.draft(ID, PATH, Some(u64_of(film.len())), &saved).await.unwrap();
        while draft.taken() < u64_of(film.len()) {
            let end = film.len().min(usize::try_from(draft.taken()).unwrap() + 700_001);
            // Once the line is printed, the parent has stored the row.
            println!("saved {}", written(&mut draft, &film, end).await.unwrap());
            // Wait for the parent after each step, so that a fast writer cannot run ahead of the kill.
            std::io::stdin().read_line(&mut String::new()).unwrap();
        }
        draft.finish().await.unwrap();
        println!("finished");
    });
}

#[tokio::test]
async fn a_writer_that_is_killed_again_and_again_gets_there() {
    let root = tempfile::tempdir().unwrap();
    let (film, mut saved, mut kills) = (film(12 * MIB), String::new(), 0);
    loop {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "a_writer_that_is_killed", "--ignored", "--nocapture"])
            .env("DRAFT_ROOT", root.path())
            .env("DRAFT_SAVED", &saved)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut go = child.stdin.take().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map(Result::unwrap);
        let (mut left, mut finished) = (1 + kills % 4, false);
        for line in &mut lines {
            if let Some((_, text)) = line.split_once("saved ") {
                text.clone_into(&mut saved);
                left -= 1;
                go.write_all(b"\n").unwrap();
            }
            finished |= line.contains("finished");
            if left == 0 && !finished {
                std::thread::sleep(Duration::from_millis(3 * kills % 11));
                child.kill().unwrap();
                kills += 1;
                break;
            }
        }
        // The parent also stores states printed before the kill.
        for line in lines.filter(|line| line.contains("saved ")) {
            line.split_once("saved ").unwrap().1.clone_into(&mut saved);
        }
        child.wait().unwrap();
        if finished || root.path().join(PATH).exists() {
            break;
        }
    }
    assert!(kills > 4, "{kills}");
    assert!(fs::read(root.path().join(PATH)).unwrap() == film && staged(root.path()) == 0);
    let store = Store::open_folder(root.path()).unwrap();
    store.draft(ID, PATH, Some(u64_of(film.len())), &saved).await.unwrap().finish().await.unwrap();
}

/// A disk of limited size; unmounted when dropped.
struct SmallDisk(tempfile::TempDir);

impl SmallDisk {
    /// `None` if mounting is not allowed.
    fn new(size: &str) -> Option<Self> {
        let folder = tempfile::tempdir().unwrap();
        let options = format!("size={size}");
        let made = Command::new("mount").args(["-t", "tmpfs", "-o", &options, "tmpfs"]).arg(folder.path()).output();
        if made.is_ok_and(|made| made.status.success()) {
            return Some(Self(folder));
        }
        println!("skipped: no tmpfs may be mounted here");
        None
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // A lazy unmount: open files keep the disk until they are closed.
        let _ = Command::new("umount").arg("-l").arg(self.0.path()).status();
    }
}

#[tokio::test]
async fn a_full_disk_is_told_and_loses_nothing_that_was_durable() {
    let Some(disk) = SmallDisk::new("8m") else { return };
    let root = disk.0.path();
    let (store, film) = (Store::open_folder(root).unwrap(), film(6 * MIB));
    let ballast = root.join("ballast");
    fs::write(&ballast, vec![1; 4 * MIB]).unwrap();
    let mut draft = store.draft(ID, PATH, None, "").await.unwrap();
    let saved = written(&mut draft, &film, 3 * MIB).await.unwrap();
    let full = written(&mut draft, &film, film.len()).await.unwrap_err();
    assert!(matches!(full, Error::Full { .. }), "{full}");
    assert_eq!(draft.durable(), u64_of(3 * MIB));
    let full = store.put("a/asset.json", Bytes::from(vec![1; 2 * MIB])).await.unwrap_err();
    assert!(matches!(full, Error::Full { .. }) && staged(root) == 1, "{full}");
    // The same draft can continue when there is room, and so can one that is opened anew.
    fs::remove_file(&ballast).unwrap();
    written(&mut draft, &film, 4 * MIB).await.unwrap();
    drop(draft);
    let mut draft = store.draft(ID, PATH, None, &saved).await.unwrap();
    assert_eq!(draft.taken(), u64_of(3 * MIB));
    written(&mut draft, &film, film.len()).await.unwrap();
    draft.finish().await.unwrap();
    assert!(fs::read(root.join(PATH)).unwrap() == film && staged(root) == 0);
}

#[tokio::test]
async fn a_link_to_another_disk_is_written_through() {
    let Some(disk) = SmallDisk::new("8m") else { return };
    let root = tempfile::tempdir().unwrap();
    std::os::unix::fs::symlink(disk.0.path(), root.path().join("films")).unwrap();
    let (store, film) = (Store::open_folder(root.path()).unwrap(), film(2 * MIB));
    let mut draft = store.draft(ID, PATH, None, "").await.unwrap();
    written(&mut draft, &film, film.len()).await.unwrap();
    draft.finish().await.unwrap();
    store.put("films/night/asset.json", Bytes::from_static(b"{}")).await.unwrap();
    assert!(fs::read(disk.0.path().join("night/original.mp4")).unwrap() == film && staged(root.path()) == 0);
    let names = fs::read_dir(disk.0.path().join("night")).unwrap().count();
    assert_eq!(names, 2);
}

#[test]
fn what_is_only_read_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let text = format!(
        "[store]\nurl = \"file://{}\"\nfallback = {{ url = \"memory:\" }}\n[[store.mounts]]\nprefix = \"web\"\nurl = \"https://media.example/films\"\n[[store.mounts]]\nprefix = \"memory\"\nurl = \"memory:\"\n",
        folder.path().display()
    );
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let store = Store::of_settings(&settings(&text), 0).unwrap();
        let why = "web/a.mp4: cannot be written: https://media.example/films is a web server, which is only read";
        assert_eq!(store.check_writable("web/a.mp4").unwrap_err().to_string(), why);
        assert_eq!(store.put("web/a.mp4", Bytes::new()).await.unwrap_err().to_string(), why);
        assert_eq!(store.draft(ID, "web/a.mp4", None, "").await.unwrap_err().to_string(), why);
        for path in ["a.mp4", "memory/a.mp4"] {
            store.check_writable(path).unwrap();
            let mut draft = store.draft(ID, path, None, "").await.unwrap();
            written(&mut draft, b"film", 4).await.unwrap();
            draft.finish().await.unwrap();
            assert_eq!(store.get(path, 4).await.unwrap().unwrap(), "film");
        }
        assert!(folder.path().join("a.mp4").exists());
    });
}

fn settings(text: &str) -> config::StoreConfig {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("config.toml");
    fs::write(&file, text).unwrap();
    config::Config::load(Some(&file), config::Overrides::default()).unwrap().store
}

/// The store that this process's environment names. Without one, runs `test` again in a child process with
/// `environment`, and returns `None`.
fn far(test: &str, endpoint: &str, environment: &[(&str, String)]) -> Option<Store> {
    if std::env::var("DRAFT_FAR").is_ok() {
        let endpoint = std::env::var("DRAFT_FAR").unwrap();
        let reached = format!("{{ endpoint = \"{endpoint}\", region = \"us-east-1\", allow_http = true }}");
        let toml = format!("[store]\nurl = \"s3://films/house\"\noptions = {reached}\n");
        return Some(Store::of_settings(&settings(&toml), 0).unwrap());
    }
    let mut again = Command::new(std::env::current_exe().unwrap());
    again.args(["--exact", test, "--nocapture"]).envs(environment.iter().cloned()).env("DRAFT_FAR", endpoint);
    assert!(again.status().unwrap().success());
    None
}

/// The life of a draft in an S3 bucket, each step by another writer.
async fn lived(store: &Store) {
    let film = film(19 * MIB + 5);
    let length = Some(u64_of(film.len()));
    let mut saved = String::new();
    for end in [3 * MIB, 9 * MIB, 9 * MIB + 1, 19 * MIB, film.len()] {
        let mut draft = store.draft(ID, PATH, length, &saved).await.unwrap();
        saved = written(&mut draft, &film, end).await.unwrap();
        // These bytes are never acknowledged.
        draft.write(Bytes::from(vec![1; 100])).await.unwrap();
    }
    assert!(store.seek(PATH).await.unwrap().is_none());
    for _ in 0..2 {
        store.draft(ID, PATH, length, &saved).await.unwrap().finish().await.unwrap();
    }
    assert!(store.get(PATH, u64_of(film.len())).await.unwrap().unwrap() == film);
    // A draft that is smaller than a part.
    let mut small = store.draft("02small", "small.mp4", None, "").await.unwrap();
    let saved = written(&mut small, &film, 5_000).await.unwrap();
    small.finish().await.unwrap();
    store.draft("02small", "small.mp4", None, &saved).await.unwrap().finish().await.unwrap();
    assert!(store.get("small.mp4", 5_000).await.unwrap().unwrap() == film[..5_000]);
    // A draft that is given up.
    let mut lost = store.draft("03lost", "lost.mp4", None, "").await.unwrap();
    let saved = written(&mut lost, &film, 10 * MIB).await.unwrap();
    drop(lost);
    store.discard_draft("03lost", "lost.mp4", &saved).await.unwrap();
    assert!(store.seek("lost.mp4").await.unwrap().is_none());
    store.put("night/asset.json", Bytes::from_static(b"{}")).await.unwrap();
    store.remove("night/asset.json").await.unwrap();
    assert_eq!(store.get("night/asset.json", 9).await.unwrap(), None);
}

#[test]
fn a_bucket_of_s3s_fs_takes_drafts() {
    let folder = tempfile::tempdir().unwrap();
    let bucket = Bucket::over(folder.path());
    let environment = bucket.environment(bucket::SECRET);
    let endpoint = environment[3].1.clone();
    let Some(store) = far("a_bucket_of_s3s_fs_takes_drafts", &endpoint, &environment) else {
        let left: Vec<_> = walk(folder.path());
        assert_eq!(left, ["house/films/night/original.mp4", "house/small.mp4"]);
        return;
    };
    tokio::runtime::Runtime::new().unwrap().block_on(lived(&store));
}

/// All files below `root`.
fn walk(root: &Path) -> Vec<String> {
    let (mut files, mut folders) = (Vec::new(), vec![root.to_owned()]);
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                files.push(path.strip_prefix(root).unwrap().to_str().unwrap().to_owned());
            }
        }
    }
    files.sort();
    files
}

/// Number of multipart uploads in moto.
fn uploads(endpoint: &str) -> usize {
    let mut curl = Command::new("curl");
    let listed = curl.args(["-s", "--fail", &format!("{endpoint}/films?uploads")]).output().unwrap();
    assert!(listed.status.success());
    String::from_utf8(listed.stdout).unwrap().matches("<Upload>").count()
}

#[test]
fn in_moto_no_upload_is_forgotten() {
    let test = "in_moto_no_upload_is_forgotten";
    if std::env::var("DRAFT_FAR").is_err() {
        let (s3, none) = (Emulator::s3(), tempfile::tempdir().unwrap());
        fill_s3(&s3, "films", none.path(), &[]);
        let keys = ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"].map(|name| (name, "any".into()));
        assert!(far(test, &s3.endpoint, &keys).is_none());
        return;
    }
    let store = far(test, "", &[]).unwrap();
    let endpoint = std::env::var("DRAFT_FAR").unwrap();
    tokio::runtime::Runtime::new().unwrap().block_on(async {
        lived(&store).await;
        assert_eq!(uploads(&endpoint), 0);
        let film = film(10 * MIB);
        // Their writers crashed before any row was stored: giving up the draft finds one by its path, finishing finds
        // one, a sweep finds one.
        for path in ["given-up.mp4", "finished.mp4", "swept & gone.mp4"] {
            let mut draft = store.draft(ID, path, None, "").await.unwrap();
            written(&mut draft, &film, film.len()).await.unwrap();
        }
        assert_eq!(uploads(&endpoint), 3);
        store.discard_draft(ID, "given-up.mp4", "").await.unwrap();
        assert_eq!(uploads(&endpoint), 2);
        let mut draft = store.draft(ID, "finished.mp4", None, "").await.unwrap();
        written(&mut draft, &film, film.len()).await.unwrap();
        draft.finish().await.unwrap();
        assert_eq!(uploads(&endpoint), 1);
        // An upload of another user, whose key begins like ours.
        let mut curl = Command::new("curl");
        let begun = curl.args(["-s", "--fail", "-X", "POST", &format!("{endpoint}/films/housemate.mp4?uploads")]);
        assert!(begun.stdout(Stdio::null()).status().unwrap().success());
        let now = SystemTime::now();
        assert_eq!(store.sweep_drafts(SystemTime::UNIX_EPOCH, async |_| false).await.unwrap(), 0);
        let known = async |left: Leftover| {
            assert_eq!(left, Leftover::Parts("swept & gone.mp4".into()));
            true
        };
        assert_eq!(store.sweep_drafts(now, known).await.unwrap(), 0);
        assert_eq!(store.sweep_drafts(now, async |_| false).await.unwrap(), 1);
        assert_eq!(uploads(&endpoint), 1);

        // A client without credentials PUTs by a signed URL.
        let url = store.signed_put("direct.mp4", Duration::from_mins(1)).await.unwrap().unwrap();
        assert!(url.starts_with(&format!("{endpoint}/films/house/direct.mp4?X-Amz-")), "{url}");
        let kind = ["-H", "Content-Type: video/mp4"];
        let mut curl = Command::new("curl");
        let put = curl.args(["-s", "--fail", "-X", "PUT", "-d", "film", &url]).args(kind).status().unwrap();
        assert!(put.success());
        assert_eq!(store.get("direct.mp4", 4).await.unwrap().unwrap(), "film");
    });
}
