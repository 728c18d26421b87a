//! A whole server in this process over object stores that the test controls, and a player's requests to it.

#![allow(dead_code, reason = "each test crate uses a part of it")]

#[path = "reel.rs"]
mod reel;

use super::faults::Faulty;
use super::support::{Answer, Client};
use afflux::catalog::{self, Catalog, IndexPersistence};
use afflux::config::Config;
use afflux::http::{Handlers, Server};
use afflux::metrics::Metrics;
use afflux::origin::{self, Origin};
use afflux::plan;
use afflux::store::{RemoteTimeouts, Store};
use object_store::ObjectStoreExt;
use object_store::memory::InMemory;
use object_store::path::Path;
use std::net::SocketAddr;
use std::sync::{Arc, OnceLock};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::runtime::Runtime;
use tokio_util::sync::CancellationToken;

/// A minute of video that does not compress well, with audio: well interleaved, 2 Mbit/s.
pub(crate) fn film() -> Vec<u8> {
    static FILM: OnceLock<Vec<u8>> = OnceLock::new();
    FILM.get_or_init(|| reel::reel(1)).clone()
}

pub(crate) fn runtime() -> &'static Runtime {
    static RUNTIME: OnceLock<Runtime> = OnceLock::new();
    RUNTIME.get_or_init(|| Runtime::new().unwrap())
}

/// An in-memory store with these objects.
pub(crate) fn memory(objects: &[(&str, Vec<u8>)]) -> Faulty {
    let store = Faulty::new(Arc::new(InMemory::new()), 1);
    for (name, bytes) in objects {
        put(&store, name, bytes.clone());
    }
    store.take();
    store
}

/// Puts an object, replacing any of its name.
pub(crate) fn put(store: &Faulty, name: &str, bytes: Vec<u8>) {
    runtime().block_on(store.put(&Path::parse(name).unwrap(), bytes.into())).unwrap();
}

/// The bytes of an object, if it exists; not counted as a request.
pub(crate) fn object(store: &Faulty, name: &str) -> Option<Vec<u8>> {
    let got = runtime().block_on(async { store.inner().get(&Path::parse(name).unwrap()).await?.bytes().await });
    got.ok().map(|bytes| bytes.to_vec())
}

/// Removes an object.
pub(crate) fn remove(store: &Faulty, name: &str) {
    runtime().block_on(store.delete(&Path::parse(name).unwrap())).unwrap();
}

/// A server over stores. It runs until the process ends.
#[derive(Debug)]
pub(crate) struct Site {
    public: SocketAddr,
    private: SocketAddr,
    stop: CancellationToken,
}

impl Drop for Site {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

impl Site {
    /// A server over `stores`, tried in order.
    pub(crate) fn over(stores: Vec<Faulty>) -> Self {
        Self::sized(stores, 256 << 20, 64 << 20)
    }

    /// Like `over`, with `segments` bytes of cache for segments, of which `blocks` for blocks.
    pub(crate) fn sized(stores: Vec<Faulty>, segments: u64, blocks: u64) -> Self {
        let stores = stores.into_iter().map(|store| Arc::new(store) as _).collect();
        let patience = RemoteTimeouts { timeout: Duration::from_secs(2) };
        Self::of(|| Store::over_all(stores, patience, blocks), segments)
    }

    /// A server over `store`, with places for index files.
    pub(crate) fn lasting(store: &Faulty, places: &IndexPersistence) -> Self {
        let stores = vec![Arc::new(store.clone()) as _];
        Self::begun(|| Store::over_all(stores, RemoteTimeouts::default(), 64 << 20), 256 << 20, places)
    }

    fn of(store: impl FnOnce() -> Store, segments: u64) -> Self {
        Self::begun(store, segments, &IndexPersistence::default())
    }

    fn begun(store: impl FnOnce() -> Store, segments: u64, places: &IndexPersistence) -> Self {
        let _inside = runtime().enter();
        let metrics = Arc::new(Metrics::new());
        let store = store().with_metrics(Arc::clone(&metrics));
        let settings = catalog::Settings::new(plan::Settings { target_millis: 6_000 });
        let catalog = Catalog::lasting(store, settings, Arc::clone(&metrics), places).unwrap();
        let settings = origin::Settings {
            segment_bytes: segments,
            manifest_bytes: 32 << 20,
            making_bytes: segments / 4,
            making_wait: Duration::from_secs(5),
            sendfile: false,
            files: true,
            bounds: origin::ManifestLimits::default(),
        };
        let origin = Arc::new(Origin::new(catalog, settings, Arc::clone(&metrics)));
        let mut config = Config::default();
        (config.listen.public, config.listen.private) =
            ("127.0.0.1:0".parse().unwrap(), "127.0.0.1:0".parse().unwrap());
        let server = Server::bind(&config).unwrap();
        let (public, private) = server.addresses().unwrap();
        let stop = CancellationToken::new();
        runtime().spawn(server.run(Handlers { origin, metrics, api: None, uploads: None, access: None }, stop.clone()));
        Self { public, private, stop }
    }

    /// The response to a GET; status 0 if it is cut off.
    pub(crate) fn get(&self, path: &str) -> Answer {
        asked(self.public, path)
    }

    /// The response of the private listener.
    pub(crate) fn private(&self, path: &str) -> Answer {
        asked(self.private, path)
    }

    /// Value of a counter or gauge.
    pub(crate) fn metric(&self, name: &str) -> u64 {
        let metrics = self.private("/metrics");
        let value = metrics.text().lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' ')?.parse().ok());
        value.unwrap_or(0)
    }

    /// Waits until read-ahead has finished.
    pub(crate) fn settle(&self) {
        let read = || self.metric("afflux_source_read_bytes_total");
        let mut before = read();
        loop {
            std::thread::sleep(Duration::from_millis(40));
            let now = read();
            if now == before {
                return;
            }
            before = now;
        }
    }

    /// Bodies that `clients` simultaneous clients get.
    pub(crate) fn crowd(&self, clients: usize, path: &str) -> Vec<Vec<u8>> {
        let request = format!("GET {path} HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n");
        let asking = (0..clients).map(|_| {
            let (address, request) = (self.public, request.clone());
            runtime().spawn(async move {
                let mut stream = TcpStream::connect(address).await.unwrap();
                stream.write_all(request.as_bytes()).await.unwrap();
                let mut answer = Vec::new();
                stream.read_to_end(&mut answer).await.unwrap();
                let head = answer.windows(4).position(|four| four == b"\r\n\r\n").unwrap();
                assert!(answer.starts_with(b"HTTP/1.1 200"), "{}", String::from_utf8_lossy(&answer[..head]));
                answer.split_off(head + 4)
            })
        });
        let asking: Vec<_> = asking.collect();
        asking.into_iter().map(|asked| runtime().block_on(asked).unwrap()).collect()
    }
}

fn asked(address: SocketAddr, path: &str) -> Answer {
    let mut client = Client::connect(address);
    client.send(&format!("GET {path} HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n"));
    client.answer("GET")
}

/// Media playlists and segments of an asset, as an HLS player learns them.
#[derive(Debug)]
pub(crate) struct Talk {
    /// URLs of the segments of each rendition, in the order of the multivariant playlist.
    renditions: Vec<Vec<String>>,
}

impl Talk {
    pub(crate) fn of(site: &Site, asset: &str) -> Self {
        let base = format!("/vod/{asset}/");
        let master = site.get(&format!("{base}index.m3u8"));
        assert_eq!(master.status, 200, "{}", master.text_lossy());
        let quoted = |line: &str| {
            line.split_once("URI=\"").and_then(|(_, rest)| rest.split_once('"')).map(|(uri, _)| uri.to_owned())
        };
        let mut playlists = Vec::new();
        for line in master.text().lines() {
            playlists.extend(if line.starts_with('#') { quoted(line) } else { Some(line.to_owned()) });
        }
        playlists.sort();
        playlists.dedup();
        let segments = |playlist: &String| {
            let url = resolved(base.trim_end_matches('/'), playlist);
            let text = site.get(&url);
            let folder = url.rsplit_once('/').unwrap().0.to_owned();
            let lines = text.text().lines().filter(|line| !line.starts_with('#') && !line.is_empty());
            lines.map(|line| resolved(&folder, line)).collect::<Vec<_>>()
        };
        Self { renditions: playlists.iter().map(segments).collect() }
    }

    pub(crate) fn segments(&self) -> usize {
        self.renditions.iter().map(Vec::len).max().unwrap()
    }

    /// Segment `number`, counted from 0, of each rendition.
    pub(crate) fn segment(&self, number: usize) -> Vec<String> {
        self.renditions.iter().filter_map(|urls| urls.get(number).cloned()).collect()
    }

    /// All segments, in the order of a player's requests.
    pub(crate) fn all(&self) -> Vec<String> {
        (0..self.segments()).flat_map(|number| self.segment(number)).collect()
    }
}

/// Resolves `reference` in `folder` (RFC 3986 §5.2).
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

/// Compares a table of a document, between `<!-- name -->` and `<!-- /name -->`, with a test's result;
/// `UPDATE_GOLDEN=1` rewrites it.
pub(crate) fn check_table(document: &str, name: &str, table: &str) {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join(document);
    let text = std::fs::read_to_string(&path).unwrap();
    let (from, to) = (format!("<!-- {name} -->\n"), format!("<!-- /{name} -->"));
    let (before, rest) = text.split_once(&from).unwrap();
    let (found, after) = rest.split_once(&to).unwrap();
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(&path, format!("{before}{from}{table}{to}{after}")).unwrap();
        return;
    }
    assert_eq!(found, table, "{document}: UPDATE_GOLDEN=1 writes it");
}
