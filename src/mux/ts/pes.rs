//! Writes PES headers (ISO/IEC 13818-1 §2.4.3.6): when a unit is decoded and presented, in ticks of 90 kHz modulo 2³³.
//!
//! ```text
//! │ 00 00 01 │ stream_id │ PES_packet_length u16 │ 0x84 │ which times │ header length u8 │ PTS 5 │ DTS 5? │ 0xff … │
//! ```

use super::packets::{Packets, Pid};

/// Bytes before the times.
const FIXED: u64 = 9;
/// Bytes of a time.
const TIME: u64 = 5;
/// Most stuffing bytes that a header can have (§2.4.3.7).
const STUFFING: [u8; 32] = [0xff; 32];

/// Decode and presentation time of a unit, in ticks of 90 kHz; may be negative.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Times {
    pub(super) pts: i64,
    pub(super) dts: i64,
}

/// Number of times that a stream's headers have space for: the same for all units, so that lengths do not depend on
/// times.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stamps {
    /// PTS.
    One,
    /// PTS, and DTS if it differs, else stuffing.
    Two,
}

impl Stamps {
    /// Bytes of a header without other stuffing.
    pub(super) const fn header(self) -> u64 {
        match self {
            Self::One => FIXED + TIME,
            Self::Two => FIXED + 2 * TIME,
        }
    }
}

/// The header of a unit.
#[derive(Debug, Clone, Copy)]
pub(super) struct PesHeader {
    pub(super) pid: Pid,
    pub(super) stamps: Stamps,
    pub(super) times: Times,
    /// Bytes of the unit, header included.
    pub(super) bytes: u64,
    /// Bytes of stuffing, at most 27.
    pub(super) stuffing: u8,
}

impl PesHeader {
    /// Writes it.
    pub(super) fn write(self, out: &mut Packets<'_>) {
        let Self { pid, stamps, times, bytes, stuffing } = self;
        let decoded = stamps == Stamps::Two && times.dts != times.pts;
        let spare = if stamps == Stamps::Two && !decoded { 5 } else { 0 };
        let stuffing = stuffing + spare;
        let stream = if pid == Pid::Audio { 0xc0 } else { 0xe0 };
        // PES_packet_length does not count the first six bytes. For video it may be 0: unspecified.
        let [high, low] = u16::try_from(bytes - 6).unwrap_or(0).to_be_bytes();
        let (flags, length) = if decoded { (0xc0, 10) } else { (0x80, 5) };
        out.push(&[0, 0, 1, stream, high, low, 0x84, flags, length + stuffing]);
        if decoded {
            out.push(&time(3, times.pts));
            out.push(&time(1, times.dts));
        } else {
            out.push(&time(2, times.pts));
        }
        out.push(STUFFING.get(..usize::from(stuffing)).unwrap_or_default());
    }
}

/// Four bits of prefix, then 3, 15 and 15 bits of the time, each followed by a marker bit.
fn time(prefix: u64, at: i64) -> [u8; 5] {
    let at = at.rem_euclid(1 << 33).unsigned_abs();
    let bits = prefix << 36 | (at >> 30) << 33 | 1 << 32 | (at >> 15 & 0x7fff) << 17 | 1 << 16 | (at & 0x7fff) << 1 | 1;
    let [_, _, _, time @ ..] = bits.to_be_bytes();
    time
}

#[cfg(test)]
mod tests {
    use super::super::packets::{Packets, Pid, UnitStart};
    use super::{PesHeader, Stamps, Times, time};
    use bytes::BytesMut;

    fn written(stamps: Stamps, times: Times, stuffing: u8) -> Vec<u8> {
        let bytes = stamps.header() + u64::from(stuffing);
        let mut room = BytesMut::with_capacity;
        let mut out = Packets::new(0, &mut room);
        out.begin(UnitStart { pid: Pid::Video, continuity: 0, clock: None, bytes, packets: 1 });
        PesHeader { pid: Pid::Video, stamps, times, bytes, stuffing }.write(&mut out);
        let packet = out.finish().concat();
        packet[5 + usize::from(packet[4])..].to_vec()
    }

    #[test]
    fn times_are_modulo_33_bits_with_markers_between() {
        assert_eq!(time(2, 0), [0x21, 0, 1, 0, 1]);
        assert_eq!(time(3, -1), [0x3f, 0xff, 0xff, 0xff, 0xff]);
        assert_eq!(time(1, (1 << 33) + 900_000), [0x11, 0, 0x37, 0x77, 0x41]);
    }

    #[test]
    fn equal_times_are_said_once_and_the_header_stays_as_long() {
        let equal = Times { pts: 0, dts: 0 };
        let head = [0, 0, 1, 0xe0, 0, 13, 0x84, 0x80, 10, 0x21, 0, 1, 0, 1, 0xff, 0xff, 0xff, 0xff, 0xff];
        assert_eq!(written(Stamps::Two, equal, 0), head);
        let differ = Times { pts: 1, dts: 0 };
        let head = [0, 0, 1, 0xe0, 0, 14, 0x84, 0xc0, 11, 0x31, 0, 1, 0, 3, 0x11, 0, 1, 0, 1, 0xff];
        assert_eq!(written(Stamps::Two, differ, 1), head);
        assert_eq!(written(Stamps::One, equal, 0), [0, 0, 1, 0xe0, 0, 8, 0x84, 0x80, 5, 0x21, 0, 1, 0, 1]);
    }
}
