//! Prints HLS playlists (RFC 8216) with `m3u8-rs`.

use super::groups::{self, AudioRendition, Group, GroupMix};
use super::rates::{FrameRate, Rates};
use super::texts::Printer;
use crate::media::{Arrangement, AssetId, Extent, Kind, MediaKind, Moment, Packaging, Supplemental, Ticks, VideoRange};
use crate::plan::{Plan, Planned, Stream};
use crate::route::{Part, Route, Segments};
use m3u8_rs::{
    AlternativeMedia, AlternativeMediaType, Map, MasterPlaylist, MediaPlaylist, MediaPlaylistType, MediaSegment,
    QuotedOrUnquoted, Resolution, VariantStream,
};
use std::collections::{BTreeMap, HashMap};

/// `EXT-X-MAP` outside of I-frame playlists needs 6 (RFC 8216 §7); 7 is the usual version for fragmented MP4.
const VERSION: usize = 7;

/// The multivariant playlist of a plan: every video with every group of audio, in ascending order of rates.
pub(super) fn multivariant(printer: &Printer<'_>) -> Vec<u8> {
    let plan = printer.plan;
    let mut groups = groups::hls_groups(plan);
    let mut variants: Vec<VariantStream> =
        plan.of_kind(MediaKind::Video).flat_map(|video| printer.variants_of(video, &groups)).collect();
    let video = !variants.is_empty();
    if !video {
        groups = groups::audio_groups(plan);
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
    playlist.write_to(&mut text).expect("writing to memory cannot fail");
    text
}

/// The media playlist of `track`.
pub(super) fn media(asset: &AssetId, plan: &Plan, track: &Planned) -> Vec<u8> {
    let name = Stream::alone(Packaging::Cmaf, track).name();
    let names = Segments::of(track.version, &name);
    let init = Route::Stream(asset.clone(), track.version, name, Part::Init).from_playlist();
    let spans = track.segments.iter().map(|segment| {
        let end = segment.start.after(segment.span).unwrap_or(segment.start);
        micros(track, end).saturating_sub(micros(track, segment.start))
    });
    let init = Map { uri: init, byte_range: None, other_attributes: HashMap::new() };
    vod(head(plan.target_duration(), track.is_independent(), VERSION), Some(init), &names, spans)
}

/// The head of a complete media playlist that counts from 1, without segments.
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

/// Typical length of the `EXTINF` line of a segment, in bytes.
const LINE: usize = "#EXTINF:6.006,\n\n".len();

/// The playlist of `head` and of segments with the given `spans`, in microseconds; `init` comes before the first one.
/// Most spans are equal, so the lines of each distinct span are printed once and copied.
pub(super) fn vod(
    head: MediaPlaylist,
    mut init: Option<Map>,
    names: &Segments,
    spans: impl Iterator<Item = u64>,
) -> Vec<u8> {
    let mut lines = PlaylistWriter::new(head);
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

/// Prints the lines of a media playlist one part at a time.
struct PlaylistWriter {
    playlist: MediaPlaylist,
    /// The lines before the first segment.
    header: Vec<u8>,
}

impl PlaylistWriter {
    fn new(head: MediaPlaylist) -> Self {
        let mut lines = Self { playlist: head, header: Vec::new() };
        lines.header = lines.printed();
        lines
    }

    /// The lines before the reference to a segment that lasts `span` microseconds.
    fn of(&mut self, span: u64, init: Option<Map>) -> Vec<u8> {
        self.playlist.segments = vec![MediaSegment { duration: seconds(span), map: init, ..MediaSegment::default() }];
        let mut lines = self.printed();
        // The reference is empty: drop the end of its line, which belongs after the real reference.
        lines.pop();
        lines
    }

    /// The lines after the last segment.
    fn end(mut self) -> Vec<u8> {
        self.playlist.segments.clear();
        self.playlist.end_list = true;
        self.printed()
    }

    /// The printed playlist without its header.
    fn printed(&self) -> Vec<u8> {
        let mut text = Vec::new();
        self.playlist.write_to(&mut text).expect("writing to memory cannot fail");
        text.split_off(self.header.len())
    }
}

impl Printer<'_> {
    fn variants_of<'p>(&self, video: &'p Planned, groups: &[Group<'p>]) -> Vec<VariantStream> {
        if groups.is_empty() {
            return vec![self.variant(video, None, groups)];
        }
        groups.iter().map(|group| self.variant(video, Some(group), groups)).collect()
    }

    /// The variant of `video` with `group`, one of `groups`. Its rates are those of the video plus the greatest of the
    /// group.
    fn variant<'p>(&self, video: &'p Planned, group: Option<&Group<'p>>, groups: &[Group<'p>]) -> VariantStream {
        let own = self.rates(video);
        let sound = group.map_or(Rates::NONE, |group| self.dearest([group]));
        let mix = group.map_or(GroupMix::Alone, |group| group.mix);
        let mut bandwidth = own.peak + sound.peak;
        let mut average = Some(own.average + sound.average);
        if mix != GroupMix::Alone {
            // With equal video, Shaka takes the group of the higher BANDWIDTH, and must not take the mix; hls.js takes
            // the lower average, and must take the mix. So both list the same BANDWIDTH, and the base lists no average.
            bandwidth = own.peak + self.dearest(groups.iter().filter(|group| group.mix != GroupMix::Alone)).peak;
            average =
                average.filter(|_| mix == GroupMix::Mixed).map(|average| average.min(bandwidth.saturating_sub(1)));
        }
        let tracks = [video].into_iter().chain(group.into_iter().flat_map(Group::tracks));
        VariantStream {
            uri: self.uri(video),
            bandwidth,
            average_bandwidth: average,
            codecs: Some(codecs(tracks)),
            resolution: resolution(video),
            frame_rate: Some(thousandths(FrameRate::of(video).millis())),
            audio: group.map(|group| group.id.clone()),
            other_attributes: colours(self.plan, video),
            ..VariantStream::default()
        }
    }

    /// The greatest peak rate and the greatest average rate of all renditions of `groups`.
    fn dearest<'g, 'p: 'g>(&self, groups: impl IntoIterator<Item = &'g Group<'p>>) -> Rates {
        let rates = groups.into_iter().flat_map(Group::tracks).map(|track| self.rates(track));
        rates.fold(Rates::NONE, |most, rates| Rates {
            peak: most.peak.max(rates.peak),
            average: most.average.max(rates.average),
        })
    }

    /// The variant of an asset without video: the playlist of the default rendition, else of the first. It names its
    /// group if the group has other renditions.
    fn audio_variant(&self, group: &Group<'_>) -> Option<VariantStream> {
        let default = group.renditions.iter().find(|rendition| rendition.default).or(group.renditions.first())?;
        let rates = self.dearest([group]);
        Some(VariantStream {
            uri: self.uri(default.track),
            bandwidth: rates.peak,
            average_bandwidth: Some(rates.average),
            codecs: Some(codecs(group.tracks())),
            audio: (group.renditions.len() > 1).then(|| group.id.clone()),
            ..VariantStream::default()
        })
    }

    fn alternatives(&self, group: &Group<'_>) -> Vec<AlternativeMedia> {
        let alternative = |rendition: &AudioRendition<'_>| AlternativeMedia {
            media_type: AlternativeMediaType::Audio,
            uri: Some(self.uri(rendition.track)),
            group_id: group.id.clone(),
            language: Some(rendition.track.language.as_str().into()),
            name: rendition.name.clone(),
            default: rendition.default,
            autoselect: true,
            channels: told_channels(rendition.track),
            ..AlternativeMedia::default()
        };
        group.renditions.iter().map(alternative).collect()
    }

    fn uri(&self, track: &Planned) -> String {
        let name = Stream::alone(Packaging::Cmaf, track).name();
        Route::Stream(self.asset.clone(), self.version(track), name, Part::Playlist).from_entry()
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

/// The attributes `VIDEO-RANGE`, which every variant has unless all are SDR (Apple's HLS Authoring Specification 9.16),
/// and `SUPPLEMENTAL-CODECS` (RFC 8216bis).
fn colours(plan: &Plan, video: &Planned) -> Option<HashMap<String, QuotedOrUnquoted>> {
    let all_sdr = plan.of_kind(MediaKind::Video).all(|video| range(video) == VideoRange::Sdr);
    let range = (!all_sdr).then(|| ("VIDEO-RANGE", range(video).as_str().to_owned()));
    let supplemental =
        video.track().codec.supplemental.as_ref().map(|Supplemental { codec, brand }| {
            ("SUPPLEMENTAL-CODECS", format!("\"{codec}/{}\"", brand.escape_ascii()))
        });
    // m3u8-rs prints the entries of its map in any order, so both attributes go into the value of one entry.
    let (name, first) = range.clone().or_else(|| supplemental.clone())?;
    let value = match supplemental.filter(|_| range.is_some()) {
        Some((name, value)) => format!("{first},{name}={value}"),
        None => first,
    };
    Some(HashMap::from([(name.to_owned(), QuotedOrUnquoted::Unquoted(value))]))
}

fn range(video: &Planned) -> VideoRange {
    match video.track().kind {
        Kind::Video(picture) => picture.range,
        Kind::Audio(_) => VideoRange::Sdr,
    }
}

/// `CHANNELS`: the number of channels, or for Dolby Atmos the complexity of its objects (Apple's HLS Authoring
/// Specification 2.4); `None` if the file does not state the channels' speakers.
pub(super) fn told_channels(track: &Planned) -> Option<String> {
    let Kind::Audio(sound) = track.track().kind else { return None };
    match sound.arrangement {
        Arrangement::Speakers | Arrangement::Ambisonics => Some(sound.channels.to_string()),
        Arrangement::Objects(complexity) => Some(format!("{complexity}/JOC")),
        Arrangement::Unstated => None,
    }
}

/// `RESOLUTION`: the displayed size, rotated upright, in square pixels (RFC 8216 §4.3.4.2).
pub(super) fn resolution(video: &Planned) -> Option<Resolution> {
    match video.track().kind {
        Kind::Video(picture) => {
            let Extent { width, height } = picture.shown();
            Some(Resolution { width: width.into(), height: height.into() })
        }
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
