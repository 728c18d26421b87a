//! Prints the DASH manifest (ISO/IEC 23009-1) with `dash-mpd-core`: one Period, a SegmentTemplate with SegmentTimeline
//! for each Representation, and the same segments as HLS.

use super::groups::{self, AudioRendition};
use super::rates::FrameRate;
use super::texts::Printer;
use crate::media::{
    Arrangement, Colour, Family, Kind, MediaKind, Moment, Packaging, Picture, Role, Sound, Supplemental, Ticks,
    Timescale, UprightPicture, i64_from_u64,
};
use crate::plan::{AccessPoint, Alignment, Planned, SHIFT_SECONDS, Segment, Stream};
use crate::route::{Part, Route, segment_template};
use crate::verdict::{AudioKind, audio_kind};
use dash_mpd_core as mpd;
use mpd::{AdaptationSet, MPD, Period, Representation, S, SegmentTemplate, SegmentTimeline};
use std::time::Duration;

const PROFILES: &str = "urn:mpeg:dash:profile:isoff-live:2011,urn:mpeg:dash:profile:cmaf:2019";
const ROLES: &str = "urn:mpeg:dash:role:2011";
const CHANNELS: &str = "urn:mpeg:dash:23003:3:audio_channel_configuration:2011";

/// The code point of BT.709 in each table of ISO/IEC 23091-2.
const BT709: u8 = 1;

/// The manifest of a plan.
pub(super) fn manifest(printer: &Printer<'_>) -> String {
    let plan = printer.plan;
    let longest = plan.tracks().iter().filter_map(longest_segment).max().unwrap_or_default();
    let adaptations = video_sets(printer).into_iter().chain(audio_sets(printer));
    let numbered =
        (1..).zip(adaptations).map(|(id, set): (u32, AdaptationSet)| AdaptationSet { id: Some(id.to_string()), ..set });
    let supplemental = plan.tracks().iter().any(|track| track.track().codec.supplemental.is_some());
    let mpd = MPD {
        xmlns: Some("urn:mpeg:dash:schema:mpd:2011".into()),
        scte214: supplemental.then(|| "urn:scte:dash:scte214-extensions".into()),
        profiles: Some(PROFILES.into()),
        mpdtype: Some("static".into()),
        mediaPresentationDuration: Some(duration(plan.end())),
        minBufferTime: Some(Duration::from_secs(u64::from(plan.target_duration()))),
        maxSegmentDuration: Some(longest),
        periods: vec![Period {
            id: Some("1".into()),
            start: Some(Duration::ZERO),
            adaptations: numbered.collect(),
            ..Period::default()
        }],
        ..MPD::default()
    };
    // Put each element on its own line. This is safe: attribute values and text have no raw angle brackets.
    format!("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n{mpd}\n").replace("><", ">\n<")
}

/// Aligned video tracks of one codec, range and role share a set; each video track that is cut at its own keyframes has
/// a set of its own.
fn video_sets(printer: &Printer<'_>) -> Vec<AdaptationSet> {
    let mut sets: Vec<Vec<&Planned>> = Vec::new();
    for track in printer.plan.of_kind(MediaKind::Video) {
        let joins = |set: &&mut Vec<&Planned>| set.iter().all(|other| switchable(track, other));
        match sets.iter_mut().find(joins) {
            Some(set) => set.push(track),
            None => sets.push(vec![track]),
        }
    }
    let set = |tracks: Vec<&Planned>| AdaptationSet {
        contentType: Some("video".into()),
        mimeType: Some("video/mp4".into()),
        segmentAlignment: Some(aligned(&tracks)),
        startWithSAP: start_with_sap(&tracks),
        Role: vec![role(tracks.iter().find_map(|track| track.role).unwrap_or(Role::Main))],
        representations: tracks.iter().map(|track| video(printer, track)).collect(),
        ..AdaptationSet::default()
    };
    sets.into_iter().map(set).collect()
}

fn switchable(a: &Planned, b: &Planned) -> bool {
    let both = |alignment| a.alignment == alignment && b.alignment == alignment;
    let range = |track: &Planned| match track.track().kind {
        Kind::Video(picture) => Some(picture.range),
        Kind::Audio(_) => None,
    };
    let alike = a.track().codec.fourcc == b.track().codec.fourcc && range(a) == range(b);
    both(Alignment::Aligned) && alike && a.role == b.role
}

/// One set for each audio track that a listener can choose: by language, codec, channels, role and label.
fn audio_sets(printer: &Printer<'_>) -> Vec<AdaptationSet> {
    let renditions = groups::once_each(printer.plan);
    let several = renditions.len() > 1;
    let set = |rendition: &AudioRendition<'_>| AdaptationSet {
        contentType: Some("audio".into()),
        mimeType: Some("audio/mp4".into()),
        lang: Some(rendition.track.language.as_str().into()),
        segmentAlignment: Some(true),
        startWithSAP: start_with_sap(&[rendition.track]),
        // The schema's default is 1.
        selectionPriority: (several && rendition.default).then_some(2),
        Label: vec![mpd::Label { content: rendition.name.clone(), ..mpd::Label::default() }],
        Role: vec![role(rendition.role)],
        representations: vec![audio(printer, rendition.track)],
        ..AdaptationSet::default()
    };
    renditions.iter().map(set).collect()
}

fn video(printer: &Printer<'_>, track: &Planned) -> Representation {
    let common = representation(printer, track);
    let Kind::Video(picture) = track.track().kind else { return common };
    let supplemental = track.track().codec.supplemental.as_ref();
    let UprightPicture { width, height, pixel_aspect: (horizontal, vertical) } = picture.upright();
    Representation {
        width: Some(width.into()),
        height: Some(height.into()),
        sar: Some(format!("{horizontal}:{vertical}")),
        frameRate: Some(FrameRate::of(track).as_fraction()),
        scte214_supplemental_codecs: supplemental.map(|Supplemental { codec, .. }| codec.clone()),
        scte214_supplemental_profiles: supplemental.map(|Supplemental { brand, .. }| brand.escape_ascii().to_string()),
        supplemental_property: colours(&picture),
        ..common
    }
}

fn audio(printer: &Printer<'_>, track: &Planned) -> Representation {
    let common = representation(printer, track);
    let Kind::Audio(sound) = track.track().kind else { return common };
    Representation {
        audioSamplingRate: Some(sound.sample_rate.to_string()),
        AudioChannelConfiguration: layout(track).into_iter().map(configuration).collect(),
        supplemental_property: objects(sound),
        ..common
    }
}

fn configuration(layout: u16) -> mpd::AudioChannelConfiguration {
    mpd::AudioChannelConfiguration {
        schemeIdUri: CHANNELS.into(),
        value: Some(layout.to_string()),
        ..mpd::AudioChannelConfiguration::default()
    }
}

/// The ChannelConfiguration of ISO/IEC 23091-3, if the file says which speakers its channels are for: AAC states it;
/// other codecs imply common layouts by their number of channels.
fn layout(track: &Planned) -> Option<u16> {
    let Kind::Audio(sound) = track.track().kind else { return None };
    if let Family::Aac(aac) = &track.track().codec.family {
        return (aac.channel_configuration > 0).then(|| aac.channel_configuration.into());
    }
    match sound.arrangement {
        Arrangement::Speakers | Arrangement::Objects(_) => {}
        Arrangement::Ambisonics | Arrangement::Unstated => return None,
    }
    let kind = audio_kind(&track.track().codec);
    match (kind, sound.channels) {
        // Mono and stereo; left, right and centre; 5.0. Four channels are two in front and two behind: no
        // configuration.
        (_, channels @ 1..=2) | (AudioKind::Opus | AudioKind::Flac, channels @ (3 | 5)) => Some(channels),
        (AudioKind::Opus | AudioKind::Flac, 7) => Some(11),
        (AudioKind::Opus | AudioKind::Flac, 8) => Some(12),
        // 5.1: Dolby Digital has no other layout of six channels.
        (AudioKind::Opus | AudioKind::Flac | AudioKind::Ac3 | AudioKind::Eac3, 6) => Some(6),
        _ => None,
    }
}

/// Properties of Dolby Atmos in Dolby Digital Plus (ETSI TS 103 420).
fn objects(sound: Sound) -> Vec<mpd::SupplementalProperty> {
    let Arrangement::Objects(complexity) = sound.arrangement else { return Vec::new() };
    vec![
        property("tag:dolby.com,2018:dash:EC3_ExtensionType:2018", "JOC".into()),
        property("tag:dolby.com,2018:dash:EC3_ExtensionComplexityIndex:2018", complexity.to_string()),
    ]
}

/// Properties of colours other than BT.709, which players assume. They are supplemental because dash.js drops whatever
/// declares them as essential.
fn colours(picture: &Picture) -> Vec<mpd::SupplementalProperty> {
    let Some(Colour { primaries, transfer, matrix, .. }) = picture.colour else { return Vec::new() };
    [("ColourPrimaries", primaries), ("TransferCharacteristics", transfer), ("MatrixCoefficients", matrix)]
        .into_iter()
        .filter(|(_, code)| ![BT709, Colour::UNSPECIFIED].contains(code))
        .map(|(name, code)| property(&format!("urn:mpeg:mpegB:cicp:{name}"), code.to_string()))
        .collect()
}

fn property(scheme: &str, value: String) -> mpd::SupplementalProperty {
    mpd::SupplementalProperty { schemeIdUri: scheme.into(), value: Some(value), ..mpd::SupplementalProperty::default() }
}

fn representation(printer: &Printer<'_>, track: &Planned) -> Representation {
    let name = Stream::alone(Packaging::Cmaf, track).name();
    let init = Route::Stream(printer.asset.clone(), track.version, name.clone(), Part::Init);
    let scale = u64::from(track.timeline.timescale().get());
    Representation {
        id: Some(id(track)),
        bandwidth: Some(printer.rates(track).peak),
        codecs: Some(track.track().codec.string.clone()),
        SegmentTemplate: Some(SegmentTemplate {
            timescale: Some(scale),
            presentationTimeOffset: Some(scale * u64::from(SHIFT_SECONDS)),
            startNumber: Some(1),
            initialization: Some(init.from_entry()),
            media: Some(segment_template(track.version, &name)),
            SegmentTimeline: Some(SegmentTimeline { segments: timeline(track) }),
            ..SegmentTemplate::default()
        }),
        ..Representation::default()
    }
}

/// The id of a Representation: unique in the Period, without white space (§5.3.5.2).
fn id(track: &Planned) -> String {
    let kind = match track.name.kind {
        MediaKind::Video => 'v',
        MediaKind::Audio => 'a',
    };
    let file: String =
        track.name.file.iter().flat_map(|file| file.chars()).map(|c| if c.is_whitespace() { '_' } else { c }).collect();
    if file.is_empty() { format!("{kind}{}", track.name.id) } else { format!("{kind}{}-{file}", track.name.id) }
}

/// The SegmentTimeline: one entry for each run of segments of equal span, repeated by `r`.
fn timeline(track: &Planned) -> Vec<S> {
    let shift = track.timeline.shift();
    let mut runs: Vec<S> = Vec::new();
    for segment in &track.segments {
        match runs.last_mut() {
            Some(run) if run.d == segment.span.0 => run.r = Some(run.r.unwrap_or(0) + 1),
            last => {
                let t = last.is_none().then(|| u64::try_from(segment.start.0 + shift.0).unwrap_or(0));
                runs.push(S { t, d: segment.span.0, ..S::default() });
            }
        }
    }
    runs
}

/// Whether all tracks have equally many segments, and those of the same number start within half a frame of each other.
fn aligned(tracks: &[&Planned]) -> bool {
    let Some((first, others)) = tracks.split_first() else { return true };
    let scale = first.timeline.timescale();
    let frame = Ticks(i64::from(first.timeline.duration(0))).at(scale).distance_nanos(Moment::ZERO);
    others.iter().all(|other| {
        let same = |(a, b): (&Segment, &Segment)| {
            let (a, b) = (a.start.at(scale), b.start.at(other.timeline.timescale()));
            2 * a.distance_nanos(b) <= frame
        };
        first.segments.len() == other.segments.len() && first.segments.iter().zip(&other.segments).all(same)
    })
}

/// The greatest SAP type that segments begin with; `None` if a segment does not begin with an access point.
fn start_with_sap(tracks: &[&Planned]) -> Option<u64> {
    let openings = || tracks.iter().flat_map(|track| &track.segments).map(|segment| segment.opening);
    if openings().any(|opening| opening == AccessPoint::None) {
        return None;
    }
    Some(if openings().any(|opening| opening == AccessPoint::Open) { 3 } else { 1 })
}

fn longest_segment(track: &Planned) -> Option<Duration> {
    let longest = track.segments.iter().map(|segment| segment.span).max()?;
    Some(duration(longest.at(track.timeline.timescale())))
}

/// Converts to a duration, rounded up to a microsecond; a negative moment becomes zero.
fn duration(moment: Moment) -> Duration {
    let exact = u64::try_from(moment.micros()).unwrap_or(0);
    let more = Moment::cmp(&moment, &micros(exact)).is_gt();
    Duration::from_micros(exact + u64::from(more))
}

fn micros(micros: u64) -> Moment {
    Ticks(i64_from_u64(micros)).at(Timescale::MICROS)
}

fn role(role: Role) -> mpd::Role {
    mpd::Role { schemeIdUri: ROLES.into(), value: Some(role.as_str().into()), ..mpd::Role::default() }
}
