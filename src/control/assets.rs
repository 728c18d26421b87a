//! Assets: listed, looked at, deleted and had back. An asset's name has slashes, so its paths are taken apart here.

use super::desk::Control;
use super::extract::Asked;
use super::keys::Scope;
use super::problem::Problem;
use super::uploads::{limit, whole};
use super::views::{AssetView, AssetWhole, Page};
use crate::ingest::Error;
use crate::library::{AssetQuery, AssetSort};
use crate::media::AssetId;
use axum::Json;
use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, Method, Response, StatusCode};
use axum::response::IntoResponse;
use serde::Deserialize;
use utoipa::ToSchema;

/// What of the assets.
#[derive(Debug, Default, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields, default)]
#[into_params(parameter_in = Query)]
pub(super) struct Searched {
    /// What `next` of the page before says.
    after: Option<String>,
    /// Entries of a page: 1 to 500, 50 where absent.
    limit: Option<u32>,
    /// Only those whose name or title has this in it.
    search: Option<String>,
    /// name, created, updated or bytes; `-` before it for the other way round. name where absent.
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
                return Err(Problem::new(StatusCode::BAD_REQUEST, format!("`sort` is `{sort}`; {allowed}")));
            }
        };
        let limit = limit(self.limit)?;
        Ok(AssetQuery { search: self.search, sort: by, descending, after: self.after, limit, deleted: self.deleted })
    }
}

/// Assets.
#[utoipa::path(get, path = "/api/assets", tag = "assets", params(Searched), security(("key" = [])), responses((status = 200, body = Page<AssetView>)))]
pub(super) async fn list(
    State(control): State<Control>,
    headers: HeaderMap,
    Asked(searched): Asked<Searched>,
) -> Result<Json<Page<AssetView>>, Problem> {
    let (ingest, _) = control.allowed(&headers, Scope::Read).await?;
    let (rows, next) = ingest.library().list_assets(&searched.query()?).await?;
    let items = rows.into_iter().map(|row| AssetView::of(row, &control.players)).collect();
    Ok(Json(Page { items, next }))
}

/// What is done to an asset.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Change {
    /// false: it is given back.
    deleted: bool,
}

/// What is below `/api/assets/`: an asset, or a file of one. `files` is no part of an asset's name.
pub(super) async fn below(
    State(control): State<Control>,
    method: Method,
    headers: HeaderMap,
    Path(path): Path<String>,
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
    Path(path): Path<String>,
    body: Body,
) -> Result<Response<Body>, Problem> {
    let (asset, name) = path.split_once("/files/").ok_or(Error::NotFound("file"))?;
    whole(&control, &headers, (asset, name), body).await
}

async fn one(control: &Control, headers: &HeaderMap, id: &AssetId) -> Result<Response<Body>, Problem> {
    let (ingest, _) = control.allowed(headers, Scope::Read).await?;
    let (row, asset) = ingest.asset(id).await?;
    Ok(Json(AssetWhole::of(row, asset.as_deref(), &control.players)).into_response())
}

async fn delete(control: &Control, headers: &HeaderMap, id: &AssetId) -> Result<Response<Body>, Problem> {
    let (ingest, _) = control.allowed(headers, Scope::Write).await?;
    let row = ingest.delete(id).await?;
    Ok(Json(AssetView::of(row, &control.players)).into_response())
}

async fn change(control: &Control, headers: &HeaderMap, id: &AssetId, body: Body) -> Result<Response<Body>, Problem> {
    let (ingest, _) = control.allowed(headers, Scope::Write).await?;
    let wrong = |why: String| Problem::new(StatusCode::BAD_REQUEST, why);
    let text = axum::body::to_bytes(body, 4_096).await.map_err(|error| wrong(error.to_string()))?;
    let change: Change = serde_json::from_slice(&text).map_err(|error| wrong(error.to_string()))?;
    if change.deleted {
        return delete(control, headers, id).await;
    }
    let row = ingest.restore(id).await?;
    Ok(Json(AssetView::of(row, &control.players)).into_response())
}

/// Paths that one handler takes apart, as they are told.
pub(super) mod told {
    use super::{AssetView, AssetWhole, Change};
    use crate::control::views::UploadView;

    /// One asset. Slashes of its name may stand as they are.
    #[utoipa::path(get, path = "/api/assets/{asset}", tag = "assets", params(("asset" = String, Path)), security(("key" = [])), responses((status = 200, body = AssetWhole), (status = 404)))]
    #[expect(dead_code, reason = "tells what `below` does")]
    fn one() {}

    /// Deletes an asset; it can be had back for `ingest.grace`.
    #[utoipa::path(delete, path = "/api/assets/{asset}", tag = "assets", params(("asset" = String, Path)), security(("key" = [])), responses((status = 200, body = AssetView), (status = 404)))]
    #[expect(dead_code, reason = "tells what `below` does")]
    fn delete() {}

    /// Gives a deleted asset back.
    #[utoipa::path(patch, path = "/api/assets/{asset}", tag = "assets", params(("asset" = String, Path)), request_body = Change, security(("key" = [])), responses((status = 200, body = AssetView), (status = 404)))]
    #[expect(dead_code, reason = "tells what `below` does")]
    fn change() {}

    /// Takes a file whole; one of the same name is replaced. Nothing of it stays where it does not arrive whole.
    #[utoipa::path(put, path = "/api/assets/{asset}/files/{name}", tag = "uploads", params(("asset" = String, Path), ("name" = String, Path)), request_body(content = Vec<u8>, content_type = "application/octet-stream"), security(("key" = [])), responses((status = 201, body = UploadView), (status = 413), (status = 415), (status = 422)))]
    #[expect(dead_code, reason = "tells what `below` does")]
    fn whole() {}
}
