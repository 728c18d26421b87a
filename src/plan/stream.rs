//! Streams: the unit that players fetch. A stream is one track, or a video and an audio track muxed, in one packaging; it
//! has one name, one version and numbered segments.
//!
//! ```text
//! video   │ segment 1    │ segment 2    │ segment 3 │                      cut once, for every packaging
//! audio   │ slice 1 │ slice 2      │ slice 3        │ slice 4 │ slice 5    muxed: its first frame not before each cut
//! ```
//! Audio behind the last picture of a muxed stream is cut on the asset's grid; a short rest joins the slice before it.

use super::cuts::{self, Grid};
use super::ladder::{Plan, Planned};
use super::version;
use crate::media::{Kind, Moment, Packaging, StreamName, TrackName, Version, usize_from_u32};
use std::ops::Range;

/// A stream of a plan.
#[derive(Debug, Clone, Copy)]
pub struct Stream<'a> {
    packaging: Packaging,
    /// Video, or the only track.
    first: &'a Planned,
    /// Audio beside video.
    second: Option<&'a Planned>,
}

/// A stream as positions in the list of a plan's tracks: it borrows nothing, so a task can own it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Selection {
    packaging: Packaging,
    first: usize,
    second: Option<usize>,
}

/// A transport stream, cut into one slice for each segment. Never empty.
#[derive(Debug, Clone)]
pub struct Program {
    slices: Vec<Slice>,
    end: Moment,
}

/// The samples in one segment of a transport stream. At least one sample.
#[derive(Debug, Clone)]
pub struct Slice {
    /// Samples of the video track, as its timeline numbers them; empty after the track's end.
    pub video: Range<u32>,
    /// Samples of the audio track, as its timeline numbers them; empty where the track has none.
    pub audio: Range<u32>,
    /// Presented time of its start, `SHIFT` not included.
    pub start: Moment,
}

impl Plan {
    /// The stream called `name`; `None` where the plan lacks one of its tracks.
    #[must_use]
    pub fn select(&self, name: &StreamName) -> Option<Selection> {
        let position = |name: &TrackName| self.tracks().iter().position(|track| track.name == *name);
        let second = match name.second() {
            Some(second) => Some(position(second)?),
            None => None,
        };
        Some(Selection { packaging: name.packaging(), first: position(name.first())?, second })
    }

    /// The stream at `selection`, which belongs to a plan with the same tracks.
    #[must_use]
    pub fn stream(&self, selection: Selection) -> Option<Stream<'_>> {
        let track = |at: usize| self.tracks().get(at);
        let Selection { packaging, first, second } = selection;
        match second {
            None => Some(Stream::alone(packaging, track(first)?)),
            Some(second) => Stream::muxed(track(first)?, track(second)?),
        }
    }

    /// The CMAF streams, one for each track, in the order of the tracks.
    pub fn cmaf_streams(&self) -> impl Iterator<Item = Selection> + use<> {
        (0..self.tracks().len()).map(|first| Selection { packaging: Packaging::Cmaf, first, second: None })
    }
}

impl Selection {
    /// The format of the segments.
    #[must_use]
    pub const fn packaging(self) -> Packaging {
        self.packaging
    }
}

impl<'a> Stream<'a> {
    /// The stream of one track.
    #[must_use]
    pub const fn alone(packaging: Packaging, track: &'a Planned) -> Self {
        Self { packaging, first: track, second: None }
    }

    /// A video track and an audio track; `None` if the tracks are of other kinds.
    #[must_use]
    pub fn muxed(video: &'a Planned, audio: &'a Planned) -> Option<Self> {
        let kinds = (video.track().kind, audio.track().kind);
        let stream = Self { packaging: Packaging::Ts, first: video, second: Some(audio) };
        matches!(kinds, (Kind::Video(_), Kind::Audio(_))).then_some(stream)
    }

    /// The format of its segments.
    #[must_use]
    pub const fn packaging(&self) -> Packaging {
        self.packaging
    }

    /// Its name in URLs.
    #[must_use]
    pub fn name(&self) -> StreamName {
        let first = self.first.name.clone();
        let muxed = self.second.and_then(|second| StreamName::muxed(first.clone(), second.name.clone()));
        muxed.unwrap_or_else(|| StreamName::alone(self.packaging, first))
    }

    /// The only track, or the video track of two.
    #[must_use]
    pub const fn first(&self) -> &'a Planned {
        self.first
    }

    /// The video track.
    #[must_use]
    pub fn video(&self) -> Option<&'a Planned> {
        Some(self.first).filter(|track| matches!(track.track().kind, Kind::Video(_)))
    }

    /// The audio track.
    #[must_use]
    pub fn audio(&self) -> Option<&'a Planned> {
        self.second.or(Some(self.first)).filter(|track| matches!(track.track().kind, Kind::Audio(_)))
    }

    /// The tracks, video first.
    pub fn tracks(&self) -> impl Iterator<Item = &'a Planned> + use<'a> {
        [self.first].into_iter().chain(self.second)
    }

    /// Version of every byte built from these tracks: the version of the only track, or a hash of both versions.
    #[must_use]
    pub fn version(&self) -> Version {
        self.second.map_or(self.first.version, |second| version::of_pair(self.first.version, second.version))
    }

    /// Cuts the tracks together: at the segments of the video, and after its end on a grid of `target_millis`. One
    /// track alone is cut at its own segments.
    #[must_use]
    pub fn program(&self, target_millis: u32) -> Program {
        let end = self.tracks().map(Planned::end).max().unwrap_or(Moment::ZERO);
        let slices = match (self.video(), self.audio()) {
            (Some(video), Some(audio)) => muxed(video, audio, Grid { target_millis, segments: u32::MAX }),
            (Some(video), None) => of_segments(video, |samples| (samples, 0..0)),
            (None, _) => of_segments(self.first, |samples| (0..0, samples)),
        };
        Program { slices, end }
    }
}

impl Program {
    /// Its slices; the first is segment number 1.
    #[must_use]
    pub fn slices(&self) -> &[Slice] {
        &self.slices
    }

    /// The slice of segment `number`, from 1.
    #[must_use]
    pub fn slice(&self, number: u32) -> Option<&Slice> {
        self.slices.get(usize_from_u32(number.checked_sub(1)?))
    }

    /// The starts of all slices, then the end of the last.
    pub fn borders(&self) -> impl Iterator<Item = Moment> + '_ {
        self.slices.iter().map(|slice| slice.start).chain([self.end])
    }
}

fn of_segments(track: &Planned, ranges: impl Fn(Range<u32>) -> (Range<u32>, Range<u32>)) -> Vec<Slice> {
    let scale = track.timeline.timescale();
    let slice = |samples: Range<u32>, start: Moment| {
        let (video, audio) = ranges(samples);
        Slice { video, audio, start }
    };
    track.segments.iter().map(|segment| slice(segment.samples.clone(), segment.start.at(scale))).collect()
}

fn muxed(video: &Planned, audio: &Planned, grid: Grid) -> Vec<Slice> {
    let (sound, scale) = (&audio.timeline, audio.timeline.timescale());
    let presented = |segment: &super::segments::Segment| {
        let first = segment.samples.start;
        video.timeline.presented(first).at(video.timeline.timescale())
    };
    let moments: Vec<Moment> = video.segments.iter().skip(1).map(presented).collect();
    // Where pictures are so out of order that a later segment's first is shown earlier, sound follows the latest.
    let with_picture = moments.iter().scan(0, |latest, cut| {
        *latest = sound.first_sync_at(*cut).unwrap_or(sound.len()).max(*latest);
        Some(*latest)
    });
    let mut starts: Vec<u32> = [0].into_iter().chain(with_picture).collect();
    let followed = starts.last().copied().unwrap_or(0);
    let cuts = cuts::follow(sound, &moments, video.pictures_end(), grid);
    starts.extend(
        cuts.into_iter().filter(|cut| *cut > followed && sound.presented(*cut).at(scale) >= video.pictures_end()),
    );
    let ends = starts.iter().skip(1).copied().chain([sound.len()]);
    let mut slices = of_segments(video, |samples| (samples, 0..0));
    for (at, (from, to)) in starts.iter().copied().zip(ends).enumerate() {
        match slices.get_mut(at) {
            Some(slice) => slice.audio = from..to,
            None => slices.push(Slice { video: 0..0, audio: from..to, start: sound.presented(from).at(scale) }),
        }
    }
    slices
}
