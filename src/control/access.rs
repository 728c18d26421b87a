//! Who calls, and what the caller may do: the one place where that is decided, before a byte of a body is read.
//!
//! ```text
//! Authorization ── afx_… key ── its scopes: a right everywhere, or below a prefix ─┐
//!              └── aft_… upload token ── one upload of one asset ──────────────────┴─ Caller ── may, may_at, may_continue
//! ```

use super::problem::Problem;
use super::scope::{Right, Scope};
use crate::http::ProblemKind;
use crate::ingest::{Error, now};
use crate::library::{Key, Library, Upload, UploadToken};
use axum::http::HeaderMap;
use axum::http::header::AUTHORIZATION;

/// What a key begins with, so that one is known for what it is wherever it turns up.
pub(super) const KEY_PREFIX: &str = "afx_";

/// What an upload token begins with.
pub(super) const TOKEN_PREFIX: &str = "aft_";

/// The domain of the hash that keys and tokens are stored by.
const DOMAIN: &str = "afflux 2026 hash of an API key";

/// Who calls.
#[derive(Debug)]
pub(super) enum Caller {
    /// Whoever has a key.
    Key {
        /// Its row.
        key: Key,
        /// What it allows.
        scopes: Vec<Scope>,
    },
    /// Whoever has an upload token.
    Token(UploadToken),
}

/// The hash that a secret is stored by: 256 random bits need no slow one, as nobody tries them all.
pub(super) fn hash(secret: &str) -> String {
    blake3::Hasher::new_derive_key(DOMAIN).update(secret.as_bytes()).finalize().to_hex().to_string()
}

impl Caller {
    /// Whoever sent `headers`, where that is known.
    pub(super) async fn identify(library: &Library, headers: &HeaderMap) -> Result<Self, Problem> {
        let missing = |detail| Problem::unknown(ProblemKind::KeyMissing, detail);
        let value = headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok());
        let value = value.ok_or_else(|| missing("the API needs a key: Authorization: Bearer afx_…"))?;
        let (scheme, secret) = value.split_once(' ').unwrap_or(("", value));
        if !scheme.eq_ignore_ascii_case("bearer") {
            return Err(missing("a key is sent as Authorization: Bearer afx_…"));
        }
        let secret = secret.trim();
        if secret.starts_with(TOKEN_PREFIX) {
            Self::with_token(library, secret).await
        } else {
            Self::with_key(library, secret).await
        }
    }

    async fn with_key(library: &Library, secret: &str) -> Result<Self, Problem> {
        let key = library.key_by_hash(&hash(secret)).await?;
        let key = key.ok_or_else(|| Problem::unknown(ProblemKind::KeyUnknown, "there is no such key"))?;
        if key.revoked.is_some() {
            return Err(Problem::unknown(ProblemKind::KeyRevoked, "the key was revoked"));
        }
        if key.expires.is_some_and(|expires| expires <= now()) {
            return Err(Problem::unknown(ProblemKind::KeyExpired, "the key has expired"));
        }
        library.used_key(&key.id, now()).await?;
        Ok(Self::Key { scopes: Scope::list(&key.scopes), key })
    }

    async fn with_token(library: &Library, secret: &str) -> Result<Self, Problem> {
        let token = library.upload_token(&hash(secret), now()).await?;
        let token = token.ok_or_else(|| Problem::unknown(ProblemKind::KeyUnknown, "there is no such upload token"))?;
        // An upload that has begun may take longer than its token.
        if token.upload.is_none() && token.expires <= now() {
            return Err(Problem::unknown(ProblemKind::KeyExpired, "the upload token has expired"));
        }
        Ok(Self::Token(token))
    }

    /// Whether the caller may do what needs `right`, at some asset at least.
    pub(super) fn check(&self, right: Right) -> Result<(), Problem> {
        let may = match self {
            Self::Key { scopes, .. } => scopes.iter().any(|scope| scope.allows(right)),
            Self::Token(_) => right == Right::Upload,
        };
        if may { Ok(()) } else { Err(self.refusal(right, "")) }
    }

    /// Whether the caller may do what needs `right` everywhere.
    pub(super) fn check_everywhere(&self, right: Right) -> Result<(), Problem> {
        let may = match self {
            Self::Key { scopes, .. } => scopes.iter().any(|scope| scope.allows(right) && scope.prefix().is_empty()),
            Self::Token(_) => false,
        };
        if may { Ok(()) } else { Err(self.refusal(right, " for all assets")) }
    }

    /// Whether the caller may do what needs `right` at the asset called `asset`.
    pub(super) fn check_at(&self, right: Right, asset: &str) -> Result<(), Problem> {
        let may = match self {
            Self::Key { scopes, .. } => scopes.iter().any(|scope| scope.allows_at(right, asset)),
            Self::Token(token) => right == Right::Upload && token.asset == asset,
        };
        if may { Ok(()) } else { Err(self.refusal(right, &format!(" for {asset}"))) }
    }

    /// Whether the caller may continue, look at or give up `upload`: with the right to write there, or where it is the
    /// caller's own. Others' uploads are not there for callers that may only upload.
    pub(super) fn check_upload(&self, right: Right, upload: &Upload) -> Result<(), Problem> {
        let may = match self {
            Self::Key { key, scopes } => {
                let own = upload.key == key.id;
                let may = |right| scopes.iter().any(|scope| scope.allows_at(right, &upload.asset));
                may(right) || own && may(Right::Upload)
            }
            Self::Token(token) => token.upload.as_ref() == Some(&upload.id),
        };
        if may { Ok(()) } else { Err(Error::NotFound("upload").into()) }
    }

    /// The prefixes of what the caller may read; empty for everything.
    pub(super) fn readable(&self) -> Vec<String> {
        let Self::Key { scopes, .. } = self else { return Vec::new() };
        let prefixes: Vec<String> =
            scopes.iter().filter(|scope| scope.allows(Right::Read)).map(|scope| scope.prefix().to_owned()).collect();
        if prefixes.iter().any(String::is_empty) { Vec::new() } else { prefixes }
    }

    /// The key that answers for what the caller does.
    pub(super) fn key_id(&self) -> &str {
        match self {
            Self::Key { key, .. } => &key.id,
            Self::Token(token) => &token.key,
        }
    }

    /// The caller's token, where it has one.
    pub(super) const fn token(&self) -> Option<&UploadToken> {
        match self {
            Self::Key { .. } => None,
            Self::Token(token) => Some(token),
        }
    }

    fn refusal(&self, right: Right, place: &str) -> Problem {
        let detail = match self {
            Self::Key { key, scopes } => {
                let scopes: Vec<String> = scopes.iter().map(ToString::to_string).collect();
                format!("the key `{}` has the scopes {}; this needs {right}{place}", key.name, scopes.join(", "))
            }
            Self::Token(token) => format!("an upload token is good for one upload of {} and nothing else", token.asset),
        };
        Problem::new(ProblemKind::ScopeTooNarrow, detail)
    }
}
