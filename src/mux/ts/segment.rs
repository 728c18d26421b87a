//! One transport stream segment: which packets it has, which bytes they need, and the packets made of them.

use super::adts::Adts;
use super::packets::{self, Clock, Packets, Pid};
use super::pes;
use super::psi;
use super::transport::{Continuity, START_CODE, Shape};
use super::units::{CLOCK_INTERVAL, Picture, Sound, Unit};
use crate::media::{ByteRange, Family, MediaKind, u64_from_usize, usize_from_u32, usize_from_u64};
use crate::mux::recipe::Length;
use crate::plan::{Streams, Timeline};
use bytes::{Buf, Bytes};
use std::ops::Range;

/// An access unit delimiter: any slice types (Rec. ITU-T H.264 §7.3.2.4).
const DELIMITER: [u8; 6] = [0, 0, 0, 1, 9, 0xf0];
/// nal_unit_type of an access unit delimiter.
const DELIMITER_TYPE: u8 = 9;
/// Bytes of PAT and PMT.
const TABLES: u64 = 2 * PACKET_U64;
const PACKET_U64: u64 = 188;

/// How to make one segment of a transport stream.
#[derive(Debug, Clone)]
pub struct TsRecipe {
    units: Vec<Placed>,
    shape: Shape,
    tables: u8,
    video: Option<Video>,
    audio: Option<Audio>,
    packets: u64,
}

#[derive(Debug, Clone)]
struct Video {
    timeline: Timeline,
    sets: Bytes,
}

#[derive(Debug, Clone)]
struct Audio {
    timeline: Timeline,
    adts: Adts,
}

/// A unit in its place.
#[derive(Debug, Clone, Copy)]
struct Placed {
    unit: Unit,
    /// Packets of the segment before it.
    packet: u64,
    /// The continuity counter of its first packet.
    continuity: u8,
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
        Window { recipe: self, units: &self.units, tables: true, skip: 0, take: u64::MAX }
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
        let begins = match units.first() {
            Some(first) if !tables => first.packet * PACKET_U64,
            Some(_) | None => 0,
        };
        Window { recipe: self, units, tables, skip: start - begins, take: end - start }
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
    /// Bytes of what is made that stand before the window.
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
        let mut reads = Reads::default();
        for placed in self.units {
            match (placed.unit, &self.recipe.video, &self.recipe.audio) {
                (Unit::Picture(picture), Some(video), _) => {
                    push_stored(&mut reads.video, &video.timeline, picture.number..picture.number + 1);
                }
                (Unit::Sound(sound), _, Some(audio)) => {
                    push_stored(&mut reads.audio, &audio.timeline, sound.first..sound.first + sound.frames);
                }
                _ => {}
            }
        }
        reads
    }

    /// Its bytes, in chunks of at most 256 KiB, made from what [`Self::reads`] asks for.
    #[must_use]
    pub fn bake(&self, video: Chunks, audio: Chunks) -> Vec<Bytes> {
        let promised = self.recipe.packets * PACKET_U64;
        let mut writer = Writer {
            recipe: self.recipe,
            out: Packets::new(usize_from_u64(promised.min(self.skip.saturating_add(self.take)))),
            video,
            audio,
            spread: 0,
        };
        if self.tables {
            psi::tables(writer.out.tables(), self.recipe.shape.carried, self.recipe.tables);
        }
        if self.recipe.length() == Length::AfterMake {
            writer.growing(self.units);
        } else {
            self.units.iter().for_each(|placed| writer.unit(*placed));
        }
        cut(writer.out.finish(), self.skip, self.take)
    }
}

fn push_stored(reads: &mut Vec<ByteRange>, timeline: &Timeline, samples: Range<u32>) {
    let (_, stored) = timeline.stored_range(samples);
    for range in timeline.track().index.ranges(stored) {
        match reads.last_mut().and_then(|last| last.joined(range).map(|both| (last, both))) {
            Some((last, both)) => *last = both,
            None => reads.push(range),
        }
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

/// Stored bytes, taken from the front. Behind their end come zeros.
#[derive(Debug, Clone, Default)]
pub struct Chunks {
    chunks: std::vec::IntoIter<Bytes>,
    current: Bytes,
}

impl Chunks {
    /// All bytes of `chunks`.
    #[must_use]
    pub fn new(chunks: Vec<Bytes>) -> Self {
        Self { chunks: chunks.into_iter(), current: Bytes::new() }
    }

    /// Passes the next `len` bytes to `each`, part by part.
    fn pass(&mut self, len: u64, mut each: impl FnMut(&[u8])) {
        let mut left = usize_from_u64(len);
        while left > 0 {
            if self.current.is_empty() {
                self.current = self.chunks.find(|chunk| !chunk.is_empty()).unwrap_or(Bytes::from_static(&[0; 64]));
            }
            let (now, _) = self.current.split_at(left.min(self.current.len()));
            each(now);
            left -= now.len();
            let passed = now.len();
            self.current.advance(passed);
        }
    }

    /// Leaves out the next `len` bytes.
    pub fn skip(&mut self, len: u64) {
        self.pass(len, |_| {});
    }

    fn take<const N: usize>(&mut self) -> [u8; N] {
        if let Some(taken) = self.current.first_chunk() {
            let taken = *taken;
            self.current.advance(N);
            return taken;
        }
        let (mut taken, mut at) = ([0; N], 0);
        self.pass(u64_from_usize(N), |part| {
            for (place, byte) in taken.iter_mut().skip(at).zip(part) {
                *place = *byte;
            }
            at += part.len();
        });
        taken
    }

    /// The next bytes, left where they are.
    fn peek<const N: usize>(&self) -> [u8; N] {
        self.current.first_chunk().copied().unwrap_or_else(|| self.clone().take())
    }
}

/// Packets of one window, as they are written.
struct Writer<'a> {
    recipe: &'a TsRecipe,
    out: Packets,
    video: Chunks,
    audio: Chunks,
    /// Packets that the next picture has beyond those that it fills.
    spread: u64,
}

impl Writer<'_> {
    fn unit(&mut self, placed: Placed) {
        let recipe = self.recipe;
        match (placed.unit, &recipe.video, &recipe.audio) {
            (Unit::Clock(at), ..) => {
                let pid = if recipe.shape.carried.video { Pid::Video } else { Pid::Audio };
                self.out.clock(pid, placed.continuity, at.saturating_sub(CLOCK_INTERVAL));
            }
            (Unit::Picture(picture), Some(video), _) => {
                let mut media = std::mem::take(&mut self.video);
                self.picture(video, (picture, u64::from(picture.size)), placed.continuity, &mut media);
                self.video = media;
            }
            (Unit::Sound(sound), _, Some(audio)) => self.sound(audio, sound, placed.continuity),
            (Unit::Picture(_) | Unit::Sound(_), ..) => {}
        }
    }

    /// A picture whose NAL units and length fields of 4 bytes are the next `size` bytes of `media`.
    fn picture(&mut self, video: &Video, (picture, size): (Picture, u64), continuity: u8, media: &mut Chunks) {
        let shape = self.recipe.shape;
        let bytes = shape.picture_bytes(picture, size);
        let clock = Clock { at: picture.times.dts.saturating_sub(CLOCK_INTERVAL), random_access: picture.sync };
        self.out.begin((Pid::Video, continuity), Some(clock), bytes, packets::packets(bytes, true) + self.spread);
        // Six bytes are for a delimiter: ours, or stuffing where the sample has its own.
        let [_, _, _, _, first] = if size > 4 { media.peek() } else { [0; 5] };
        let own = first & 0x1f == DELIMITER_TYPE;
        let stuffing = if own { u8::try_from(DELIMITER.len()).expect("six") } else { 0 };
        pes::header(&mut self.out, Pid::Video, (shape.video, picture.times), bytes, stuffing);
        let mut left = size;
        if own {
            left -= self.nal_unit(media, left);
        } else {
            self.out.push(&DELIMITER);
        }
        if picture.sync {
            self.out.push(&video.sets);
        }
        while left > 0 {
            left -= self.nal_unit(media, left);
        }
    }

    /// Writes the next NAL unit of a sample that has `left` bytes left; how many of them it took. A length that reaches
    /// past the sample ends with it; what is too short for a length becomes trailing zeros (annex B).
    fn nal_unit(&mut self, media: &mut Chunks, left: u64) -> u64 {
        let Some(behind) = left.checked_sub(u64::from(START_CODE)) else {
            media.skip(left);
            self.out.push([0; 4].get(..usize_from_u64(left)).unwrap_or_default());
            return left;
        };
        let length = u64::from(u32::from_be_bytes(media.take())).min(behind);
        self.out.push(if length > 0 { &[0, 0, 0, 1] } else { &[0; 4] });
        media.pass(length, |part| self.out.push(part));
        u64::from(START_CODE) + length
    }

    fn sound(&mut self, audio: &Audio, sound: Sound, continuity: u8) {
        let shape = self.recipe.shape;
        let bytes = shape.bytes(Unit::Sound(sound));
        let clock = Clock { at: sound.times.dts.saturating_sub(CLOCK_INTERVAL), random_access: true };
        let clock = (!shape.carried.video).then_some(clock);
        self.out.begin((Pid::Audio, continuity), clock, bytes, packets::packets(bytes, clock.is_some()));
        pes::header(&mut self.out, Pid::Audio, (shape.audio, sound.times), bytes, 0);
        let samples = sound.first..sound.first + sound.frames;
        let (mut silent, _) = audio.timeline.stored_range(samples.clone());
        for sample in audio.timeline.samples(samples) {
            self.out.push(&audio.adts.header(sample.size));
            match audio.timeline.silent_frame().filter(|_| silent > 0) {
                Some(frame) => self.out.push(frame),
                None => self.audio.pass(u64::from(sample.size), |part| self.out.push(part)),
            }
            silent = silent.saturating_sub(1);
        }
    }

    /// All units of a segment whose NAL units grow: counters are counted on the way, and the last picture has as many
    /// packets as bring the video's counter back to 0.
    fn growing(&mut self, units: &[Placed]) {
        let last = units.iter().rposition(|placed| matches!(placed.unit, Unit::Picture(_)));
        let mut written = 0_u64;
        for (at, placed) in units.iter().enumerate() {
            let [.., count] = written.to_be_bytes();
            match (placed.unit, &self.recipe.video) {
                (Unit::Picture(picture), Some(video)) => {
                    let media = lengthened(&mut self.video, picture.size, self.recipe.shape.nal_length);
                    let size = u64_from_usize(media.len());
                    let fills = packets::packets(self.recipe.shape.picture_bytes(picture, size), true);
                    self.spread = if last == Some(at) { (written + fills).wrapping_neg() % 16 } else { 0 };
                    self.picture(video, (picture, size), count, &mut Chunks::new(vec![media.into()]));
                    written += fills + self.spread;
                }
                (Unit::Clock(_), Some(_)) => self.unit(Placed { continuity: count.wrapping_sub(1), ..*placed }),
                (Unit::Picture(_) | Unit::Sound(_) | Unit::Clock(_), _) => self.unit(*placed),
            }
        }
    }
}

/// The next sample of `size` bytes, its NAL units behind length fields of 4 bytes instead of `nal_length`.
fn lengthened(media: &mut Chunks, size: u32, nal_length: u8) -> Vec<u8> {
    let mut sample = Vec::with_capacity(usize_from_u32(size));
    media.pass(u64::from(size), |part| sample.extend_from_slice(part));
    let mut grown = Vec::with_capacity(sample.len() + 64);
    let mut rest = sample.as_slice();
    while let Some((field, behind)) = rest.split_at_checked(usize::from(nal_length)) {
        let length = field.iter().fold(0_usize, |length, byte| length << 8 | usize::from(*byte));
        let (unit, behind) = behind.split_at(length.min(behind.len()));
        grown.extend(crate::media::u32_from_usize(unit.len()).to_be_bytes());
        grown.extend(unit);
        rest = behind;
        if rest.is_empty() {
            break;
        }
    }
    grown
}
