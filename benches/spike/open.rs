//! Open-loop load: requests arrive at a given rate whether the server keeps up or not. A latency counts from the moment
//! at which its request was due, so that waiting for a connection, or for this program, is not hidden.

use crate::chance::Chance;
use crate::client::Connection;
use crate::load::{Tally, Walk, ask};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use tokio::task::{JoinSet, yield_now};
use tokio::time::sleep;

/// For shorter waits the generator polls the clock instead of sleeping, as timers have a resolution of a millisecond.
const SPIN: Duration = Duration::from_millis(2);

/// Most connections at once; a request that finds none free waits, and its latency grows.
const CONNECTIONS: usize = 2_000;

/// A period with one request rate.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Phase {
    /// Arrivals per second.
    pub(crate) rate: f64,
    pub(crate) lasts: Duration,
}

/// Latency of one request, in milliseconds, and the time when it was due, in seconds.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Point {
    pub(crate) due: f64,
    pub(crate) waited: f64,
}

/// Sends requests as `phases` say.
pub(crate) async fn open(address: SocketAddr, walk: &Arc<Walk>, phases: &[Phase]) -> (Tally, Vec<Point>) {
    let (mut chance, idle) = (Chance::new(7), Arc::new(Mutex::new(Vec::new())));
    let slots = Arc::new(tokio::sync::Semaphore::new(CONNECTIONS));
    let (began, mut due) = (Instant::now(), Duration::ZERO);
    let (mut under_way, mut end) = (JoinSet::new(), Duration::ZERO);
    let (mut tally, mut points) = (Tally::default(), Vec::new());
    for phase in phases {
        end += phase.lasts;
        while due < end {
            wait_until(began + due).await;
            let (walk, idle, slots) = (Arc::clone(walk), Arc::clone(&idle), Arc::clone(&slots));
            under_way.spawn(async move {
                let _slot = slots.acquire().await;
                (due, once(address, &walk, &idle, began + due).await)
            });
            while let Some(done) = under_way.try_join_next() {
                take(done.unwrap(), &mut tally, &mut points);
            }
            due += Duration::from_secs_f64(chance.pause(phase.rate));
        }
        due = due.min(end);
    }
    while let Some(done) = under_way.join_next().await {
        take(done.unwrap(), &mut tally, &mut points);
    }
    (tally.sorted(), points)
}

fn take((due, one): (Duration, Tally), tally: &mut Tally, points: &mut Vec<Point>) {
    let waits = one.latencies.iter().map(|micros| f64::from(*micros) / 1e3);
    points.extend(waits.map(|waited| Point { due: due.as_secs_f64(), waited }));
    tally.join(one);
}

async fn wait_until(due: Instant) {
    loop {
        let left = due.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return;
        }
        match left.checked_sub(SPIN) {
            Some(nap) => sleep(nap).await,
            None => yield_now().await,
        }
    }
}

async fn once(address: SocketAddr, walk: &Walk, idle: &Mutex<Vec<Connection>>, due: Instant) -> Tally {
    let mut tally = Tally::default();
    let kept = idle.lock().unwrap().pop();
    let connection = match kept {
        Some(connection) => Ok(connection),
        None => Connection::open(address).await,
    };
    match connection {
        Ok(mut connection) => {
            if ask(&mut connection, walk.next(), due, &mut tally).await {
                idle.lock().unwrap().push(connection);
            }
        }
        Err(error) => tally.wrong(error.to_string()),
    }
    tally
}
