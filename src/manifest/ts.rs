//! HLS playlists of MPEG-TS (RFC 8216 §3.2): each H.264 video muxed with the default AAC, other AAC alone.

use super::groups::{AudioRendition, Group};
use super::hls::{codecs, head, resolution, thousandths, told_channels, vod};
use super::names;
use super::rates::{FrameRate, Rates};
use super::texts::Text;
use crate::media::{AssetId, MediaKind, Moment, Packaging, StreamName, Version};
use crate::mux::{self, Transport, Unfit};
use crate::plan::{AccessPoint, Plan, Planned, Stream};
use crate::route::{Part, Route, Segments};
use bytes::Bytes;
use m3u8_rs::{AlternativeMedia, AlternativeMediaType, MasterPlaylist, VariantStream};
use std::sync::Arc;

/// `EXT-X-MEDIA` needs 4 (RFC 8216 §7); fractions of seconds need 3.
const VERSION: usize = 4;

/// The transport streams that the MPEG-TS playlists of a plan list.
#[derive(Debug)]
pub struct Lineup<'a> {
    plan: &'a Plan,
    /// Each video with the default audio; the default audio alone where there is no video.
    variants: Vec<Stream<'a>>,
    /// The audio tracks that viewers can choose from.
    group: Group<'a>,
}

/// The MPEG-TS playlists of an asset.
#[derive(Debug, Clone)]
pub struct TsManifests {
    /// The multivariant playlist.
    pub entry: Text,
    playlists: Vec<(StreamName, Text)>,
}

impl<'a> Lineup<'a> {
    /// Chooses the transport streams of `plan`. Fails if the plan has video but MPEG-TS can carry none of it; likewise
    /// for audio.
    pub fn new(plan: &'a Plan) -> Result<Self, Unfit> {
        let videos: Vec<&Planned> = plan.of_kind(MediaKind::Video).filter(|video| mux::fit(video).is_ok()).collect();
        let group = names::transport_group(plan);
        mux::carries(plan)?;
        let sound = group.renditions.iter().find(|rendition| rendition.default).map(|rendition| rendition.track);
        let alone = |track| Stream::alone(Packaging::Ts, track);
        let muxed = |video| sound.and_then(|sound| Stream::muxed(video, sound)).unwrap_or(alone(video));
        let only = sound.filter(|_| videos.is_empty()).map(alone);
        let variants = videos.into_iter().map(muxed).chain(only).collect();
        Ok(Self { plan, variants, group })
    }

    /// The streams that the multivariant playlist lists, in this order.
    #[must_use]
    pub fn streams(&self) -> Vec<Stream<'a>> {
        let alternatives = self.alternatives().map(|rendition| Stream::alone(Packaging::Ts, rendition.track));
        self.variants.iter().copied().chain(alternatives).collect()
    }

    /// The audio tracks other than the default.
    fn alternatives(&self) -> impl Iterator<Item = &AudioRendition<'a>> {
        self.group.renditions.iter().filter(|rendition| !rendition.default)
    }

    /// The media playlist of stream `at` of [`Lineup::streams`], whose layouts are `transports`; `None` where there is no
    /// such stream.
    #[must_use]
    pub fn playlist(&self, transports: &[Arc<Transport>], at: usize) -> Option<Text> {
        let (stream, transport) = (self.streams().into_iter().nth(at)?, transports.get(at)?);
        Some(Text::new(media(stream, transport, target_duration(self.plan, transports)).into()))
    }

    /// The multivariant playlist of the asset called `asset`; `versions` are those of the media playlists.
    #[must_use]
    pub fn multivariant(&self, asset: &AssetId, transports: &[Arc<Transport>], versions: &[Version]) -> Text {
        let target = target_duration(self.plan, transports);
        let each = self.streams().into_iter().zip(transports).zip(versions);
        let listed: Vec<ListedStream<'_>> = each
            .map(|((stream, transport), version)| ListedStream {
                stream,
                rates: Rates::of_transport(transport, target),
                version: *version,
            })
            .collect();
        let (variants, alternatives) = listed.split_at(self.variants.len().min(listed.len()));
        Text::new(multivariant(asset, self, variants, alternatives).into())
    }
}

impl TsManifests {
    /// Prints the playlists of `lineup`. `asset` is the name of the asset; `transports` are the layouts of
    /// [`Lineup::streams`], in the same order.
    #[must_use]
    pub fn new(asset: &AssetId, lineup: &Lineup<'_>, transports: &[Arc<Transport>]) -> Self {
        let names = lineup.streams().into_iter().map(|stream| stream.name());
        let texts = (0..).map_while(|at| lineup.playlist(transports, at));
        let playlists: Vec<(StreamName, Text)> = names.zip(texts).collect();
        let versions: Vec<Version> = playlists.iter().map(|(_, text)| text.version).collect();
        Self { entry: lineup.multivariant(asset, transports, &versions), playlists }
    }

    /// The media playlist of the stream called `name`, in that version.
    #[must_use]
    pub fn playlist(&self, name: &StreamName, version: Version) -> Option<&Bytes> {
        let found = self.playlists.iter().find(|(each, text)| each == name && text.version == version);
        found.map(|(_, text)| &text.text)
    }
}

/// A stream as the multivariant playlist lists it.
struct ListedStream<'a> {
    stream: Stream<'a>,
    rates: Rates,
    /// The version of its media playlist.
    version: Version,
}

impl ListedStream<'_> {
    fn uri(&self, asset: &AssetId) -> String {
        Route::Stream(asset.clone(), self.version, self.stream.name(), Part::Playlist).from_entry()
    }
}

/// The target duration of all MPEG-TS playlists: at least that of the CMAF playlists, because players may check it
/// against segments of either.
fn target_duration(plan: &Plan, transports: &[Arc<Transport>]) -> u32 {
    let longest = transports.iter().filter_map(|transport| spans(transport).max()).max();
    let rounded = longest.map_or(0, |micros| (micros + 500_000) / 1_000_000);
    u32::try_from(rounded).unwrap_or(u32::MAX).max(plan.target_duration())
}

/// Duration of each segment in microseconds: the difference of rounded times, so that sums never drift.
fn spans(transport: &Transport) -> impl Iterator<Item = u64> + '_ {
    let program = transport.program();
    program.borders().zip(program.borders().skip(1)).map(|(from, to)| lasting(from, to))
}

fn lasting(from: Moment, to: Moment) -> u64 {
    u64::try_from(to.micros() - from.micros()).unwrap_or(0)
}

fn is_independent(stream: Stream<'_>) -> bool {
    stream.video().is_none_or(|video| video.segments.iter().all(|segment| segment.opening == AccessPoint::Closed))
}

fn media(stream: Stream<'_>, transport: &Transport, target: u32) -> Vec<u8> {
    let names = Segments::of(stream.version(), &stream.name());
    vod(head(target, is_independent(stream), VERSION), None, &names, spans(transport))
}

fn multivariant(
    asset: &AssetId,
    lineup: &Lineup<'_>,
    variants: &[ListedStream<'_>],
    alternatives: &[ListedStream<'_>],
) -> Vec<u8> {
    let dearest = alternatives.iter().map(|listed| listed.rates);
    let more = dearest.fold((0, 0), |most, rates| (most.0.max(rates.peak), most.1.max(rates.average)));
    let chosen = alternatives.iter().flat_map(|listed| listed.stream.tracks());
    let chosen: Vec<&Planned> = chosen.collect();
    let variant = |listed: &ListedStream<'_>| VariantStream {
        uri: listed.uri(asset),
        bandwidth: listed.rates.peak + more.0,
        average_bandwidth: Some(listed.rates.average + more.1),
        // Parameter sets stand in the stream whatever the sample entry says of them.
        codecs: Some(codecs(listed.stream.tracks().chain(chosen.iter().copied())).replace("avc3.", "avc1.")),
        resolution: listed.stream.video().and_then(resolution),
        frame_rate: listed.stream.video().map(|video| thousandths(FrameRate::of(video).millis())),
        audio: (!alternatives.is_empty()).then(|| lineup.group.id.clone()),
        ..VariantStream::default()
    };
    let mut listed: Vec<VariantStream> = variants.iter().map(variant).collect();
    listed.sort_by_key(|variant| variant.bandwidth);
    let playlist = MasterPlaylist {
        version: Some(VERSION),
        independent_segments: variants.iter().all(|listed| is_independent(listed.stream)),
        alternatives: media_of(asset, lineup, variants, alternatives),
        variants: listed,
        ..MasterPlaylist::default()
    };
    let mut text = Vec::new();
    playlist.write_to(&mut text).expect("memory takes every write");
    text
}

/// The audio renditions, if there is more than one. The default has no playlist of its own if the variants contain it
/// (RFC 8216 §4.3.4.2.1).
fn media_of(
    asset: &AssetId,
    lineup: &Lineup<'_>,
    variants: &[ListedStream<'_>],
    alternatives: &[ListedStream<'_>],
) -> Vec<AlternativeMedia> {
    if alternatives.is_empty() {
        return Vec::new();
    }
    let of = |rendition: &AudioRendition<'_>| {
        let alone = StreamName::alone(Packaging::Ts, rendition.track.name.clone());
        variants.iter().chain(alternatives).find(|listed| listed.stream.name() == alone).map(|listed| listed.uri(asset))
    };
    let alternative = |rendition: &AudioRendition<'_>| AlternativeMedia {
        media_type: AlternativeMediaType::Audio,
        uri: of(rendition),
        group_id: lineup.group.id.clone(),
        language: Some(rendition.track.language.as_str().into()),
        name: rendition.name.clone(),
        default: rendition.default,
        autoselect: true,
        channels: told_channels(rendition.track),
        ..AlternativeMedia::default()
    };
    lineup.group.renditions.iter().map(alternative).collect()
}
