//! Detects signs of encryption outside of sample entries (ISO/IEC 23001-7 §7.2, ISO/IEC 14496-12 §8.7.8 and §8.9.3).
//!
//! Without this check, a track with a clear sample entry but encrypted samples would play as noise.

use super::boxes::Atom;
use super::error::FourCc;

/// UUID of `senc` in PIFF, which has no box type for it.
const PIFF_SENC: [u8; 16] =
    [0xa2, 0x39, 0x4f, 0x52, 0x5a, 0x9b, 0x4f, 0x14, 0xa2, 0x44, 0x6c, 0x42, 0x7c, 0x64, 0x8d, 0xf4];

/// Protection schemes (ISO/IEC 23001-7 §4.2) that `saiz` may name.
const SCHEMES: [[u8; 4]; 4] = [*b"cenc", *b"cens", *b"cbc1", *b"cbcs"];

/// A box that marks samples as encrypted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct EncryptionMark {
    /// Box type.
    kind: FourCc,
    /// Byte of the object at which the box begins.
    at: u64,
}

impl EncryptionMark {
    /// Finds the first such box among the children of a `stbl` or `traf`; ignores boxes that it cannot read.
    pub(super) fn find(within: Atom<'_>) -> Option<Self> {
        let mut parts = within.children().filter_map(Result::ok);
        let found = parts.find(|part| is_sign(*part).unwrap_or(false))?;
        Some(Self { kind: found.kind, at: found.at })
    }

    /// Reason to skip the track.
    pub(super) fn reason(self) -> String {
        format!("is encrypted (`{}` at byte {}), though its sample entry says that it is clear", self.kind, self.at)
    }
}

fn is_sign(part: Atom<'_>) -> Option<bool> {
    match &part.kind.0 {
        b"senc" => counts_samples(part, 0),
        b"uuid" if part.body.starts_with(&PIFF_SENC) => counts_samples(part, PIFF_SENC.len()),
        b"saiz" => {
            let (_, flags, mut fields) = part.full().ok()?;
            Some(flags & 1 != 0 && SCHEMES.contains(&fields.take().ok()?))
        }
        b"sgpd" => protects(part),
        _ => Some(false),
    }
}

/// Whether `senc`, whose fields begin behind `skip` bytes, lists any sample.
fn counts_samples(senc: Atom<'_>, skip: usize) -> Option<bool> {
    let mut fields = senc.fields();
    fields.slice(skip).ok()?;
    let flags = fields.u32().ok()? & 0x00ff_ffff;
    // Overrides of the algorithm, the size of initialisation vectors and the key id.
    fields.slice(if flags & 1 == 0 { 0 } else { 20 }).ok()?;
    Some(fields.u32().ok()? > 0)
}

/// Whether a sample group description (`seig`) marks its samples as protected.
fn protects(sgpd: Atom<'_>) -> Option<bool> {
    let (version, _, mut fields) = sgpd.full().ok()?;
    if fields.take().ok()? != *b"seig" {
        return Some(false);
    }
    let length = if version == 1 { fields.u32().ok()? } else { 0 };
    if version > 1 {
        fields.u32().ok()?;
    }
    // The end of the box bounds the loop: each iteration takes at least 20 bytes.
    for _ in 0..fields.u32().ok()? {
        let own = if version == 1 && length == 0 { fields.u32().ok()? } else { length };
        let [_, _, protected, ..] = fields.take::<20>().ok()?;
        if protected != 0 {
            return Some(true);
        }
        fields.slice(usize::try_from(own).ok()?.saturating_sub(20)).ok()?;
    }
    Some(false)
}

#[cfg(test)]
mod tests {
    use super::{EncryptionMark, PIFF_SENC};
    use crate::demux::boxes::Atom;
    use crate::demux::fixture::{atom, full, words};

    fn sealed(part: &[u8]) -> bool {
        EncryptionMark::find(Atom::new(&atom(b"traf", part), 0).unwrap()).is_some()
    }

    fn seig(protected: u8) -> Vec<u8> {
        let entry = [&[0, 0, protected, 8][..], &[7; 16]].concat();
        full(b"sgpd", 1, 0, &[b"seig", &words(&[20, 1])[..], &entry].concat())
    }

    #[test]
    fn boxes_of_encrypted_samples_are_signs() {
        assert!(sealed(&full(b"senc", 0, 2, &words(&[1, 0, 0]))));
        assert!(!sealed(&full(b"senc", 0, 2, &words(&[0]))));
        assert!(sealed(&atom(b"uuid", &[&PIFF_SENC[..], &words(&[0, 3])].concat())));
        assert!(!sealed(&atom(b"uuid", &[&[1; 16][..], &words(&[0, 3])].concat())));
        assert!(sealed(&seig(1)));
        assert!(!sealed(&seig(0)));
        assert!(!sealed(&full(b"sgpd", 1, 0, &[b"roll", &words(&[2, 1])[..], &[0, 1]].concat())));
        assert!(sealed(&full(b"saiz", 0, 1, b"cenc\0\0\0\0\x08\0\0\0\x01")));
        assert!(!sealed(&full(b"saiz", 0, 0, &[8, 0, 0, 0, 1])));
    }

    #[test]
    fn a_sign_that_is_cut_is_none() {
        let whole = seig(1);
        for len in 0..whole.len() {
            let _cut = sealed(&whole[..len]);
        }
        assert!(!sealed(&full(b"sgpd", 1, 0, &[b"seig", &words(&[20, u32::MAX])[..]].concat())));
    }
}
