//! Upload tokens: `aft_` and 64 hexadecimal digits. A site's own server makes one for a visitor of its page, who can
//! upload one file by it and nothing else.

use super::access::{Caller, TOKEN_PREFIX, hash};
use super::desk::Control;
use super::extract::{Named, Unread};
use super::problem::Problem;
use super::scope::Right;
use crate::http::ProblemKind;
use crate::ingest::{Error, Ingest, Wanted, extension, now, token as new_id};
use crate::library::UploadToken;
use crate::media::AssetId;
use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// How long a token is valid where nobody says: seconds.
const LIFE: u32 = 3_600;

/// How long at most.
const LIFE_LIMIT: u32 = 604_800;

/// File types that a token names at most.
const TYPES: usize = 16;

/// A token to be made.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct TokenWanted {
    /// The asset that is uploaded.
    #[schema(min_length = 1, max_length = 1024)]
    asset: String,
    /// Bytes of the upload at most; `ingest.largest` where absent.
    #[schema(minimum = 1)]
    largest: Option<u64>,
    /// The extensions that the file may have, as in `mp4`; all that can be uploaded where absent.
    #[schema(min_items = 1, max_items = 16)]
    types: Option<Vec<String>>,
    /// Within how many seconds the upload begins; 3600 where absent. It may take longer.
    #[schema(minimum = 1, maximum = 604_800)]
    expires_in: Option<u32>,
}

/// An upload token; its secret is shown when it is made, and never again.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct TokenView {
    /// What it is called.
    id: String,
    /// What the visitor sends: `Authorization: Bearer aft_…`.
    token: String,
    /// The asset that is uploaded.
    asset: String,
    /// Bytes of the upload at most.
    largest: u64,
    /// The extensions that the file may have; empty for all that can be uploaded.
    types: Vec<String>,
    /// Until when the upload begins: milliseconds since 1970.
    expires: i64,
}

/// Makes a token that is good for one upload of one asset.
#[utoipa::path(post, path = "/api/upload-tokens", operation_id = "makeUploadToken", tag = "uploads", request_body = TokenWanted, security(("key" = ["upload"])), responses((status = 201, description = "The token", body = TokenView)))]
pub(super) async fn make(
    State(control): State<Control>,
    headers: HeaderMap,
    body: Unread,
) -> Result<(StatusCode, Json<TokenView>), Problem> {
    let (ingest, caller) = control.allowed(&headers, Right::Upload).await?;
    if caller.token().is_some() {
        return Err(Problem::new(ProblemKind::ScopeTooNarrow, "an upload token makes no upload tokens"));
    }
    let wanted: TokenWanted = body.json().await?;
    let wrong = |why: String| Problem::new(ProblemKind::BadField, why);
    let asset = AssetId::new(&wanted.asset).ok_or_else(|| Error::Name(wanted.asset.clone()))?;
    caller.check_at(Right::Upload, asset.as_str())?;
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
    tracing::info!(token = made.id, %asset, "an upload token is made");
    let UploadToken { id, asset, expires, .. } = made;
    Ok((StatusCode::CREATED, Json(TokenView { id, token: secret, asset, largest, types, expires })))
}

/// The extensions that are `wanted`, each of a file that can be uploaded; none for all of them.
fn types_of(wanted: Option<Vec<String>>) -> Result<Vec<String>, Problem> {
    let Some(types) = wanted else { return Ok(Vec::new()) };
    let known = |name: &String| extension(Some(&format!("a.{name}")), None).is_ok_and(|known| known == *name);
    match types.iter().find(|name| !known(name)) {
        None if (1..=TYPES).contains(&types.len()) => Ok(types),
        None => Err(Problem::new(ProblemKind::BadField, format!("`types` has 1 to {TYPES} entries"))),
        Some(other) => {
            let detail =
                format!("`types` names `{other}`, which cannot be uploaded: mp4, mov and m4a can, for example");
            Err(Problem::new(ProblemKind::BadField, detail))
        }
    }
}

/// Revokes an upload token that one's own key made; an upload that it began cannot continue.
#[utoipa::path(delete, path = "/api/upload-tokens/{id}", operation_id = "revokeUploadToken", tag = "uploads", params(("id" = String, Path, description = "The token's id")), security(("key" = ["upload"])), responses((status = 204, description = "The token is revoked")))]
pub(super) async fn revoke(
    State(control): State<Control>,
    headers: HeaderMap,
    Named(id): Named,
) -> Result<StatusCode, Problem> {
    let (ingest, caller) = control.allowed(&headers, Right::Upload).await?;
    let is_own = caller.token().is_none();
    if !is_own || !ingest.library().delete_upload_token(&id, caller.key_id()).await? {
        return Err(Error::NotFound("key").into());
    }
    Ok(StatusCode::NO_CONTENT)
}

/// Whether `token` allows the upload that is `wanted`; the token names its asset.
fn check(token: &UploadToken, wanted: &Wanted<'_>) -> Result<(), Problem> {
    let length = wanted.length.ok_or_else(|| {
        Problem::new(ProblemKind::BadHeader, "an upload by a token tells its length: Upload-Length, Content-Length")
    })?;
    if length > token.largest {
        let limit = token.largest;
        return Err(Error::Large { what: "the upload of this token", bytes: length, limit }.into());
    }
    let extension = extension(wanted.filename, wanted.media_type)?;
    if !token.types.is_empty() && token.types.split(',').all(|allowed| allowed != extension) {
        let detail = format!("`{extension}` is no type that the upload token allows: {}", token.types);
        return Err(Problem::new(ProblemKind::FileType, detail));
    }
    Ok(())
}

/// Spends the token of `caller`, where there is one, on the upload that is `wanted`: the id that the upload has to get.
pub(super) async fn spend(ingest: &Ingest, caller: &Caller, wanted: &Wanted<'_>) -> Result<Option<String>, Problem> {
    let Some(token) = caller.token() else { return Ok(None) };
    check(token, wanted)?;
    let id = new_id::<16>();
    if !ingest.library().spend_upload_token(&token.id, &id, now()).await? {
        return Err(Problem::new(ProblemKind::TokenSpent, "the upload token was used for another upload"));
    }
    Ok(Some(id))
}

/// What became of the upload `spent` of `caller`'s token: it gets the token back where nothing did.
pub(super) async fn settle<T>(
    ingest: &Ingest,
    caller: &Caller,
    spent: Option<&str>,
    begun: Result<T, Error>,
) -> Result<T, Problem> {
    if let (Err(_), Some(token), Some(id)) = (&begun, caller.token(), spent) {
        ingest.library().restore_upload_token(&token.id, id).await?;
    }
    Ok(begun?)
}

/// The asset that an upload is of: the token's, else the one that the client names.
pub(super) fn asset_of<'a>(caller: &'a Caller, named: Option<&'a str>) -> Result<Option<&'a str>, Problem> {
    let Some(named) = named.or_else(|| caller.token().map(|token| token.asset.as_str())) else {
        caller.check_everywhere(Right::Upload)?;
        return Ok(None);
    };
    caller.check_at(Right::Upload, named)?;
    Ok(Some(named))
}
