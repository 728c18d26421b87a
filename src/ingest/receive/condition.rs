//! Conditional requests for uploads (RFC 9110 §13.1.1, §13.1.2): the file that a client expects to replace. Checked
//! before the server takes bytes, and again on publishing, so that no replacement in between is lost.
//!
//! ```text
//! If-None-Match: *         only a new file        If-Match: *        only in the place of another
//! If-None-Match: "a","b"   not in their place     If-Match: "a"      only in the place of that one
//! ```
//! The entity tag of a file is its content id, as `/files/` serves it. Weak tags match no file: the server sends none,
//! and `If-Match` compares strongly.

use super::metadata::Metadata;
use crate::ingest::error::Error;

/// The key of an upload's metadata that holds `If-Match`.
pub(in crate::ingest) const IF_MATCH: &str = "if_match";

/// The key of an upload's metadata that holds `If-None-Match`.
pub(in crate::ingest) const IF_NONE_MATCH: &str = "if_none_match";

/// Checks the conditions against `current`, the content id of the file to replace; `None` if there is no file.
pub(in crate::ingest) fn check(metadata: &Metadata, current: Option<&str>) -> Result<(), Error> {
    // RFC 9110 §13.2.2: If-Match first.
    let met = metadata.get(IF_MATCH).is_none_or(|list| is_listed(list, current))
        && metadata.get(IF_NONE_MATCH).is_none_or(|list| !is_listed(list, current));
    if met { Ok(()) } else { Err(Error::Precondition) }
}

/// Whether `list` names the file whose content id is `current`.
fn is_listed(list: &str, current: Option<&str>) -> bool {
    let Some(current) = current else { return false };
    list.trim() == "*" || tags(list).any(|tag| tag == current)
}

/// The opaque parts of a list's strong tags; a comma may be part of one.
fn tags(mut list: &str) -> impl Iterator<Item = &str> {
    std::iter::from_fn(move || {
        loop {
            let (before, rest) = list.split_once('"')?;
            let (tag, rest) = rest.split_once('"')?;
            list = rest;
            if !before.ends_with("W/") {
                return Some(tag);
            }
        }
    })
}

#[cfg(test)]
mod tests {
    use super::{IF_MATCH, IF_NONE_MATCH, check};
    use crate::ingest::receive::metadata::Metadata;

    #[test]
    fn a_file_is_replaced_only_where_every_condition_is_met() {
        let met = |said: &[(&str, &str)], current| check(&Metadata::of(said.iter().copied()), current).is_ok();
        for (said, none, a, b) in [
            (&[][..], true, true, true),
            (&[(IF_NONE_MATCH, "*")], true, false, false),
            (&[(IF_MATCH, "*")], false, true, true),
            (&[(IF_MATCH, "\"a\"")], false, true, false),
            (&[(IF_MATCH, " \"x,y\" , \"a\"")], false, true, false),
            (&[(IF_MATCH, "W/\"a\", \"b\"")], false, false, true),
            (&[(IF_NONE_MATCH, "\"a\",\"c\"")], true, false, true),
            (&[(IF_MATCH, "\"a\""), (IF_NONE_MATCH, "*")], false, false, false),
            (&[(IF_MATCH, "a")], false, false, false),
        ] {
            assert_eq!([met(said, None), met(said, Some("a")), met(said, Some("b"))], [none, a, b], "{said:?}");
        }
    }
}
