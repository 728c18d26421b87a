//! `afflux explain URL`: what answers a URL that we print, and from which bytes. Needs no running server.

use super::address;
use super::args::ExplainArgs;
use super::plain::plain;
use super::program::{self, ProgramTracks, TransportPart};
use super::progress;
use crate::catalog::{Asset, Catalog, Error as Refusal};
use crate::config::{Config, Overrides};
use crate::manifest::{Manifests, Text};
use crate::media::{Kind, Ticks, Timescale, Version, u64_from_usize};
use crate::metrics::Metrics;
use crate::mux::{self, Piece};
use crate::origin;
use crate::plan::{Alignment, Opening, Planned, Segment};
use crate::route::{Part, ProgramName, ProgramPart, Route};
use serde::Serialize;
use serde_json::Value;
use std::error::Error;
use std::io::{Write as _, stderr, stdout};
use std::ops::Range;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

/// Prints what answers a URL; exit code 1, with one line on standard error, when nothing does.
#[must_use]
pub fn run(args: &ExplainArgs) -> ExitCode {
    let printed = explain(args).and_then(|explained| {
        let text = if args.json { format!("{explained:#}\n") } else { lines(&explained) };
        Ok(stdout().write_all(text.as_bytes())?)
    });
    match printed {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // A closed standard error leaves the exit code to speak.
            let _ = writeln!(stderr(), "afflux: {}", plain(&format!("{}: {error}", args.url)));
            ExitCode::FAILURE
        }
    }
}

fn explain(args: &ExplainArgs) -> Result<Value, Box<dyn Error>> {
    let routes = address::routes(&args.url);
    if routes.is_empty() {
        return Err("no URL of this server: /vod/{asset}/… is".into());
    }
    let overrides = Overrides { media: args.media.clone(), store: args.store.clone(), ..Overrides::default() };
    let mut config = Config::load(args.config.as_deref(), overrides)?;
    // Who asks knows that the file is whole.
    config.store.settle = Duration::ZERO;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let catalog = origin::catalog(&config, Arc::new(Metrics::new()))?;
    let reading = open_first(&catalog, routes);
    let (asset, route) = runtime.block_on(progress::waiting("reading the asset's headers", reading))?;
    Ok(serde_json::to_value(Explained::new(&asset, &route)?)?)
}

/// The first of `routes` whose asset there is.
async fn open_first(catalog: &Catalog, routes: Vec<Route>) -> Result<(Arc<Asset>, Route), Refusal> {
    for route in routes {
        match catalog.open(route.asset()).await {
            Ok(asset) => {
                catalog.bring_all(&asset).await?;
                return Ok((asset, route));
            }
            Err(Refusal::NotFound) => {}
            Err(refusal) => return Err(refusal),
        }
    }
    Err(Refusal::NotFound)
}

/// What answers a URL.
#[derive(Debug, Serialize)]
struct Explained {
    route: &'static str,
    asset: String,
    /// Bytes of the answer, uncompressed; absent where they are known after making only.
    #[serde(skip_serializing_if = "Option::is_none")]
    size: Option<u64>,
    /// The entity tag.
    etag: String,
    /// What a segment's bytes are kept by.
    #[serde(skip_serializing_if = "Option::is_none")]
    cache_key: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    track: Option<Track>,
    #[serde(skip_serializing_if = "Option::is_none")]
    segment: Option<SegmentPart>,
    /// What a transport stream carries.
    #[serde(skip_serializing_if = "Option::is_none")]
    program: Option<ProgramTracks>,
    #[serde(skip_serializing_if = "Option::is_none")]
    transport: Option<TransportPart>,
}

#[derive(Debug, Serialize)]
pub(super) struct Track {
    file: String,
    id: u32,
    content_id: String,
    version: String,
    codec: String,
    timescale: u32,
    /// media_time of the one edit in the init segment, in ticks.
    edit: u64,
    segments: usize,
    cut: &'static str,
    /// Silent frames in front that the file does not hold.
    filler_frames: u32,
    /// Ticks by which the first sample reaches back to the start.
    reach: u64,
}

#[derive(Debug, Serialize)]
struct SegmentPart {
    number: u32,
    opening: &'static str,
    /// Silent frames among its samples.
    filler_frames: u32,
    /// Samples of the stored track, the first counted from 0; absent where all are filler.
    #[serde(skip_serializing_if = "Option::is_none")]
    stored_samples: Option<Samples>,
    presented: Time,
    span: Time,
    /// `tfdt`, with 10 s added as in every segment.
    written_decode_time: Time,
    media_bytes: u64,
    /// Bytes made here: `styp`, `moof`, `mdat` header, filler.
    made_bytes: u64,
    source_ranges: Vec<SourceRange>,
}

#[derive(Debug, Serialize)]
pub(super) struct Samples {
    first: u32,
    count: u32,
    /// Composition time of the first in the stored file.
    composition_time: Time,
}

#[derive(Debug, Serialize)]
pub(super) struct Time {
    ticks: i64,
    seconds: f64,
}

/// Bytes `start..end` of the stored file.
#[derive(Debug, Serialize)]
pub(super) struct SourceRange {
    pub(super) start: u64,
    pub(super) end: u64,
}

impl Explained {
    fn new(asset: &Asset, route: &Route) -> Result<Self, Box<dyn Error>> {
        let about = |route, size, etag: String| Self {
            route,
            asset: asset.id.to_string(),
            size,
            etag,
            cache_key: None,
            track: None,
            segment: None,
            program: None,
            transport: None,
        };
        let text = |route, text: &Text| about(route, Some(u64_from_usize(text.text.len())), text.version.to_string());
        let manifests = || Manifests::new(&asset.id, &asset.plan);
        match route {
            Route::Hls(_) => Ok(text("HLS multivariant playlist", &manifests().hls)),
            Route::Dash(_) => Ok(text("DASH manifest", &manifests().dash)),
            Route::Ts(_) => Ok(text("HLS multivariant playlist of MPEG-TS", &program::manifests(asset)?.entry)),
            Route::File(_, name) => {
                let file = asset.served(name).ok_or("the asset has no such file")?;
                Ok(about("stored file", Some(file.object.size()), file.movie.content.to_string()))
            }
            Route::Track(_, version, name, Part::Playlist) => {
                let manifests = manifests();
                let text = manifests.playlist(name, *version).ok_or(UNKNOWN)?;
                let track = asset.plan.tracks().iter().find(|track| track.name == *name).map(Track::of);
                let size = Some(u64_from_usize(text.len()));
                Ok(Self { track, ..about("HLS media playlist", size, version.to_string()) })
            }
            Route::Track(_, version, name, Part::Init) => {
                let track = asset.plan.track(name, *version).ok_or(UNKNOWN)?;
                let size = Some(u64_from_usize(mux::init(track).len()));
                Ok(Self { track: Some(Track::of(track)), ..about("CMAF header", size, format!("{version}-init")) })
            }
            Route::Track(_, version, name, Part::Segment(number)) => {
                let track = asset.plan.track(name, *version).ok_or(UNKNOWN)?;
                let segment = track.segment(*number).ok_or(NO_SEGMENT)?;
                let size = Some(mux::segment_length(track, segment));
                Ok(Self {
                    cache_key: Some(format!("{version} cmaf {number}")),
                    track: Some(Track::of(track)),
                    segment: Some(SegmentPart::of(track, *number, segment)),
                    ..about("CMAF segment", size, format!("{version}-{number}"))
                })
            }
            Route::Program(_, version, name, part) => Self::of_program(asset, (*version, name), *part, about),
        }
    }

    fn of_program(
        asset: &Asset,
        (version, name): (Version, &ProgramName),
        part: ProgramPart,
        about: impl Fn(&'static str, Option<u64>, String) -> Self,
    ) -> Result<Self, Box<dyn Error>> {
        match part {
            ProgramPart::Playlist => {
                let manifests = program::manifests(asset)?;
                let text = manifests.playlist(name, version).ok_or(UNKNOWN)?;
                let program = origin::streams(&asset.plan, name).map(ProgramTracks::of);
                let size = Some(u64_from_usize(text.len()));
                Ok(Self { program, ..about("HLS media playlist of MPEG-TS", size, version.to_string()) })
            }
            ProgramPart::Segment(number) => {
                let streams = origin::streams(&asset.plan, name).ok_or(UNKNOWN)?;
                let streams = Some(streams).filter(|streams| streams.version() == version).ok_or(UNKNOWN)?;
                let transport = TransportPart::of(streams, asset.plan.settings(), number)?.ok_or(NO_SEGMENT)?;
                Ok(Self {
                    cache_key: Some(format!("{version} ts {number}")),
                    program: Some(ProgramTracks::of(streams)),
                    ..about("MPEG-TS segment", transport.bytes(), format!("{version}-{number}-ts")).with(transport)
                })
            }
        }
    }

    fn with(self, transport: TransportPart) -> Self {
        Self { transport: Some(transport), ..self }
    }
}

/// Why a number is not explained.
const NO_SEGMENT: &str = "there is no segment of that number";

/// Why a URL of a version is not explained.
const UNKNOWN: &str = "no track has this version now: the file was replaced, or cut by other settings";

impl Track {
    pub(super) fn of(track: &Planned) -> Self {
        let stored = track.track();
        let cut = match (stored.kind, track.alignment) {
            (Kind::Audio(_), _) => "at its first frame not before the reference's cuts",
            (Kind::Video(_), Alignment::Aligned) => "where the reference is cut",
            (Kind::Video(_), Alignment::Own) => "at its own keyframes",
        };
        Self {
            file: track.file.clone(),
            id: stored.id,
            content_id: track.timeline.movie().content.to_string(),
            version: track.version.to_string(),
            codec: stored.codec.string.clone(),
            timescale: stored.timescale.get(),
            edit: track.timeline.edit(),
            segments: track.segments.len(),
            cut,
            filler_frames: track.timeline.silent_frames(),
            reach: track.timeline.reach().0,
        }
    }
}

impl SegmentPart {
    fn of(track: &Planned, number: u32, segment: &Segment) -> Self {
        let (timeline, scale) = (&track.timeline, track.timeline.timescale());
        let (filler_frames, stored) = timeline.stored_range(segment.samples.clone());
        let recipe = mux::segment(track, number, segment);
        let stored_ranges = recipe.pieces().iter().filter_map(|piece| match piece {
            Piece::Stored(range) => Some(SourceRange { start: range.start(), end: range.end() }),
            Piece::Made(_) => None,
        });
        let source_ranges: Vec<SourceRange> = stored_ranges.collect();
        let media_bytes = source_ranges.iter().map(|range| range.end - range.start).sum();
        Self {
            number,
            opening: match segment.opening {
                Opening::Closed => "a sync sample, closed",
                Opening::Open => "a sync sample, open: frames behind it are shown before it",
                Opening::None => "no sync sample",
            },
            filler_frames,
            stored_samples: Samples::of(track, stored),
            presented: Time::new(segment.start, scale),
            span: Time::new(Ticks(0).after(segment.span).unwrap_or_default(), scale),
            written_decode_time: Time::new(timeline.written(segment.samples.start), scale),
            media_bytes,
            made_bytes: recipe.length() - media_bytes,
            source_ranges,
        }
    }
}

impl Samples {
    /// `None` when there are none.
    pub(super) fn of(track: &Planned, stored: Range<u32>) -> Option<Self> {
        (!stored.is_empty()).then(|| Self {
            first: stored.start,
            count: stored.end - stored.start,
            composition_time: Time::new(track.track().index.composition_time(stored.start), track.timeline.timescale()),
        })
    }
}

impl Time {
    pub(super) fn new(ticks: Ticks, scale: Timescale) -> Self {
        Self { ticks: ticks.0, seconds: super::report::seconds(ticks.at(scale)) }
    }
}

/// A line for each value: its path, then the value.
fn lines(value: &Value) -> String {
    let mut rows = Vec::new();
    collect(value, String::new(), &mut rows);
    let width = rows.iter().map(|(path, _)| path.len()).max().unwrap_or_default();
    let lines: Vec<String> = rows.iter().map(|(path, text)| format!("{path:width$} {}", plain(text))).collect();
    lines.join("\n") + "\n"
}

fn collect(value: &Value, path: String, rows: &mut Vec<(String, String)>) {
    let below = |key: &str| if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") };
    match value {
        Value::Object(fields) => {
            match (fields.get("start"), fields.get("end"), fields.get("ticks"), fields.get("seconds")) {
                (Some(start), Some(end), None, None) => rows.push((path, format!("{start}..{end}"))),
                (None, None, Some(ticks), Some(seconds)) => rows.push((path, format!("{seconds} s ({ticks} ticks)"))),
                _ => fields.iter().for_each(|(key, value)| collect(value, below(key), rows)),
            }
        }
        Value::Array(items) => {
            for (at, item) in items.iter().enumerate() {
                collect(item, below(&at.to_string()), rows);
            }
        }
        Value::String(text) => rows.push((path, text.clone())),
        Value::Null | Value::Bool(_) | Value::Number(_) => rows.push((path, value.to_string())),
    }
}

#[cfg(test)]
mod tests {
    use super::lines;
    use serde_json::json;

    #[test]
    fn columns_stay_apart_however_long_a_name_is() {
        let value = json!({
            "route": "MPEG-TS segment",
            "transport": { "streams": [{ "stored_samples": { "composition_time": { "ticks": -736, "seconds": 0.5 } } }] },
            "source_ranges": [{ "start": 48, "end": 1_000 }],
            "file": "a\nb",
        });
        assert_eq!(
            lines(&value),
            "file                                                a\u{fffd}b\n\
             route                                               MPEG-TS segment\n\
             source_ranges.0                                     48..1000\n\
             transport.streams.0.stored_samples.composition_time 0.5 s (-736 ticks)\n"
        );
    }
}
