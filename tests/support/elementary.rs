//! Reads elementary streams from PES packets: NAL units of H.264 in a byte stream (ISO/IEC 14496-10 Annex B) and frames
//! of AAC in ADTS (ISO/IEC 14496-3 §1.A.2.2).

use crate::ts::Fault;

/// An AAC frame of 1,024 samples lasts `FRAME / rate` ticks of 90 kHz.
pub(crate) const FRAME: i64 = 1_024 * 90_000;

/// NAL unit types (ISO/IEC 14496-10 table 7-1).
pub(crate) const IDR: u8 = 5;
pub(crate) const SEI: u8 = 6;
pub(crate) const SPS: u8 = 7;
pub(crate) const PPS: u8 = 8;
pub(crate) const AUD: u8 = 9;

/// A NAL unit without trailing zeros, which are not part of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Unit<'a> {
    pub(crate) bytes: &'a [u8],
    /// Whether its start code has four bytes.
    pub(crate) long: bool,
}

impl Unit<'_> {
    pub(crate) fn kind(&self) -> u8 {
        self.bytes.first().map_or(0, |byte| byte & 0x1f)
    }

    /// Whether it is a slice of a picture, IDR or not.
    pub(crate) fn is_slice(&self) -> bool {
        matches!(self.kind(), 1..=IDR)
    }

    /// Whether it is an SEI with a recovery point (Annex D, payloadType 6).
    pub(crate) fn is_recovery_point(&self) -> bool {
        let mut rest = self.bytes.get(1..).unwrap_or_default();
        while self.kind() == SEI && rest.len() > 2 {
            let mut value = || {
                let full = rest.iter().take_while(|&&byte| byte == 0xff).count();
                let last = rest.get(full).copied().map_or(0, usize::from);
                rest = rest.get(full + 1..).unwrap_or_default();
                full * 255 + last
            };
            let (kind, size) = (value(), value());
            if kind == 6 {
                return true;
            }
            rest = rest.get(size..).unwrap_or_default();
        }
        false
    }
}

/// The NAL units of a byte stream, which must start with one.
pub(crate) fn units(data: &[u8]) -> Result<Vec<Unit<'_>>, Fault> {
    let codes: Vec<usize> = (0..data.len()).filter(|&at| data[at..].starts_with(&[0, 0, 1])).collect();
    if codes.first().is_none_or(|&first| data[..first].iter().any(|&byte| byte != 0)) {
        return Err("no NAL unit starts where the data does".into());
    }
    let ends = codes[1..].iter().copied().chain([data.len()]);
    let unit = |(&code, end): (&usize, usize)| {
        let bytes = &data[code + 3..end];
        let length = bytes.iter().rposition(|&byte| byte != 0).map_or(0, |last| last + 1);
        Unit { bytes: &bytes[..length], long: code > 0 && data[code - 1] == 0 }
    };
    Ok(codes.iter().zip(ends).map(unit).collect())
}

/// Fields that every ADTS frame of a stream has in common (adts_fixed_header).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Header {
    /// The ID bit: MPEG-2.
    pub(crate) mpeg2: bool,
    pub(crate) layer: u8,
    pub(crate) protection_absent: bool,
    /// The audio object type minus one.
    pub(crate) profile: u8,
    /// sampling_frequency_index.
    pub(crate) index: u8,
    /// channel_configuration.
    pub(crate) channels: u8,
}

impl Header {
    /// Samples a second; 0 for a reserved index.
    pub(crate) fn rate(self) -> i64 {
        const RATES: [i64; 13] =
            [96_000, 88_200, 64_000, 48_000, 44_100, 32_000, 24_000, 22_050, 16_000, 12_000, 11_025, 8_000, 7_350];
        RATES.get(usize::from(self.index)).copied().unwrap_or(0)
    }
}

/// One ADTS frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Adts<'a> {
    pub(crate) header: Header,
    /// number_of_raw_data_blocks_in_frame: blocks minus one.
    pub(crate) blocks: u8,
    /// The frame without its header (and CRC).
    pub(crate) raw: &'a [u8],
}

/// The ADTS frames of `data`, which they must fill.
pub(crate) fn frames(mut data: &[u8]) -> Result<Vec<Adts<'_>>, Fault> {
    let mut frames = Vec::new();
    while !data.is_empty() {
        let number = frames.len();
        let [0xff, one, two, three, four, five, six, ..] = *data else {
            return Err(format!("ADTS frame {number}: no syncword, or no room for a header"));
        };
        if one >> 4 != 0x0f {
            return Err(format!("ADTS frame {number}: no syncword"));
        }
        let header = Header {
            mpeg2: one & 8 != 0,
            layer: one >> 1 & 3,
            protection_absent: one & 1 != 0,
            profile: two >> 6,
            index: two >> 2 & 0x0f,
            channels: (two & 1) << 2 | three >> 6,
        };
        let length = usize::from(three & 3) << 11 | usize::from(four) << 3 | usize::from(five >> 5);
        let start = if header.protection_absent { 7 } else { 9 };
        let raw = data.get(start..length).filter(|raw| !raw.is_empty());
        let raw = raw.ok_or_else(|| format!("ADTS frame {number}: {length} bytes of {}", data.len()))?;
        frames.push(Adts { header, blocks: six & 3, raw });
        data = &data[length..];
    }
    Ok(frames)
}
