//! S3 over a socket: `s3s-fs` serves a folder as buckets, the real binary serves what is in one of them. It tells no
//! entity tags in listings and does not listen to `If-Match`: what is answered is compared all the same.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "what panics here fails a test")]

#[path = "support/playlists.rs"]
mod playlists;
mod support;

use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto::Builder;
use playlists::{all, same};
use s3s::auth::SimpleAuth;
use s3s::service::S3ServiceBuilder;
use s3s_fs::FileSystem;
use std::net::SocketAddr;
use std::path::Path;
use std::time::{Duration, Instant};
use support::{Server, fixtures};
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::runtime::Runtime;

const KEY: &str = "AKIDTESTONLY";
const SECRET: &str = "a secret of this test alone";
const BUCKET: &str = "films";

/// A bucket with the fixtures, and its server.
struct S3 {
    root: TempDir,
    address: SocketAddr,
    _runtime: Runtime,
}

impl S3 {
    fn start() -> Self {
        let root = tempfile::tempdir().unwrap();
        copy(&fixtures(), &root.path().join(BUCKET));
        let runtime = Runtime::new().unwrap();
        let mut service = S3ServiceBuilder::new(FileSystem::new(root.path()).unwrap());
        service.set_auth(SimpleAuth::from_single(KEY, SECRET));
        let service = service.build();
        let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
        let address = listener.local_addr().unwrap();
        runtime.spawn(async move {
            let server = Builder::new(TokioExecutor::new());
            while let Ok((stream, _)) = listener.accept().await {
                let serving = server.serve_connection(TokioIo::new(stream), service.clone()).into_owned();
                tokio::spawn(serving);
            }
        });
        Self { root, address, _runtime: runtime }
    }

    /// A server over `bucket` that has these keys.
    fn served(&self, bucket: &str, secret: &str) -> Server {
        let endpoint = format!("http://{}", self.address);
        let environment = [
            ("AWS_ACCESS_KEY_ID", KEY),
            ("AWS_SECRET_ACCESS_KEY", secret),
            ("AWS_REGION", "us-east-1"),
            ("AWS_ENDPOINT", &endpoint),
            ("AWS_ALLOW_HTTP", "true"),
        ];
        Server::start_over(&format!("s3://{bucket}"), "[store]\nrefresh_remote = \"0s\"\n", &environment)
    }
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let place = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy(&entry.path(), &place);
        } else {
            std::fs::copy(entry.path(), place).unwrap();
        }
    }
}

#[test]
fn a_bucket_serves_what_a_folder_serves() {
    let s3 = S3::start();
    let (disk, far) = (Server::start(&fixtures(), &[]), s3.served(BUCKET, SECRET));
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
    let s3 = S3::start();
    let far = s3.served(BUCKET, SECRET);
    let old = far.get("/vod/vfr/index.m3u8", "");
    let bucket = s3.root.path().join(BUCKET);
    std::fs::copy(bucket.join("co64.mp4"), bucket.join("vfr.mp4")).unwrap();
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
fn wrong_credentials_and_missing_buckets_are_told_and_nothing_else_is_served_for_them() {
    let s3 = S3::start();
    for (bucket, secret, said) in [(BUCKET, "wrong", "SignatureDoesNotMatch"), ("nothing", SECRET, "NoSuchBucket")] {
        let far = s3.served(bucket, secret);
        let ready = far.private("/readyz");
        assert_eq!(ready.status, 503, "{}", ready.text_lossy());
        assert!(ready.text_lossy().contains(said), "{}", ready.text_lossy());
        assert!(ready.text_lossy().contains(&format!("s3://{bucket}")), "{}", ready.text_lossy());
        let answer = far.get("/vod/vfr/index.m3u8", "");
        assert_eq!(answer.status, 502, "{}", answer.text_lossy());
        assert_eq!(answer.header("content-type"), Some("application/problem+json"));
        assert!(answer.text_lossy().contains(said) && answer.header("retry-after").is_some());
        assert!(!answer.text_lossy().contains(secret));
    }
}
