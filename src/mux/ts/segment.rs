//! One transport stream segment: which packets it has, which bytes they need, and the packets made of them.

use super::adts::Adts;
use super::chunks::Chunks;
use super::packets::Packets;
use super::psi;
use super::transport::{Continuity, START_CODE, Shape};
use super::units::Unit;
use super::write::Writer;
use crate::media::{ByteRange, Family, MediaKind, u64_from_usize, usize_from_u64};
use crate::mux::recipe::Length;
use crate::plan::{Streams, Timeline};
use bytes::{Buf, Bytes, BytesMut};
use std::ops::Range;

/// Bytes of PAT and PMT.
const TABLES: u64 = 2 * PACKET_U64;
const PACKET_U64: u64 = 188;

/// How to make one segment of a transport stream.
#[derive(Debug, Clone)]
pub struct TsRecipe {
    units: Vec<Placed>,
    pub(super) shape: Shape,
    tables: u8,
    pub(super) video: Option<Video>,
    pub(super) audio: Option<Audio>,
    packets: u64,
}

/// What pictures are made with.
#[derive(Debug, Clone)]
pub(super) struct Video {
    timeline: Timeline,
    pub(super) sets: Bytes,
}

/// What sound is made with.
#[derive(Debug, Clone)]
pub(super) struct Audio {
    pub(super) timeline: Timeline,
    pub(super) adts: Adts,
}

/// A unit in its place.
#[derive(Debug, Clone, Copy)]
pub(super) struct Placed {
    pub(super) unit: Unit,
    /// Packets of the segment before it.
    pub(super) packet: u64,
    /// The continuity counter of its first packet.
    pub(super) continuity: u8,
}

impl TsRecipe {
    pub(super) fn new(
        streams: Streams<'_>,
        units: impl Iterator<Item = Unit>,
        mut begin: Continuity,
        tables: u8,
    ) -> Self {
        let shape = Shape::of(streams);
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
        let video = streams.video().and_then(|track| match &track.track().codec.family {
            Family::H264 { parameter_sets, .. } => {
                Some(Video { timeline: track.timeline.clone(), sets: parameter_sets.clone() })
            }
            Family::H265 { .. } | Family::Aac(_) | Family::Other => None,
        });
        let audio = streams.audio().and_then(|track| match &track.track().codec.family {
            Family::Aac(aac) => Adts::new(*aac).map(|adts| Audio { timeline: track.timeline.clone(), adts }),
            Family::H264 { .. } | Family::H265 { .. } | Family::Other => None,
        });
        Self { units, shape, tables, video, audio, packets }
    }

    /// The length of the whole segment in bytes.
    #[must_use]
    pub const fn length(&self) -> Length {
        if self.shape.nal_length < START_CODE {
            return Length::AfterMake;
        }
        Length::Exact(self.packets * PACKET_U64)
    }

    /// Bytes of the whole segment, assumed where its length is known after it is made only.
    #[must_use]
    pub const fn assumed(&self) -> u64 {
        self.packets * PACKET_U64
    }

    /// Where a step that begins at byte `from` ends: about `bytes` further, where a unit does, so that no unit is made
    /// twice; behind the first unit at least.
    #[must_use]
    pub fn step(&self, from: u64, bytes: u64) -> u64 {
        let behind = self.units.partition_point(|unit| unit.packet * PACKET_U64 <= from.saturating_add(bytes));
        let last = self.starts(behind.saturating_sub(1));
        if behind < self.units.len() && last > from { last } else { self.starts(behind) }
    }

    /// Bytes of the segment before unit `at`, all of them where there is none.
    fn starts(&self, at: usize) -> u64 {
        self.units.get(at).map_or(self.packets, |unit| unit.packet) * PACKET_U64
    }

    /// The first packet, the number of packets and the times of each track's units in the segment, video first.
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

    /// What makes the whole segment.
    #[must_use]
    pub fn whole(&self) -> Window<'_> {
        Window { recipe: self, units: &self.units, tables: true, bytes: self.assumed(), skip: 0, take: u64::MAX }
    }

    /// What makes bytes `range` of the segment, as far as it reaches: the units that these bytes are of. The whole where
    /// the length is known only after it is made.
    #[must_use]
    pub fn window(&self, range: Range<u64>) -> Window<'_> {
        if self.length() == Length::AfterMake {
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
        Window { recipe: self, units, tables, bytes, skip: start - begins, take: end - start }
    }
}

/// What a segment has of one track.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Outline {
    /// Whether it is seen or heard.
    pub kind: MediaKind,
    /// When its first unit is presented, at 90 kHz, `SHIFT` included; written modulo 2³³.
    pub pts: i64,
    /// When its first unit is decoded, likewise.
    pub dts: i64,
    /// The continuity counter of its first packet, 0 to 15.
    pub continuity_counter: u8,
    /// How many packets with payload; assumed where the length is known after making only.
    pub packets: u64,
}

/// Some bytes of a segment: what they are made of, and how.
#[derive(Debug, Clone, Copy)]
pub struct Window<'a> {
    recipe: &'a TsRecipe,
    units: &'a [Placed],
    tables: bool,
    /// Bytes of what is made, assumed where they are known after it is made only.
    bytes: u64,
    /// Those of them that stand before the window.
    skip: u64,
    /// Bytes of the window.
    take: u64,
}

/// Which stored bytes are needed, in this order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Reads {
    /// Of the video track's object.
    pub video: Vec<ByteRange>,
    /// Of the audio track's object.
    pub audio: Vec<ByteRange>,
}

impl Window<'_> {
    /// The stored bytes that it is made of.
    #[must_use]
    pub fn reads(&self) -> Reads {
        let stored = |timeline: &Timeline, samples: Range<u32>| {
            let (_, stored) = timeline.stored_range(samples);
            timeline.track().index.ranges(stored).collect()
        };
        let (video, audio) = (self.recipe.video.as_ref(), self.recipe.audio.as_ref());
        Reads {
            video: video.map(|video| stored(&video.timeline, self.samples(Unit::pictures))).unwrap_or_default(),
            audio: audio.map(|audio| stored(&audio.timeline, self.samples(Unit::sounds))).unwrap_or_default(),
        }
    }

    /// The samples of one track: its units hold them one behind the other.
    fn samples(&self, of: impl Fn(Unit) -> Option<Range<u32>>) -> Range<u32> {
        let mut units = self.units.iter().filter_map(|placed| of(placed.unit));
        let first = units.next().unwrap_or_default();
        let last = units.next_back().unwrap_or_else(|| first.clone());
        first.start..last.end
    }

    /// Its bytes, in chunks of at most [`CHUNK`](super::CHUNK) bytes, made from what [`Self::reads`] asks for. A chunk is
    /// written into what `room` gives for so many bytes: memory of that capacity, of whose content nothing is kept.
    #[must_use]
    pub fn bake(&self, video: Chunks, audio: Chunks, mut room: impl FnMut(usize) -> BytesMut) -> Vec<Bytes> {
        let out = Packets::new(usize_from_u64(self.bytes), &mut room);
        let mut writer = Writer { recipe: self.recipe, out, video, audio, spread: 0 };
        if self.tables {
            psi::tables(&mut writer.out, self.recipe.shape.carried, self.recipe.tables);
        }
        if self.recipe.length() == Length::AfterMake {
            writer.growing(self.units);
        } else {
            self.units.iter().for_each(|placed| writer.unit(*placed));
        }
        cut(writer.out.finish(), self.skip, self.take)
    }
}

/// `take` bytes of `chunks` behind the first `skip`.
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
