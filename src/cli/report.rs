//! The report of `afflux inspect`: one structure, printed as lines or as JSON.

use crate::lint::{self, Finding};
use crate::manifest::{FrameRate, Rates};
use crate::media::{Extent, Kind, Layout, MediaKind, Moment};
use crate::plan::{Alignment, Plan, Planned};
use crate::verdict::{self, Playable};
use serde::Serialize;
use std::fmt;

/// Report on a stored file as the server would serve it.
#[derive(Debug, Serialize)]
pub(super) struct Report {
    file: String,
    /// Size in bytes.
    size: u64,
    layout: &'static str,
    content_id: String,
    /// Duration of the presentation, in seconds.
    duration: f64,
    /// Segment target duration, in seconds.
    segment_target: f64,
    tracks: Vec<TrackReport>,
    /// Which players can play the file.
    playable: Playable,
    lint: Vec<Finding>,
}

#[derive(Debug, Serialize)]
struct TrackReport {
    id: u32,
    kind: &'static str,
    codec: String,
    /// `1280x720 at 25` or `2 channels at 48000`.
    format: String,
    language: String,
    /// Timescale, in ticks per second.
    timescale: u32,
    samples: u32,
    /// Total size of all samples, in bytes.
    bytes: u64,
    /// Memory size of the sample index, in bytes.
    index_bytes: usize,
    /// Presentation start and end, in seconds; priming makes the start negative.
    start: f64,
    end: f64,
    edit: EditReport,
    /// Bit rates in bits per second: the peak over about a segment target, and the average.
    bandwidth: u64,
    average_bandwidth: u64,
    aligned: bool,
    version: String,
    /// Start of each segment, in seconds.
    cuts: Vec<f64>,
}

#[derive(Debug, Serialize)]
struct EditReport {
    /// Presentation time at which the edit begins, in seconds.
    delay: f64,
    /// Composition time presented at that moment, in ticks.
    media_time: i64,
    /// Length of the edit, in seconds; absent if the edit runs to the end of the media.
    #[serde(skip_serializing_if = "Option::is_none")]
    length: Option<f64>,
}

impl Report {
    /// Report on `plan`, which must hold one file.
    pub(super) fn new(plan: &Plan) -> Self {
        let first = plan.tracks().first();
        let movie = first.map(|track| track.timeline.movie());
        let layout = movie.map_or("", |movie| match movie.layout {
            Layout::MoovFirst => "moov first",
            Layout::MoovLast => "moov last",
            Layout::Fragmented => "fragmented",
        });
        Self {
            file: first.map(|track| track.file.clone()).unwrap_or_default(),
            size: movie.map_or(0, |movie| movie.size),
            layout,
            content_id: movie.map(|movie| movie.content.to_string()).unwrap_or_default(),
            duration: seconds(plan.end()),
            segment_target: seconds(Moment::from_millis(plan.settings().target_millis.into())),
            tracks: plan.tracks().iter().map(|track| TrackReport::new(plan, track)).collect(),
            playable: verdict::playable(plan),
            lint: lint::findings(plan),
        }
    }

    /// Prints JSON and a line feed.
    pub(super) fn to_json(&self) -> String {
        let json = serde_json::to_string_pretty(self).expect("strings and finite numbers only");
        json + "\n"
    }
}

impl TrackReport {
    fn new(plan: &Plan, track: &Planned) -> Self {
        let (stored, scale) = (track.track(), track.timeline.timescale());
        let (kind, format) = match stored.kind {
            Kind::Video(picture) => {
                let rate = FrameRate::of(track).as_fraction();
                let Extent { width, height } = picture.shown();
                ("video", format!("{width}x{height} at {rate}"))
            }
            Kind::Audio(sound) => ("audio", format!("{} channels at {}", sound.channels, sound.sample_rate)),
        };
        let rates = Rates::of(track, plan.target_duration());
        Self {
            id: stored.id,
            kind,
            codec: stored.codec.string.clone(),
            format,
            language: track.language.as_str().into(),
            timescale: scale.get(),
            samples: stored.index.len(),
            bytes: stored.index.bytes(),
            index_bytes: stored.index.heap_bytes(),
            start: seconds(track.start()),
            end: seconds(track.end()),
            edit: EditReport {
                delay: seconds(stored.edit.delay),
                media_time: stored.edit.media_time.0,
                length: stored.edit.length.map(seconds),
            },
            bandwidth: rates.peak,
            average_bandwidth: rates.average,
            aligned: track.alignment == Alignment::Aligned || track.name.kind == MediaKind::Audio,
            version: track.version.to_string(),
            cuts: track.segments.iter().map(|segment| seconds(segment.start.at(scale))).collect(),
        }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}: {} bytes, {}, {} s", self.file, self.size, self.layout, self.duration)?;
        writeln!(f, "content id  {}", self.content_id)?;
        for track in &self.tracks {
            write!(f, "\n{track}")?;
        }
        let Playable { browsers, apple, ts, why } = &self.playable;
        let words = [browsers, apple, ts].map(|plays| plays.as_str());
        let [browsers, apple, ts] = words;
        writeln!(f, "\nplays in browsers: {browsers}, on Apple: {apple}, by MPEG-TS: {ts}")?;
        why.iter().try_for_each(|why| writeln!(f, "  {why}"))?;
        if !self.lint.is_empty() {
            writeln!(f)?;
        }
        self.lint
            .iter()
            .try_for_each(|found| writeln!(f, "{} {}: {}", found.level.as_str(), found.code.as_str(), found.message))
    }
}

impl fmt::Display for TrackReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "track {}  {} {}, {}, {}", self.id, self.kind, self.codec, self.format, self.language)?;
        let tenths = self.index_bytes * 10 / usize::try_from(self.samples).unwrap_or(usize::MAX).max(1);
        let per_sample = format!("{}.{}", tenths / 10, tenths % 10);
        writeln!(
            f,
            "  samples   {} ({} bytes) at timescale {}; index {per_sample} bytes a sample",
            self.samples, self.bytes, self.timescale
        )?;
        writeln!(f, "  presented from {} s to {} s", self.start, self.end)?;
        let length = self.edit.length.map_or_else(|| "to the end".into(), |length| format!("for {length} s"));
        writeln!(f, "  edit      from tick {} at {} s, {length}", self.edit.media_time, self.edit.delay)?;
        writeln!(f, "  bit rate  {} peak, {} average", self.bandwidth, self.average_bandwidth)?;
        let cuts: Vec<String> = self.cuts.iter().map(f64::to_string).collect();
        writeln!(f, "  cuts      {} segments at {}", cuts.len(), cuts.join(" "))
    }
}

/// Converts to seconds, exact to the microsecond.
pub(super) fn seconds(moment: Moment) -> f64 {
    let micros = moment.micros();
    let sign = if micros < 0 { "-" } else { "" };
    let whole = micros.unsigned_abs();
    format!("{sign}{}.{:06}", whole / 1_000_000, whole % 1_000_000).parse().expect("digits, a point, digits")
}
