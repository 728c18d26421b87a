//! The slow twin: compares the packed index with the sample tables as the `mp4` crate reads them, expanded one by one.

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

use afflux::media::{Layout, Movie};
use bytes::Bytes;
use mp4::{BoxHeader, BoxType, MoovBox, ReadBox};
use std::io::Cursor;
use std::panic::catch_unwind;
use stored::{Cost, fixture_assets, understand};

/// Position, size, decode time, composition offset, sync sample or not.
type Row = (u64, u32, i64, i32, bool);

#[test]
fn the_index_of_every_fixture_is_what_the_mp4_crate_reads() {
    let mut compared = 0;
    for path in fixture_assets().into_iter().flat_map(|(_, files)| files) {
        let object = Bytes::from(std::fs::read(&path).unwrap());
        let movie = understand(&object, &mut Cost::default()).unwrap();
        if movie.layout == Layout::Fragmented {
            continue;
        }
        let moov = moov(&object).unwrap_or_else(|| panic!("{}: the mp4 crate reads no moov", path.display()));
        compared += compare(&movie, &moov, &path.display().to_string());
    }
    assert!(compared >= 20, "only {compared} tracks compared");
}

fn compare(movie: &Movie, moov: &MoovBox, file: &str) -> usize {
    for track in &movie.tracks {
        let at = moov.traks.iter().position(|twin| twin.tkhd.track_id == track.id).unwrap();
        let expected = rows(moov, at);
        let found: Vec<Row> = track
            .index
            .samples(0..track.index.len())
            .map(|sample| (sample.position, sample.size, sample.decode_time.0, sample.offset, sample.sync))
            .collect();
        assert_eq!(found, expected, "{file}, track {}", track.id);
        assert_eq!(track.timescale.get(), moov.traks[at].mdia.mdhd.timescale, "{file}, track {}", track.id);
    }
    movie.tracks.len()
}

/// Finds the `moov`, box by box.
fn moov(object: &Bytes) -> Option<MoovBox> {
    let object = object.to_vec();
    let read = move || {
        let mut reader = Cursor::new(object.as_slice());
        while (reader.position() as usize) < object.len() {
            let start = reader.position();
            let header = BoxHeader::read(&mut reader).ok()?;
            if header.name == BoxType::MoovBox {
                return MoovBox::read_box(&mut reader, header.size).ok();
            }
            reader.set_position(start + header.size.max(8));
        }
        None
    };
    catch_unwind(read).ok().flatten()
}

fn rows(moov: &MoovBox, track: usize) -> Vec<Row> {
    let stbl = &moov.traks[track].mdia.minf.stbl;
    let count = stbl.stsz.sample_count as usize;
    let sizes: Vec<u32> =
        if stbl.stsz.sample_size > 0 { vec![stbl.stsz.sample_size; count] } else { stbl.stsz.sample_sizes.clone() };
    let durations =
        stbl.stts.entries.iter().flat_map(|run| std::iter::repeat_n(run.sample_delta, run.sample_count as usize));
    let offsets = stbl.ctts.iter().flat_map(|ctts| &ctts.entries);
    let offsets = offsets.flat_map(|run| std::iter::repeat_n(run.sample_offset, run.sample_count as usize));
    let mut offsets: Vec<i32> = offsets.collect();
    offsets.resize(count, 0);
    let positions = positions(moov, track, &sizes);
    let mut decode_time = 0;
    let mut rows = Vec::new();
    for (at, duration) in durations.take(count).enumerate() {
        let sync = stbl.stss.as_ref().is_none_or(|stss| stss.entries.contains(&(at as u32 + 1)));
        rows.push((positions[at], sizes[at], decode_time, offsets[at], sync));
        decode_time += i64::from(duration);
    }
    rows
}

fn positions(moov: &MoovBox, track: usize, sizes: &[u32]) -> Vec<u64> {
    let stbl = &moov.traks[track].mdia.minf.stbl;
    let chunks: Vec<u64> = match (&stbl.stco, &stbl.co64) {
        (Some(stco), _) => stco.entries.iter().map(|offset| u64::from(*offset)).collect(),
        (None, Some(co64)) => co64.entries.clone(),
        (None, None) => Vec::new(),
    };
    let mut positions = Vec::new();
    for (number, mut position) in (1..).zip(chunks) {
        let run = stbl.stsc.entries.iter().rev().find(|run| run.first_chunk <= number).unwrap();
        for _ in 0..run.samples_per_chunk {
            let Some(size) = sizes.get(positions.len()) else { break };
            positions.push(position);
            position += u64::from(*size);
        }
    }
    positions
}
