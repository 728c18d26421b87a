//! Comparison with nginx: cost of a hot segment, a miss and a playlist, as quotients of consecutive windows.

use crate::film::Film;
use crate::load::Walk;
use crate::measure::{Lane, Window, interleaved, median, quotients};
use crate::stage::{Bench, Settings, Stage};
use crate::table::{Table, mebibytes, met};
use crate::title::{Title, compare, store};
use std::sync::Arc;

/// Connections of the first comparison, and of the second.
const FEW: usize = 16;
const MANY: usize = 200;

/// The requested resource.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum What {
    /// One segment, again and again.
    Hot,
    /// Each segment in turn, more than fit the cache.
    Miss,
    /// One media playlist, again and again; the floor is for time per request.
    Playlist,
}

/// One row of the promises.
#[derive(Debug)]
struct Case {
    name: &'static str,
    what: What,
    film: Film,
    entry: &'static str,
    settings: Settings,
    /// Upper bound of the quotient to nginx with sendfile at 16 connections; `None` is only reported.
    sendfile: Option<f64>,
    /// Upper bound of the quotient to nginx with copying, at 16 and at 200 connections.
    copying: Option<f64>,
}

const CMAF: &str = "index.m3u8";
const TS: &str = "ts.m3u8";
const KEPT: Settings =
    Settings { segments: "512MiB", manifests: "32MiB", making: "64MiB", target: "6s", sendfile: true };
const MISSED: Settings =
    Settings { segments: "64MiB", manifests: "32MiB", making: "64MiB", target: "6s", sendfile: true };
const SHORT: Settings =
    Settings { segments: "64MiB", manifests: "32MiB", making: "64MiB", target: "2s", sendfile: true };

fn cases() -> Vec<Case> {
    let case =
        |name, what, film, entry, settings| Case { name, what, film, entry, settings, sendfile: None, copying: None };
    let floors = |case: Case, sendfile, copying| Case { sendfile, copying, ..case };
    let half_hour = |pictures| Film::new(1_800, pictures);
    let copied = |settings| Settings { sendfile: false, ..settings };
    let (hot, six, two) = (Film::new(60, 2_000_000), half_hour(1_800_000), half_hour(600_000));
    vec![
        floors(case("hot 2 MB", What::Hot, hot, CMAF, KEPT), Some(0.9), Some(0.8)),
        case("hot 2 MB, copied", What::Hot, hot, CMAF, copied(KEPT)),
        floors(case("miss, 6 s CMAF", What::Miss, six, CMAF, MISSED), Some(1.1), Some(1.1)),
        case("miss, 6 s CMAF, copied", What::Miss, six, CMAF, copied(MISSED)),
        floors(case("miss, 6 s TS", What::Miss, half_hour(2_320_000), TS, MISSED), Some(1.45), Some(1.3)),
        floors(case("miss, 2 s CMAF", What::Miss, two, CMAF, SHORT), None, Some(1.3)),
        case("miss, 2 s CMAF, copied", What::Miss, two, CMAF, copied(SHORT)),
        // 54 kB. A two-hour film would have 65 kB, which together with one server's head fits a loopback packet and
        // with the other's does not.
        floors(case("cached playlist", What::Playlist, Film::new(6_000, 60_000), CMAF, KEPT), Some(1.0), None),
    ]
}

/// The tables for all cases.
struct Tables {
    floors: Table,
    figures: Table,
}

/// Measures all cases whose name contains `only`, and prints two tables.
pub(crate) async fn run(bench: &Bench, only: &str) {
    let mut tables = Tables {
        floors: Table::new([
            "case",
            "bytes",
            "connections",
            "beside nginx",
            "CPU",
            "least–greatest",
            "floor",
            "met",
            "requests/s",
            "p50",
            "p99",
            "p99.9",
            "RSS",
        ]),
        figures: Table::new([
            "case",
            "connections",
            "server",
            "requests/s",
            "MB/s",
            "CPU s/GB",
            "CPU µs/request",
            "p50 ms",
            "p99 ms",
            "p99.9 ms",
            "RSS MiB",
            "peak MiB",
            "read/served",
            "made",
            "client busy",
        ]),
    };
    for case in cases().iter().filter(|case| case.name.contains(only)) {
        measure(bench, case, &mut tables).await;
    }
    tables.floors.print("Afflux ÷ nginx, median of pairs (CPU seconds per GB; of the playlist per request)");
    tables.figures.print("The figures behind them, medians");
}

async fn measure(bench: &Bench, case: &Case, tables: &mut Tables) {
    let stage = Stage::new();
    stage.film("film", &case.film);
    let afflux = stage.afflux(bench, &case.settings);
    let title = Title::ask(afflux.address(), "film", case.entry).await;
    let paths = match case.what {
        What::Hot => title.segments[1..2].to_vec(),
        What::Miss => title.segments.clone(),
        What::Playlist => vec![title.playlist.clone()],
    };
    let bytes = store(afflux.address(), &paths, &stage.files()).await;
    let nginx = stage.nginx(bench, &afflux);
    let mut servers = vec![afflux.address(), nginx.sendfile, nginx.copying];
    if case.what != What::Miss {
        // The proxy requests it from Afflux once more, which would spoil the cache misses.
        servers.push(nginx.proxy);
    }
    compare(&servers, &paths[paths.len() / 2]).await;
    // One walk for all lanes: a lane's last requests are still cached when the next begins.
    let walk = Walk::whole(&paths);
    let theirs = Walk::whole(&paths);
    let lane = |name, connections| {
        let (process, address) = match name {
            "Afflux" => (afflux.process(), afflux.address()),
            "sendfile" => (nginx.process(), nginx.sendfile),
            "copying" => (nginx.process(), nginx.copying),
            _ => (nginx.process(), nginx.proxy),
        };
        let walk = Arc::clone(if name == "Afflux" { &walk } else { &theirs });
        Lane { name, process, address, walk, connections }
    };
    let mut few = vec![lane("Afflux", FEW), lane("sendfile", FEW), lane("copying", FEW)];
    if case.what != What::Miss {
        few.push(lane("proxy_cache", FEW));
    }
    let mut lanes = vec![few];
    if case.what != What::Playlist {
        lanes.push(vec![lane("Afflux", MANY), lane("copying", MANY)]);
    }
    for lanes in &lanes {
        let before = afflux.metrics().await;
        let windows = interleaved(lanes, bench.rounds(), bench.window()).await;
        let after = afflux.metrics().await;
        let grown = |outcome| after.segments(outcome) - before.segments(outcome);
        let made = grown("made") + grown("too_large");
        let made = made as f64 / (made + grown("hit") + grown("joined")).max(1) as f64;
        windows.iter().flatten().for_each(|window| bench.check(case.name, &window.tally));
        report(case, lanes, &windows, (bytes, made), tables);
    }
    if !afflux.complaints().is_empty() {
        println!("{}: Afflux says: {}", case.name, afflux.complaints());
    }
}

fn report(case: &Case, lanes: &[Lane], windows: &[Vec<Window>], (bytes, made): (u64, f64), tables: &mut Tables) {
    for (lane, theirs) in lanes.iter().zip(windows).skip(1) {
        let ours = &windows[0];
        let figure =
            if case.what == What::Playlist { Window::micros_per_request } else { Window::seconds_per_gigabyte };
        let [least, middle, greatest] = quotients(ours, theirs, figure);
        let floor = match lane.name {
            "sendfile" => case.sendfile,
            "copying" => case.copying,
            _ => None,
        };
        let quotient = |figure: &dyn Fn(&Window) -> f64| format!("{:.2}", quotients(ours, theirs, figure)[1]);
        tables.floors.row(vec![
            case.name.into(),
            bytes.to_string(),
            lane.connections.to_string(),
            lane.name.into(),
            format!("**{middle:.2}**"),
            format!("{least:.2}–{greatest:.2}"),
            floor.map_or_else(|| "reported".into(), |floor| format!("{floor}")),
            floor.map_or_else(String::new, |floor| met(middle, floor)),
            quotient(&Window::requests_per_second),
            quotient(&|window| window.tally.quantile(500)),
            quotient(&|window| window.tally.quantile(990)),
            quotient(&|window| window.tally.quantile(999)),
            quotient(&|window| window.memory[0] as f64),
        ]);
        println!("{} at {}: {middle:.2} of {}", case.name, lane.connections, lane.name);
    }
    for (lane, windows) in lanes.iter().zip(windows) {
        let made = if lane.name == "Afflux" { format!("{:.0} %", made * 100.0) } else { String::new() };
        tables.figures.row(figures(case.name, lane, windows, made));
    }
}

fn figures(case: &str, lane: &Lane, windows: &[Window], made: String) -> Vec<String> {
    let of = |figure: &dyn Fn(&Window) -> f64| median(windows, figure);
    let memory = |at: usize| mebibytes(median(windows, |window| window.memory[at] as f64) as u64);
    vec![
        case.into(),
        lane.connections.to_string(),
        lane.name.into(),
        format!("{:.0}", of(&Window::requests_per_second)),
        format!("{:.0}", of(&Window::megabytes_per_second)),
        format!("{:.3}", of(&Window::seconds_per_gigabyte)),
        format!("{:.1}", of(&Window::micros_per_request)),
        format!("{:.2}", of(&|window| window.tally.quantile(500))),
        format!("{:.2}", of(&|window| window.tally.quantile(990))),
        format!("{:.2}", of(&|window| window.tally.quantile(999))),
        memory(0),
        memory(1),
        format!("{:.2}", of(&Window::read_per_byte)),
        made,
        format!("{:.0} %", of(&|window| window.client / window.seconds * 100.0)),
    ]
}
