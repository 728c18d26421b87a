//! A `Range` header and a length → which bytes (RFC 9110 §14). Pure.
//!
//! What is malformed, of another unit or greedy is ignored, as the RFC lets us: the whole is sent then. Several ranges
//! are sent as one where they touch, so that no request makes us send a byte twice.

use crate::media::ByteRange;
use std::num::IntErrorKind;

/// How many ranges one header may ask for; RFC 9110 §14.2 lets us ignore what looks like an attack.
const RANGE_LIMIT: usize = 16;

/// Gaps below this many bytes are sent rather than begin another part: a part's head is longer.
const GAP: u64 = 128;

/// What part of a whole is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Wanted {
    /// All of it.
    Whole,
    /// One range of it.
    One(ByteRange),
    /// Ranges of it, at least two, disjoint.
    Several(Vec<ByteRange>),
    /// Nothing that is there.
    Nothing,
}

/// One part of the header as it is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Spec {
    From(u64),
    Within(u64, u64),
    Last(u64),
}

/// What `header` asks for of `length` bytes.
pub(super) fn wanted(header: &str, length: u64) -> Wanted {
    let Some(specs) = parse(header) else {
        return Wanted::Whole;
    };
    let ranges: Vec<ByteRange> = specs.into_iter().filter_map(|spec| spec.resolve(length)).collect();
    match coalesced(ranges).as_slice() {
        [] => Wanted::Nothing,
        [one] => Wanted::One(*one),
        several => Wanted::Several(several.to_vec()),
    }
}

/// Whether `header` is one that [`wanted`] does not ignore.
pub(super) fn is_range(header: &str) -> bool {
    parse(header).is_some()
}

/// RFC 9110 §14.1.2: `bytes=first-last`, `first-`, `-suffix`, separated by commas.
fn parse(header: &str) -> Option<Vec<Spec>> {
    let (unit, list) = header.split_once('=')?;
    if !unit.trim().eq_ignore_ascii_case("bytes") {
        return None;
    }
    // §5.6.1.2: empty list elements are skipped.
    let elements = || list.split(',').map(|part| part.trim_matches([' ', '\t'])).filter(|part| !part.is_empty());
    if !(1..=RANGE_LIMIT).contains(&elements().take(RANGE_LIMIT + 1).count()) {
        return None;
    }
    elements().map(Spec::parse).collect()
}

impl Spec {
    fn parse(text: &str) -> Option<Self> {
        match text.split_once('-')? {
            ("", suffix) => number(suffix).map(Self::Last),
            (first, "") => number(first).map(Self::From),
            (first, last) => {
                let (first, last) = (number(first)?, number(last)?);
                (first <= last).then_some(Self::Within(first, last))
            }
        }
    }

    /// `None` when none of its bytes is among `length`.
    fn resolve(self, length: u64) -> Option<ByteRange> {
        let (start, end) = match self {
            Self::From(first) => (first, length),
            Self::Within(first, last) => (first, last.saturating_add(1).min(length)),
            Self::Last(suffix) => (length.saturating_sub(suffix), length),
        };
        ByteRange::new(start, end.checked_sub(start)?)
    }
}

/// Digits only; what is larger than any file is as good as the largest number.
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

/// Ranges that overlap, touch or nearly touch become one (RFC 9110 §15.3.7.2); if none do, the order stays.
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
    use super::{Wanted, wanted};
    use crate::media::ByteRange;
    use proptest::prelude::{any, prop_assert, proptest};

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
            assert_eq!(wanted(header, 1_000), Wanted::One(range(start, end)), "{header}");
        }
    }

    #[test]
    fn what_begins_past_the_end_is_not_there() {
        for header in ["bytes=1000-", "bytes=1000-1001", "bytes=-0", "bytes=99999999999999999999999-", "bytes=1000-,-0"]
        {
            assert_eq!(wanted(header, 1_000), Wanted::Nothing, "{header}");
        }
        assert_eq!(wanted("bytes=0-", 0), Wanted::Nothing);
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
            assert_eq!(wanted(header, 1_000), Wanted::Whole, "{header}");
        }
    }

    #[test]
    fn several_ranges_stay_in_their_order_unless_they_meet() {
        assert_eq!(wanted("bytes=500-509,0-9", 1_000), Wanted::Several(vec![range(500, 510), range(0, 10)]));
        assert_eq!(wanted("bytes=0-9,5-20,600-", 1_000), Wanted::Several(vec![range(0, 21), range(600, 1_000)]));
        assert_eq!(wanted("bytes=100-,0-49", 1_000), Wanted::One(range(0, 1_000)));
        assert_eq!(wanted("bytes=0-,0-,0-,0-", 1_000), Wanted::One(range(0, 1_000)));
    }

    #[test]
    fn seventeen_ranges_are_too_many() {
        let header = |count: u64| {
            let list: Vec<String> = (0..count).map(|at| format!("{}-{}", at * 1_000, at * 1_000)).collect();
            format!("bytes={}", list.join(","))
        };
        assert!(matches!(wanted(&header(16), 100_000), Wanted::Several(list) if list.len() == 16));
        assert_eq!(wanted(&header(17), 100_000), Wanted::Whole);
    }

    proptest! {
        #[test]
        fn no_byte_is_sent_twice_or_past_the_end(
            specs in proptest::collection::vec((0_u64..3_000, 0_u64..3_000), 1..16), length in any::<u16>()
        ) {
            let list: Vec<String> = specs.iter().map(|(a, b)| format!("{}-{}", a.min(b), a.max(b))).collect();
            let length = u64::from(length);
            if let Wanted::Several(mut ranges) = wanted(&format!("bytes={}", list.join(",")), length) {
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
