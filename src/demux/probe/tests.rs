//! Tests of the probe with small files: whole, in parts, truncated and corrupted.

#![expect(clippy::as_conversions, clippy::cast_possible_truncation, reason = "numbers of a test are small")]

use super::{Probe, Step};
use crate::demux::content::ContentHashers;
use crate::demux::fixture::{MEDIA, Trak, atom, both, drive, ftyp, media_first, moov, movie, table};
use crate::demux::language::Dialect;
use crate::demux::moov::Moov;
use crate::demux::movie::ObjectSummary;
use crate::demux::{Error, FourCc};
use crate::media::{Family, Kind, Layout, Movie};
use bytes::Bytes;
use proptest::prelude::{any, prop, prop_assert, prop_assert_eq, proptest};

/// track_ID of a track; position, size and decode time of its samples.
type Outline = (u32, Vec<(u64, u32, i64)>);

fn outline(object: &[u8]) -> Vec<Outline> {
    let samples = |track: &crate::media::Track| {
        let all = track.index.samples(0..track.index.len());
        all.map(|s| (s.position, s.size, s.decode_time.0)).collect()
    };
    movie(object).unwrap().tracks.iter().map(|track| (track.id, samples(track))).collect()
}

#[test]
fn every_truncation_of_a_valid_file_is_refused() {
    let (last, first) = (both(), moov_first());
    for object in [last, first] {
        assert!(movie(&object).is_ok());
        for len in 0..object.len() {
            assert!(movie(&object[..len]).is_err(), "{len} of {}", object.len());
        }
    }
}

fn moov_first() -> Vec<u8> {
    let at = |offset: u32| moov(&[Trak::video(offset).print(), Trak::audio(offset + 60).print()]);
    let len = at(0).len() as u32;
    [ftyp(), at(len + MEDIA), atom(b"mdat", &[7; 70])].concat()
}

proptest! {
    #[test]
    fn no_change_of_bytes_makes_a_probe_panic(changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..8)) {
        let mut object = both();
        for (at, byte) in changes {
            let at = at.index(object.len());
            object[at] = byte;
        }
        if let Ok(movie) = movie(&object) {
            for track in movie.tracks {
                for sample in track.index.samples(0..track.index.len()) {
                    assert!(sample.range().is_none_or(|range| range.end() <= movie.size));
                }
            }
        }
    }
}

#[test]
fn tables_become_samples_wherever_the_moov_stands() {
    let expected = |at: u64| {
        vec![
            (1, vec![(at, 10, 0), (at + 10, 20, 1_000), (at + 30, 30, 2_000)]),
            (2, vec![(at + 60, 5, 0), (at + 65, 5, 1_024)]),
        ]
    };
    assert_eq!(outline(&both()), expected(28));
    let first = moov_first();
    assert_eq!(outline(&first), expected(first.len() as u64 - 70));
    let layouts = [&both(), &first].map(|object| movie(object).unwrap().layout);
    assert_eq!(layouts, [Layout::MoovLast, Layout::MoovFirst]);
}

/// A file whose `moov`, before or behind its media, is longer than a read that looks for boxes.
fn long(moov_first: bool) -> Vec<u8> {
    let samples = 30_000;
    let track = |offset: u32| {
        let sizes: Vec<u32> = [0, samples].into_iter().chain((0..samples).map(|at| at % 3)).collect();
        let runs: Vec<u32> = [samples].into_iter().chain((0..samples).flat_map(|at| [1, at % 4])).collect();
        let trak = Trak::video(offset).with(table(b"stsz", &sizes)).with(table(b"ctts", &runs));
        let trak = trak.with(table(b"stts", &[1, samples, 1_000])).with(table(b"stsc", &[1, 1, samples, 1]));
        moov(&[trak.with(table(b"stss", &[1, 1])).print()])
    };
    let media = atom(b"mdat", &vec![7; 100_000]);
    let at = 28 + if moov_first { track(0).len() as u32 } else { 0 };
    if moov_first { [ftyp(), track(at), media].concat() } else { [ftyp(), media, track(at)].concat() }
}

/// Drives a probe with parts of these lengths, in rotation.
fn in_parts(object: &[u8], lengths: &[usize]) -> Result<Movie, Error> {
    let (mut probe, mut need) = Probe::new(object.len() as u64)?;
    for length in lengths.iter().cycle() {
        let (from, to) = (need.start() as usize, need.end() as usize);
        match probe.part(&Bytes::copy_from_slice(&object[from..to.min(from + length)]))? {
            Step::Need(next) => need = next,
            Step::Done(movie) => return Ok(*movie),
        }
    }
    panic!("the probe does not end")
}

proptest! {
    #[test]
    fn what_comes_in_parts_is_understood_as_what_comes_at_once(
        lengths in prop::collection::vec(1_000_usize..70_000, 1..6), moov_first in any::<bool>(), cut in 0_usize..9,
    ) {
        let mut object = long(moov_first);
        prop_assert!(object.len() > 400_000);
        object.truncate(object.len() - cut * cut * cut);
        prop_assert_eq!(in_parts(&object, &lengths), movie(&object));
    }
}

#[test]
fn a_long_moov_is_understood_as_its_slow_twin_reads_it() {
    for moov_first in [true, false] {
        let object = long(moov_first);
        let whole = in_parts(&object, &[1 << 20]).unwrap();
        let at = object.windows(4).position(|four| four == b"moov").unwrap() - 4;
        let size = u32::from_be_bytes(object[at..at + 4].try_into().unwrap()) as usize;
        let slow = Moov::read(&Bytes::copy_from_slice(&object[at..at + size]), at as u64, Dialect::Iso).unwrap();
        let known = ObjectSummary { content: whole.content, size: whole.size, layout: whole.layout, cut_at: None };
        assert_eq!(crate::demux::movie::movie(slow, known).unwrap(), whole);
        let mut moov = blake3::Hasher::new();
        moov.update(&object[at..at + size]);
        let media = &object[object.windows(4).position(|four| four == b"mdat").unwrap() + 4..][..100_000];
        let (mut first, mut last) = (blake3::Hasher::new(), blake3::Hasher::new());
        first.update(&media[..65_536]);
        last.update(&media[100_000 - 65_536..]);
        let content = ContentHashers { moov, first, last, ..ContentHashers::default() };
        assert_eq!(whole.content, content.id(whole.size));
    }
}

#[test]
fn a_second_moov_that_differs_is_refused() {
    let (whole, at) = (both(), both().len() as u64);
    let moov = whole[98..].to_vec();
    assert_eq!(outline(&[whole.clone(), moov.clone()].concat()), outline(&whole));
    let mut other = moov;
    *other.last_mut().unwrap() ^= 1;
    assert_eq!(movie(&[whole.clone(), other].concat()).unwrap_err(), Error::SecondMoov { at });
    assert_eq!(movie(&[whole, self::moov(&[])].concat()).unwrap_err(), Error::SecondMoov { at });
}

#[test]
fn a_track_says_what_it_is() {
    let movie = movie(&both()).unwrap();
    let [video, audio] = movie.tracks.as_slice() else { panic!("two tracks") };
    let Kind::Video(picture) = video.kind else { panic!("video") };
    assert_eq!((picture.width, picture.height, picture.pixel_aspect), (320, 240, (1, 1)));
    assert_eq!(picture.matrix, [0x1_0000, 0, 0, 0, 0x1_0000, 0, 0, 0, 0x4000_0000]);
    let sets: &[u8] = &[0, 0, 0, 1, 0x67, 0x64, 0, 0, 0, 1, 0x68];
    assert_eq!(
        (video.codec.string.as_str(), &video.codec.family),
        ("avc1.64001f", &Family::H264 { nal_length: 4, parameter_sets: sets.into() })
    );
    assert_eq!((audio.codec.string.as_str(), audio.language.as_str()), ("mp4a.40.2", "en"));
    assert_eq!((video.index.sync_count(), audio.index.sync_count()), (1, 2));
    assert_eq!(video.index.samples(0..3).map(|s| s.offset).collect::<Vec<_>>(), [0, 1_000, 1_000]);
}

#[test]
fn a_small_file_takes_one_read() {
    assert_eq!(drive(&both()).unwrap().1, 1);
}

#[test]
fn a_large_file_takes_few_reads_and_no_more_media_than_names_it() {
    let media = atom(b"mdat", &vec![7; 1 << 20]);
    let traks = [Trak::video(MEDIA).print()];
    // The head; the moov behind the media; the first and the last 64 KiB of the media.
    assert_eq!(drive(&[ftyp(), media.clone(), moov(&traks)].concat()).unwrap().1, 4);
    // The head; the moov and the first media behind it; the last 64 KiB of the media.
    let long = |offset| moov(&[Trak { more: atom(b"free", &vec![0; 100_000]), ..Trak::video(offset) }.print()]);
    let place = u32::try_from(long(0).len()).unwrap() + MEDIA;
    assert_eq!(drive(&[ftyp(), long(place), media].concat()).unwrap().1, 3);
}

#[test]
fn the_content_id_changes_with_either_end_of_the_media_and_not_with_its_middle() {
    let object = [ftyp(), atom(b"mdat", &vec![7; 1 << 20]), moov(&[Trak::video(MEDIA).print()])].concat();
    let changed = |at: usize| {
        let mut changed = object.clone();
        changed[at] = 8;
        movie(&changed).unwrap().content
    };
    let same = movie(&object).unwrap().content;
    assert_ne!(changed(28 + 65_535), same);
    assert_ne!(changed(28 + (1 << 20) - 65_536), same);
    assert_eq!(changed(28 + 65_536), same);
    assert_ne!(movie(&[object.clone(), atom(b"free", &[])].concat()).unwrap().content, same);
}

#[test]
fn boxes_that_mean_nothing_are_passed_by() {
    let noise = [atom(b"free", &[1; 9]), atom(b"uuid", &[2; 20]), atom(b"wide", &[]), atom(b"abcd", &[])].concat();
    assert_eq!(outline(&[both(), noise.clone(), vec![0; 7]].concat()), outline(&both()));
    assert_eq!(outline(&[both(), vec![0; 64]].concat()), outline(&both()));
}

#[test]
fn a_size_of_zero_reaches_to_the_end_and_a_large_size_counts() {
    let mut object = moov_first();
    let mdat = object.len() - 78;
    let expected = outline(&object);
    object[mdat..mdat + 4].fill(0);
    assert_eq!(outline(&object), expected);
    object[mdat..mdat + 4].copy_from_slice(&99_u32.to_be_bytes());
    assert_eq!(outline(&object), expected, "a truncated mdat extends to the end of the file");
    let traks = [Trak::video(MEDIA + 8).print()];
    let large = [&[0, 0, 0, 1][..], b"mdat", &86_u64.to_be_bytes(), &[7; 70]].concat();
    assert_eq!(outline(&[ftyp(), large, moov(&traks)].concat())[0].1[0], (36, 10, 0));
}

#[test]
fn a_box_of_an_impossible_size_is_refused_by_name() {
    let mut object = both();
    object[0..4].copy_from_slice(&7_u32.to_be_bytes());
    let left = object.len() as u64;
    let refused = |kind, at, claims, left| Error::BoxSize { kind: FourCc(kind), at, claims, left };
    assert_eq!(movie(&object).unwrap_err(), refused(*b"ftyp", 0, 7, left));
    let mut object = both();
    object[98..102].copy_from_slice(&0x7fff_ffff_u32.to_be_bytes());
    assert_eq!(movie(&object).unwrap_err(), refused(*b"moov", 98, 0x7fff_ffff, left - 98));
    // The size of mvhd, the first box in moov.
    let mut object = both();
    object[106..110].copy_from_slice(&0_u32.to_be_bytes());
    assert_eq!(movie(&object).unwrap_err(), refused(*b"mvhd", 106, 0, left - 106));
}

#[test]
fn what_is_no_movie_says_so() {
    assert_eq!(Probe::new(0).unwrap_err(), Error::Empty);
    assert_eq!(movie(b"RIFF....AVI ").unwrap_err(), Error::NotMp4 { kind: FourCc(*b"....") });
    let object = [ftyp(), atom(b"mdat", &[0; 9])].concat();
    assert_eq!(movie(&object).unwrap_err(), Error::NoMoov { boxes: 2, size: 37 });
    let skipped = match movie(&media_first(&[])).unwrap_err() {
        Error::NoTracks { skipped } => skipped,
        other => panic!("{other}"),
    };
    assert_eq!(skipped, []);
}

#[test]
fn too_many_boxes_are_refused() {
    let object = [ftyp(), atom(b"free", &[]).repeat(2_000), both()].concat();
    let refused = Error::TooManyBoxes { kind: FourCc(*b"free"), at: 20 + 1_023 * 8, limit: 1_024 };
    assert_eq!(movie(&object).unwrap_err(), refused);
}

#[test]
fn other_bytes_than_were_needed_are_refused() {
    let (mut probe, need) = Probe::new(100).unwrap();
    let fed = probe.feed(&Bytes::from_static(&[0; 9]));
    assert_eq!(need.len(), 100);
    assert_eq!(fed.map(|step| matches!(step, Step::Done(_))), Err(Error::Fed { at: 0, needed: 100, given: 9 }));
}
