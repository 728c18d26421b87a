//! Edge-case tests of verdicts: which players can play which codecs.

#[path = "../../tests/support/movie.rs"]
#[allow(dead_code, clippy::duplicate_mod, clippy::pedantic, clippy::as_conversions, reason = "shared with tests/")]
mod movie;

use super::{AudioKind, Playable, Plays, audio_kind, playable};
use crate::media::{Codec, Family, Track};
use crate::plan::{Plan, Settings, SourceFile};
use movie::{audio, movie, video};
use std::sync::Arc;

/// The verdict on a film of H.264 and AAC after `change` modified its video and audio track.
fn verdict(change: impl Fn(&mut Track, &mut Track)) -> Playable {
    let mut film = Arc::unwrap_or_clone(movie(&[video(10, 100, |at| at % 60 == 0), audio(470)]));
    if let [pictures, sound] = film.tracks.as_mut_slice() {
        change(pictures, sound);
    }
    let source = SourceFile { file: "film.mp4".into(), name: None, movie: Arc::new(film), said: Vec::new() };
    playable(&Plan::new(&[source], 0, Settings { target_millis: 6_000 }).unwrap())
}

fn codec(fourcc: [u8; 4], string: &str) -> Codec {
    Codec { fourcc, string: string.into(), family: Family::Other, supplemental: None }
}

#[test]
fn h264_and_aac_play_everywhere() {
    let everywhere = Playable { browsers: Plays::Yes, apple: Plays::Yes, ts: Plays::Yes, why: Vec::new() };
    assert_eq!(verdict(|_, _| {}), everywhere);
}

#[test]
fn prores_plays_nowhere_and_the_reasons_name_the_track() {
    let verdict = verdict(|pictures, _| pictures.codec = codec(*b"apcn", "apcn"));
    assert!(!verdict.anywhere());
    assert_eq!(
        verdict.why,
        [
            "Browsers do not play track 1 of film.mp4 (apcn).",
            "Apple's players do not play track 1 of film.mp4 (apcn).",
            "MPEG-TS: film.mp4: track 1 is apcn; MPEG-TS carries H.264 and AAC.",
        ]
    );
}

#[test]
fn hevc_plays_in_some_browsers_and_on_apple() {
    let verdict = verdict(|pictures, _| pictures.codec = codec(*b"hvc1", "hvc1.1.6.L93.90"));
    assert_eq!((verdict.browsers, verdict.apple, verdict.ts), (Plays::Some, Plays::Yes, Plays::No));
    assert!(verdict.anywhere());
}

#[test]
fn h264_of_studios_plays_in_some_browsers() {
    let browsers = |string: &str| verdict(|pictures, _| pictures.codec.string = string.into()).browsers;
    assert_eq!(browsers("avc1.64001f"), Plays::Yes);
    assert_eq!(browsers("avc1.7a001f"), Plays::Some);
    assert_eq!(browsers("avc1.2c001f"), Plays::No);
}

#[test]
fn video_that_plays_does_not_hide_audio_that_does_not() {
    let verdict = verdict(|_, sound| sound.codec = codec(*b"ac-3", "ac-3"));
    assert_eq!((verdict.browsers, verdict.apple, verdict.ts), (Plays::Some, Plays::Yes, Plays::No));
    let config_element = |_: &mut Track, sound: &mut Track| {
        if let Family::Aac(aac) = &mut sound.codec.family {
            aac.channel_configuration = 0;
        }
    };
    let verdict = self::verdict(config_element);
    assert_eq!((verdict.browsers, verdict.apple, verdict.ts), (Plays::No, Plays::Yes, Plays::No));
}

#[test]
fn one_answer_of_a_player_is_one_kind_of_audio() {
    let kinds = |strings: &[&str]| -> Vec<AudioKind> {
        let mut kinds: Vec<AudioKind> = strings.iter().map(|string| audio_kind(&codec(*b"mp4a", string))).collect();
        kinds.dedup();
        kinds
    };
    assert_eq!(kinds(&["mp4a.40.2", "mp4a.40.5", "mp4a.40.29"]), [AudioKind::Aac]);
    assert_eq!(kinds(&["mp4a.6B", "mp4a.69", "mp4a.40.34"]), [AudioKind::Mp3]);
    assert_eq!(kinds(&["mp4a.40.2", "mp4a.40.42"]).len(), 2);
}
