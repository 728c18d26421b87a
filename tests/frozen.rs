//! What is known of every fixture survives being frozen; frozen bytes that were forged, with a right checksum, are
//! refused or a movie that can be planned and muxed from bytes of the object.

#![allow(
    clippy::as_conversions,
    clippy::cast_possible_truncation,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test's numbers are small, and what panics here fails a test"
)]

#[path = "support/stored.rs"]
#[allow(dead_code, reason = "shared with other tests")]
mod stored;

use afflux::media::Movie;
use afflux::mux::{self, Piece};
use afflux::plan::{Plan, Settings, Source};
use bytes::Bytes;
use crc_fast::CrcAlgorithm;
use std::sync::Arc;
use stored::{Cost, fixture_assets, understand};

/// Flips per fixture.
const FLIPS: u32 = 2_000;
/// Bytes of the checksum at the end.
const CHECKSUM: usize = 8;
/// Bytes of magic and revision at the beginning.
const HEAD: usize = 12;

fn movies() -> Vec<(String, Movie)> {
    let files = fixture_assets().into_iter().flat_map(|(_, files)| files);
    let movie = |path: std::path::PathBuf| {
        let object = Bytes::from(std::fs::read(&path).unwrap());
        (path.display().to_string(), understand(&object, &mut Cost::default()).unwrap())
    };
    files.map(movie).collect()
}

fn sealed(mut frozen: Vec<u8>) -> Vec<u8> {
    let checksum = crc_fast::checksum(CrcAlgorithm::Crc64Nvme, &frozen);
    frozen.extend(checksum.to_le_bytes());
    frozen
}

/// Plans it and lists the bytes of all its segments, as far as it can be planned.
fn serve(movie: Movie) {
    let size = movie.size;
    let source = Source { file: "film.mp4".into(), name: None, movie: Arc::new(movie), said: Vec::new() };
    let Ok(plan) = Plan::new(&[source], 0, Settings { target_millis: 6_000 }) else { return };
    for track in plan.tracks() {
        assert!(!mux::init(track).is_empty());
        for (number, segment) in (1..).zip(&track.segments).take(50) {
            for piece in mux::segment(track, number, segment).pieces() {
                if let Piece::Stored(range) = piece {
                    assert!(range.end() <= size);
                }
            }
        }
    }
}

#[test]
fn every_fixture_survives() {
    for (path, movie) in movies() {
        assert_eq!(Movie::thaw(&movie.freeze().into()), Ok(movie), "{path}");
    }
}

#[test]
fn forged_bytes_of_a_fixture_are_refused_or_can_be_served() {
    let mut random = 0x9E37_79B9_7F4A_7C15_u64;
    let mut next = || {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        random as usize
    };
    for (_, movie) in movies() {
        let mut frozen = movie.freeze();
        frozen.truncate(frozen.len() - CHECKSUM);
        for _ in 0..FLIPS {
            let mut forged = frozen.clone();
            for _ in 0..=next() % 3 {
                let at = HEAD + next() % (forged.len() - HEAD);
                forged[at] = match next() % 3 {
                    0 => forged[at] ^ 1 << (next() % 8),
                    1 => 0xff,
                    _ => next() as u8,
                };
            }
            if let Ok(movie) = Movie::thaw(&sealed(forged).into()) {
                serve(movie);
            }
        }
    }
}
