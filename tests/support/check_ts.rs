//! The rules of transport streams (ISO/IEC 13818-1 §2.4) for the segments of one rendition: packets, tables, counters
//! and clock. `check_es` checks the contents of the packets.

use crate::check_es;
use crate::psi::{self, Pmt, Section};
use crate::ts::{self, Fault, PCR_TICKS, Packet, Pes, SIZE, WRAP, since};
use std::collections::BTreeMap;

/// How a segment's video starts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Start {
    /// With an IDR picture. Also used for segments of a program without video.
    Idr,
    /// With any picture that has its parameter sets: an open GOP.
    Open,
    /// No picture: the audio outlasts the last one.
    Empty,
}

/// stream_type of H.264 and of AAC in ADTS.
pub(crate) const H264: u8 = 0x1b;
pub(crate) const AAC: u8 = 0x0f;

/// Largest distance of two PCRs, in ticks of 27 MHz: 100 ms (§2.7.2).
const PCR_STEP: i64 = 2_700_000;

/// Longest time between arrival and decoding, in ticks of 27 MHz. §2.4.2.7 allows one second, and ten for H.264; we
/// require one for both, because nothing makes our video wait longer, and a PCR that is off by more is a mistake.
const WAIT: i64 = 27_000_000;

/// State passed from earlier segments to the next.
#[derive(Debug, Default)]
pub(crate) struct Past {
    number: Option<u64>,
    /// The last continuity counter of each PID.
    counters: BTreeMap<u16, u8>,
    pcr: Option<u64>,
    pat: Option<Vec<u8>>,
    pmt: Option<Vec<u8>>,
    pub(crate) elementary: check_es::Past,
}

/// Broken rules, each as one line. `segments` are numbered bodies in ascending order; after a missing number the join
/// is not checked.
pub(crate) fn check(segments: &[(u64, Vec<u8>)], start: impl Fn(u64) -> Start) -> Vec<String> {
    let (mut past, mut faults) = (Past::default(), Vec::new());
    for (number, bytes) in segments {
        if past.number.is_some_and(|last| last + 1 != *number) {
            past = Past { pat: past.pat, pmt: past.pmt, ..Past::default() };
        }
        past.number = Some(*number);
        let mut found = Vec::new();
        if let Err(fault) = segment(bytes, start(*number), &mut past, &mut found) {
            found.push(fault);
        }
        faults.extend(found.into_iter().map(|fault| format!("segment {number}: {fault}")));
    }
    faults
}

fn segment(bytes: &[u8], start: Start, past: &mut Past, faults: &mut Vec<Fault>) -> Result<(), Fault> {
    let packets = ts::parse(bytes)?;
    counters(&packets, past, faults);
    let (place, pmt) = tables(&packets, past, faults)?;
    let known = [0, place].into_iter().chain(pmt.streams.iter().map(|&(_, pid)| pid)).collect::<Vec<_>>();
    for packet in &packets {
        let mut note = |fault: String| faults.push(format!("packet {}: {fault}", packet.at));
        if !known.contains(&packet.pid) {
            note(format!("PID {} is in no table", packet.pid));
        }
        packet_rules(packet, packet.pid == pmt.pcr).into_iter().for_each(note);
    }
    let clock = clock(&packets, pmt.pcr, past, faults);
    let mut units = Vec::new();
    for &(kind, pid) in &pmt.streams {
        let found = ts::pes(&packets, pid)?;
        faults.extend(found.iter().filter_map(|unit| waits(unit, &clock)));
        match kind {
            H264 => check_es::video(&found, start, &mut past.elementary, faults),
            _ => check_es::audio(&found, &mut past.elementary, faults),
        }
        units.extend(found);
    }
    check_es::order(&mut units, &mut past.elementary, faults);
    Ok(())
}

/// The PMT's PID and its contents. PAT and PMT must come first, once each.
fn tables(packets: &[Packet<'_>], past: &mut Past, faults: &mut Vec<Fault>) -> Result<(u16, Pmt), Fault> {
    let first = |pid: u16| packets.iter().find(|packet| packet.pid == pid && packet.pusi);
    let read = |packet: Option<&Packet<'_>>, name: &str| {
        let payload = packet.and_then(|packet| packet.payload).ok_or(format!("no {name}"))?;
        psi::section(payload).map_err(|fault| format!("{name}: {fault}"))
    };
    let list = read(first(0), "PAT")?;
    faults.extend(section_rules(&list, 0).into_iter().map(|fault| format!("PAT: {fault}")));
    let [(program, place)] = *psi::programs(&list) else {
        return Err(format!("PAT: programs {:?}, not one", psi::programs(&list)));
    };
    if program == 0 || list.body.len() != 4 || list.body[2] & 0xe0 != 0xe0 || !(0x10..0x1fff).contains(&place) {
        faults.push(format!("PAT: program {program} at {place}, body {:02x?}", list.body));
    }
    let section = read(first(place), "PMT")?;
    faults.extend(section_rules(&section, 2).into_iter().map(|fault| format!("PMT: {fault}")));
    if section.id != program {
        faults.push(format!("PMT: program {}, the PAT says {program}", section.id));
    }
    let pmt = psi::pmt(&section)?;
    faults.extend(program_rules(&pmt, place).into_iter().map(|fault| format!("PMT: {fault}")));
    for (at, pid, name) in [(0, 0, "PAT"), (1, place, "PMT")] {
        if packets[at.min(packets.len() - 1)].pid != pid {
            faults.push(format!("packet {at} is not the {name}"));
        }
        let count = packets.iter().filter(|packet| packet.pid == pid).count();
        if count != 1 {
            faults.push(format!("{count} packets of the {name}"));
        }
    }
    for (name, before, now) in [("PAT", &mut past.pat, list.bytes), ("PMT", &mut past.pmt, section.bytes)] {
        if before.as_ref().is_some_and(|before| *before != now) {
            faults.push(format!("{name}: another than before"));
        }
        *before = Some(now);
    }
    Ok((place, pmt))
}

fn section_rules(section: &Section, table: u8) -> Vec<Fault> {
    let mut faults = Vec::new();
    if psi::crc(&section.bytes) != 0 {
        faults.push("its CRC is wrong".into());
    }
    if section.table != table {
        faults.push(format!("table_id {}", section.table));
    }
    if section.syntax != 0b1011 {
        faults.push(format!("section_syntax_indicator and the bits behind it are {:04b}", section.syntax));
    }
    // Reserved bits and current_next_indicator.
    if section.version & 0xc1 != 0xc1 {
        faults.push(format!("it is not current, or its reserved bits are 0: {:08b}", section.version));
    }
    if (section.number, section.last) != (0, 0) {
        faults.push(format!("section {} of 0 to {}", section.number, section.last));
    }
    if section.stuffing.iter().any(|&byte| byte != 0xff) {
        faults.push("what follows it is no stuffing".into());
    }
    faults
}

/// At most one video and one audio stream (HLS: one audio stream in a segment), each with its own PID.
fn program_rules(pmt: &Pmt, place: u16) -> Vec<Fault> {
    let mut faults = Vec::new();
    let of = |kind: u8| pmt.streams.iter().filter(move |stream| stream.0 == kind).map(|stream| stream.1);
    if pmt.streams.is_empty() || of(H264).count() > 1 || of(AAC).count() > 1 {
        faults.push(format!("streams {:02x?}, not at most one video and one audio", pmt.streams));
    }
    if of(H264).count() + of(AAC).count() != pmt.streams.len() {
        faults.push(format!("stream types {:02x?}", pmt.streams));
    }
    let mut pids: Vec<u16> = pmt.streams.iter().map(|stream| stream.1).chain([place]).collect();
    pids.sort_unstable();
    if !pids.is_sorted_by(|one, two| one < two) || pids.iter().any(|pid| !(0x10..0x1fff).contains(pid)) {
        faults.push(format!("PIDs {pids:?}"));
    }
    if of(H264).chain(of(AAC)).next() != Some(pmt.pcr) {
        faults.push(format!("PCR_PID {} is not the video's, nor that of audio alone", pmt.pcr));
    }
    if !pmt.reserved {
        faults.push("a reserved bit is 0".into());
    }
    faults
}

/// Rules for one packet by itself (§2.4.3.2 to §2.4.3.5).
fn packet_rules(packet: &Packet<'_>, clocked: bool) -> Vec<Fault> {
    let mut faults = Vec::new();
    if packet.error || packet.scrambling != 0 {
        faults.push(format!("transport_error_indicator {}, scrambling {}", packet.error, packet.scrambling));
    }
    if packet.pusi && packet.payload.is_none() {
        faults.push("a unit starts where there is no payload".into());
    }
    let Some(field) = packet.adaptation else { return faults };
    let legal = match packet.payload {
        Some(_) => field.length <= 182,
        None => field.length == SIZE - 5,
    };
    if !legal {
        faults.push(format!("adaptation_field_length {}", field.length));
    }
    if field.stuffing.iter().any(|&byte| byte != 0xff) {
        faults.push("adaptation field stuffing that is not 0xff".into());
    }
    if field.discontinuity || field.optional != 0 {
        faults.push(format!("discontinuity {}, optional fields {:04b}", field.discontinuity, field.optional));
    }
    if let Some(bits) = field.pcr_field {
        if bits >> 9 & 0x3f != 0x3f || bits & 0x1ff >= PCR_TICKS {
            faults.push(format!("PCR reserved bits and extension are {:015b}", bits & 0x7fff));
        }
        if !clocked {
            faults.push("a PCR on a PID that is not PCR_PID".into());
        }
    }
    faults
}

/// §2.4.3.3: counters go up by one with each payload and stay the same without. The standard allows sending a packet
/// twice, but in a file that is a fault.
fn counters(packets: &[Packet<'_>], past: &mut Past, faults: &mut Vec<Fault>) {
    for packet in packets {
        let step = u8::from(packet.payload.is_some());
        if let Some(&last) = past.counters.get(&packet.pid) {
            let due = (last + step) % 16;
            if packet.cc != due {
                faults.push(format!(
                    "packet {}: continuity_counter {} on PID {}, {due} was due",
                    packet.at, packet.cc, packet.pid
                ));
            }
        }
        past.counters.insert(packet.pid, packet.cc);
    }
}

/// The last PCR at or before each packet.
fn clock(packets: &[Packet<'_>], pid: u16, past: &mut Past, faults: &mut Vec<Fault>) -> Vec<Option<u64>> {
    let first = packets.iter().find(|packet| packet.pid == pid);
    if first.is_none_or(|packet| packet.adaptation.and_then(|field| field.pcr()).is_none()) {
        faults.push("no PCR in the first packet of PCR_PID".into());
    }
    let mut clock = Vec::new();
    for packet in packets {
        let here = packet.adaptation.filter(|_| packet.pid == pid).and_then(|field| field.pcr());
        if let (Some(before), Some(now)) = (past.pcr, here) {
            let step = since(before, now, WRAP * PCR_TICKS);
            if step <= 0 || step > PCR_STEP {
                faults.push(format!("packet {}: PCR {step} ticks after the one before", packet.at));
            }
        }
        past.pcr = here.or(past.pcr);
        clock.push(past.pcr);
    }
    clock
}

/// Every byte of a unit must arrive before it is decoded, and none too long before (§2.4.2.7).
fn waits(unit: &Pes, clock: &[Option<u64>]) -> Option<Fault> {
    let decoded = unit.decoded()? * PCR_TICKS;
    let wait = |at: usize| Some(since(clock[at]?, decoded, WRAP * PCR_TICKS));
    let (first, last) = (unit.packets[0], *unit.packets.last()?);
    if let Some(late) = wait(last).filter(|&wait| wait < 0) {
        return Some(format!("packet {last}: PCR is {} ticks past the decoding of what it carries", -late));
    }
    let long = wait(first).filter(|&wait| wait > WAIT)?;
    Some(format!("packet {first}: decoded {long} ticks after its PCR"))
}
