//! Tests of edit lists: the samples that remain of a track after its edits.

use crate::demux::Error;
use crate::demux::fixture::{MEDIA, Trak, atom, media_first, movie, table, words};
use crate::media::{LeftOut, Track};

const RATE: u32 = 0x1_0000;
const GAP: u32 = u32::MAX;

/// `count` samples of one byte and `ticks` ticks each, with the edits `elst`: durations in milliseconds, media times in
/// ticks.
fn edited(trak: Trak, count: u32, ticks: u32, elst: &[(u32, u32)]) -> Result<Track, Error> {
    let trak = trak
        .with(table(b"stts", &[1, count, ticks]))
        .with(table(b"stsz", &[1, count]))
        .with(table(b"stsc", &[1, 1, count, 1]));
    let count = u32::try_from(elst.len()).unwrap();
    let entries: Vec<u8> = elst.iter().flat_map(|(millis, media_time)| words(&[*millis, *media_time, RATE])).collect();
    let elst = [words(&[0, count]), entries].concat();
    let trak = Trak { more: atom(b"edts", &atom(b"elst", &elst)), ..trak };
    Ok(movie(&media_first(&[trak]))?.tracks.remove(0))
}

/// Pictures of 40 ms, with keyframes at `syncs`, counted from 1; `offsets` has an offset for each picture, or none.
fn video(count: u32, syncs: &[u32], offsets: &[u32], elst: &[(u32, u32)]) -> Result<Track, Error> {
    let ctts: Vec<u32> = offsets.iter().flat_map(|offset| [1, *offset]).collect();
    let runs = u32::try_from(offsets.len()).unwrap();
    let trak = Trak::video(MEDIA)
        .with(table(b"stss", &[&[u32::try_from(syncs.len()).unwrap()], syncs].concat()))
        .with(table(b"ctts", &[&[runs], ctts.as_slice()].concat()));
    edited(trak, count, 1_000, elst)
}

/// Frames of 1,024 samples at 44,100 Hz.
fn audio(count: u32, elst: &[(u32, u32)]) -> Result<Track, Error> {
    edited(Trak::audio(MEDIA), count, 1_024, elst)
}

/// The samples of a track: position behind the start of the media, composition time, duration.
fn samples(track: &Track) -> Vec<(u64, i64, u32)> {
    let samples = track.index.samples(0..track.index.len());
    samples.map(|s| (s.position - u64::from(MEDIA), s.composition_time().0, s.duration)).collect()
}

fn behind(behind: u32) -> LeftOut {
    LeftOut { behind, ..LeftOut::default() }
}

#[test]
fn a_track_ends_where_its_edit_does() {
    let track = video(10, &[1], &[], &[(200, 0)]).unwrap();
    assert_eq!(samples(&track), [0, 1, 2, 3, 4].map(|at| (at, i64::try_from(at).unwrap() * 1_000, 1_000)));
    assert_eq!(track.left_out, behind(5));
    let sound = audio(20, &[(200, 1_024)]).unwrap();
    // The edit ends 200 ms, 8,820 ticks, behind the priming: frame 9 begins before that, and stays whole.
    assert_eq!((sound.index.len(), sound.index.span().0, sound.left_out), (10, 10_240, behind(10)));
}

#[test]
fn the_last_picture_is_shortened_to_the_edit() {
    let track = video(10, &[1], &[], &[(180, 0)]).unwrap();
    assert_eq!(samples(&track).last(), Some(&(4, 4_000, 500)));
}

#[test]
fn what_an_edit_is_rounded_by_cuts_off_nothing_and_leaves_no_sliver() {
    let ntsc = |millis| {
        let trak = Trak { timescale: 30_000, ..Trak::video(MEDIA) }.with(table(b"ctts", &[0]));
        edited(trak, 10, 1_001, &[(millis, 0)]).unwrap()
    };
    // Ten pictures are 333.67 ms, five 166.83.
    for whole in [333, 334, 500, 90_000] {
        assert_eq!((ntsc(whole).index.len(), ntsc(whole).left_out), (10, LeftOut::default()), "{whole} ms");
    }
    for half in [166, 167] {
        assert_eq!((ntsc(half).index.len(), ntsc(half).index.span().0), (5, 5_005), "{half} ms");
    }
}

#[test]
fn an_edit_of_no_length_keeps_a_picture() {
    assert_eq!(samples(&video(10, &[1, 6], &[], &[(1, 5_000)]).unwrap()).last().unwrap().0, 5);
}

/// I0 P3 B1 B2 P6 B4 B5, twice, each composed 40 ms late.
const REORDERED: [u32; 14] = [1_000, 3_000, 0, 0, 3_000, 0, 0, 1_000, 3_000, 0, 0, 3_000, 0, 0];

#[test]
fn pictures_that_need_one_behind_the_end_end_with_it_and_the_last_is_held() {
    // Five pictures: B4 needs P6.
    let track = video(14, &[1, 8], &REORDERED, &[(200, 1_000)]).unwrap();
    let expected = [(0, 1_000, 1_000), (1, 4_000, 1_000), (2, 2_000, 1_000), (3, 3_000, 3_000)];
    assert_eq!(samples(&track), expected);
    assert_eq!(track.left_out, LeftOut { behind: 10, undecodable: 1, ..LeftOut::default() });
    // Seven pictures, up to the next keyframe: all remain, with their own durations.
    let track = video(14, &[1, 8], &REORDERED, &[(280, 1_000)]).unwrap();
    assert_eq!((track.index.len(), track.index.span().0, track.left_out), (7, 7_000, behind(7)));
}

#[test]
fn what_is_cut_out_between_edits_is_left_out_and_the_rest_moves_up() {
    let track = video(30, &[1, 11, 21], &[], &[(200, 0), (300, 20_000)]).unwrap();
    let kept: Vec<u64> = samples(&track).iter().map(|sample| sample.0).collect();
    assert_eq!(kept, [0, 1, 2, 3, 4, 20, 21, 22, 23, 24, 25, 26, 27]);
    let composed: Vec<i64> = samples(&track).iter().map(|sample| sample.1).collect();
    assert_eq!(composed, (0..13).map(|at| at * 1_000).collect::<Vec<_>>());
    assert_eq!((track.index.span().0, track.index.sync_count()), (12_500, 2));
    assert_eq!(track.left_out, LeftOut { between: 15, behind: 2, ..LeftOut::default() });
}

#[test]
fn a_cut_into_reordered_pictures_keeps_decode_times_ascending() {
    // Four pictures, the last of them shortened to half its duration, and all pictures from the second keyframe on.
    let track = video(14, &[1, 8], &REORDERED, &[(140, 1_000), (280, 8_000)]).unwrap();
    let samples: Vec<_> = track.index.samples(0..track.index.len()).collect();
    assert!(samples.is_sorted_by(|a, b| a.decode_time < b.decode_time), "{samples:?}");
    let mut composed: Vec<i64> = samples.iter().map(|sample| sample.composition_time().0).collect();
    composed.sort_unstable();
    let second = (0..7).map(|at| 4_500 + at * 1_000);
    assert_eq!(composed, (1..5).map(|at| at * 1_000).chain(second).collect::<Vec<_>>());
}

#[test]
fn an_edit_that_does_not_begin_at_a_keyframe_is_refused_where_something_was_cut_out() {
    let refused = video(30, &[1, 11, 21], &[], &[(200, 0), (300, 15_000)]).unwrap_err();
    assert!(matches!(refused, Error::EditCut { track: 1, entry: 2, media_time: 15_000, .. }), "{refused:?}");
    assert!(refused.to_string().contains("no keyframe"), "{refused}");
}

#[test]
fn a_picture_is_held_over_a_gap_and_sound_is_refused() {
    let track = video(20, &[1, 11], &[], &[(400, 0), (1_000, GAP), (400, 10_000)]).unwrap();
    assert_eq!(samples(&track)[9], (9, 9_000, 26_000));
    assert_eq!((track.index.len(), track.index.span().0, track.left_out), (20, 45_000, LeftOut::default()));
    let refused = audio(60, &[(500, 0), (1_000, GAP), (500, 22_050)]).unwrap_err();
    assert!(matches!(refused, Error::EditGap { track: 2, entry: 3, .. }), "{refused:?}");
}

#[test]
fn sound_goes_on_behind_a_cut_without_a_hole() {
    let track = audio(60, &[(500, 0), (300, 44_100)]).unwrap();
    let samples = samples(&track);
    // Half a second ends in frame 21. The sound should continue at tick 44,578 of the media; frame 44 is the nearest.
    assert_eq!((samples[21], samples[22]), ((21, 21_504, 1_024), (44, 22_528, 1_024)));
    assert_eq!(samples.iter().map(|sample| i64::from(sample.2)).sum::<i64>(), track.index.decode_time(35).0);
    assert_eq!(track.left_out.between, 22);
}

#[test]
fn frames_before_the_first_keyframe_that_cannot_be_decoded_are_left_out() {
    // I3 B1 B2 P6: the edit begins with the keyframe.
    let track = video(4, &[1], &[3_000, 0, 0, 3_000], &[(160, 3_000)]).unwrap();
    assert_eq!(samples(&track), [(0, 3_000, 3_000), (3, 6_000, 1_000)]);
    assert_eq!(track.left_out, LeftOut { leading: 2, ..LeftOut::default() });
    // Without an edit, the track begins with these frames.
    assert_eq!(video(4, &[1], &[3_000, 0, 0, 3_000], &[]).unwrap().index.len(), 4);
    // They also remain if a delay moves them behind the start.
    assert_eq!(video(4, &[1], &[3_000, 0, 0, 3_000], &[(120, GAP), (160, 3_000)]).unwrap().index.len(), 4);
}
