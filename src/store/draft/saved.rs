//! What a caller keeps of a draft: JSON, opaque to it. Another program of ours may have written it: it is read as any
//! stranger's bytes are.

use crate::store::error::Error;
use serde::{Deserialize, Serialize};

/// How far a draft has come.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub(super) enum Saved {
    /// In a folder: so many bytes of the staged file.
    File {
        /// Bytes that are synced.
        durable: u64,
    },
    /// In an object store.
    Parts(Parts),
}

/// What an object store holds of a draft.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Parts {
    /// The multipart upload, once there is one.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub(super) upload: String,
    /// Entity tags of its parts, in order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) tags: Vec<String>,
    /// Bytes of the parts together.
    #[serde(default)]
    pub(super) sent: u64,
    /// Bytes of the last part: a further one is no smaller.
    #[serde(default)]
    pub(super) size: u64,
    /// What comes behind the parts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) tail: Option<Tail>,
}

/// The object that holds what is no part yet.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Tail {
    /// What it is called in the draft's folder.
    pub(super) name: String,
    /// Its bytes.
    pub(super) len: u64,
}

impl Saved {
    /// What `text` says; `None` where a draft is new.
    pub(super) fn parse(text: &str, path: &str) -> Result<Option<Self>, Error> {
        if text.is_empty() {
            return Ok(None);
        }
        let fail = |error| Error::Refused { path: path.into(), why: format!("no state of a draft: {error}").into() };
        serde_json::from_str(text).map(Some).map_err(fail)
    }

    /// As text.
    pub(super) fn text(&self) -> String {
        serde_json::to_string(self).expect("names and numbers are JSON")
    }

    /// It is of another kind of store than the one at `path`.
    pub(super) fn stranger(path: &str) -> Error {
        Error::Refused { path: path.into(), why: "the draft was begun in another kind of store".into() }
    }
}

#[cfg(test)]
mod tests {
    use super::{Parts, Saved, Tail};

    #[test]
    fn what_is_saved_is_read_as_it_was() {
        let tail = Some(Tail { name: "8-9.x".into(), len: 1 });
        let parts = Parts { upload: "u".into(), tags: vec!["\"e\"".into()], sent: 8, size: 8, tail };
        let all = [Saved::File { durable: 7 }, Saved::Parts(parts), Saved::Parts(Parts::default())];
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
