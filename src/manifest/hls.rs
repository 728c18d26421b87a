//! HLS playlists (RFC 8216), printed by `m3u8-rs`.

use super::names::{self, Group};
use super::rates::FrameRate;
use super::texts::Printer;
use crate::media::{AssetId, Kind, MediaKind, Moment, Ticks};
use crate::plan::{Plan, Planned};
use crate::route::{self, Part, Route};
use m3u8_rs::{
    AlternativeMedia, AlternativeMediaType, Map, MasterPlaylist, MediaPlaylist, MediaPlaylistType, MediaSegment,
    Resolution, VariantStream,
};
use std::collections::{BTreeMap, HashMap};

/// `EXT-X-MAP` outside of I-frame playlists needs 6 (RFC 8216 §7); 7 is what fragmented MP4 is written with.
const VERSION: usize = 7;

/// The multivariant playlist of a plan: every video with every group of audio, the lowest rate first.
pub(super) fn multivariant(printer: &Printer<'_>) -> Vec<u8> {
    let plan = printer.plan;
    let groups = names::audio_groups(plan);
    let mut variants: Vec<VariantStream> =
        plan.of_kind(MediaKind::Video).flat_map(|video| printer.variants_of(video, &groups)).collect();
    let video = !variants.is_empty();
    if !video {
        variants = groups.iter().filter_map(|group| printer.audio_variant(group)).collect();
    }
    variants.sort_by_key(|variant| variant.bandwidth);
    let listed = groups.iter().filter(|group| video || group.renditions.len() > 1);
    let playlist = MasterPlaylist {
        version: Some(VERSION),
        independent_segments: plan.tracks().iter().all(Planned::is_independent),
        alternatives: listed.flat_map(|group| printer.alternatives(group)).collect(),
        variants,
        ..MasterPlaylist::default()
    };
    let mut text = Vec::new();
    playlist.write_to(&mut text).expect("memory takes every write");
    text
}

/// The media playlist of `track`.
pub(super) fn media(asset: &AssetId, plan: &Plan, track: &Planned) -> Vec<u8> {
    let init = Route::Track(asset.clone(), track.version, track.name.clone(), Part::Init).from_playlist();
    let spans = track.segments.iter().map(|segment| {
        let end = segment.start.after(segment.span).unwrap_or(segment.start);
        micros(track, end).saturating_sub(micros(track, segment.start))
    });
    let names = route::Segments::of_track(track.version, &track.name);
    let mut init = Some(Map { uri: init, byte_range: None, other_attributes: HashMap::new() });
    let segments = listed(&names, spans).map(|segment| MediaSegment { map: init.take(), ..segment });
    vod(plan.target_duration(), track.is_independent(), segments, VERSION)
}

/// Segments that last so many microseconds each, the first number 1.
pub(super) fn listed(names: &route::Segments, spans: impl Iterator<Item = u64>) -> impl Iterator<Item = MediaSegment> {
    // Few spans differ.
    let mut known = BTreeMap::new();
    (1..).zip(spans).map(move |(number, micros)| MediaSegment {
        uri: names.reference(number),
        duration: *known.entry(micros).or_insert_with(|| seconds(micros)),
        ..MediaSegment::default()
    })
}

/// Segments that are printed at a time: what they are printed from takes many times the memory of their text.
const AT_ONCE: usize = 64;

/// A media playlist that is complete and counts from 1.
pub(super) fn vod(
    target: u32,
    independent_segments: bool,
    segments: impl Iterator<Item = MediaSegment>,
    version: usize,
) -> Vec<u8> {
    let mut playlist = MediaPlaylist {
        version: Some(version),
        independent_segments,
        target_duration: u64::from(target),
        media_sequence: 1,
        playlist_type: Some(MediaPlaylistType::Vod),
        ..MediaPlaylist::default()
    };
    let (mut text, mut part) = (Vec::new(), Vec::new());
    playlist.write_to(&mut text).expect("memory takes every write");
    // Each part is a playlist; its header stands in the text already.
    let header = text.len();
    let mut segments = segments.peekable();
    while !playlist.end_list {
        playlist.segments.clear();
        playlist.segments.extend(segments.by_ref().take(AT_ONCE));
        playlist.end_list = segments.peek().is_none();
        part.clear();
        playlist.write_to(&mut part).expect("memory takes every write");
        text.extend(part.get(header..).unwrap_or_default());
    }
    text
}

impl Printer<'_> {
    fn variants_of(&self, video: &Planned, groups: &[Group<'_>]) -> Vec<VariantStream> {
        if groups.is_empty() {
            return vec![self.variant(video, None)];
        }
        groups.iter().map(|group| self.variant(video, Some(group))).collect()
    }

    /// `video` with `group`: the rates of both, of the group's dearest rendition.
    fn variant(&self, video: &Planned, group: Option<&Group<'_>>) -> VariantStream {
        let own = self.rates(video);
        let renditions = group.map_or(&[][..], |group| &group.renditions);
        let audio = renditions.iter().map(|rendition| self.rates(rendition.track));
        let (peak, average) = audio.fold((0, 0), |most, rates| (most.0.max(rates.peak), most.1.max(rates.average)));
        VariantStream {
            uri: self.uri(video),
            bandwidth: own.peak + peak,
            average_bandwidth: Some(own.average + average),
            codecs: Some(codecs([video].into_iter().chain(renditions.iter().map(|rendition| rendition.track)))),
            resolution: resolution(video),
            frame_rate: Some(thousandths(FrameRate::of(video).millis())),
            audio: group.map(|group| group.id.clone()),
            ..VariantStream::default()
        }
    }

    /// Audio alone: the default rendition's playlist, in its group where there are others.
    fn audio_variant(&self, group: &Group<'_>) -> Option<VariantStream> {
        let default = group.renditions.iter().find(|rendition| rendition.default)?;
        let rates = group.renditions.iter().map(|rendition| self.rates(rendition.track));
        let (peak, average) = rates.fold((0, 0), |most, rates| (most.0.max(rates.peak), most.1.max(rates.average)));
        Some(VariantStream {
            uri: self.uri(default.track),
            bandwidth: peak,
            average_bandwidth: Some(average),
            codecs: Some(codecs(group.renditions.iter().map(|rendition| rendition.track))),
            audio: (group.renditions.len() > 1).then(|| group.id.clone()),
            ..VariantStream::default()
        })
    }

    fn alternatives(&self, group: &Group<'_>) -> Vec<AlternativeMedia> {
        let alternative = |rendition: &names::Rendition<'_>| AlternativeMedia {
            media_type: AlternativeMediaType::Audio,
            uri: Some(self.uri(rendition.track)),
            group_id: group.id.clone(),
            language: Some(rendition.track.language.as_str().into()),
            name: rendition.name.clone(),
            default: rendition.default,
            autoselect: true,
            channels: Some(names::channels(rendition.track).to_string()),
            ..AlternativeMedia::default()
        };
        group.renditions.iter().map(alternative).collect()
    }

    fn uri(&self, track: &Planned) -> String {
        Route::Track(self.asset.clone(), self.version(track), track.name.clone(), Part::Playlist).from_entry()
    }
}

/// RFC 6381 strings of all `tracks`, each once.
pub(super) fn codecs<'a>(tracks: impl Iterator<Item = &'a Planned>) -> String {
    let mut strings: Vec<&str> = Vec::new();
    for track in tracks {
        let string = track.track().codec.string.as_str();
        if !strings.contains(&string) {
            strings.push(string);
        }
    }
    strings.join(",")
}

pub(super) fn resolution(video: &Planned) -> Option<Resolution> {
    match video.track().kind {
        Kind::Video(picture) => Some(Resolution { width: picture.width.into(), height: picture.height.into() }),
        Kind::Audio(_) => None,
    }
}

/// Microseconds from the start of the track: rounded once, so that sums of `EXTINF` never drift.
fn micros(track: &Planned, at: Ticks) -> u64 {
    let start = track.segments.first().map_or(at, |first| first.start);
    let since = Ticks(at.0 - start.0).at(track.timeline.timescale());
    u64::try_from(Moment::micros(since)).unwrap_or(0)
}

/// `EXTINF`, in seconds.
fn seconds(micros: u64) -> f32 {
    format!("{}.{:06}", micros / 1_000_000, micros % 1_000_000).parse().expect("digits, a point, digits")
}

/// `FRAME-RATE`, in frames per second to three decimals (RFC 8216 §4.3.4.2).
pub(super) fn thousandths(millis: u64) -> f64 {
    format!("{}.{:03}", millis / 1_000, millis % 1_000).parse().expect("digits, a point, digits")
}
