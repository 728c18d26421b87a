//! Tests of packed numbers.

#![allow(clippy::as_conversions, clippy::cast_possible_truncation, reason = "a test's numbers are small")]

use super::{Packed, Packer, PrefixSums};
use proptest::prelude::{Just, any, prop, prop_assert, prop_assert_eq, prop_oneof, proptest};

proptest! {
    #[test]
    fn what_was_packed_is_read_back(values in prop::collection::vec(any::<u64>(), 0..300)) {
        let packed: Packed = values.iter().copied().collect();
        for (at, value) in values.iter().enumerate() {
            prop_assert_eq!(packed.get(at as u64), Some(*value));
        }
        prop_assert_eq!(packed.get(values.len() as u64), None);
    }

    #[test]
    fn walking_from_anywhere_agrees_with_looking_up(
        values in prop::collection::vec(prop_oneof![Just(7), 0_u64..9, any::<u64>()], 0..300), from in 0_u64..310,
    ) {
        let packed: Packed = values.iter().copied().collect();
        let expected: Vec<u64> = values.iter().skip(from as usize).copied().collect();
        prop_assert_eq!(packed.values(from).collect::<Vec<_>>(), expected.clone());
        let (to, mut seen) = (from + values.len() as u64 / 2, Vec::new());
        packed.each(from, to, |value| seen.push(value));
        let part = &expected[..(to - from).min(expected.len() as u64) as usize];
        prop_assert_eq!(&seen, part);
        let most = packed.ceiling(from, to);
        prop_assert!(seen.iter().all(|value| *value <= most));
    }

    #[test]
    fn runs_are_packed_as_their_values_one_by_one(runs in prop::collection::vec((0_u64..200, 0_u64..5), 0..12)) {
        let each = runs.iter().flat_map(|(count, value)| std::iter::repeat_n(*value, *count as usize));
        prop_assert_eq!(Packer::of_runs(runs.iter().copied()), each.clone().collect::<Packed>());
        prop_assert_eq!(PrefixSums::from_runs(runs.iter().copied()), PrefixSums::new(each));
    }

    #[test]
    fn whole_blocks_are_packed_as_their_values_one_by_one(
        values in prop::collection::vec(any::<u64>(), 0..400), shift in 0_u32..64,
    ) {
        let values: Vec<u64> = values.into_iter().map(|value| value >> shift).collect();
        let mut each = Packer::default();
        for value in &values {
            each.push_alone(*value);
        }
        prop_assert_eq!(Packer::of_slice(&values, |value| *value), each.finish());
        prop_assert_eq!(PrefixSums::of_slice(&values, |value| *value), PrefixSums::new(values.iter().copied()));
    }

    #[test]
    fn sums_agree_with_adding_up(values in prop::collection::vec(0_u64..1_000_000, 0..300)) {
        let sums = PrefixSums::new(values.iter().copied()).unwrap();
        let mut sum = 0;
        for (at, value) in values.iter().enumerate() {
            prop_assert_eq!(sums.before(at as u64), sum);
            if *value > 0 {
                prop_assert_eq!(sums.find(sum), Some(at as u64));
                prop_assert_eq!(sums.find(sum + value - 1), Some(at as u64));
            }
            sum += value;
        }
        prop_assert_eq!(sums.total(), sum);
        prop_assert_eq!(sums.find(sum), None);
    }

    #[test]
    fn constant_agrees_with_comparing_all(values in prop::collection::vec(0_u64..2, 1..200), from in 0_usize..200, len in 0_usize..200) {
        let packed: Packed = values.iter().copied().collect();
        let expected = values.get(from..from + len).filter(|part| !part.is_empty() && part.iter().all(|v| *v == part[0])).map(|part| part[0]);
        prop_assert_eq!(packed.constant(from as u64, (from + len) as u64), expected);
    }
}

#[test]
fn a_total_past_64_bits_is_refused() {
    assert_eq!(PrefixSums::new([u64::MAX, 1]), None);
}

#[test]
fn equal_values_cost_their_headers_alone() {
    let packed: Packed = std::iter::repeat_n(1_024, 6_400).collect();
    assert!(packed.heap_bytes() <= 1_600, "{} bytes", packed.heap_bytes());
}
