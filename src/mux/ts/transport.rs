//! The layout of a transport stream: the length of each segment, and the continuity counters it begins with.

use super::count::{Counter, Tally};
use super::fit::{self, Unfit};
use super::packets::{self, PACKET};
use super::pes::Stamps;
use super::psi::Carried;
use super::segment::Packetized;
use super::units::{self, PictureUnit, Unit};
use crate::media::{Family, u64_from_usize, usize_from_u32};
use crate::plan::{Planned, Program, Slice, Stream};

/// Bytes of our access unit delimiter.
pub(super) const DELIMITER: u64 = 6;

/// Bytes of a start code. Only length fields of this size can be replaced without changing the length of NAL units.
pub(super) const START_CODE: u8 = 4;

/// Estimated number of NAL units in a sample with length fields shorter than a start code.
const ASSUMED_UNITS: u64 = 16;

/// The lengths of all segments of a transport stream. Computing it visits all sample sizes; it takes 64 bytes of memory
/// for each segment.
#[derive(Debug, Clone)]
pub struct Transport {
    program: Program,
    counts: Vec<Count>,
}

/// Length and first continuity counters of one segment.
#[derive(Debug, Clone, Copy)]
struct Count {
    bytes: u64,
    continuity: Continuity,
}

/// Continuity counters of the next packet with payload, modulo 16.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Continuity {
    pub(super) video: u8,
    pub(super) audio: u8,
}

/// Properties of a stream that, with the samples, determine the lengths of units.
#[derive(Debug, Clone, Copy)]
pub(super) struct Shape {
    pub(super) carried: Carried,
    pub(super) video: Stamps,
    pub(super) audio: Stamps,
    /// Bytes of the parameter sets before each sync sample.
    sets: u64,
    /// Bytes of each length field in samples.
    pub(super) nal_length: u8,
}

impl Transport {
    /// Computes the layout of `stream`, which are cut on a grid of `target_millis` after the end of the video. Fails
    /// if MPEG-TS cannot carry a track, or a segment would be too long.
    pub fn new(stream: Stream<'_>, target_millis: u32) -> Result<Self, Unfit> {
        stream.tracks().try_for_each(fit::fit)?;
        let (program, shape) = (stream.program(target_millis), Shape::of(stream));
        let mut counts = Vec::with_capacity(program.slices().len());
        let (counter, mut continuity) = (Counter::new(stream, shape), Continuity::default());
        let nexts = program.slices().iter().skip(1).map(Some).chain([None]);
        for (slice, next) in program.slices().iter().zip(nexts) {
            let until = next.and_then(|next| units::first_decoded(stream, next));
            let begin = continuity;
            let tally = counter
                .tally(slice, until)
                .unwrap_or_else(|| Tally::of_units(&shape, units::units(stream, slice, until)));
            if let Some(bytes) = tally.too_long {
                return Err(too_long(stream, bytes));
            }
            // PAT and PMT precede all units.
            let packets = 2 + tally.packets();
            continuity.advance(&tally);
            if shape.nal_length < START_CODE {
                continuity.video = 0;
            }
            let bytes = packets * u64_from_usize(PACKET);
            if bytes > fit::SEGMENT_LIMIT {
                return Err(Unfit::Segment { file: stream.first().file.clone(), segment: counts.len() + 1, bytes });
            }
            counts.push(Count { bytes, continuity: begin });
        }
        Ok(Self { program, counts })
    }

    /// The samples of each segment.
    #[must_use]
    pub const fn program(&self) -> &Program {
        &self.program
    }

    /// The lengths of its segments in bytes; estimates if NAL units grow.
    pub fn lengths(&self) -> impl Iterator<Item = u64> + '_ {
        self.counts.iter().map(|count| count.bytes)
    }

    /// The recipe of segment `number`, from 1; `None` if there is no such segment. `stream` must be those that this
    /// layout was computed from.
    #[must_use]
    pub fn recipe(&self, stream: Stream<'_>, number: u32) -> Option<Packetized> {
        let slice = self.program.slice(number)?;
        let next: Option<&Slice> = number.checked_add(1).and_then(|next| self.program.slice(next));
        let until = next.and_then(|next| units::first_decoded(stream, next));
        let count = self.counts.get(usize_from_u32(number - 1))?;
        // PAT and PMT have one packet each in every segment, so their counter is the number of segments before.
        let [.., tables] = (number - 1).to_be_bytes();
        Some(Packetized::new(stream, units::units(stream, slice, until), count.continuity, tables))
    }

    /// Bytes of memory that it takes.
    #[must_use]
    pub const fn heap_bytes(&self) -> usize {
        self.counts.len() * (size_of::<Count>() + size_of::<Slice>())
    }
}

fn too_long(stream: Stream<'_>, bytes: u32) -> Unfit {
    let (file, track) = stream.audio().map(|track| (track.file.clone(), track.name.id)).unwrap_or_default();
    Unfit::Frame { file, track, bytes }
}

impl Continuity {
    /// Advances past a whole segment.
    fn advance(&mut self, tally: &Tally) {
        let behind = |counter: u8, packets: u64| {
            let [.., packets] = packets.to_be_bytes();
            counter.wrapping_add(packets) & 0xf
        };
        (self.video, self.audio) = (behind(self.video, tally.video), behind(self.audio, tally.audio));
    }

    /// Advances past `unit`, which has `packets` packets.
    pub(super) fn pass(&mut self, unit: Unit, packets: u64) {
        let [.., packets] = packets.to_be_bytes();
        match unit {
            Unit::Picture(_) => self.video = self.video.wrapping_add(packets) & 0xf,
            Unit::Sound(_) => self.audio = self.audio.wrapping_add(packets) & 0xf,
            Unit::Clock(_) => {}
        }
    }
}

impl Shape {
    pub(super) fn of(stream: Stream<'_>) -> Self {
        let stamps = |track: Option<&Planned>| {
            let reorders = track.is_some_and(|track| track.timeline.reorders());
            if reorders { Stamps::Two } else { Stamps::One }
        };
        let (nal_length, sets) = match stream.video().map(|track| &track.track().codec.family) {
            Some(Family::H264 { nal_length, parameter_sets }) => (*nal_length, u64_from_usize(parameter_sets.len())),
            Some(Family::H265 { .. } | Family::Aac(_) | Family::Other) | None => (START_CODE, 0),
        };
        let carried = Carried { video: stream.video().is_some(), audio: stream.audio().is_some() };
        Self { carried, video: stamps(stream.video()), audio: stamps(stream.audio()), sets, nal_length }
    }

    /// Bytes of a unit with its header, computed from the index; an estimate if NAL units grow.
    pub(super) fn bytes(&self, unit: Unit) -> u64 {
        match unit {
            Unit::Picture(picture) => {
                let media = u64::from(picture.size);
                if self.nal_length >= START_CODE {
                    return self.picture_bytes(picture, media);
                }
                let growth = u64::from(START_CODE - self.nal_length);
                let units = (media / (u64::from(self.nal_length) + 1)).min(ASSUMED_UNITS);
                self.picture_bytes(picture, media + growth * units)
            }
            Unit::Sound(sound) => self.audio.header() + sound.bytes,
            Unit::Clock(_) => 0,
        }
    }

    /// Bytes of a picture with its header, of which its NAL units and start codes are `media` bytes.
    pub(super) fn picture_bytes(&self, picture: PictureUnit, media: u64) -> u64 {
        self.video.header() + DELIMITER + if picture.sync { self.sets } else { 0 } + media
    }

    /// Number of packets of a unit.
    pub(super) fn packets(&self, unit: Unit) -> u64 {
        let clock = match unit {
            Unit::Picture(_) => true,
            Unit::Sound(_) => !self.carried.video,
            Unit::Clock(_) => return 1,
        };
        packets::packets(self.bytes(unit), clock)
    }
}
