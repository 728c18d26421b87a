//! DASH's rules (ISO/IEC 23009-1, DASH-IF IOP) for a static MPD over CMAF, checked on the MPD and on the bytes it
//! names.

use crate::check_hls;
use crate::codec;
use crate::mpd::{Element, Representation, seconds};
use crate::presentation::{Presentation, Track};

/// Seconds by which every presentation is shifted.
const SHIFT: u64 = 10;

/// Broken rules, each as one line.
pub(crate) fn check(presentation: &Presentation) -> Vec<String> {
    let mut faults = root(presentation);
    for representation in &presentation.representations {
        let name = representation.get("id").unwrap_or("without id").to_owned();
        let found = match presentation.track(&representation.init) {
            Some(track) => one(&presentation.mpd, representation, track),
            None => vec![format!("{} is in no HLS playlist", representation.init)],
        };
        faults.extend(found.into_iter().map(|fault| format!("Representation {name}: {fault}")));
    }
    faults.extend(sets(presentation));
    faults
}

fn root(presentation: &Presentation) -> Vec<String> {
    let (mpd, mut faults) = (&presentation.mpd, Vec::new());
    if mpd.name != "MPD" || mpd.get("xmlns") != Some("urn:mpeg:dash:schema:mpd:2011") {
        faults.push(format!("the root is {} in {:?}", mpd.name, mpd.get("xmlns")));
    }
    if mpd.get("type").is_some_and(|kind| kind != "static") {
        faults.push("MPD@type is not static".into());
    }
    let profiles = mpd.get("profiles").unwrap_or_default();
    if !profiles.split(',').any(|profile| profile.trim().starts_with("urn:mpeg:dash:profile:")) {
        faults.push(format!("MPD@profiles {profiles:?}"));
    }
    let moment = |name: &str| mpd.get(name).and_then(seconds);
    if moment("minBufferTime").is_none_or(|time| time <= 0.0) {
        faults.push("MPD@minBufferTime is missing or not above 0".into());
    }
    // Until the end of the last presented frame, counted from the Period's start.
    let end = presentation.tracks.iter().filter_map(|track| {
        let end = track.starts().last()? - i64::from(track.timescale()) * i64::try_from(SHIFT).ok()?;
        Some(end as f64 / f64::from(track.timescale()))
    });
    let end = end.fold(0.0, f64::max);
    match moment("mediaPresentationDuration") {
        Some(said) if (said - end).abs() <= frame(presentation) => {}
        said => faults.push(format!("MPD@mediaPresentationDuration {said:?}, the media ends at {end}")),
    }
    let longest = presentation.representations.iter().flat_map(|representation| {
        representation.segments.iter().map(|segment| segment.duration as f64 / representation.timescale as f64)
    });
    let longest = longest.fold(0.0, f64::max);
    if moment("maxSegmentDuration").is_some_and(|most| most + 0.000_001 < longest) {
        faults.push(format!("MPD@maxSegmentDuration is below {longest}"));
    }
    faults
}

/// The longest frame of any track, in seconds.
fn frame(presentation: &Presentation) -> f64 {
    let frames = presentation
        .tracks
        .iter()
        .flat_map(|track| track.samples.iter().map(|sample| f64::from(sample.duration) / f64::from(track.timescale())));
    frames.fold(0.0, f64::max)
}

fn one(mpd: &Element, representation: &Representation, track: &Track) -> Vec<String> {
    let mut faults = timeline(representation, track);
    if representation.timescale != u64::from(track.timescale()) {
        faults.push(format!("timescale {}, the media's is {}", representation.timescale, track.timescale()));
    }
    if representation.offset != SHIFT * representation.timescale {
        faults.push(format!("presentationTimeOffset {}, not {SHIFT} s", representation.offset));
    }
    let kind = if track.is_video() { "video" } else { "audio" };
    let mut wanted = vec![("contentType", kind.to_owned()), ("mimeType", format!("{kind}/mp4"))];
    wanted.extend(codec::string(track).map(|codec| ("codecs", codec)));
    for (name, value) in wanted {
        if representation.get(name) != Some(&value) {
            faults.push(format!("@{name} is {:?}, not {value}", representation.get(name)));
        }
    }
    let needed: &[&str] =
        if track.is_video() { &["width", "height", "frameRate"] } else { &["audioSamplingRate", "lang"] };
    for name in needed {
        if representation.get(name).is_none_or(str::is_empty) {
            faults.push(format!("no @{name}"));
        }
    }
    let descriptor = |name: &str| representation.descriptors.iter().any(|descriptor| descriptor.name == name);
    if !descriptor("Role") {
        faults.push("no Role".into());
    }
    if !track.is_video() && !descriptor("AudioChannelConfiguration") {
        faults.push("no AudioChannelConfiguration".into());
    }
    if representation.get("startWithSAP") == Some("1") && !codec::starts_alone(track) {
        faults.push("@startWithSAP is 1, and a segment starts with another picture".into());
    }
    faults.extend(bandwidth(mpd, representation, track));
    faults
}

/// Checks the timeline against the segments: presentation starts, contiguous, to the end.
fn timeline(representation: &Representation, track: &Track) -> Vec<String> {
    let mut faults = Vec::new();
    let starts = track.starts();
    if representation.segments.len() + 1 != starts.len() {
        return vec![format!(
            "{} segments in the timeline, {} fetched",
            representation.segments.len(),
            starts.len() - 1
        )];
    }
    for (number, segment) in representation.segments.iter().enumerate() {
        let (start, end) = (starts[number], starts[number + 1]);
        let listed = i128::from(segment.start);
        if listed != i128::from(start) || listed + i128::from(segment.duration) != i128::from(end) {
            let (from, until) = (segment.start, segment.start + segment.duration);
            faults.push(format!("segment {} is {from} to {until}, its media {start} to {end}", number + 1));
        }
        if track.segments.get(number).is_none_or(|fetched| fetched.uri != segment.uri) {
            faults.push(format!("segment {} is {}, HLS has another", number + 1, segment.uri));
        }
    }
    faults
}

/// ISO/IEC 23009-1 §5.3.5.4: a client that starts at any segment after minBufferTime at this rate never runs dry; and
/// the rate is not above the peak.
fn bandwidth(mpd: &Element, representation: &Representation, track: &Track) -> Vec<String> {
    let Some(said) = representation.get("bandwidth").and_then(|bits| bits.parse::<f64>().ok()) else {
        return vec!["no @bandwidth".into()];
    };
    let mut faults = Vec::new();
    let wait = mpd.get("minBufferTime").and_then(seconds).unwrap_or(0.0);
    let starts = track.playlist.starts();
    let bits: Vec<f64> = track.segments.iter().map(|segment| (segment.bytes.len() * 8) as f64).collect();
    for first in 0..bits.len() {
        let mut sum = 0.0;
        for next in first..bits.len() {
            let budget = said * (wait + starts[next] - starts[first]) + 8.0;
            if sum > budget {
                faults.push(format!(
                    "@bandwidth {said} runs dry at segment {} when started at {}",
                    next + 1,
                    first + 1
                ));
                return faults;
            }
            sum += bits[next];
        }
    }
    let (least, most) = (check_hls::average(track).unwrap_or(0.0), check_hls::peak(track).unwrap_or(f64::MAX));
    if said < least * 0.9 || said > most * 1.1 + 8.0 {
        faults.push(format!("@bandwidth {said}, the mean is {least:.0}, the peak {most:.0}"));
    }
    faults
}

/// Checks the promises of AdaptationSets for all their representations.
fn sets(presentation: &Presentation) -> Vec<String> {
    let mut faults = Vec::new();
    let all = &presentation.representations;
    for representation in all {
        let Some(first) = all.iter().find(|other| other.set == representation.set) else { continue };
        let aligned = representation.get("segmentAlignment") == Some("true");
        if aligned && !same_starts(first, representation) {
            faults.push(format!("AdaptationSet {} is not aligned, and says so", representation.set + 1));
        }
        for name in ["mimeType", "lang", "contentType"] {
            if first.get(name) != representation.get(name) {
                faults.push(format!("AdaptationSet {} mixes @{name}", representation.set + 1));
            }
        }
    }
    let mut ids: Vec<_> = all.iter().map(|representation| representation.get("id")).collect();
    ids.sort_unstable();
    ids.dedup();
    if ids.len() != all.len() {
        faults.push("two Representations with one @id".into());
    }
    faults
}

/// Whether two representations cut at the same times, within half a frame of the coarser timescale's tick.
fn same_starts(first: &Representation, second: &Representation) -> bool {
    let scales = (u128::from(first.timescale), u128::from(second.timescale));
    first.segments.len() == second.segments.len()
        && first.segments.iter().zip(&second.segments).all(|(a, b)| {
            let (a, b) = (u128::from(a.start) * scales.1, u128::from(b.start) * scales.0);
            a.abs_diff(b) <= scales.0.max(scales.1)
        })
}
