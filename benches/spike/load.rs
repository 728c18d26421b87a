//! Closed-loop load: so many connections, each asking for the next thing as soon as it has the last.

use crate::client::{Connection, request};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};
use tokio::task::JoinSet;

/// Mistakes that are kept to be told.
const TOLD: usize = 5;

/// What is asked for, in turn and over again.
#[derive(Debug)]
pub(crate) struct Walk {
    requests: Vec<Vec<u8>>,
    status: u16,
    next: AtomicUsize,
}

impl Walk {
    /// GETs of whole bodies.
    pub(crate) fn new(paths: &[String]) -> Arc<Self> {
        Self::of(paths.iter().map(|path| request(path, "")).collect(), 200)
    }

    /// GETs of one range of each.
    pub(crate) fn ranges(paths: &[String], range: &str) -> Arc<Self> {
        let headers = format!("Range: bytes={range}\r\n");
        Self::of(paths.iter().map(|path| request(path, &headers)).collect(), 206)
    }

    fn of(requests: Vec<Vec<u8>>, status: u16) -> Arc<Self> {
        assert!(!requests.is_empty(), "something is asked for");
        Arc::new(Self { requests, status, next: AtomicUsize::new(0) })
    }

    /// The next request.
    pub(crate) fn next(&self) -> &[u8] {
        &self.requests[self.next.fetch_add(1, Ordering::Relaxed) % self.requests.len()]
    }

    /// The status that its answers have.
    pub(crate) const fn status(&self) -> u16 {
        self.status
    }
}

/// What clients saw.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    /// Answers that were complete.
    pub(crate) requests: u64,
    /// Bytes of their bodies.
    pub(crate) bytes: u64,
    /// How long each took, in microseconds; sorted by [`Tally::sorted`].
    pub(crate) latencies: Vec<u32>,
    /// Answers that were wrong, or not there.
    pub(crate) errors: u64,
    /// The first of them.
    pub(crate) told: Vec<String>,
}

impl Tally {
    /// A complete answer.
    pub(crate) fn add(&mut self, bytes: u64, took: Duration) {
        self.requests += 1;
        self.bytes += bytes;
        self.latencies.push(took.as_micros() as u32);
    }

    /// A mistake.
    pub(crate) fn wrong(&mut self, what: String) {
        self.errors += 1;
        if self.told.len() < TOLD {
            self.told.push(what);
        }
    }

    /// Both together.
    pub(crate) fn join(&mut self, other: Self) {
        self.requests += other.requests;
        self.bytes += other.bytes;
        self.latencies.extend(other.latencies);
        self.errors += other.errors;
        self.told.extend(other.told);
        self.told.truncate(TOLD);
    }

    /// With latencies in order.
    pub(crate) fn sorted(mut self) -> Self {
        self.latencies.sort_unstable();
        self
    }

    /// The latency below which so many of a thousand are, in milliseconds.
    pub(crate) fn quantile(&self, of_thousand: usize) -> f64 {
        let at = (self.latencies.len() * of_thousand / 1_000).min(self.latencies.len().saturating_sub(1));
        self.latencies.get(at).map_or(f64::NAN, |micros| f64::from(*micros) / 1_000.0)
    }
}

/// Connections that are open.
pub(crate) async fn connect(address: SocketAddr, count: usize) -> Vec<Connection> {
    let mut open = Vec::with_capacity(count);
    for _ in 0..count {
        open.push(Connection::open(address).await.expect("the server accepts"));
    }
    open
}

/// Lets `connections` walk until `duration` is over and the last answer is complete.
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
        let request = walk.next();
        let asked = Instant::now();
        match connection.get(request).await {
            Ok(answer) if answer.status == walk.status() => tally.add(answer.length, asked.elapsed()),
            Ok(answer) => tally.wrong(format!("{} for {}", answer.status, String::from_utf8_lossy(request))),
            Err(error) => {
                tally.wrong(format!("{error} for {}", String::from_utf8_lossy(request)));
                break;
            }
        }
    }
    tally
}
