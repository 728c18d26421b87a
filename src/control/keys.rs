//! API keys: `afx_` and 64 hexadecimal digits. What is kept of one is a hash; what it may be used for is its scope.

use super::problem::Problem;
use crate::ingest::{now, token};
use crate::library::{Key, Library};
use axum::http::header::AUTHORIZATION;
use axum::http::{HeaderMap, StatusCode};
use std::fmt;
use std::str::FromStr;

/// What a key begins with, so that one is known for what it is wherever it turns up.
const PREFIX: &str = "afx_";

/// The domain of the hash that keys are kept by.
const DOMAIN: &str = "afflux 2026 hash of an API key";

/// What a key may be used for; each may what those before it may.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Scope {
    /// To see assets, uploads and jobs.
    Read,
    /// To upload, and to change assets and jobs.
    Write,
    /// To make and revoke keys.
    Admin,
}

impl Scope {
    const ALL: [Self; 3] = [Self::Read, Self::Write, Self::Admin];

    /// The word for it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Write => "write",
            Self::Admin => "admin",
        }
    }

    /// The widest of a key's.
    fn of(key: &Key) -> Option<Self> {
        key.scopes.split(',').filter_map(|scope| scope.parse().ok()).max()
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Scope {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL.into_iter().find(|scope| scope.as_str() == text).ok_or("a scope is read, write or admin")
    }
}

/// A new key: its row, the hash to keep, and the secret, which is told once.
#[must_use]
pub fn key_of(name: &str, scope: Scope, expires: Option<i64>) -> (Key, String, String) {
    let secret = format!("{PREFIX}{}", token::<32>());
    let scopes = Scope::ALL.iter().filter(|each| **each <= scope).map(|each| each.as_str());
    let key = Key {
        id: token::<8>(),
        name: name.into(),
        scopes: scopes.collect::<Vec<_>>().join(","),
        created: now(),
        expires,
        used: None,
        revoked: None,
    };
    (key, hash(&secret), secret)
}

/// 256 random bits need no slow hash: nobody tries them all.
fn hash(secret: &str) -> String {
    blake3::Hasher::new_derive_key(DOMAIN).update(secret.as_bytes()).finalize().to_hex().to_string()
}

/// Who asks, if he may what needs `scope`.
pub(super) async fn asked(library: &Library, headers: &HeaderMap, scope: Scope) -> Result<Key, Problem> {
    let said = headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok());
    let said = said.ok_or_else(|| Problem::unknown("the API needs a key: Authorization: Bearer afx_…"))?;
    let (scheme, secret) = said.split_once(' ').unwrap_or(("", said));
    if !scheme.eq_ignore_ascii_case("bearer") {
        return Err(Problem::unknown("a key is sent as Authorization: Bearer afx_…"));
    }
    let key = library.key_by_hash(&hash(secret.trim())).await?;
    let key = key.ok_or_else(|| Problem::unknown("there is no such key"))?;
    let now = now();
    if key.revoked.is_some() {
        return Err(Problem::unknown("the key was revoked"));
    }
    if key.expires.is_some_and(|expires| expires <= now) {
        return Err(Problem::unknown("the key has expired"));
    }
    if Scope::of(&key).is_none_or(|has| has < scope) {
        let detail = format!("the key `{}` may {}; this needs {scope}", key.name, key.scopes);
        return Err(Problem::new(StatusCode::FORBIDDEN, detail));
    }
    library.used_key(&key.id, now).await?;
    Ok(key)
}

#[cfg(test)]
mod tests {
    use super::{Scope, hash, key_of};

    #[test]
    fn a_key_may_what_lesser_ones_may_and_its_secret_is_not_kept() {
        let (key, kept, secret) = key_of("ci", Scope::Write, None);
        assert_eq!((key.scopes.as_str(), Scope::of(&key)), ("read,write", Some(Scope::Write)));
        assert_eq!((kept == hash(&secret), secret.len()), (true, 68));
        assert!(!format!("{key:?}").contains(&secret) && Scope::Write < Scope::Admin);
    }
}
