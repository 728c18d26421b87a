//! Codec strings of sound that a decoder renders for any speaker layout: configurations of AC-4, MPEG-H and IAMF.

use super::bits::BitReader;
use super::boxes::Atom;
use crate::media::usize_from_u64;

/// `ac-4.bb.vv.ll` in hexadecimal: bitstream version, presentation version, and the decoder level that the first
/// presentation needs (ETSI TS 103 190-2 annex E.6 and E.13). `None` if `dac4` does not tell them.
pub(super) fn ac4(dac4: Atom<'_>) -> Option<String> {
    let mut bits = BitReader::new(dac4.body);
    let layout = bits.read(3)?;
    let version = bits.read(7)?;
    bits.skip(1 + 4)?;
    let presentations = bits.read(9)?;
    if layout != 1 || presentations == 0 {
        return None;
    }
    // Program identifiers: a number, and perhaps a UUID.
    if version > 1 && bits.flag()? {
        bits.skip(16)?;
        let named = bits.flag()?;
        bits.skip(if named { 128 } else { 0 })?;
    }
    bits.skip(2 + 32 + 32)?;
    bits.align();
    let presentation = bits.read(8)?;
    if bits.read(8)? == 255 {
        bits.skip(16)?;
    }
    let known = presentation <= 2 && bits.read(5)? != 6;
    let level = bits.read(3).filter(|_| known)?;
    Some(format!("ac-4.{version:02x}.{presentation:02x}.{level:02x}"))
}

/// `mhm1.0x0D`: the profile and level, in hexadecimal (ISO/IEC 23008-3 §21). `None` if `mhaC` does not tell them.
pub(super) fn mpegh(mhac: Atom<'_>, entry: &str) -> Option<String> {
    let mut bits = BitReader::new(mhac.body);
    (bits.read(8)? == 1).then_some(())?;
    let level = bits.read(8)?;
    Some(format!("{entry}.0x{level:02X}"))
}

/// Number of OBUs to read: the sequence header and the codec's configuration come first.
const OBU_LIMIT: usize = 16;

/// `iamf.PPP.AAA.codec`: the profiles, and the string of the inner codec (IAMF §6.3). `None` if `iacb` lacks them.
pub(super) fn iamf(iacb: Atom<'_>) -> Option<String> {
    let mut bits = BitReader::new(iacb.body);
    (bits.read(8)? == 1).then_some(())?;
    let len = usize_from_u64(bits.leb128()?);
    let mut bits = BitReader::new(bits.rest().get(..len)?);
    let (mut profiles, mut codec) = (None, None);
    for _ in 0..OBU_LIMIT {
        let Some(kind) = bits.read(5) else { break };
        let (_, trimmed, extended) = (bits.flag()?, bits.flag()?, bits.flag()?);
        let size = usize_from_u64(bits.leb128()?);
        let whole = bits.rest().get(..size)?;
        bits.skip(size.checked_mul(8)?)?;
        // The two OBUs that we need have no samples to trim and no extended header.
        if trimmed || extended {
            continue;
        }
        let mut unit = BitReader::new(whole);
        match kind {
            31 => {
                (unit.read(32)? == u32::from_be_bytes(*b"iamf")).then_some(())?;
                profiles = Some((unit.read(8)?, unit.read(8)?));
            }
            0 if codec.is_none() => {
                unit.leb128()?;
                codec = Some(unit.read(32)?.to_be_bytes());
            }
            _ => {}
        }
    }
    let codec = match &codec? {
        b"Opus" => "Opus",
        b"mp4a" => "mp4a.40.2",
        b"fLaC" => "fLaC",
        b"ipcm" => "ipcm",
        _ => return None,
    };
    let (primary, additional) = profiles?;
    Some(format!("iamf.{primary:03}.{additional:03}.{codec}"))
}

#[cfg(test)]
mod tests {
    #![expect(
        clippy::as_conversions,
        clippy::cast_possible_truncation,
        clippy::trivially_copy_pass_by_ref,
        reason = "numbers of a test are small, and box types read better without a star"
    )]

    use super::{ac4, iamf, mpegh};
    use crate::demux::boxes::Atom;
    use crate::demux::fixture::atom;

    fn of(kind: &[u8; 4], body: &[u8], read: impl Fn(Atom<'_>) -> Option<String>) -> Option<String> {
        read(Atom::new(&atom(kind, body), 0).unwrap())
    }

    #[test]
    fn ac4_names_its_versions_and_level() {
        // Layout 1, bitstream 2, one presentation, no program identifier, a bit rate; presentation 1, configuration 1,
        // level 3.
        let body = [0x20, 0xa6, 0x01, 0x40, 0, 0, 0, 0x1f, 0xff, 0xff, 0xff, 0xe0, 0x01, 0x10, 0x0b, 0, 0, 0, 0];
        let mut whole = Vec::new();
        for len in 0..body.len() {
            whole.push(of(b"dac4", &body[..len], ac4));
        }
        assert_eq!(of(b"dac4", &body, ac4).as_deref(), Some("ac-4.02.01.03"));
        assert!(whole[..15].iter().all(Option::is_none));
        assert_eq!(of(b"dac4", &[0; 20], ac4), None);
    }

    #[test]
    fn mpegh_names_its_profile_and_level() {
        assert_eq!(of(b"mhaC", &[1, 0x0d, 6, 0, 0], |mhac| mpegh(mhac, "mhm1")).as_deref(), Some("mhm1.0x0D"));
        assert_eq!(of(b"mhaC", &[1], |mhac| mpegh(mhac, "mhm1")), None);
    }

    #[test]
    fn iamf_names_its_profiles_and_the_codec_inside() {
        let units = [&[0xf8, 6][..], b"iamf", &[1, 1], &[0x00, 5, 0], b"Opus"].concat();
        let body = [&[1, units.len() as u8][..], &units].concat();
        assert_eq!(of(b"iacb", &body, iamf).as_deref(), Some("iamf.001.001.Opus"));
        for len in 0..body.len() {
            assert_eq!(of(b"iacb", &body[..len], iamf), None, "{len}");
        }
    }
}
