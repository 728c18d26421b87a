//! Laws for every transport stream: the built length is the promised one, any range is that slice of the whole, and
//! segments built in any order join as if built in one go.

#![allow(
    clippy::as_conversions,
    clippy::cast_possible_truncation,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test's numbers are small, and a test that panics has failed"
)]

#[path = "support/movie.rs"]
#[allow(dead_code, reason = "shared with other tests")]
mod movie;

use afflux::media::{ByteRange, Edit, Family, Kind, Moment, Movie, Packaging, Ticks};
use afflux::mux::{CHUNK, Chunks, Length, PacketWindow, Packetized, Transport, Unfit};
use afflux::plan::{Plan, Settings, SourceFile, Stream};
use bytes::{Bytes, BytesMut};
use movie::{Frame, PICTURE, Reel, SOUND, byte};
use proptest::prelude::{Just, ProptestConfig, Strategy, any, prop, prop_assert, prop_assert_eq, prop_oneof, proptest};
use std::sync::Arc;

fn video_reel() -> impl Strategy<Value = Reel> {
    let frame = (
        prop_oneof![Just(1_000_u32), 1_u32..20_000],
        prop_oneof![9 => 0_i32..6_000, 1 => 0_i32..90_000],
        1_u32..3_000,
        prop::bool::weighted(0.05),
    )
        .prop_map(|(duration, offset, size, sync)| Frame { duration, offset, size, sync });
    let frames = prop::collection::vec(frame, 1..200);
    (frames, 1_000_u32..200_000, any::<bool>(), 0_i64..3_000).prop_map(|(mut frames, timescale, reorder, delay)| {
        if !reorder {
            for frame in &mut frames {
                frame.offset = 0;
            }
        }
        frames[0].sync = true;
        let edit = Edit { delay: Moment::from_millis(delay), ..Edit::NONE };
        Reel { kind: Kind::Video(PICTURE), timescale, frames, edit }
    })
}

fn audio_reel() -> impl Strategy<Value = Reel> {
    (1_u32..900, 1_u32..600, 0_i64..3_000, 0_i64..2_000).prop_map(|(count, size, delay, media_time)| {
        let frame = |at| Frame { duration: 1_024, offset: 0, size: size + at % 3, sync: true };
        let edit = Edit { delay: Moment::from_millis(delay), media_time: Ticks(media_time), length: None };
        Reel { kind: Kind::Audio(SOUND), timescale: 48_000, frames: (0..count).map(frame).collect(), edit }
    })
}

/// The film's tracks as one transport stream.
fn streams(plan: &Plan) -> Stream<'_> {
    match plan.tracks() {
        [video, audio] => Stream::muxed(video, audio).unwrap(),
        [track] => Stream::alone(Packaging::Ts, track),
        _ => panic!("expected one or two tracks"),
    }
}

fn stored(ranges: &[ByteRange]) -> Chunks {
    // Chunks of an odd length, so that samples cross chunk borders.
    let bytes: Vec<u8> = ranges.iter().flat_map(|range| (range.start()..range.end()).map(byte)).collect();
    Chunks::new(bytes.chunks(977).map(Bytes::copy_from_slice).collect())
}

fn bake(window: &PacketWindow<'_>) -> Vec<u8> {
    let reads = window.reads();
    // Buffers with old contents.
    let room = |bytes| BytesMut::from(vec![0xa5; bytes].as_slice());
    let chunks = window.build(stored(&reads.first), stored(&reads.second), room);
    assert!(chunks.iter().all(|chunk| chunk.len() <= CHUNK));
    chunks.concat()
}

fn recipes<'a>(streams: Stream<'a>, transport: &'a Transport) -> impl Iterator<Item = Packetized> + 'a {
    (1..).map_while(move |number| transport.recipe(streams, number))
}

/// The film with NAL unit lengths of `nal_length` bytes.
fn with_lengths(movie: &Movie, nal_length: u8) -> Arc<Movie> {
    let mut movie = movie.clone();
    for track in &mut movie.tracks {
        if let Family::H264 { nal_length: stored, .. } = &mut track.codec.family {
            *stored = nal_length;
        }
    }
    Arc::new(movie)
}

/// Checks that packets with payload continue their PID's counter and that others repeat it.
fn counters_continue(bytes: &[u8]) -> Result<(), String> {
    let mut last = std::collections::HashMap::new();
    for (at, packet) in bytes.chunks(188).enumerate() {
        let pid = u16::from(packet[1] & 0x1f) << 8 | u16::from(packet[2]);
        let (counter, payload) = (packet[3] & 0xf, packet[3] & 0x10 != 0);
        let expected = match (last.get(&pid), payload) {
            (Some(last), true) => (last + 1) & 0xf,
            (Some(last), false) => *last,
            (None, true) => 0,
            (None, false) => 15,
        };
        if packet[0] != 0x47 || counter != expected {
            return Err(format!("packet {at}, PID {pid}: {counter} where {expected} was due"));
        }
        last.insert(pid, counter);
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn segments_are_as_long_as_promised_and_their_counters_join(
        video in prop::option::of(video_reel()), audio in audio_reel(), nal_length in prop_oneof![Just(1_u8), Just(2), Just(4)],
        target in 1_000_u32..8_000,
    ) {
        let reels: Vec<Reel> = video.into_iter().chain([audio]).collect();
        let source = SourceFile {
            file: "a.mp4".into(), name: None, movie: with_lengths(&movie::movie(&reels), nal_length), said: Vec::new(),
        };
        let Ok(plan) = Plan::new(&[source], 0, Settings { target_millis: target }) else { return Ok(()) };
        let streams = streams(&plan);
        let transport = Transport::new(streams, target).unwrap();
        let mut joined = Vec::new();
        for (recipe, length) in recipes(streams, &transport).zip(transport.lengths()) {
            let whole = bake(&recipe.whole());
            match recipe.length() {
                Length::Exact(exact) => prop_assert_eq!([exact, length], [whole.len() as u64; 2]),
                Length::AfterBuild => prop_assert!(nal_length < 4 && streams.video().is_some()),
            }
            joined.extend(whole);
        }
        prop_assert_eq!(counters_continue(&joined), Ok(()));
    }

    #[test]
    fn any_window_is_that_slice_of_the_whole(
        video in prop::option::of(video_reel()), audio in audio_reel(), from in 0.0..1.1_f64, len in 0_u64..3_000,
    ) {
        let reels: Vec<Reel> = video.into_iter().chain([audio]).collect();
        let source = SourceFile { file: "a.mp4".into(), name: None, movie: movie::movie(&reels), said: Vec::new() };
        let Ok(plan) = Plan::new(&[source], 0, Settings { target_millis: 2_000 }) else { return Ok(()) };
        let streams = streams(&plan);
        let transport = Transport::new(streams, 2_000).unwrap();
        for recipe in recipes(streams, &transport) {
            let whole = bake(&recipe.whole());
            #[allow(clippy::cast_precision_loss, clippy::cast_sign_loss, clippy::float_arithmetic, reason = "any number will do")]
            let start = (whole.len() as f64 * from) as usize;
            let clamp = |at: usize| at.min(whole.len());
            let window = recipe.window(start as u64..start as u64 + len);
            prop_assert_eq!(bake(&window), &whole[clamp(start)..clamp(start + len as usize)]);
        }
    }

    #[test]
    fn slices_partition_both_tracks(video in video_reel(), audio in audio_reel(), target in 1_000_u32..8_000) {
        let source = SourceFile { file: "a.mp4".into(), name: None, movie: movie::movie(&[video, audio]), said: Vec::new() };
        let Ok(plan) = Plan::new(&[source], 0, Settings { target_millis: target }) else { return Ok(()) };
        let [video, audio] = plan.tracks() else { panic!("two tracks") };
        let program = Stream::muxed(video, audio).unwrap().program(target);
        let mut next = (0, 0);
        for slice in program.slices() {
            prop_assert!(!slice.video.is_empty() || !slice.audio.is_empty());
            if !slice.video.is_empty() {
                prop_assert_eq!(slice.video.start, next.0);
                next.0 = slice.video.end;
            }
            prop_assert_eq!(slice.audio.start, next.1);
            next.1 = slice.audio.end;
        }
        prop_assert_eq!(next, (video.timeline.len(), audio.timeline.len()));
        let borders: Vec<Moment> = program.borders().collect();
        prop_assert!(borders.windows(2).all(|pair| pair[0] < pair[1]), "{:?}", borders);
    }
}

/// The refusal of a film with one track, after a change to the track before planning.
fn refused(reel: &Reel, change: impl Fn(&mut Family)) -> Unfit {
    let mut movie = (*movie::movie(std::slice::from_ref(reel))).clone();
    change(&mut movie.tracks[0].codec.family);
    let source = SourceFile { file: "a.mp4".into(), name: None, movie: Arc::new(movie), said: Vec::new() };
    let plan = Plan::new(&[source], 0, Settings { target_millis: 6_000 }).unwrap();
    Transport::new(Stream::alone(Packaging::Ts, &plan.tracks()[0]), 6_000).unwrap_err()
}

#[test]
fn what_mpeg_ts_cannot_say_is_refused_by_name() {
    let (picture, sound) = (movie::video(30, 60, |at| at == 0), movie::audio(100));
    let (file, track) = (String::from("a.mp4"), 1);
    let other = refused(&picture, |family| *family = Family::H265 { nal_length: 4 });
    assert_eq!(other, Unfit::Codec { file: file.clone(), track, codec: "avc1.42c00d".into() });
    let sets = |bytes: &'static [u8]| {
        refused(&picture, |family| {
            *family = Family::H264 { nal_length: 4, parameter_sets: Bytes::from_static(bytes) };
        })
    };
    assert_eq!(sets(&[1; 4_097]), Unfit::ParameterSets { file: file.clone(), track, bytes: 4_097 });
    assert_eq!(sets(&[]), Unfit::ParameterSets { file: file.clone(), track, bytes: 0 });
    let short = refused(&sound, |family| {
        if let Family::Aac(aac) = family {
            aac.frame_length = 960;
        }
    });
    assert_eq!(short, Unfit::Adts { file: file.clone(), track });
    let mut long = sound;
    long.frames[50].size = 8_185;
    assert_eq!(refused(&long, |_| ()), Unfit::Frame { file: file.clone(), track, bytes: 8_185 });
    let mut huge = picture;
    huge.frames[7].size = 1 << 30;
    let Unfit::Segment { segment: 1, bytes, .. } = refused(&huge, |_| ()) else { panic!("refused for another reason") };
    assert!(bytes > 1 << 30);
}
