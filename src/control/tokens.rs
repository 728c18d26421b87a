//! Handlers for upload tokens, and the checks when one is used. A token is `aft_` and 64 hexadecimal digits. A site's
//! own server creates one for a visitor of its page, who can upload one file with it and nothing else.

use super::access::{Caller, TOKEN_PREFIX, hash};
use super::extract::{PathName, UnreadBody};
use super::problem::ApiProblem;
use super::scope::Permission;
use super::state::Control;
use crate::http::ProblemKind;
use crate::ingest::{Error, Ingest, UploadRequest, extension, now, token as new_id};
use crate::library::UploadToken;
use crate::media::AssetId;
use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Default lifetime of a token, in seconds.
const LIFE: u32 = 3_600;

/// Longest lifetime of a token, in seconds.
const LIFE_LIMIT: u32 = 604_800;

/// Most file types in one token.
const TYPES: usize = 16;

/// A token to create.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct TokenWanted {
    /// The asset that the upload belongs to.
    #[schema(min_length = 1, max_length = 1024)]
    asset: String,
    /// Largest upload, in bytes; `ingest.largest` if absent.
    #[schema(minimum = 1)]
    largest: Option<u64>,
    /// Allowed file extensions, such as `mp4`; absent: all that can be uploaded.
    #[schema(min_items = 1, max_items = 16)]
    types: Option<Vec<String>>,
    /// Seconds within which the upload must begin; 3600 if absent. The upload itself may take longer.
    #[schema(minimum = 1, maximum = 604_800)]
    expires_in: Option<u32>,
}

/// An upload token; its secret is only shown when it is created.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct TokenView {
    /// Id of the token.
    id: String,
    /// The secret that the visitor sends: `Authorization: Bearer aft_…`.
    token: String,
    /// The asset that the upload belongs to.
    asset: String,
    /// Largest upload, in bytes.
    largest: u64,
    /// Allowed file extensions; empty: all that can be uploaded.
    types: Vec<String>,
    /// Time until which the upload must begin, in milliseconds since 1970.
    expires: i64,
}

/// Creates a token that allows one upload to one asset.
#[utoipa::path(post, path = "/api/upload-tokens", operation_id = "makeUploadToken", tag = "uploads", request_body = TokenWanted, security(("key" = ["upload"])), responses((status = 201, description = "The token", body = TokenView)))]
pub(super) async fn make(
    State(control): State<Control>,
    headers: HeaderMap,
    body: UnreadBody,
) -> Result<(StatusCode, Json<TokenView>), ApiProblem> {
    let (ingest, caller) = control.allowed(&headers, Permission::Upload).await?;
    if caller.token().is_some() {
        return Err(ApiProblem::new(ProblemKind::ScopeTooNarrow, "an upload token makes no upload tokens"));
    }
    let wanted: TokenWanted = body.json().await?;
    let wrong = |why: String| ApiProblem::new(ProblemKind::BadField, why);
    let asset = AssetId::new(&wanted.asset).ok_or_else(|| Error::Name(wanted.asset.clone()))?;
    caller.check_at(Permission::Upload, asset.as_str())?;
    let life = wanted.expires_in.unwrap_or(LIFE);
    if !(1..=LIFE_LIMIT).contains(&life) {
        return Err(wrong(format!("`expires_in` is {life}; 1 to {LIFE_LIMIT} seconds are allowed")));
    }
    let most = ingest.settings().largest;
    let largest = wanted.largest.unwrap_or(most);
    if largest == 0 || i64::try_from(largest).is_err() {
        return Err(wrong(format!("`largest` is {largest}; 1 to {} bytes are allowed", i64::MAX)));
    }
    let largest = largest.min(most);
    let types = types_of(wanted.types)?;
    let secret = format!("{TOKEN_PREFIX}{}", new_id::<32>());
    let made = UploadToken {
        id: new_id::<8>(),
        asset: asset.as_str().into(),
        largest,
        types: types.join(","),
        key: caller.key_id().into(),
        created: now(),
        expires: now().saturating_add(i64::from(life) * 1_000),
        upload: None,
    };
    ingest.library().insert_upload_token(&made, &hash(&secret)).await?;
    tracing::info!(token = made.id, %asset, "upload token created");
    let UploadToken { id, asset, expires, .. } = made;
    Ok((StatusCode::CREATED, Json(TokenView { id, token: secret, asset, largest, types, expires })))
}

/// Checks that each wanted extension can be uploaded. Returns an empty list if the request names none: all are allowed.
fn types_of(wanted: Option<Vec<String>>) -> Result<Vec<String>, ApiProblem> {
    let Some(types) = wanted else { return Ok(Vec::new()) };
    let known = |name: &String| extension(Some(&format!("a.{name}")), None).is_ok_and(|known| known == *name);
    match types.iter().find(|name| !known(name)) {
        None if (1..=TYPES).contains(&types.len()) => Ok(types),
        None => Err(ApiProblem::new(ProblemKind::BadField, format!("`types` has 1 to {TYPES} entries"))),
        Some(other) => {
            let detail =
                format!("`types` names `{other}`, which cannot be uploaded: mp4, mov and m4a can, for example");
            Err(ApiProblem::new(ProblemKind::BadField, detail))
        }
    }
}

/// Revokes an upload token that the caller's key created; an upload that it began cannot continue.
#[utoipa::path(delete, path = "/api/upload-tokens/{id}", operation_id = "revokeUploadToken", tag = "uploads", params(("id" = String, Path, description = "The token's id")), security(("key" = ["upload"])), responses((status = 204, description = "The token is revoked")))]
pub(super) async fn revoke(
    State(control): State<Control>,
    headers: HeaderMap,
    PathName(id): PathName,
) -> Result<StatusCode, ApiProblem> {
    let (ingest, caller) = control.allowed(&headers, Permission::Upload).await?;
    let is_own = caller.token().is_none();
    if !is_own || !ingest.library().delete_upload_token(&id, caller.key_id()).await? {
        return Err(Error::NotFound("key").into());
    }
    Ok(StatusCode::NO_CONTENT)
}

/// Checks that `token` allows the length and the type of the upload `wanted`.
fn check(token: &UploadToken, wanted: &UploadRequest<'_>) -> Result<(), ApiProblem> {
    let length = wanted.length.ok_or_else(|| {
        ApiProblem::new(ProblemKind::BadHeader, "an upload by a token tells its length: Upload-Length, Content-Length")
    })?;
    if length > token.largest {
        let limit = token.largest;
        return Err(Error::Large { what: "the upload of this token", bytes: length, limit }.into());
    }
    let extension = extension(wanted.filename, wanted.media_type)?;
    if !token.types.is_empty() && token.types.split(',').all(|allowed| allowed != extension) {
        let detail = format!("`{extension}` is no type that the upload token allows: {}", token.types);
        return Err(ApiProblem::new(ProblemKind::FileType, detail));
    }
    Ok(())
}

/// Spends the caller's token on the upload `wanted`. Returns the id that the upload must get; `None` if the caller has
/// no token.
pub(super) async fn spend(
    ingest: &Ingest,
    caller: &Caller,
    wanted: &UploadRequest<'_>,
) -> Result<Option<String>, ApiProblem> {
    let Some(token) = caller.token() else { return Ok(None) };
    check(token, wanted)?;
    let id = new_id::<16>();
    if !ingest.library().spend_upload_token(&token.id, &id, now()).await? {
        return Err(ApiProblem::new(ProblemKind::TokenSpent, "the upload token was used for another upload"));
    }
    Ok(Some(id))
}

/// Passes on the result `begun` of the upload `spent`; if it failed, makes the caller's token usable again.
pub(super) async fn settle<T>(
    ingest: &Ingest,
    caller: &Caller,
    spent: Option<&str>,
    begun: Result<T, Error>,
) -> Result<T, ApiProblem> {
    if let (Err(_), Some(token), Some(id)) = (&begun, caller.token(), spent) {
        ingest.library().restore_upload_token(&token.id, id).await?;
    }
    Ok(begun?)
}

/// The asset that an upload belongs to: the one that the client names, else the token's. `None` if neither names one.
/// Fails if the caller may not upload there.
pub(super) fn asset_of<'a>(caller: &'a Caller, named: Option<&'a str>) -> Result<Option<&'a str>, ApiProblem> {
    let Some(named) = named.or_else(|| caller.token().map(|token| token.asset.as_str())) else {
        caller.check_everywhere(Permission::Upload)?;
        return Ok(None);
    };
    caller.check_at(Permission::Upload, named)?;
    Ok(Some(named))
}
