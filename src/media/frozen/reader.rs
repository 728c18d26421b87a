//! Reader of frozen bytes, field by field; checks every length against the bytes that are left.

use super::Damage;
use crate::media::num::{u64_from_usize, usize_from_u64};
use bytes::Bytes;

/// Reader of frozen bytes; holds those that were not read yet.
#[derive(Debug)]
pub struct Reader<'a> {
    /// The bytes that contain `rest`.
    whole: &'a Bytes,
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    /// Reader of `bytes`, a part of `whole`.
    pub(super) const fn new(whole: &'a Bytes, bytes: &'a [u8]) -> Self {
        Self { whole, rest: bytes }
    }

    /// The next `len` bytes, not copied.
    pub(super) fn shared(&mut self, len: u64) -> Result<Bytes, Damage> {
        Ok(self.whole.slice_ref(self.slice(len)?))
    }

    /// Reader of `bytes`, which this reader has returned.
    pub(super) const fn of(&self, bytes: &'a [u8]) -> Self {
        Self { whole: self.whole, rest: bytes }
    }

    /// The next `N` bytes.
    pub(super) fn take<const N: usize>(&mut self) -> Result<[u8; N], Damage> {
        let (taken, rest) = self.rest.split_first_chunk().ok_or_else(|| self.short(u64_from_usize(N)))?;
        self.rest = rest;
        Ok(*taken)
    }

    /// The next `len` bytes.
    pub(super) fn slice(&mut self, len: u64) -> Result<&'a [u8], Damage> {
        let split = self.rest.split_at_checked(usize_from_u64(len));
        let (taken, rest) = split.ok_or_else(|| self.short(len))?;
        self.rest = rest;
        Ok(taken)
    }

    /// The next `count` fields of `N` bytes each.
    pub(super) fn fields<const N: usize>(&mut self, count: u64) -> Result<&'a [[u8; N]], Damage> {
        let needs = count.saturating_mul(u64_from_usize(N));
        Ok(self.slice(needs)?.as_chunks().0)
    }

    /// The next byte.
    pub fn u8(&mut self) -> Result<u8, Damage> {
        self.take().map(u8::from_le_bytes)
    }

    pub(super) fn u16(&mut self) -> Result<u16, Damage> {
        self.take().map(u16::from_le_bytes)
    }

    /// The next 32-bit number.
    pub fn u32(&mut self) -> Result<u32, Damage> {
        self.take().map(u32::from_le_bytes)
    }

    pub(super) fn i32(&mut self) -> Result<i32, Damage> {
        self.take().map(i32::from_le_bytes)
    }

    /// The next 64-bit number.
    pub fn u64(&mut self) -> Result<u64, Damage> {
        self.take().map(u64::from_le_bytes)
    }

    /// The next signed 64-bit number.
    pub fn i64(&mut self) -> Result<i64, Damage> {
        self.take().map(i64::from_le_bytes)
    }

    /// The next bytes, behind a 32-bit count.
    pub(super) fn bytes(&mut self) -> Result<&'a [u8], Damage> {
        let len = self.u32()?;
        self.slice(u64::from(len))
    }

    /// The next UTF-8 text, behind its length in bytes.
    pub(super) fn text(&mut self) -> Result<String, Damage> {
        let text = str::from_utf8(self.bytes()?).map_err(|_| Damage::Value("text"))?;
        Ok(text.to_owned())
    }

    /// Checks that no bytes are left.
    pub fn finish(self) -> Result<(), Damage> {
        if self.rest.is_empty() { Ok(()) } else { Err(Damage::Behind { rest: u64_from_usize(self.rest.len()) }) }
    }

    fn short(&self, needs: u64) -> Damage {
        Damage::Short { needs, left: u64_from_usize(self.rest.len()) }
    }
}
