//! Computes recipes of CMAF media segments (ISO/IEC 23000-19 §7.3.3): one fragment each, with the samples copied from
//! the stored file.
//!
//! ```text
//! styp │ moof │ mfhd                                       number of the segment
//!      │      │ traf │ tfhd │ default-base-is-moof; duration where all samples share one; flags of all but the first
//!      │      │      │ tfdt │ 64 bit decode time, SHIFT included
//!      │      │      │ trun │ per sample: duration? size flags? composition offset?  (`?`: only where they differ)
//!      │ mdat │ samples in decode order
//! ```
//! The plan alone decides which fields the `trun` of a segment has, so the length of a segment is known without
//! visiting its samples.

use super::boxes::{FullBox, full_box, plain_box, u32_be};
use super::copied::Copied;
use crate::media::{u64_from_usize, usize_from_u32};
use crate::plan::{AccessPoint, Planned, Segment};
use bytes::Bytes;
use std::num::NonZeroU32;
use std::ops::Range;

/// sample_flags of a sync sample: depends on no other (ISO/IEC 14496-12 §8.8.3.1).
const SYNC: u32 = 0x0200_0000;
/// sample_flags of any other sample: it depends on others and is not a sync sample.
const NO_SYNC: u32 = 0x0101_0000;

/// `styp` with brands: a CMAF segment of one CMAF fragment.
const STYP: [u8; 24] = *b"\0\0\0\x18stypcmfs\0\0\0\0cmfscmff";
const MFHD: u64 = 16;
const TFDT: u64 = 20;
const BOX_HEADER: u64 = 8;
const FULL_BOX_HEADER: u64 = 12;

/// Layout of a segment's fragment: which fields its boxes have, and how many samples and bytes.
#[derive(Debug, Clone, Copy)]
struct FragmentLayout {
    samples: u32,
    /// The duration of every sample, written to `tfhd`; `None` if `trun` has one per sample.
    duration: Option<u32>,
    flags: Flags,
    /// Whether samples carry composition offsets.
    offsets: OffsetMode,
    /// Bytes of all samples together.
    media: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum OffsetMode {
    Each,
    None,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Flags {
    /// All samples are sync samples.
    AllSync,
    /// Only the first sample is a sync sample.
    FirstSync,
    /// Each sample has its own flags.
    Each,
}

impl FragmentLayout {
    fn of(track: &Planned, segment: &Segment) -> Self {
        let (samples, weight) = (segment.samples.end - segment.samples.start, segment.weight);
        let flags = match weight.syncs {
            all if all == samples => Flags::AllSync,
            1 if segment.opening != AccessPoint::None => Flags::FirstSync,
            _ => Flags::Each,
        };
        Self {
            samples,
            duration: weight.duration.map(NonZeroU32::get),
            flags,
            offsets: if track.timeline.reorders() { OffsetMode::Each } else { OffsetMode::None },
            media: weight.bytes,
        }
    }

    /// `trun` flags: data offset, first sample's flags, then the fields of each sample. Sizes are always present.
    fn trun_flags(self) -> u32 {
        let first = if self.flags == Flags::FirstSync { 0x4 } else { 0 };
        let durations = if self.duration.is_none() { 0x100 } else { 0 };
        let flags = if self.flags == Flags::Each { 0x400 } else { 0 };
        let offsets = if self.offsets == OffsetMode::Each { 0x800 } else { 0 };
        0x1 | first | durations | 0x200 | flags | offsets
    }

    fn tfhd(self) -> u64 {
        // track_ID, default_sample_duration if all samples share one, default_sample_flags.
        FULL_BOX_HEADER + 4 + if self.duration.is_some() { 4 } else { 0 } + 4
    }

    fn trun(self) -> u64 {
        let fields = (self.trun_flags() >> 8).count_ones();
        let first = if self.flags == Flags::FirstSync { 4 } else { 0 };
        FULL_BOX_HEADER + 4 + 4 + first + u64::from(self.samples) * u64::from(fields) * 4
    }

    fn moof(self) -> u64 {
        let traf = BOX_HEADER + self.tfhd() + TFDT + self.trun();
        BOX_HEADER + MFHD + traf
    }

    /// Bytes of the `mdat` header, which has a 64-bit size if 32 bits are too few.
    fn mdat_header(self) -> u64 {
        if u32::try_from(self.media + BOX_HEADER).is_ok() { BOX_HEADER } else { 2 * BOX_HEADER }
    }

    fn length(self) -> u64 {
        u64_from_usize(STYP.len()) + self.moof() + self.mdat_header() + self.media
    }
}

/// The length of a segment in bytes, computed without building it.
#[must_use]
pub fn segment_length(track: &Planned, segment: &Segment) -> u64 {
    FragmentLayout::of(track, segment).length()
}

/// The recipe of segment `number` of `track`.
#[must_use]
pub fn segment(track: &Planned, number: u32, segment: &Segment) -> Copied {
    let layout = FragmentLayout::of(track, segment);
    let mut head = Vec::with_capacity(usize::try_from(layout.length() - layout.media).unwrap_or(0));
    head.extend(STYP);
    plain_box(&mut head, *b"moof", |out| {
        full_box(out, FullBox::new(*b"mfhd", 0, 0), |out| u32_be(out, number));
        plain_box(out, *b"traf", |out| traf(out, track, &segment.samples, layout));
    });
    mdat_header(&mut head, layout.media);
    let mut recipe = Copied::default();
    recipe.push_generated(Bytes::from(head));
    push_media(&mut recipe, track, segment.samples.clone());
    recipe
}

fn traf(out: &mut Vec<u8>, track: &Planned, samples: &Range<u32>, layout: FragmentLayout) {
    let timeline = &track.timeline;
    let default_flags = if layout.flags == Flags::AllSync { SYNC } else { NO_SYNC };
    let duration_present = if layout.duration.is_some() { 0x8 } else { 0 };
    // default-base-is-moof, default_sample_flags, default_sample_duration if all samples share one.
    full_box(out, FullBox::new(*b"tfhd", 0, 0x2_0020 | duration_present), |out| {
        u32_be(out, super::init::TRACK_ID);
        layout.duration.iter().for_each(|duration| u32_be(out, *duration));
        u32_be(out, default_flags);
    });
    let decode_time = u64::try_from(timeline.written(samples.start).0).expect("SHIFT keeps written times positive");
    full_box(out, FullBox::new(*b"tfdt", 1, 0), |out| out.extend(decode_time.to_be_bytes()));
    let data_offset = u32::try_from(layout.moof() + layout.mdat_header()).expect("a header, far below 2 GiB");
    full_box(out, FullBox::new(*b"trun", 0, layout.trun_flags()), |out| {
        u32_be(out, layout.samples);
        u32_be(out, data_offset);
        if layout.flags == Flags::FirstSync {
            u32_be(out, SYNC);
        }
        for sample in timeline.samples(samples.clone()) {
            if layout.duration.is_none() {
                u32_be(out, sample.duration);
            }
            u32_be(out, sample.size);
            if layout.flags == Flags::Each {
                u32_be(out, if sample.sync { SYNC } else { NO_SYNC });
            }
            if layout.offsets == OffsetMode::Each {
                u32_be(out, sample.offset);
            }
        }
    });
}

/// Writes the header of `mdat`, with a 64-bit size if 32 bits are too few (ISO/IEC 14496-12 §4.2).
fn mdat_header(out: &mut Vec<u8>, media: u64) {
    if let Ok(size) = u32::try_from(media + BOX_HEADER) {
        u32_be(out, size);
        out.extend(*b"mdat");
    } else {
        u32_be(out, 1);
        out.extend(*b"mdat");
        out.extend((media + 2 * BOX_HEADER).to_be_bytes());
    }
}

fn push_media(recipe: &mut Copied, track: &Planned, samples: Range<u32>) {
    let (silent, stored) = track.timeline.stored_range(samples);
    if let Some(frame) = track.timeline.silent_frame() {
        recipe.push_generated(Bytes::from(frame.repeat(usize_from_u32(silent))));
    }
    track.track().index.ranges(stored).for_each(|range| recipe.push_stored(range));
}
