//! A step to ten times the request rate, and back: latencies over time, of Afflux and of nginx, as a table and as a
//! drawing in `docs/spike.svg`.

use crate::catalogue::Catalogue;
use crate::drawing::{Curve, draw};
use crate::load::{closed, connect};
use crate::measure::Window;
use crate::open::{Phase, Point, open};
use crate::stage::{Bench, Settings, Stage};
use crate::table::Table;
use std::fs;
use std::path::Path;
use std::time::Duration;

const SETTINGS: Settings =
    Settings { segments: "192MiB", manifests: "32MiB", making: "64MiB", target: "6s", sendfile: true };

/// Seconds that one point of a curve covers.
pub(crate) const SLICE: f64 = 0.25;

/// Rate of the step as a share of Afflux's maximum.
const SHARE: f64 = 0.7;

/// Connections for finding that maximum.
const CONNECTIONS: usize = 32;

/// Runs the step on both servers.
pub(crate) async fn run(bench: &Bench) {
    let stage = Stage::new();
    Catalogue::write(&stage);
    let afflux = stage.afflux(bench, &SETTINGS);
    let catalogue = Catalogue::ask(afflux.address()).await;
    catalogue.store(afflux.address(), &stage).await;
    let nginx = stage.nginx(bench, &afflux);
    let walk = catalogue.mixed();
    let load = closed(connect(afflux.address(), CONNECTIONS).await, &walk, bench.time(Duration::from_secs(5)));
    let most = Window::of(afflux.process(), load).await;
    bench.check("step", &most.tally);
    let rate = most.requests_per_second() * SHARE / 10.0;
    let lasts = bench.time(Duration::from_secs(10));
    let phases = [Phase { rate, lasts }, Phase { rate: rate * 10.0, lasts }, Phase { rate, lasts }];
    let mut table = Table::new([
        "server",
        "phase",
        "requests/s",
        "p50 ms",
        "p99 ms",
        "p99.9 ms",
        "greatest ms",
        "errors",
        "recovered after s",
    ]);
    let mut curves = Vec::new();
    for (name, address) in [("Afflux", afflux.address()), ("nginx", nginx.sendfile)] {
        let (tally, points) = open(address, &walk, &phases).await;
        bench.check("step", &tally);
        rows(name, &phases, &points, tally.errors, &mut table);
        curves.extend([(name, 500), (name, 990)].map(|(name, of_thousand)| curve(name, of_thousand, &points)));
    }
    table.print("A step to ten times the rate and back, open loop, CMAF, DASH and TS mixed");
    let step = [lasts.as_secs_f64(), 2.0 * lasts.as_secs_f64(), 3.0 * lasts.as_secs_f64()];
    let drawing = draw(&curves, step, rate);
    if bench.quick() {
        println!("in a hurry, docs/spike.svg is left as it is ({} bytes were drawn)", drawing.len());
    } else {
        fs::write(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/spike.svg"), drawing).unwrap();
    }
}

fn rows(name: &str, phases: &[Phase], points: &[Point], errors: u64, table: &mut Table) {
    let mut start = 0.0;
    for (phase, word) in phases.iter().zip(["before", "10 ×", "after"]) {
        let end = start + phase.lasts.as_secs_f64();
        let waits = sorted(points.iter().filter(|point| (start..end).contains(&point.due)));
        table.row(vec![
            name.into(),
            word.into(),
            format!("{:.0}", waits.len() as f64 / phase.lasts.as_secs_f64()),
            format!("{:.2}", quantile(&waits, 500)),
            format!("{:.2}", quantile(&waits, 990)),
            format!("{:.2}", quantile(&waits, 999)),
            format!("{:.2}", quantile(&waits, 1_000)),
            if word == "after" { errors.to_string() } else { String::new() },
            if word == "after" { recovered(phases, points) } else { String::new() },
        ]);
        start = end;
    }
}

/// Seconds from the end of the step until the median of a slice is at most twice what it was before the step.
fn recovered(phases: &[Phase], points: &[Point]) -> String {
    let step = phases[0].lasts.as_secs_f64();
    let end = step + phases[1].lasts.as_secs_f64();
    let usual = quantile(&sorted(points.iter().filter(|point| point.due < step)), 500);
    let after: Vec<Point> = points.iter().filter(|point| point.due >= end).copied().collect();
    let calm = slices(&after).into_iter().find_map(|(slice, mut waits)| {
        waits.sort_by(f64::total_cmp);
        (quantile(&waits, 500) <= 2.0 * usual).then_some((slice - end).max(0.0))
    });
    calm.map_or_else(|| "not".into(), |after| format!("{after:.2}"))
}

/// Latencies by the slice in which their requests were due.
fn slices(points: &[Point]) -> Vec<(f64, Vec<f64>)> {
    let mut slices: Vec<(f64, Vec<f64>)> = Vec::new();
    let mut points = points.to_vec();
    points.sort_by(|a, b| a.due.total_cmp(&b.due));
    for point in points {
        let slice = (point.due / SLICE).floor() * SLICE;
        match slices.last_mut() {
            Some((last, waits)) if *last >= slice => waits.push(point.waited),
            _ => slices.push((slice, vec![point.waited])),
        }
    }
    slices
}

fn curve(name: &'static str, of_thousand: usize, points: &[Point]) -> Curve {
    let points = slices(points).into_iter().map(|(slice, mut waits)| {
        waits.sort_by(f64::total_cmp);
        (slice + SLICE / 2.0, quantile(&waits, of_thousand))
    });
    Curve { name, of_hundred: of_thousand / 10, points: points.collect() }
}

fn sorted<'a>(points: impl Iterator<Item = &'a Point>) -> Vec<f64> {
    let mut waits: Vec<f64> = points.map(|point| point.waited).collect();
    waits.sort_by(f64::total_cmp);
    waits
}

fn quantile(sorted: &[f64], of_thousand: usize) -> f64 {
    sorted.get((sorted.len() * of_thousand / 1_000).min(sorted.len().saturating_sub(1))).copied().unwrap_or(f64::NAN)
}
