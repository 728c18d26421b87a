//! Writes units as packets, with headers, delimiters and parameter sets in front of the stored bytes.

use super::chunks::Chunks;
use super::packets::{self, Clock, Packets, Pid, UnitStart};
use super::pes::PesHeader;
use super::segment::{Audio, Packetized, Placed, Video};
use super::transport::START_CODE;
use super::units::{CLOCK_INTERVAL, PictureUnit, SoundUnit, Unit};
use crate::media::{u64_from_usize, usize_from_u32, usize_from_u64};

/// An access unit delimiter that allows any slice types (Rec. ITU-T H.264 §7.3.2.4).
const DELIMITER: [u8; 6] = [0, 0, 0, 1, 9, 0xf0];
/// nal_unit_type of an access unit delimiter.
const DELIMITER_TYPE: u8 = 9;

/// Writer of the packets of one window.
pub(super) struct Writer<'a> {
    pub(super) recipe: &'a Packetized,
    pub(super) out: Packets<'a>,
    pub(super) video: Chunks,
    pub(super) audio: Chunks,
    /// Packets that the next picture gets beyond those that it fills.
    pub(super) spread: u64,
}

/// The NAL units of a picture: the next `size` bytes of `chunks`.
struct PictureMedia<'a> {
    chunks: &'a mut Chunks,
    size: u64,
}

impl Writer<'_> {
    pub(super) fn unit(&mut self, placed: Placed) {
        let recipe = self.recipe;
        match (placed.unit, &recipe.video, &recipe.audio) {
            (Unit::Clock(at), ..) => {
                let pid = if recipe.shape.carried.video { Pid::Video } else { Pid::Audio };
                self.out.clock(pid, placed.continuity, at.saturating_sub(CLOCK_INTERVAL));
            }
            (Unit::Picture(picture), Some(video), _) => {
                let mut media = std::mem::take(&mut self.video);
                let whole = PictureMedia { chunks: &mut media, size: u64::from(picture.size) };
                self.picture(video, picture, placed.continuity, whole);
                self.video = media;
            }
            (Unit::Sound(sound), _, Some(audio)) => self.sound(audio, sound, placed.continuity),
            (Unit::Picture(_) | Unit::Sound(_), ..) => {}
        }
    }

    /// Writes a picture, whose NAL units in `media` have length fields of 4 bytes.
    fn picture(&mut self, video: &Video, picture: PictureUnit, continuity: u8, media: PictureMedia<'_>) {
        let (shape, PictureMedia { chunks: media, size }) = (self.recipe.shape, media);
        let bytes = shape.picture_bytes(picture, size);
        let clock = Clock { at: picture.times.dts.saturating_sub(CLOCK_INTERVAL), random_access: picture.sync };
        let packets = packets::packets(bytes, true) + self.spread;
        self.out.begin(UnitStart { pid: Pid::Video, continuity, clock: Some(clock), bytes, packets });
        // Six bytes are reserved for a delimiter: ours, or stuffing if the sample has its own.
        let [_, _, _, _, first] = if size > 4 { media.peek() } else { [0; 5] };
        let own = first & 0x1f == DELIMITER_TYPE;
        let stuffing = if own { u8::try_from(DELIMITER.len()).expect("a delimiter has six bytes") } else { 0 };
        let header = PesHeader { pid: Pid::Video, stamps: shape.video, times: picture.times, bytes, stuffing };
        header.write(&mut self.out);
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

    /// Writes the next NAL unit of a sample that has `left` bytes left, and returns how many bytes it consumed. A
    /// length that reaches past the sample is clamped; a rest too short for a length field becomes trailing zeros
    /// (annex B).
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

    fn sound(&mut self, audio: &Audio, sound: SoundUnit, continuity: u8) {
        let shape = self.recipe.shape;
        let bytes = shape.bytes(Unit::Sound(sound));
        let clock = Clock { at: sound.times.dts.saturating_sub(CLOCK_INTERVAL), random_access: true };
        let clock = (!shape.carried.video).then_some(clock);
        let packets = packets::packets(bytes, clock.is_some());
        self.out.begin(UnitStart { pid: Pid::Audio, continuity, clock, bytes, packets });
        let header = PesHeader { pid: Pid::Audio, stamps: shape.audio, times: sound.times, bytes, stuffing: 0 };
        header.write(&mut self.out);
        let samples = sound.first..sound.first + sound.frames;
        let (mut silent, _) = audio.timeline.stored_range(samples.clone());
        audio.timeline.each_size(samples, |size| {
            self.out.push(&audio.adts.header(size));
            match audio.timeline.silent_frame().filter(|_| silent > 0) {
                Some(frame) => self.out.push(frame),
                None => self.audio.pass(u64::from(size), |part| self.out.push(part)),
            }
            silent = silent.saturating_sub(1);
        });
    }

    /// Writes all units of a segment whose NAL units grow. Counts continuity counters on the way, and spreads the last
    /// picture over as many packets as bring the video's counter back to 0.
    pub(super) fn growing(&mut self, units: &[Placed]) {
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
                    let media = PictureMedia { chunks: &mut Chunks::new(vec![media.into()]), size };
                    self.picture(video, picture, count, media);
                    written += fills + self.spread;
                }
                (Unit::Clock(_), Some(_)) => self.unit(Placed { continuity: count.wrapping_sub(1), ..*placed }),
                (Unit::Picture(_) | Unit::Sound(_) | Unit::Clock(_), _) => self.unit(*placed),
            }
        }
    }
}

/// Reads the next sample, of `size` bytes, and widens its length fields from `nal_length` to 4 bytes.
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
