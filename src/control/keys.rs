//! Keys: `afx_` and 64 hexadecimal digits; listed, made and revoked. A row holds a hash of the secret, and its scopes.

use super::access::{KEY_PREFIX, hash};
use super::desk::Control;
use super::extract::{Named, Unread};
use super::problem::Problem;
use super::scope::{Right, SCOPES, Scope};
use super::views::{KeyView, Page};
use crate::http::ProblemKind;
use crate::ingest::{Error, now, token};
use crate::library::Key;
use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use serde::Deserialize;
use utoipa::ToSchema;

/// Characters of a key's name at most.
const NAME: usize = 100;

/// A key to be made.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Wanted {
    /// What its owner calls it: 1 to 100 characters.
    #[schema(min_length = 1, max_length = 100, pattern = "^[^\\x00-\\x1f\\x7f-\\x9f]+$")]
    name: String,
    /// What it allows: read, upload, write or admin; the first three everywhere, or below a folder as in
    /// `upload:films/`. Several stand between commas; a comma in a folder's name is written %2C, a percent sign %25.
    #[schema(
        min_length = 4,
        max_length = 4096,
        pattern = "^(admin|(read|upload|write)(:[^,]+/)?)(,(admin|(read|upload|write)(:[^,]+/)?))*$"
    )]
    scope: String,
    /// Until when it is valid: milliseconds since 1970, in the future; for ever where absent.
    expires: Option<i64>,
}

/// A new key: its row, the hash to store, and the secret, which is shown once.
#[must_use]
pub fn key_of(name: &str, scopes: &[Scope], expires: Option<i64>) -> (Key, String, String) {
    let secret = format!("{KEY_PREFIX}{}", token::<32>());
    let key = Key {
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

/// The scopes that `text` lists between commas, each of them one.
pub fn scopes_of(text: &str) -> Result<Vec<Scope>, String> {
    let scopes: Result<Vec<Scope>, _> = text.split(',').map(Scope::unescaped).collect();
    let scopes = scopes.map_err(|why| format!("`{text}`: {why}"))?;
    let count = scopes.len();
    if count <= SCOPES { Ok(scopes) } else { Err(format!("{count} scopes; {SCOPES} are allowed")) }
}

/// Keys, revoked ones included.
#[utoipa::path(get, path = "/api/keys", operation_id = "listKeys", tag = "keys", security(("key" = ["admin"])), responses((status = 200, description = "The keys", body = Page<KeyView>)))]
pub(super) async fn list(State(control): State<Control>, headers: HeaderMap) -> Result<Json<Page<KeyView>>, Problem> {
    let (ingest, _) = control.allowed(&headers, Right::Admin).await?;
    let keys = ingest.library().keys().await?;
    Ok(Json(Page { items: keys.into_iter().map(|key| KeyView::of(key, None)).collect(), next: None }))
}

/// Makes a key; its secret is shown now, and never again.
#[utoipa::path(post, path = "/api/keys", operation_id = "makeKey", tag = "keys", request_body = Wanted, security(("key" = ["admin"])), responses((status = 201, description = "The key, with its secret", body = KeyView)))]
pub(super) async fn make(
    State(control): State<Control>,
    headers: HeaderMap,
    body: Unread,
) -> Result<(StatusCode, Json<KeyView>), Problem> {
    let (ingest, _) = control.allowed(&headers, Right::Admin).await?;
    let wanted: Wanted = body.json().await?;
    let wrong = |why: String| Problem::new(ProblemKind::BadField, why);
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
    tracing::info!(key = key.id, name = key.name, scopes = key.scopes, "a key is made");
    Ok((StatusCode::CREATED, Json(KeyView::of(key, Some(secret)))))
}

/// Revokes a key: it cannot be used any more, and neither can the upload tokens that it made.
#[utoipa::path(delete, path = "/api/keys/{id}", operation_id = "revokeKey", tag = "keys", params(("id" = String, Path, description = "The key's id")), security(("key" = ["admin"])), responses((status = 204, description = "The key is revoked")))]
pub(super) async fn revoke(
    State(control): State<Control>,
    headers: HeaderMap,
    Named(id): Named,
) -> Result<StatusCode, Problem> {
    let (ingest, _) = control.allowed(&headers, Right::Admin).await?;
    if !ingest.library().revoke_key(&id, now()).await? {
        return Err(Error::NotFound("key").into());
    }
    tracing::info!(key = id, "a key is revoked");
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
