//! Feeds any bytes as a whole object to a probe: it must not panic or hang, and the ranges of the result must lie in
//! the object.

#![no_main]

use afflux::demux::Probe;
use afflux::demux::Step;
use bytes::Bytes;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let object = Bytes::copy_from_slice(data);
    let Ok((mut probe, mut need)) = Probe::new(data.len() as u64) else { return };
    // Each read advances by at least one box.
    for _ in 0..=data.len() / 4 {
        match probe.feed(&object.slice(need.start() as usize..need.end() as usize)) {
            Ok(Step::Need(next)) => need = next,
            Ok(Step::Done(movie)) => {
                for track in &movie.tracks {
                    for sample in track.index.samples(0..track.index.len()) {
                        assert!(sample.range().is_none_or(|range| range.end() <= movie.size));
                    }
                }
                return;
            }
            Err(error) => return drop(error.to_string()),
        }
    }
    panic!("the probe does not end");
});
