//! Prints HLS playlists of MPEG-TS (RFC 8216 §3.2): each H.264 video muxed with the default AAC, other AAC alone.

use super::groups::{AudioRendition, Group};
use super::hls::{codecs, head, resolution, thousandths, told_channels, vod};
use super::names;
use super::rates::{FrameRate, Rates};
use super::texts::Text;
use crate::media::{AssetId, MediaKind, Moment, Version, u64_from_usize};
use crate::mux::{self, Transport, Unfit};
use crate::plan::{AccessPoint, Plan, Planned, Streams};
use crate::route::{self, ProgramName, ProgramPart, Route};
use bytes::Bytes;
use m3u8_rs::{AlternativeMedia, AlternativeMediaType, MasterPlaylist, VariantStream};
use std::sync::Arc;

/// `EXT-X-MEDIA` needs 4 (RFC 8216 §7); fractions of seconds need 3.
const VERSION: usize = 4;

/// The transport streams that the MPEG-TS playlists of a plan list.
#[derive(Debug)]
pub struct Lineup<'a> {
    plan: &'a Plan,
    /// Each video with the default audio; the default audio alone if there is no video.
    variants: Vec<Streams<'a>>,
    /// The audio tracks that viewers can choose from.
    group: Group<'a>,
}

/// The MPEG-TS playlists of an asset.
#[derive(Debug, Clone)]
pub struct TsManifests {
    /// The multivariant playlist.
    pub entry: Text,
    playlists: Vec<(ProgramName, Text)>,
}

impl<'a> Lineup<'a> {
    /// Chooses the transport streams of `plan`. Fails if the plan has video but MPEG-TS can carry none of it; likewise
    /// for audio.
    pub fn new(plan: &'a Plan) -> Result<Self, Unfit> {
        let videos: Vec<&Planned> = plan.of_kind(MediaKind::Video).filter(|video| mux::fit(video).is_ok()).collect();
        let group = names::transport_group(plan);
        mux::carries(plan)?;
        let sound = group.renditions.iter().find(|rendition| rendition.default).map(|rendition| rendition.track);
        let muxed = |video| sound.and_then(|sound| Streams::muxed(video, sound)).unwrap_or(Streams::alone(video));
        let alone = sound.filter(|_| videos.is_empty()).map(Streams::alone);
        let variants = videos.into_iter().map(muxed).chain(alone).collect();
        Ok(Self { plan, variants, group })
    }

    /// The transport streams to list: first the variants, then the audio tracks other than the default.
    #[must_use]
    pub fn streams(&self) -> Vec<Streams<'a>> {
        let alternatives = self.alternatives().map(|rendition| Streams::alone(rendition.track));
        self.variants.iter().copied().chain(alternatives).collect()
    }

    /// The names of [`Lineup::streams`], in the same order.
    #[must_use]
    pub fn names(&self) -> Vec<ProgramName> {
        self.streams().into_iter().map(called).collect()
    }

    /// The audio tracks other than the default.
    fn alternatives(&self) -> impl Iterator<Item = &AudioRendition<'a>> {
        self.group.renditions.iter().filter(|rendition| !rendition.default)
    }
}

impl TsManifests {
    /// Prints the playlists of `lineup`. `asset` is the name of the asset; `transports` are the layouts of
    /// [`Lineup::streams`], in the same order.
    #[must_use]
    pub fn new(asset: &AssetId, lineup: &Lineup<'_>, transports: &[Arc<Transport>]) -> Self {
        let target = target_duration(lineup.plan, transports);
        let listed: Vec<ListedProgram<'_>> = lineup
            .streams()
            .into_iter()
            .zip(transports)
            .map(|(streams, transport)| ListedProgram::new(streams, transport, target))
            .collect();
        let (variants, alternatives) = listed.split_at(lineup.variants.len().min(listed.len()));
        let entry = multivariant(asset, lineup, variants, alternatives);
        let playlists = listed.iter().map(|listed| (listed.name.clone(), listed.playlist.clone())).collect();
        Self { entry: Text::new(entry.into()), playlists }
    }

    /// The media playlist of the transport stream called `name`; `None` if it has another version.
    #[must_use]
    pub fn playlist(&self, name: &ProgramName, version: Version) -> Option<&Bytes> {
        let found = self.playlists.iter().find(|(each, text)| each == name && text.version == version);
        found.map(|(_, text)| &text.text)
    }

    /// Total length of all texts in bytes.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        let playlists = self.playlists.iter().map(|(_, text)| text.text.len()).sum::<usize>();
        u64_from_usize(playlists + self.entry.text.len())
    }
}

fn called(streams: Streams<'_>) -> ProgramName {
    let first = streams.first().name.clone();
    match streams.audio().filter(|_| streams.video().is_some()) {
        Some(audio) => ProgramName::Muxed(first, audio.name.clone()),
        None => ProgramName::Alone(first),
    }
}

/// A transport stream with its name, its rates and its printed media playlist.
struct ListedProgram<'a> {
    name: ProgramName,
    streams: Streams<'a>,
    rates: Rates,
    playlist: Text,
}

impl<'a> ListedProgram<'a> {
    fn new(streams: Streams<'a>, transport: &Transport, target: u32) -> Self {
        let name = called(streams);
        let playlist = Text::new(media(&name, streams, transport, target).into());
        Self { name, streams, rates: Rates::of_transport(transport, target), playlist }
    }

    fn uri(&self, asset: &AssetId) -> String {
        Route::Program(asset.clone(), self.playlist.version, self.name.clone(), ProgramPart::Playlist).from_entry()
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

fn is_independent(streams: Streams<'_>) -> bool {
    streams.video().is_none_or(|video| video.segments.iter().all(|segment| segment.opening == AccessPoint::Closed))
}

fn media(name: &ProgramName, streams: Streams<'_>, transport: &Transport, target: u32) -> Vec<u8> {
    let version = streams.version();
    let names = route::Segments::of_program(version, name);
    vod(head(target, is_independent(streams), VERSION), None, &names, spans(transport))
}

fn multivariant(
    asset: &AssetId,
    lineup: &Lineup<'_>,
    variants: &[ListedProgram<'_>],
    alternatives: &[ListedProgram<'_>],
) -> Vec<u8> {
    let dearest = alternatives.iter().map(|listed| listed.rates);
    let more = dearest.fold((0, 0), |most, rates| (most.0.max(rates.peak), most.1.max(rates.average)));
    let chosen = alternatives.iter().flat_map(|listed| listed.streams.tracks());
    let chosen: Vec<&Planned> = chosen.collect();
    let variant = |listed: &ListedProgram<'_>| VariantStream {
        uri: listed.uri(asset),
        bandwidth: listed.rates.peak + more.0,
        average_bandwidth: Some(listed.rates.average + more.1),
        // The transport stream always has the parameter sets in band, whatever the sample entry says.
        codecs: Some(codecs(listed.streams.tracks().chain(chosen.iter().copied())).replace("avc3.", "avc1.")),
        resolution: listed.streams.video().and_then(resolution),
        frame_rate: listed.streams.video().map(|video| thousandths(FrameRate::of(video).millis())),
        audio: (!alternatives.is_empty()).then(|| lineup.group.id.clone()),
        ..VariantStream::default()
    };
    let mut listed: Vec<VariantStream> = variants.iter().map(variant).collect();
    listed.sort_by_key(|variant| variant.bandwidth);
    let playlist = MasterPlaylist {
        version: Some(VERSION),
        independent_segments: variants.iter().all(|listed| is_independent(listed.streams)),
        alternatives: media_of(asset, lineup, variants, alternatives),
        variants: listed,
        ..MasterPlaylist::default()
    };
    let mut text = Vec::new();
    playlist.write_to(&mut text).expect("writing to memory cannot fail");
    text
}

/// The audio renditions, if there is more than one. The default has no playlist of its own if the variants contain it
/// (RFC 8216 §4.3.4.2.1).
fn media_of(
    asset: &AssetId,
    lineup: &Lineup<'_>,
    variants: &[ListedProgram<'_>],
    alternatives: &[ListedProgram<'_>],
) -> Vec<AlternativeMedia> {
    if alternatives.is_empty() {
        return Vec::new();
    }
    let of = |rendition: &AudioRendition<'_>| {
        let alone = ProgramName::Alone(rendition.track.name.clone());
        variants.iter().chain(alternatives).find(|listed| listed.name == alone).map(|listed| listed.uri(asset))
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
