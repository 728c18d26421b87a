//! Handlers for API keys: list, create, revoke. A key is `afx_` and 64 hexadecimal digits; its row holds the scopes and
//! only a hash of the secret.

use super::access::{KEY_PREFIX, hash};
use super::extract::{PathName, UnreadBody};
use super::problem::ApiProblem;
use super::scope::{Permission, SCOPES, Scope};
use super::state::Control;
use super::views::{KeyView, Page};
use crate::http::ProblemKind;
use crate::ingest::{Error, now, token};
use crate::library::{self, ApiKey, Library};
use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use serde::Deserialize;
use utoipa::ToSchema;

/// Longest name of a key, in characters.
const NAME: usize = 100;

/// A key to create.
#[derive(Debug, Deserialize, ToSchema)]
#[schema(as = Wanted)]
#[serde(deny_unknown_fields)]
pub(super) struct KeyRequest {
    /// Name for people: 1 to 100 characters.
    #[schema(min_length = 1, max_length = 100, pattern = "^[^\\x00-\\x1f\\x7f-\\x9f]+$")]
    name: String,
    /// Scopes, separated by commas: read, upload, write or admin. The first three hold everywhere, or below a folder as
    /// in `upload:films/`. In a folder's name, a comma is written %2C and a percent sign %25.
    #[schema(
        min_length = 4,
        max_length = 4096,
        pattern = "^(admin|(read|upload|write)(:[^,]+/)?)(,(admin|(read|upload|write)(:[^,]+/)?))*$"
    )]
    scope: String,
    /// Expiry time in milliseconds since 1970, in the future; absent: never.
    expires: Option<i64>,
}

/// Generates a key. Returns its row, the hash to store, and the secret, which is shown once.
#[must_use]
pub fn key_of(name: &str, scopes: &[Scope], expires: Option<i64>) -> (ApiKey, String, String) {
    let secret = format!("{KEY_PREFIX}{}", token::<32>());
    let key = ApiKey {
        id: token::<8>(),
        name: name.into(),
        scopes: Scope::row(scopes),
        created: now(),
        expires,
        used: None,
        revoked: None,
    };
    (key, hash(&secret), secret)
}

/// Creates the first key of a library without keys. Returns its secret to one process, once; `None` to all others.
pub async fn first_key(library: &Library) -> Result<Option<String>, library::Error> {
    let (key, hash, secret) = key_of("first", &[Scope::everywhere(Permission::Admin)], None);
    Ok(library.insert_first_key(&key, &hash).await?.then_some(secret))
}

/// Parses a comma-separated list of scopes. The error is a sentence about the entry that is no scope, or the count.
pub fn scopes_of(text: &str) -> Result<Vec<Scope>, String> {
    let scopes: Result<Vec<Scope>, _> = text.split(',').map(Scope::unescaped).collect();
    let scopes = scopes.map_err(|why| format!("`{text}`: {why}"))?;
    let count = scopes.len();
    if count <= SCOPES { Ok(scopes) } else { Err(format!("{count} scopes; {SCOPES} are allowed")) }
}

/// Lists the keys, including revoked ones.
#[utoipa::path(get, path = "/api/keys", operation_id = "listKeys", tag = "keys", security(("key" = ["admin"])), responses((status = 200, description = "The keys", body = Page<KeyView>)))]
pub(super) async fn list(
    State(control): State<Control>,
    headers: HeaderMap,
) -> Result<Json<Page<KeyView>>, ApiProblem> {
    let (ingest, _) = control.allowed(&headers, Permission::Admin).await?;
    let keys = ingest.library().keys().await?;
    Ok(Json(Page { items: keys.into_iter().map(|key| KeyView::of(key, None)).collect(), next: None }))
}

/// Creates a key; its secret is only shown in this response.
#[utoipa::path(post, path = "/api/keys", operation_id = "makeKey", tag = "keys", request_body = KeyRequest, security(("key" = ["admin"])), responses((status = 201, description = "The key, with its secret", body = KeyView)))]
pub(super) async fn make(
    State(control): State<Control>,
    headers: HeaderMap,
    body: UnreadBody,
) -> Result<(StatusCode, Json<KeyView>), ApiProblem> {
    let (ingest, _) = control.allowed(&headers, Permission::Admin).await?;
    let wanted: KeyRequest = body.json().await?;
    let wrong = |why: String| ApiProblem::new(ProblemKind::BadField, why);
    let scopes = scopes_of(&wanted.scope).map_err(|why| wrong(format!("`scope`: {why}")))?;
    let name = wanted.name.trim();
    let length = name.chars().count();
    if length == 0 || length > NAME || name.contains(char::is_control) {
        return Err(wrong(format!("`name` has 1 to {NAME} characters, and no control characters")));
    }
    if wanted.expires.is_some_and(|expires| expires <= now()) {
        return Err(wrong("`expires` is past: milliseconds since 1970 are allowed".into()));
    }
    let (key, hash, secret) = key_of(name, &scopes, wanted.expires);
    ingest.library().insert_key(&key, &hash).await?;
    tracing::info!(key = key.id, name = key.name, scopes = key.scopes, "API key created");
    Ok((StatusCode::CREATED, Json(KeyView::of(key, Some(secret)))))
}

/// Revokes a key and all upload tokens that were created with it.
#[utoipa::path(delete, path = "/api/keys/{id}", operation_id = "revokeKey", tag = "keys", params(("id" = String, Path, description = "The key's id")), security(("key" = ["admin"])), responses((status = 204, description = "The key is revoked")))]
pub(super) async fn revoke(
    State(control): State<Control>,
    headers: HeaderMap,
    PathName(id): PathName,
) -> Result<StatusCode, ApiProblem> {
    let (ingest, _) = control.allowed(&headers, Permission::Admin).await?;
    if !ingest.library().revoke_key(&id, now()).await? {
        return Err(Error::NotFound("key").into());
    }
    tracing::info!(key = id, "API key revoked");
    Ok(StatusCode::NO_CONTENT)
}

#[cfg(test)]
mod tests {
    use super::{key_of, scopes_of};
    use crate::control::access::hash;

    #[test]
    fn a_key_is_stored_without_its_secret() {
        let (key, stored, secret) = key_of("ci", &scopes_of("upload:films/,read").unwrap(), None);
        assert_eq!(key.scopes, "upload:films/,read");
        assert_eq!((stored == hash(&secret), secret.len()), (true, 68));
        assert!(!format!("{key:?}").contains(&secret));
    }

    #[test]
    fn every_scope_of_a_list_is_one() {
        assert!(scopes_of("read,upload:a%2Cb/").is_ok());
        for wrong in ["", "read,", "read,all", &["read"; 17].join(",")] {
            assert!(scopes_of(wrong).is_err(), "{wrong}");
        }
    }
}
