//! Descriptive metadata of an asset, for people and not for players. It is part of `asset.json`.

use super::track::Language;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Largest number of characters in a title.
pub const TITLE_LIMIT: usize = 200;

/// Largest number of characters in a description.
const DESCRIPTION_LIMIT: usize = 5_000;

/// Largest number of tags, and of custom keys.
const COUNT_LIMIT: usize = 32;

/// Largest number of characters in a tag, and in a custom key.
const WORD_LIMIT: usize = 64;

/// Largest number of characters in a custom value.
const VALUE_LIMIT: usize = 1_000;

/// Descriptive metadata of an asset.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Details {
    /// Description: up to 5,000 characters.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Search words: up to 32, of up to 64 characters each.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<String>,
    /// Language of the whole asset, a tag of RFC 5646; tracks have their own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub language: Option<String>,
    /// Custom notes: up to 32 keys of letters, digits and `_ . -`, with values of up to 1,000 characters.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub custom: BTreeMap<String, String>,
}

/// Why descriptive metadata is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DetailsError {
    /// A text is empty, too long, or has control characters.
    #[error("`{field}` has 1 to {limit} characters, and no control characters")]
    Text {
        /// Name of the field.
        field: &'static str,
        /// Largest number of characters.
        limit: usize,
    },
    /// A list has too many entries.
    #[error("`{field}` has at most {COUNT_LIMIT} entries")]
    Count {
        /// Name of the field.
        field: &'static str,
    },
    /// This is not a valid custom key.
    #[error("`{0}` is no key of `custom`: 1 to {WORD_LIMIT} letters, digits and `_ . -` are allowed")]
    Key(String),
    /// This is not a language tag.
    #[error("`{0}` is not a language tag of RFC 5646")]
    Language(String),
}

impl Details {
    /// Whether all fields are empty.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Checks all fields against their limits.
    pub fn check(&self) -> Result<(), DetailsError> {
        if let Some(description) = &self.description {
            // A description may contain line breaks and tabs.
            let plain = description.replace(['\n', '\r', '\t'], " ");
            check_text("description", &plain, DESCRIPTION_LIMIT)?;
        }
        if self.tags.len() > COUNT_LIMIT {
            return Err(DetailsError::Count { field: "tags" });
        }
        self.tags.iter().try_for_each(|tag| check_text("tags", tag, WORD_LIMIT))?;
        if let Some(language) = self.language.as_ref().filter(|language| Language::new(language).is_none()) {
            return Err(DetailsError::Language(language.clone()));
        }
        if self.custom.len() > COUNT_LIMIT {
            return Err(DetailsError::Count { field: "custom" });
        }
        for (key, value) in &self.custom {
            let known = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-');
            if !(1..=WORD_LIMIT).contains(&key.len()) || !key.chars().all(known) {
                return Err(DetailsError::Key(key.clone()));
            }
            check_text("custom", value, VALUE_LIMIT)?;
        }
        Ok(())
    }

    /// All texts that a search covers.
    pub fn texts(&self) -> impl Iterator<Item = &str> {
        let custom = self.custom.values().map(String::as_str);
        self.description.as_deref().into_iter().chain(self.tags.iter().map(String::as_str)).chain(custom)
    }
}

/// Checks that `title` is a valid title.
pub fn check_title(title: &str) -> Result<(), DetailsError> {
    check_text("title", title, TITLE_LIMIT)
}

fn check_text(field: &'static str, text: &str, limit: usize) -> Result<(), DetailsError> {
    let fits = !text.trim().is_empty() && text.chars().nth(limit).is_none() && !text.contains(char::is_control);
    if fits { Ok(()) } else { Err(DetailsError::Text { field, limit }) }
}

#[cfg(test)]
mod tests {
    use super::{Details, DetailsError, check_title};

    #[test]
    fn what_is_out_of_bounds_is_refused_by_name() {
        let check = |json: &str| serde_json::from_str::<Details>(json).unwrap().check();
        let text = |field, limit| Err(DetailsError::Text { field, limit });
        assert_eq!(check(r#"{"description":"a\nb","tags":["x"],"language":"pt-BR","custom":{"a.b":"c"}}"#), Ok(()));
        assert_eq!(check(&format!(r#"{{"description":"{}"}}"#, "a".repeat(5_001))), text("description", 5_000));
        assert_eq!(check(r#"{"description":"a\u0000"}"#), text("description", 5_000));
        assert_eq!(check(r#"{"tags":[" "]}"#), text("tags", 64));
        assert_eq!(check(&format!(r#"{{"tags":{:?}}}"#, ["x"; 33])), Err(DetailsError::Count { field: "tags" }));
        assert_eq!(check(r#"{"language":"no language"}"#), Err(DetailsError::Language("no language".into())));
        assert_eq!(check(r#"{"custom":{"a b":"c"}}"#), Err(DetailsError::Key("a b".into())));
        assert_eq!(check(r#"{"custom":{"a":""}}"#), text("custom", 1_000));
        assert_eq!((check_title("ü"), check_title("")), (Ok(()), text("title", 200)));
    }
}
