//! Scenes: the ingredients of a spike, one line each. Throughput and cost under closed-loop load; latencies under
//! open-loop load at half of the rate that the slower of both servers reached, so that both get equal load.

use crate::catalogue::Catalogue;
use crate::client::Connection;
use crate::load::{Tally, Walk, Wish, connect};
use crate::measure::{Lane, Window, interleaved, median, quotients};
use crate::open::{Phase, open};
use crate::stage::{Bench, Settings, Stage};
use crate::table::{Table, mebibytes};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::task::JoinSet;
use tokio::time::{sleep, sleep_until};

/// Less than half of the catalogue fits the cache.
const SETTINGS: Settings =
    Settings { segments: "192MiB", manifests: "32MiB", making: "64MiB", target: "6s", sendfile: true };

/// Connections of closed-loop load.
const CONNECTIONS: usize = 32;

/// Bytes read by a client that gives up.
const GIVEN_UP: u64 = 64 << 10;

/// Number of readers at 64 kB/s, the bytes they read at once, and the interval.
const PACED: usize = 1_000;
const SIP: u64 = 16 << 10;
const SIP_EVERY: Duration = Duration::from_millis(250);

/// Runs the scenes on a catalogue with both servers.
pub(crate) async fn run(bench: &Bench) {
    let stage = Stage::new();
    Catalogue::write(&stage);
    let afflux = stage.afflux(bench, &SETTINGS);
    let catalogue = Catalogue::ask(afflux.address()).await;
    catalogue.store(afflux.address(), &stage).await;
    let nginx = stage.nginx(bench, &afflux);
    let mut table = Table::new([
        "scene",
        "server",
        "requests/s",
        "MB/s",
        "CPU s/GB",
        "CPU µs/request",
        "open loop at /s",
        "p50 ms",
        "p99 ms",
        "p99.9 ms",
        "RSS MiB",
        "read/served",
        "errors",
    ]);
    let scenes = [
        ("Zipf over 40 titles", catalogue.zipf(0.0)),
        ("one of them jumps to 30 %", catalogue.zipf(0.3)),
        ("CMAF, DASH and TS mixed", catalogue.mixed()),
        ("playlists only", catalogue.playlists()),
        ("hot segment of 1 MB", catalogue.hot()),
        ("small ranges", catalogue.ranges()),
    ];
    let servers = [("Afflux", afflux.process(), afflux.address()), ("sendfile", nginx.process(), nginx.sendfile)];
    for (name, walk) in scenes {
        let lanes = servers.map(|(name, process, address)| {
            let walk = Arc::clone(&walk);
            Lane { name, process, address, walk, connections: CONNECTIONS }
        });
        scene(bench, name, &lanes, &mut table).await;
    }
    for (name, process, address) in servers {
        let walk = catalogue.zipf(0.0);
        let load = giving_up(address, &walk, bench.time(Duration::from_secs(10)));
        let window = Window::of(process, load).await;
        bench.check("30 % give up", &window.tally);
        line("30 % give up after 64 KiB", name, &[window], None, &mut table);
    }
    for (name, process, address) in servers {
        let walk = Walk::whole(&catalogue.segments());
        let load = paced(address, &walk, bench.time(Duration::from_secs(20)));
        let window = Window::of(process, load).await;
        bench.check("paced readers", &window.tally);
        line("1,000 readers at 64 kB/s; latency: of 16 KiB beyond 250 ms", name, &[window], None, &mut table);
    }
    table.print("Scenes, beside nginx with the same bytes as static files and sendfile");
}

/// One scene in closed and open loop, on all lanes.
async fn scene(bench: &Bench, name: &str, lanes: &[Lane; 2], table: &mut Table) {
    let windows = interleaved(lanes, bench.rounds() / 3, bench.window()).await;
    windows.iter().flatten().for_each(|window| bench.check(name, &window.tally));
    let rate =
        windows.iter().map(|windows| median(windows, Window::requests_per_second)).fold(f64::MAX, f64::min) / 2.0;
    for (lane, windows) in lanes.iter().zip(&windows) {
        let phases = [Phase { rate, lasts: bench.time(Duration::from_secs(5)) }];
        let (opened, _) = open(lane.address, &lane.walk, &phases).await;
        bench.check(name, &opened);
        line(name, lane.name, windows, Some((rate, &opened)), table);
    }
    let quotient = |figure: fn(&Window) -> f64| format!("{:.2}", quotients(&windows[0], &windows[1], figure)[1]);
    let mut row = vec![
        name.to_owned(),
        "Afflux ÷ nginx".into(),
        quotient(Window::requests_per_second),
        quotient(Window::megabytes_per_second),
        quotient(Window::seconds_per_gigabyte),
        quotient(Window::micros_per_request),
    ];
    row.resize(13, String::new());
    table.row(row);
}

fn line(scene: &str, server: &str, windows: &[Window], opened: Option<(f64, &Tally)>, table: &mut Table) {
    let of = |figure: &dyn Fn(&Window) -> f64| median(windows, figure);
    let latencies = opened.map_or(&windows[0].tally, |(_, tally)| tally);
    table.row(vec![
        scene.into(),
        server.into(),
        format!("{:.0}", of(&Window::requests_per_second)),
        format!("{:.0}", of(&Window::megabytes_per_second)),
        format!("{:.3}", of(&Window::seconds_per_gigabyte)),
        format!("{:.1}", of(&Window::micros_per_request)),
        opened.map_or_else(|| "closed".into(), |(rate, _)| format!("{rate:.0}")),
        format!("{:.2}", latencies.quantile(500)),
        format!("{:.2}", latencies.quantile(990)),
        format!("{:.2}", latencies.quantile(999)),
        mebibytes(of(&|window| window.memory[0] as f64) as u64),
        format!("{:.2}", of(&Window::read_per_byte)),
        windows.iter().map(|window| window.tally.errors).sum::<u64>().to_string(),
    ]);
    println!("{scene}: {server} done");
}

/// Clients that give up three of ten requests after 64 KiB, and close the connection.
async fn giving_up(address: SocketAddr, walk: &Arc<Walk>, duration: Duration) -> Tally {
    let end = Instant::now() + duration;
    let mut walkers = JoinSet::new();
    for number in 0..CONNECTIONS {
        let walk = Arc::clone(walk);
        walkers.spawn(async move {
            let mut tally = Tally::default();
            let mut connection = connect(address, 1).await.remove(0);
            for turn in number.. {
                if Instant::now() >= end {
                    break;
                }
                let (wish, asked) = (walk.next(), Instant::now());
                if turn % 10 < 3 {
                    given_up(&mut connection, wish, &mut tally).await;
                    connection = connect(address, 1).await.remove(0);
                } else if !crate::load::ask(&mut connection, wish, asked, &mut tally).await {
                    break;
                }
            }
            tally
        });
    }
    gather(walkers).await
}

/// Reads the start of a response. The bytes count, the request does not.
async fn given_up(connection: &mut Connection, wish: &Wish, tally: &mut Tally) {
    match connection.ask(&wish.request).await {
        Ok((answer, here)) => {
            let more = GIVEN_UP.min(answer.length).saturating_sub(here.len() as u64);
            if let Err(error) = connection.discard(more).await {
                tally.wrong(wish.unlike(&error));
            }
            tally.bytes += here.len() as u64 + more;
        }
        Err(error) => tally.wrong(wish.unlike(&error)),
    }
}

/// A thousand readers that arrive within two seconds and read 64 kB/s each. A latency is the delay of 16 KiB.
async fn paced(address: SocketAddr, walk: &Arc<Walk>, duration: Duration) -> Tally {
    let end = Instant::now() + duration;
    let mut readers = JoinSet::new();
    for _ in 0..PACED {
        readers.spawn(reader(address, Arc::clone(walk), end));
        sleep(Duration::from_millis(2)).await;
    }
    gather(readers).await
}

async fn reader(address: SocketAddr, walk: Arc<Walk>, end: Instant) -> Tally {
    let mut tally = Tally::default();
    let mut connection = connect(address, 1).await.remove(0);
    while Instant::now() < end {
        let wish = walk.next();
        let (mut left, mut due) = match connection.ask(&wish.request).await {
            Ok((answer, here)) if answer.status == wish.status => (answer.length - here.len() as u64, answer.began),
            Ok((answer, _)) => {
                tally.wrong(wish.unlike(&answer.status));
                break;
            }
            Err(error) => {
                tally.wrong(wish.unlike(&error));
                break;
            }
        };
        while left > 0 && Instant::now() < end {
            due += SIP_EVERY;
            sleep_until(due.into()).await;
            let sip = left.min(SIP);
            if let Err(error) = connection.discard(sip).await {
                tally.wrong(wish.unlike(&error));
                return tally;
            }
            left -= sip;
            tally.add(sip, due.elapsed());
        }
    }
    tally
}

async fn gather(mut clients: JoinSet<Tally>) -> Tally {
    let mut all = Tally::default();
    while let Some(tally) = clients.join_next().await {
        all.join(tally.unwrap());
    }
    all.sorted()
}
