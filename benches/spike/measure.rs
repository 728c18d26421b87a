//! One window of load, with its cost to the server; and windows of several servers in turn, compared pair by pair.

use crate::client::Connection;
use crate::load::{Tally, Walk, closed, connect};
use crate::process::{Process, own_seconds};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// A server, the requests to it, and the number of connections.
#[derive(Debug, Clone)]
pub(crate) struct Lane {
    pub(crate) name: &'static str,
    pub(crate) process: Process,
    pub(crate) address: SocketAddr,
    pub(crate) walk: Arc<Walk>,
    pub(crate) connections: usize,
}

/// Measurements of one window.
#[derive(Debug)]
pub(crate) struct Window {
    pub(crate) tally: Tally,
    pub(crate) seconds: f64,
    /// Processor seconds of the server.
    pub(crate) server: f64,
    /// Processor seconds of this program.
    pub(crate) client: f64,
    /// Bytes that the server read from files.
    pub(crate) read: u64,
    /// Resident bytes of the server, and their peak.
    pub(crate) memory: [u64; 2],
}

impl Window {
    /// Measures `process` while `load` runs.
    pub(crate) async fn of(process: Process, load: impl Future<Output = Tally>) -> Self {
        process.forget_peak();
        let (server, client, read) = (process.seconds(), own_seconds(), process.bytes_read());
        let began = Instant::now();
        let tally = load.await;
        Self {
            seconds: began.elapsed().as_secs_f64(),
            server: process.seconds() - server,
            client: own_seconds() - client,
            read: process.bytes_read() - read,
            memory: [process.memory(), process.peak()],
            tally,
        }
    }

    pub(crate) fn seconds_per_gigabyte(&self) -> f64 {
        self.server / (self.tally.bytes as f64 / 1e9)
    }

    pub(crate) fn micros_per_request(&self) -> f64 {
        self.server * 1e6 / self.tally.requests as f64
    }

    pub(crate) fn requests_per_second(&self) -> f64 {
        self.tally.requests as f64 / self.seconds
    }

    pub(crate) fn megabytes_per_second(&self) -> f64 {
        self.tally.bytes as f64 / 1e6 / self.seconds
    }

    pub(crate) fn read_per_byte(&self) -> f64 {
        self.read as f64 / self.tally.bytes as f64
    }
}

impl Lane {
    /// Runs its load for `duration`.
    pub(crate) async fn window(&self, duration: Duration) -> Window {
        let connections: Vec<Connection> = connect(self.address, self.connections).await;
        Window::of(self.process, closed(connections, &self.walk, duration)).await
    }
}

/// Windows of each lane, in turn, `rounds` times.
pub(crate) async fn interleaved(lanes: &[Lane], rounds: usize, duration: Duration) -> Vec<Vec<Window>> {
    let mut windows: Vec<Vec<Window>> = lanes.iter().map(|_| Vec::new()).collect();
    // Not counted: brings caches and processors to a steady state.
    for lane in lanes {
        lane.window(duration / 2).await;
    }
    for round in 0..rounds {
        for at in 0..lanes.len() {
            // Each lane follows each other one in some round.
            let at = (at + round) % lanes.len();
            windows[at].push(lanes[at].window(duration).await);
        }
    }
    windows
}

/// A figure of two lanes as quotients of the windows of each round: minimum, median, maximum.
pub(crate) fn quotients(ours: &[Window], theirs: &[Window], figure: impl Fn(&Window) -> f64) -> [f64; 3] {
    let mut quotients: Vec<f64> = ours.iter().zip(theirs).map(|(ours, theirs)| figure(ours) / figure(theirs)).collect();
    quotients.sort_by(f64::total_cmp);
    [quotients[0], quotients[quotients.len() / 2], quotients[quotients.len() - 1]]
}

/// The median of a figure.
pub(crate) fn median(windows: &[Window], figure: impl Fn(&Window) -> f64) -> f64 {
    let mut figures: Vec<f64> = windows.iter().map(figure).collect();
    figures.sort_by(f64::total_cmp);
    figures[figures.len() / 2]
}
