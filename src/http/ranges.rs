//! Parses a `Range` header and resolves it against a length (RFC 9110 §14). Pure.
//!
//! The RFC lets a server ignore `Range`. This one ignores headers that are malformed, use another unit or list too many
//! ranges, and sends the whole representation. Ranges that touch are merged, so that no request gets a byte twice.

use crate::media::{ByteRange, RangeSpec};
use std::num::IntErrorKind;

/// Most ranges in one header; RFC 9110 §14.2 lets a server ignore a header that looks like an attack.
const RANGE_LIMIT: usize = 16;

/// Ranges with a gap of at most this many bytes are merged: the head of a multipart part is longer than the gap.
const GAP: u64 = 128;

/// The part of a representation that a request selects.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum RequestedRange {
    /// The whole representation.
    Whole,
    /// One range.
    One(ByteRange),
    /// At least two disjoint ranges.
    Several(Vec<ByteRange>),
    /// No byte that exists (416).
    Nothing,
}

/// The bytes of `length` that `specs` name.
pub(super) fn wanted(specs: &[RangeSpec], length: u64) -> RequestedRange {
    let ranges: Vec<ByteRange> = specs.iter().filter_map(|spec| spec.resolve(length)).collect();
    match coalesced(ranges).as_slice() {
        [] => RequestedRange::Nothing,
        [one] => RequestedRange::One(*one),
        several => RequestedRange::Several(several.to_vec()),
    }
}

/// Parses `bytes=first-last`, `first-`, `-suffix`, separated by commas (RFC 9110 §14.1.2).
pub(super) fn parse(header: &str) -> Option<Vec<RangeSpec>> {
    let (unit, list) = header.split_once('=')?;
    if !unit.trim().eq_ignore_ascii_case("bytes") {
        return None;
    }
    // §5.6.1.2: empty list elements are skipped.
    let elements = || list.split(',').map(|part| part.trim_matches([' ', '\t'])).filter(|part| !part.is_empty());
    if !(1..=RANGE_LIMIT).contains(&elements().take(RANGE_LIMIT + 1).count()) {
        return None;
    }
    elements().map(spec).collect()
}

fn spec(text: &str) -> Option<RangeSpec> {
    match text.split_once('-')? {
        ("", suffix) => number(suffix).map(RangeSpec::Last),
        (first, "") => number(first).map(RangeSpec::From),
        (first, last) => {
            let (first, last) = (number(first)?, number(last)?);
            (first <= last).then_some(RangeSpec::Within(first, last))
        }
    }
}

/// Parses digits only. A number that overflows becomes `u64::MAX`, which is larger than any file.
fn number(digits: &str) -> Option<u64> {
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    match digits.parse() {
        Ok(number) => Some(number),
        Err(error) if *error.kind() == IntErrorKind::PosOverflow => Some(u64::MAX),
        Err(_) => None,
    }
}

/// Merges ranges that overlap, touch or nearly touch (RFC 9110 §15.3.7.2). If none do, keeps the order of the header.
fn coalesced(ranges: Vec<ByteRange>) -> Vec<ByteRange> {
    let mut sorted = ranges.clone();
    sorted.sort_by_key(|range| range.start());
    let mut merged: Vec<ByteRange> = Vec::with_capacity(sorted.len());
    for range in sorted {
        let joined = merged.last().copied().filter(|last| range.start() <= last.end().saturating_add(GAP));
        match joined {
            Some(last) => {
                merged.pop();
                let end = last.end().max(range.end());
                merged.extend(ByteRange::new(last.start(), end - last.start()));
            }
            None => merged.push(range),
        }
    }
    if merged.len() == ranges.len() { ranges } else { merged }
}

#[cfg(test)]
mod tests {
    use super::{RequestedRange, parse};
    use crate::media::ByteRange;
    use proptest::prelude::{any, prop_assert, proptest};

    /// The bytes of `length` that `header` names.
    fn wanted(header: &str, length: u64) -> RequestedRange {
        parse(header).map_or(RequestedRange::Whole, |specs| super::wanted(&specs, length))
    }

    fn range(start: u64, end: u64) -> ByteRange {
        ByteRange::new(start, end - start).unwrap()
    }

    #[test]
    fn each_form_of_a_single_range_is_understood() {
        for (header, start, end) in [
            ("bytes=0-0", 0, 1),
            ("bytes=0-", 0, 1_000),
            ("bytes=10-19", 10, 20),
            ("BYTES=10-19", 10, 20),
            ("bytes= 10-19 ,", 10, 20),
            ("bytes=990-5000", 990, 1_000),
            ("bytes=990-99999999999999999999999", 990, 1_000),
            ("bytes=-1", 999, 1_000),
            ("bytes=-5000", 0, 1_000),
            ("bytes=5000-, 3-4", 3, 5),
        ] {
            assert_eq!(wanted(header, 1_000), RequestedRange::One(range(start, end)), "{header}");
        }
    }

    #[test]
    fn what_begins_past_the_end_is_not_there() {
        for header in ["bytes=1000-", "bytes=1000-1001", "bytes=-0", "bytes=99999999999999999999999-", "bytes=1000-,-0"]
        {
            assert_eq!(wanted(header, 1_000), RequestedRange::Nothing, "{header}");
        }
        assert_eq!(wanted("bytes=0-", 0), RequestedRange::Nothing);
    }

    #[test]
    fn what_is_malformed_or_of_another_unit_is_ignored() {
        for header in [
            "",
            "bytes",
            "bytes=",
            "bytes=,",
            "bytes=-",
            "bytes=a-b",
            "bytes=5-4",
            "bytes=0x1-2",
            "bytes=+1-2",
            "bytes=1-2-3",
            "bytes=1 - 2",
            "seconds=1-2",
            "bytes=0-1,x",
            "bytes 0-1",
        ] {
            assert_eq!(wanted(header, 1_000), RequestedRange::Whole, "{header}");
        }
    }

    #[test]
    fn several_ranges_stay_in_their_order_unless_they_meet() {
        assert_eq!(wanted("bytes=500-509,0-9", 1_000), RequestedRange::Several(vec![range(500, 510), range(0, 10)]));
        assert_eq!(
            wanted("bytes=0-9,5-20,600-", 1_000),
            RequestedRange::Several(vec![range(0, 21), range(600, 1_000)])
        );
        assert_eq!(wanted("bytes=100-,0-49", 1_000), RequestedRange::One(range(0, 1_000)));
        assert_eq!(wanted("bytes=0-,0-,0-,0-", 1_000), RequestedRange::One(range(0, 1_000)));
    }

    #[test]
    fn seventeen_ranges_are_too_many() {
        let header = |count: u64| {
            let list: Vec<String> = (0..count).map(|at| format!("{}-{}", at * 1_000, at * 1_000)).collect();
            format!("bytes={}", list.join(","))
        };
        assert!(matches!(wanted(&header(16), 100_000), RequestedRange::Several(list) if list.len() == 16));
        assert_eq!(wanted(&header(17), 100_000), RequestedRange::Whole);
    }

    proptest! {
        #[test]
        fn no_byte_is_sent_twice_or_past_the_end(
            specs in proptest::collection::vec((0_u64..3_000, 0_u64..3_000), 1..16), length in any::<u16>()
        ) {
            let list: Vec<String> = specs.iter().map(|(a, b)| format!("{}-{}", a.min(b), a.max(b))).collect();
            let length = u64::from(length);
            if let RequestedRange::Several(mut ranges) = wanted(&format!("bytes={}", list.join(",")), length) {
                ranges.sort_by_key(|range| range.start());
                prop_assert!(ranges.windows(2).all(|pair| pair[0].end() < pair[1].start()));
                prop_assert!(ranges.iter().all(|range| range.end() <= length));
            }
        }

        #[test]
        fn no_header_panics(header in "(bytes=)?[0-9,\\- ]{0,40}", length in any::<u64>()) {
            let _ = wanted(&header, length);
        }
    }
}
