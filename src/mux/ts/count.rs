//! Counts the packets of a segment without computing the times of each unit.
//!
//! ```text
//! pictures   a packet count each, by size; no clocks between them where none lasts longer than CLOCK_INTERVAL
//! sound      every unit except the last has the same number of frames, if all frames have one duration
//! clocks     before the first picture, and after the last one up to the next segment
//! ```
//! Segments that differ, such as those with frames of varying durations or with pauses, are counted unit by unit:
//! [`Tally::of_units`] counts any segment, and [`Counter::tally`] either agrees with it or returns `None`.

use super::adts;
use super::pes::Times;
use super::transport::Shape;
use super::units::{
    self, CLOCK_INTERVAL, CLOCKS_LIMIT, FRAMES_LIMIT, PictureUnit, Ratio, SOUND_LIMIT, SoundUnit, Unit,
};
use crate::media::Timescale;
use crate::plan::{Slice, Stream, Timeline};
use std::ops::Range;

/// Largest absolute time at 90 kHz at which no arithmetic saturates.
const TIME_LIMIT: u64 = 1 << 60;

/// Number of packets of the units of a segment, by kind.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Tally {
    pub(super) video: u64,
    pub(super) audio: u64,
    pub(super) clocks: u64,
    /// Size in bytes of the first audio frame that is too long for an ADTS header; `None` if all fit.
    pub(super) too_long: Option<u32>,
}

impl Tally {
    /// All packets.
    pub(super) const fn packets(&self) -> u64 {
        self.video + self.audio + self.clocks
    }

    /// Counts `units` one by one; stops at an audio frame that is too long.
    pub(super) fn of_units(shape: &Shape, units: impl Iterator<Item = Unit>) -> Self {
        let mut tally = Self::default();
        for unit in units {
            match unit {
                Unit::Picture(_) => tally.video += shape.packets(unit),
                Unit::Sound(sound) => {
                    if sound.longest > adts::FRAME_LIMIT {
                        return Self { too_long: Some(sound.longest), ..tally };
                    }
                    tally.audio += shape.packets(unit);
                }
                Unit::Clock(_) => tally.clocks += 1,
            }
        }
        tally
    }
}

/// Counts the segments of `stream`.
#[derive(Debug, Clone, Copy)]
pub(super) struct Counter<'a> {
    stream: Stream<'a>,
    shape: Shape,
}

/// Decode times of the first and the last of some units, at 90 kHz.
#[derive(Debug, Clone, Copy)]
struct Between {
    first: i64,
    last: i64,
}

impl<'a> Counter<'a> {
    pub(super) const fn new(stream: Stream<'a>, shape: Shape) -> Self {
        Self { stream, shape }
    }

    /// Counts the packets of `slice`. `until` is the decode time of the next slice's first unit; `None` for the last
    /// slice. Returns `None` if the units must be counted one by one.
    pub(super) fn tally(&self, slice: &Slice, until: Option<i64>) -> Option<Tally> {
        let (mut tally, mut pictures, mut sounds) = (Tally::default(), None, None);
        if let Some(video) = self.stream.video().filter(|_| !slice.video.is_empty()) {
            pictures = Some(steady(&video.timeline, &slice.video)?);
            tally.video = self.pictures(&video.timeline, slice.video.clone());
        }
        if let Some(audio) = self.stream.audio().filter(|_| !slice.audio.is_empty()) {
            let frames = grouped(&audio.timeline, &slice.audio, Ratio::of(audio))?;
            let lone = (slice.audio.end - slice.audio.start - 1) % frames;
            sounds = Some(between(&audio.timeline, slice.audio.start, slice.audio.end - 1 - lone)?);
            tally.audio = self.sounds(&audio.timeline, slice.audio.clone(), frames);
        }
        tally.clocks = match self.stream.video() {
            Some(_) => clocks_of_pictures(pictures, sounds, until),
            None => sounds.zip(until).map_or(0, |(sounds, until)| clocks(sounds.last, until, CLOCKS_LIMIT)),
        };
        Some(tally)
    }

    fn pictures(&self, timeline: &Timeline, samples: Range<u32>) -> u64 {
        let packets = |size, sync| {
            let times = Times { pts: 0, dts: 0 };
            self.shape.packets(Unit::Picture(PictureUnit { number: 0, size, sync, times }))
        };
        let syncs = timeline.syncs(samples.clone());
        let all = syncs == samples.end - samples.start;
        let mut count = 0;
        timeline.each_size(samples.clone(), |size| count += packets(size, all));
        if all {
            return count;
        }
        // Parameter sets precede sync samples only, which are few.
        let before = timeline.syncs(0..samples.start);
        for number in (before..before + syncs).filter_map(|at| timeline.sync_number(at)) {
            let size = timeline.size(number);
            count = count + packets(size, true) - packets(size, false);
        }
        count
    }

    fn sounds(&self, timeline: &Timeline, samples: Range<u32>, frames: u32) -> u64 {
        let none = SoundUnit { first: 0, frames: 0, bytes: 0, longest: 0, times: Times { pts: 0, dts: 0 } };
        let (mut count, mut sound) = (0, none);
        timeline.each_size(samples, |size| {
            sound.frames += 1;
            sound.bytes += u64::from(size) + u64::from(adts::HEADER);
            if sound.frames == frames {
                count += self.shape.packets(Unit::Sound(sound));
                sound = none;
            }
        });
        if sound.frames > 0 {
            count += self.shape.packets(Unit::Sound(sound));
        }
        count
    }
}

/// Decode times of samples `first` and `last`; `None` if they exceed [`TIME_LIMIT`].
fn between(timeline: &Timeline, first: u32, last: u32) -> Option<Between> {
    let decoded = |number| units::unedited(timeline, number).nearest_at_90k(timeline.timescale());
    let between = Between { first: decoded(first), last: decoded(last) };
    (between.first.unsigned_abs() < TIME_LIMIT && between.last.unsigned_abs() < TIME_LIMIT).then_some(between)
}

/// Decode times of the first and the last of `pictures`; `None` if one may be decoded more than [`CLOCK_INTERVAL`]
/// after the one before it.
fn steady(timeline: &Timeline, pictures: &Range<u32>) -> Option<Between> {
    let longest = Exact::of(timeline.longest_duration(pictures.start..pictures.end - 1), timeline.timescale());
    (longest.ceil() <= CLOCK_INTERVAL).then(|| between(timeline, pictures.start, pictures.end - 1)).flatten()
}

/// Number of frames in each unit of `sounds` except the last; `None` if the numbers differ or are not known to be
/// equal.
fn grouped(timeline: &Timeline, sounds: &Range<u32>, counted: Ratio) -> Option<u32> {
    let duration = timeline.constant_duration(sounds.clone()).filter(|_| !timeline.reorders())?;
    let longest = timeline.greatest_size(sounds.clone());
    let within = |frames: u32| u64::from(frames) * u64::from(longest + adts::HEADER) <= SOUND_LIMIT;
    let steady = Exact::of(u64::from(duration), timeline.timescale()).ceil() <= CLOCK_INTERVAL;
    if longest > adts::FRAME_LIMIT || !steady {
        return None;
    }
    for frames in 1..=FRAMES_LIMIT {
        // Whether one more frame joins a unit of `frames`: the difference of two rounded times is the exact difference,
        // rounded up or down.
        let ends = Exact::of(u64::from(duration) * u64::from(frames + 1), timeline.timescale());
        let begins = Exact::of(u64::from(duration) * u64::from(frames), timeline.timescale());
        let off = [begins.floor() - counted.lasting(frames), begins.ceil() - counted.lasting(frames)];
        let joins = frames < FRAMES_LIMIT && ends.ceil() <= CLOCK_INTERVAL && off.iter().all(|off| off.abs() <= 1);
        let parts = frames == FRAMES_LIMIT || ends.floor() > CLOCK_INTERVAL || off.iter().all(|off| off.abs() > 1);
        match (joins, parts) {
            (_, true) => return Some(frames),
            (true, false) if within(frames + 1) => {}
            (true | false, false) => return None,
        }
    }
    None
}

/// A span at 90 kHz, as an exact fraction.
#[derive(Debug, Clone, Copy)]
struct Exact {
    numerator: u64,
    denominator: u64,
}

impl Exact {
    /// `ticks` below 2³⁸ of `timescale`.
    fn of(ticks: u64, timescale: Timescale) -> Self {
        Self { numerator: ticks.saturating_mul(90_000), denominator: u64::from(timescale.get()) }
    }

    fn floor(self) -> i64 {
        crate::media::i64_from_u64(self.numerator / self.denominator)
    }

    fn ceil(self) -> i64 {
        crate::media::i64_from_u64(self.numerator.div_ceil(self.denominator))
    }
}

/// Number of clocks between one at `from` and `to`, [`CLOCK_INTERVAL`] apart; at most `limit`.
fn clocks(from: i64, to: i64, limit: u32) -> u64 {
    let apart = to.saturating_sub(from).saturating_sub(1);
    u64::try_from(apart.div_euclid(CLOCK_INTERVAL)).unwrap_or(0).min(u64::from(limit))
}

/// Number of separate clock packets in a segment whose pictures carry clocks.
fn clocks_of_pictures(pictures: Option<Between>, sounds: Option<Between>, until: Option<i64>) -> u64 {
    let early = sounds.filter(|sounds| pictures.is_none_or(|pictures| sounds.first < pictures.first));
    // After the last picture of the last segment, clocks continue until the sound ends.
    let end = until.or(sounds.map(|sounds| sounds.last.saturating_add(1)));
    let (from, limit) = match (pictures, early) {
        (Some(pictures), _) => (pictures.last, CLOCKS_LIMIT),
        (None, Some(early)) => (early.first, CLOCKS_LIMIT - 1),
        (None, None) => return 0,
    };
    let behind = end.map_or(0, |end| clocks(from, end, limit));
    let before =
        early.zip(pictures).map_or(0, |(early, pictures)| clocks(early.first, pictures.first, CLOCKS_LIMIT - 1));
    u64::from(early.is_some()) + before + behind
}

#[cfg(test)]
#[path = "../../../tests/support/movie.rs"]
#[allow(dead_code, clippy::duplicate_mod, clippy::pedantic, clippy::as_conversions, reason = "shared with tests/")]
mod movie;

#[cfg(test)]
mod tests {
    use super::movie::{Frame, Reel, SOUND, audio, source, video};
    use super::{Counter, Shape, Tally, units};
    use crate::media::Packaging;
    use crate::media::{Edit, Kind, Moment, Ticks};
    use crate::plan::{Plan, Settings, Stream};
    use proptest::prelude::{Just, Strategy, any, prop, prop_assert_eq, prop_oneof, proptest};

    /// Pictures of mostly the same duration; a few have a random one.
    fn pictures() -> impl Strategy<Value = Reel> {
        let usual = prop_oneof![Just(1_000_u32), Just(2_999), Just(33)];
        let odd = prop_oneof![20 => Just(None), 1 => (0_u32..90_000).prop_map(Some)];
        let frames = prop::collection::vec((odd, 0_u32..2_000, prop::bool::weighted(0.1)), 1..600);
        let more = (usual, 1_000_u32..90_001, 0_i64..400, any::<bool>(), any::<bool>());
        (frames, more).prop_map(|(frames, (usual, timescale, delay, all, reorder))| {
            let frame = |(at, (odd, size, sync)): (usize, (Option<u32>, u32, bool))| Frame {
                duration: odd.unwrap_or(usual),
                offset: if reorder { [1_000, 4_000, 2_000, 0][at % 4] } else { 0 },
                size,
                sync: all || sync || at == 0,
            };
            let edit = Edit { delay: Moment::from_millis(delay), media_time: Ticks(0), length: None };
            let frames = frames.into_iter().enumerate().map(frame).collect();
            Reel { timescale, frames, edit, ..video(10, 1, |_| true) }
        })
    }

    /// Audio frames of mostly the same duration, usually that of the sample rate; a few have a random duration or size.
    fn sounds() -> impl Strategy<Value = Reel> {
        let scale = prop_oneof![6 => Just((48_000, 1_024)), 1 => Just((44_100, 1_024)), 1 => Just((90_000, 1_920)),
            1 => Just((1_000, 21)), 1 => (1_000_u32..90_000, 0_u32..20_000)];
        let odd = prop_oneof![400 => Just(None), 1 => (0_u32..9_000).prop_map(Some)];
        let frames = prop::collection::vec((odd.clone(), odd, 0_u32..900), 1..900);
        (frames, scale, 0_i64..4_000).prop_map(|(frames, (timescale, duration), delay)| {
            let frame = |(odd, large, size): (Option<u32>, Option<u32>, u32)| Frame {
                duration: odd.unwrap_or(duration),
                offset: 0,
                size: large.unwrap_or(size),
                sync: true,
            };
            let edit = Edit { delay: Moment::from_millis(delay), media_time: Ticks(0), length: None };
            Reel { kind: Kind::Audio(SOUND), timescale, frames: frames.into_iter().map(frame).collect(), edit }
        })
    }

    /// Asserts that counting in bulk agrees with counting units in all slices. Returns how many slices were counted in
    /// bulk, and the number of slices.
    fn agreed(stream: Stream<'_>, target_millis: u32) -> (usize, usize) {
        let (program, shape) = (stream.program(target_millis), Shape::of(stream));
        let nexts = program.slices().iter().skip(1).map(Some).chain([None]);
        let agrees = |(slice, next): (&_, Option<&_>)| {
            let until = next.and_then(|next| units::first_decoded(stream, next));
            let slow = Tally::of_units(&shape, units::units(stream, slice, until));
            let fast = Counter::new(stream, shape).tally(slice, until);
            assert_eq!(fast.unwrap_or(slow), slow, "{slice:?} until {until:?}");
            fast.is_some()
        };
        let count = program.slices().iter().zip(nexts).filter(|pair| agrees(*pair)).count();
        (count, program.slices().len())
    }

    proptest! {
        #[test]
        fn counting_in_bulk_agrees_with_the_units(pictures in pictures(), sounds in sounds(), target in 1_000_u32..7_000) {
            let Ok(plan) = Plan::new(&[source(&[pictures, sounds])], 0, Settings { target_millis: target }) else {
                return Ok(());
            };
            let [video, audio] = plan.tracks() else { panic!("two tracks") };
            for stream in [Stream::muxed(video, audio).unwrap(), Stream::alone(Packaging::Ts, video), Stream::alone(Packaging::Ts, audio)] {
                agreed(stream, target);
            }
        }

        #[test]
        fn what_encoders_write_is_counted_in_bulk(fps in 11_u32..120, frames in 1_u32..900, sounds in 1_u32..1_200) {
            let films = [source(&[video(fps, frames, |at| at % 60 == 0), audio(sounds)])];
            let plan = Plan::new(&films, 0, Settings { target_millis: 6_000 }).unwrap();
            let (counted, slices) = agreed(Stream::muxed(&plan.tracks()[0], &plan.tracks()[1]).unwrap(), 6_000);
            prop_assert_eq!(counted, slices);
        }
    }
}
