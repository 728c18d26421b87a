//! The corners of what manifests list.

#[path = "../../tests/support/movie.rs"]
#[allow(dead_code, clippy::duplicate_mod, clippy::pedantic, clippy::as_conversions, reason = "shared with tests/")]
mod movie;

use super::names::audio_groups;
use crate::plan::{Plan, Settings, Source};
use movie::{Reel, audio, movie, video};

fn source(file: &str, reels: &[Reel]) -> Source {
    Source { file: file.into(), name: Some(file.into()), movie: movie(reels), said: Vec::new() }
}

#[test]
fn rungs_that_carry_the_same_sound_give_one_rendition_and_files_of_sound_each_their_own() {
    let rung = |file| source(file, &[video(10, 100, |at| at % 60 == 0), audio(470)]);
    let sources = [rung("1080p"), rung("720p"), source("commentary", &[audio(470)])];
    let plan = Plan::new(&sources, 0, Settings { target_millis: 6_000 }).unwrap();
    let groups = audio_groups(&plan);
    let listed: Vec<(&str, &str)> = groups
        .iter()
        .flat_map(|group| &group.renditions)
        .map(|rendition| (rendition.track.file.as_str(), rendition.name.as_str()))
        .collect();
    assert_eq!(listed, [("1080p", "Audio"), ("commentary", "Audio 2")]);
}
