//! Iterates over the units of one segment in sending order: by decode time, with clocks between them.
//!
//! The clock of a unit is its decode time minus [`CLOCK_INTERVAL`], and no two clocks are further apart than that. So a
//! unit is complete when it is to be decoded, and no clock is ahead of any unit after it (ISO/IEC 13818-1 §2.7.2,
//! §2.4.2.2).

use super::adts;
use super::pes::Times;
use crate::media::{Aac, Family, Ticks};
use crate::plan::{Planned, Slice, Stream, Timeline};
use std::ops::Range;

/// Longest time between clocks, in ticks of 90 kHz: 100 ms.
pub(super) const CLOCK_INTERVAL: i64 = 9_000;

/// Most clocks in a row: five minutes without a picture. The rest of a longer gap has no clocks.
pub(super) const CLOCKS_LIMIT: u32 = 3_000;

/// Most bytes of sound in one unit, ADTS headers included: PES_packet_length has 16 bits.
pub(super) const SOUND_LIMIT: u64 = 56_000;

/// Most audio frames in one unit; bounds units of frames whose duration is 0.
pub(super) const FRAMES_LIMIT: u32 = 64;

/// A unit of sending: an access unit of video, a group of audio frames, or a clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unit {
    /// A sample of the video track.
    Picture(PictureUnit),
    /// Samples of the audio track.
    Sound(SoundUnit),
    /// A packet with only a clock, as for a unit with this decode time.
    Clock(i64),
}

impl Unit {
    /// The samples of the video track that it holds.
    pub(super) fn pictures(self) -> Option<Range<u32>> {
        match self {
            Self::Picture(picture) => Some(picture.number..picture.number + 1),
            Self::Sound(_) | Self::Clock(_) => None,
        }
    }

    /// The samples of the audio track that it holds.
    pub(super) fn sounds(self) -> Option<Range<u32>> {
        match self {
            Self::Sound(sound) => Some(sound.first..sound.first + sound.frames),
            Self::Picture(_) | Self::Clock(_) => None,
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct PictureUnit {
    pub(super) number: u32,
    pub(super) size: u32,
    pub(super) sync: bool,
    pub(super) times: Times,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct SoundUnit {
    pub(super) first: u32,
    pub(super) frames: u32,
    /// Bytes of all frames with their ADTS headers.
    pub(super) bytes: u64,
    /// Bytes of the longest frame, without its header.
    pub(super) longest: u32,
    pub(super) times: Times,
}

/// A sample with its times at 90 kHz.
#[derive(Debug, Clone, Copy)]
struct Frame {
    number: u32,
    size: u32,
    sync: bool,
    times: Times,
    /// Decode time of the next sample.
    end: i64,
}

/// The samples of `range`. Their times are the written times minus the edit, because MPEG-TS has no edits.
fn frames(timeline: &Timeline, range: Range<u32>) -> impl Iterator<Item = Frame> + '_ {
    let scale = timeline.timescale();
    let mut decoded = unedited(timeline, range.start);
    let mut next = decoded.nearest_at_90k(scale);
    (range.start..).zip(timeline.samples(range)).map(move |(number, sample)| {
        let dts = next;
        let presented = |offset| Ticks(decoded.0 + i64::from(offset)).nearest_at_90k(scale);
        let pts = if sample.offset == 0 { dts } else { presented(sample.offset) };
        decoded.0 += i64::from(sample.duration);
        next = decoded.nearest_at_90k(scale);
        let end = next;
        Frame { number, size: sample.size, sync: sample.sync, times: Times { pts, dts }, end }
    })
}

/// The decode time of sample `number` without an edit: gives its presented time plus `SHIFT` as presentation time.
pub(super) fn unedited(timeline: &Timeline, number: u32) -> Ticks {
    Ticks(timeline.written(number).0 - crate::media::i64_from_u64(timeline.edit()))
}

/// The decode time, at 90 kHz, of the first unit of `slice`; `None` if it has no unit.
pub(super) fn first_decoded(stream: Stream<'_>, slice: &Slice) -> Option<i64> {
    let first = |timeline: &Timeline, samples: &Range<u32>| {
        (!samples.is_empty()).then(|| unedited(timeline, samples.start).nearest_at_90k(timeline.timescale()))
    };
    let video = stream.video().and_then(|track| first(&track.timeline, &slice.video));
    let audio = stream.audio().and_then(|track| first(&track.timeline, &slice.audio));
    video.into_iter().chain(audio).min()
}

/// The units of `slice`. `until` is the decode time of the next slice's first unit; `None` for the last slice.
pub(super) fn units<'a>(stream: Stream<'a>, slice: &Slice, until: Option<i64>) -> impl Iterator<Item = Unit> + 'a {
    let pictures = stream.video().map(|track| frames(&track.timeline, slice.video.clone()));
    let sounds = stream.audio().map(|track| Grouped {
        frames: Feed::new(Some(frames(&track.timeline, slice.audio.clone()))),
        lasting: Ratio::of(track),
    });
    Merge {
        pictures: Feed::new(pictures),
        sounds: Feed::new(sounds),
        clocked: if stream.video().is_some() { Clocked::Pictures } else { Clocked::Sounds },
        until,
        due: None,
        left: CLOCKS_LIMIT,
    }
}

/// An optional iterator with one item of lookahead.
struct Feed<I: Iterator> {
    next: Option<I::Item>,
    rest: Option<I>,
}

impl<I: Iterator> Feed<I> {
    fn new(mut rest: Option<I>) -> Self {
        Self { next: rest.as_mut().and_then(Iterator::next), rest }
    }

    #[inline]
    fn take(&mut self) -> Option<I::Item> {
        let following = self.rest.as_mut().and_then(Iterator::next);
        std::mem::replace(&mut self.next, following)
    }
}

/// The duration of an audio frame by its codec, regardless of the file: decoders add it for each frame after a unit's
/// first.
#[derive(Debug, Clone, Copy)]
pub(super) struct Ratio {
    /// Duration in ticks of 90 kHz of `frames` frames.
    ticks: i64,
    /// Number of frames that last `ticks`.
    frames: i64,
}

impl Ratio {
    pub(super) fn of(track: &Planned) -> Self {
        match track.track().codec.family {
            Family::Aac(Aac { frame_length, sample_rate, .. }) => {
                Self { ticks: i64::from(frame_length) * 90_000, frames: i64::from(sample_rate.max(1)) }
            }
            Family::H264 { .. } | Family::H265 { .. } | Family::Other => Self { ticks: 0, frames: 1 },
        }
    }

    /// Duration of `frames` frames, in ticks of 90 kHz rounded down.
    pub(super) fn lasting(self, frames: u32) -> i64 {
        self.ticks * i64::from(frames) / self.frames
    }
}

/// Groups audio frames into units of at most [`CLOCK_INTERVAL`]. Only the first frame of a unit has a time, and
/// decoders count on from it, so a frame that is off by more than a tick begins a new unit.
struct Grouped<I: Iterator<Item = Frame>> {
    frames: Feed<I>,
    lasting: Ratio,
}

impl<I: Iterator<Item = Frame>> Iterator for Grouped<I> {
    type Item = SoundUnit;

    fn next(&mut self) -> Option<SoundUnit> {
        let header = u64::from(adts::HEADER);
        let first = self.frames.take()?;
        let times = first.times;
        let bytes = u64::from(first.size) + header;
        let mut sound = SoundUnit { first: first.number, frames: 1, bytes, longest: first.size, times };
        let lasting = self.lasting;
        let fits = |sound: &SoundUnit, next: &Frame| {
            let counted = times.dts.saturating_add(lasting.lasting(sound.frames));
            next.times.dts.abs_diff(counted) <= 1
                && next.times.pts.saturating_sub(next.times.dts) == times.pts.saturating_sub(times.dts)
                && next.end.saturating_sub(times.dts) <= CLOCK_INTERVAL
                && sound.bytes + u64::from(next.size) + header <= SOUND_LIMIT
                && sound.frames < FRAMES_LIMIT
        };
        while let Some(next) = self.frames.next.filter(|next| fits(&sound, next)) {
            self.frames.take();
            sound.frames += 1;
            sound.bytes += u64::from(next.size) + header;
            sound.longest = sound.longest.max(next.size);
        }
        Some(sound)
    }
}

/// The kind of units that carry clocks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Clocked {
    Pictures,
    Sounds,
}

struct Merge<P: Iterator<Item = Frame>, S: Iterator<Item = SoundUnit>> {
    pictures: Feed<P>,
    sounds: Feed<S>,
    clocked: Clocked,
    until: Option<i64>,
    /// Latest decode time of the next clock; `None` before the first.
    due: Option<i64>,
    /// Clock packets that are still allowed before the next unit that carries a clock.
    left: u32,
}

impl<P: Iterator<Item = Frame>, S: Iterator<Item = SoundUnit>> Merge<P, S> {
    /// The clock to send before the next unit, if one is due. `picture` and `sound` are the decode times of the next
    /// picture and sound.
    fn clock(&self, picture: Option<i64>, sound: Option<i64>) -> Option<i64> {
        let next = picture.into_iter().chain(sound).min();
        let clocked = if self.clocked == Clocked::Pictures { picture } else { sound };
        let Some(due) = self.due else {
            // The segment begins with a clock.
            return next.filter(|next| clocked != Some(*next));
        };
        let open = if next.is_some() { i64::MAX } else { i64::MIN };
        let horizon = clocked.or(self.until).unwrap_or(open);
        (due < horizon && next.is_none_or(|next| due <= next) && self.left > 0).then_some(due)
    }

    fn clocked_at(&mut self, at: i64) {
        self.due = Some(at.saturating_add(CLOCK_INTERVAL));
    }
}

impl<P: Iterator<Item = Frame>, S: Iterator<Item = SoundUnit>> Iterator for Merge<P, S> {
    type Item = Unit;

    fn next(&mut self) -> Option<Unit> {
        let picture = self.pictures.next.map(|frame| frame.times.dts);
        let sound = self.sounds.next.map(|sound| sound.times.dts);
        if let Some(at) = self.clock(picture, sound) {
            self.clocked_at(at);
            self.left = self.left.saturating_sub(1);
            return Some(Unit::Clock(at));
        }
        if picture.is_some_and(|picture| sound.is_none_or(|sound| picture <= sound)) {
            let Frame { number, size, sync, times, .. } = self.pictures.take()?;
            self.clocked_at(times.dts);
            self.left = CLOCKS_LIMIT;
            return Some(Unit::Picture(PictureUnit { number, size, sync, times }));
        }
        let sound = self.sounds.take()?;
        if self.clocked == Clocked::Sounds {
            self.clocked_at(sound.times.dts);
            self.left = CLOCKS_LIMIT;
        }
        Some(Unit::Sound(sound))
    }
}
