//! Edge-case tests of planning: every rule for cutting tracks and placing them on the timeline.

#![allow(clippy::as_conversions, clippy::cast_possible_truncation, reason = "a test's numbers are small")]

#[path = "../../tests/support/movie.rs"]
#[allow(
    dead_code,
    missing_docs,
    unreachable_pub,
    clippy::pedantic,
    clippy::as_conversions,
    reason = "shared with tests/"
)]
mod movie;

use super::{AccessPoint, Alignment, Plan, Planned, Settings, SourceFile, Stream};
use crate::media::{MediaKind, Moment, Ticks};
use movie::{Frame, Reel, audio, source, video};
use proptest::prelude::{any, prop, prop_assert, prop_assert_eq, proptest};

const SIX: Settings = Settings { target_millis: 6_000 };

fn plan(sources: &[SourceFile]) -> Plan {
    Plan::new(sources, 0, SIX).unwrap()
}

/// Starts of all segments of the first track of a kind, in milliseconds.
fn starts(plan: &Plan, kind: MediaKind) -> Vec<i64> {
    starts_of(plan.of_kind(kind).next().unwrap())
}

fn starts_of(track: &Planned) -> Vec<i64> {
    track.segments.iter().map(|segment| segment.start.at(track.timeline.timescale()).micros() / 1_000).collect()
}

#[test]
fn video_is_cut_at_the_keyframe_nearest_to_each_line_the_earlier_on_a_tie() {
    // Keyframes at 0, 5, 7, 11.5, 18.9, 24 s: 5 and 7 are equally near to 6.
    let plan = plan(&[source(&[video(10, 300, |at| [0, 50, 70, 115, 189, 240].contains(&at))])]);
    assert_eq!(starts(&plan, MediaKind::Video), [0, 5_000, 11_500, 18_900, 24_000]);
}

#[test]
fn a_late_keyframe_does_not_shift_the_grid() {
    let plan = plan(&[source(&[video(10, 360, |at| at % 60 == 0 && at != 120 || at == 140)])]);
    assert_eq!(starts(&plan, MediaKind::Video), [0, 6_000, 14_000, 18_000, 24_000, 30_000]);
}

#[test]
fn one_keyframe_that_is_nearest_to_two_lines_is_one_cut() {
    let plan = plan(&[source(&[video(10, 400, |at| at % 150 == 0)])]);
    assert_eq!(starts(&plan, MediaKind::Video), [0, 15_000, 30_000]);
}

#[test]
fn a_short_tail_joins_the_segment_before_unless_that_grows_too_long() {
    let tail = |frames| starts(&plan(&[source(&[video(10, frames, |at| at % 60 == 0)])]), MediaKind::Video);
    assert_eq!(tail(149), [0, 6_000]);
    assert_eq!(tail(150), [0, 6_000, 12_000]);
    // 8 s and 2 s: together more than 9.
    let long = plan(&[source(&[video(10, 100, |at| at == 0 || at == 80)])]);
    assert_eq!(starts(&long, MediaKind::Video), [0, 8_000]);
}

#[test]
fn audio_is_cut_at_its_first_frame_not_before_the_video() {
    let plan = plan(&[source(&[video(10, 180, |at| at % 60 == 0), audio(844)])]);
    let track = plan.of_kind(MediaKind::Audio).next().unwrap();
    let firsts: Vec<u32> = track.segments.iter().map(|segment| segment.samples.start).collect();
    // 6 s is 281.25 frames.
    assert_eq!(firsts, [0, 282, 563]);
}

#[test]
fn audio_past_the_last_video_frame_is_cut_on_the_grid() {
    // Video of 10 s, cut at 6; audio of 30 s: lines 12, 18, 24.
    let plan = plan(&[source(&[video(10, 100, |at| at % 60 == 0), audio(1_407)])]);
    assert_eq!(starts(&plan, MediaKind::Audio), [0, 6_016, 12_010, 18_005, 24_000]);
}

#[test]
fn audio_that_ends_early_has_fewer_segments_and_none_is_empty() {
    let plan = plan(&[source(&[video(10, 300, |at| at % 60 == 0), audio(400)])]);
    assert_eq!(starts(&plan, MediaKind::Audio), [0, 6_016]);
    assert!(plan.tracks().iter().flat_map(|track| &track.segments).all(|segment| !segment.samples.is_empty()));
}

#[test]
fn audio_alone_is_cut_on_the_grid() {
    let plan = plan(&[source(&[audio(1_407)])]);
    assert_eq!(starts(&plan, MediaKind::Audio), [0, 6_016, 12_010, 18_005, 24_000]);
}

#[test]
fn a_rung_with_its_keyframes_within_half_a_frame_is_aligned_another_is_cut_at_its_own() {
    let rung = |reel: Reel, file: &str| SourceFile { file: file.into(), name: Some(file.into()), ..source(&[reel]) };
    let reference = rung(video(10, 300, |at| at % 60 == 0), "a");
    let near = rung(video(25, 750, |at| at % 150 == 1 || at == 0), "b");
    let far = rung(video(25, 750, |at| at % 150 == 10 || at == 0), "c");
    let plan = plan(&[reference, near, far]);
    let alignments: Vec<_> = plan.tracks().iter().map(|track| track.alignment).collect();
    assert_eq!(alignments, [Alignment::Aligned, Alignment::Own, Alignment::Own]);
    let near = rung(video(24, 720, |at| at % 144 == 0), "d");
    let plan = Plan::new(&[rung(video(10, 300, |at| at % 60 == 0), "a"), near], 0, SIX).unwrap();
    assert_eq!(plan.tracks()[1].alignment, Alignment::Aligned);
}

#[test]
fn a_presentation_that_is_edited_into_a_gop_starts_at_its_keyframe_and_tracks_keep_their_distance() {
    // The edit starts at 7 s, the keyframe at 6 s: everything is shifted by 1 s; the audio is filled.
    let plan = plan(&[source(&[video(10, 300, |at| at % 60 == 0).edited(0, 70_000), audio(1_000)])]);
    let [video, audio] = plan.tracks() else { panic!("two tracks") };
    assert_eq!((video.timeline.skipped(), video.timeline.presented(0)), (60, Ticks(0)));
    // 1 s is 46.875 frames: the first silent frame begins an eighth of a frame early, as priming.
    assert_eq!((audio.timeline.silent_frames(), audio.timeline.edit()), (47, 128));
    assert_eq!((audio.timeline.written(0), audio.timeline.presented(0)), (Ticks(480_000), Ticks(-128)));
    let first = audio.timeline.presented(47).at(audio.timeline.timescale());
    assert_eq!(first, Moment::from_millis(1_000));
}

#[test]
fn audio_before_an_edit_is_played_where_the_shift_uncovers_it() {
    // Video starts 1 s before its edit, audio 1.1 s before its own: 0.1 s of the audio is priming.
    let plan = plan(&[source(&[video(10, 300, |at| at % 60 == 0).edited(0, 70_000), audio(1_000).edited(0, 52_800)])]);
    let audio = plan.of_kind(MediaKind::Audio).next().unwrap();
    assert_eq!((audio.timeline.silent_frames(), audio.timeline.skipped()), (0, 0));
    assert_eq!((audio.timeline.edit(), audio.timeline.written(0)), (4_800, Ticks(480_000)));
}

#[test]
fn late_video_is_reached_back_by_its_first_frame() {
    let plan = plan(&[source(&[video(10, 100, |at| at % 60 == 0).edited(1_500, 0), audio(600)])]);
    let video = plan.of_kind(MediaKind::Video).next().unwrap();
    let timeline = &video.timeline;
    assert_eq!((timeline.presented(0), timeline.duration(0)), (Ticks(0), 16_000));
    assert_eq!(timeline.presented(1), Ticks(16_000));
    assert_eq!(timeline.written(0), Ticks(100_000));
    assert_eq!(timeline.constant_duration(0..10), None);
    assert_eq!(timeline.constant_duration(1..10), Some(1_000));
}

#[test]
fn a_track_is_as_late_as_its_least_presented_time_and_nothing_moves() {
    // The second picture in decode order is shown 40 ms before the first, 80 ms behind the start.
    let mut reel = video(25, 50, |at| at == 0).edited(120, 3_000);
    for (frame, offset) in reel.frames.iter_mut().zip([3_000, 1_000, 5_000, 2_000, 0, 1_000, 5_000, 2_000, 0]) {
        frame.offset = offset;
    }
    let plan = plan(&[source(&[reel.clone(), audio(100)])]);
    let timeline = &plan.tracks()[0].timeline;
    assert_eq!((timeline.presented(0), timeline.presented(1), timeline.reach().0), (Ticks(3_000), Ticks(2_000), 0));
    // More than 100 ms late, a first picture that is not shown first is not moved either.
    let plan = Plan::new(&[source(&[reel.edited(1_120, 3_000), audio(100)])], 0, SIX).unwrap();
    let timeline = &plan.tracks()[0].timeline;
    assert_eq!((timeline.presented(0), timeline.presented(1), timeline.reach().0), (Ticks(28_000), Ticks(27_000), 0));
}

#[test]
fn the_last_picture_is_held_where_sound_goes_on() {
    let spans = |frames, sounds| {
        let plan = plan(&[source(&[video(10, frames, |_| true), audio(sounds)])]);
        let [video, audio] = plan.tracks() else { panic!("two tracks") };
        let slices = Stream::muxed(video, audio).unwrap().program(6_000).slices().len();
        let last = video.segments.last().unwrap();
        (video.timeline.extension().0, last.start.after(last.span).unwrap().0, starts_of(audio).len(), slices)
    };
    // One picture of 100 ms under 30.037 s of sound: holding it changes no cut of the sound or of MPEG-TS.
    assert_eq!(spans(1, 1_408), (299_373, 300_373, 5, 5));
    assert_eq!(spans(60, 1_408).1, 300_373);
    // Gaps of up to one second are normal encoder output.
    assert_eq!(spans(60, 328), (0, 60_000, 1, 1));
}

#[test]
fn a_last_picture_that_is_decoded_before_others_is_not_held() {
    let mut reel = video(10, 60, |at| at == 0);
    for frame in &mut reel.frames {
        frame.offset = 2_000;
    }
    (reel.frames[58].offset, reel.frames[59].offset) = (3_000, 1_000);
    assert_eq!(plan(&[source(&[reel, audio(1_408)])]).tracks()[0].timeline.extension().0, 0);
}

#[test]
fn sound_of_few_sync_samples_is_cut_and_begun_at_these_alone() {
    let mut reel = audio(1_407);
    for (at, frame) in (0..).zip(&mut reel.frames) {
        frame.sync = at % 50 == 0;
    }
    let firsts = |reel: &Reel| {
        let plan = plan(&[source(&[video(10, 300, |at| at % 60 == 0), reel.clone()])]);
        let track = plan.of_kind(MediaKind::Audio).next().unwrap();
        assert!(track.is_independent());
        (track.timeline.skipped(), track.segments.iter().map(|segment| segment.samples.start).collect::<Vec<_>>())
    };
    // 6 s is 281.25 frames.
    assert_eq!(firsts(&reel), (0, vec![0, 300, 600, 850, 1_150]));
    // The 10 s before the edit are dropped, but not the last sync sample before its first frame.
    assert_eq!(firsts(&reel.edited(0, 480_000)).0, 450);
}

#[test]
fn a_tenth_of_a_second_late_stays_as_it_is() {
    let plan = plan(&[source(&[video(10, 100, |at| at % 60 == 0).edited(100, 0), audio(600).edited(100, 0)])]);
    for track in plan.tracks() {
        assert_eq!(track.timeline.presented(0).at(track.timeline.timescale()), Moment::from_millis(100));
    }
}

#[test]
fn priming_is_kept_and_presented_before_the_start() {
    let plan = plan(&[source(&[video(10, 100, |at| at % 60 == 0), audio(600).edited(0, 1_024)])]);
    let audio = plan.of_kind(MediaKind::Audio).next().unwrap();
    assert_eq!((audio.timeline.edit(), audio.timeline.written(0)), (1_024, Ticks(480_000)));
    assert_eq!(audio.segments[0].start, Ticks(-1_024));
}

#[test]
fn audio_that_is_cut_in_its_middle_keeps_only_what_a_decoder_needs_before() {
    let plan = plan(&[source(&[audio(1_000).edited(0, 480_000)])]);
    let audio = plan.of_kind(MediaKind::Audio).next().unwrap();
    // 480,000 lies in frame 468; the two frames before it are served too.
    assert_eq!(audio.timeline.skipped(), 466);
    assert_eq!(audio.timeline.edit(), 480_000 - 466 * 1_024);
    assert_eq!(audio.timeline.written(0), Ticks(480_000));
}

#[test]
fn negative_composition_offsets_are_lifted_and_nothing_moves() {
    let mut reel = video(10, 60, |at| at % 30 == 0);
    let offsets = [0, 1_000, -1_000, 0, 0];
    for (at, frame) in reel.frames.iter_mut().enumerate() {
        frame.offset = offsets[at % 5];
    }
    let plan = plan(&[source(&[reel])]);
    let timeline = &plan.tracks()[0].timeline;
    let offsets: Vec<u32> = timeline.samples(0..4).map(|sample| sample.offset).collect();
    assert_eq!(offsets, [1_000, 2_000, 0, 1_000]);
    let presented: Vec<i64> = timeline.presented_times(0..4).map(|at| at.0).collect();
    assert_eq!((presented, timeline.edit()), (vec![0, 2_000, 1_000, 3_000], 1_000));
}

#[test]
fn frames_that_are_shown_before_their_keyframe_make_an_open_gop() {
    let mut reel = video(10, 120, |at| at % 60 == 0);
    for frame in &mut reel.frames {
        frame.offset = 2_000;
    }
    // In decode order, two frames follow the keyframe at 60 that are shown before it.
    (reel.frames[60].offset, reel.frames[61].offset, reel.frames[62].offset) = (4_000, 1_000, 1_000);
    let plan = plan(&[source(&[reel.edited(0, 2_000)])]);
    let segments = &plan.tracks()[0].segments;
    let openings: Vec<_> = segments.iter().map(|segment| (segment.opening, segment.start.0)).collect();
    assert_eq!(openings, [(AccessPoint::Closed, 0), (AccessPoint::Open, 60_000)]);
    assert!(!plan.tracks()[0].is_independent());
}

#[test]
fn segments_that_would_start_no_later_than_their_predecessors_are_one() {
    // Cuts at 0, 6 and 12 s; a frame decoded after the last keyframe is shown at 1 s, before the second cut.
    let mut reel = video(10, 180, |at| at % 60 == 0);
    reel.frames[130].offset = -120_000;
    let plan = plan(&[source(&[reel])]);
    let segments = &plan.tracks()[0].segments;
    let told: Vec<_> = segments.iter().map(|part| (part.samples.clone(), part.start.0, part.opening)).collect();
    assert_eq!(told, [(0..60, 0, AccessPoint::Closed), (60..180, 10_000, AccessPoint::Open)]);
}

#[test]
fn a_last_sample_without_duration_lasts_as_long_as_the_one_before() {
    let mut reel = video(10, 60, |at| at % 60 == 0);
    reel.frames.last_mut().unwrap().duration = 0;
    let plan = plan(&[source(&[reel])]);
    assert_eq!(plan.end(), Moment::from_millis(6_000));
}

#[test]
fn a_rung_that_joins_changes_no_version() {
    let rung = |reel: Reel, file: &str| SourceFile { file: file.into(), name: Some(file.into()), ..source(&[reel]) };
    let (a, b) = (rung(video(10, 300, |at| at % 60 == 0), "a"), rung(audio(1_000), "b"));
    let c = rung(video(25, 750, |at| at % 150 == 0), "c");
    let before = plan(&[a.clone(), b.clone()]);
    let after = plan(&[a, b, c]);
    for (old, new) in before.tracks().iter().zip(after.tracks()) {
        assert_eq!((&old.name, old.version), (&new.name, new.version));
    }
    assert_ne!(after.tracks()[2].version, after.tracks()[0].version);
}

proptest! {
    #[test]
    fn what_is_looked_up_is_what_a_walk_finds(
        frames in prop::collection::vec((0_u32..3_000, 0_i32..9_000, 0_u32..9, any::<bool>()), 1..200),
        (reorders, delay, media_time, at) in (any::<bool>(), 0_i64..2_000, 0_i64..20_000, -1_000_i64..9_000),
    ) {
        let frame = |(duration, offset, size, sync)| Frame { duration, offset, size, sync };
        let mut pictures = Reel { frames: frames.into_iter().map(frame).collect(), ..video(10, 1, |_| true) };
        let mut sounds = audio(200);
        for (sound, picture) in sounds.frames.iter_mut().zip(&pictures.frames) {
            sound.duration = picture.duration;
        }
        pictures.frames.iter_mut().filter(|_| !reorders).for_each(|frame| frame.offset = 0);
        let films = [source(&[pictures.edited(delay, media_time), sounds.edited(delay / 2, media_time / 3)])];
        let Ok(plan) = Plan::new(&films, 0, SIX) else { return Ok(()) };
        for Planned { timeline, .. } in plan.tracks() {
            let presented: Vec<Ticks> = timeline.presented_times(0..timeline.len()).collect();
            for from in (0..timeline.len()).step_by(7) {
                let rest = presented.iter().skip(from as usize).copied();
                prop_assert_eq!(Some(timeline.least_presented(from..timeline.len())), rest.min());
                let sizes: Vec<u32> = timeline.samples(from..timeline.len()).map(|sample| sample.size).collect();
                let mut seen = Vec::new();
                timeline.each_size(from..timeline.len(), |size| seen.push(size));
                prop_assert_eq!((timeline.size(from), &seen), (sizes[0], &sizes));
                prop_assert!(sizes.iter().all(|size| *size <= timeline.greatest_size(from..timeline.len())));
            }
            let moment = Moment::from_millis(at);
            if !timeline.reorders() {
                let first = presented.iter().position(|at| at.at(timeline.timescale()) >= moment);
                prop_assert_eq!(timeline.first_presented_at(moment), first.map(|first| first as u32));
            }
        }
    }
}

#[test]
fn a_track_that_reaches_past_all_lines_of_the_grid_is_cut_as_far_as_they_go() {
    // 12 frames of 136 years each: the grid would have more lines than a `u32` counts.
    let frame = Frame { duration: u32::MAX, offset: 0, size: 20, sync: true };
    let endless = |reel: Reel| Reel { timescale: 1, frames: vec![frame; 12], ..reel };
    let heard = plan(&[source(&[endless(audio(1))])]);
    let seen = plan(&[source(&[endless(video(10, 1, |_| true))])]);
    for (plan, kind) in [(heard, MediaKind::Audio), (seen, MediaKind::Video)] {
        let track = plan.of_kind(kind).next().unwrap();
        assert_eq!(track.segments.first().unwrap().samples.start, 0);
        assert_eq!(track.segments.last().unwrap().samples.end, 12);
    }
}
