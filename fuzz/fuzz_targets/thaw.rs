//! Thaws changed frozen movies and plans, with corrected checksums. A movie must be rejected, or its samples must lie
//! in its object and planning it must not panic; a plan must be rejected, or verifying its segments must not panic. Of
//! every four inputs, one is a head with a right beginning, one changes a stored film's bytes place by place, and two
//! do the same with plans.

#![no_main]

use afflux::demux::{Probe, Step};
use afflux::media::Movie;
use afflux::plan::{Plan, Settings, SourceFile};
use bytes::Bytes;
use crc_fast::CrcAlgorithm;
use libfuzzer_sys::fuzz_target;
use std::ops::Range;
use std::sync::{Arc, OnceLock};

/// A small film with edits.
const FILM: &[u8] = include_bytes!("../../fixtures/media/vfr.mp4");
/// Size of magic and revision at the beginning, in bytes.
const HEAD: usize = 12;
/// Size of a checksum, in bytes.
const CHECKSUM: usize = 8;
const SIX: Settings = Settings { target_millis: 6_000 };

/// The film in frozen form.
struct Frozen {
    source: SourceFile,
    movie: Bytes,
    /// Places of the checksums in the movie, and the ranges they cover.
    seals: Vec<(usize, Range<usize>)>,
    plan: Vec<u8>,
}

fn frozen() -> &'static Frozen {
    static FROZEN: OnceLock<Frozen> = OnceLock::new();
    FROZEN.get_or_init(|| {
        let (mut probe, mut need) = Probe::new(FILM.len() as u64).expect("a film");
        loop {
            let range = need.start() as usize..need.end() as usize;
            match probe.feed(&Bytes::from_static(&FILM[range])).expect("a film") {
                Step::Need(next) => need = next,
                Step::Done(movie) => return kept(*movie),
            }
        }
    })
}

fn kept(movie: Movie) -> Frozen {
    let frozen = Bytes::from(movie.freeze());
    let head = Movie::frozen_head(&frozen).expect("frozen") as usize;
    let missing = Movie::thaw_head(&frozen.slice(..head)).expect("frozen").movie.all_missing();
    let sections = missing.iter().map(|missing| missing.range.start() as usize..missing.range.end() as usize);
    let seal = |range: Range<usize>| {
        let checksum = checksum(&frozen[range.clone()]);
        (frozen[..head].windows(CHECKSUM).position(|bytes| bytes == checksum).expect("its checksum"), range)
    };
    let seals = sections.map(seal).chain([(head - CHECKSUM, 0..head - CHECKSUM)]).collect();
    let source = source(movie);
    let plan = Plan::new(&[source.clone()], 0, SIX).expect("a plan").freeze(0);
    Frozen { source, movie: frozen, seals, plan }
}

fn source(movie: Movie) -> SourceFile {
    SourceFile { file: "film.mp4".into(), name: None, movie: Arc::new(movie), said: Vec::new() }
}

fn checksum(bytes: &[u8]) -> [u8; CHECKSUM] {
    crc_fast::checksum(CrcAlgorithm::Crc64Nvme, bytes).to_le_bytes()
}

/// `bytes` with places after magic and revision changed as `data` says.
fn changed(bytes: &[u8], data: &[u8]) -> Vec<u8> {
    let mut changed = bytes.to_vec();
    for change in data.chunks_exact(3) {
        let at = HEAD + usize::from(u16::from_le_bytes([change[0], change[1]])) % (changed.len() - HEAD);
        changed[at] = change[2];
    }
    changed
}

/// The magic and revision of `frozen`, followed by `data`.
fn begun(frozen: &[u8], data: &[u8]) -> Vec<u8> {
    [&frozen[..HEAD], data].concat()
}

fn thaw_movie(forged: Bytes) {
    let Ok(movie) = Movie::thaw(&forged) else { return };
    for track in &movie.tracks {
        for sample in track.index.samples(0..track.index.len()).take(1 << 16) {
            assert!(sample.range().is_none_or(|range| range.end() <= movie.size));
        }
    }
    drop(Plan::new(&[source(movie)], 0, SIX));
}

fn thaw_plan(mut forged: Vec<u8>) {
    forged.extend(checksum(&forged));
    let Ok(plan) = Plan::thaw(&[frozen().source.clone()], 0, SIX, &forged.into()) else { return };
    for track in plan.tracks() {
        assert_eq!(track.segments.last().map(|last| last.samples.end), Some(track.timeline.len()));
        for segment in &track.segments {
            let _told = track.is_true(segment);
        }
    }
}

fuzz_target!(|data: &[u8]| {
    let Some((kind, data)) = data.split_first() else { return };
    let Frozen { movie, seals, plan, .. } = frozen();
    match kind % 4 {
        0 => {
            let length = (HEAD + 4 + data.len() + CHECKSUM) as u32;
            let mut head = begun(movie, &[&length.to_le_bytes(), data].concat());
            head.extend(checksum(&head));
            thaw_movie(head.into());
        }
        1 => {
            let mut forged = changed(movie, data);
            for (at, range) in seals {
                let checksum = checksum(&forged[range.clone()]);
                forged[*at..at + CHECKSUM].copy_from_slice(&checksum);
            }
            thaw_movie(forged.into());
        }
        2 => thaw_plan(begun(plan, data)),
        _ => thaw_plan(changed(&plan[..plan.len() - CHECKSUM], data)),
    }
});
