//! Writes the tables that describe a transport stream (ISO/IEC 13818-1 §2.4.4): PAT and PMT, one packet each.

use super::packets::{PACKET, PAYLOAD, Packets, Pid};
use bytes::BytesMut;

/// Number of the only program.
const PROGRAM: u16 = 1;

/// stream_type (table 2-34) of H.264.
const H264: u8 = 0x1b;
/// stream_type of AAC with ADTS headers.
const ADTS: u8 = 0x0f;

/// The elementary stream of a transport stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Carried {
    pub(super) video: bool,
    pub(super) audio: bool,
}

/// Writes the packets of PAT and PMT, both with the counter `continuity`.
pub(super) fn tables(out: &mut Packets<'_>, carried: Carried, continuity: u8) {
    let mut pat = PROGRAM.to_be_bytes().to_vec();
    pat.extend(pid(Pid::Pmt));
    packet(out.table(), Pid::Pat, continuity, &section(0, 1, &pat));
    packet(out.table(), Pid::Pmt, continuity, &section(2, PROGRAM, &stream(carried)));
}

/// The body of the PMT: PCR PID, no descriptors, then an entry for each stream.
fn stream(carried: Carried) -> Vec<u8> {
    let clock = if carried.video { Pid::Video } else { Pid::Audio };
    let mut body = pid(clock).to_vec();
    body.extend([0xf0, 0]);
    let video = carried.video.then_some((H264, Pid::Video));
    let audio = carried.audio.then_some((ADTS, Pid::Audio));
    for (kind, stream) in video.into_iter().chain(audio) {
        body.push(kind);
        body.extend(pid(stream));
        body.extend([0xf0, 0]);
    }
    body
}

/// Three reserved bits, then the PID.
fn pid(pid: Pid) -> [u8; 2] {
    (0xe000 | pid.number()).to_be_bytes()
}

/// A section of version 0, which is current and the only section of its table; `id` is transport_stream_id or
/// program_number.
fn section(table: u8, id: u16, body: &[u8]) -> Vec<u8> {
    // The length counts five bytes of header after it, the body, and four bytes of CRC.
    let length = u16::try_from(5 + body.len() + 4).expect("two stream at most");
    let mut section = vec![table];
    section.extend((0xb000 | length).to_be_bytes());
    section.extend(id.to_be_bytes());
    section.extend([0xc1, 0, 0]);
    section.extend(body);
    let crc = crc32(&section);
    section.extend(crc.to_be_bytes());
    section
}

/// Writes a packet that begins with one section and is filled with 0xff (§2.4.4.1).
fn packet(out: &mut BytesMut, pid: Pid, continuity: u8, section: &[u8]) {
    let end = out.len() + PACKET;
    out.extend_from_slice(&pid.header(true, PAYLOAD, continuity));
    out.extend_from_slice(&[0]);
    out.extend_from_slice(section);
    out.resize(end, 0xff);
}

/// CRC-32 of annex A: polynomial 0x04c11db7, most significant bit first, initial value all ones.
fn crc32(bytes: &[u8]) -> u32 {
    bytes.iter().fold(u32::MAX, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte) << 24, |crc, _| {
            let shifted = crc << 1;
            if crc & 0x8000_0000 == 0 { shifted } else { shifted ^ 0x04c1_1db7 }
        })
    })
}

#[cfg(test)]
mod tests {
    use super::super::packets::Packets;
    use super::{Carried, crc32, tables};
    use bytes::BytesMut;

    #[test]
    fn the_check_value_of_crc_32_mpeg_2() {
        assert_eq!(crc32(b"123456789"), 0x0376_e6e7);
    }

    #[test]
    fn a_table_is_a_packet() {
        let mut room = BytesMut::with_capacity;
        let mut out = Packets::new(2 * 188, &mut room);
        tables(&mut out, Carried { video: true, audio: true }, 7);
        let out = out.finish().concat();
        assert_eq!(out.len(), 2 * 188);
        let pat = [0x47, 0x40, 0, 0x17, 0, 0, 0xb0, 13, 0, 1, 0xc1, 0, 0, 0, 1, 0xf0, 0, 0x2a, 0xb1, 0x04, 0xb2, 0xff];
        assert_eq!(&out[..22], pat);
        let pmt = [
            0x47, 0x50, 0, 0x17, 0, 2, 0xb0, 23, 0, 1, 0xc1, 0, 0, 0xe1, 0, 0xf0, 0, 0x1b, 0xe1, 0, 0xf0, 0, 0x0f,
            0xe1, 1, 0xf0, 0,
        ];
        assert_eq!(&out[188..188 + pmt.len()], pmt);
    }
}
