//! Handlers for assets: list, get, change, delete, restore. The router cannot match asset names, which may contain
//! slashes, so this file splits their paths.

use super::extract::{PathName, QueryParameters, UnreadBody, limit};
use super::files::{AssetFilePath, whole};
use super::problem::ApiProblem;
use super::scope::Permission;
use super::state::Control;
use super::views::{AssetView, AssetWhole, Page};
use super::words::{Custom, SortWord, Tag};
use crate::http::ProblemKind;
use crate::ingest::{DescriptionChange, Error, FieldChange};
use crate::library::{AssetQuery, AssetSort};
use crate::media::AssetId;
use axum::Json;
use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, Method, Response};
use axum::response::IntoResponse;
use serde::{Deserialize, Deserializer};
use std::collections::BTreeMap;
use utoipa::ToSchema;

/// Query parameters of the asset list.
#[derive(Debug, Default, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields, default)]
#[into_params(parameter_in = Query)]
pub(super) struct AssetSearch {
    /// `next` of the previous page.
    after: Option<String>,
    /// Entries on a page; 50 if absent.
    #[param(minimum = 1, maximum = 500)]
    limit: Option<u32>,
    /// Only assets whose name, title or details contain this text.
    search: Option<String>,
    /// The order; by name if absent.
    #[param(value_type = Option<SortWord>, inline)]
    sort: Option<String>,
    /// Lists deleted assets instead of the others.
    deleted: bool,
}

impl AssetSearch {
    fn query(self) -> Result<AssetQuery, ApiProblem> {
        let sort = self.sort.unwrap_or_else(|| "name".into());
        let (word, descending) = sort.strip_prefix('-').map_or((sort.as_str(), false), |word| (word, true));
        let by = match word {
            "name" => AssetSort::Name,
            "created" => AssetSort::Created,
            "updated" => AssetSort::Updated,
            "bytes" => AssetSort::Bytes,
            _ => {
                let allowed = "name, created, updated or bytes is allowed, a - before it or not";
                return Err(ApiProblem::new(ProblemKind::BadQuery, format!("`sort` is `{sort}`; {allowed}")));
            }
        };
        let limit = limit(self.limit)?;
        Ok(AssetQuery {
            search: self.search,
            sort: by,
            descending,
            after: self.after.filter(|after| !after.is_empty()),
            limit,
            deleted: self.deleted,
            prefixes: Vec::new(),
        })
    }
}

/// Lists assets.
#[utoipa::path(get, path = "/api/assets", operation_id = "listAssets", tag = "assets", params(AssetSearch), security(("key" = ["read"])), responses((status = 200, description = "A page of assets", body = Page<AssetView>)))]
pub(super) async fn list(
    State(control): State<Control>,
    headers: HeaderMap,
    QueryParameters(searched): QueryParameters<AssetSearch>,
) -> Result<Json<Page<AssetView>>, ApiProblem> {
    let (ingest, caller) = control.allowed(&headers, Permission::Read).await?;
    let query = AssetQuery { prefixes: caller.readable(), ..searched.query()? };
    let (rows, next) = ingest.library().list_assets(&query).await?;
    let players = control.players(&headers);
    let items = rows.into_iter().map(|row| AssetView::of(row, &players)).collect();
    Ok(Json(Page { items, next }))
}

/// Changes to an asset. A field that is absent stays unchanged; a field that is null is removed.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Change {
    /// true deletes the asset; no other field may be set. false restores it before the other changes.
    #[serde(default)]
    deleted: Option<bool>,
    /// Title for people.
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = Option<String>, min_length = 1, max_length = 200, pattern = "^[^\\x00-\\x1f\\x7f-\\x9f]+$")]
    title: FieldChange<String>,
    /// Description for people.
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = Option<String>, min_length = 1, max_length = 5000)]
    description: FieldChange<String>,
    /// Search words: up to 32, each of up to 64 characters.
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = Option<Vec<Tag>>, max_items = 32)]
    tags: FieldChange<Vec<String>>,
    /// Main language, as an RFC 5646 tag.
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = Option<String>)]
    language: FieldChange<String>,
    /// Custom keys to change; a key that is null is removed. Up to 32 in all, with values of up to 1,000 characters.
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = Option<Custom>)]
    custom: FieldChange<BTreeMap<String, Option<String>>>,
}

/// Deserializes a field that is present, null or not.
fn present<'de, D: Deserializer<'de>, T: Deserialize<'de>>(deserializer: D) -> Result<FieldChange<T>, D::Error> {
    Option::deserialize(deserializer).map(Some)
}

/// Handles paths below `/api/assets/`: an asset or one of its files. `files` cannot be a part of an asset's name.
pub(super) async fn below(
    State(control): State<Control>,
    method: Method,
    headers: HeaderMap,
    PathName(path): PathName,
    body: Body,
) -> Result<Response<Body>, ApiProblem> {
    if let Some((asset, name)) = path.split_once("/files/") {
        return match method {
            Method::PUT => whole(&control, &headers, AssetFilePath { asset, name }, body).await,
            _ => Err(ApiProblem::method("PUT", "a file is PUT here; players get it elsewhere")),
        };
    }
    let id = AssetId::new(&path).ok_or_else(|| Error::Name(path.clone()));
    match method {
        Method::GET | Method::HEAD => one(&control, &headers, &id?).await,
        Method::DELETE => delete(&control, &headers, &id?).await,
        Method::PATCH => change(&control, &headers, &id?, body).await,
        _ => Err(ApiProblem::method("GET, HEAD, DELETE, PATCH", "an asset can be got, deleted and changed here")),
    }
}

/// Handles PUT of an asset's file on the upload listener, which serves no other path below `/api/assets/`.
pub(super) async fn file(
    State(control): State<Control>,
    headers: HeaderMap,
    PathName(path): PathName,
    body: Body,
) -> Result<Response<Body>, ApiProblem> {
    let (asset, name) = path.split_once("/files/").ok_or(Error::NotFound("file"))?;
    whole(&control, &headers, AssetFilePath { asset, name }, body).await
}

async fn one(control: &Control, headers: &HeaderMap, id: &AssetId) -> Result<Response<Body>, ApiProblem> {
    let (ingest, caller) = control.allowed(headers, Permission::Read).await?;
    caller.check_at(Permission::Read, id.as_str())?;
    let (row, asset) = ingest.asset(id).await?;
    Ok(Json(AssetWhole::of(row, asset.as_deref(), &control.players(headers))).into_response())
}

async fn delete(control: &Control, headers: &HeaderMap, id: &AssetId) -> Result<Response<Body>, ApiProblem> {
    let (ingest, caller) = control.allowed(headers, Permission::Write).await?;
    caller.check_at(Permission::Write, id.as_str())?;
    let row = ingest.delete(id).await?;
    Ok(Json(AssetView::of(row, &control.players(headers))).into_response())
}

async fn change(
    control: &Control,
    headers: &HeaderMap,
    id: &AssetId,
    body: Body,
) -> Result<Response<Body>, ApiProblem> {
    let (ingest, caller) = control.allowed(headers, Permission::Write).await?;
    caller.check_at(Permission::Write, id.as_str())?;
    let change: Change = UnreadBody::new(headers.clone(), body).json().await?;
    let Change { deleted, title, description, tags, language, custom } = change;
    let revision = DescriptionChange { title, description, tags, language, custom };
    let row = match deleted {
        Some(true) if revision.is_empty() => ingest.delete(id).await?,
        Some(true) => return Err(Error::Field("`deleted` is true: nothing else can be changed with it".into()).into()),
        Some(false) if revision.is_empty() => ingest.restore(id).await?,
        Some(false) => {
            ingest.restore(id).await?;
            ingest.revise(id, &revision).await?
        }
        None => ingest.revise(id, &revision).await?,
    };
    Ok(Json(AssetView::of(row, &control.players(headers))).into_response())
}

/// OpenAPI descriptions of the paths that `below` handles.
pub(super) mod told {
    use super::{AssetView, AssetWhole, Change};
    use crate::control::views::UploadView;
    use crate::control::words::FileBytes;

    /// Returns one asset. Slashes in its name need no encoding.
    #[utoipa::path(get, path = "/api/assets/{asset}", operation_id = "getAsset", tag = "assets", params(("asset" = String, Path, description = "The asset's name; its slashes may stand as they are")), security(("key" = ["read"])), responses((status = 200, description = "The asset", body = AssetWhole)))]
    #[expect(dead_code, reason = "tells what `below` does")]
    fn one() {}

    /// Deletes an asset; it can be restored for `ingest.grace`.
    #[utoipa::path(delete, path = "/api/assets/{asset}", operation_id = "deleteAsset", tag = "assets", params(("asset" = String, Path, description = "The asset's name; its slashes may stand as they are")), security(("key" = ["write"])), responses((status = 200, description = "The asset, which can be restored until `purge_at`", body = AssetView)))]
    #[expect(dead_code, reason = "tells what `below` does")]
    fn delete() {}

    /// Changes title and descriptive metadata, deletes an asset, or restores a deleted one.
    #[utoipa::path(patch, path = "/api/assets/{asset}", operation_id = "changeAsset", tag = "assets", params(("asset" = String, Path, description = "The asset's name; its slashes may stand as they are")), request_body = Change, security(("key" = ["write"])), responses((status = 200, description = "The asset as it is now", body = AssetView)))]
    #[expect(dead_code, reason = "tells what `below` does")]
    fn change() {}

    /// Uploads a whole file, replacing one of the same name. If it does not arrive completely, nothing of it is stored.
    #[utoipa::path(put, path = "/api/assets/{asset}/files/{name}", operation_id = "putFile", tag = "uploads", params(("asset" = String, Path, description = "The asset's name; its slashes may stand as they are"), ("name" = String, Path, description = "The file's name; its extension tells its type")), request_body(content = FileBytes, content_type = "application/octet-stream"), security(("key" = ["upload"])), responses((status = 200, description = "The upload, published in the place of another file", body = UploadView), (status = 201, description = "The upload, published", body = UploadView), (status = 202, description = "The upload; it is being published", body = UploadView)))]
    #[expect(dead_code, reason = "tells what `below` does")]
    fn whole() {}
}
