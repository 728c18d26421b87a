//! Hostile files: every cut and thousands of flips of the fixtures' headers end in an error or a valid response, with
//! bounded reads and memory, and never in a panic.

#![allow(
    clippy::as_conversions,
    clippy::cast_possible_truncation,
    clippy::cast_possible_wrap,
    clippy::cast_precision_loss,
    clippy::cast_sign_loss,
    clippy::float_arithmetic,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test's numbers are small, and a test that panics has failed"
)]

#[path = "support/stored.rs"]
#[allow(dead_code, reason = "shared with other tests")]
mod stored;

use afflux::manifest::{Lineup, Manifests, TsManifests};
use afflux::media::{AssetId, ByteRange, Movie};
use afflux::mux::{self, Chunks, Length, Piece, Transport};
use afflux::plan::{Plan, SourceFile};
use bytes::{Bytes, BytesMut};
use std::path::PathBuf;
use std::sync::Arc;
use stored::{Cost, fixture_assets, plan, slice, understand};

/// Flips per fixture.
const FLIPS: u32 = 2_000;
/// Cuts per fixture, spread over its header bytes and its end.
const CUTS: usize = 1_500;

#[test]
fn every_cut_of_a_fixture_is_an_error_or_a_valid_answer() {
    for path in small_files() {
        let whole = Bytes::from(std::fs::read(&path).unwrap());
        let headers = header_bytes(&whole);
        let step = headers.len().div_ceil(CUTS).max(1);
        for at in headers.iter().copied().step_by(step).chain(whole.len() - 8..whole.len()) {
            try_object(&whole.slice(..at));
        }
    }
}

#[test]
fn thousands_of_flips_of_a_fixture_are_errors_or_valid_answers() {
    for path in small_files() {
        let whole = Bytes::from(std::fs::read(&path).unwrap());
        let headers = header_bytes(&whole);
        let mut random = 0x9E37_79B9_7F4A_7C15_u64;
        for _ in 0..FLIPS {
            let mut object = BytesMut::from(whole.as_ref());
            for _ in 0..=next(&mut random) % 3 {
                let at = headers[next(&mut random) as usize % headers.len()];
                let byte = next(&mut random).to_be_bytes();
                match byte[0] % 4 {
                    0 => object[at] ^= 1 << (byte[1] % 8),
                    1 => object[at] = byte[1],
                    2 => object[at] = 0xff,
                    _ => object[at..(at + 4).min(whole.len())].fill(byte[1] & 1),
                }
            }
            try_object(&object.freeze());
        }
    }
}

fn next(state: &mut u64) -> u64 {
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    *state
}

/// The fixtures that are small enough for thousands of attempts.
fn small_files() -> Vec<PathBuf> {
    let files = fixture_assets().into_iter().flat_map(|(_, files)| files);
    let small: Vec<PathBuf> = files.filter(|path| path.metadata().unwrap().len() < 400_000).collect();
    assert!(small.len() >= 8, "only {} small fixtures", small.len());
    small
}

/// Positions of all bytes that are not media.
fn header_bytes(whole: &[u8]) -> Vec<usize> {
    let (mut at, mut positions) = (0, Vec::new());
    while at + 8 <= whole.len() {
        let size = u32::from_be_bytes(whole[at..at + 4].try_into().unwrap()) as usize;
        let end = if size < 8 { whole.len() } else { at + size };
        let kept = if whole[at + 4..at + 8] == *b"mdat" { at + 16 } else { end };
        positions.extend(at..kept.min(whole.len()));
        at = end;
    }
    positions
}

/// Parses, plans, prints and muxes an object as far as possible, and checks the cost against its bounds.
fn try_object(object: &Bytes) {
    let mut cost = Cost::default();
    let understood = understand(object, &mut cost);
    assert!(cost.bytes <= 4 * object.len() as u64 + (1 << 20), "{cost:?} for {} bytes", object.len());
    let Ok(movie) = understood else { return };
    let heap: usize = movie.tracks.iter().map(|track| track.index.heap_bytes()).sum();
    assert!(heap <= 64 * object.len() + (1 << 16) + (16 << 20), "{heap} bytes of index for {} bytes", object.len());
    try_movie(movie, object);
}

fn try_movie(movie: Movie, object: &Bytes) {
    let size = object.len() as u64;
    let samples: u64 = movie.tracks.iter().map(|track| u64::from(track.index.len())).sum();
    if samples > 200_000 {
        return;
    }
    let source = SourceFile { file: "film.mp4".into(), name: None, movie: Arc::new(movie), said: Vec::new() };
    let Ok(plan) = plan(&[source], 0) else { return };
    let manifests = Manifests::new(&AssetId::new("film").unwrap(), &plan);
    assert!(manifests.hls.text.starts_with(b"#EXTM3U"));
    for track in plan.tracks() {
        assert!(!mux::init(track).is_empty());
        for (number, segment) in (1..).zip(&track.segments).take(50) {
            let recipe = mux::segment(track, number, segment);
            assert_eq!(recipe.length(), mux::segment_length(track, segment));
            for piece in recipe.pieces() {
                if let Piece::Stored(range) = piece {
                    assert!(range.end() <= size, "{range:?} of an object of {size} bytes");
                }
            }
        }
    }
    try_transport(&plan, object);
}

/// Builds the MPEG-TS of the plan; each segment must be as long as promised.
fn try_transport(plan: &Plan, object: &Bytes) {
    let Ok(lineup) = Lineup::new(plan) else { return };
    let read = |ranges: &[ByteRange]| Chunks::new(ranges.iter().map(|range| slice(object, *range)).collect());
    let mut transports = Vec::new();
    for streams in lineup.streams() {
        let Ok(transport) = Transport::new(streams, plan.settings().target_millis) else { return };
        for number in [1, 2, transport.program().slices().len() as u32] {
            let Some(recipe) = transport.recipe(streams, number) else { continue };
            let whole = recipe.whole();
            let reads = whole.reads();
            let made = whole.build(read(&reads.first), read(&reads.second), BytesMut::with_capacity);
            let made: u64 = made.iter().map(|chunk| chunk.len() as u64).sum();
            let promised = match recipe.length() {
                Length::Exact(exact) => exact,
                Length::AfterBuild => made,
            };
            assert_eq!((made, made % 188), (promised, 0));
        }
        transports.push(Arc::new(transport));
    }
    let manifests = TsManifests::new(&AssetId::new("film").unwrap(), &lineup, &transports);
    assert!(manifests.entry.text.starts_with(b"#EXTM3U"));
}
