//! RFC 8216 and the rules of Apple's HLS Authoring Specification for VOD in CMAF, checked on playlists and on the bytes
//! they list.

use crate::codec;
use crate::hls::{Attributes, integer, quoted, tags};
use crate::presentation::{Presentation, Track};

/// Tags that only a media playlist may have (RFC 8216 §4.3.2, §4.3.3).
const MEDIA_ONLY: [&str; 7] = [
    "EXTINF",
    "EXT-X-TARGETDURATION",
    "EXT-X-MEDIA-SEQUENCE",
    "EXT-X-ENDLIST",
    "EXT-X-PLAYLIST-TYPE",
    "EXT-X-MAP",
    "EXT-X-BYTERANGE",
];

/// Tags that only a multivariant playlist may have (RFC 8216 §4.3.4).
const MULTIVARIANT_ONLY: [&str; 5] =
    ["EXT-X-MEDIA", "EXT-X-STREAM-INF", "EXT-X-I-FRAME-STREAM-INF", "EXT-X-SESSION-DATA", "EXT-X-SESSION-KEY"];

/// Broken rules, each as one line.
pub(crate) fn check(presentation: &Presentation) -> Vec<String> {
    let mut faults = multivariant(presentation);
    for (attributes, uri) in &presentation.multivariant.variants {
        faults.extend(variant(presentation, attributes, uri).into_iter().map(|fault| format!("{uri}: {fault}")));
    }
    for media in &presentation.multivariant.renditions {
        faults.extend(rendition(media).into_iter().map(|fault| format!("EXT-X-MEDIA {media:?}: {fault}")));
    }
    let targets: Vec<Option<u32>> = presentation.tracks.iter().map(|track| track.playlist.target).collect();
    if targets.windows(2).any(|two| two[0] != two[1]) {
        faults.push(format!("playlists with different EXT-X-TARGETDURATION: {targets:?}"));
    }
    for track in &presentation.tracks {
        faults.extend(media(track).into_iter().map(|fault| format!("{}: {fault}", track.uri)));
    }
    faults
}

fn multivariant(presentation: &Presentation) -> Vec<String> {
    let (playlist, mut faults) = (&presentation.multivariant, Vec::new());
    faults.extend(
        MEDIA_ONLY
            .iter()
            .filter(|tag| tags(&playlist.lines, tag).next().is_some())
            .map(|tag| format!("{tag} in index.m3u8")),
    );
    if tags(&playlist.lines, "EXT-X-VERSION").count() > 1 {
        faults.push("EXT-X-VERSION twice in index.m3u8".into());
    }
    if playlist.variants.is_empty() {
        faults.push("no variants".into());
    }
    let says = tags(&playlist.lines, "EXT-X-INDEPENDENT-SEGMENTS").next().is_some();
    let are = presentation.tracks.iter().all(codec::starts_alone);
    if says != are {
        faults.push(format!("EXT-X-INDEPENDENT-SEGMENTS is said: {says}, is true: {are}"));
    }
    let group = |media: &Attributes| (media.get("TYPE").cloned(), media.get("GROUP-ID").cloned());
    for media in &playlist.renditions {
        let same = || playlist.renditions.iter().filter(|other| group(other) == group(media));
        if same().filter(|other| other.get("NAME") == media.get("NAME")).count() > 1 {
            faults.push(format!("two renditions with NAME {:?} in one group", media.get("NAME")));
        }
        if same().filter(|other| other.get("DEFAULT").is_some_and(|default| default == "YES")).count() > 1 {
            faults.push("two defaults in one group".into());
        }
        let used = playlist.variants.iter().any(|(variant, _)| variant.get("AUDIO") == media.get("GROUP-ID"));
        if !used {
            faults.push(format!("no variant uses group {:?}", media.get("GROUP-ID")));
        }
    }
    faults.dedup();
    faults
}

/// RFC 8216 §4.3.4.1, Apple: LANGUAGE always, CHANNELS for audio.
fn rendition(media: &Attributes) -> Vec<String> {
    let mut faults = Vec::new();
    for name in ["GROUP-ID", "NAME", "LANGUAGE", "URI", "CHANNELS"] {
        if quoted(media, name).is_none_or(str::is_empty) {
            faults.push(format!("{name} is missing, empty or not quoted"));
        }
    }
    if media.get("TYPE").is_none_or(|kind| kind != "AUDIO") {
        faults.push("TYPE is not AUDIO".into());
    }
    let yes = |name: &str| media.get(name).is_some_and(|value| value == "YES");
    if yes("DEFAULT") && media.get("AUTOSELECT").is_some_and(|value| value != "YES") {
        faults.push("DEFAULT without AUTOSELECT".into());
    }
    for name in ["DEFAULT", "AUTOSELECT"] {
        if media.get(name).is_some_and(|value| value != "YES" && value != "NO") {
            faults.push(format!("{name} is neither YES nor NO"));
        }
    }
    faults
}

/// The tracks that a variant plays: its own, and those of its audio group.
fn group<'a>(presentation: &'a Presentation, variant: &Attributes) -> Vec<&'a Track> {
    let Some(id) = variant.get("AUDIO") else { return Vec::new() };
    let members = presentation.multivariant.renditions.iter().filter(|media| media.get("GROUP-ID") == Some(id));
    let uris: Vec<&str> = members.filter_map(|media| quoted(media, "URI")).collect();
    presentation.tracks.iter().filter(|track| uris.contains(&track.uri.as_str())).collect()
}

fn variant(presentation: &Presentation, attributes: &Attributes, uri: &str) -> Vec<String> {
    let mut faults = Vec::new();
    let Some(own) = presentation.tracks.iter().find(|track| track.uri == uri) else {
        return vec!["its playlist was not fetched".into()];
    };
    let group = group(presentation, attributes);
    if attributes.contains_key("AUDIO") && group.is_empty() {
        faults.push("its audio group is not there".into());
    }
    // RFC 8216 §4.3.4.2: the largest sum over all playable combinations.
    // An audio-only variant plays one track of its group, not itself and another.
    let alone = group.iter().any(|track| track.uri == own.uri);
    let dearest = |rate: fn(&Track) -> Option<f64>| {
        let most = group.iter().filter_map(|track| rate(track)).fold(0.0, f64::max);
        if alone { Some(most) } else { rate(own).map(|own| own + most) }
    };
    faults.extend(rate(attributes, "BANDWIDTH", dearest(peak), Bound::AtLeast));
    faults.extend(rate(attributes, "AVERAGE-BANDWIDTH", dearest(average), Bound::Near));
    faults.extend(codecs(attributes, own, &group));
    if own.is_video() {
        faults.extend(picture(attributes, own));
    } else if attributes.contains_key("RESOLUTION") {
        faults.push("RESOLUTION of a sound".into());
    }
    faults
}

/// Required relation of a stated rate to the true one; either way within a tenth.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Bound {
    AtLeast,
    Near,
}

fn rate(attributes: &Attributes, name: &str, truth: Option<f64>, bound: Bound) -> Option<String> {
    let Some(said) = integer(attributes, name) else { return Some(format!("no {name}")) };
    let (said, truth) = (said as f64, truth?);
    // EXTINF are rounded: ignore a hundred-thousandth.
    let low = if bound == Bound::AtLeast { truth * 0.999_99 - 1.0 } else { truth * 0.9 - 1.0 };
    (said < low || said > truth * 1.1 + 1.0).then(|| format!("{name} {said}, measured {truth:.0}"))
}

/// Bits per second over the whole track.
pub(crate) fn average(track: &Track) -> Option<f64> {
    let bits: usize = track.segments.iter().map(|segment| segment.bytes.len() * 8).sum();
    let seconds = *track.playlist.starts().last()?;
    (seconds > 0.0).then(|| bits as f64 / seconds)
}

/// RFC 8216 §4.1: the highest rate of any run of segments that lasts 0.5 to 1.5 times the target duration; of the whole
/// track if no run does.
pub(crate) fn peak(track: &Track) -> Option<f64> {
    let target = f64::from(track.playlist.target?);
    let starts = track.playlist.starts();
    let mut most: f64 = 0.0;
    for first in 0..track.segments.len() {
        let mut bits = 0.0;
        for last in first..track.segments.len() {
            bits += (track.segments[last].bytes.len() * 8) as f64;
            let seconds = starts[last + 1] - starts[first];
            if seconds > target * 1.5 {
                break;
            }
            if seconds >= target * 0.5 && seconds > 0.0 {
                most = most.max(bits / seconds);
            }
        }
    }
    if most > 0.0 { Some(most) } else { average(track) }
}

fn codecs(attributes: &Attributes, own: &Track, group: &[&Track]) -> Vec<String> {
    let Some(said) = quoted(attributes, "CODECS") else { return vec!["no CODECS".into()] };
    let said: Vec<&str> = said.split(',').map(str::trim).collect();
    let mut faults = Vec::new();
    for truth in std::iter::once(own).chain(group.iter().copied()).filter_map(codec::string) {
        if !said.iter().any(|said| said.eq_ignore_ascii_case(&truth)) {
            faults.push(format!("CODECS {said:?} without {truth}"));
        }
    }
    if said.iter().any(|said| {
        !said.contains('.') && !matches!(*said, "opus" | "Opus" | "flac" | "fLaC" | "ac-3" | "ec-3" | "mp3")
    }) {
        faults.push(format!("CODECS {said:?} are not full RFC 6381 strings"));
    }
    faults
}

fn picture(attributes: &Attributes, track: &Track) -> Vec<String> {
    let mut faults = Vec::new();
    let entry = &track.header.tracks[0].entry;
    let coded = |at: usize| entry.get(at..at + 2).map(|two| u32::from(two[0]) << 8 | u32::from(two[1]));
    let coded = format!("{}x{}", coded(32).unwrap_or(0), coded(34).unwrap_or(0));
    let (width, height) = track.header.tracks[0].size;
    let shown = [format!("{width}x{height}"), format!("{height}x{width}"), coded];
    match attributes.get("RESOLUTION") {
        Some(said) if shown.contains(said) => {}
        said => faults.push(format!("RESOLUTION {said:?}, not one of {shown:?}")),
    }
    let scale = f64::from(track.timescale());
    let seconds = track.samples.iter().map(|sample| f64::from(sample.duration)).sum::<f64>() / scale;
    let mean = track.samples.len() as f64 / seconds;
    let shortest = track.samples.iter().map(|sample| sample.duration).filter(|&ticks| ticks > 0).min();
    let fastest = scale / f64::from(shortest.unwrap_or(1));
    match attributes.get("FRAME-RATE").and_then(|rate| rate.parse::<f64>().ok()) {
        Some(rate) if rate >= mean * 0.99 - 0.001 && rate <= fastest * 1.01 + 0.001 => {}
        said => faults.push(format!("FRAME-RATE {said:?}, the mean is {mean:.3}, the fastest {fastest:.3}")),
    }
    faults
}

fn media(track: &Track) -> Vec<String> {
    let (playlist, mut faults) = (&track.playlist, Vec::new());
    let count = |name: &str| tags(&playlist.lines, name).count();
    faults
        .extend(MULTIVARIANT_ONLY.iter().filter(|tag| count(tag) > 0).map(|tag| format!("{tag} in a media playlist")));
    // RFC 8216 §7: EXT-X-MAP without EXT-X-I-FRAMES-ONLY needs version 6.
    match tags(&playlist.lines, "EXT-X-VERSION").next().map(str::parse::<u32>) {
        Some(Ok(6..)) => {}
        other => faults.push(format!("EXT-X-VERSION {other:?}")),
    }
    for (name, times) in [("EXT-X-VERSION", 1), ("EXT-X-TARGETDURATION", 1), ("EXT-X-ENDLIST", 1), ("EXT-X-MAP", 1)] {
        if count(name) != times {
            faults.push(format!("{name} {} times", count(name)));
        }
    }
    if tags(&playlist.lines, "EXT-X-PLAYLIST-TYPE").collect::<Vec<_>>() != ["VOD"] {
        faults.push("EXT-X-PLAYLIST-TYPE is not VOD".into());
    }
    if count("EXT-X-DISCONTINUITY") > 0 {
        faults.push("EXT-X-DISCONTINUITY".into());
    }
    let target = f64::from(playlist.target.unwrap_or(0));
    for segment in &playlist.segments {
        // RFC 8216 §4.3.3.1: rounded to the nearest integer; Apple: at most half a second above.
        if segment.seconds.round() > target {
            faults.push(format!("{} lasts {} s, the target is {target}", segment.uri, segment.seconds));
        }
        if segment.seconds <= 0.0 {
            faults.push(format!("{} lasts {} s", segment.uri, segment.seconds));
        }
    }
    let longest = playlist.segments.iter().map(|segment| segment.seconds.round()).fold(1.0, f64::max);
    if target > longest.max(1.0) + 20.0 {
        faults.push(format!("EXT-X-TARGETDURATION {target} for segments of {longest} s"));
    }
    faults.extend(clock(track));
    faults
}

/// Apple: the sum of EXTINF is within one frame of the real time at every point.
fn clock(track: &Track) -> Option<String> {
    let (listed, real) = (track.playlist.starts(), track.starts());
    let scale = f64::from(track.timescale());
    let frame = track.samples.iter().map(|sample| f64::from(sample.duration)).fold(0.0, f64::max) / scale;
    if listed.len() != real.len() {
        return Some(format!("{} segments listed, {} have samples", listed.len() - 1, real.len().saturating_sub(1)));
    }
    let origin = real.first().copied().unwrap_or(0);
    let off = |(number, (listed, real)): (usize, (&f64, &i64))| {
        let real = (real - origin) as f64 / scale;
        ((listed - real).abs() > frame)
            .then(|| format!("after {number} segments {listed} s are listed, {real} s are real"))
    };
    listed.iter().zip(&real).enumerate().find_map(off)
}
