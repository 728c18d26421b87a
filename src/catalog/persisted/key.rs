//! Keys and names of saved index and plan files.

use crate::media::u64_from_usize;
use crate::plan;
use std::ffi::OsStr;
use std::fmt;

/// Domain of the hash in keys of indexes.
const DOMAIN: &str = "afflux 2026 name of a frozen index";

/// Domain of the hash in keys of plans.
const PLAN_DOMAIN: &str = "afflux 2026 name of a frozen plan";

/// Content of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
enum PersistedKind {
    Index,
    Plan,
}

impl PersistedKind {
    /// Suffix of the name of a complete file.
    const fn ending(self) -> &'static str {
        match self {
            Self::Index => ".index",
            Self::Plan => ".plan",
        }
    }
}

/// Identifies the index of one version of a stored file, or the plan of several files.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(in crate::catalog) struct PersistedKey {
    kind: PersistedKind,
    hash: [u8; 32],
}

impl PersistedKey {
    /// Key of the index of the file `version` in the store called `store`.
    pub(in crate::catalog) fn new(store: &str, version: &[u8]) -> Self {
        let mut hasher = blake3::Hasher::new_derive_key(DOMAIN);
        hasher.update(&u64_from_usize(store.len()).to_le_bytes());
        hasher.update(store.as_bytes());
        hasher.update(version);
        Self { kind: PersistedKind::Index, hash: *hasher.finalize().as_bytes() }
    }

    /// Key of a plan of the files with these indexes, cut by `settings`.
    pub(in crate::catalog) fn of_plan(indexes: impl Iterator<Item = Self>, settings: plan::Settings) -> Self {
        let mut hasher = blake3::Hasher::new_derive_key(PLAN_DOMAIN);
        hasher.update(&plan::PACKAGER_REVISION.to_le_bytes());
        hasher.update(&settings.target_millis.to_le_bytes());
        for index in indexes {
            hasher.update(&index.hash);
        }
        Self { kind: PersistedKind::Plan, hash: *hasher.finalize().as_bytes() }
    }

    /// Hash of the key.
    pub(in crate::catalog) const fn as_bytes(&self) -> &[u8; 32] {
        &self.hash
    }

    /// The key whose complete file has this name; `None` for other names.
    pub(super) fn named(name: &OsStr) -> Option<Self> {
        let name = name.to_str()?;
        let of = |kind: PersistedKind| {
            let hash = *blake3::Hash::from_hex(name.strip_suffix(kind.ending())?).ok()?.as_bytes();
            Some(Self { kind, hash }).filter(|key| key.file_name() == name)
        };
        of(PersistedKind::Index).or_else(|| of(PersistedKind::Plan))
    }

    pub(super) fn file_name(&self) -> String {
        format!("{self}{}", self.kind.ending())
    }
}

impl fmt::Display for PersistedKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&blake3::Hash::from_bytes(self.hash).to_hex())
    }
}
