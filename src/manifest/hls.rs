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
    let init = Map { uri: init, byte_range: None, other_attributes: HashMap::new() };
    vod(head(plan.target_duration(), track.is_independent(), VERSION), Some(init), (&names, spans))
}

/// A media playlist that is complete and counts from 1, without its segments.
pub(super) fn head(target: u32, independent_segments: bool, version: usize) -> MediaPlaylist {
    MediaPlaylist {
        version: Some(version),
        independent_segments,
        target_duration: u64::from(target),
        media_sequence: 1,
        playlist_type: Some(MediaPlaylistType::Vod),
        ..MediaPlaylist::default()
    }
}

/// Bytes of the line of a segment's span, mostly.
const LINE: usize = "#EXTINF:6.006,\n\n".len();

/// The playlist of `head` and of segments that last so many microseconds each, the first with its `init`. Few spans
/// differ: the lines of each are printed once, and copied for every segment that lasts as long.
pub(super) fn vod(
    head: MediaPlaylist,
    mut init: Option<Map>,
    (names, spans): (&route::Segments, impl Iterator<Item = u64>),
) -> Vec<u8> {
    let mut lines = Lines::new(head);
    let (mut text, mut known) = (lines.header.clone(), BTreeMap::new());
    text.reserve(spans.size_hint().0 * (names.about() + LINE));
    for (number, span) in (1..).zip(spans) {
        if let Some(init) = init.take() {
            text.extend(lines.of(span, Some(init)));
        } else {
            text.extend_from_slice(known.entry(span).or_insert_with(|| lines.of(span, None)));
        }
        names.print(number, &mut text);
        text.push(b'\n');
    }
    text.extend(lines.end());
    text
}

/// Prints lines of a media playlist.
struct Lines {
    playlist: MediaPlaylist,
    /// What it begins with.
    header: Vec<u8>,
}

impl Lines {
    fn new(head: MediaPlaylist) -> Self {
        let mut lines = Self { playlist: head, header: Vec::new() };
        lines.header = lines.printed();
        lines
    }

    /// What stands before the reference to a segment of so many microseconds.
    fn of(&mut self, span: u64, init: Option<Map>) -> Vec<u8> {
        self.playlist.segments = vec![MediaSegment { duration: seconds(span), map: init, ..MediaSegment::default() }];
        let mut lines = self.printed();
        // The reference is empty: what ends its line stands behind the real one.
        lines.pop();
        lines
    }

    /// What stands behind all segments.
    fn end(mut self) -> Vec<u8> {
        self.playlist.segments.clear();
        self.playlist.end_list = true;
        self.printed()
    }

    /// What is printed behind the header.
    fn printed(&self) -> Vec<u8> {
        let mut text = Vec::new();
        self.playlist.write_to(&mut text).expect("memory takes every write");
        text.split_off(self.header.len())
    }
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
