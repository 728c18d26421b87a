//! Cost of planning a two-hour film and of printing its manifests.

#![allow(
    missing_docs,
    dead_code,
    clippy::as_conversions,
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    clippy::float_arithmetic,
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "a bench's numbers are small, a panic anywhere fails it, and each bench uses its part of the film"
)]

#[path = "../tests/support/movie.rs"]
mod movie;
mod support;

use afflux::manifest::{Lineup, Manifests, TsManifests};
use afflux::media::AssetId;
use afflux::mux::Transport;
use criterion::{Criterion, criterion_group, criterion_main};
use std::hint::black_box;
use std::sync::Arc;
use support::Stored;

fn plan(criterion: &mut Criterion) {
    let movie = Stored::new(&support::reels()).understand();
    criterion.bench_function("plan: two tracks", |bench| bench.iter(|| support::planned(black_box(&movie).clone())));
    let plan = support::planned(movie);
    let asset = AssetId::new("film").unwrap();
    criterion
        .bench_function("manifests: HLS and DASH", |bench| bench.iter(|| Manifests::new(&asset, black_box(&plan))));
    let lineup = Lineup::new(&plan).unwrap();
    let streams = lineup.streams();
    criterion.bench_function("transport: where its packets fall", |bench| {
        bench.iter(|| Transport::new(black_box(streams[0]), 6_000).unwrap());
    });
    let transports: Vec<Arc<Transport>> =
        streams.iter().map(|streams| Arc::new(Transport::new(*streams, 6_000).unwrap())).collect();
    criterion.bench_function("manifests: MPEG-TS", |bench| {
        bench.iter(|| TsManifests::new(&asset, black_box(&lineup), &transports));
    });
}

criterion_group!(benches, plan);
criterion_main!(benches);
