//! S3 over a socket: `s3s-fs` serves a folder as buckets, the real binary serves what is in one of them. It tells no
//! entity tags in listings and does not listen to `If-Match`: what is answered is compared all the same.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "what panics here fails a test")]

mod support;

use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto::Builder;
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

/// What `url` stands for where `folder` is the place of the playlist that names it.
fn resolved(folder: &str, reference: &str) -> String {
    let mut parts: Vec<&str> = folder.split('/').collect();
    for part in reference.split('/') {
        if part == ".." {
            parts.pop();
        } else {
            parts.push(part);
        }
    }
    parts.join("/")
}

/// Every URL that the playlist at `url` names, and those that they name.
fn all(server: &Server, url: &str) -> Vec<String> {
    let text = server.get(url, "");
    assert_eq!(text.status, 200, "{url}: {}", text.text_lossy());
    let folder = url.rsplit_once('/').unwrap().0;
    let quoted = |line: &str| line.split_once("URI=\"").and_then(|(_, rest)| Some(rest.split_once('"')?.0.to_owned()));
    let mut named: Vec<String> = text
        .text()
        .lines()
        .filter_map(|line| if line.starts_with('#') { quoted(line) } else { Some(line.to_owned()) })
        .filter(|line| !line.is_empty())
        .map(|line| resolved(folder, &line))
        .collect();
    let below = named
        .iter()
        .filter(|url| url.rsplit_once('.').is_some_and(|(_, end)| end == "m3u8"))
        .flat_map(|url| all(server, url))
        .collect::<Vec<_>>();
    named.extend(below);
    named
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
        let mut urls = vec![format!("/vod/{id}/index.m3u8"), format!("/vod/{id}/index.mpd")];
        urls.extend(all(&disk, &urls[0]));
        if asset["ts"].is_string() {
            urls.extend(all(&disk, &format!("/vod/{id}/ts.m3u8")));
        }
        for url in urls {
            let told = [&disk, &far].map(|server| {
                let answer = server.get(&url, "");
                (answer.status, answer.header("etag").map(str::to_owned), answer.body)
            });
            assert!(told[0] == told[1] && told[0].0 == 200, "{url} differs: {} and {}", told[0].0, told[1].0);
            compared += 1;
        }
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
