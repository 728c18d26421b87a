//! Evaluates conditional request headers against a representation's validators (RFC 9110 §13). Pure.

use hyper::HeaderMap;
use hyper::header::{
    HeaderName, HeaderValue, IF_MATCH, IF_MODIFIED_SINCE, IF_NONE_MATCH, IF_RANGE, IF_UNMODIFIED_SINCE,
};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// The validators of a representation.
#[derive(Debug, Clone, Copy)]
pub(super) struct Validators<'a> {
    /// The strong entity tag, quotes included.
    pub etag: &'a str,
    /// Time of the last modification; `None` if unknown.
    pub modified: Option<SystemTime>,
}

/// Result of the conditions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ConditionOutcome {
    /// Send the representation.
    Send,
    /// 304: the client's copy is current.
    NotModified,
    /// 412: a precondition failed.
    Failed,
}

impl Validators<'_> {
    /// Evaluates the conditions of GET and HEAD, in the order of RFC 9110 §13.2.2.
    pub(super) fn judge(self, headers: &HeaderMap) -> ConditionOutcome {
        if headers.contains_key(IF_MATCH) {
            // §13.1.1: by the strong comparison; `*` matches any existing representation.
            if !self.is_among(headers, &IF_MATCH, Comparison::Strong) {
                return ConditionOutcome::Failed;
            }
        } else if let (Some(modified), Some(date)) = (self.modified, date(headers, &IF_UNMODIFIED_SINCE))
            && whole_seconds(modified) > date
        {
            return ConditionOutcome::Failed;
        }
        if headers.contains_key(IF_NONE_MATCH) {
            // §13.1.2: by the weak comparison. §13.1.3: If-Modified-Since is ignored beside it.
            if self.is_among(headers, &IF_NONE_MATCH, Comparison::Weak) {
                return ConditionOutcome::NotModified;
            }
        } else if let (Some(modified), Some(date)) = (self.modified, date(headers, &IF_MODIFIED_SINCE))
            && whole_seconds(modified) <= date
        {
            return ConditionOutcome::NotModified;
        }
        ConditionOutcome::Send
    }

    /// Whether `If-Range` lets `Range` apply: RFC 9110 §13.1.5, by the strong comparison or by the exact date.
    pub(super) fn range_counts(self, headers: &HeaderMap) -> bool {
        let Some(value) = headers.get(IF_RANGE) else {
            return true;
        };
        let Ok(text) = value.to_str() else {
            return false;
        };
        if text.starts_with(['"', 'W']) && text.ends_with('"') {
            return text == self.etag;
        }
        let exact = self.modified.map(whole_seconds).zip(httpdate::parse_http_date(text).ok());
        exact.is_some_and(|(modified, date)| modified == date)
    }

    fn is_among(self, headers: &HeaderMap, name: &HeaderName, comparison: Comparison) -> bool {
        headers.get_all(name).iter().filter_map(|value| value.to_str().ok()).any(|list| {
            list.trim() == "*" || Tags(list).any(|tag| tag == self.etag || comparison.weakened(tag) == Some(self.etag))
        })
    }
}

/// How entity tags are compared (RFC 9110 §8.8.3.2).
#[derive(Debug, Clone, Copy)]
enum Comparison {
    Strong,
    Weak,
}

impl Comparison {
    fn weakened(self, tag: &str) -> Option<&str> {
        match self {
            Self::Strong => None,
            Self::Weak => tag.strip_prefix("W/"),
        }
    }
}

/// Iterates over a list of entity tags, quotes and `W/` included. Tags may contain commas. Stops at the first position
/// where no tag begins.
struct Tags<'a>(&'a str);

impl<'a> Iterator for Tags<'a> {
    type Item = &'a str;

    fn next(&mut self) -> Option<&'a str> {
        let list = self.0.trim_start_matches([' ', '\t', ',']);
        let quoted = list.strip_prefix("W/").unwrap_or(list).strip_prefix('"')?;
        let end = quoted.find('"')? + 1;
        let (tag, rest) = list.split_at_checked(list.len() - quoted.len() + end)?;
        self.0 = rest;
        Some(tag)
    }
}

/// Parses a header that occurs once and is a valid date; ignores any other (§13.1.3, §13.1.4).
fn date(headers: &HeaderMap, name: &HeaderName) -> Option<SystemTime> {
    let mut values = headers.get_all(name).iter();
    let only = values.next().filter(|_| values.next().is_none());
    only.map(HeaderValue::to_str)?.ok().and_then(|text| httpdate::parse_http_date(text).ok())
}

/// Truncates `time` to whole seconds, the precision of HTTP dates.
pub(super) fn whole_seconds(time: SystemTime) -> SystemTime {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    UNIX_EPOCH + Duration::from_secs(since.as_secs())
}

#[cfg(test)]
mod tests {
    use super::{ConditionOutcome, Validators};
    use hyper::HeaderMap;
    use hyper::header::{HeaderName, HeaderValue};
    use std::time::{Duration, UNIX_EPOCH};

    const EARLIER: &str = "Sun, 06 Nov 1994 08:49:36 GMT";
    const EXACT: &str = "Sun, 06 Nov 1994 08:49:37 GMT";
    const LATER: &str = "Sun, 06 Nov 1994 08:49:38 GMT";

    fn headers(list: &[(&'static str, &'static str)]) -> HeaderMap {
        list.iter().map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value))).collect()
    }

    fn stored() -> Validators<'static> {
        // Half a second into EXACT.
        Validators { etag: "\"abc\"", modified: Some(UNIX_EPOCH + Duration::from_millis(784_111_777_500)) }
    }

    fn made() -> Validators<'static> {
        Validators { etag: "\"abc\"", modified: None }
    }

    fn judge(list: &[(&'static str, &'static str)]) -> ConditionOutcome {
        stored().judge(&headers(list))
    }

    #[test]
    fn if_none_match_compares_weakly_in_lists_and_knows_the_star() {
        for value in ["\"abc\"", "W/\"abc\"", "\"x\", \"abc\"", "\"x,\\\",W/\"abc\"", "*", " , \"abc\" ,"] {
            assert_eq!(judge(&[("if-none-match", value)]), ConditionOutcome::NotModified, "{value}");
        }
        for value in ["\"x\"", "abc", "\"abcd\"", "\"a,\"abc", ""] {
            assert_eq!(judge(&[("if-none-match", value)]), ConditionOutcome::Send, "{value}");
        }
    }

    #[test]
    fn if_match_compares_strongly() {
        for value in ["\"abc\"", "\"x\",\"abc\"", "*"] {
            assert_eq!(judge(&[("if-match", value)]), ConditionOutcome::Send, "{value}");
        }
        for value in ["W/\"abc\"", "\"x\"", ""] {
            assert_eq!(judge(&[("if-match", value)]), ConditionOutcome::Failed, "{value}");
        }
    }

    #[test]
    fn dates_count_in_whole_seconds_and_only_beside_no_tags() {
        assert_eq!(judge(&[("if-modified-since", EXACT)]), ConditionOutcome::NotModified);
        assert_eq!(judge(&[("if-modified-since", LATER)]), ConditionOutcome::NotModified);
        assert_eq!(judge(&[("if-modified-since", EARLIER)]), ConditionOutcome::Send);
        assert_eq!(judge(&[("if-modified-since", "yesterday")]), ConditionOutcome::Send);
        assert_eq!(judge(&[("if-modified-since", LATER), ("if-none-match", "\"x\"")]), ConditionOutcome::Send);
        assert_eq!(judge(&[("if-unmodified-since", EXACT)]), ConditionOutcome::Send);
        assert_eq!(judge(&[("if-unmodified-since", EARLIER)]), ConditionOutcome::Failed);
        assert_eq!(judge(&[("if-unmodified-since", EARLIER), ("if-match", "\"abc\"")]), ConditionOutcome::Send);
    }

    #[test]
    fn dates_are_ignored_where_no_time_is_known() {
        assert_eq!(made().judge(&headers(&[("if-modified-since", LATER)])), ConditionOutcome::Send);
        assert_eq!(made().judge(&headers(&[("if-unmodified-since", EARLIER)])), ConditionOutcome::Send);
    }

    #[test]
    fn a_failed_if_match_wins_over_if_none_match() {
        assert_eq!(judge(&[("if-match", "\"x\""), ("if-none-match", "\"abc\"")]), ConditionOutcome::Failed);
    }

    #[test]
    fn if_range_is_strong_or_exact() {
        let counts = |value: &'static str| stored().range_counts(&headers(&[("if-range", value)]));
        assert!(counts("\"abc\"") && counts(EXACT));
        assert!(!counts("W/\"abc\"") && !counts("\"x\"") && !counts(EARLIER) && !counts(LATER) && !counts("rubbish"));
        assert!(!made().range_counts(&headers(&[("if-range", EXACT)])));
        assert!(made().range_counts(&HeaderMap::new()));
    }
}
