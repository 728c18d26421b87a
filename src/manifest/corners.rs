//! Edge-case tests of manifests: groups of audio, codecs, channels, colours and rotation.

#[path = "../../tests/support/movie.rs"]
#[allow(dead_code, clippy::duplicate_mod, clippy::pedantic, clippy::as_conversions, reason = "shared with tests/")]
mod movie;

use super::groups::{Group, audio_groups, hls_groups};
use super::texts::Manifests;
use crate::media::{
    Arrangement, AssetId, Codec, Colour, Family, Kind, Language, Movie, Supplemental, Title, Track, VideoRange,
};
use crate::plan::{Plan, Settings, SourceFile};
use movie::{Reel, audio, movie, video};
use std::sync::Arc;

fn source(file: &str, reels: &[Reel]) -> SourceFile {
    SourceFile { file: file.into(), name: Some(file.into()), movie: movie(reels), said: Vec::new() }
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

/// A film with an audio track for each codec and language.
fn film(sounds: &[(&str, &str)]) -> Movie {
    let mut reels = vec![video(10, 100, |at| at % 60 == 0)];
    reels.resize(sounds.len() + 1, audio(470));
    let mut film = Arc::unwrap_or_clone(movie(&reels));
    for (track, (codec, language)) in film.tracks.iter_mut().skip(1).zip(sounds) {
        track.language = Language::new(language).unwrap();
        if *codec != "mp4a.40.2" {
            let (string, family) = ((*codec).into(), Family::Other);
            track.codec = Codec { fourcc: *b"codc", string, family, supplemental: None };
        }
    }
    film
}

fn planned(film: Movie) -> Plan {
    let source = SourceFile { file: "film.mp4".into(), name: None, movie: Arc::new(film), said: Vec::new() };
    Plan::new(&[source], 0, Settings { target_millis: 6_000 }).unwrap()
}

/// A line for each group with the names of its renditions; a star marks the default.
fn listed(groups: &[Group<'_>]) -> Vec<String> {
    let mut lines = Vec::new();
    for group in groups {
        let star = |default| if default { "*" } else { "" };
        let names: Vec<String> =
            group.renditions.iter().map(|each| format!("{}{}", each.name, star(each.default))).collect();
        lines.push(format!("{}: {}", group.id, names.join(", ")));
    }
    lines
}

/// The lines of the multivariant playlist that begin with `tag`, without the tag.
fn lines(plan: &Plan, tag: &str) -> Vec<String> {
    let text = Manifests::new(&AssetId::new("film").unwrap(), plan).hls.text;
    let text = String::from_utf8(text.to_vec()).unwrap();
    text.lines().filter_map(|line| line.strip_prefix(tag)).map(str::to_owned).collect()
}

/// The value of attribute `name` in a line of a playlist or manifest.
fn value<'a>(line: &'a str, name: &str) -> Option<&'a str> {
    let (_, rest) = line.split_once(&format!("{name}="))?;
    match rest.strip_prefix('"') {
        Some(quoted) => quoted.split('"').next(),
        None => rest.split(',').next(),
    }
}

#[test]
fn aac_and_mp3_are_two_groups_and_players_start_with_aac() {
    let plan = planned(film(&[("mp4a.40.2", "en"), ("mp4a.6B", "de")]));
    assert_eq!(listed(&hls_groups(&plan)), ["aac-2: en*", "aac-mp3: en*, de"]);
    let variants = lines(&plan, "#EXT-X-STREAM-INF:");
    let codecs: Vec<_> = variants.iter().map(|line| value(line, "CODECS")).collect();
    assert_eq!(codecs, [Some("avc1.42c00d,mp4a.40.2"), Some("avc1.42c00d,mp4a.6B,mp4a.40.2")]);
    assert!(variants.iter().all(|line| value(line, "AVERAGE-BANDWIDTH").is_some()), "{variants:?}");
}

#[test]
fn aac_lc_and_he_aac_are_one_group_as_every_player_takes_both() {
    let plan = planned(film(&[("mp4a.40.2", "en"), ("mp4a.40.5", "de")]));
    assert_eq!(listed(&hls_groups(&plan)), ["aac-2: en*, de"]);
}

#[test]
fn a_language_in_another_codec_joins_those_of_the_first_in_a_group_of_its_own() {
    let plan = planned(film(&[("mp4a.40.2", "en"), ("opus", "de")]));
    assert_eq!(listed(&hls_groups(&plan)), ["aac-2: en*", "aac-opus: en*, de"]);
    let variants = lines(&plan, "#EXT-X-STREAM-INF:");
    let told = |name| variants.iter().map(|line| value(line, name)).collect::<Vec<_>>();
    assert_eq!(told("CODECS"), [Some("avc1.42c00d,mp4a.40.2"), Some("avc1.42c00d,opus,mp4a.40.2")]);
    // Among variants of equal BANDWIDTH, Shaka begins with the first, hls.js with the lowest AVERAGE-BANDWIDTH.
    let (peaks, averages) = (told("BANDWIDTH"), told("AVERAGE-BANDWIDTH"));
    assert_eq!((peaks[0] == peaks[1], averages[0]), (true, None));
    let number = |text: Option<&str>| text.unwrap().parse::<u64>().unwrap();
    assert!(number(averages[1]) < number(peaks[0]), "{variants:?}");
}

#[test]
fn a_group_that_lacks_a_language_has_no_default() {
    let plan = planned(film(&[("mp4a.40.2", "en"), ("mp4a.40.2", "de"), ("ac-3", "en")]));
    assert_eq!(listed(&hls_groups(&plan)), ["aac-2: en*, de", "ac-3-2: en"]);
}

#[test]
fn more_channels_of_one_codec_are_completed_by_fewer() {
    let mut film = film(&[("mp4a.40.2", "en"), ("mp4a.40.2", "de"), ("mp4a.40.2", "en")]);
    if let Kind::Audio(sound) = &mut film.tracks[3].kind {
        sound.channels = 6;
    }
    assert_eq!(listed(&hls_groups(&planned(film))), ["aac-2: en*, de", "aac-6: en*, de"]);
}

#[test]
fn a_track_that_the_file_disables_is_no_default() {
    let mut film = film(&[("mp4a.40.2", "en"), ("mp4a.40.2", "de")]);
    film.tracks[1].enabled = false;
    assert_eq!(listed(&audio_groups(&planned(film))), ["aac-2: en, de*"]);
}

#[test]
fn aac_with_a_program_config_element_stands_beside_other_aac_and_is_never_its_default() {
    let mut film = film(&[("mp4a.40.2", "en"), ("mp4a.40.2", "en")]);
    let Track { codec, kind, .. } = &mut film.tracks[1];
    if let (Family::Aac(aac), Kind::Audio(sound)) = (&mut codec.family, kind) {
        (aac.channel_configuration, sound.channels) = (0, 6);
    }
    let plan = planned(film);
    assert_eq!(listed(&hls_groups(&plan)), ["aac-2: en*, en 2"]);
    let media = lines(&plan, "#EXT-X-MEDIA:");
    let channels: Vec<_> = media.iter().map(|line| value(line, "CHANNELS")).collect();
    assert_eq!(channels, [Some("2"), Some("6")]);
}

#[test]
fn titles_tell_tracks_of_one_language_apart_unless_languages_share_them() {
    let mut film = film(&[("mp4a.40.2", "en"), ("mp4a.40.2", "en"), ("mp4a.40.2", "en"), ("mp4a.40.2", "de")]);
    for (track, title) in film.tracks.iter_mut().skip(1).zip(["English", "Commentary", "Stereo", "Stereo"]) {
        track.title = Title::new(title);
    }
    assert_eq!(listed(&audio_groups(&planned(film))), ["aac-2: English*, Commentary, en, de"]);
}

#[test]
fn every_variant_tells_its_range_unless_all_are_sdr() {
    let told = |ranges: &[VideoRange]| {
        let reels = vec![video(10, 100, |at| at % 60 == 0); ranges.len()];
        let mut film = Arc::unwrap_or_clone(movie(&reels));
        for (track, range) in film.tracks.iter_mut().zip(ranges) {
            if let Kind::Video(picture) = &mut track.kind {
                picture.range = *range;
            }
        }
        let variants = lines(&planned(film), "#EXT-X-STREAM-INF:");
        variants.iter().map(|line| value(line, "VIDEO-RANGE").map(str::to_owned)).collect::<Vec<_>>()
    };
    assert_eq!(told(&[VideoRange::Sdr, VideoRange::Sdr]), [None, None]);
    assert_eq!(told(&[VideoRange::Sdr, VideoRange::Pq]), [Some("SDR".into()), Some("PQ".into())]);
}

#[test]
fn dolby_vision_over_hlg_is_told_to_players_of_both_manifests() {
    let mut film = film(&[]);
    film.tracks[0].codec.supplemental = Some(Supplemental { codec: "dvh1.08.07".into(), brand: *b"db4h" });
    if let Kind::Video(picture) = &mut film.tracks[0].kind {
        picture.range = VideoRange::Hlg;
        picture.colour = Some(Colour { primaries: 9, transfer: 18, matrix: 9, full_range: false });
    }
    let plan = planned(film);
    let variants = lines(&plan, "#EXT-X-STREAM-INF:");
    let told = ["VIDEO-RANGE", "SUPPLEMENTAL-CODECS"].map(|name| value(&variants[0], name));
    assert_eq!(told, [Some("HLG"), Some("dvh1.08.07/db4h")]);
    let dash = Manifests::new(&AssetId::new("film").unwrap(), &plan).dash.text;
    let dash = String::from_utf8(dash.to_vec()).unwrap();
    let properties: Vec<&str> = dash.lines().filter(|line| line.starts_with("<SupplementalProperty")).collect();
    assert_eq!(
        properties,
        [
            "<SupplementalProperty schemeIdUri=\"urn:mpeg:mpegB:cicp:ColourPrimaries\" value=\"9\"/>",
            "<SupplementalProperty schemeIdUri=\"urn:mpeg:mpegB:cicp:TransferCharacteristics\" value=\"18\"/>",
            "<SupplementalProperty schemeIdUri=\"urn:mpeg:mpegB:cicp:MatrixCoefficients\" value=\"9\"/>",
        ]
    );
    for attribute in ["scte214:supplementalCodecs=\"dvh1.08.07\"", "scte214:supplementalProfiles=\"db4h\""] {
        assert!(dash.contains(attribute), "{dash}");
    }
}

#[test]
fn dash_tells_a_layout_of_channels_only_where_the_file_does() {
    let told = |codec: &str, channels: u16, arrangement: Arrangement| {
        let mut film = film(&[(codec, "en")]);
        if let Kind::Audio(sound) = &mut film.tracks[1].kind {
            (sound.channels, sound.arrangement) = (channels, arrangement);
        }
        let dash = Manifests::new(&AssetId::new("film").unwrap(), &planned(film)).dash.text;
        let dash = String::from_utf8(dash.to_vec()).unwrap();
        let line = dash.lines().find(|line| line.starts_with("<AudioChannelConfiguration"))?.to_owned();
        value(&line, "value").map(str::to_owned)
    };
    assert_eq!(told("opus", 6, Arrangement::Speakers).as_deref(), Some("6"));
    assert_eq!(told("opus", 8, Arrangement::Speakers).as_deref(), Some("12"));
    assert_eq!(told("opus", 4, Arrangement::Ambisonics), None);
    assert_eq!(told("iamf.000.000.Opus", 1, Arrangement::Unstated), None);
    assert_eq!(told("mhm1.0x0D", 1, Arrangement::Unstated), None);
}

#[test]
fn a_picture_that_is_stored_turned_is_listed_as_it_is_shown_and_is_not_carried_by_mpeg_ts() {
    let mut film = film(&[]);
    if let Kind::Video(picture) = &mut film.tracks[0].kind {
        picture.matrix = [0, 0x1_0000, 0, -0x1_0000, 0, 0, 0, 0, 0x4000_0000];
    }
    let plan = planned(film);
    let variants = lines(&plan, "#EXT-X-STREAM-INF:");
    assert_eq!(value(&variants[0], "RESOLUTION"), Some("180x320"));
    let dash = Manifests::new(&AssetId::new("film").unwrap(), &plan).dash.text;
    let dash = String::from_utf8(dash.to_vec()).unwrap();
    assert!(dash.contains("width=\"180\" height=\"320\""), "{dash}");
    let unfit = crate::mux::carries(&plan).unwrap_err().to_string();
    assert!(unfit.starts_with("film.mp4: track 1 is to be turned by 90 degrees"), "{unfit}");
}
