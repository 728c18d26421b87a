//! An independent reader of MPEG transport streams (ISO/IEC 13818-1): bytes in, packets and PES packets out (sections:
//! `psi`). It shares no code with the server. It reads on after a broken rule if the next field is still in its place;
//! anything it cannot read is an `Err` that says where.
//!
//! │ 0x47 │ error 1, start 1, priority 1, PID 13 │ scrambling 2, adaptation 1, payload 1, counter 4 │ … to 188 bytes │

/// A fault, in words.
pub(crate) type Fault = String;

/// Size of a packet, in bytes.
pub(crate) const SIZE: usize = 188;

/// PTS and DTS wrap to zero after this many ticks.
pub(crate) const WRAP: u64 = 1 << 33;

/// Ticks of the 27 MHz clock in one tick of its 90 kHz base.
pub(crate) const PCR_TICKS: u64 = 300;

/// Difference from `from` to `to` on a clock that wraps at `wrap`: within half a round either way.
pub(crate) fn since(from: u64, to: u64, wrap: u64) -> i64 {
    let forward = (to % wrap + wrap - from % wrap) % wrap;
    if forward < wrap / 2 { forward as i64 } else { forward as i64 - wrap as i64 }
}

/// One packet (§2.4.3.2).
#[derive(Debug, Clone, Copy)]
pub(crate) struct Packet<'a> {
    /// Its number among its segment's packets.
    pub(crate) at: usize,
    pub(crate) error: bool,
    /// payload_unit_start_indicator.
    pub(crate) pusi: bool,
    pub(crate) pid: u16,
    pub(crate) scrambling: u8,
    pub(crate) cc: u8,
    pub(crate) adaptation: Option<Adaptation<'a>>,
    /// `None` if adaptation_field_control says that there is none.
    pub(crate) payload: Option<&'a [u8]>,
}

/// An adaptation field (§2.4.3.4).
#[derive(Debug, Clone, Copy)]
pub(crate) struct Adaptation<'a> {
    /// adaptation_field_length.
    pub(crate) length: usize,
    pub(crate) discontinuity: bool,
    pub(crate) random_access: bool,
    /// The flags of OPCR, splice countdown, private data and extension; their fields count as stuffing.
    pub(crate) optional: u8,
    /// The 48 bits of the PCR, unchanged.
    pub(crate) pcr_field: Option<u64>,
    pub(crate) stuffing: &'a [u8],
}

impl Adaptation<'_> {
    /// The PCR in ticks of 27 MHz: 33 bits of base, six reserved, nine of extension.
    pub(crate) fn pcr(&self) -> Option<u64> {
        self.pcr_field.map(|field| (field >> 15) * PCR_TICKS + (field & 0x1ff))
    }
}

/// The packets of a segment.
pub(crate) fn parse(bytes: &[u8]) -> Result<Vec<Packet<'_>>, Fault> {
    if !bytes.len().is_multiple_of(SIZE) {
        return Err(format!("{} bytes are not whole packets", bytes.len()));
    }
    bytes.chunks(SIZE).enumerate().map(|(at, bytes)| packet(at, bytes)).collect()
}

fn packet(at: usize, bytes: &[u8]) -> Result<Packet<'_>, Fault> {
    if bytes[0] != 0x47 {
        return Err(format!("packet {at}: no sync byte"));
    }
    let control = bytes[3] >> 4 & 3;
    if control == 0 {
        return Err(format!("packet {at}: adaptation_field_control 00"));
    }
    let mut rest = &bytes[4..];
    let mut field = None;
    if control & 2 != 0 {
        let length = usize::from(rest[0]);
        let inside = rest.get(1..=length).ok_or_else(|| format!("packet {at}: adaptation field of {length} bytes"))?;
        field = Some(adaptation(inside).map_err(|fault| format!("packet {at}: {fault}"))?);
        rest = &rest[1 + length..];
    }
    Ok(Packet {
        at,
        error: bytes[1] & 0x80 != 0,
        pusi: bytes[1] & 0x40 != 0,
        pid: u16::from_be_bytes([bytes[1], bytes[2]]) & 0x1fff,
        scrambling: bytes[3] >> 6,
        cc: bytes[3] & 0x0f,
        adaptation: field,
        payload: (control & 1 != 0).then_some(rest),
    })
}

fn adaptation(inside: &[u8]) -> Result<Adaptation<'_>, Fault> {
    // A field of length 0 is one byte of stuffing.
    let (&flags, mut stuffing) = inside.split_first().unwrap_or((&0, &[]));
    let mut pcr_field = None;
    if flags & 0x10 != 0 {
        let (field, rest) = stuffing.split_at_checked(6).ok_or("its adaptation field ends inside the PCR")?;
        pcr_field = Some(number(field));
        stuffing = rest;
    }
    Ok(Adaptation {
        length: inside.len(),
        discontinuity: flags & 0x80 != 0,
        random_access: flags & 0x40 != 0,
        optional: flags & 0x0f,
        pcr_field,
        stuffing,
    })
}

fn number(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0, |number, &byte| number << 8 | u64::from(byte))
}

pub(crate) fn word(bytes: &[u8]) -> u16 {
    u16::from_be_bytes([bytes[0], bytes[1]])
}

/// A PES packet (§2.4.3.6), reassembled.
#[derive(Debug, Clone)]
pub(crate) struct Pes {
    pub(crate) pid: u16,
    /// Numbers of its packets in its segment, without those that have no payload.
    pub(crate) packets: Vec<usize>,
    /// random_access_indicator of its first packet.
    pub(crate) random_access: bool,
    pub(crate) stream_id: u8,
    /// PES_packet_length.
    pub(crate) length: u16,
    pub(crate) pts: Option<u64>,
    /// `None` if it is not written.
    pub(crate) dts: Option<u64>,
    pub(crate) data: Vec<u8>,
    /// Faults of its header.
    pub(crate) faults: Vec<Fault>,
}

impl Pes {
    /// Decoding time.
    pub(crate) fn decoded(&self) -> Option<u64> {
        self.dts.or(self.pts)
    }
}

/// The PES packets of `pid`, in order.
pub(crate) fn pes(packets: &[Packet<'_>], pid: u16) -> Result<Vec<Pes>, Fault> {
    let mut units: Vec<(Vec<usize>, bool, Vec<u8>)> = Vec::new();
    for packet in packets.iter().filter(|packet| packet.pid == pid) {
        let Some(payload) = packet.payload else { continue };
        let random = packet.adaptation.is_some_and(|field| field.random_access);
        if packet.pusi {
            units.push((Vec::new(), random, Vec::new()));
        }
        let unit = units.last_mut().ok_or_else(|| format!("packet {}: no PES packet starts here", packet.at))?;
        unit.0.push(packet.at);
        unit.2.extend(payload);
    }
    units
        .into_iter()
        .map(|(packets, random_access, bytes)| {
            let at = packets[0];
            let unit = header(&bytes).map_err(|fault| format!("packet {at}: {fault}"))?;
            Ok(Pes { pid, packets, random_access, ..unit })
        })
        .collect()
}

fn header(bytes: &[u8]) -> Result<Pes, Fault> {
    let (head, rest) = bytes.split_at_checked(9).ok_or("a PES packet shorter than its header")?;
    if head[..3] != [0, 0, 1] {
        return Err("no packet_start_code_prefix".into());
    }
    let (fields, data) = rest.split_at_checked(usize::from(head[8])).ok_or("PES_header_data_length past its end")?;
    let length = word(&head[4..6]);
    let mut faults: Vec<Fault> = Vec::new();
    if head[6] >> 4 != 0b1000 {
        faults.push("no marker bits 10, or scrambling".into());
    }
    if head[7] & 0x3f != 0 {
        faults.push(format!("optional fields {:06b}", head[7] & 0x3f));
    }
    if length != 0 && usize::from(length) + 6 != bytes.len() {
        faults.push(format!("PES_packet_length {length} for {} bytes", bytes.len() - 6));
    }
    let mut time = |at: usize, prefix: u8| read_time(fields.get(at..at + 5), prefix, &mut faults);
    let (pts, dts, used) = match head[7] >> 6 {
        0 => (None, None, 0),
        2 => (time(0, 2), None, 5),
        3 => (time(0, 3), time(5, 1), 10),
        _ => return Err("PTS_DTS_flags 01".into()),
    };
    let stuffing = fields.get(used..).unwrap_or_default();
    // §2.4.3.7: at most 32 stuffing bytes in a PES packet header.
    if stuffing.len() > 32 || stuffing.iter().any(|&byte| byte != 0xff) {
        faults.push(format!("PES header stuffing {stuffing:02x?}"));
    }
    let (packets, data) = (Vec::new(), data.to_vec());
    Ok(Pes { pid: 0, packets, random_access: false, stream_id: head[3], length, pts, dts, data, faults })
}

/// Five bytes: prefix 4, three bits, marker, fifteen bits, marker, fifteen bits, marker.
fn read_time(field: Option<&[u8]>, prefix: u8, faults: &mut Vec<Fault>) -> Option<u64> {
    let Some(field) = field else {
        faults.push("PES_header_data_length has no room for its times".into());
        return None;
    };
    let bits = number(field);
    if field[0] >> 4 != prefix {
        faults.push(format!("time prefix {:04b}, not {prefix:04b}", field[0] >> 4));
    }
    if bits & 0x01_0001_0001 != 0x01_0001_0001 {
        faults.push("a time's marker bit is 0".into());
    }
    Some((bits >> 33 & 7) << 30 | (bits >> 17 & 0x7fff) << 15 | bits >> 1 & 0x7fff)
}
