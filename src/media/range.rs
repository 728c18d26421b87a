//! A range of bytes of an object: never empty, and its end fits 64 bits.

/// Bytes `start..end` of an object. Never empty.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ByteRange {
    start: u64,
    end: u64,
}

impl ByteRange {
    /// `len` bytes from `start`; `None` if `len` is zero or the end does not fit 64 bits.
    #[must_use]
    pub fn new(start: u64, len: u64) -> Option<Self> {
        let end = start.checked_add(len)?;
        (start < end).then_some(Self { start, end })
    }

    /// Offset of the first byte.
    #[must_use]
    pub const fn start(self) -> u64 {
        self.start
    }

    /// Offset behind the last byte.
    #[must_use]
    pub const fn end(self) -> u64 {
        self.end
    }

    /// Number of bytes; at least 1.
    #[expect(clippy::len_without_is_empty, reason = "a range is never empty")]
    #[must_use]
    pub const fn len(self) -> u64 {
        self.end - self.start
    }

    /// This range and `next` as one; `None` unless `next` begins where this range ends.
    #[must_use]
    pub fn joined(self, next: Self) -> Option<Self> {
        (self.end == next.start).then_some(Self { start: self.start, end: next.end })
    }

    /// The part of this range that lies in `skip..skip + take`, counted from its start; `None` if that is empty.
    #[must_use]
    pub fn slice(self, skip: u64, take: u64) -> Option<Self> {
        let start = self.start.checked_add(skip)?;
        let end = start.checked_add(take)?.min(self.end);
        (start < end).then_some(Self { start, end })
    }
}

/// A range of a representation as a client names it (RFC 9110 §14.1.2), before the length is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RangeSpec {
    /// From this byte to the end.
    From(u64),
    /// From the first to the last byte, both included.
    Within(u64, u64),
    /// So many bytes at the end.
    Last(u64),
}

impl RangeSpec {
    /// The range in a representation of `length` bytes; `None` when it has none of these bytes.
    #[must_use]
    pub fn resolve(self, length: u64) -> Option<ByteRange> {
        let (start, end) = match self {
            Self::From(first) => (first, length),
            Self::Within(first, last) => (first, last.saturating_add(1).min(length)),
            Self::Last(suffix) => (length.saturating_sub(suffix), length),
        };
        ByteRange::new(start, end.checked_sub(start)?)
    }
}

#[cfg(test)]
mod tests {
    use super::ByteRange;

    #[test]
    fn an_empty_or_overflowing_range_does_not_exist() {
        assert_eq!(ByteRange::new(5, 0), None);
        assert_eq!(ByteRange::new(u64::MAX, 1), None);
        assert_eq!(ByteRange::new(u64::MAX - 1, 1).map(ByteRange::end), Some(u64::MAX));
    }

    #[test]
    fn only_neighbours_join() {
        let (a, b) = (ByteRange::new(0, 4).unwrap(), ByteRange::new(4, 2).unwrap());
        assert_eq!(a.joined(b), ByteRange::new(0, 6));
        assert_eq!(b.joined(a), None);
    }

    #[test]
    fn a_slice_ends_with_its_range() {
        let range = ByteRange::new(10, 10).unwrap();
        assert_eq!(range.slice(4, 100), ByteRange::new(14, 6));
        assert_eq!(range.slice(10, 1), None);
    }
}
