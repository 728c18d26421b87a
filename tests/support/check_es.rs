//! The rules of elementary streams in transport streams: PES packets (ISO/IEC 13818-1 §2.4.3.7), access units of H.264
//! (§2.14 and ISO/IEC 14496-10 §7.4.1.2.3, Annex B) and frames of AAC in ADTS (ISO/IEC 14496-3 §1.A).

use crate::check_ts::Start;
use crate::elementary::{self, AUD, Adts, FRAME, Header, IDR, PPS, SPS, Unit};
use crate::psi;
use crate::ts::{self, Fault, Pes, WRAP, since};
use std::collections::BTreeMap;

/// Largest step back of decoding times along the bytes, in ticks of 90 kHz: a second. Players have to wait for data
/// that comes later than that after its neighbours in time.
const BACK: i64 = 90_000;

/// Longest audio PES packet, in ticks of 90 kHz, as only its first frame has a time (§2.7.4): 0.7 s.
const PTS_STEP: i64 = 63_000;

/// State passed from earlier segments to the next.
#[derive(Debug, Default)]
pub(crate) struct Past {
    /// The last decoding time of each PID.
    decoded: BTreeMap<u16, u64>,
    /// The latest decoding time of all PIDs.
    latest: Option<u64>,
    header: Option<Header>,
}

/// Rules for the times of all PES packets.
fn times(unit: &Pes, past: &mut Past) -> Vec<Fault> {
    let mut faults = unit.faults.clone();
    let (Some(pts), Some(decoded)) = (unit.pts, unit.decoded()) else {
        faults.push("no PTS".into());
        return faults;
    };
    // §2.4.3.7: a DTS is written only if it differs from the PTS.
    if unit.dts == Some(pts) {
        faults.push("a DTS that is its PTS".into());
    }
    if since(decoded, pts, WRAP) < 0 {
        faults.push(format!("PTS {pts} before DTS {decoded}"));
    }
    if let Some(before) = past.decoded.insert(unit.pid, decoded).filter(|&before| since(before, decoded, WRAP) <= 0) {
        faults.push(format!("DTS {decoded} on PID {} after {before}", unit.pid));
    }
    faults
}

/// The video of a segment: each PES packet is one access unit.
pub(crate) fn video(units: &[Pes], start: Start, past: &mut Past, faults: &mut Vec<Fault>) {
    if units.is_empty() != (start == Start::Empty) {
        faults.push(format!("{} pictures in a segment that starts {start:?}", units.len()));
    }
    for (number, unit) in units.iter().enumerate() {
        let mut found = times(unit, past);
        if !(0xe0..=0xef).contains(&unit.stream_id) {
            found.push(format!("stream_id {:#04x} of video", unit.stream_id));
        }
        match elementary::units(&unit.data) {
            Ok(parts) => {
                found.extend(access_unit(&parts));
                found.extend(entry(&parts, (number == 0, start), unit.random_access));
            }
            Err(fault) => found.push(fault),
        }
        faults.extend(found.into_iter().map(|fault| format!("packet {}: {fault}", unit.packets[0])));
    }
}

/// Rules for the NAL units of an access unit by themselves.
fn access_unit(units: &[Unit<'_>]) -> Vec<Fault> {
    let mut faults = Vec::new();
    if units[0].kind() != AUD {
        faults.push("no access unit delimiter in front".into());
    }
    let count = units.iter().filter(|unit| unit.kind() == AUD).count();
    if count != 1 {
        faults.push(format!("{count} access unit delimiters"));
    }
    if !units.iter().any(Unit::is_slice) {
        faults.push("an access unit without a picture".into());
    }
    for (number, unit) in units.iter().enumerate() {
        let [head, ..] = *unit.bytes else {
            faults.push(format!("NAL unit {number} is empty"));
            continue;
        };
        if head & 0x80 != 0 {
            faults.push(format!("NAL unit {number}: forbidden_zero_bit"));
        }
        // A delimiter: three bits of primary_pic_type and the stop bit.
        if unit.kind() == AUD && (unit.bytes.len() != 2 || unit.bytes[1] & 0x1f != 0x10) {
            faults.push(format!("NAL unit {number}: a delimiter {:02x?}", unit.bytes));
        }
        // §B.1.2: zero_byte before the first NAL unit, SPS and PPS.
        if !unit.long && (number == 0 || matches!(unit.kind(), SPS | PPS)) {
            faults.push(format!("NAL unit {number}: its start code has three bytes"));
        }
        // §7.4.1: 000001 would be a start code, so it shows up as another NAL unit.
        if unit.bytes.windows(3).any(|three| matches!(three, [0, 0, 0 | 2])) {
            faults.push(format!("NAL unit {number}: bytes that only emulation prevention may hide"));
        }
    }
    faults
}

/// Rules for points where playback may start: parameter sets and marks.
fn entry(units: &[Unit<'_>], (first, start): (bool, Start), random_access: bool) -> Vec<Fault> {
    let mut faults = Vec::new();
    let idr = units.iter().any(|unit| unit.kind() == IDR);
    let before: Vec<u8> = units.iter().take_while(|unit| !unit.is_slice()).map(Unit::kind).collect();
    if first && start == Start::Idr && !idr {
        faults.push("the segment starts with no IDR picture".into());
    }
    let wanted = idr || first && start == Start::Open;
    for (kind, name) in [(SPS, "SPS"), (PPS, "PPS")] {
        if wanted && !before.contains(&kind) {
            faults.push(format!("no {name} before its picture"));
        }
    }
    if idr && !random_access {
        faults.push("an IDR picture without random_access_indicator".into());
    }
    let point = idr || start == Start::Open || units.iter().any(Unit::is_recovery_point);
    if random_access && !point {
        faults.push("random_access_indicator where playing cannot start".into());
    }
    faults
}

/// The audio of a segment: PES packets of whole frames.
pub(crate) fn audio(units: &[Pes], past: &mut Past, faults: &mut Vec<Fault>) {
    for unit in units {
        let mut found = times(unit, past);
        if !(0xc0..=0xdf).contains(&unit.stream_id) {
            found.push(format!("stream_id {:#04x} of audio", unit.stream_id));
        }
        // §2.4.3.7: only video may leave its length open.
        if unit.length == 0 {
            found.push("PES_packet_length 0 on audio".into());
        }
        if unit.dts.is_some() {
            found.push("a DTS on audio".into());
        }
        match elementary::frames(&unit.data) {
            Ok(frames) => found.extend(frame_rules(&frames, past)),
            Err(fault) => found.push(fault),
        }
        faults.extend(found.into_iter().map(|fault| format!("packet {}: {fault}", unit.packets[0])));
    }
}

fn frame_rules(frames: &[Adts<'_>], past: &mut Past) -> Vec<Fault> {
    let mut faults = Vec::new();
    let Some(first) = frames.first() else { return vec!["a PES packet without a frame".into()] };
    let header = *past.header.get_or_insert(first.header);
    if frames.len() as i64 * FRAME > PTS_STEP * header.rate() {
        faults.push(format!("{} frames behind one PTS", frames.len()));
    }
    for (number, frame) in frames.iter().enumerate() {
        if frame.header != header {
            faults.push(format!("ADTS frame {number}: {:?}, the first had {header:?}", frame.header));
        }
        if frame.header.layer != 0 || frame.header.rate() == 0 || frame.blocks != 0 {
            faults.push(format!("ADTS frame {number}: {:?} and {} more blocks", frame.header, frame.blocks));
        }
        // Without a channel configuration the frame starts with a program_config_element (ISO/IEC 14496-3 table 4.85).
        if frame.header.channels == 0 && frame.raw[0] >> 5 != 5 {
            faults.push(format!("ADTS frame {number}: no channel configuration"));
        }
    }
    faults
}

/// Checks that decoding times do not go back along the bytes by more than [`BACK`]. One stream may have ended before
/// the segment, but not all.
pub(crate) fn order(units: &mut [Pes], past: &mut Past, faults: &mut Vec<Fault>) {
    if units.is_empty() {
        faults.push("it carries nothing".into());
    }
    units.sort_by_key(|unit| unit.packets[0]);
    for unit in units {
        let Some(decoded) = unit.decoded() else { continue };
        let latest = *past.latest.get_or_insert(decoded);
        let ahead = since(latest, decoded, WRAP);
        if ahead < -BACK {
            faults.push(format!("packet {}: decoded {} ticks before what precedes it", unit.packets[0], -ahead));
        }
        if ahead > 0 {
            past.latest = Some(decoded);
        }
    }
}

/// A place where a time of audio is more than a tick off the previous time plus the frames in between.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Gap {
    /// The PTS of the PES packet after it.
    pub(crate) pts: u64,
    /// Its length in ticks of 90 kHz, rounded down; negative where frames overlap.
    pub(crate) ticks: i64,
}

/// The gaps across consecutive segments. The source may have gaps, so no rule forbids them.
pub(crate) fn gaps(segments: &[(u64, Vec<u8>)]) -> Result<Vec<Gap>, Fault> {
    let mut gaps = Vec::new();
    // The PTS that frames are counted from, and the number of frames since.
    let mut run: Option<(u64, i64)> = None;
    for (_, bytes) in segments {
        let packets = ts::parse(bytes)?;
        let Some(pid) = psi::stream(&packets, crate::check_ts::AAC)? else { continue };
        for unit in ts::pes(&packets, pid)? {
            let frames = elementary::frames(&unit.data)?;
            let (Some(pts), Some(first)) = (unit.pts, frames.first()) else { continue };
            let (from, count) = run.unwrap_or((pts, 0));
            // In ticks times the rate, to avoid rounding.
            let rate = first.header.rate();
            let apart = since(from, pts, WRAP) * rate - count * FRAME;
            let whole = apart.abs() <= rate;
            if !whole {
                gaps.push(Gap { pts, ticks: apart.div_euclid(rate) });
            }
            let (from, count) = if whole { (from, count) } else { (pts, 0) };
            run = Some((from, count + frames.len() as i64));
        }
    }
    Ok(gaps)
}
