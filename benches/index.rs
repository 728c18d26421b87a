//! What knowing a stored film of two hours costs: time to parse, check and build its index, and memory to keep it.
//!
//! The claims: at most 6 bytes a sample, and 8 ms.

#![allow(
    missing_docs,
    dead_code,
    clippy::as_conversions,
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    clippy::float_arithmetic,
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "a bench's numbers are small, what panics here fails it, and each bench uses its part of the film"
)]

#[path = "../tests/support/movie.rs"]
mod movie;
mod support;

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
    criterion.bench_function("index: parse, check and build", |bench| bench.iter(|| black_box(&stored).understand()));
}

criterion_group!(benches, index);
criterion_main!(benches);
