//! Bytes of a frozen movie changed, with a right checksum: refused, or a movie whose samples lie in its object and that
//! can be planned. Even inputs are bytes behind a right beginning; odd ones change a stored film's, place by place.

#![no_main]

use afflux::demux::{Probe, Step};
use afflux::media::Movie;
use afflux::plan::{Plan, Settings, Source};
use bytes::Bytes;
use crc_fast::CrcAlgorithm;
use libfuzzer_sys::fuzz_target;
use std::sync::{Arc, OnceLock};

/// A small film with edits.
const FILM: &[u8] = include_bytes!("../../fixtures/media/vfr.mp4");
/// Bytes of magic and revision at the beginning.
const HEAD: usize = 12;
/// Bytes of the checksum at the end.
const CHECKSUM: usize = 8;

/// The film, frozen, without its checksum.
fn frozen() -> &'static [u8] {
    static FROZEN: OnceLock<Vec<u8>> = OnceLock::new();
    FROZEN.get_or_init(|| {
        let (mut probe, mut need) = Probe::new(FILM.len() as u64).expect("a film");
        loop {
            let range = need.start() as usize..need.end() as usize;
            match probe.feed(&Bytes::from_static(&FILM[range])).expect("a film") {
                Step::Need(next) => need = next,
                Step::Done(movie) => {
                    let mut frozen = movie.freeze();
                    frozen.truncate(frozen.len() - CHECKSUM);
                    return frozen;
                }
            }
        }
    })
}

fuzz_target!(|data: &[u8]| {
    let Some((kind, data)) = data.split_first() else { return };
    let mut forged = frozen().to_vec();
    if kind % 2 == 0 {
        forged.truncate(HEAD);
        forged.extend(data);
    } else {
        for change in data.chunks_exact(3) {
            let at = HEAD + usize::from(u16::from_le_bytes([change[0], change[1]])) % (forged.len() - HEAD);
            forged[at] = change[2];
        }
    }
    let checksum = crc_fast::checksum(CrcAlgorithm::Crc64Nvme, &forged);
    forged.extend(checksum.to_le_bytes());
    let Ok(movie) = Movie::thaw(&forged.into()) else { return };
    for track in &movie.tracks {
        for sample in track.index.samples(0..track.index.len()).take(1 << 16) {
            assert!(sample.range().is_none_or(|range| range.end() <= movie.size));
        }
    }
    let source = Source { file: "film.mp4".into(), name: None, movie: Arc::new(movie), said: Vec::new() };
    drop(Plan::new(&[source], 0, Settings { target_millis: 6_000 }));
});
