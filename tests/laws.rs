//! Laws for every asset: segments partition tracks, recipes have the promised length, muxed samples equal the stored
//! ones, and HLS and DASH list the same segments.

#![allow(
    clippy::as_conversions,
    clippy::cast_possible_truncation,
    clippy::cast_possible_wrap,
    clippy::cast_precision_loss,
    clippy::cast_sign_loss,
    clippy::float_arithmetic,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test's numbers are small, and a test that panics has failed"
)]

#[path = "support/movie.rs"]
#[allow(dead_code, reason = "shared with other tests")]
mod movie;

use afflux::demux::{Probe, Step};
use afflux::manifest::Manifests;
use afflux::media::{AssetId, Edit, Kind, MediaKind, Moment, Movie, Packaging, StreamName, Ticks, TrackName, Version};
use afflux::mux;
use afflux::plan::{Plan, Planned, SHIFT_SECONDS, Settings, SourceFile};
use afflux::route::{Part, Route};
use bytes::Bytes;
use movie::{Frame, PICTURE, Reel, SOUND, bake, byte};
use proptest::prelude::{Just, ProptestConfig, Strategy, any, prop, prop_assert, prop_assert_eq, prop_oneof, proptest};
use proptest::test_runner::TestCaseError;

fn frames() -> impl Strategy<Value = Vec<Frame>> {
    let frame = (prop_oneof![Just(1_000_u32), 1_u32..4_000], -3_000_i32..6_000, 1_u32..300, prop::bool::weighted(0.05))
        .prop_map(|(duration, offset, size, sync)| Frame { duration, offset, size, sync });
    prop::collection::vec(frame, 1..400)
}

fn video_reel() -> impl Strategy<Value = Reel> {
    (frames(), 1_000_u32..100_000, any::<bool>(), 0_i64..3_000, 0_i64..400_000).prop_map(
        |(mut frames, timescale, reorder, delay, media_time)| {
            if !reorder {
                for frame in &mut frames {
                    frame.offset = 0;
                }
            }
            frames[0].sync = true;
            let edit = Edit { delay: Moment::from_millis(delay), media_time: Ticks(media_time), length: None };
            Reel { kind: Kind::Video(PICTURE), timescale, frames, edit }
        },
    )
}

fn audio_reel() -> impl Strategy<Value = Reel> {
    (1_u32..1_500, 1_u32..300, 0_i64..3_000, 0_i64..100_000).prop_map(|(count, size, delay, media_time)| {
        let frame = |at| Frame { duration: 1_024, offset: 0, size: size + at % 3, sync: true };
        let edit = Edit { delay: Moment::from_millis(delay), media_time: Ticks(media_time), length: None };
        Reel { kind: Kind::Audio(SOUND), timescale: 48_000, frames: (0..count).map(frame).collect(), edit }
    })
}

/// One to three files: video with audio, then perhaps more of either.
fn assets() -> impl Strategy<Value = Vec<SourceFile>> {
    let first = (video_reel(), prop::option::of(audio_reel())).prop_map(|(video, audio)| {
        let reels: Vec<Reel> = [video].into_iter().chain(audio).collect();
        reels
    });
    let alone = audio_reel().prop_map(|audio| vec![audio]);
    let files = prop::collection::vec(prop_oneof![3 => first, 1 => alone], 1..3);
    files.prop_map(|files| {
        let named = |(at, reels): (usize, Vec<Reel>)| SourceFile {
            file: format!("file {at}.mp4"),
            name: Some(format!("file {at}")),
            movie: movie::movie(&reels),
            said: Vec::new(),
        };
        files.into_iter().enumerate().map(named).collect()
    })
}

fn planned(sources: &[SourceFile], target_millis: u32) -> Option<Plan> {
    Plan::new(sources, 0, Settings { target_millis }).ok()
}

/// A whole track as a player fetches it: init segment and all media segments.
fn fetched(track: &Planned) -> Bytes {
    let mut bytes = mux::init(track).to_vec();
    for (number, segment) in (1..).zip(&track.segments) {
        bytes.extend(bake(mux::segment(track, number, segment).pieces()));
    }
    bytes.into()
}

fn demuxed(object: &Bytes) -> Movie {
    let (mut probe, mut range) = Probe::new(object.len() as u64).unwrap();
    loop {
        let part = object.slice(range.start() as usize..range.end() as usize);
        match probe.feed(&part).unwrap() {
            Step::Need(next) => range = next,
            Step::Done(movie) => return *movie,
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn segments_partition_every_track(sources in assets(), target in 1_000_u32..20_000) {
        let Some(plan) = planned(&sources, target) else { return Ok(()) };
        for track in plan.tracks() {
            let mut next = (0, track.segments[0].start);
            for segment in &track.segments {
                prop_assert_eq!((segment.samples.start, segment.start), next);
                prop_assert!(!segment.samples.is_empty() && segment.span.0 > 0);
                let each: Vec<_> = segment.samples.clone().map(|number| track.timeline.presented(number)).collect();
                prop_assert_eq!(track.timeline.presented_times(segment.samples.clone()).collect::<Vec<_>>(), each.clone());
                let least = each.into_iter().min();
                prop_assert!(least >= Some(segment.start));
                next = (segment.samples.end, segment.start.after(segment.span).unwrap());
            }
            prop_assert_eq!(next.0, track.timeline.len());
        }
    }

    #[test]
    fn presented_times_are_composition_times_and_one_constant(sources in assets()) {
        let Some(plan) = planned(&sources, 6_000) else { return Ok(()) };
        for track in plan.tracks() {
            let (timeline, index) = (&track.timeline, &track.track().index);
            let silent = timeline.silent_frames();
            let later = |number: u32| {
                timeline.presented(number).0 - index.composition_time(timeline.stored(number).unwrap()).0
            };
            let last = timeline.len() - 1;
            let held = u32::from(timeline.reach().0 > 0);
            for number in silent + held..=last {
                prop_assert_eq!(later(number), later(last), "sample {}", number);
            }
            if held > 0 && last > 0 {
                // The first picture is shown before all others.
                let first = timeline.presented(0);
                prop_assert_eq!(first, Ticks(0));
                prop_assert!((1..=last).all(|number| timeline.presented(number) > first));
            }
        }
    }

    #[test]
    fn a_recipe_has_the_length_it_promises_and_any_window_is_a_slice(sources in assets(), from in any::<u64>(), len in any::<u64>()) {
        let Some(plan) = planned(&sources, 6_000) else { return Ok(()) };
        for track in plan.tracks() {
            for (number, segment) in (1..).zip(&track.segments) {
                let recipe = mux::segment(track, number, segment);
                let whole = bake(recipe.pieces());
                prop_assert_eq!(recipe.length(), whole.len() as u64);
                prop_assert_eq!(recipe.length(), mux::segment_length(track, segment));
                let from = from % recipe.length();
                let to = (from + len % recipe.length()).min(recipe.length());
                prop_assert_eq!(bake(&recipe.window(from..to)), &whole[from as usize..to as usize]);
            }
        }
    }

    #[test]
    fn what_is_muxed_is_what_was_stored(sources in assets()) {
        let Some(plan) = planned(&sources, 6_000) else { return Ok(()) };
        for track in plan.tracks() {
            same_samples(track)?;
        }
    }

    #[test]
    fn hls_and_dash_list_the_same_segments(sources in assets(), target in 1_000_u32..20_000) {
        let Some(plan) = planned(&sources, target) else { return Ok(()) };
        let asset = AssetId::new("a/film $1").unwrap();
        let manifests = Manifests::new(&asset, &plan);
        let listed = hls_lists(&asset, &manifests);
        let video = plan.of_kind(MediaKind::Video).count();
        prop_assert!(listed.len() >= video.max(1) && listed.len() <= plan.tracks().len());
        let mut dash = dash_lists(std::str::from_utf8(&manifests.dash.text).unwrap());
        for (name, version, hls) in listed {
            let track = plan.track(&name, version).unwrap();
            let stream = StreamName::alone(Packaging::Cmaf, name.clone());
            let route = |part| Route::Stream(asset.clone(), version, stream.clone(), part);
            let init = route(Part::Init).from_entry();
            let at = dash.iter().position(|list| list.init == init).unwrap();
            let dash = dash.swap_remove(at);
            prop_assert_eq!(hls.segments.len(), dash.segments.len());
            prop_assert_eq!(hls.init, route(Part::Init).from_playlist());
            for (number, (hls, (url, seconds))) in (1..).zip(hls.segments.iter().zip(dash.segments)) {
                let route = route(Part::Segment(number));
                prop_assert_eq!(&hls.0, &route.from_playlist());
                prop_assert_eq!(url, route.from_entry());
                prop_assert!((f64::from(hls.1) - seconds).abs() < 2e-5, "{} and {}", hls.1, seconds);
            }
            let shift = i64::from(SHIFT_SECONDS) * i64::from(track.timeline.timescale().get());
            prop_assert_eq!(dash.start as i64, track.segments[0].start.0 + shift);
        }
        prop_assert!(dash.is_empty());
    }
}

/// Demuxes the served `track` and compares it, sample by sample, with the stored one.
fn same_samples(track: &Planned) -> Result<(), TestCaseError> {
    let object = fetched(track);
    let movie = demuxed(&object);
    prop_assert_eq!(movie.tracks.len(), 1);
    let served = &movie.tracks[0];
    if served.left_out.leading > 0 {
        // All pictures lie before the first keyframe or the start: a demuxer drops them, also from a stored film.
        return Ok(());
    }
    prop_assert_eq!(&served.entry, &track.track().entry);
    prop_assert_eq!(&served.codec, &track.track().codec);
    prop_assert_eq!(served.timescale, track.timeline.timescale());
    let silent = track.timeline.silent_frames();
    let stored = track.track().index.samples(track.timeline.skipped()..track.track().index.len());
    let samples: Vec<_> = served.index.samples(0..served.index.len()).collect();
    prop_assert_eq!(samples.len() as u32, track.timeline.len());
    // Presentation time in a player: decode time plus offset, less the edit and SHIFT.
    let taken_off = track.timeline.edit() as i64 + track.timeline.shift().0;
    for (sample, stored) in samples.iter().skip(silent as usize).zip(stored) {
        let number = stored.number - track.timeline.skipped() + silent;
        prop_assert_eq!((sample.size, sample.sync), (stored.size, stored.sync));
        prop_assert_eq!(sample.decode_time, track.timeline.written(number));
        prop_assert_eq!(sample.composition_time().0 - taken_off, track.timeline.presented(number).0);
        let from = sample.position as usize;
        let expected: Vec<u8> = (0..u64::from(stored.size)).map(|at| byte(stored.position + at)).collect();
        prop_assert_eq!(&object[from..from + sample.size as usize], expected.as_slice());
    }
    Ok(())
}

struct Listed<T> {
    init: String,
    /// Start of the first segment, in ticks, including `SHIFT`.
    start: u64,
    segments: Vec<(String, T)>,
}

/// Every media playlist of a multivariant playlist, found as a player finds it.
fn hls_lists(asset: &AssetId, manifests: &Manifests) -> Vec<(TrackName, Version, Listed<f32>)> {
    let (_, multivariant) = m3u8_rs::parse_master_playlist(&manifests.hls.text).unwrap();
    let variants = multivariant.variants.iter().map(|variant| variant.uri.clone());
    let alternatives = multivariant.alternatives.iter().filter_map(|media| media.uri.clone());
    let mut uris: Vec<String> = variants.chain(alternatives).collect();
    uris.sort();
    uris.dedup();
    let base = Route::Hls(asset.clone()).to_string();
    let base = base.strip_suffix("index.m3u8").unwrap();
    let list = |uri: String| {
        let Some(Route::Stream(_, version, name, Part::Playlist)) = Route::parse(&format!("{base}{uri}")) else {
            panic!("{uri} is no playlist")
        };
        let text = manifests.playlist(name.first(), version).unwrap();
        let (_, playlist) = m3u8_rs::parse_media_playlist(text).unwrap();
        let init = playlist.segments[0].map.as_ref().unwrap().uri.clone();
        let segments: Vec<_> = playlist.segments.into_iter().map(|segment| (segment.uri, segment.duration)).collect();
        // The URLs contain the media's own version.
        let first = segments[0].0.strip_prefix("../../").unwrap();
        let Some(Route::Stream(_, version, ..)) = Route::parse(&format!("{base}{first}")) else { panic!("{first}") };
        (name.first().clone(), version, Listed { init, start: 0, segments })
    };
    uris.into_iter().map(list).collect()
}

/// Every Representation of a manifest, with its template filled in.
fn dash_lists(text: &str) -> Vec<Listed<f64>> {
    let mpd = dash_mpd_core::parse(text).unwrap();
    let representations =
        mpd.periods.iter().flat_map(|period| &period.adaptations).flat_map(|set| &set.representations);
    let list = |representation: &dash_mpd_core::Representation| {
        let template = representation.SegmentTemplate.as_ref().unwrap();
        let (media, scale) = (template.media.clone().unwrap(), template.timescale.unwrap() as f64);
        let runs = &template.SegmentTimeline.as_ref().unwrap().segments;
        let spans = runs.iter().flat_map(|run| std::iter::repeat_n(run.d, run.r.unwrap_or(0) as usize + 1));
        let segments = (template.startNumber.unwrap()..).zip(spans);
        let segments = segments.map(|(number, d)| (media.replace("$Number$", &number.to_string()), d as f64 / scale));
        Listed {
            init: template.initialization.clone().unwrap(),
            start: runs[0].t.unwrap(),
            segments: segments.collect(),
        }
    };
    representations.map(list).collect()
}
