//! Bit reader for decoder configurations: most significant bit first, never beyond the end of the bytes.

use crate::media::u64_from_usize;

/// Reader of bits. Each read returns `None` if too few bits are left.
#[derive(Debug, Clone, Copy)]
pub(super) struct BitReader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> BitReader<'a> {
    /// Reader at the first bit of `bytes`.
    pub(super) const fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0 }
    }

    /// The next `count` bits, at most 32.
    pub(super) fn read(&mut self, count: usize) -> Option<u32> {
        (0..count).try_fold(0_u32, |value, _| {
            let byte = self.bytes.get(self.at / 8)?;
            let bit = (byte >> (7 - self.at % 8)) & 1;
            self.at += 1;
            Some((value << 1) | u32::from(bit))
        })
    }

    /// The next bit.
    pub(super) fn flag(&mut self) -> Option<bool> {
        self.read(1).map(|bit| bit == 1)
    }

    /// The next `count` bits, at most 8.
    pub(super) fn byte(&mut self, count: usize) -> Option<u8> {
        self.read(count).and_then(|value| u8::try_from(value).ok())
    }

    /// Skips the next `count` bits.
    pub(super) fn skip(&mut self, count: usize) -> Option<()> {
        let at = self.at.checked_add(count)?;
        let left = u64_from_usize(self.bytes.len()).saturating_mul(8);
        (u64_from_usize(at) <= left).then(|| self.at = at)
    }

    /// Skips the rest of the current byte.
    pub(super) fn align(&mut self) {
        self.at = self.at.next_multiple_of(8);
    }

    /// All whole bytes that are left.
    pub(super) fn rest(&self) -> &'a [u8] {
        self.bytes.get(self.at.div_ceil(8)..).unwrap_or_default()
    }

    /// An Exp-Golomb code `ue(v)` (Rec. ITU-T H.264 §9.1); up to 2³² − 2.
    pub(super) fn unsigned(&mut self) -> Option<u32> {
        let mut zeros = 0;
        while !self.flag()? {
            zeros += 1;
            if zeros > 31 {
                return None;
            }
        }
        let rest = self.read(zeros)?;
        Some((1_u32 << zeros) - 1 + rest)
    }

    /// An Exp-Golomb code `se(v)`.
    pub(super) fn signed(&mut self) -> Option<i64> {
        let code = i64::from(self.unsigned()?);
        Some(if code % 2 == 0 { -(code / 2) } else { code / 2 + 1 })
    }

    /// A number in groups of 7 bits, lowest group first (`leb128` of AV1 and IAMF); at most 8 bytes long.
    pub(super) fn leb128(&mut self) -> Option<u64> {
        let mut value = 0_u64;
        for group in 0..8_u32 {
            let byte = self.read(8)?;
            value |= u64::from(byte & 0x7f) << (7 * group);
            if byte & 0x80 == 0 {
                return Some(value);
            }
        }
        None
    }
}

/// A NAL unit's payload without emulation prevention bytes (Rec. ITU-T H.264 §7.4.1).
pub(super) fn unescaped(unit: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(unit.len());
    let mut zeros = 0;
    for byte in unit {
        if zeros >= 2 && *byte == 3 {
            zeros = 0;
            continue;
        }
        zeros = if *byte == 0 { zeros + 1 } else { 0 };
        out.push(*byte);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::{BitReader, unescaped};

    #[test]
    fn exp_golomb_codes_are_read_by_their_zeros() {
        // 1 │ 010 │ 011 │ 00100 │ 1…
        let mut bits = BitReader::new(&[0b1010_0110, 0b0100_1000]);
        assert_eq!([bits.unsigned(), bits.unsigned(), bits.unsigned(), bits.unsigned()], [0, 1, 2, 3].map(Some));
        let mut bits = BitReader::new(&[0b1010_0110, 0b0100_0010, 0b1000_0000]);
        assert_eq!([bits.signed(), bits.signed(), bits.signed(), bits.signed()], [0, 1, -1, 2].map(Some));
        assert_eq!(BitReader::new(&[0; 8]).unsigned(), None);
        assert_eq!(BitReader::new(&[0, 0, 0, 1, 0xff, 0xff, 0xff, 0xff]).unsigned(), Some(0xffff_fffe));
    }

    #[test]
    fn nothing_is_read_beyond_the_end() {
        let mut bits = BitReader::new(&[0xff]);
        assert_eq!((bits.read(9), bits.skip(1), bits.flag()), (None, None, None));
        assert_eq!(BitReader::new(&[0xff]).skip(usize::MAX), None);
        assert_eq!(BitReader::new(&[0xff; 9]).leb128(), None);
        assert_eq!(BitReader::new(&[0xe5, 0x8e, 0x26]).leb128(), Some(624_485));
    }

    #[test]
    fn a_three_behind_two_zeros_is_left_out() {
        assert_eq!(unescaped(&[0, 0, 3, 1, 0, 0, 3, 0, 0, 3]), [0, 0, 1, 0, 0, 0, 0]);
    }
}
