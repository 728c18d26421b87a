//! What a film of two hours costs: its index, its plan, its manifests, a segment at its start and one at its end.
//!
//! The claims: an index takes at most 6 bytes a sample; a segment at the end costs what one at the start costs.

#![allow(
    missing_docs,
    clippy::as_conversions,
    clippy::cast_possible_truncation,
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "a bench's numbers are small, and what panics here fails it"
)]

#[path = "../tests/support/movie.rs"]
#[allow(dead_code, reason = "shared with the tests")]
mod movie;

use afflux::manifest::Manifests;
use afflux::media::{AssetId, MediaKind};
use afflux::mux;
use afflux::plan::{Plan, Planned, Settings, Source};
use criterion::{Criterion, criterion_group, criterion_main};
use movie::{Reel, audio, source, video};
use std::hint::black_box;

/// 30 pictures a second with three B-pictures in a row and a keyframe each 2 s; AAC at 48 kHz.
fn reels() -> [Reel; 2] {
    let mut pictures = video(30, 216_000, |at| at % 60 == 0);
    for (at, frame) in (0_u32..).zip(&mut pictures.frames) {
        frame.offset = [1_000, 4_000, 2_000, 0, 0][at as usize % 5];
        // Sizes spread as an encoder's do: a keyframe is some twenty times a B-picture.
        let spread = at.wrapping_mul(2_654_435_761) >> 20;
        frame.size = if frame.sync { 60_000 + spread * 8 } else { 2_000 + spread * 3 };
    }
    [pictures.edited(0, 1_000), audio(337_500).edited(0, 1_024)]
}

fn planned(source: &Source) -> Plan {
    Plan::new(std::slice::from_ref(source), 0, Settings { target_millis: 6_000 }).unwrap()
}

fn two_hours(criterion: &mut Criterion) {
    let reels = reels();
    let source = source(&reels);
    for track in &source.movie.tracks {
        let (heap, len) = (track.index.heap_bytes(), track.index.len() as usize);
        println!("index of track {}: {len} samples, {}.{:02} bytes each", track.id, heap / len, heap * 100 / len % 100);
    }
    criterion.bench_function("index: build, 553,500 samples, tables included", |bench| {
        bench.iter(|| movie::movie(black_box(&reels)));
    });
    criterion.bench_function("plan: two tracks", |bench| bench.iter(|| planned(black_box(&source))));
    let plan = planned(&source);
    let asset = AssetId::new("film").unwrap();
    criterion.bench_function("manifests: all", |bench| bench.iter(|| Manifests::new(&asset, black_box(&plan))));
    for kind in [MediaKind::Video, MediaKind::Audio] {
        let track = plan.of_kind(kind).next().unwrap();
        segments(criterion, track, &format!("{kind:?}"));
    }
}

fn segments(criterion: &mut Criterion, track: &Planned, kind: &str) {
    let last = track.segments.len() as u32 - 1;
    for (place, number) in [("start", 2), ("end", last)] {
        let segment = track.segment(number).unwrap();
        criterion.bench_function(&format!("segment: {kind}, at the {place}"), |bench| {
            bench.iter(|| mux::segment(black_box(track), number, segment));
        });
    }
}

criterion_group!(benches, two_hours);
criterion_main!(benches);
