//! S3 over a socket: the real binary serves a bucket, and reports faults of the bucket or of itself.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test that panics has failed")]

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
    let gallery = disk.assets();
    assert_eq!(gallery, far.assets());
    let mut compared = 0;
    for asset in &gallery {
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

#[test]
fn one_of_50000_titles_is_found_by_few_lists() {
    let lists = [100, 50_000].map(|titles| {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("films")).unwrap();
        std::fs::copy(fixtures().join("vfr.mp4"), folder.path().join("films/0.mp4")).unwrap();
        for title in 1..titles {
            let link = folder.path().join(format!("films/{title}.mp4"));
            std::fs::hard_link(folder.path().join("films/0.mp4"), link).unwrap();
        }
        let s3 = Bucket::over(folder.path());
        // The bucket of this test lists slowly, and each request must be counted once.
        let settings = "[store]\nrefresh_remote = \"0s\"\ntimeout = \"1min\"\n";
        let far = Server::start_over(&format!("s3://{BUCKET}"), settings, &s3.environment(SECRET));
        s3.met();
        let before = s3.asked();
        assert_eq!(far.get("/vod/films/77/index.m3u8", "").status, 200);
        let found = s3.asked();
        assert_eq!(far.get("/vod/films/none/index.m3u8", "").status, 404);
        let missed = s3.asked();
        (found.0 - before.0, found.1 - before.1, missed.0 + missed.1 - found.0 - found.1)
    });
    println!("LISTs, other requests, requests for a name that is not there: {lists:?}");
    let [few, many] = lists;
    // Requests: a page of the folder; if there are more pages, the folder's asset.json and the files of the name.
    assert!(few.0 <= 1 && many.0 <= 2, "{lists:?}");
    assert!(many.1 <= few.1 + 1 && many.2 <= 3, "{lists:?}");
}

#[test]
fn a_list_of_a_bucket_opens_nothing_and_is_kept() {
    let s3 = Bucket::over(&fixtures());
    let far = Server::start_over(&format!("s3://{BUCKET}"), "", &s3.environment(SECRET));
    s3.met();
    let before = s3.asked();
    for query in ["limit=200", "q=natural", "limit=1", "after=natural"] {
        assert_eq!(far.get(&format!("/~gallery/assets.json?{query}"), "").status, 200);
    }
    let after = s3.asked();
    assert_eq!((after.0 - before.0, after.1 - before.1), (1, 0));
}

#[test]
fn names_that_are_not_there_cost_a_client_no_more_than_it_may() {
    let s3 = Bucket::over(&fixtures());
    let settings = "[http]\nmisses_per_client = 1\n";
    let far = Server::start_over(&format!("s3://{BUCKET}"), settings, &s3.environment(SECRET));
    assert_eq!(far.get("/vod/vfr/index.m3u8", "").status, 200);
    let before = s3.asked();
    let statuses: Vec<u16> =
        (0..200).map(|at| far.get(&format!("/vod/no/folder/{at}/x/index.m3u8"), "").status).collect();
    let refused = far.get("/vod/no/folder/x/y/index.m3u8", "");
    assert_eq!((refused.status, refused.header("retry-after")), (429, Some("1")), "{}", refused.text_lossy());
    let missed = statuses.iter().filter(|status| **status == 404).count();
    // A burst of ten, then one a second.
    assert!((10..=30).contains(&missed) && statuses.iter().all(|status| matches!(status, 404 | 429)), "{statuses:?}");
    let after = s3.asked();
    assert!(after.0 + after.1 - before.0 - before.1 <= 4 * missed, "{before:?} {after:?} {missed}");
    // Open assets are still served.
    assert_eq!(far.get("/vod/vfr/index.m3u8", "").status, 200);
}

/// Expects that `far` serves nothing and reports the store's name and `said`, without any secret.
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
    // Any clock differs by more than zero.
    let s3 = Bucket::with_skew(&fixtures(), Duration::ZERO);
    assert_refused(&served(&s3, BUCKET, SECRET), "s3://films", "RequestTimeTooSkewed");
}
