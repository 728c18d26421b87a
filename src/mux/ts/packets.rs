//! Writes transport packets (ISO/IEC 13818-1 §2.4.3): the bytes of a unit, in a given number of packets.
//!
//! ```text
//! │ 0x47 │ error, start, priority, PID 13 │ scrambling 2, adaptation 2, continuity 4 │ adaptation field? │ payload │
//! adaptation field   │ length u8 │ flags u8 │ PCR 6? │ 0xff … │
//! ```

use crate::media::usize_from_u64;
use bytes::{BufMut, Bytes, BytesMut};

/// Bytes of a packet.
pub(super) const PACKET: usize = 188;
/// Bytes of a packet after its header.
const BODY: usize = 184;
/// Bytes of an adaptation field with a PCR.
const CLOCK: usize = 8;

/// adaptation_field_control: payload alone, adaptation field alone, both.
pub(super) const PAYLOAD: u8 = 0x10;
const ADAPTATION: u8 = 0x20;

/// Largest chunk of packets, in bytes; a chunk is one allocation.
pub const CHUNK: usize = 64 << 10;

/// The packet identifiers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Pid {
    Pat,
    Pmt,
    Video,
    Audio,
}

impl Pid {
    pub(super) const fn number(self) -> u16 {
        match self {
            Self::Pat => 0,
            Self::Pmt => 0x1000,
            Self::Video => 0x100,
            Self::Audio => 0x101,
        }
    }

    /// The four bytes of a packet header: whether a unit starts in the packet, its adaptation_field_control, and its
    /// continuity counter.
    pub(super) fn header(self, start: bool, control: u8, continuity: u8) -> [u8; 4] {
        let [high, low] = self.number().to_be_bytes();
        [0x47, if start { 0x40 | high } else { high }, low, control | continuity & 0xf]
    }
}

/// Adaptation field of the first packet of a unit: PCR and random access flag.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Clock {
    /// PCR in ticks of 90 kHz; may be negative, as it is written modulo 2³³.
    pub(super) at: i64,
    /// random_access_indicator.
    pub(super) random_access: bool,
}

/// Number of packets that `payload` bytes need; `clock` tells whether the first packet has a PCR.
pub(super) const fn packets(payload: u64, clock: bool) -> u64 {
    let first = if clock { BODY_U64 - CLOCK_U64 } else { BODY_U64 };
    1 + payload.saturating_sub(first).div_ceil(BODY_U64)
}

const BODY_U64: u64 = 184;
const CLOCK_U64: u64 = 8;

/// Writer of packets into chunks.
pub(super) struct Packets<'a> {
    chunks: Vec<Bytes>,
    current: BytesMut,
    /// Allocates a buffer of the given number of bytes, at most [`CHUNK`].
    room: &'a mut dyn FnMut(usize) -> BytesMut,
    /// Estimate of the bytes still to be written for which no buffer is allocated yet.
    expected: usize,
    unit: OpenUnit,
}

/// The start of a unit.
#[derive(Debug, Clone, Copy)]
pub(super) struct UnitStart {
    pub(super) pid: Pid,
    /// The continuity counter of its first packet.
    pub(super) continuity: u8,
    /// The PCR in its first packet.
    pub(super) clock: Option<Clock>,
    /// Bytes of the unit, its PES header included.
    pub(super) bytes: u64,
    /// Packets of the unit: at least as many as the bytes fill, at most one for each byte.
    pub(super) packets: u64,
}

/// The unit that is being written.
#[derive(Debug, Clone, Copy)]
struct OpenUnit {
    pid: Pid,
    continuity: u8,
    clock: Option<Clock>,
    start: bool,
    /// Bytes of the unit that are still to be written, to the open packet or later ones.
    bytes: usize,
    /// Packets still to be opened.
    packets: usize,
    /// Free payload bytes in the open packet.
    room: usize,
}

impl<'a> Packets<'a> {
    /// A writer of about `bytes` bytes, into buffers that `room` allocates.
    pub(super) fn new(bytes: usize, room: &'a mut dyn FnMut(usize) -> BytesMut) -> Self {
        let unit = OpenUnit { pid: Pid::Pat, continuity: 0, clock: None, start: false, bytes: 0, packets: 0, room: 0 };
        Self { chunks: Vec::with_capacity(bytes / CHUNK + 1), current: BytesMut::new(), room, expected: bytes, unit }
    }

    /// The buffer to append the packet of a table to, with space for one packet.
    pub(super) fn table(&mut self) -> &mut BytesMut {
        self.make_room();
        &mut self.current
    }

    /// Writes a packet that has only a PCR; `continuity` is the counter of the packet before it (§2.4.3.3).
    pub(super) fn clock(&mut self, pid: Pid, continuity: u8, at: i64) {
        self.make_room();
        self.current.extend_from_slice(&pid.header(false, ADAPTATION, continuity));
        adaptation(&mut self.current, BODY, Some(Clock { at, random_access: false }));
    }

    /// Begins a unit.
    pub(super) fn begin(&mut self, start: UnitStart) {
        let UnitStart { pid, continuity, clock, bytes, packets } = start;
        let [bytes, packets] = [bytes, packets].map(usize_from_u64);
        self.unit = OpenUnit { pid, continuity, clock, start: true, bytes, packets, room: 0 };
    }

    /// Writes the unit's next bytes.
    pub(super) fn push(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            if self.unit.room == 0 {
                bytes = self.push_full(bytes);
                if bytes.is_empty() {
                    return;
                }
                self.open();
            }
            let (now, later) = bytes.split_at(bytes.len().min(self.unit.room));
            self.current.extend_from_slice(now);
            self.unit.room -= now.len();
            self.unit.bytes -= now.len();
            bytes = later;
        }
    }

    /// All packets, in chunks.
    pub(super) fn finish(mut self) -> Vec<Bytes> {
        if !self.current.is_empty() {
            self.chunks.push(self.current.freeze());
        }
        self.chunks
    }

    /// Writes the packets that `bytes` fills without an adaptation field, and returns the rest of `bytes`. No packet
    /// may be open.
    fn push_full<'b>(&mut self, bytes: &'b [u8]) -> &'b [u8] {
        let unit = &mut self.unit;
        // Reserve one byte for each packet to come; the bytes beyond that fill packets completely.
        let full = if unit.start { 0 } else { unit.bytes.saturating_sub(unit.packets) / (BODY - 1) };
        let (payloads, _) = bytes.as_chunks::<BODY>();
        let mut payloads = payloads.get(..full).unwrap_or(payloads);
        let (_, rest) = bytes.split_at(payloads.len() * BODY);
        unit.packets -= payloads.len();
        unit.bytes -= payloads.len() * BODY;
        let (header, mut continuity) = (u32::from_be_bytes(unit.pid.header(false, PAYLOAD, 0)), unit.continuity);
        while !payloads.is_empty() {
            let room = self.make_room();
            let (now, later) = payloads.split_at(room.min(payloads.len()));
            for payload in now {
                self.current.extend_from_slice(&(header | u32::from(continuity & 0xf)).to_be_bytes());
                self.current.extend_from_slice(payload);
                continuity = continuity.wrapping_add(1);
            }
            payloads = later;
        }
        self.unit.continuity = continuity;
        rest
    }

    /// Opens the unit's next packet, as full as possible with at least one byte left for each packet after it.
    fn open(&mut self) {
        self.make_room();
        let unit = &mut self.unit;
        unit.packets = unit.packets.saturating_sub(1);
        let most = BODY - if unit.clock.is_some() { CLOCK } else { 0 };
        let payload = most.min(unit.bytes - unit.packets.min(unit.bytes - 1));
        let rest = BODY - payload;
        let control = if rest == 0 { PAYLOAD } else { PAYLOAD | ADAPTATION };
        self.current.extend_from_slice(&unit.pid.header(unit.start, control, unit.continuity));
        if rest > 0 {
            adaptation(&mut self.current, rest, unit.clock.take());
        }
        unit.start = false;
        unit.continuity = unit.continuity.wrapping_add(1);
        unit.room = payload;
    }

    /// Ensures that the current chunk has space for a packet; returns for how many packets it has space.
    fn make_room(&mut self) -> usize {
        let room = |chunk: &BytesMut| chunk.capacity().min(CHUNK).saturating_sub(chunk.len()) / PACKET;
        if room(&self.current) == 0 {
            let bytes = if self.expected == 0 { CHUNK } else { self.expected.min(CHUNK) };
            self.expected = self.expected.saturating_sub(CHUNK / PACKET * PACKET);
            let mut empty = (self.room)(bytes);
            empty.clear();
            let full = std::mem::replace(&mut self.current, empty);
            if !full.is_empty() {
                self.chunks.push(full.freeze());
            }
        }
        room(&self.current).max(1)
    }
}

/// Writes an adaptation field of `bytes` bytes: 1 to 184, with a PCR at least 8.
fn adaptation(out: &mut BytesMut, bytes: usize, clock: Option<Clock>) {
    let end = out.len() + bytes;
    out.put_u8(u8::try_from(bytes - 1).expect("at most 183"));
    if bytes > 1 {
        let random_access = if clock.is_some_and(|clock| clock.random_access) { 0x40 } else { 0 };
        out.put_u8(random_access | if clock.is_some() { 0x10 } else { 0 });
    }
    if let Some(clock) = clock {
        // 33 bits of 90 kHz, 6 reserved, 9 of 27 MHz that are always 0.
        let base = clock.at.rem_euclid(1 << 33).unsigned_abs();
        let [_, _, pcr @ ..] = (base << 15 | 0x3f << 9).to_be_bytes();
        out.extend_from_slice(&pcr);
    }
    out.resize(end, 0xff);
}

#[cfg(test)]
mod tests {
    use super::{BODY, CHUNK, CLOCK, Clock, PACKET, Packets, Pid, UnitStart, adaptation, packets};
    use crate::media::u64_from_usize;
    use bytes::{Bytes, BytesMut};
    use proptest::prelude::{Strategy, any, prop, prop_assert, prop_assert_eq, prop_oneof, proptest};

    /// The clock of test units that have a clock.
    const AT: Clock = Clock { at: -1, random_access: true };

    fn unit(bytes: usize) -> Vec<u8> {
        (0..bytes).map(|at| at.to_le_bytes()[0]).collect()
    }

    /// Slow reference implementation: writes the packets of `unit` one by one, each as full as those after it allow.
    fn defined(unit: &[u8], clock: Option<Clock>, continuity: u8, count: u8) -> Vec<u8> {
        let (mut out, mut rest) = (BytesMut::new(), unit);
        for number in 0..count {
            let clock = clock.filter(|_| number == 0);
            let most = BODY - if clock.is_some() { CLOCK } else { 0 };
            let (payload, later) = rest.split_at(most.min(rest.len() - usize::from(count - number - 1)));
            let control = if payload.len() == BODY { 0x10 } else { 0x30 };
            out.extend_from_slice(&Pid::Video.header(number == 0, control, continuity.wrapping_add(number)));
            if payload.len() < BODY {
                adaptation(&mut out, BODY - payload.len(), clock);
            }
            out.extend_from_slice(payload);
            rest = later;
        }
        out.into()
    }

    /// Writes a unit with [`Packets`], from `parts` and into chunks of `room` bytes.
    fn made<'a>(
        parts: impl Iterator<Item = &'a [u8]> + Clone,
        clock: Option<Clock>,
        head: [u8; 2],
        room: usize,
    ) -> Vec<Bytes> {
        let [continuity, count] = head;
        let mut room = |_: usize| BytesMut::zeroed(room);
        let mut written = Packets::new(0, &mut room);
        let bytes = parts.clone().map(<[u8]>::len).sum();
        let (length, packets) = (u64_from_usize(bytes), count.into());
        written.begin(UnitStart { pid: Pid::Video, continuity, clock, bytes: length, packets });
        parts.for_each(|part| written.push(part));
        written.finish()
    }

    fn fills(bytes: usize, clock: Option<Clock>) -> u8 {
        u8::try_from(packets(u64_from_usize(bytes), clock.is_some())).unwrap()
    }

    #[test]
    fn a_part_may_end_anywhere_in_a_packet() {
        let lengths = [3 * BODY - CLOCK, 3 * BODY].into_iter().flat_map(|bytes| [bytes - 1, bytes, bytes + 1]);
        for (bytes, clock, more) in lengths.flat_map(|bytes| [(bytes, None, 0), (bytes, Some(AT), 0), (bytes, None, 2)])
        {
            let (unit, count) = (unit(bytes), fills(bytes, clock) + more);
            let expected = defined(&unit, clock, 14, count);
            for cut in 0..=bytes {
                let (one, two) = unit.split_at(cut);
                let parts = [one, two].into_iter();
                assert_eq!(made(parts, clock, [14, count], CHUNK).concat(), expected, "{bytes} bytes cut at {cut}");
            }
        }
    }

    #[test]
    fn memory_is_asked_for_as_it_is_needed() {
        let mut asked = Vec::new();
        let mut room = |bytes| {
            asked.push(bytes);
            BytesMut::with_capacity(bytes)
        };
        let full = CHUNK / PACKET * PACKET;
        let bytes = 2 * CHUNK / PACKET * BODY + BODY;
        let count = packets(u64_from_usize(bytes), false);
        let mut written = Packets::new(bytes / BODY * PACKET, &mut room);
        let (length, packets) = (u64_from_usize(bytes), count);
        written.begin(UnitStart { pid: Pid::Video, continuity: 0, clock: None, bytes: length, packets });
        written.push(&unit(bytes));
        let lengths: Vec<usize> = written.finish().iter().map(Bytes::len).collect();
        let rest = bytes / BODY * PACKET - 2 * full;
        assert_eq!((lengths, asked), (vec![full, full, rest], vec![CHUNK, CHUNK, rest]));
    }

    /// Splits a packet into header, adaptation field and payload.
    fn split(packet: &[u8]) -> (&[u8], &[u8], &[u8]) {
        let adaptation = if packet[3] & 0x20 == 0 { 0 } else { 1 + usize::from(packet[4]) };
        (&packet[..4], &packet[4..4 + adaptation], &packet[4 + adaptation..])
    }

    proptest! {
        #[test]
        fn a_unit_in_parts_is_the_packets_of_its_definition(
            bytes in prop_oneof![20_usize..3_000, (1_usize..16).prop_map(|count| count * BODY)],
            parts in prop::collection::vec(1_usize..700, 1..9), clock in any::<bool>(), more in 0_u8..16,
            continuity in 0_u8..16, room in PACKET..9 * PACKET,
        ) {
            let (unit, clock) = (unit(bytes), clock.then_some(AT));
            let count = fills(bytes, clock) + more;
            let mut rest = unit.as_slice();
            let cut = parts.iter().cycle().map_while(|part| {
                let (part, later) = rest.split_at((*part).min(rest.len()));
                rest = later;
                (!part.is_empty()).then_some(part)
            });
            let cut: Vec<&[u8]> = cut.collect();
            let chunks = made(cut.iter().copied(), clock, [continuity, count], room);
            prop_assert!(chunks.iter().all(|chunk| chunk.len() % PACKET == 0 && chunk.len() <= room));
            prop_assert_eq!(chunks.concat(), defined(&unit, clock, continuity, count));
        }

        #[test]
        fn payloads_are_the_unit_in_as_many_packets_as_promised(
            bytes in 20_usize..3_000, clock in any::<bool>(), more in 0_u64..16, continuity in 0_u8..16,
        ) {
            let unit: Vec<u8> = (0..bytes).map(|at| at.to_le_bytes()[0]).collect();
            let count = packets(u64_from_usize(bytes), clock) + more;
            let mut room = BytesMut::with_capacity;
            let mut written = Packets::new(0, &mut room);
            let at = clock.then_some(Clock { at: -1, random_access: true });
            let (length, packets) = (u64_from_usize(bytes), count);
            written.begin(UnitStart { pid: Pid::Video, continuity, clock: at, bytes: length, packets });
            unit.chunks(97).for_each(|part| written.push(part));
            let out = written.finish().concat();
            prop_assert_eq!(u64_from_usize(out.len()), 188 * count);
            let mut payload = Vec::new();
            for (number, packet) in (0_u8..).zip(out.chunks(188)) {
                let (header, field, body) = split(packet);
                prop_assert_eq!(header[0], 0x47);
                prop_assert_eq!(header[1] & 0x40 != 0, number == 0);
                prop_assert_eq!(header[3] & 0xf, (continuity + number) & 0xf);
                prop_assert!(!body.is_empty());
                if clock && number == 0 {
                    prop_assert_eq!(&field[1..8], &[0x50, 0xff, 0xff, 0xff, 0xff, 0xfe, 0][..]);
                }
                payload.extend_from_slice(body);
            }
            prop_assert_eq!(payload, unit);
        }
    }

    #[test]
    fn a_clock_fills_its_packet() {
        let mut room = BytesMut::with_capacity;
        let mut written = Packets::new(0, &mut room);
        written.clock(Pid::Audio, 15, 2);
        let out = written.finish().concat();
        assert_eq!(out[..12], [0x47, 1, 1, 0x2f, 183, 0x10, 0, 0, 0, 1, 0x7e, 0]);
        assert_eq!((out.len(), out[12..].iter().all(|byte| *byte == 0xff)), (188, true));
    }
}
