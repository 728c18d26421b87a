//! S3 over a socket: `s3s-fs` presents a folder, in its current state at each request, as a bucket. It lists no entity
//! tags, has no versions and ignores `If-Match`: the tests compare the responses all the same.

use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto::Builder;
use s3s::auth::SimpleAuth;
use s3s::config::{S3Config, StaticConfigProvider};
use s3s::service::S3ServiceBuilder;
use s3s_fs::FileSystem;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::runtime::Runtime;
use tokio::sync::watch;

/// Name of the bucket.
pub(crate) const BUCKET: &str = "films";

/// Access key that may read it.
const KEY: &str = "AKIDTESTONLY";
/// Secret that the reader signs with.
pub(crate) const SECRET: &str = "a secret of this test alone";

/// Tolerated clock skew of a reader.
const SKEW: Duration = Duration::from_mins(15);

/// Number of requests so far.
#[derive(Debug, Default)]
struct Asked {
    lists: AtomicUsize,
    others: AtomicUsize,
}

/// A folder as a bucket, and its server; it ends when dropped.
#[derive(Debug)]
pub(crate) struct Bucket {
    address: SocketAddr,
    asked: Arc<Asked>,
    /// Whether it refuses all connections.
    away: watch::Sender<bool>,
    /// The server's own folder: the bucket is a link in it, so that the server's notes stay in here.
    _root: TempDir,
    _runtime: Runtime,
}

impl Bucket {
    /// Presents `folder` as a bucket.
    pub(crate) fn over(folder: &Path) -> Self {
        Self::with_skew(folder, SKEW)
    }

    /// Like `over`, with another tolerated clock skew.
    pub(crate) fn with_skew(folder: &Path, skew: Duration) -> Self {
        let root = tempfile::tempdir().unwrap();
        std::os::unix::fs::symlink(folder.canonicalize().unwrap(), root.path().join(BUCKET)).unwrap();
        let mut service = S3ServiceBuilder::new(FileSystem::new(root.path()).unwrap());
        service.set_auth(SimpleAuth::from_single(KEY, SECRET));
        let mut config = S3Config::default();
        config.presigned_url_max_skew_time_secs = u32::try_from(skew.as_secs()).unwrap();
        service.set_config(Arc::new(StaticConfigProvider::new(Arc::new(config))));
        let service = service.build();
        let runtime = Runtime::new().unwrap();
        let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
        let address = listener.local_addr().unwrap();
        let (away, told) = watch::channel(false);
        let asked = Arc::new(Asked::default());
        let counted = Arc::clone(&asked);
        runtime.spawn(async move {
            let server = Builder::new(TokioExecutor::new());
            while let Ok((stream, _)) = listener.accept().await {
                let (service, counted) = (service.clone(), Arc::clone(&counted));
                let answer = hyper::service::service_fn(move |request: hyper::Request<hyper::body::Incoming>| {
                    let is_list = request.uri().query().is_some_and(|query| query.contains("list-type=2"));
                    let count = if is_list { &counted.lists } else { &counted.others };
                    count.fetch_add(1, Ordering::Relaxed);
                    hyper::service::Service::call(&service, request)
                });
                let serving = server.serve_connection(TokioIo::new(stream), answer).into_owned();
                let mut told = told.clone();
                tokio::spawn(async move {
                    tokio::select! {
                        biased;
                        _ = told.wait_for(|away| *away) => {}
                        _ = serving => {}
                    }
                });
            }
        });
        Self { address, asked, away, _root: root, _runtime: runtime }
    }

    /// Hangs up on everybody if `away`; otherwise serves again.
    #[allow(dead_code, reason = "each test crate uses a part of it")]
    pub(crate) fn goes(&self, away: bool) {
        self.away.send_replace(away);
    }

    /// Numbers of LISTs and of other requests so far.
    #[allow(dead_code, reason = "each test crate uses a part of it")]
    pub(crate) fn asked(&self) -> (usize, usize) {
        (self.asked.lists.load(Ordering::Relaxed), self.asked.others.load(Ordering::Relaxed))
    }

    /// Waits for the readiness check that a server sends at its start.
    #[allow(dead_code, reason = "each test crate uses a part of it")]
    pub(crate) fn met(&self) {
        let begun = std::time::Instant::now();
        while self.asked().0 == 0 && begun.elapsed() < Duration::from_secs(20) {
            std::thread::sleep(Duration::from_millis(20));
        }
        // The response may take long for a large listing.
        std::thread::sleep(Duration::from_millis(200));
    }

    /// The environment for a program that reads the bucket and signs with `secret`.
    pub(crate) fn environment(&self, secret: &str) -> [(&'static str, String); 5] {
        [
            ("AWS_ACCESS_KEY_ID", KEY.into()),
            ("AWS_SECRET_ACCESS_KEY", secret.into()),
            ("AWS_REGION", "us-east-1".into()),
            ("AWS_ENDPOINT", format!("http://{}", self.address)),
            ("AWS_ALLOW_HTTP", "true".into()),
        ]
    }
}
