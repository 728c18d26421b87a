//! Sum and maximum of a whole block of bit-packed values, unrolled for each width: then the position of each value is a
//! constant, and the value costs a shift, a mask and one more instruction.

use super::packed::BLOCK;

/// Largest unrolled width, in bits: sample sizes seldom take more.
pub(super) const WIDEST: u8 = 24;

/// The words of a block: as many as each of its values has bits, then zeroes.
pub(super) type BlockWords = [u64; 24];

const _: () = assert!(BLOCK == 64, "the macro unrolls 64 values");

/// Defines a function that folds all values of a block, unrolled for each width.
macro_rules! folding {
    ($(#[$about:meta])* $name:ident, $add:expr) => {
        $(#[$about])*
        pub(super) fn $name(words: &BlockWords, width: u8) -> Option<u64> {
            folding!(@widths $add, words, width, 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22 23 24)
        }
    };
    (@widths $add:expr, $words:expr, $width:expr, $($known:literal)*) => {
        match $width {
            $($known => {
                const WIDTH: usize = $known;
                let mut folded = 0_u64;
                folding!(@values $add, folded, $words,
                    0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22 23 24 25 26 27 28 29 30 31
                    32 33 34 35 36 37 38 39 40 41 42 43 44 45 46 47 48 49 50 51 52 53 54 55 56 57 58 59 60 61 62 63);
                Some(folded)
            },)*
            _ => None,
        }
    };
    (@values $add:expr, $folded:ident, $words:expr, $($at:literal)*) => {
        $($folded = $add($folded, value::<WIDTH, $at>($words));)*
    };
}

folding!(
    /// The sum of the 64 values of `width` bits; `None` if the width is not unrolled.
    sum, |sum: u64, value: u64| sum + value
);
folding!(
    /// The greatest of the 64 values of `width` bits; `None` if the width is not unrolled.
    greatest, u64::max
);

#[inline]
fn value<const WIDTH: usize, const AT: usize>(words: &BlockWords) -> u64 {
    let (word, shift) = (AT * WIDTH / 64, AT * WIDTH % 64);
    let low = words.get(word).copied().unwrap_or(0) >> shift;
    let high = if shift + WIDTH > 64 { words.get(word + 1).copied().unwrap_or(0) << (64 - shift) } else { 0 };
    (low | high) & ((1 << WIDTH) - 1)
}

#[cfg(test)]
mod tests {
    use super::{WIDEST, greatest, sum};
    use proptest::prelude::{any, prop_assert_eq, proptest};

    /// The slow twin: reads each value bit by bit.
    fn slowly(words: &[u64], width: usize) -> Vec<u64> {
        let bit = |at: usize| words[at / 64] >> (at % 64) & 1;
        (0..64).map(|value| (0..width).map(|at| bit(value * width + at) << at).sum()).collect()
    }

    proptest! {
        #[test]
        fn sum_and_greatest_are_those_of_the_values_one_by_one(words in any::<[u64; 24]>()) {
            for width in 1..=WIDEST {
                let values = slowly(&words, usize::from(width));
                prop_assert_eq!(sum(&words, width), Some(values.iter().sum()));
                prop_assert_eq!(greatest(&words, width), values.iter().max().copied());
            }
            prop_assert_eq!((sum(&words, 0), sum(&words, WIDEST + 1)), (None, None));
        }
    }
}
