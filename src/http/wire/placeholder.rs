//! Placeholder slices for bytes of files. hyper can only write slices of memory, but the kernel can send a file by
//! itself: so hyper gets a placeholder, a slice of one fixed array, as long as the file bytes that it represents. The
//! connection writer recognises it by its address and sends the next queued file range instead. It never sends the
//! array itself.

use std::io::IoSlice;

/// Most bytes that one placeholder can represent.
const PLACE: usize = 1 << 20;

/// The array that placeholders point into. It is never read or written, so it takes no physical memory.
static STAND: [u8; PLACE] = [0; PLACE];

/// A placeholder for the first of `left` bytes, at most 1 MiB.
pub(in crate::http) fn for_bytes(left: usize) -> &'static [u8] {
    STAND.get(..left).unwrap_or(&STAND)
}

/// Whether `slice` is a placeholder.
pub(in crate::http) fn is_one(slice: &IoSlice<'_>) -> bool {
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
