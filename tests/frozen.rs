//! Freezing and thawing gives back every fixture's index and plan. Forged frozen bytes with right checksums are either
//! rejected or can be listed and muxed from bytes of the object.

#![allow(
    clippy::as_conversions,
    clippy::cast_possible_truncation,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test's numbers are small, and a test that panics has failed"
)]

#[path = "support/stored.rs"]
#[allow(dead_code, reason = "shared with other tests")]
mod stored;

use afflux::manifest::Manifests;
use afflux::media::{AssetId, Movie};
use afflux::mux::{self, Piece};
use afflux::plan::{Plan, Settings, SourceFile};
use bytes::Bytes;
use crc_fast::CrcAlgorithm;
use std::ops::Range;
use std::sync::Arc;
use stored::{Cost, fixture_assets, understand};

/// Random changes per fixture.
const FLIPS: u32 = 2_000;
/// Size of a checksum, in bytes.
const CHECKSUM: usize = 8;
/// Size of magic and revision at the beginning, in bytes.
const HEAD: usize = 12;
const SIX: Settings = Settings { target_millis: 6_000 };

fn movies() -> Vec<(String, Movie)> {
    let files = fixture_assets().into_iter().flat_map(|(_, files)| files);
    let movie = |path: std::path::PathBuf| {
        let object = Bytes::from(std::fs::read(&path).unwrap());
        (path.display().to_string(), understand(&object, &mut Cost::default()).unwrap())
    };
    files.map(movie).collect()
}

fn checksum(bytes: &[u8]) -> [u8; CHECKSUM] {
    crc_fast::checksum(CrcAlgorithm::Crc64Nvme, bytes).to_le_bytes()
}

/// Places of the checksums in a frozen movie with the ranges they cover: its sections, then its head.
fn seals(frozen: &Bytes) -> Vec<(usize, Range<usize>)> {
    let head = Movie::frozen_head(frozen).unwrap() as usize;
    let sections = Movie::thaw_head(&frozen.slice(..head)).unwrap().movie.all_missing();
    let ranges = sections.iter().map(|missing| missing.range.start() as usize..missing.range.end() as usize);
    let seal = |range: Range<usize>| {
        let checksum = checksum(&frozen[range.clone()]);
        (frozen[..head].windows(CHECKSUM).position(|bytes| bytes == checksum).unwrap(), range)
    };
    ranges.map(seal).chain([(head - CHECKSUM, 0..head - CHECKSUM)]).collect()
}

fn sealed(mut forged: Vec<u8>, seals: &[(usize, Range<usize>)]) -> Bytes {
    for (at, range) in seals {
        let checksum = checksum(&forged[range.clone()]);
        forged[*at..at + CHECKSUM].copy_from_slice(&checksum);
    }
    forged.into()
}

fn source(movie: &Arc<Movie>) -> [SourceFile; 1] {
    [SourceFile { file: "film.mp4".into(), name: None, movie: Arc::clone(movie), said: Vec::new() }]
}

/// Lists the bytes of all segments.
fn serve(plan: &Plan, size: u64) {
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

/// Random numbers.
fn random() -> impl FnMut() -> usize {
    let mut random = 0x9E37_79B9_7F4A_7C15_u64;
    move || {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        random as usize
    }
}

/// `frozen` with changes at up to three places after magic and revision.
fn forged(frozen: &[u8], next: &mut impl FnMut() -> usize) -> Vec<u8> {
    let mut forged = frozen.to_vec();
    for _ in 0..=next() % 3 {
        let at = HEAD + next() % (forged.len() - HEAD);
        forged[at] = match next() % 3 {
            0 => forged[at] ^ 1 << (next() % 8),
            1 => 0xff,
            _ => next() as u8,
        };
    }
    forged
}

#[test]
fn every_fixture_survives() {
    for (path, movie) in movies() {
        assert_eq!(Movie::thaw(&movie.freeze().into()), Ok(movie), "{path}");
    }
}

#[test]
fn forged_bytes_of_a_fixture_are_refused_or_can_be_served() {
    let mut next = random();
    for (_, movie) in movies() {
        let frozen = Bytes::from(movie.freeze());
        let seals = seals(&frozen);
        for _ in 0..FLIPS {
            if let Ok(movie) = Movie::thaw(&sealed(forged(&frozen, &mut next), &seals)) {
                let (size, movie) = (movie.size, Arc::new(movie));
                if let Ok(plan) = Plan::new(&source(&movie), 0, SIX) {
                    serve(&plan, size);
                }
            }
        }
    }
}

/// A plan of each fixture that can be planned, with its frozen bytes.
fn plans() -> Vec<(String, [SourceFile; 1], Plan, Vec<u8>)> {
    let planned = |(path, movie)| {
        let source = source(&Arc::new(movie));
        let plan = Plan::new(&source, 0, SIX).ok()?;
        let frozen = plan.freeze(0);
        Some((path, source, plan, frozen))
    };
    movies().into_iter().filter_map(planned).collect()
}

#[test]
fn every_plan_survives() {
    let asset = AssetId::new("film").unwrap();
    for (path, sources, plan, frozen) in plans() {
        let thawed = Plan::thaw(&sources, 0, SIX, &frozen.clone().into()).unwrap();
        assert_eq!(thawed.freeze(0), frozen, "{path}");
        let texts = [&plan, &thawed].map(|plan| Manifests::new(&asset, plan));
        let [planned, kept] = texts.map(|texts| (texts.hls.text, texts.dash.text));
        assert_eq!(planned, kept, "{path}");
        let segments = |plan: &Plan| plan.tracks().iter().flat_map(|track| track.segments.clone()).collect::<Vec<_>>();
        assert_eq!(segments(&plan), segments(&thawed), "{path}");
        for track in thawed.tracks() {
            assert!(track.segments.iter().all(|segment| track.is_true(segment)), "{path}");
        }
    }
}

#[test]
fn a_plan_that_is_torn_or_of_something_else_is_refused() {
    let plans = plans();
    for (at, (path, sources, _, frozen)) in plans.iter().enumerate() {
        let refused = |bytes: &[u8]| Plan::thaw(sources, 0, SIX, &Bytes::copy_from_slice(bytes)).is_err();
        for end in 0..frozen.len() {
            let body = &frozen[..end];
            assert!(refused(body) && refused(&[body, &checksum(body)].concat()) == (end + CHECKSUM != frozen.len()));
        }
        for at in 0..frozen.len() {
            let mut flipped = frozen.clone();
            flipped[at] ^= 0x10;
            assert!(refused(&flipped), "{path}: {at}");
        }
        let (_, other, _, _) = &plans[(at + 1) % plans.len()];
        let same = other[0].movie.content == sources[0].movie.content;
        assert!(same || Plan::thaw(other, 0, SIX, &frozen.clone().into()).is_err(), "{path}");
    }
}

#[test]
fn a_forged_plan_is_refused_or_found_untrue_or_can_be_served() {
    let (asset, mut next) = (AssetId::new("film").unwrap(), random());
    let (mut untrue, mut same) = (0, 0);
    for (path, sources, plan, frozen) in plans() {
        let body = &frozen[..frozen.len() - CHECKSUM];
        for _ in 0..FLIPS {
            let forged = forged(body, &mut next);
            let checksum = checksum(&forged);
            let Ok(thawed) = Plan::thaw(&sources, 0, SIX, &[forged, checksum.to_vec()].concat().into()) else {
                continue;
            };
            drop(Manifests::new(&asset, &thawed));
            let mut lies = false;
            for (track, planned) in thawed.tracks().iter().zip(plan.tracks()) {
                let is_true = |segment| track.is_true(segment);
                let all = track.segments.iter().all(is_true);
                // Equal cuts have equal versions: the thawed plan is the same, or verification rejects it.
                assert!(!all || track.version != planned.version || track.segments == planned.segments, "{path}");
                lies |= !all;
            }
            if lies {
                untrue += 1;
            } else {
                serve(&thawed, sources[0].movie.size);
                same += 1;
            }
        }
    }
    assert!(untrue > 100 && same > 0, "{untrue} {same}");
}
