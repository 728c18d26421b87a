//! A two-hour film that the server has not opened yet: time to the first bytes, cost of uncached manifests, and cost of
//! the end of a segment.

use crate::client::{Connection, request};
use crate::load::{Walk, closed, connect};
use crate::measure::{Lane, Window, interleaved, median};
use crate::stage::{Bench, Settings, Stage};
use crate::table::{Table, met};
use crate::title::{Title, store};
use std::time::Instant;

/// Caches fewer segments than a lap of the film has.
const SMALL: Settings =
    Settings { segments: "64MiB", manifests: "32MiB", making: "64MiB", target: "6s", sendfile: true };

/// Caches no manifest, as none fits.
const FORGETFUL: Settings =
    Settings { segments: "64MiB", manifests: "64KiB", making: "64MiB", target: "6s", sendfile: true };

/// Connections that request ends of segments, and manifests.
const FEW: usize = 4;

/// Time to the first bytes of a freshly started server, in milliseconds.
pub(crate) async fn first_bytes(bench: &Bench, stage: &Stage, headers: usize) {
    let afflux = stage.afflux(bench, &SMALL);
    let cmaf = Title::ask(afflux.address(), "film", "index.m3u8").await;
    let ts = Title::ask(afflux.address(), "film", "ts.m3u8").await;
    drop(afflux);
    let mut table = Table::new(["first request of a server", "median ms", "least–greatest", "CPU ms", "floor", "met"]);
    let asked = [
        ("CMAF media playlist", &cmaf.playlist, Some(12.0)),
        ("CMAF segment", &cmaf.segments[0], Some(12.0)),
        ("MPEG-TS media playlist", &ts.playlist, None),
        ("MPEG-TS segment", &ts.segments[0], None),
    ];
    for (name, path, floor) in asked {
        let (mut waits, mut costs) = (Vec::new(), Vec::new());
        for _ in 0..bench.rounds() {
            let afflux = stage.afflux(bench, &SMALL);
            let mut connection = Connection::open(afflux.address()).await.unwrap();
            let (began, cost) = (Instant::now(), afflux.process().seconds());
            let answer = connection.get(&request(path, "")).await.unwrap();
            if answer.status != 200 {
                bench.wrong(name, format!("{} at first", answer.status));
            }
            waits.push((answer.began - began).as_secs_f64() * 1e3);
            costs.push((afflux.process().seconds() - cost) * 1e3);
        }
        waits.sort_by(f64::total_cmp);
        costs.sort_by(f64::total_cmp);
        let middle = waits[waits.len() / 2];
        table.row(vec![
            name.into(),
            format!("**{middle:.1}**"),
            format!("{:.1}–{:.1}", waits[0], waits[waits.len() - 1]),
            format!("{:.0}", costs[costs.len() / 2]),
            floor.map_or_else(|| "reported".into(), |floor| format!("{floor}")),
            floor.map_or_else(String::new, |floor| met(middle, floor)),
        ]);
    }
    table.print(&format!("First bytes of a cold film of two hours, headers of {:.1} MB", headers as f64 / 1e6));
}

/// Cost of manifests and ends of segments: microseconds of processor time per request.
pub(crate) async fn costs(bench: &Bench, stage: &Stage) {
    let mut table =
        Table::new(["asked over and over", "CPU µs/request", "least–greatest", "requests/s", "floor", "met"]);
    let row = |name: &str, windows: &[Window], floor: Option<f64>, table: &mut Table| {
        let mut figures: Vec<f64> = windows.iter().map(Window::micros_per_request).collect();
        figures.sort_by(f64::total_cmp);
        for window in windows {
            bench.check(name, &window.tally);
        }
        let middle = figures[figures.len() / 2];
        table.row(vec![
            name.into(),
            format!("**{middle:.0}**"),
            format!("{:.0}–{:.0}", figures[0], figures[figures.len() - 1]),
            format!("{:.0}", median(windows, Window::requests_per_second)),
            floor.map_or_else(|| "reported".into(), |floor| format!("{floor}")),
            floor.map_or_else(String::new, |floor| met(middle, floor)),
        ]);
    };
    manifests(bench, stage, |name, windows, floor| row(name, windows, floor, &mut table)).await;
    ends(bench, stage, |name, windows, floor| row(name, windows, floor, &mut table)).await;
    table.print("Manifests that are not kept, and the last 1 KB of MPEG-TS segments of 4.8 MB");
}

async fn manifests(bench: &Bench, stage: &Stage, mut row: impl FnMut(&str, &[Window], Option<f64>)) {
    let afflux = stage.afflux(bench, &FORGETFUL);
    let cmaf = Title::ask(afflux.address(), "film", "index.m3u8").await;
    let ts = Title::ask(afflux.address(), "film", "ts.m3u8").await;
    let mpd = "/vod/film/index.mpd".to_owned();
    let asked = [
        ("CMAF media playlist, made each time", cmaf.playlist, Some(1_500.0)),
        ("MPD, made each time", mpd, Some(1_500.0)),
        ("MPEG-TS media playlist, made each time", ts.playlist, None),
    ];
    for (name, path, floor) in asked {
        let (walk, before) = (Walk::whole(&[path]), afflux.metrics().await);
        let mut windows = Vec::new();
        for _ in 0..bench.rounds() {
            // A single connection: simultaneous requests would share one build.
            let load = closed(connect(afflux.address(), 1).await, &walk, bench.window());
            windows.push(Window::of(afflux.process(), load).await);
        }
        let after = afflux.metrics().await;
        let lookups = "afflux_cache_lookups_total{kind=\"manifest\",outcome=\"hit\"}";
        let asked: u64 = windows.iter().map(|window| window.tally.requests).sum();
        let hits = after.sum(lookups) - before.sum(lookups);
        let note = if hits > 0 { format!(" ({hits} of {asked} were kept)") } else { String::new() };
        row(&format!("{name}{note}"), &windows, floor);
    }
}

async fn ends(bench: &Bench, stage: &Stage, mut row: impl FnMut(&str, &[Window], Option<f64>)) {
    let afflux = stage.afflux(bench, &SMALL);
    let ts = Title::ask(afflux.address(), "film", "ts.m3u8").await;
    let hot = ts.segments[1..2].to_vec();
    let bytes = store(afflux.address(), &hot, &stage.files()).await;
    let nginx = stage.nginx(bench, &afflux);
    let lane = |name, process, address, walk| Lane { name, process, address, walk, connections: FEW };
    let tail = "-1024";
    let lanes = [
        lane("hot", afflux.process(), afflux.address(), Walk::ranges(&hot, tail)),
        lane("nginx", nginx.process(), nginx.sendfile, Walk::ranges(&hot, tail)),
    ];
    // Hot and cold run apart: a lap of cold segments would evict the hot ones.
    let windows = interleaved(&lanes, bench.rounds(), bench.window()).await;
    row(&format!("last 1 KB of {bytes} bytes, hot"), &windows[0], Some(40.0));
    row("the same of nginx's file", &windows[1], None);
    let before = afflux.metrics().await;
    let cold = [lane("cold", afflux.process(), afflux.address(), Walk::ranges(&ts.segments, tail))];
    let windows = interleaved(&cold, bench.rounds(), bench.window()).await;
    let after = afflux.metrics().await;
    let (hits, made) =
        (after.segments("hit") - before.segments("hit"), after.segments("made") - before.segments("made"));
    row(&format!("the same, cold ({made} bodies made, {hits} hits)"), &windows[0], Some(150.0));
}
