//! Sequence of 64-bit words of packed bits: in a vector, or little-endian in bytes that were read and not copied.

use bytes::Bytes;

/// A sequence of words.
#[derive(Debug, Clone)]
pub(super) enum Words {
    /// Words in memory of their own.
    Own(Vec<u64>),
    /// Words in bytes that were read: 8 bytes each, least significant byte first.
    Read(Bytes),
}

impl Default for Words {
    fn default() -> Self {
        Self::Own(Vec::new())
    }
}

impl PartialEq for Words {
    fn eq(&self, other: &Self) -> bool {
        self.len() == other.len() && self.from(0).eq(other.from(0))
    }
}

impl Eq for Words {}

impl Words {
    /// Number of words.
    pub(super) fn len(&self) -> usize {
        match self {
            Self::Own(words) => words.len(),
            Self::Read(bytes) => bytes.len() / size_of::<u64>(),
        }
    }

    /// Word `at`; 0 past the end.
    #[inline]
    pub(super) fn get(&self, at: usize) -> u64 {
        match self {
            Self::Own(words) => words.get(at).copied().unwrap_or(0),
            Self::Read(bytes) => bytes.as_chunks().0.get(at).map_or(0, |word| u64::from_le_bytes(*word)),
        }
    }

    /// The `count` words from `at` on, followed by zeroes; `None` if there are fewer words, or if `count` exceeds `N`.
    #[inline]
    pub(super) fn some<const N: usize>(&self, at: usize, count: usize) -> Option<[u64; N]> {
        let (mut some, end) = ([0; N], at.checked_add(count)?);
        let places = some.get_mut(..count)?;
        match self {
            Self::Own(words) => places.copy_from_slice(words.get(at..end)?),
            Self::Read(bytes) => {
                let words = bytes.as_chunks().0.get(at..end)?;
                places.iter_mut().zip(words).for_each(|(place, word)| *place = u64::from_le_bytes(*word));
            }
        }
        Some(some)
    }

    /// The words from `at` on.
    pub(super) fn from(&self, at: usize) -> impl Iterator<Item = u64> {
        (at..self.len()).map(|at| self.get(at))
    }

    /// The words as a vector, to append to; copies words that were read.
    pub(super) fn own(&mut self) -> &mut Vec<u64> {
        if let Self::Read(_) = self {
            *self = Self::Own(self.from(0).collect());
        }
        match self {
            Self::Own(words) => words,
            Self::Read(_) => unreachable!("the lines above copied the words"),
        }
    }

    /// Heap memory, in bytes.
    pub(super) fn heap_bytes(&self) -> usize {
        match self {
            Self::Own(words) => words.capacity() * size_of::<u64>(),
            // Includes a share of the other bytes of the same read, mostly block headers.
            Self::Read(bytes) => bytes.len() + bytes.len() / 8,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Words;
    use bytes::Bytes;

    #[test]
    fn words_that_were_read_are_those_that_were_written() {
        let own = Words::Own(vec![1, u64::MAX, 0x0102_0304_0506_0708]);
        let bytes: Vec<u8> = own.from(0).flat_map(u64::to_le_bytes).collect();
        let mut read = Words::Read(Bytes::from(bytes));
        assert_eq!(own, read);
        assert_eq!((read.len(), read.get(2), read.get(3)), (3, 0x0102_0304_0506_0708, 0));
        assert_eq!(read.from(1).collect::<Vec<_>>(), [u64::MAX, 0x0102_0304_0506_0708]);
        read.own().push(9);
        assert_eq!(read.from(2).collect::<Vec<_>>(), [0x0102_0304_0506_0708, 9]);
        assert_ne!(own, read);
    }
}
