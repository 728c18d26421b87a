//! Tests of frozen movies: a round trip returns the same movie; damaged and forged bytes are refused.

use super::{Damage, FORM, FrozenFormat, LENGTH, REVISION};
use crate::media::index::SampleIndex;
use crate::media::offsets::Offsets;
use crate::media::packed::{Packed, PrefixSums};
use crate::media::section::{SECTION, SampleTables, Section, Sections};
use crate::media::sync::Sync;
use crate::media::{
    Aac, Arrangement, Codec, Colour, ContentId, Edit, Family, IndexBuilder, Kind, Language, Layout, LeftOut, Moment,
    Movie, OffsetRuns, Picture, SAMPLE_LIMIT, Sizes, Skipped, Sound, Supplemental, TableError, Ticks, Timescale, Title,
    Track, VideoRange,
};
use bytes::Bytes;
use proptest::prelude::{BoxedStrategy, Just, Strategy, any, prop, prop_assert, prop_assert_eq, prop_oneof, proptest};
use std::cmp::Ordering;
use std::ops::Range;

const SIZE: u64 = 1 << 33;

fn index(rows: &[(u32, i32, u32)], per_chunk: usize, every: u32, first_decode_time: u64) -> SampleIndex {
    let sizes = Sizes::Each(rows.iter().map(|row| row.2).collect());
    let sync = (every > 0).then(|| (1..=rows.len() as u32).step_by(every as usize).collect());
    let mut builder = IndexBuilder { first_decode_time, sizes, sync, ..IndexBuilder::default() };
    let mut position = 1 << 20;
    for part in rows.chunks(per_chunk) {
        builder.push_chunk(position, part.len() as u32);
        position += part.iter().map(|row| u64::from(row.2)).sum::<u64>() + 3;
    }
    for (duration, offset, _) in rows {
        builder.push_duration(*duration);
        builder.push_offset(*offset);
    }
    builder.build(SIZE).unwrap()
}

fn entry(fourcc: [u8; 4]) -> Bytes {
    [&[0, 0, 0, 12][..], &fourcc, b"rest"].concat().into()
}

fn video(index: SampleIndex) -> Track {
    let picture = Picture {
        pixel_aspect: (4, 3),
        matrix: [-1, 2, 3, 4, 5, 6, 7, 8, 9],
        colour: Some(Colour { primaries: 9, transfer: 18, matrix: 9, full_range: true }),
        range: VideoRange::Hlg,
        ..Picture::plain(320, 180)
    };
    let supplemental = Some(Supplemental { codec: "dvh1.08.07".into(), brand: *b"db4h" });
    let family = Family::H264 { nal_length: 4, parameter_sets: Bytes::from_static(&[0, 0, 0, 1, 0x67]) };
    Track {
        id: 7,
        kind: Kind::Video(picture),
        timescale: Timescale::new(25_000).unwrap(),
        language: Language::undetermined(),
        title: Title::new("« Le film »"),
        enabled: true,
        alternate_group: 0x102,
        codec: Codec { fourcc: *b"avc1", string: "avc1.42c00d".into(), family, supplemental },
        entry: entry(*b"avc1"),
        edit: Edit { delay: Moment::from_millis(40), media_time: Ticks(2), length: Some(Moment::from_millis(9)) },
        left_out: LeftOut { leading: 1, between: 2, behind: 3, undecodable: 1, empty: 4 },
        index,
    }
}

fn audio(index: SampleIndex) -> Track {
    let aac = Aac { object_type: 5, core_type: 2, sample_rate: 1, channel_configuration: 2, frame_length: 960 };
    Track {
        id: 2,
        kind: Kind::Audio(Sound { channels: 2, sample_rate: 48_000, arrangement: Arrangement::Objects(16) }),
        timescale: Timescale::new(48_000).unwrap(),
        language: Language::new("pt-BR").unwrap(),
        title: None,
        enabled: false,
        alternate_group: 0,
        codec: Codec { fourcc: *b"mp4a", string: "mp4a.40.5".into(), family: Family::Aac(aac), supplemental: None },
        entry: entry(*b"mp4a"),
        edit: Edit::NONE,
        left_out: LeftOut::default(),
        index,
    }
}

fn film(tracks: Vec<Track>) -> Movie {
    let skipped = vec![Skipped { track: 9, handler: *b"hint", reason: "is neither, « really »".into() }];
    Movie { content: ContentId::new([3; 16]), size: SIZE, layout: Layout::MoovLast, cut_at: Some(7), tracks, skipped }
}

fn small() -> Movie {
    let rows: Vec<(u32, i32, u32)> =
        (0..70_u32).map(|at| (10 + at % 2, (at % 3).cast_signed() * 10, 100 + at * at)).collect();
    film(vec![video(index(&rows, 7, 12, 5)), audio(index(&rows[..9], 2, 0, 0))])
}

fn movies() -> impl Strategy<Value = Movie> {
    let offset = prop_oneof![3 => -3_i32..3, 1 => any::<i32>()];
    let size = prop_oneof![9 => 0_u32..5_000, 1 => 0_u32..1 << 22];
    let rows = |offset: BoxedStrategy<i32>| {
        let rows = prop::collection::vec((prop_oneof![Just(7_u32), 0_u32..9_000], offset, size.clone()), 1..400);
        // A few movies have several sections.
        (rows, prop_oneof![9 => Just(1), 1 => 20_usize..40]).prop_map(|(rows, times)| rows.repeat(times))
    };
    let first = prop_oneof![Just(0_u64), 0..1_u64 << 61];
    (rows(offset.boxed()), rows(Just(0).boxed()), 1_usize..9, 0_u32..20, first).prop_map(
        |(seen, heard, per_chunk, every, first)| {
            film(vec![video(index(&seen, per_chunk, every, first)), audio(index(&heard, per_chunk, 0, 0))])
        },
    )
}

fn thaw(bytes: &[u8]) -> Result<Movie, Damage> {
    Movie::thaw(&Bytes::copy_from_slice(bytes))
}

/// Size of the head of a frozen movie.
fn head(frozen: &[u8]) -> usize {
    Movie::frozen_head(frozen).unwrap() as usize
}

fn thaw_head(frozen: &[u8]) -> Result<Movie, Damage> {
    Movie::thaw_head(&Bytes::copy_from_slice(frozen)).map(|thawed| thawed.movie)
}

/// For each section of a frozen movie, the position of its checksum, and the range of its bytes.
fn seals(frozen: &[u8]) -> Vec<(usize, Range<usize>)> {
    let head = &frozen[..head(frozen)];
    let sections = thaw_head(head).unwrap().all_missing();
    let seal = |missing: super::Missing| {
        let range = missing.range.start() as usize..missing.range.end() as usize;
        let checksum = FrozenFormat::checksum(&frozen[range.clone()]).to_le_bytes();
        (head.windows(8).position(|bytes| bytes == checksum).unwrap(), range)
    };
    sections.into_iter().map(seal).collect()
}

/// Corrects the checksums of the changed bytes `forged`: those at `seals`, and that of the head, of `head` bytes.
fn sealed(mut forged: Vec<u8>, seals: &[(usize, Range<usize>)], head: usize) -> Vec<u8> {
    for (at, range) in seals {
        let checksum = FrozenFormat::checksum(&forged[range.clone()]);
        forged[*at..at + 8].copy_from_slice(&checksum.to_le_bytes());
    }
    let end = head - FrozenFormat::CHECKSUM;
    let checksum = FrozenFormat::checksum(&forged[..end]);
    forged[end..head].copy_from_slice(&checksum.to_le_bytes());
    forged
}

/// Completes the `body` of a head with the right length and checksum.
fn sealed_head(mut body: Vec<u8>) -> Vec<u8> {
    let len = (body.len() + FrozenFormat::CHECKSUM) as u32;
    body[LENGTH].copy_from_slice(&len.to_le_bytes());
    FrozenFormat::seal(&mut body);
    body
}

/// Looks up every fact of every sample.
fn consult(movie: &Movie) {
    for track in &movie.tracks {
        let index = &track.index;
        let (mut count, mut time) = (0, index.decode_time(0));
        for sample in index.samples(0..index.len()) {
            assert!(sample.position + u64::from(sample.size) <= movie.size || sample.size == 0);
            assert_eq!((sample.number, sample.decode_time), (count, time));
            assert_eq!(index.samples(count..count + 1).next(), Some(sample));
            assert_eq!((index.size(count), index.duration(count)), (sample.size, sample.duration));
            assert!(sample.offset >= index.least_offset() && sample.sync == index.is_sync(count));
            assert!(index.first_decoded_at(time) <= count);
            count += 1;
            time.0 += i64::from(sample.duration);
        }
        assert_eq!((count, time), (index.len(), index.decode_time(index.len())));
        assert!(time.0 < 1 << 62 && index.sync_count() >= 1);
        assert!(index.ranges(0..count).all(|range| range.end() <= movie.size));
        assert!(index.least_composition_time(0..count) >= Some(Ticks(i64::from(index.least_offset()))));
        assert_eq!(index.bytes_of(0..count), index.bytes());
        let syncs = (0..index.sync_count()).filter_map(|at| index.sync_sample(at)).filter(|at| *at < count);
        assert_eq!(syncs.count() as u32, index.sync_before(count));
        assert_eq!(index.constant_duration(count..count), None);
    }
}

proptest! {
    #[test]
    fn what_was_frozen_is_thawed(movie in movies()) {
        let frozen = movie.freeze();
        prop_assert_eq!(thaw(&frozen), Ok(movie.clone()));
        let heap: usize = movie.tracks.iter().map(|track| track.index.heap_bytes()).sum();
        prop_assert!(frozen.len() < heap + 1_000);
        prop_assert_eq!(thaw(&frozen).unwrap().freeze(), frozen);
    }
}

#[test]
fn sections_are_brought_in_any_order_and_only_where_they_are_right() {
    let rows: Vec<(u32, i32, u32)> =
        (0..3 * SECTION + 7).map(|at| (10 + at % 2, (at % 3).cast_signed() * 10, 100 + at % 900)).collect();
    let movie = film(vec![video(index(&rows, 7, 12, 5)), audio(index(&rows[..9], 2, 0, 0))]);
    let frozen = Bytes::from(movie.freeze());
    let part = |missing: super::Missing| frozen.slice(missing.range.start() as usize..missing.range.end() as usize);
    let lazy = thaw_head(&frozen[..head(&frozen)]).unwrap();
    let (seen, heard) = (&lazy.tracks[0].index, &lazy.tracks[1].index);
    let most = seen.heap_bytes();
    assert_eq!((lazy.all_missing().len(), lazy.ends_missing().len(), lazy.missing(1, 3..4).len()), (5, 3, 1));
    for missing in lazy.ends_missing() {
        lazy.thaw_missing(missing, &part(missing)).unwrap();
    }
    assert_eq!((lazy.missing(0, 0..SECTION), heard.has(0..9)), (vec![], true));
    assert_eq!((seen.has(0..SECTION), seen.has(0..SECTION + 1)), (true, false));
    // Facts about the first sample of a section need no tables.
    let known = &movie.tracks[0].index;
    for at in [0, SECTION, 2 * SECTION, 3 * SECTION, known.len()] {
        assert_eq!((seen.decode_time(at), seen.bytes_of(0..at)), (known.decode_time(at), known.bytes_of(0..at)));
    }
    let [second, third] = lazy.all_missing()[..] else { panic!("two sections") };
    assert_eq!(lazy.thaw_missing(second, &part(third)), Err(Damage::Checksum));
    assert_eq!(lazy.thaw_missing(second, &part(second).slice(1..)), Err(Damage::Checksum));
    assert_eq!(lazy.missing(0, SECTION..SECTION + 1), [second]);
    lazy.thaw_missing(third, &part(third)).unwrap();
    assert_eq!(lazy.fill(&film(vec![video(index(&rows[1..], 7, 12, 5))])), Err(Damage::Checksum));
    lazy.fill(&movie).unwrap();
    assert_eq!((lazy.all_missing(), &lazy), (vec![], &movie));
    assert!(seen.heap_bytes() <= most, "{} of {most}", seen.heap_bytes());
    assert_eq!(lazy.freeze(), frozen);
}

#[test]
fn every_truncation_is_refused_with_right_checksums_too() {
    let frozen = small().freeze();
    for at in 0..frozen.len() {
        assert!(thaw(&frozen[..at]).is_err(), "{at}");
    }
    let (end, seals) = (head(&frozen), seals(&frozen));
    for at in LENGTH.end..end - FrozenFormat::CHECKSUM {
        assert!(thaw_head(&sealed_head(frozen[..at].to_vec())).is_err(), "{at}");
    }
    let resized = |(at, range): &(usize, Range<usize>), section: &[u8]| {
        let mut forged = [&frozen[..range.start], section, &frozen[range.end..]].concat();
        forged[at - 4..*at].copy_from_slice(&(section.len() as u32).to_le_bytes());
        let moved = |other: &Range<usize>| match other.start.cmp(&range.start) {
            Ordering::Less => other.clone(),
            Ordering::Equal => range.start..range.start + section.len(),
            Ordering::Greater => other.start + section.len() - range.len()..other.end + section.len() - range.len(),
        };
        let seals: Vec<_> = seals.iter().map(|(at, other)| (*at, moved(other))).collect();
        thaw(&sealed(forged, &seals, end))
    };
    for seal in &seals {
        let section = &frozen[seal.1.clone()];
        for at in 0..section.len() {
            assert!(resized(seal, &section[..at]).is_err(), "{at}");
        }
        assert_eq!(resized(seal, &[section, &[0; 5]].concat()), Err(Damage::Behind { rest: 5 }));
    }
    let more = sealed_head([&frozen[..end - FrozenFormat::CHECKSUM], &[0; 5]].concat());
    assert_eq!(thaw_head(&more), Err(Damage::Behind { rest: 5 }));
    assert_eq!(thaw(&[&frozen[..], &[0; 5]].concat()), Err(Damage::Behind { rest: 5 }));
}

#[test]
fn every_flip_is_refused() {
    let frozen = small().freeze();
    for at in 0..frozen.len() {
        let mut flipped = frozen.clone();
        flipped[at] ^= 0x10;
        let refused = thaw(&flipped).unwrap_err();
        match at {
            0..8 => assert_eq!(refused, Damage::Foreign),
            8..12 => assert_eq!(refused, Damage::Revision { found: REVISION ^ 0x10 << (8 * (at - 8)) }),
            12..16 => {}
            _ => assert_eq!(refused, Damage::Checksum),
        }
    }
    assert_eq!(thaw(&FORM.magic), Err(Damage::Short { needs: 4, left: 0 }));
}

/// Writes `values` at each position of the small film, with right checksums: it must be refused, or be a consistent
/// movie. Returns the number of consistent movies.
fn forge(width: usize, values: impl Fn(&[u8]) -> Vec<Vec<u8>>) -> usize {
    let frozen = small().freeze();
    let (end, seals) = (head(&frozen), seals(&frozen));
    let mut kept = 0;
    for at in LENGTH.end..=frozen.len() - width {
        for value in values(&frozen[at..at + width]) {
            let mut forged = frozen.clone();
            forged[at..at + width].copy_from_slice(&value);
            if let Ok(movie) = thaw(&sealed(forged, &seals, end)) {
                consult(&movie);
                kept += 1;
            }
        }
    }
    kept
}

#[test]
fn forged_bytes_are_refused_or_a_movie_that_keeps_its_promises() {
    let kept = forge(1, |byte| {
        let byte = byte[0];
        let values = [0, 1, 0x7f, 0x80, 0xff, byte ^ 1, byte ^ 0x40, byte.wrapping_add(1)];
        values.into_iter().map(|value| vec![value]).collect()
    });
    assert!(kept > 100, "{kept}");
}

#[test]
fn a_count_without_its_bytes_reserves_nothing() {
    forge(8, |_| vec![0x00ff_ffff_ffff_ffff_u64.to_le_bytes().to_vec()]);
}

fn refused(change: impl Fn(&mut Movie)) -> Damage {
    let mut movie = small();
    change(&mut movie);
    thaw(&movie.freeze()).unwrap_err()
}

fn facts(change: impl Fn(&mut SampleIndex)) -> Damage {
    refused(|movie| change(&mut movie.tracks[0].index))
}

fn tables(change: impl Fn(&mut SampleTables)) -> Damage {
    facts(|index| {
        let mut tables = index.sections.at(0).unwrap().1.clone();
        change(&mut tables);
        (index.span, index.bytes) = (tables.durations.total(), tables.sizes.total());
        index.sections = Sections::whole(Section::whole(index.len, tables));
    })
}

#[test]
fn tables_that_contradict_each_other_are_refused() {
    let sums = |values: &[u64]| PrefixSums::new(values.iter().copied()).unwrap();
    let unequal = Damage::Value("number of values in a table");
    assert_eq!(tables(|tables| tables.durations = sums(&[10; 69])), unequal);
    assert_eq!(tables(|tables| tables.sizes = sums(&[10; 69])), unequal);
    assert_eq!(
        tables(|tables| tables.chunk_samples = sums(&[6; 10])),
        TableError::Unplaced { placed: 60, samples: 70 }.into()
    );
    let positions: Packed = (0..10).map(|at| if at == 9 { SIZE } else { at }).collect();
    assert!(matches!(
        tables(|tables| tables.chunk_offsets = positions.clone()),
        Damage::Tables(TableError::Outside { chunk: 9, .. })
    ));
    let total = 70 * (1 << 28);
    assert_eq!(tables(|tables| tables.sizes = sums(&[1 << 28; 70])), TableError::Oversize { total, size: SIZE }.into());
    let mut large = [0; 70];
    large[3] = 1 << 32;
    assert_eq!(tables(|tables| tables.sizes = sums(&large)), Damage::Value("value in a table"));
}

#[test]
fn tables_are_what_the_head_says_of_them() {
    assert_eq!(facts(|index| index.span += 1), Damage::Value("sum of durations"));
    assert_eq!(facts(|index| index.bytes += 1), Damage::Value("sum of sizes"));
    assert_eq!(facts(|index| index.first_decode_time = 1 << 62), TableError::Time.into());
    assert_eq!(facts(|index| index.totals.placed = 69), TableError::Unplaced { placed: 69, samples: 70 }.into());
    let samples = u64::from(SAMPLE_LIMIT) + 1;
    assert_eq!(facts(|index| index.totals.sized = samples), TableError::TooMany { samples }.into());
    assert_eq!(facts(|index| index.totals.sized = 0), TableError::Empty.into());
    assert_eq!(facts(|index| index.totals.composed = None), Damage::Value("composition offset"));
}

#[test]
fn sync_samples_ascend_within_the_track() {
    for numbers in [vec![], vec![70], vec![3, 3], vec![4, 3]] {
        assert_eq!(facts(|index| index.sync = Sync::Some(numbers.clone())), Damage::Value("sync sample"));
    }
}

#[test]
fn a_field_outside_its_domain_is_refused() {
    let track = |change: fn(&mut Track)| refused(|movie| change(&mut movie.tracks[0]));
    assert_eq!(track(|track| track.id = 0), Damage::Value("track_ID"));
    assert_eq!(track(|track| track.id = 2), Damage::Value("track_ID"));
    assert_eq!(refused(|movie| movie.tracks.clear()), Damage::Value("number of tracks"));
    assert_eq!(track(|track| track.codec.string = "a\"\n".into()), Damage::Value("codec string"));
    assert_eq!(track(|track| track.entry = entry(*b"avc3")), Damage::Value("sample entry"));
    assert_eq!(
        track(|track| track.codec.family = Family::H265 { nal_length: 3 }),
        Damage::Value("length of NAL units' lengths")
    );
    let supplemental = |codec: &str, brand| Some(Supplemental { codec: codec.into(), brand });
    for wrong in [supplemental("", *b"db1p"), supplemental("a\"", *b"db1p"), supplemental("dvh1.08.07", [0; 4])] {
        let refusal = refused(|movie| movie.tracks[0].codec.supplemental.clone_from(&wrong));
        assert_eq!(refusal, Damage::Value("supplemental codec"));
    }
    assert_eq!(track(|track| track.edit.media_time = Ticks(-1)), Damage::Value("media_time"));
    assert_eq!(track(|track| track.edit.media_time = Ticks(i64::MAX)), Damage::Value("media_time"));
    assert_eq!(track(|track| track.edit.delay = Moment::from_millis(-1)), Damage::Value("moment"));
    assert_eq!(
        track(|track| {
            track.kind = Kind::Audio(Sound { channels: 1, sample_rate: 8, arrangement: Arrangement::Speakers });
        }),
        Damage::Value("codec family")
    );
}

#[test]
fn the_least_offset_of_a_dictionary_is_some_samples() {
    let offsets = OffsetRuns::Each((0..300).map(|at| (1, at * 1_000)).collect());
    let rows = vec![(1, 0, 1); 300];
    let mut movie = film(vec![video(index(&rows, 300, 0, 0))]);
    let sizes = Sizes::Same { size: 1, count: 300 };
    let direct = IndexBuilder {
        offsets,
        sizes,
        durations: vec![(300, 1)],
        chunk_offsets: vec![0].into(),
        chunk_runs: vec![(1, 300)],
        ..IndexBuilder::default()
    };
    movie.tracks[0].index = direct.build(SIZE).unwrap();
    assert_eq!(thaw(&movie.freeze()), Ok(movie));
    let refusal = facts(|index| {
        if let Offsets::Dictionary { values, .. } = &mut index.offsets {
            values.push(-5);
        }
    });
    assert_eq!(refusal, Damage::Value("least composition offset"));
}
