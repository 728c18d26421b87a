//! Plans transport streams: a video track and an audio track cut together, or one track alone.
//!
//! ```text
//! video   │ segment 1    │ segment 2    │ segment 3 │                      as its CMAF segments are
//! audio   │ slice 1 │ slice 2      │ slice 3        │ slice 4 │ slice 5    │  its first frame not before each cut
//! ```
//! Sound after the last picture is cut on the asset's grid; a short tail joins the slice before it.

use super::cuts::{self, Grid};
use super::ladder::Planned;
use super::version;
use crate::media::{Kind, Moment, Version};
use std::ops::Range;

/// The tracks that one transport stream carries.
#[derive(Debug, Clone, Copy)]
pub struct Streams<'a> {
    /// Video, or the only track.
    first: &'a Planned,
    /// Audio beside video.
    second: Option<&'a Planned>,
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

impl<'a> Streams<'a> {
    /// One track.
    #[must_use]
    pub const fn alone(track: &'a Planned) -> Self {
        Self { first: track, second: None }
    }

    /// A video track and an audio track; `None` if the tracks are of other kinds.
    #[must_use]
    pub fn muxed(video: &'a Planned, audio: &'a Planned) -> Option<Self> {
        let kinds = (video.track().kind, audio.track().kind);
        matches!(kinds, (Kind::Video(_), Kind::Audio(_))).then_some(Self { first: video, second: Some(audio) })
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
        self.slices.get(crate::media::usize_from_u32(number.checked_sub(1)?))
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
    // Pictures may be so far out of order that a later segment's first picture is shown earlier: follow the latest.
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
