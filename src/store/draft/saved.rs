//! Saved state of a draft: JSON that the caller stores without reading it. Another program of ours may have written it,
//! so it is parsed as untrusted input.

use crate::store::error::Error;
use serde::{Deserialize, Serialize};

/// How far a draft has come.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub(super) enum Saved {
    /// Of a draft in a folder.
    File {
        /// Bytes of the staged file that are synced.
        durable: u64,
    },
    /// Of a draft in an object store.
    Parts(SavedParts),
}

/// State of a draft in an object store.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct SavedParts {
    /// Id of the multipart upload; empty until it begins.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub(super) upload: String,
    /// Entity tags of its parts, in order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) tags: Vec<String>,
    /// Total size of the parts in bytes.
    #[serde(default)]
    pub(super) sent: u64,
    /// Size of the largest part in bytes: further parts, except the last, are no smaller.
    #[serde(default)]
    pub(super) size: u64,
    /// The bytes after the parts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) tail: Option<DraftTail>,
}

/// The staged object with the bytes that are not a part yet.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct DraftTail {
    /// Its name in the draft's folder.
    pub(super) name: String,
    /// Its size in bytes.
    pub(super) len: u64,
}

impl Saved {
    /// Parses `text`; `None` for the empty text of a new draft.
    pub(super) fn parse(text: &str, path: &str) -> Result<Option<Self>, Error> {
        if text.is_empty() {
            return Ok(None);
        }
        let fail = |error| Error::Refused { path: path.into(), why: format!("no state of a draft: {error}").into() };
        serde_json::from_str(text).map(Some).map_err(fail)
    }

    /// The state as text.
    pub(super) fn text(&self) -> String {
        serde_json::to_string(self).expect("strings and numbers can always be written as JSON")
    }

    /// The error for a state from another kind of store than the one at `path`.
    pub(super) fn stranger(path: &str) -> Error {
        Error::Refused { path: path.into(), why: "the draft was begun in another kind of store".into() }
    }
}

#[cfg(test)]
mod tests {
    use super::{DraftTail, Saved, SavedParts};

    #[test]
    fn what_is_saved_is_read_as_it_was() {
        let tail = Some(DraftTail { name: "8-9.x".into(), len: 1 });
        let parts = SavedParts { upload: "u".into(), tags: vec!["\"e\"".into()], sent: 8, size: 8, tail };
        let all = [Saved::File { durable: 7 }, Saved::Parts(parts), Saved::Parts(SavedParts::default())];
        for saved in all {
            assert_eq!(Saved::parse(&saved.text(), "a").unwrap(), Some(saved));
        }
        assert_eq!(Saved::File { durable: 7 }.text(), r#"{"file":{"durable":7}}"#);
        assert_eq!(Saved::parse("", "a").unwrap(), None);
        for text in ["{", "{}", r#"{"file":{"durable":-1}}"#, r#"{"file":{"durable":1,"more":1}}"#] {
            assert!(Saved::parse(text, "a").is_err(), "{text}");
        }
    }
}
