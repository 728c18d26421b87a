//! S3 over a socket: the real binary serves what is in a bucket, and says what is wrong with the bucket or with itself.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "what panics here fails a test")]

#[path = "support/playlists.rs"]
mod playlists;
mod support;

use playlists::{all, same};
use std::time::{Duration, Instant};
use support::bucket::{BUCKET, Bucket, SECRET};
use support::{Server, fixtures, on_disk_only};

/// A server over `bucket` of `s3` that signs with `secret`.
fn served(s3: &Bucket, bucket: &str, secret: &str) -> Server {
    let settings = "[store]\nrefresh_remote = \"0s\"\n";
    Server::start_over(&format!("s3://{bucket}"), settings, &s3.environment(secret))
}

#[test]
fn a_bucket_serves_what_a_folder_serves() {
    if on_disk_only("it compares a disk with a bucket") {
        return;
    }
    let s3 = Bucket::over(&fixtures());
    let (disk, far) = (Server::start(&fixtures(), &[]), served(&s3, BUCKET, SECRET));
    let gallery = disk.get("/~gallery/assets.json", "").json();
    assert_eq!(gallery, far.get("/~gallery/assets.json", "").json());
    let mut compared = 0;
    for asset in gallery["assets"].as_array().unwrap() {
        let Some(id) = asset["hls"].as_str().map(|_| asset["id"].as_str().unwrap()) else { continue };
        compared += same(&disk, &far, id, asset["ts"].is_string());
    }
    assert!(compared > 100, "{compared}");
}

#[test]
fn a_replaced_object_is_a_new_version() {
    let folder = tempfile::tempdir().unwrap();
    for name in ["vfr.mp4", "co64.mp4"] {
        std::fs::copy(fixtures().join(name), folder.path().join(name)).unwrap();
    }
    let s3 = Bucket::over(folder.path());
    let far = served(&s3, BUCKET, SECRET);
    let old = far.get("/vod/vfr/index.m3u8", "");
    std::fs::copy(folder.path().join("co64.mp4"), folder.path().join("vfr.mp4")).unwrap();
    let deadline = Instant::now() + Duration::from_secs(10);
    while far.get("/vod/vfr/index.m3u8", "").body == old.body {
        assert!(Instant::now() < deadline, "the new version is not seen");
        std::thread::sleep(Duration::from_millis(50));
    }
    for url in all(&far, "/vod/vfr/index.m3u8") {
        assert_eq!(far.get(&url, "").status, 200, "{url}");
    }
}

/// Expects that `far` serves nothing, and says why: the store's name and `said`, and no secret.
#[track_caller]
fn assert_refused(far: &Server, url: &str, said: &str) {
    let ready = far.private("/readyz");
    assert_eq!(ready.status, 503, "{}", ready.text_lossy());
    assert!(ready.text_lossy().contains(said), "{}", ready.text_lossy());
    assert!(ready.text_lossy().contains(url), "{}", ready.text_lossy());
    let answer = far.get("/vod/vfr/index.m3u8", "");
    assert_eq!(answer.status, 502, "{}", answer.text_lossy());
    assert_eq!(answer.header("content-type"), Some("application/problem+json"));
    assert!(answer.text_lossy().contains(said) && answer.header("retry-after").is_some());
    assert!(!answer.text_lossy().contains(SECRET));
}

#[test]
fn wrong_credentials_and_missing_buckets_are_told_and_nothing_else_is_served_for_them() {
    let s3 = Bucket::over(&fixtures());
    assert_refused(&served(&s3, BUCKET, "wrong"), "s3://films", "SignatureDoesNotMatch");
    assert_refused(&served(&s3, "nothing", SECRET), "s3://nothing", "NoSuchBucket");
}

#[test]
fn a_clock_that_is_wrong_is_told_by_the_name_that_s3_has_for_it() {
    // Any clock is off by more than no time at all.
    let s3 = Bucket::with_skew(&fixtures(), Duration::ZERO);
    assert_refused(&served(&s3, BUCKET, SECRET), "s3://films", "RequestTimeTooSkewed");
}
