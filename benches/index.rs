//! Cost of the index of a two-hour film: time to parse, check and build it, its memory, and time and bytes to store it
//! on a disk.
//!
//! The claims: at most 6 bytes per sample and 8 ms; 1.5 ms to thaw it.

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

use afflux::media::Movie;
use criterion::{Criterion, criterion_group, criterion_main};
use std::hint::black_box;
use support::Stored;

fn index(criterion: &mut Criterion) {
    let stored = Stored::new(&support::reels());
    let (mut heap, mut samples) = (0, 0);
    for track in &stored.understand().tracks {
        let (bytes, len) = (track.index.heap_bytes(), track.index.len() as usize);
        println!("index of track {}: {len} samples, {:.2} bytes each", track.id, bytes as f64 / len as f64);
        (heap, samples) = (heap + bytes, samples + len);
    }
    println!(
        "index of the film: {:.2} bytes a sample; headers of {} bytes",
        heap as f64 / samples as f64,
        stored.headers()
    );
    let movie = stored.understand();
    let frozen: bytes::Bytes = movie.freeze().into();
    assert_eq!(Movie::thaw(&frozen).as_ref(), Ok(&movie), "thawing must give back the index");
    println!("frozen: {} bytes, {:.2} a sample", frozen.len(), frozen.len() as f64 / samples as f64);
    criterion.bench_function("index: parse, check and build", |bench| bench.iter(|| black_box(&stored).understand()));
    criterion.bench_function("index: freeze", |bench| bench.iter(|| black_box(&movie).freeze()));
    criterion.bench_function("index: thaw", |bench| bench.iter(|| Movie::thaw(black_box(&frozen))));
}

criterion_group!(benches, index);
criterion_main!(benches);
