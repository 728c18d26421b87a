//! Reader of ISO boxes in memory; checks every size against the bytes that are left before it reads.
//!
//! ```text
//! │ size u32 │ type 4cc │ largesize u64 if size = 1 │ body … │
//! ```
//! ISO/IEC 14496-12 §4.2. We use this reader instead of the `mp4` crate: its errors name box, byte and count, it copies
//! nothing twice, and `stz2`, signed offsets and media_time −1 need no special care.

use super::error::Error;
use super::error::FourCc;
use super::sieve::Cut;
use crate::media::PackedTable;
use crate::media::u64_from_usize;
use crate::media::usize_from_u32;
use crate::media::usize_from_u64;

/// The first 8 or 16 bytes of a box.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Header {
    /// Box type.
    pub(super) kind: FourCc,
    /// Bytes of the header itself: 8 or 16.
    pub(super) len: u64,
    /// Bytes of header and body; `None` if the box extends to the end of the file.
    pub(super) size: Option<u64>,
}

impl Header {
    /// Reads a header; `None` if `bytes` end inside the header.
    pub(super) fn read(bytes: &[u8]) -> Option<Self> {
        let (size, rest) = bytes.split_first_chunk::<4>()?;
        let (kind, rest) = rest.split_first_chunk::<4>()?;
        let kind = FourCc(*kind);
        match u32::from_be_bytes(*size) {
            0 => Some(Self { kind, len: 8, size: None }),
            1 => {
                let (size, _) = rest.split_first_chunk::<8>()?;
                Some(Self { kind, len: 16, size: Some(u64::from_be_bytes(*size)) })
            }
            size => Some(Self { kind, len: 8, size: Some(u64::from(size)) }),
        }
    }
}

/// A box in memory, possibly without ranges that the sieve has removed.
#[derive(Debug, Clone, Copy)]
pub(super) struct Atom<'a> {
    /// Box type.
    pub(super) kind: FourCc,
    /// Byte of the object at which the header begins.
    pub(super) at: u64,
    /// Bytes of header and body.
    pub(super) whole: &'a [u8],
    /// Bytes behind the header.
    pub(super) body: &'a [u8],
    /// Ranges that the sieve removed from the box while it was read, in order.
    cuts: &'a [Cut],
}

impl<'a> Atom<'a> {
    /// Reads the header of the box whose bytes are `whole`. `at` is the position in the object.
    pub(super) fn new(whole: &'a [u8], at: u64) -> Result<Self, Error> {
        Self::sifted(whole, at, &[])
    }

    /// Like [`Self::new`], for a box from which the sieve removed `cuts`.
    pub(super) fn sifted(whole: &'a [u8], at: u64, cuts: &'a [Cut]) -> Result<Self, Error> {
        let left = length(whole, cuts);
        let header = Header::read(whole).ok_or(Error::BoxSize { kind: FourCc(*b"    "), at, claims: 8, left })?;
        let body = whole.get(usize_from_u64(header.len)..).unwrap_or_default();
        Ok(Self { kind: header.kind, at, whole, body, cuts })
    }

    /// Takes the packed table that the sieve cut out of this box; `None` if there is none, or if it was taken before.
    pub(super) fn packing(self) -> Option<PackedTable> {
        self.cuts.first().and_then(Cut::take)
    }

    /// The child boxes in the body.
    pub(super) fn children(self) -> Children<'a> {
        self.children_behind(0)
    }

    /// The child boxes behind the first `skip` bytes of the body.
    pub(super) fn children_behind(self, skip: usize) -> Children<'a> {
        let rest = self.body.get(skip..).unwrap_or_default();
        let start = u64_from_usize(self.whole.len() - rest.len());
        Children { within: self.kind, at: self.at.saturating_add(start), rest, cuts: self.cuts }
    }

    /// The first child of type `kind`; `None` if there is none.
    pub(super) fn child(self, kind: [u8; 4]) -> Result<Option<Self>, Error> {
        self.children().find(|child| child.as_ref().map_or(true, |child| child.kind.0 == kind)).transpose()
    }

    /// The first child of type `kind`; [`Error::Missing`] if there is none.
    pub(super) fn need(self, kind: [u8; 4]) -> Result<Self, Error> {
        self.child(kind)?.ok_or(Error::Missing { kind: FourCc(kind), within: self.kind, at: self.at })
    }

    /// Reader of the fields, from the first byte behind the header.
    pub(super) fn fields(self) -> BoxFields<'a> {
        BoxFields { atom: self, rest: self.body }
    }

    /// Version, flags, and a reader of the fields behind them (§4.2: FullBox).
    pub(super) fn full(self) -> Result<(u8, u32, BoxFields<'a>), Error> {
        let mut fields = self.fields();
        let word = fields.u32()?;
        let [version, ..] = word.to_be_bytes();
        Ok((version, word & 0x00ff_ffff, fields))
    }

    /// Error for a field of this box whose value is not allowed.
    pub(super) fn value(self, field: &'static str, claims: i64, allowed: &'static str) -> Error {
        Error::Value { kind: self.kind, at: self.at, field, claims, allowed }
    }
}

/// Iterator over the boxes of a container; ends after an error.
#[derive(Debug, Clone)]
pub(super) struct Children<'a> {
    within: FourCc,
    at: u64,
    rest: &'a [u8],
    /// Ranges that the sieve removed from `rest`.
    cuts: &'a [Cut],
}

/// Length of `bytes` before the sieve removed `cuts` from them.
fn length(bytes: &[u8], cuts: &[Cut]) -> u64 {
    cuts.iter().fold(u64_from_usize(bytes.len()), |sum, cut| sum.saturating_add(cut.len()))
}

impl<'a> Children<'a> {
    fn split(&mut self) -> Result<Option<Atom<'a>>, Error> {
        let (at, left) = (self.at, length(self.rest, self.cuts));
        let header = Header::read(self.rest);
        let size = header.map_or(Some(8), |header| header.size);
        // QuickTime ends some containers with 32 zero bits; "to the end of the file" is only for top-level boxes.
        let padding = header.is_none() || size.is_none();
        if padding && self.rest.iter().all(|byte| *byte == 0) {
            return Ok(None);
        }
        let kind = header.map_or(self.within, |header| header.kind);
        let refused = |claims| Error::BoxSize { kind, at, claims, left };
        let (Some(header), Some(size)) = (header, size) else { return Err(refused(size.unwrap_or(0))) };
        if size < header.len || size > left {
            return Err(refused(size));
        }
        let end = at.saturating_add(size);
        let (cuts, later) = self.cuts.split_at(self.cuts.partition_point(|cut| cut.at() < end));
        let kept = cuts.iter().fold(size, |size, cut| size.saturating_sub(cut.len()));
        let (whole, rest) = self.rest.split_at_checked(usize_from_u64(kept)).ok_or_else(|| refused(size))?;
        (self.at, self.rest, self.cuts) = (end, rest, later);
        Atom::sifted(whole, at, cuts).map(Some)
    }
}

impl<'a> Iterator for Children<'a> {
    type Item = Result<Atom<'a>, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        let child = self.split();
        if !matches!(child, Ok(Some(_))) {
            self.rest = &[];
        }
        child.transpose()
    }
}

/// Reader of the fields of a box, from front to back.
#[derive(Debug, Clone)]
pub(super) struct BoxFields<'a> {
    atom: Atom<'a>,
    rest: &'a [u8],
}

impl<'a> BoxFields<'a> {
    /// The next `N` bytes.
    pub(super) fn take<const N: usize>(&mut self) -> Result<[u8; N], Error> {
        let Some((taken, rest)) = self.rest.split_first_chunk::<N>() else { return Err(self.short(N)) };
        self.rest = rest;
        Ok(*taken)
    }

    /// The next `len` bytes.
    pub(super) fn slice(&mut self, len: usize) -> Result<&'a [u8], Error> {
        let Some((taken, rest)) = self.rest.split_at_checked(len) else { return Err(self.short(len)) };
        self.rest = rest;
        Ok(taken)
    }

    /// The next 8 bits.
    pub(super) fn u8(&mut self) -> Result<u8, Error> {
        self.take().map(u8::from_be_bytes)
    }

    /// The next 16 bits.
    pub(super) fn u16(&mut self) -> Result<u16, Error> {
        self.take().map(u16::from_be_bytes)
    }

    /// The next 32 bits.
    pub(super) fn u32(&mut self) -> Result<u32, Error> {
        self.take().map(u32::from_be_bytes)
    }

    /// The next 64 bits.
    pub(super) fn u64(&mut self) -> Result<u64, Error> {
        self.take().map(u64::from_be_bytes)
    }

    /// The next 32 bits, or 64 in version 1 and later.
    pub(super) fn wide(&mut self, version: u8) -> Result<u64, Error> {
        if version == 0 { self.u32().map(u64::from) } else { self.u64() }
    }

    /// The next 32 bits if the bit `present` is set in `flags`, else `None`.
    pub(super) fn optional(&mut self, flags: u32, present: u32) -> Result<Option<u32>, Error> {
        if flags & present == 0 { Ok(None) } else { self.u32().map(Some) }
    }

    /// The next `count` entries of `N` bytes each; an error if the box is too short for them.
    pub(super) fn table<const N: usize>(&self, count: u32) -> Result<&'a [[u8; N]], Error> {
        let (entries, _) = self.rest.as_chunks::<N>();
        let refused = || self.count(count, u64_from_usize(entries.len()));
        entries.get(..usize_from_u32(count)).ok_or_else(refused)
    }

    /// The bytes that were not read yet.
    pub(super) fn rest(&self) -> &'a [u8] {
        self.rest
    }

    /// Error for a table that claims `claims` entries where only `fits` fit.
    pub(super) fn count(&self, claims: u32, fits: u64) -> Error {
        Error::Count { kind: self.atom.kind, at: self.atom.at, claims: u64::from(claims), fits }
    }

    fn short(&self, more: usize) -> Error {
        let has = self.atom.body.len();
        let needs = u64_from_usize(has - self.rest.len()).saturating_add(u64_from_usize(more));
        Error::Short { kind: self.atom.kind, at: self.atom.at, has: u64_from_usize(has), needs }
    }
}
