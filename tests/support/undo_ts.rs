//! Undoes the muxing: segments in, the samples of their streams out in the form of an MP4, with their times in 90 kHz.
//! Each comparison documents what it ignores.

use crate::check_ts::{AAC, H264};
use crate::elementary::{self, AUD, FRAME, Header};
use crate::psi;
use crate::ts::{self, Fault, Pes, WRAP, since};

/// An access unit or an audio frame. Times are in ticks of 90 kHz and do not wrap.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Sample {
    /// Number of its segment.
    pub(crate) segment: u64,
    pub(crate) pts: i64,
    pub(crate) dts: i64,
    /// Whether the stream states its time. The times of frames after the first in a PES packet are computed from it,
    /// rounded down.
    pub(crate) timed: bool,
    /// random_access_indicator of its PES packet.
    pub(crate) random_access: bool,
    /// Video: all its NAL units. Audio: one part, the frame without its ADTS header.
    pub(crate) parts: Vec<Vec<u8>>,
}

/// One elementary stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Stream {
    pub(crate) pid: u16,
    /// stream_type.
    pub(crate) kind: u8,
    /// Header of the first ADTS frame.
    pub(crate) adts: Option<Header>,
    pub(crate) samples: Vec<Sample>,
}

/// The streams of consecutive segments, in the order of the PMT. The first PTS counts as it is (DESIGN: SHIFT, so in
/// the first round of 33 bits unless the segments start after 26.5 h); all other times count from it.
pub(crate) fn undo(segments: &[(u64, Vec<u8>)]) -> Result<Vec<Stream>, Fault> {
    let mut streams: Vec<Stream> = Vec::new();
    let mut latest: Option<i64> = None;
    for (number, bytes) in segments {
        let packets = ts::parse(bytes)?;
        for (kind, pid) in psi::read(&packets)?.streams {
            let at = streams.iter().position(|stream| stream.pid == pid).unwrap_or(streams.len());
            if at == streams.len() {
                streams.push(Stream { pid, kind, adts: None, samples: Vec::new() });
            }
            for unit in ts::pes(&packets, pid)? {
                let decoded = unit.decoded().ok_or("a PES packet without a PTS")?;
                let dts = *latest.get_or_insert(decoded as i64);
                let dts = dts + since(dts.rem_euclid(WRAP as i64) as u64, decoded, WRAP);
                latest = Some(dts);
                samples(&unit, (*number, dts), &mut streams[at])?;
            }
        }
    }
    Ok(streams)
}

fn samples(unit: &Pes, (segment, dts): (u64, i64), stream: &mut Stream) -> Result<(), Fault> {
    let random_access = unit.random_access;
    match stream.kind {
        H264 => {
            let pts = unit.pts.zip(unit.decoded()).map_or(dts, |(pts, decoded)| dts + since(decoded, pts, WRAP));
            let parts = elementary::units(&unit.data)?.iter().map(|part| part.bytes.to_vec()).collect();
            stream.samples.push(Sample { segment, pts, dts, timed: true, random_access, parts });
        }
        AAC => {
            for (number, frame) in (0..).zip(elementary::frames(&unit.data)?) {
                let header = *stream.adts.get_or_insert(frame.header);
                let pts = dts + number * FRAME / header.rate().max(1);
                let (timed, parts) = (number == 0, vec![frame.raw.to_vec()]);
                stream.samples.push(Sample { segment, pts, dts: pts, timed, random_access, parts });
            }
        }
        kind => return Err(format!("stream_type {kind:#04x}")),
    }
    Ok(())
}

/// The length of NAL unit lengths and the parameter sets (SPS, PPS and SPS extensions) of an `avcC` payload
/// (ISO/IEC 14496-15 §5.3.3.1).
pub(crate) fn avcc(payload: &[u8]) -> Result<(usize, Vec<Vec<u8>>), Fault> {
    let short = "an avcC that ends inside a field";
    let length_size = usize::from(payload.get(4).ok_or(short)? & 3) + 1;
    let mut rest = payload.get(5..).ok_or(short)?;
    let mut sets = Vec::new();
    // SPS: five bits of count; PPS: eight; then, for High profiles, three bytes and SPS extensions.
    for (skip, mask, optional) in [(0, 0x1f, false), (0, 0xff, false), (3, 0xff, true)] {
        let Some((&count, after)) = rest.get(skip..).and_then(<[u8]>::split_first) else {
            if optional {
                break;
            }
            return Err(short.into());
        };
        rest = after;
        for _ in 0..count & mask {
            let (head, after) = rest.split_at_checked(2).ok_or(short)?;
            let (set, after) = after.split_at_checked(usize::from(ts::word(head))).ok_or(short)?;
            sets.push(trimmed(set).to_vec());
            rest = after;
        }
    }
    Ok((length_size, sets))
}

/// A NAL unit without trailing zeros: in a byte stream they are not part of it.
fn trimmed(unit: &[u8]) -> &[u8] {
    let length = unit.iter().rposition(|&byte| byte != 0).map_or(0, |last| last + 1);
    &unit[..length]
}

/// The NAL units of an MP4 sample.
pub(crate) fn stored_units(mut sample: &[u8], length_size: usize) -> Result<Vec<&[u8]>, Fault> {
    let mut units = Vec::new();
    while !sample.is_empty() {
        let (length, rest) = sample.split_at_checked(length_size).ok_or("a sample that ends inside a length")?;
        let length = length.iter().fold(0, |length, &byte| length << 8 | usize::from(byte));
        let (unit, rest) = rest.split_at_checked(length).ok_or("a NAL unit that ends past its sample")?;
        units.push(unit);
        sample = rest;
    }
    Ok(units)
}

/// Checks that an access unit equals the MP4's sample: the same NAL units in the same order. Both sides ignore exactly:
/// * access unit delimiters (type 9);
/// * parameter sets that equal one of `sets`, those of the `avcC`, byte for byte;
/// * zeros after a NAL unit, and units that are empty without them: a byte stream cannot carry these.
///
/// `check_es` checks number and places of delimiters and parameter sets.
pub(crate) fn same_video(
    parts: &[Vec<u8>],
    sample: &[u8],
    (length_size, sets): &(usize, Vec<Vec<u8>>),
) -> Result<(), Fault> {
    let kept = |unit: &&[u8]| {
        let delimiter = unit.first().is_some_and(|head| head & 0x1f == AUD);
        !unit.is_empty() && !delimiter && !sets.iter().any(|set| set == unit)
    };
    let played: Vec<&[u8]> = parts.iter().map(|unit| trimmed(unit)).filter(kept).collect();
    let stored: Vec<&[u8]> = stored_units(sample, *length_size)?.into_iter().map(trimmed).filter(kept).collect();
    if played == stored {
        return Ok(());
    }
    let shape = |units: &[&[u8]]| units.iter().map(|unit| (unit[0] & 0x1f, unit.len())).collect::<Vec<_>>();
    let at = played.iter().zip(&stored).take_while(|(one, two)| one == two).count();
    Err(format!("NAL unit {at} differs: {:?} are played, {:?} stored (type, length)", shape(&played), shape(&stored)))
}

/// Checks that a frame equals the MP4's sample, byte for byte.
pub(crate) fn same_audio(parts: &[Vec<u8>], sample: &[u8]) -> Result<(), Fault> {
    match parts {
        [frame] if frame == sample => Ok(()),
        _ => Err(format!("{} bytes are played, {} stored, or others", parts.concat().len(), sample.len())),
    }
}

/// Checks that ADTS headers match an AudioSpecificConfig (ISO/IEC 14496-3 §1.6.2.1): object type, frequency and
/// channels of the core. Ignores SBR and PS, which ADTS cannot signal.
pub(crate) fn same_config(header: Header, config: &[u8]) -> Result<(), Fault> {
    let bits = config.iter().chain([0; 8].iter()).take(8).fold(0_u64, |bits, &byte| bits << 8 | u64::from(byte));
    let field = |at: u32, width: u32| (bits >> (64 - at - width) & ((1 << width) - 1)) as u8;
    let (mut kind, index, channels) = (field(0, 5), field(5, 4), field(9, 4));
    // Hierarchical signalling: the extension's frequency, then the core's object type.
    if kind == 5 || kind == 29 {
        kind = field(17, 5);
    }
    let said = (header.profile + 1, header.index, header.channels);
    if said == (kind, index, channels) {
        return Ok(());
    }
    Err(format!("ADTS says {said:?}, the AudioSpecificConfig {:?}", (kind, index, channels)))
}
