//! Scopes: what a key allows, everywhere or below one prefix of asset names.
//!
//! ```text
//! read          upload:films/          write:films/new/          admin
//! │             └ right and prefix      └ covers films/new/a       └ has no prefix
//! └ everywhere                            and not films/newer
//! ```

use crate::media::AssetId;
use std::fmt;
use std::str::FromStr;

/// The scopes that a key has at most.
pub(super) const SCOPES: usize = 16;

/// One kind of thing that a key allows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Right {
    /// To see assets, uploads and jobs.
    Read,
    /// To make assets by uploads, and to continue or give up one's own.
    Upload,
    /// To upload, read, change and delete.
    Write,
    /// To make and revoke keys, besides all else.
    Admin,
}

impl Right {
    /// All of them, the widest last.
    pub const ALL: [Self; 4] = [Self::Read, Self::Upload, Self::Write, Self::Admin];

    /// The word for it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Upload => "upload",
            Self::Write => "write",
            Self::Admin => "admin",
        }
    }

    /// Whether whoever has it has `other` too.
    #[must_use]
    pub const fn covers(self, other: Self) -> bool {
        match self {
            Self::Read => matches!(other, Self::Read),
            Self::Upload => matches!(other, Self::Upload),
            Self::Write => matches!(other, Self::Read | Self::Upload | Self::Write),
            Self::Admin => true,
        }
    }
}

impl fmt::Display for Right {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A right, everywhere or below one prefix of asset names.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Scope {
    right: Right,
    /// Ends with a slash; empty for everywhere.
    prefix: String,
}

impl Scope {
    /// A right everywhere.
    #[must_use]
    pub const fn everywhere(right: Right) -> Self {
        Self { right, prefix: String::new() }
    }

    /// Where it holds; empty for everywhere.
    #[must_use]
    pub fn prefix(&self) -> &str {
        &self.prefix
    }

    /// Whether it allows what needs `right`, at some asset at least.
    #[must_use]
    pub const fn allows(&self, right: Right) -> bool {
        self.right.covers(right)
    }

    /// Whether it allows what needs `right` at the asset called `asset`.
    #[must_use]
    pub fn allows_at(&self, right: Right, asset: &str) -> bool {
        self.allows(right) && asset.starts_with(&self.prefix)
    }

    /// The scopes that a row lists; those that this version does not know allow nothing.
    #[must_use]
    pub fn list(row: &str) -> Vec<Self> {
        row.split(',').filter_map(|scope| Self::unescaped(scope).ok()).collect()
    }

    /// The scope that an entry of a list between commas is.
    pub fn unescaped(entry: &str) -> Result<Self, &'static str> {
        entry.replace("%2C", ",").replace("%25", "%").parse()
    }

    /// As a row lists `scopes`: between commas, so that names have theirs escaped.
    #[must_use]
    pub fn row(scopes: &[Self]) -> String {
        let escaped = |scope: &Self| scope.to_string().replace('%', "%25").replace(',', "%2C");
        scopes.iter().map(escaped).collect::<Vec<_>>().join(",")
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.prefix.as_str() {
            "" => write!(f, "{}", self.right),
            prefix => write!(f, "{}:{prefix}", self.right),
        }
    }
}

impl FromStr for Scope {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        const ALLOWED: &str = "a scope is read, upload, write or admin; the first three may name a folder of assets that \
                               they hold for, as in upload:films/";
        let (word, prefix) = text.split_once(':').map_or((text, None), |(word, prefix)| (word, Some(prefix)));
        let right = Right::ALL.into_iter().find(|right| right.as_str() == word).ok_or(ALLOWED)?;
        match prefix {
            None => Ok(Self::everywhere(right)),
            Some(prefix) => {
                let folder = prefix.strip_suffix('/').and_then(AssetId::new);
                let is_right = right != Right::Admin && folder.is_some();
                is_right.then(|| Self { right, prefix: prefix.into() }).ok_or(ALLOWED)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Right, Scope};
    use proptest::prelude::{prop_assert_eq, proptest};

    fn allows(scope: &str, right: Right, asset: &str) -> bool {
        scope.parse::<Scope>().unwrap().allows_at(right, asset)
    }

    #[test]
    fn a_right_covers_lesser_ones_and_no_more() {
        let covered = |right: Right| Right::ALL.map(|other| right.covers(other));
        assert_eq!(covered(Right::Read), [true, false, false, false]);
        assert_eq!(covered(Right::Upload), [false, true, false, false]);
        assert_eq!(covered(Right::Write), [true, true, true, false]);
        assert_eq!(covered(Right::Admin), [true; 4]);
    }

    #[test]
    fn a_prefix_holds_for_what_is_below_it_alone() {
        assert!(allows("write:films/", Right::Upload, "films/a"));
        assert!(allows("write:films/", Right::Read, "films/new/a"));
        assert!(!allows("write:films/", Right::Read, "films"));
        assert!(!allows("write:films/", Right::Read, "films2/a"));
        assert!(!allows("write:films/", Right::Admin, "films/a"));
        assert!(allows("write", Right::Read, "anything"));
    }

    #[test]
    fn what_is_no_scope_is_refused() {
        for wrong in ["", "all", "read:", "read:films", "read:/", "read:films//", "read:../", "admin:films/", "Read"] {
            assert!(wrong.parse::<Scope>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn rows_of_before_still_say_what_they_said() {
        let scopes = Scope::list("read,write");
        assert_eq!(scopes, [Scope::everywhere(Right::Read), Scope::everywhere(Right::Write)]);
        assert_eq!(Scope::list("read,everything"), [Scope::everywhere(Right::Read)]);
    }

    proptest! {
        #[test]
        fn rows_are_read_as_they_were_written(folder in "[a-z,%:0-9]{1,9}") {
            let scopes: Vec<Scope> = ["read", "upload", "write"].iter().filter_map(|word| format!("{word}:{folder}/").parse().ok()).collect();
            prop_assert_eq!(Scope::list(&Scope::row(&scopes)), scopes);
        }
    }
}
