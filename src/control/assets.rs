//! Assets: listed, looked at, described, deleted and had back. An asset's name has slashes, so its paths are taken apart here.

use super::desk::Control;
use super::extract::{Asked, Named, Unread};
use super::problem::Problem;
use super::scope::Right;
use super::uploads::{limit, whole};
use super::views::{AssetView, AssetWhole, Page};
use super::words::{Custom, SortWord, Tag};
use crate::http::ProblemKind;
use crate::ingest::{Error, FieldChange, Revision};
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

/// What of the assets.
#[derive(Debug, Default, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields, default)]
#[into_params(parameter_in = Query)]
pub(super) struct Searched {
    /// `next` of the page before.
    after: Option<String>,
    /// Entries of a page; 50 where absent.
    #[param(minimum = 1, maximum = 500)]
    limit: Option<u32>,
    /// Only those whose name or title has this in it.
    search: Option<String>,
    /// The order; by name where absent.
    #[param(value_type = Option<SortWord>, inline)]
    sort: Option<String>,
    /// Whether deleted ones are listed, instead of those that are there.
    deleted: bool,
}

impl Searched {
    fn query(self) -> Result<AssetQuery, Problem> {
        let sort = self.sort.unwrap_or_else(|| "name".into());
        let (word, descending) = sort.strip_prefix('-').map_or((sort.as_str(), false), |word| (word, true));
        let by = match word {
            "name" => AssetSort::Name,
            "created" => AssetSort::Created,
            "updated" => AssetSort::Updated,
            "bytes" => AssetSort::Bytes,
            _ => {
                let allowed = "name, created, updated or bytes is allowed, a - before it or not";
                return Err(Problem::new(ProblemKind::BadQuery, format!("`sort` is `{sort}`; {allowed}")));
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

/// Assets.
#[utoipa::path(get, path = "/api/assets", operation_id = "listAssets", tag = "assets", params(Searched), security(("key" = ["read"])), responses((status = 200, description = "A page of assets", body = Page<AssetView>)))]
pub(super) async fn list(
    State(control): State<Control>,
    headers: HeaderMap,
    Asked(searched): Asked<Searched>,
) -> Result<Json<Page<AssetView>>, Problem> {
    let (ingest, caller) = control.allowed(&headers, Right::Read).await?;
    let query = AssetQuery { prefixes: caller.readable(), ..searched.query()? };
    let (rows, next) = ingest.library().list_assets(&query).await?;
    let players = control.players(&headers);
    let items = rows.into_iter().map(|row| AssetView::of(row, &players)).collect();
    Ok(Json(Page { items, next }))
}

/// What changes of an asset. A field that is absent stays as it is; one that is null is removed.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Change {
    /// true: the asset is deleted, and nothing else is changed. false: it is given back before all else.
    #[serde(default)]
    deleted: Option<bool>,
    /// What people call it.
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = Option<String>, min_length = 1, max_length = 200, pattern = "^[^\\x00-\\x1f\\x7f-\\x9f]+$")]
    title: FieldChange<String>,
    /// What it is about.
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = Option<String>, min_length = 1, max_length = 5000)]
    description: FieldChange<String>,
    /// Words to find it by: up to 32 of up to 64 characters.
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = Option<Vec<Tag>>, max_items = 32)]
    tags: FieldChange<Vec<String>>,
    /// The language of the whole, as RFC 5646 writes it.
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = Option<String>)]
    language: FieldChange<String>,
    /// The keys of one's own that change; one that is null is removed. Up to 32 in all, with values of up to 1,000
    /// characters.
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = Option<Custom>)]
    custom: FieldChange<BTreeMap<String, Option<String>>>,
}

/// A field that is there, null or not.
fn present<'de, D: Deserializer<'de>, T: Deserialize<'de>>(deserializer: D) -> Result<FieldChange<T>, D::Error> {
    Option::deserialize(deserializer).map(Some)
}

/// What is below `/api/assets/`: an asset, or a file of one. `files` is no part of an asset's name.
pub(super) async fn below(
    State(control): State<Control>,
    method: Method,
    headers: HeaderMap,
    Named(path): Named,
    body: Body,
) -> Result<Response<Body>, Problem> {
    if let Some((asset, name)) = path.split_once("/files/") {
        return match method {
            Method::PUT => whole(&control, &headers, (asset, name), body).await,
            _ => Err(Problem::method("PUT", "a file is PUT here; players get it elsewhere")),
        };
    }
    let id = AssetId::new(&path).ok_or_else(|| Error::Name(path.clone()));
    match method {
        Method::GET | Method::HEAD => one(&control, &headers, &id?).await,
        Method::DELETE => delete(&control, &headers, &id?).await,
        Method::PATCH => change(&control, &headers, &id?, body).await,
        _ => Err(Problem::method("GET, HEAD, DELETE, PATCH", "an asset can be got, deleted and changed here")),
    }
}

/// A file of an asset, where nothing else is taken.
pub(super) async fn file(
    State(control): State<Control>,
    headers: HeaderMap,
    Named(path): Named,
    body: Body,
) -> Result<Response<Body>, Problem> {
    let (asset, name) = path.split_once("/files/").ok_or(Error::NotFound("file"))?;
    whole(&control, &headers, (asset, name), body).await
}

async fn one(control: &Control, headers: &HeaderMap, id: &AssetId) -> Result<Response<Body>, Problem> {
    let (ingest, caller) = control.allowed(headers, Right::Read).await?;
    caller.check_at(Right::Read, id.as_str())?;
    let (row, asset) = ingest.asset(id).await?;
    Ok(Json(AssetWhole::of(row, asset.as_deref(), &control.players(headers))).into_response())
}

async fn delete(control: &Control, headers: &HeaderMap, id: &AssetId) -> Result<Response<Body>, Problem> {
    let (ingest, caller) = control.allowed(headers, Right::Write).await?;
    caller.check_at(Right::Write, id.as_str())?;
    let row = ingest.delete(id).await?;
    Ok(Json(AssetView::of(row, &control.players(headers))).into_response())
}

async fn change(control: &Control, headers: &HeaderMap, id: &AssetId, body: Body) -> Result<Response<Body>, Problem> {
    let (ingest, caller) = control.allowed(headers, Right::Write).await?;
    caller.check_at(Right::Write, id.as_str())?;
    let change: Change = Unread::new(headers.clone(), body).json().await?;
    let Change { deleted, title, description, tags, language, custom } = change;
    let revision = Revision { title, description, tags, language, custom };
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

/// Paths that one handler takes apart, as they are told.
pub(super) mod told {
    use super::{AssetView, AssetWhole, Change};
    use crate::control::views::UploadView;
    use crate::control::words::FileBytes;

    /// One asset. Slashes of its name may stand as they are.
    #[utoipa::path(get, path = "/api/assets/{asset}", operation_id = "getAsset", tag = "assets", params(("asset" = String, Path, description = "The asset's name; its slashes may stand as they are")), security(("key" = ["read"])), responses((status = 200, description = "The asset", body = AssetWhole)))]
    #[expect(dead_code, reason = "tells what `below` does")]
    fn one() {}

    /// Deletes an asset; it can be had back for `ingest.grace`.
    #[utoipa::path(delete, path = "/api/assets/{asset}", operation_id = "deleteAsset", tag = "assets", params(("asset" = String, Path, description = "The asset's name; its slashes may stand as they are")), security(("key" = ["write"])), responses((status = 200, description = "The asset, which can be restored until `purge_at`", body = AssetView)))]
    #[expect(dead_code, reason = "tells what `below` does")]
    fn delete() {}

    /// Changes title and descriptive metadata, deletes, or gives a deleted asset back.
    #[utoipa::path(patch, path = "/api/assets/{asset}", operation_id = "changeAsset", tag = "assets", params(("asset" = String, Path, description = "The asset's name; its slashes may stand as they are")), request_body = Change, security(("key" = ["write"])), responses((status = 200, description = "The asset as it is now", body = AssetView)))]
    #[expect(dead_code, reason = "tells what `below` does")]
    fn change() {}

    /// Takes a file whole; one of the same name is replaced. Nothing of it stays where it does not arrive whole.
    #[utoipa::path(put, path = "/api/assets/{asset}/files/{name}", operation_id = "putFile", tag = "uploads", params(("asset" = String, Path, description = "The asset's name; its slashes may stand as they are"), ("name" = String, Path, description = "The file's name; its extension tells its type")), request_body(content = FileBytes, content_type = "application/octet-stream"), security(("key" = ["upload"])), responses((status = 200, description = "The upload, published in the place of another file", body = UploadView), (status = 201, description = "The upload, published", body = UploadView), (status = 202, description = "The upload; it is being published", body = UploadView)))]
    #[expect(dead_code, reason = "tells what `below` does")]
    fn whole() {}
}
