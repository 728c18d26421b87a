//! Program specific information (ISO/IEC 13818-1 §2.4.4): the sections of PAT and PMT, and their CRC.

use crate::ts::{Fault, Packet, word};

/// A section in the long syntax (§2.4.4), whole in one packet.
#[derive(Debug, Clone)]
pub(crate) struct Section {
    pub(crate) table: u8,
    /// section_syntax_indicator, the zero bit after it and the reserved bits: `1011` if correct.
    pub(crate) syntax: u8,
    /// transport_stream_id or program_number.
    pub(crate) id: u16,
    /// Two reserved bits, the version and current_next_indicator, unchanged.
    pub(crate) version: u8,
    pub(crate) number: u8,
    pub(crate) last: u8,
    /// The bytes between the header and the CRC.
    pub(crate) body: Vec<u8>,
    /// The bytes from table_id to CRC.
    pub(crate) bytes: Vec<u8>,
    /// The rest of its packet.
    pub(crate) stuffing: Vec<u8>,
}

/// The section that a payload starts.
pub(crate) fn section(payload: &[u8]) -> Result<Section, Fault> {
    let pointer = usize::from(*payload.first().ok_or("no pointer_field")?);
    let bytes = payload.get(1 + pointer..).ok_or("pointer_field past the packet")?;
    let [table, high, low, ..] = *bytes else { return Err("a section without a header".into()) };
    let length = usize::from(high & 0x0f) << 8 | usize::from(low);
    let (whole, stuffing) = bytes.split_at_checked(3 + length).ok_or("a section that is not whole in its packet")?;
    let [_, _, _, id @ .., number, last] = whole.get(..8).ok_or("a section shorter than its header")? else {
        return Err("a section shorter than its header".into());
    };
    let body = whole.get(8..whole.len().saturating_sub(4)).ok_or("a section without a CRC")?;
    Ok(Section {
        table,
        syntax: high >> 4,
        id: u16::from_be_bytes([id[0], id[1]]),
        version: id[2],
        number: *number,
        last: *last,
        body: body.to_vec(),
        bytes: whole.to_vec(),
        stuffing: stuffing.to_vec(),
    })
}

/// The CRC of Annex A, bit by bit: zero over a section with its correct CRC.
pub(crate) fn crc(bytes: &[u8]) -> u32 {
    let mut register = u32::MAX;
    for bit in bytes.iter().flat_map(|byte| (0..8).rev().map(move |at| u32::from(byte >> at & 1))) {
        let out = register >> 31 ^ bit;
        register = register << 1 ^ if out == 1 { 0x04c1_1db7 } else { 0 };
    }
    register
}

/// program_number and PID of each program in a PAT.
pub(crate) fn programs(pat: &Section) -> Vec<(u16, u16)> {
    pat.body.chunks_exact(4).map(|four| (word(&four[..2]), word(&four[2..]) & 0x1fff)).collect()
}

/// Contents of a PMT (§2.4.4.8).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Pmt {
    pub(crate) pcr: u16,
    /// stream_type and PID.
    pub(crate) streams: Vec<(u8, u16)>,
    /// Whether every reserved bit is 1.
    pub(crate) reserved: bool,
}

/// Parses the section of a PMT.
pub(crate) fn pmt(section: &Section) -> Result<Pmt, Fault> {
    let short = "a PMT that ends inside a field";
    let (head, rest) = section.body.split_at_checked(4).ok_or(short)?;
    let mut rest = rest.get(usize::from(word(&head[2..]) & 0x0fff)..).ok_or(short)?;
    let mut reserved = head[0] & 0xe0 == 0xe0 && head[2] & 0xf0 == 0xf0;
    let mut streams = Vec::new();
    while !rest.is_empty() {
        let (head, after) = rest.split_at_checked(5).ok_or(short)?;
        reserved &= head[1] & 0xe0 == 0xe0 && head[3] & 0xf0 == 0xf0;
        streams.push((head[0], word(&head[1..3]) & 0x1fff));
        rest = after.get(usize::from(word(&head[3..]) & 0x0fff)..).ok_or(short)?;
    }
    Ok(Pmt { pcr: word(&head[..2]) & 0x1fff, streams, reserved })
}

/// Reads PAT and PMT of a segment; returns the PMT.
pub(crate) fn read(packets: &[Packet<'_>]) -> Result<Pmt, Fault> {
    let payload = |pid: u16| packets.iter().find(|packet| packet.pid == pid && packet.pusi)?.payload;
    let pat = section(payload(0).ok_or("no PAT")?)?;
    let &(_, place) = programs(&pat).first().ok_or("no program")?;
    pmt(&section(payload(place).ok_or("no PMT")?)?)
}

/// The PID of the first stream of a type.
pub(crate) fn stream(packets: &[Packet<'_>], kind: u8) -> Result<Option<u16>, Fault> {
    Ok(read(packets)?.streams.iter().find(|stream| stream.0 == kind).map(|stream| stream.1))
}
