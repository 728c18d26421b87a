//! A minimal S3 server for a read-only bucket: `ListObjectsV2`, `HeadObject`, `GetObject` of a range with `If-Match`,
//! in path style. Keys have no slashes, signatures are not checked, and each response comes a round trip after its
//! request. `s3s-fs`, which the tests use, would hash a whole file for each response.

use crate::requests::{Asked, Kind, Log};
use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::header::{CONTENT_LENGTH, CONTENT_RANGE, ETAG, IF_MATCH, LAST_MODIFIED, RANGE};
use hyper::http::response::Builder;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use std::convert::Infallible;
use std::fs::{self, File};
use std::net::SocketAddr;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::sleep;
use std::time::{Duration, Instant};
use tokio::net::{TcpListener, TcpStream};

/// Delay of each response.
pub(crate) const ROUND_TRIP: Duration = Duration::from_millis(20);

/// Name of the bucket.
pub(crate) const BUCKET: &str = "films";

/// Time of writing of all objects, in the formats of listings and of responses.
const WRITTEN: [&str; 2] = ["2026-01-01T00:00:00.000Z", "Thu, 01 Jan 2026 00:00:00 GMT"];

/// The server; it runs as long as its runtime.
#[derive(Debug)]
pub(crate) struct S3 {
    address: SocketAddr,
    shelf: Arc<Shelf>,
}

/// The bucket's objects, and the log of requests.
#[derive(Debug)]
struct Shelf {
    objects: Vec<Object>,
    log: Log,
    under_way: AtomicUsize,
}

#[derive(Debug)]
struct Object {
    key: String,
    tag: String,
    size: u64,
    file: File,
}

/// The relevant parts of a request.
struct Wanted {
    method: Method,
    path: String,
    query: String,
    range: Option<String>,
    if_match: Option<String>,
}

impl S3 {
    /// Starts a server for the files in `folder`.
    pub(crate) async fn start(folder: &Path) -> Self {
        let mut objects: Vec<Object> = fs::read_dir(folder).unwrap().map(|entry| Object::of(&entry.unwrap())).collect();
        objects.sort_by(|a, b| a.key.cmp(&b.key));
        let shelf = Arc::new(Shelf { objects, log: Log::default(), under_way: AtomicUsize::new(0) });
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let shelves = Arc::clone(&shelf);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, Arc::clone(&shelves)));
            }
        });
        Self { address, shelf }
    }

    /// The line of settings with which Afflux reaches the server.
    pub(crate) fn settings(&self) -> String {
        format!(
            "options = {{ endpoint = \"http://{}\", region = \"us-east-1\", path_style = true, allow_http = true }}\n",
            self.address
        )
    }

    /// Requests since the last call.
    pub(crate) fn take(&self) -> Vec<Asked> {
        self.shelf.log.take()
    }

    /// Waits until a request arrives.
    pub(crate) async fn asked(&self) {
        while self.shelf.log.is_empty() {
            tokio::time::sleep(ROUND_TRIP / 4).await;
        }
    }

    /// Waits until no request has been in flight for a round trip.
    pub(crate) async fn quiet(&self) {
        let (mut since, patience) = (Instant::now(), ROUND_TRIP);
        while since.elapsed() < patience {
            tokio::time::sleep(ROUND_TRIP / 10).await;
            if self.shelf.under_way.load(Ordering::Relaxed) > 0 {
                since = Instant::now();
            }
        }
    }
}

async fn serve(stream: TcpStream, shelf: Arc<Shelf>) {
    stream.set_nodelay(true).unwrap();
    let answering = service_fn(move |request| answer(request, Arc::clone(&shelf)));
    // A killed client hangs up: that is no error.
    let _ended = http1::Builder::new().serve_connection(TokioIo::new(stream), answering).await;
}

async fn answer(request: Request<Incoming>, shelf: Arc<Shelf>) -> Result<Response<Full<Bytes>>, Infallible> {
    let arrived = Instant::now();
    shelf.under_way.fetch_add(1, Ordering::Relaxed);
    let header = |name| request.headers().get(name).map(|value| value.to_str().unwrap().to_owned());
    let wanted = Wanted {
        method: request.method().clone(),
        path: request.uri().path().to_owned(),
        query: request.uri().query().unwrap_or_default().to_owned(),
        range: header(RANGE),
        if_match: header(IF_MATCH),
    };
    // A timer of the runtime would be late by a millisecond.
    let answered = tokio::task::spawn_blocking(move || {
        let (kind, answer) = shelf.answer(&wanted);
        sleep((arrived + ROUND_TRIP).saturating_duration_since(Instant::now()));
        let bytes = hyper::body::Body::size_hint(answer.body()).exact().unwrap_or(0);
        shelf.log.push(Asked { kind, bytes, arrived, answered: Instant::now() });
        shelf.under_way.fetch_sub(1, Ordering::Relaxed);
        answer
    });
    Ok(answered.await.unwrap())
}

impl Shelf {
    fn answer(&self, wanted: &Wanted) -> (Kind, Response<Full<Bytes>>) {
        let key = wanted.path.trim_start_matches('/').strip_prefix(BUCKET).expect("the bucket").trim_start_matches('/');
        if key.is_empty() {
            return (Kind::List, finished(Response::builder(), self.list(&wanted.query)));
        }
        let kind = if wanted.method == Method::HEAD { Kind::Head } else { Kind::Get };
        let Some(object) = self.objects.iter().find(|object| object.key == key) else {
            return (kind, finished(Response::builder().status(StatusCode::NOT_FOUND), Vec::new()));
        };
        if wanted.if_match.as_ref().is_some_and(|tag| *tag != object.tag) {
            return (kind, finished(Response::builder().status(StatusCode::PRECONDITION_FAILED), Vec::new()));
        }
        let builder = Response::builder().header(ETAG, &object.tag).header(LAST_MODIFIED, WRITTEN[1]);
        match kind {
            Kind::Head => (kind, finished(builder.header(CONTENT_LENGTH, object.size), Vec::new())),
            Kind::List | Kind::Get => (kind, object.part(builder, wanted.range.as_deref().expect("a range"))),
        }
    }

    /// Keys have no slashes, so a delimiter makes no difference.
    fn list(&self, query: &str) -> Vec<u8> {
        let prefix = query.split('&').find_map(|pair| pair.strip_prefix("prefix=")).unwrap_or_default();
        let listed = self.objects.iter().filter(|object| object.key.starts_with(prefix));
        let contents: String = listed.map(Object::listed).collect();
        format!("<ListBucketResult><IsTruncated>false</IsTruncated>{contents}</ListBucketResult>").into_bytes()
    }
}

impl Object {
    fn of(entry: &fs::DirEntry) -> Self {
        let key = entry.file_name().into_string().unwrap();
        let size = entry.metadata().unwrap().len();
        Self { tag: format!("\"{key}-{size}\""), key, size, file: File::open(entry.path()).unwrap() }
    }

    fn listed(&self) -> String {
        let Self { key, tag, size, .. } = self;
        let (written, tag) = (WRITTEN[0], tag.replace('"', "&quot;"));
        format!(
            "<Contents><Key>{key}</Key><LastModified>{written}</LastModified><ETag>{tag}</ETag><Size>{size}</Size></Contents>"
        )
    }

    /// The bytes of `range`, `bytes=first-last`.
    fn part(&self, builder: Builder, range: &str) -> Response<Full<Bytes>> {
        let (first, last) = range.strip_prefix("bytes=").and_then(|range| range.split_once('-')).unwrap();
        let (first, last) = (first.parse::<u64>().unwrap(), last.parse::<u64>().unwrap().min(self.size - 1));
        let mut bytes = vec![0; usize::try_from(last + 1 - first).unwrap()];
        self.file.read_exact_at(&mut bytes, first).unwrap();
        let builder = builder.status(StatusCode::PARTIAL_CONTENT);
        finished(builder.header(CONTENT_RANGE, format!("bytes {first}-{last}/{}", self.size)), bytes)
    }
}

fn finished(builder: Builder, bytes: Vec<u8>) -> Response<Full<Bytes>> {
    builder.body(Full::new(bytes.into())).unwrap()
}
