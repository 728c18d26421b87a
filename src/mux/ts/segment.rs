//! The recipe of one transport stream segment: its packets, the stored bytes they need, and how to build them.

use super::adts::Adts;
use super::chunks::Chunks;
use super::packets::Packets;
use super::psi;
use super::transport::{Continuity, START_CODE, Shape};
use super::units::Unit;
use super::write::Writer;
use crate::media::{Family, MediaKind, u64_from_usize, usize_from_u64};
use crate::mux::recipe::{Length, Reads};
use crate::plan::{Stream, Timeline};
use bytes::{Buf, Bytes, BytesMut};
use std::ops::Range;

/// Bytes of PAT and PMT.
const TABLES: u64 = 2 * PACKET_U64;
const PACKET_U64: u64 = 188;

/// The recipe of one segment of a transport stream.
#[derive(Debug, Clone)]
pub struct Packetized {
    units: Vec<Placed>,
    pub(super) shape: Shape,
    tables: u8,
    pub(super) video: Option<Video>,
    pub(super) audio: Option<Audio>,
    packets: u64,
}

/// Parameters for building pictures.
#[derive(Debug, Clone)]
pub(super) struct Video {
    timeline: Timeline,
    pub(super) sets: Bytes,
}

/// Parameters for building sound.
#[derive(Debug, Clone)]
pub(super) struct Audio {
    pub(super) timeline: Timeline,
    pub(super) adts: Adts,
}

/// A unit and its place in the segment.
#[derive(Debug, Clone, Copy)]
pub(super) struct Placed {
    pub(super) unit: Unit,
    /// Number of packets before it in the segment.
    pub(super) packet: u64,
    /// The continuity counter of its first packet.
    pub(super) continuity: u8,
}

impl Packetized {
    pub(super) fn new(
        stream: Stream<'_>,
        units: impl Iterator<Item = Unit>,
        mut begin: Continuity,
        tables: u8,
    ) -> Self {
        let shape = Shape::of(stream);
        let mut packets = TABLES / PACKET_U64;
        let placed = units.map(|unit| {
            let continuity = match unit {
                Unit::Picture(_) => begin.video,
                Unit::Sound(_) => begin.audio,
                Unit::Clock(_) if shape.carried.video => begin.video.wrapping_sub(1),
                Unit::Clock(_) => begin.audio.wrapping_sub(1),
            };
            let placed = Placed { unit, packet: packets, continuity };
            packets += shape.packets(unit);
            begin.pass(unit, shape.packets(unit));
            placed
        });
        let units = placed.collect();
        let video = stream.video().and_then(|track| match &track.track().codec.family {
            Family::H264 { parameter_sets, .. } => {
                Some(Video { timeline: track.timeline.clone(), sets: parameter_sets.clone() })
            }
            Family::H265 { .. } | Family::Aac(_) | Family::Other => None,
        });
        let audio = stream.audio().and_then(|track| match &track.track().codec.family {
            Family::Aac(aac) => Adts::new(*aac).map(|adts| Audio { timeline: track.timeline.clone(), adts }),
            Family::H264 { .. } | Family::H265 { .. } | Family::Other => None,
        });
        Self { units, shape, tables, video, audio, packets }
    }

    /// The length of the whole segment in bytes.
    #[must_use]
    pub const fn length(&self) -> Length {
        if self.shape.nal_length < START_CODE {
            return Length::AfterBuild;
        }
        Length::Exact(self.packets * PACKET_U64)
    }

    /// Bytes of the whole segment; an estimate if the length is known only after building it.
    #[must_use]
    pub const fn estimate(&self) -> u64 {
        self.packets * PACKET_U64
    }

    /// End of a build step that begins at byte `from` and covers about `bytes` bytes, at least one unit. It is the end
    /// of a unit, so that no unit is built twice.
    #[must_use]
    pub fn step_end(&self, from: u64, bytes: u64) -> u64 {
        let behind = self.units.partition_point(|unit| unit.packet * PACKET_U64 <= from.saturating_add(bytes));
        let last = self.starts(behind.saturating_sub(1));
        if behind < self.units.len() && last > from { last } else { self.starts(behind) }
    }

    /// Offset of unit number `at` in the segment, in bytes; the end of the segment if there is no such unit.
    fn starts(&self, at: usize) -> u64 {
        self.units.get(at).map_or(self.packets, |unit| unit.packet) * PACKET_U64
    }

    /// Summary of each track in the segment: its first times and continuity counter, and its packets. Video first.
    #[must_use]
    pub fn outline(&self) -> Vec<Outline> {
        let mut outlines: Vec<Outline> = Vec::new();
        for placed in &self.units {
            let (kind, times) = match placed.unit {
                Unit::Picture(picture) => (MediaKind::Video, picture.times),
                Unit::Sound(sound) => (MediaKind::Audio, sound.times),
                Unit::Clock(_) => continue,
            };
            let packets = self.shape.packets(placed.unit);
            match outlines.iter_mut().find(|outline| outline.kind == kind) {
                Some(outline) => outline.packets += packets,
                None => outlines.push(Outline {
                    kind,
                    pts: times.pts,
                    dts: times.dts,
                    continuity_counter: placed.continuity & 0xf,
                    packets,
                }),
            }
        }
        outlines.sort_by_key(|outline| outline.kind == MediaKind::Audio);
        outlines
    }

    /// The window of the whole segment.
    #[must_use]
    pub fn whole(&self) -> PacketWindow<'_> {
        PacketWindow { recipe: self, units: &self.units, tables: true, bytes: self.estimate(), skip: 0, take: u64::MAX }
    }

    /// The window of bytes `range`, clamped to the segment: builds only the units that these bytes belong to. The whole
    /// segment if its length is known only after building it.
    #[must_use]
    pub fn window(&self, range: Range<u64>) -> PacketWindow<'_> {
        if self.length() == Length::AfterBuild {
            return self.whole();
        }
        let end = range.end.min(self.packets * PACKET_U64);
        let start = range.start.min(end);
        let (first, last) = (start / PACKET_U64, end.div_ceil(PACKET_U64));
        let from = self.units.partition_point(|unit| unit.packet <= first).saturating_sub(1);
        let to = self.units.partition_point(|unit| unit.packet < last).max(from);
        let units = self.units.get(from..to).unwrap_or_default();
        let tables = start < TABLES;
        let begins = if tables { 0 } else { self.starts(from) };
        let bytes = self.starts(to) - begins;
        PacketWindow { recipe: self, units, tables, bytes, skip: start - begins, take: end - start }
    }
}

/// Summary of one track in a segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Outline {
    /// Video or audio.
    pub kind: MediaKind,
    /// Presentation time of its first unit, at 90 kHz, `SHIFT` included; written modulo 2³³.
    pub pts: i64,
    /// Decode time of its first unit, at 90 kHz, `SHIFT` included; written modulo 2³³.
    pub dts: i64,
    /// The continuity counter of its first packet, 0 to 15.
    pub continuity_counter: u8,
    /// Number of packets with payload; an estimate if the length is known only after building.
    pub packets: u64,
}

/// A byte range of a segment, and the units to build for it.
#[derive(Debug, Clone, Copy)]
pub struct PacketWindow<'a> {
    recipe: &'a Packetized,
    units: &'a [Placed],
    tables: bool,
    /// Bytes of the units to build; an estimate if the length is known only after building.
    bytes: u64,
    /// Built bytes before the window.
    skip: u64,
    /// Bytes of the window.
    take: u64,
}

impl PacketWindow<'_> {
    /// The stored bytes needed to build it.
    #[must_use]
    pub fn reads(&self) -> Reads {
        let stored = |timeline: &Timeline, samples: Range<u32>| {
            let (_, stored) = timeline.stored_range(samples);
            timeline.track().index.ranges(stored).collect()
        };
        let (video, audio) = (self.recipe.video.as_ref(), self.recipe.audio.as_ref());
        let video = video.map(|video| stored(&video.timeline, self.samples(Unit::pictures)));
        let audio = audio.map(|audio| stored(&audio.timeline, self.samples(Unit::sounds)));
        match video {
            Some(first) => Reads { first, second: audio.unwrap_or_default() },
            None => Reads { first: audio.unwrap_or_default(), second: Vec::new() },
        }
    }

    /// The samples of one track in the window, which are consecutive. `of` returns the samples of a unit.
    fn samples(&self, of: impl Fn(Unit) -> Option<Range<u32>>) -> Range<u32> {
        let mut units = self.units.iter().filter_map(|placed| of(placed.unit));
        let first = units.next().unwrap_or_default();
        let last = units.next_back().unwrap_or_else(|| first.clone());
        first.start..last.end
    }

    /// Its bytes, in chunks of at most [`CHUNK`](super::CHUNK) bytes, built from the stored bytes of the stream's first and
    /// second track. A chunk is written into what `room` gives for so many bytes.
    #[must_use]
    pub fn build(&self, first: Chunks, second: Chunks, mut room: impl FnMut(usize) -> BytesMut) -> Vec<Bytes> {
        let out = Packets::new(usize_from_u64(self.bytes), &mut room);
        let (video, audio) = if self.recipe.video.is_some() { (first, second) } else { (Chunks::default(), first) };
        let mut writer = Writer { recipe: self.recipe, out, video, audio, spread: 0 };
        if self.tables {
            psi::tables(&mut writer.out, self.recipe.shape.carried, self.recipe.tables);
        }
        if self.recipe.length() == Length::AfterBuild {
            writer.growing(self.units);
        } else {
            self.units.iter().for_each(|placed| writer.unit(*placed));
        }
        cut(writer.out.finish(), self.skip, self.take)
    }
}

/// Drops the first `skip` bytes of `chunks` and keeps the next `take`.
fn cut(chunks: Vec<Bytes>, mut skip: u64, mut take: u64) -> Vec<Bytes> {
    let mut kept = Vec::with_capacity(chunks.len());
    for mut chunk in chunks {
        let before = skip.min(u64_from_usize(chunk.len()));
        chunk.advance(usize_from_u64(before));
        chunk.truncate(usize::try_from(take).unwrap_or(usize::MAX));
        skip -= before;
        take -= u64_from_usize(chunk.len());
        if !chunk.is_empty() {
            kept.push(chunk);
        }
    }
    kept
}
