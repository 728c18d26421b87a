//! Authentication and authorization: the one place that identifies callers and decides what they may do, before any
//! byte of a request body is read.
//!
//! ```text
//! Authorization ── afx_… key ── its scopes: a right everywhere, or below a prefix ─┐
//!              └── aft_… upload token ── one upload of one asset ──────────────────┴─ Caller ── check, check_*
//! ```

use super::problem::ApiProblem;
use super::scope::{Permission, Scope};
use crate::http::ProblemKind;
use crate::ingest::{Error, now};
use crate::library::{ApiKey, Library, Upload, UploadToken};
use axum::http::HeaderMap;
use axum::http::header::AUTHORIZATION;

/// Prefix of keys, so that a leaked key is recognisable.
pub(super) const KEY_PREFIX: &str = "afx_";

/// Prefix of upload tokens.
pub(super) const TOKEN_PREFIX: &str = "aft_";

/// Context of the hash under which keys and tokens are stored.
const DOMAIN: &str = "afflux 2026 hash of an API key";

/// An authenticated caller.
#[derive(Debug)]
pub(super) enum Caller {
    /// A caller with an API key.
    Key {
        /// Row of the key.
        key: ApiKey,
        /// Scopes of the key.
        scopes: Vec<Scope>,
    },
    /// A caller with an upload token.
    Token(UploadToken),
}

/// Hash under which a secret is stored. A fast hash is enough: nobody can try all values of 256 random bits.
pub(super) fn hash(secret: &str) -> String {
    blake3::Hasher::new_derive_key(DOMAIN).update(secret.as_bytes()).finalize().to_hex().to_string()
}

impl Caller {
    /// Identifies the caller who sent `headers`. Fails if the key or token is missing, unknown, revoked or expired.
    pub(super) async fn identify(library: &Library, headers: &HeaderMap) -> Result<Self, ApiProblem> {
        let missing = |detail| ApiProblem::unknown(ProblemKind::KeyMissing, detail);
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

    async fn with_key(library: &Library, secret: &str) -> Result<Self, ApiProblem> {
        let key = library.key_by_hash(&hash(secret)).await?;
        let key = key.ok_or_else(|| ApiProblem::unknown(ProblemKind::KeyUnknown, "there is no such key"))?;
        if key.revoked.is_some() {
            return Err(ApiProblem::unknown(ProblemKind::KeyRevoked, "the key was revoked"));
        }
        if key.expires.is_some_and(|expires| expires <= now()) {
            return Err(ApiProblem::unknown(ProblemKind::KeyExpired, "the key has expired"));
        }
        library.used_key(&key.id, now()).await?;
        Ok(Self::Key { scopes: Scope::list(&key.scopes), key })
    }

    async fn with_token(library: &Library, secret: &str) -> Result<Self, ApiProblem> {
        let token = library.upload_token(&hash(secret), now()).await?;
        let token =
            token.ok_or_else(|| ApiProblem::unknown(ProblemKind::KeyUnknown, "there is no such upload token"))?;
        // An upload that has begun may outlive its token.
        if token.upload.is_none() && token.expires <= now() {
            return Err(ApiProblem::unknown(ProblemKind::KeyExpired, "the upload token has expired"));
        }
        Ok(Self::Token(token))
    }

    /// Checks that the caller has `right` for at least some assets.
    pub(super) fn check(&self, right: Permission) -> Result<(), ApiProblem> {
        let may = match self {
            Self::Key { scopes, .. } => scopes.iter().any(|scope| scope.allows(right)),
            Self::Token(_) => right == Permission::Upload,
        };
        if may { Ok(()) } else { Err(self.refusal(right, "")) }
    }

    /// Checks that the caller has `right` for all assets.
    pub(super) fn check_everywhere(&self, right: Permission) -> Result<(), ApiProblem> {
        let may = match self {
            Self::Key { scopes, .. } => scopes.iter().any(|scope| scope.allows(right) && scope.prefix().is_empty()),
            Self::Token(_) => false,
        };
        if may { Ok(()) } else { Err(self.refusal(right, " for all assets")) }
    }

    /// Checks that the caller has `right` for the asset named `asset`.
    pub(super) fn check_at(&self, right: Permission, asset: &str) -> Result<(), ApiProblem> {
        let may = match self {
            Self::Key { scopes, .. } => scopes.iter().any(|scope| scope.allows_at(right, asset)),
            Self::Token(token) => right == Permission::Upload && token.asset == asset,
        };
        if may { Ok(()) } else { Err(self.refusal(right, &format!(" for {asset}"))) }
    }

    /// Checks that the caller may see, continue or cancel `upload`: with `right` for its asset, or as the caller who
    /// created it. For all other callers the upload does not exist (404).
    pub(super) fn check_upload(&self, right: Permission, upload: &Upload) -> Result<(), ApiProblem> {
        let may = match self {
            Self::Key { key, scopes } => {
                let own = upload.key == key.id;
                let may = |right| scopes.iter().any(|scope| scope.allows_at(right, &upload.asset));
                may(right) || own && may(Permission::Upload)
            }
            Self::Token(token) => token.upload.as_ref() == Some(&upload.id),
        };
        if may { Ok(()) } else { Err(Error::NotFound("upload").into()) }
    }

    /// Prefixes of the assets that the caller may read; empty: all assets.
    pub(super) fn readable(&self) -> Vec<String> {
        let Self::Key { scopes, .. } = self else { return Vec::new() };
        let prefixes: Vec<String> = scopes
            .iter()
            .filter(|scope| scope.allows(Permission::Read))
            .map(|scope| scope.prefix().to_owned())
            .collect();
        if prefixes.iter().any(String::is_empty) { Vec::new() } else { prefixes }
    }

    /// Id of the key that is responsible for the caller: its own, or the one that created its token.
    pub(super) fn key_id(&self) -> &str {
        match self {
            Self::Key { key, .. } => &key.id,
            Self::Token(token) => &token.key,
        }
    }

    /// The caller's upload token; `None` if it has a key.
    pub(super) const fn token(&self) -> Option<&UploadToken> {
        match self {
            Self::Key { .. } => None,
            Self::Token(token) => Some(token),
        }
    }

    fn refusal(&self, right: Permission, place: &str) -> ApiProblem {
        let detail = match self {
            Self::Key { key, scopes } => {
                let scopes: Vec<String> = scopes.iter().map(ToString::to_string).collect();
                format!("the key `{}` has the scopes {}; this needs {right}{place}", key.name, scopes.join(", "))
            }
            Self::Token(token) => format!("an upload token is good for one upload of {} and nothing else", token.asset),
        };
        ApiProblem::new(ProblemKind::ScopeTooNarrow, detail)
    }
}
