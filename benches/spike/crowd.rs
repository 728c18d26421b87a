//! Crowds on one title: simultaneous clients, who must share one build, and slow readers, who must cost almost nothing.

use crate::client::{Connection, request};
use crate::load::Tally;
use crate::measure::Window;
use crate::origin::Afflux;
use crate::process::socket_memory;
use crate::stage::{Bench, Settings, Stage};
use crate::table::{Table, mebibytes, met};
use crate::title::Title;
use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};
use tokio::task::JoinSet;
use tokio::time::{sleep, sleep_until};
use tokio_util::sync::CancellationToken;

const KEPT: Settings =
    Settings { segments: "512MiB", manifests: "32MiB", making: "64MiB", target: "6s", sendfile: true };
/// Segments being built take their room from the cache, all of it if that is at most half.
const SMALL: Settings =
    Settings { segments: "64MiB", manifests: "32MiB", making: "32MiB", target: "6s", sendfile: true };

/// Bytes that may be in the making at once.
const MAKING: u64 = 64 << 20;

/// Time within which a herd arrives.
const ARRIVAL: Duration = Duration::from_secs(1);

/// Bytes that a slow reader reads at once, and the interval: 64 kB/s.
const SIP: u64 = 16 << 10;
const SIP_EVERY: Duration = Duration::from_millis(250);

/// Receive buffer of a slow reader, in bytes.
const NARROW: u32 = 32 << 10;

/// Longest time until the last of them gets its first bytes.
const SERVED_WITHIN: Duration = Duration::from_secs(30);

/// Slow readers that arrive per second.
const ARRIVALS: u32 = 100;

/// Results of one client of a herd: the hash of each body, by path.
type Seen = Vec<(String, blake3::Hash)>;

/// 200 and 1,000 clients arrive within a second at a title that nobody has requested: entry, playlist, init, segment.
pub(crate) async fn herds(bench: &Bench, stage: &Stage) {
    let mut table = Table::new([
        "herd",
        "moov reads",
        "makes ÷ segments",
        "joined, hit",
        "5xx",
        "p50 / p99 / p99.9 ms a request",
        "all served s",
        "MB/s",
        "CPU s/GB",
        "idle MiB",
        "cached MiB",
        "peak MiB",
        "floor MiB",
        "met",
    ]);
    for (clients, entry) in [(200, "index.m3u8"), (1_000, "index.m3u8"), (200, "ts.m3u8"), (1_000, "ts.m3u8")] {
        herd(bench, stage, (clients, entry), &mut table).await;
        println!("herd of {clients} for {entry} done");
    }
    table.print("Herds on one cold film of two hours");
}

async fn herd(bench: &Bench, stage: &Stage, (clients, entry): (u32, &'static str), table: &mut Table) {
    let name = format!("{clients} × {entry}");
    // Learn the URLs from another server, which is then stopped.
    let title = Arc::new(Title::ask(stage.afflux(bench, &KEPT).address(), "film", entry).await);
    let afflux = stage.afflux(bench, &KEPT);
    let idle = afflux.process().memory();
    let mut bodies = HashMap::new();
    let came = come(clients, afflux.address(), &title, &mut bodies);
    let window = Window::of(afflux.process(), async {
        came.await.unwrap_or_else(|path| {
            bench.wrong(&name, format!("{path} differs from client to client"));
            Tally::default()
        })
    })
    .await;
    let (tally, metrics) = (&window.tally, afflux.metrics().await);
    bench.check(&name, tally);
    let segments = bodies.keys().filter(|path| title.segments.contains(path)).count();
    let peak = window.memory[1];
    let floor = idle + metrics.cached() + MAKING;
    let exact = metrics.moov_reads() == 1 && metrics.segments("made") == segments as u64;
    table.row(vec![
        name,
        metrics.moov_reads().to_string(),
        format!("{} ÷ {segments}", metrics.segments("made") + metrics.segments("too_large")),
        format!("{}, {}", metrics.segments("joined"), metrics.segments("hit")),
        metrics.failures().to_string(),
        format!("{:.1} / {:.1} / {:.1}", tally.quantile(500), tally.quantile(990), tally.quantile(999)),
        format!("{:.2}", window.seconds),
        format!("{:.0}", window.megabytes_per_second()),
        format!("{:.3}", window.seconds_per_gigabyte()),
        mebibytes(idle),
        mebibytes(metrics.cached()),
        mebibytes(peak),
        mebibytes(floor),
        met(if exact { peak as f64 } else { f64::MAX }, floor as f64),
    ]);
}

/// Starts the clients, each a little later than the one before. Returns the path whose bytes differed between clients,
/// if any.
async fn come(
    clients: u32,
    address: SocketAddr,
    title: &Arc<Title>,
    bodies: &mut HashMap<String, blake3::Hash>,
) -> Result<Tally, String> {
    let (began, mut herd) = (Instant::now(), JoinSet::new());
    for number in 0..clients {
        herd.spawn(visit(address, Arc::clone(title), began + ARRIVAL * number / clients));
    }
    let mut tally = Tally::default();
    while let Some(visited) = herd.join_next().await {
        let (seen, visit) = visited.unwrap();
        tally.join(visit);
        for (path, hash) in seen {
            if *bodies.entry(path.clone()).or_insert(hash) != hash {
                return Err(path);
            }
        }
    }
    Ok(tally.sorted())
}

/// One client: requests each path, and hashes the bodies.
async fn visit(address: SocketAddr, title: Arc<Title>, due: Instant) -> (Seen, Tally) {
    sleep_until(due.into()).await;
    let (mut seen, mut tally) = (Vec::new(), Tally::default());
    let mut connection = match Connection::open(address).await {
        Ok(connection) => connection,
        Err(error) => {
            tally.wrong(error.to_string());
            return (seen, tally);
        }
    };
    let paths = [Some(&title.entry), Some(&title.playlist), title.init.as_ref(), title.segments.first()];
    for path in paths.into_iter().flatten() {
        let asked = Instant::now();
        match connection.hash(&request(path, "")).await {
            Ok((answer, hash)) if answer.status == 200 => {
                tally.add(answer.length, asked.elapsed());
                seen.push((path.clone(), hash));
            }
            Ok((answer, _)) => tally.wrong(format!("{} for {path}", answer.status)),
            Err(error) => {
                tally.wrong(format!("{error} for {path}"));
                break;
            }
        }
    }
    (seen, tally)
}

/// 200 and 1,000 readers, each of its own segment of 4.8 MB, at 64 kB/s.
pub(crate) async fn slow_readers(bench: &Bench, stage: &Stage) {
    let mut table = Table::new([
        "slow readers",
        "idle MiB",
        "bound of the cache MiB",
        "RSS MiB",
        "floor MiB",
        "met",
        "peak MiB while they came",
        "socket memory MiB",
        "floor MiB",
        "met",
    ]);
    for (readers, more, sockets) in [(200, 20, Some(130_u64)), (1_000, 60, None)] {
        let afflux = stage.afflux(bench, &SMALL);
        let title = Title::ask(afflux.address(), "film", "ts.m3u8").await;
        // One-off costs of the first request do not count.
        Connection::open(afflux.address()).await.unwrap().get(&request(&title.segments[0], "")).await.unwrap();
        let slow = slow(bench, &afflux, &title, readers).await;
        let floor = slow.idle + ((64 + more) << 20);
        table.row(vec![
            readers.to_string(),
            mebibytes(slow.idle),
            "64".into(),
            format!("**{}**", mebibytes(slow.held)),
            mebibytes(floor),
            met(slow.held as f64, floor as f64),
            mebibytes(slow.peak),
            format!("**{}**", mebibytes(slow.sockets)),
            sockets.map_or_else(|| "reported".into(), |floor| floor.to_string()),
            sockets.map_or_else(String::new, |floor| met(slow.sockets as f64, (floor << 20) as f64)),
        ]);
    }
    table.print("Slow readers of distinct MPEG-TS segments of 4.8 MB, 64 kB/s each");
}

/// Memory held for slow readers, in bytes.
struct Slow {
    /// Before they arrived.
    idle: u64,
    /// Maximum after all had arrived.
    held: u64,
    /// Maximum at any time.
    peak: u64,
    /// Maximum of the kernel's memory for the sockets on both sides.
    sockets: u64,
}

async fn slow(bench: &Bench, afflux: &Afflux, title: &Title, readers: usize) -> Slow {
    let (process, sockets) = (afflux.process(), socket_memory());
    // The requested segment is in the cache, and counts there.
    let idle = process.memory() - afflux.metrics().await.sum("afflux_cache_size_bytes{kind=\"segment\"}");
    process.forget_peak();
    let (mut crowd, reading, enough) = (JoinSet::new(), Arc::new(AtomicUsize::new(0)), CancellationToken::new());
    for path in title.segments.iter().skip(1).cycle().take(readers) {
        crowd.spawn(sip(afflux.address(), request(path, ""), Arc::clone(&reading), enough.clone()));
        sleep(Duration::from_secs(1) / ARRIVALS).await;
    }
    let began = Instant::now();
    while reading.load(Ordering::Relaxed) < readers && began.elapsed() < SERVED_WITHIN {
        sleep(Duration::from_millis(100)).await;
    }
    // Give the last ones time to settle into slow reading.
    sleep(Duration::from_secs(2)).await;
    let mut slow = Slow { idle, held: 0, peak: 0, sockets: 0 };
    let watched = Instant::now();
    while watched.elapsed() < bench.time(Duration::from_secs(15)) {
        slow.held = slow.held.max(process.memory());
        slow.sockets = slow.sockets.max(socket_memory().saturating_sub(sockets));
        sleep(Duration::from_millis(100)).await;
    }
    slow.peak = process.peak();
    enough.cancel();
    while let Some(read) = crowd.join_next().await {
        if let Err(error) = read.unwrap() {
            bench.wrong("slow readers", error.to_string());
        }
    }
    slow
}

/// Reads a little at intervals, until `enough` or the end of the body.
async fn sip(
    address: SocketAddr,
    request: Vec<u8>,
    reading: Arc<AtomicUsize>,
    enough: CancellationToken,
) -> std::io::Result<()> {
    let mut connection = Connection::narrow(address, NARROW).await?;
    let (answer, here) = connection.ask(&request).await?;
    if answer.status != 200 {
        return Err(std::io::Error::other(format!("{} for a slow reader", answer.status)));
    }
    reading.fetch_add(1, Ordering::Relaxed);
    let mut left = answer.length - here.len() as u64;
    while left > 0 && !enough.is_cancelled() {
        sleep(SIP_EVERY).await;
        left -= connection.discard_some(left.min(SIP)).await?;
    }
    Ok(())
}
