//! What stands in a write for bytes that are not in memory: hyper writes slices, and the kernel fetches the bytes of files
//! itself. A slice of the place here says how many they are; the connection sends them instead of it, and of the place
//! itself never a byte.

use std::io::IoSlice;

/// Bytes that one slice stands for at most.
const PLACE: usize = 1 << 20;

/// Never written to, never read: it takes no memory.
static STAND: [u8; PLACE] = [0; PLACE];

/// Stands for the first of `left` bytes, as many as one slice can.
pub(super) fn for_bytes(left: usize) -> &'static [u8] {
    STAND.get(..left).unwrap_or(&STAND)
}

/// Whether `slice` stands for others.
pub(super) fn is_one(slice: &IoSlice<'_>) -> bool {
    STAND.as_ptr_range().contains(&slice.as_ptr())
}

#[cfg(test)]
mod tests {
    use super::{PLACE, for_bytes, is_one};
    use std::io::IoSlice;

    #[test]
    fn what_stands_for_bytes_is_told_from_bytes() {
        for (left, stands) in [(1, 1), (PLACE, PLACE), (PLACE + 1, PLACE)] {
            assert_eq!(for_bytes(left).len(), stands);
            assert!(
                is_one(&IoSlice::new(for_bytes(left)))
                    && is_one(&IoSlice::new(&for_bytes(left)[left.min(PLACE) - 1..]))
            );
        }
        assert!(!is_one(&IoSlice::new(&[0; 8])));
    }
}
