//! What kept files are called.

use crate::media::u64_from_usize;
use crate::plan;
use std::ffi::OsStr;
use std::fmt;

/// The domain of the hash that names indexes.
const DOMAIN: &str = "afflux 2026 name of a frozen index";

/// The domain of the hash that names plans.
const PLAN_DOMAIN: &str = "afflux 2026 name of a frozen plan";

/// What a file holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
enum Kind {
    Index,
    Plan,
}

impl Kind {
    /// How a whole file's name ends.
    const fn ending(self) -> &'static str {
        match self {
            Self::Index => ".index",
            Self::Plan => ".plan",
        }
    }
}

/// Names what is known of one version of one stored file, or of several together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(in crate::catalog) struct Key {
    kind: Kind,
    hash: [u8; 32],
}

impl Key {
    /// Of the index of the file that is `version` in the store called `store`.
    pub(in crate::catalog) fn new(store: &str, version: &[u8]) -> Self {
        let mut hasher = blake3::Hasher::new_derive_key(DOMAIN);
        hasher.update(&u64_from_usize(store.len()).to_le_bytes());
        hasher.update(store.as_bytes());
        hasher.update(version);
        Self { kind: Kind::Index, hash: *hasher.finalize().as_bytes() }
    }

    /// Of a plan of the files with these indexes, cut by `settings`.
    pub(in crate::catalog) fn of_plan(indexes: impl Iterator<Item = Self>, settings: plan::Settings) -> Self {
        let mut hasher = blake3::Hasher::new_derive_key(PLAN_DOMAIN);
        hasher.update(&plan::PACKAGER_REVISION.to_le_bytes());
        hasher.update(&settings.target_millis.to_le_bytes());
        for index in indexes {
            hasher.update(&index.hash);
        }
        Self { kind: Kind::Plan, hash: *hasher.finalize().as_bytes() }
    }

    /// Its bytes.
    pub(in crate::catalog) const fn as_bytes(&self) -> &[u8; 32] {
        &self.hash
    }

    /// The one whose whole file has this name.
    pub(super) fn named(name: &OsStr) -> Option<Self> {
        let name = name.to_str()?;
        let of = |kind: Kind| {
            let hash = *blake3::Hash::from_hex(name.strip_suffix(kind.ending())?).ok()?.as_bytes();
            Some(Self { kind, hash }).filter(|key| key.file_name() == name)
        };
        of(Kind::Index).or_else(|| of(Kind::Plan))
    }

    pub(super) fn file_name(&self) -> String {
        format!("{self}{}", self.kind.ending())
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&blake3::Hash::from_bytes(self.hash).to_hex())
    }
}
