//! Writes CMAF headers ("init segments", ISO/IEC 23000-19 §7.3.2): one track with its stored sample entry and one edit.
//!
//! ```text
//! ftyp cmfc │ moov │ mvhd
//!                  │ trak │ tkhd │ edts/elst: exactly one edit of duration 0 │ mdia │ mdhd, elng, hdlr
//!                  │      │                                                 │      │ minf │ vmhd or smhd, dinf, stbl
//!                  │ mvex │ trex
//! ```

use super::boxes::{FullBox, full_box, plain_box, u32_be, u32s_be};
use crate::media::{Kind, Picture};
use crate::plan::Planned;
use bytes::Bytes;

/// The track_ID in every init segment and media segment: each has only one track.
pub(super) const TRACK_ID: u32 = 1;

/// The unity matrix, in the format of `mvhd` and `tkhd`.
const UNITY: [i32; 9] = [0x1_0000, 0, 0, 0, 0x1_0000, 0, 0, 0, 0x4000_0000];

/// `tkhd` flags: the track is enabled, in the movie and in the preview.
const TRACK_ENABLED: u32 = 0x7;

/// The init segment of `track`.
#[must_use]
pub fn init(track: &Planned) -> Bytes {
    let mut out = Vec::with_capacity(1_024);
    plain_box(&mut out, *b"ftyp", |out| {
        out.extend(*b"cmfc");
        u32_be(out, 0);
        out.extend(*b"cmfciso6mp41");
    });
    plain_box(&mut out, *b"moov", |out| {
        mvhd(out, track.timeline.timescale().get());
        plain_box(out, *b"trak", |out| trak(out, track));
        plain_box(out, *b"mvex", |out| {
            full_box(out, FullBox::new(*b"trex", 0, 0), |out| u32s_be(out, &[TRACK_ID, 1, 0, 0, 0]));
        });
    });
    out.into()
}

fn mvhd(out: &mut Vec<u8>, timescale: u32) {
    full_box(out, FullBox::new(*b"mvhd", 0, 0), |out| {
        // creation_time, modification_time, timescale, duration (unknown: in fragments), rate 1.0.
        u32s_be(out, &[0, 0, timescale, 0, 0x1_0000]);
        out.extend(0x100_u16.to_be_bytes());
        out.extend([0; 10]);
        matrix(out, &UNITY);
        out.extend([0; 24]);
        u32_be(out, TRACK_ID + 1);
    });
}

fn trak(out: &mut Vec<u8>, track: &Planned) {
    let kind = &track.track().kind;
    let (volume, unity, (width, height)) = match kind {
        Kind::Video(picture) => (0_u16, &picture.matrix, displayed(picture)),
        Kind::Audio(_) => (0x100, &UNITY, (0, 0)),
    };
    full_box(out, FullBox::new(*b"tkhd", 0, TRACK_ENABLED), |out| {
        // creation_time, modification_time, track_ID, reserved, duration, reserved × 2.
        u32s_be(out, &[0, 0, TRACK_ID, 0, 0, 0, 0]);
        // layer, alternate_group, volume, reserved.
        out.extend([0; 4]);
        out.extend(volume.to_be_bytes());
        out.extend([0; 2]);
        matrix(out, unity);
        u32_be(out, width);
        u32_be(out, height);
    });
    plain_box(out, *b"edts", |out| {
        full_box(out, FullBox::new(*b"elst", 1, 0), |out| {
            u32_be(out, 1);
            out.extend(0_u64.to_be_bytes());
            out.extend(track.timeline.edit().to_be_bytes());
            u32_be(out, 0x1_0000);
        });
    });
    plain_box(out, *b"mdia", |out| mdia(out, track));
}

/// Displayed width and height, in 16.16: the pixel aspect ratio scales the width (§8.3.2).
fn displayed(picture: &Picture) -> (u32, u32) {
    let (horizontal, vertical) = picture.pixel_aspect;
    let width = (u64::from(picture.width) << 16) * u64::from(horizontal) / u64::from(vertical.max(1));
    (u32::try_from(width).unwrap_or(u32::MAX), u32::from(picture.height) << 16)
}

fn mdia(out: &mut Vec<u8>, track: &Planned) {
    let kind = &track.track().kind;
    full_box(out, FullBox::new(*b"mdhd", 0, 0), |out| {
        u32s_be(out, &[0, 0, track.timeline.timescale().get(), 0]);
        out.extend(packed_language(track.language.iso639_2()).to_be_bytes());
        out.extend([0; 2]);
    });
    let (handler, name): ([u8; 4], &[u8]) = match kind {
        Kind::Video(_) => (*b"vide", b"video\0"),
        Kind::Audio(_) => (*b"soun", b"audio\0"),
    };
    full_box(out, FullBox::new(*b"hdlr", 0, 0), |out| {
        u32_be(out, 0);
        out.extend(handler);
        out.extend([0; 12]);
        out.extend(name);
    });
    full_box(out, FullBox::new(*b"elng", 0, 0), |out| {
        out.extend(track.language.as_str().bytes());
        out.push(0);
    });
    plain_box(out, *b"minf", |out| minf(out, track));
}

/// A language code of three letters, packed in five bits each (§8.4.2.3).
fn packed_language(code: &str) -> u16 {
    code.bytes().fold(0, |packed, letter| packed << 5 | u16::from(letter.wrapping_sub(0x60) & 0x1f))
}

fn minf(out: &mut Vec<u8>, track: &Planned) {
    match track.track().kind {
        Kind::Video(_) => full_box(out, FullBox::new(*b"vmhd", 0, 1), |out| out.extend([0; 8])),
        Kind::Audio(_) => full_box(out, FullBox::new(*b"smhd", 0, 0), |out| out.extend([0; 4])),
    }
    plain_box(out, *b"dinf", |out| {
        full_box(out, FullBox::new(*b"dref", 0, 0), |out| {
            u32_be(out, 1);
            full_box(out, FullBox::new(*b"url ", 0, 1), |_| {});
        });
    });
    plain_box(out, *b"stbl", |out| {
        full_box(out, FullBox::new(*b"stsd", 0, 0), |out| {
            u32_be(out, 1);
            out.extend(&track.track().entry);
        });
        for kind in [*b"stts", *b"stsc", *b"stco"] {
            full_box(out, FullBox::new(kind, 0, 0), |out| u32_be(out, 0));
        }
        full_box(out, FullBox::new(*b"stsz", 0, 0), |out| out.extend([0; 8]));
    });
}

fn matrix(out: &mut Vec<u8>, matrix: &[i32; 9]) {
    for field in matrix {
        out.extend(field.to_be_bytes());
    }
}
