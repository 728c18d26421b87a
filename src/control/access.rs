//! Keys: who may ask, made and revoked by who may do that.

use super::desk::Control;
use super::extract::Said;
use super::keys::{Scope, key_of};
use super::problem::Problem;
use super::views::{KeyView, Page};
use crate::ingest::{Error, now};
use axum::Json;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use serde::Deserialize;
use utoipa::ToSchema;

/// Characters of a key's name at most.
const NAME: usize = 100;

/// A key to be made.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Wanted {
    /// What its owner calls it.
    name: String,
    /// read, write or admin; each may what those before it may.
    scope: String,
    /// When it ends to be valid: milliseconds since 1970; never where absent.
    expires: Option<i64>,
}

/// Keys, revoked ones included.
#[utoipa::path(get, path = "/api/keys", tag = "keys", security(("key" = [])), responses((status = 200, body = Page<KeyView>)))]
pub(super) async fn list(State(control): State<Control>, headers: HeaderMap) -> Result<Json<Page<KeyView>>, Problem> {
    let (ingest, _) = control.allowed(&headers, Scope::Admin).await?;
    let keys = ingest.library().keys().await?;
    Ok(Json(Page { items: keys.into_iter().map(|key| KeyView::of(key, None)).collect(), next: None }))
}

/// Makes a key; its secret is told now, and never again.
#[utoipa::path(post, path = "/api/keys", tag = "keys", request_body = Wanted, security(("key" = [])), responses((status = 201, body = KeyView), (status = 400)))]
pub(super) async fn make(
    State(control): State<Control>,
    headers: HeaderMap,
    Said(wanted): Said<Wanted>,
) -> Result<(StatusCode, Json<KeyView>), Problem> {
    let (ingest, _) = control.allowed(&headers, Scope::Admin).await?;
    let wrong = |why: String| Problem::new(StatusCode::BAD_REQUEST, why);
    let scope: Scope = wanted.scope.parse().map_err(|why| wrong(format!("`{}`: {why}", wanted.scope)))?;
    let length = wanted.name.trim().chars().count();
    if length == 0 || length > NAME {
        return Err(wrong(format!("`name` has {length} characters; 1 to {NAME} are allowed")));
    }
    if wanted.expires.is_some_and(|expires| expires <= now()) {
        return Err(wrong("`expires` is past: milliseconds since 1970 are allowed".into()));
    }
    let (key, hash, secret) = key_of(wanted.name.trim(), scope, wanted.expires);
    ingest.library().insert_key(&key, &hash).await?;
    tracing::info!(key = key.id, name = key.name, %scope, "a key is made");
    Ok((StatusCode::CREATED, Json(KeyView::of(key, Some(secret)))))
}

/// Revokes a key: it cannot be used from now on.
#[utoipa::path(delete, path = "/api/keys/{id}", tag = "keys", params(("id" = String, Path)), security(("key" = [])), responses((status = 204), (status = 404)))]
pub(super) async fn revoke(
    State(control): State<Control>,
    headers: HeaderMap,
    Path(id): Path<String>,
) -> Result<StatusCode, Problem> {
    let (ingest, _) = control.allowed(&headers, Scope::Admin).await?;
    if !ingest.library().revoke_key(&id, now()).await? {
        return Err(Error::NotFound("key").into());
    }
    tracing::info!(key = id, "a key is revoked");
    Ok(StatusCode::NO_CONTENT)
}
