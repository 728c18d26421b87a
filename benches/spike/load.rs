//! Closed-loop load: a number of connections, each sending its next request as soon as it has the last response.

use crate::client::{Connection, request};
use std::fmt::Display;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};
use tokio::task::JoinSet;

/// Most errors that are recorded.
const TOLD: usize = 5;

/// A request, and the status that its response must have.
#[derive(Debug, Clone)]
pub(crate) struct Wish {
    pub(crate) request: Vec<u8>,
    pub(crate) status: u16,
}

impl Wish {
    /// A GET of the whole resource.
    pub(crate) fn whole(path: &str) -> Self {
        Self { request: request(path, ""), status: 200 }
    }

    /// A GET of the bytes that a `Range` header with `range` names.
    pub(crate) fn range(path: &str, range: &str) -> Self {
        Self { request: request(path, &format!("Range: bytes={range}\r\n")), status: 206 }
    }

    /// Message for a different result.
    pub(crate) fn unlike(&self, got: &impl Display) -> String {
        let line = self.request.split(|byte| *byte == b'\r').next().unwrap_or_default();
        format!("{got} for {}", String::from_utf8_lossy(line))
    }
}

/// A sequence of requests, repeated for ever.
#[derive(Debug)]
pub(crate) struct Walk {
    wishes: Vec<Wish>,
    next: AtomicUsize,
}

impl Walk {
    pub(crate) fn new(wishes: Vec<Wish>) -> Arc<Self> {
        assert!(!wishes.is_empty(), "a walk needs at least one request");
        Arc::new(Self { wishes, next: AtomicUsize::new(0) })
    }

    /// Whole responses of all paths.
    pub(crate) fn whole(paths: &[String]) -> Arc<Self> {
        Self::new(paths.iter().map(|path| Wish::whole(path)).collect())
    }

    /// One range of each path.
    pub(crate) fn ranges(paths: &[String], range: &str) -> Arc<Self> {
        Self::new(paths.iter().map(|path| Wish::range(path, range)).collect())
    }

    /// The next request.
    pub(crate) fn next(&self) -> &Wish {
        &self.wishes[self.next.fetch_add(1, Ordering::Relaxed) % self.wishes.len()]
    }
}

/// Results of clients.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    /// Complete responses.
    pub(crate) requests: u64,
    /// Bytes of their bodies.
    pub(crate) bytes: u64,
    /// Latency of each response, in microseconds; sorted by [`Tally::sorted`].
    pub(crate) latencies: Vec<u32>,
    /// Wrong or missing responses.
    pub(crate) errors: u64,
    /// Messages of the first of them.
    pub(crate) told: Vec<String>,
}

impl Tally {
    /// Counts a complete response.
    pub(crate) fn add(&mut self, bytes: u64, took: Duration) {
        self.requests += 1;
        self.bytes += bytes;
        self.latencies.push(took.as_micros() as u32);
    }

    /// Counts an error.
    pub(crate) fn wrong(&mut self, what: String) {
        self.errors += 1;
        if self.told.len() < TOLD {
            self.told.push(what);
        }
    }

    /// Adds the results of `other`.
    pub(crate) fn join(&mut self, other: Self) {
        self.requests += other.requests;
        self.bytes += other.bytes;
        self.latencies.extend(other.latencies);
        self.errors += other.errors;
        self.told.extend(other.told);
        self.told.truncate(TOLD);
    }

    /// Sorts the latencies.
    pub(crate) fn sorted(mut self) -> Self {
        self.latencies.sort_unstable();
        self
    }

    /// The latency below which `of_thousand` of a thousand responses are, in milliseconds.
    pub(crate) fn quantile(&self, of_thousand: usize) -> f64 {
        let at = (self.latencies.len() * of_thousand / 1_000).min(self.latencies.len().saturating_sub(1));
        self.latencies.get(at).map_or(f64::NAN, |micros| f64::from(*micros) / 1_000.0)
    }
}

/// Opens connections.
pub(crate) async fn connect(address: SocketAddr, count: usize) -> Vec<Connection> {
    let mut open = Vec::with_capacity(count);
    for _ in 0..count {
        open.push(Connection::open(address).await.expect("the server accepts"));
    }
    open
}

/// Lets `connections` walk until `duration` has passed and their last responses are complete.
pub(crate) async fn closed(connections: Vec<Connection>, walk: &Arc<Walk>, duration: Duration) -> Tally {
    let end = Instant::now() + duration;
    let mut walkers = JoinSet::new();
    for connection in connections {
        walkers.spawn(walker(connection, Arc::clone(walk), end));
    }
    let mut all = Tally::default();
    while let Some(tally) = walkers.join_next().await {
        all.join(tally.expect("a client does not panic"));
    }
    all.sorted()
}

async fn walker(mut connection: Connection, walk: Arc<Walk>, end: Instant) -> Tally {
    let mut tally = Tally::default();
    while Instant::now() < end {
        let wish = walk.next();
        let asked = Instant::now();
        if !ask(&mut connection, wish, asked, &mut tally).await {
            break;
        }
    }
    tally
}

/// Sends one request, with a latency that counts from `since`. Returns whether the connection is still usable.
pub(crate) async fn ask(connection: &mut Connection, wish: &Wish, since: Instant, tally: &mut Tally) -> bool {
    match connection.get(&wish.request).await {
        Ok(answer) if answer.status == wish.status => tally.add(answer.length, since.elapsed()),
        Ok(answer) => tally.wrong(wish.unlike(&answer.status)),
        Err(error) => {
            tally.wrong(wish.unlike(&error));
            return false;
        }
    }
    true
}
