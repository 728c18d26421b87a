//! `Upload-Metadata` (tus §Creation): keys and Base64 values, between commas.
//!
//! ```text
//! filename bmlnaHQubXA0,asset ZmlsbXMvbmlnaHQ=,is_private
//! ```

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use std::collections::BTreeMap;

/// Largest header, in bytes.
const LIMIT: usize = 8 << 10;

/// Metadata that a client sends with an upload.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Metadata(BTreeMap<String, String>);

/// Reasons to refuse metadata.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MetadataError {
    /// The header is too long.
    #[error("{0} bytes are more than the {LIMIT} that are read")]
    Long(usize),
}

impl Metadata {
    /// Builds metadata from pairs; each key must be printable ASCII.
    #[must_use]
    pub fn of<'a>(said: impl IntoIterator<Item = (&'a str, &'a str)>) -> Self {
        Self(said.into_iter().map(|(key, value)| (key.to_owned(), value.to_owned())).collect())
    }

    /// Parses the header. Skips pairs without a valid key or with a value that is not Base64 of UTF-8, as clients send
    /// all that their platform knows about a file. The first of two equal keys counts.
    pub fn parse(header: &str) -> Result<Self, MetadataError> {
        if header.len() > LIMIT {
            return Err(MetadataError::Long(header.len()));
        }
        let mut metadata = BTreeMap::new();
        for pair in header.split(',').map(str::trim) {
            let (key, value) = pair.split_once(' ').unwrap_or((pair, ""));
            let is_key = !key.is_empty() && key.bytes().all(|byte| byte.is_ascii_graphic());
            let value = STANDARD.decode(value.trim()).ok().and_then(|bytes| String::from_utf8(bytes).ok());
            if let (true, Some(value)) = (is_key, value) {
                metadata.entry(key.to_owned()).or_insert(value);
            }
        }
        Ok(Self(metadata))
    }

    /// Value of `key`; `None` if it is absent or empty.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&str> {
        self.0.get(key).map(String::as_str).filter(|value| !value.is_empty())
    }

    /// Prints the header value.
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
    use super::{LIMIT, Metadata, MetadataError};
    use proptest::prelude::{any, prop, prop_assert_eq, proptest};

    #[test]
    fn a_header_is_read_as_the_protocol_writes_it() {
        let said = Metadata::parse("filename d29ybGRfZG9taW5hdGlvbl9wbGFuLnBkZg==,is_confidential").unwrap();
        assert_eq!(said.get("filename"), Some("world_domination_plan.pdf"));
        assert_eq!((said.get("is_confidential"), said.get("other")), (None, None));
        assert_eq!(Metadata::parse(" "), Ok(Metadata::default()));
    }

    #[test]
    fn what_cannot_be_read_is_left_out_and_the_rest_counts() {
        let read = |header: &str| Metadata::parse(header).unwrap().print();
        for odd in ["ü YQ==", "a Y", "a /w==", "", "a YQ== YQ=="] {
            assert_eq!(read(&format!("{odd},b Yg==")), "b Yg==", "{odd}");
        }
        assert_eq!(read("b Yg==,b YQ=="), "b Yg==");
        assert_eq!(Metadata::parse(&"a".repeat(LIMIT + 1)), Err(MetadataError::Long(LIMIT + 1)));
    }

    proptest! {
        #[test]
        fn what_is_printed_is_parsed(said in prop::collection::btree_map("[!-+.-~]{1,9}", any::<String>(), 0..5)) {
            let said = Metadata(said);
            prop_assert_eq!(Metadata::parse(&said.print()), Ok(said));
        }
    }
}
