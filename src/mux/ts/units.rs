//! The units of one segment in the order they are sent: by decode time, with clocks between.
//!
//! A unit's clock reads [`CLOCK_INTERVAL`] less than its decode time, and no two clocks are further apart than that: so
//! a unit has been sent whole when it is to be decoded, and no clock is ahead of any unit behind it
//! (ISO/IEC 13818-1 §2.7.2, §2.4.2.2).

use super::adts;
use super::pes::Times;
use crate::media::{Aac, Family, Ticks};
use crate::plan::{Planned, Slice, Streams, Timeline};
use std::ops::Range;

/// Ticks of 90 kHz between clocks at most: 100 ms.
pub(super) const CLOCK_INTERVAL: i64 = 9_000;

/// Clocks in a row at most: five minutes without a picture. A longer gap has none in its rest.
pub(super) const CLOCKS_LIMIT: u32 = 3_000;

/// Bytes of sound in one unit at most, ADTS headers included: PES_packet_length has 16 bits.
pub(super) const SOUND_LIMIT: u64 = 56_000;

/// Frames of sound in one unit at most, for frames that claim to last no time.
pub(super) const FRAMES_LIMIT: u32 = 64;

/// What is sent at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unit {
    /// A sample of the video track.
    Picture(Picture),
    /// Samples of the audio track.
    Sound(Sound),
    /// A clock that reads for this decode time.
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
pub(super) struct Picture {
    pub(super) number: u32,
    pub(super) size: u32,
    pub(super) sync: bool,
    pub(super) times: Times,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Sound {
    pub(super) first: u32,
    pub(super) frames: u32,
    /// Bytes of all frames with their headers.
    pub(super) bytes: u64,
    /// Bytes of the longest frame.
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
    /// When the next one is decoded.
    end: i64,
}

/// The samples `range` of a track, written times less the edit that MPEG-TS does not have.
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

/// When sample `number` is decoded such that it is presented at its presented time plus `SHIFT`.
pub(super) fn unedited(timeline: &Timeline, number: u32) -> Ticks {
    Ticks(timeline.written(number).0 - crate::media::i64_from_u64(timeline.edit()))
}

/// The decode time, at 90 kHz, of the first unit of `slice`; `None` where it has none.
pub(super) fn first_decoded(streams: Streams<'_>, slice: &Slice) -> Option<i64> {
    let first = |timeline: &Timeline, samples: &Range<u32>| {
        (!samples.is_empty()).then(|| unedited(timeline, samples.start).nearest_at_90k(timeline.timescale()))
    };
    let video = streams.video().and_then(|track| first(&track.timeline, &slice.video));
    let audio = streams.audio().and_then(|track| first(&track.timeline, &slice.audio));
    video.into_iter().chain(audio).min()
}

/// The units of `slice`, whose successor's first unit is decoded at `until`; `None` for the last one.
pub(super) fn units<'a>(streams: Streams<'a>, slice: &Slice, until: Option<i64>) -> impl Iterator<Item = Unit> + 'a {
    let pictures = streams.video().map(|track| frames(&track.timeline, slice.video.clone()));
    let sounds = streams.audio().map(|track| Grouped {
        frames: Feed::new(Some(frames(&track.timeline, slice.audio.clone()))),
        lasting: Ratio::of(track),
    });
    Merge {
        pictures: Feed::new(pictures),
        sounds: Feed::new(sounds),
        clocked: if streams.video().is_some() { Clocked::Pictures } else { Clocked::Sounds },
        until,
        due: None,
        left: CLOCKS_LIMIT,
    }
}

/// An iterator, if there is one, whose next item is in sight.
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

/// How long a frame of sound lasts, whatever its file says: what a decoder adds for each frame behind a unit's first.
#[derive(Debug, Clone, Copy)]
pub(super) struct Ratio {
    /// Ticks of 90 kHz.
    ticks: i64,
    /// For so many frames.
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

    /// How long `frames` last together, in ticks of 90 kHz rounded down.
    pub(super) fn lasting(self, frames: u32) -> i64 {
        self.ticks * i64::from(frames) / self.frames
    }
}

/// Audio frames, as many to a unit as are decoded within [`CLOCK_INTERVAL`], and when a decoder thinks they are: only a
/// unit's first frame has a time, so one that is off by more than a tick begins a unit.
struct Grouped<I: Iterator<Item = Frame>> {
    frames: Feed<I>,
    lasting: Ratio,
}

impl<I: Iterator<Item = Frame>> Iterator for Grouped<I> {
    type Item = Sound;

    fn next(&mut self) -> Option<Sound> {
        let header = u64::from(adts::HEADER);
        let first = self.frames.take()?;
        let times = first.times;
        let bytes = u64::from(first.size) + header;
        let mut sound = Sound { first: first.number, frames: 1, bytes, longest: first.size, times };
        let lasting = self.lasting;
        let fits = |sound: &Sound, next: &Frame| {
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

/// Which units carry clocks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Clocked {
    Pictures,
    Sounds,
}

struct Merge<P: Iterator<Item = Frame>, S: Iterator<Item = Sound>> {
    pictures: Feed<P>,
    sounds: Feed<S>,
    clocked: Clocked,
    until: Option<i64>,
    /// When the next clock must be at the latest; `None` before the first.
    due: Option<i64>,
    /// Clocks that may follow each other without a unit that carries one.
    left: u32,
}

impl<P: Iterator<Item = Frame>, S: Iterator<Item = Sound>> Merge<P, S> {
    /// The clock that stands before the next unit, if one must; `picture` and `sound` say when the next ones are decoded.
    fn clock(&self, picture: Option<i64>, sound: Option<i64>) -> Option<i64> {
        let next = picture.into_iter().chain(sound).min();
        let clocked = if self.clocked == Clocked::Pictures { picture } else { sound };
        let Some(due) = self.due else {
            // The segment's first clock stands before all that it is the clock of.
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

impl<P: Iterator<Item = Frame>, S: Iterator<Item = Sound>> Iterator for Merge<P, S> {
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
            return Some(Unit::Picture(Picture { number, size, sync, times }));
        }
        let sound = self.sounds.take()?;
        if self.clocked == Clocked::Sounds {
            self.clocked_at(sound.times.dts);
            self.left = CLOCKS_LIMIT;
        }
        Some(Unit::Sound(sound))
    }
}
