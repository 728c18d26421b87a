//! Scopes of API keys: a right that holds everywhere or below one prefix of asset names.
//!
//! ```text
//! read          upload:films/          write:films/new/          admin
//! │             └ right and prefix      └ covers films/new/a       └ has no prefix
//! └ everywhere                            and not films/newer
//! ```

use crate::media::AssetId;
use std::fmt;
use std::str::FromStr;

/// Most scopes of one key.
pub(super) const SCOPES: usize = 16;

/// A right that a key can have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Permission {
    /// To see assets, uploads and jobs.
    Read,
    /// To create assets by uploads, and to continue or cancel one's own uploads.
    Upload,
    /// To upload, read, change and delete.
    Write,
    /// To create and revoke keys, and to do everything else.
    Admin,
}

impl Permission {
    /// All rights, the widest last.
    pub const ALL: [Self; 4] = [Self::Read, Self::Upload, Self::Write, Self::Admin];

    /// The word for this right in scopes.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Upload => "upload",
            Self::Write => "write",
            Self::Admin => "admin",
        }
    }

    /// Whether this right includes `other`.
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

impl fmt::Display for Permission {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A right, everywhere or below one prefix of asset names.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Scope {
    right: Permission,
    /// Ends with a slash; empty: everywhere.
    prefix: String,
}

impl Scope {
    /// A right everywhere.
    #[must_use]
    pub const fn everywhere(right: Permission) -> Self {
        Self { right, prefix: String::new() }
    }

    /// Prefix of the asset names for which the scope holds; empty: everywhere.
    #[must_use]
    pub fn prefix(&self) -> &str {
        &self.prefix
    }

    /// Whether the scope includes `right` for at least some assets.
    #[must_use]
    pub const fn allows(&self, right: Permission) -> bool {
        self.right.covers(right)
    }

    /// Whether the scope includes `right` for the asset named `asset`.
    #[must_use]
    pub fn allows_at(&self, right: Permission, asset: &str) -> bool {
        self.allows(right) && asset.starts_with(&self.prefix)
    }

    /// Parses the scopes of a row. Skips entries that this version does not know.
    #[must_use]
    pub fn list(row: &str) -> Vec<Self> {
        row.split(',').filter_map(|scope| Self::unescaped(scope).ok()).collect()
    }

    /// Parses one entry of a comma-separated list, in which %2C is a comma and %25 a percent sign.
    pub fn unescaped(entry: &str) -> Result<Self, &'static str> {
        entry.replace("%2C", ",").replace("%25", "%").parse()
    }

    /// Prints `scopes` as a row stores them: separated by commas; commas in names are escaped.
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
        let right = Permission::ALL.into_iter().find(|right| right.as_str() == word).ok_or(ALLOWED)?;
        match prefix {
            None => Ok(Self::everywhere(right)),
            Some(prefix) => {
                let folder = prefix.strip_suffix('/').and_then(AssetId::new);
                let is_right = right != Permission::Admin && folder.is_some();
                is_right.then(|| Self { right, prefix: prefix.into() }).ok_or(ALLOWED)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Permission, Scope};
    use proptest::prelude::{prop_assert_eq, proptest};

    fn allows(scope: &str, right: Permission, asset: &str) -> bool {
        scope.parse::<Scope>().unwrap().allows_at(right, asset)
    }

    #[test]
    fn a_right_covers_lesser_ones_and_no_more() {
        let covered = |right: Permission| Permission::ALL.map(|other| right.covers(other));
        assert_eq!(covered(Permission::Read), [true, false, false, false]);
        assert_eq!(covered(Permission::Upload), [false, true, false, false]);
        assert_eq!(covered(Permission::Write), [true, true, true, false]);
        assert_eq!(covered(Permission::Admin), [true; 4]);
    }

    #[test]
    fn a_prefix_holds_for_what_is_below_it_alone() {
        assert!(allows("write:films/", Permission::Upload, "films/a"));
        assert!(allows("write:films/", Permission::Read, "films/new/a"));
        assert!(!allows("write:films/", Permission::Read, "films"));
        assert!(!allows("write:films/", Permission::Read, "films2/a"));
        assert!(!allows("write:films/", Permission::Admin, "films/a"));
        assert!(allows("write", Permission::Read, "anything"));
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
        assert_eq!(scopes, [Scope::everywhere(Permission::Read), Scope::everywhere(Permission::Write)]);
        assert_eq!(Scope::list("read,everything"), [Scope::everywhere(Permission::Read)]);
    }

    proptest! {
        #[test]
        fn rows_are_read_as_they_were_written(folder in "[a-z,%:0-9]{1,9}") {
            let scopes: Vec<Scope> = ["read", "upload", "write"].iter().filter_map(|word| format!("{word}:{folder}/").parse().ok()).collect();
            prop_assert_eq!(Scope::list(&Scope::row(&scopes)), scopes);
        }
    }
}
