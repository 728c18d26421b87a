//! `Upload-Metadata` (tus §Creation): keys and Base64 values, between commas.
//!
//! ```text
//! filename bmlnaHQubXA0,asset ZmlsbXMvbmlnaHQ=,is_private
//! ```

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use std::collections::BTreeMap;

/// Bytes of the header at most.
const LIMIT: usize = 8 << 10;

/// What a client says of what it uploads.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Metadata(BTreeMap<String, String>);

/// Why metadata are none.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Mistake {
    /// More than is read.
    #[error("{0} bytes are more than the {LIMIT} that are read")]
    Long(usize),
    /// A key that is none: empty, or not of printable ASCII.
    #[error("`{0}` is no key")]
    Key(String),
    /// A key that is there twice.
    #[error("`{0}` is said twice")]
    Twice(String),
    /// A value that is not Base64 of UTF-8.
    #[error("the value of `{0}` is not Base64 of UTF-8")]
    Value(String),
}

impl Metadata {
    /// That says these values, each of a key that is printable ASCII.
    #[must_use]
    pub fn of<'a>(said: impl IntoIterator<Item = (&'a str, &'a str)>) -> Self {
        Self(said.into_iter().map(|(key, value)| (key.to_owned(), value.to_owned())).collect())
    }

    /// Of a header's value; an empty one has none.
    pub fn parse(header: &str) -> Result<Self, Mistake> {
        if header.len() > LIMIT {
            return Err(Mistake::Long(header.len()));
        }
        let mut said = BTreeMap::new();
        for pair in header.split(',').map(str::trim).filter(|_| !header.trim().is_empty()) {
            let (key, value) = pair.split_once(' ').unwrap_or((pair, ""));
            if key.is_empty() || !key.bytes().all(|byte| byte.is_ascii_graphic()) {
                return Err(Mistake::Key(key.into()));
            }
            let value = STANDARD.decode(value.trim()).ok().and_then(|bytes| String::from_utf8(bytes).ok());
            let value = value.ok_or_else(|| Mistake::Value(key.into()))?;
            if said.insert(key.to_owned(), value).is_some() {
                return Err(Mistake::Twice(key.into()));
            }
        }
        Ok(Self(said))
    }

    /// What `key` says; `None` where it is not there or says nothing.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&str> {
        self.0.get(key).map(String::as_str).filter(|value| !value.is_empty())
    }

    /// As the header has it.
    #[must_use]
    pub fn print(&self) -> String {
        let pair = |(key, value): (&String, &String)| match value.as_str() {
            "" => key.clone(),
            value => format!("{key} {}", STANDARD.encode(value)),
        };
        self.0.iter().map(pair).collect::<Vec<_>>().join(",")
    }
}

#[cfg(test)]
mod tests {
    use super::{LIMIT, Metadata, Mistake};
    use proptest::prelude::{any, prop, prop_assert_eq, proptest};

    #[test]
    fn a_header_is_read_as_the_protocol_writes_it() {
        let said = Metadata::parse("filename d29ybGRfZG9taW5hdGlvbl9wbGFuLnBkZg==,is_confidential").unwrap();
        assert_eq!(said.get("filename"), Some("world_domination_plan.pdf"));
        assert_eq!((said.get("is_confidential"), said.get("other")), (None, None));
        assert_eq!(Metadata::parse(" "), Ok(Metadata::default()));
    }

    #[test]
    fn what_is_no_metadata_is_refused_by_name() {
        assert_eq!(Metadata::parse("a YQ==,a YQ=="), Err(Mistake::Twice("a".into())));
        assert_eq!(Metadata::parse("a YQ==,"), Err(Mistake::Key(String::new())));
        assert_eq!(Metadata::parse("ü YQ=="), Err(Mistake::Key("ü".into())));
        assert_eq!(Metadata::parse("a Y"), Err(Mistake::Value("a".into())));
        assert_eq!(Metadata::parse("a /w=="), Err(Mistake::Value("a".into())));
        assert_eq!(Metadata::parse(&"a".repeat(LIMIT + 1)), Err(Mistake::Long(LIMIT + 1)));
    }

    proptest! {
        #[test]
        fn what_is_printed_is_parsed(said in prop::collection::btree_map("[!-+.-~]{1,9}", any::<String>(), 0..5)) {
            let said = Metadata(said);
            prop_assert_eq!(Metadata::parse(&said.print()), Ok(said));
        }
    }
}
