//! Handlers for files that do not come by tus: a plain PUT, a signed URL of the store, an import from another host.

use super::extract::{PathName, UnreadBody};
use super::headers::put;
use super::problem::ApiProblem;
use super::scope::Permission;
use super::state::Control;
use super::tokens;
use super::uploads::{refused, tidy};
use super::views::UploadView;
use super::words::TakenName;
use crate::config::OnConflict;
use crate::http::ProblemKind;
use crate::ingest::{Metadata, Placement, UploadRequest, placement};
use axum::Json;
use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, Response, StatusCode};
use axum::response::IntoResponse;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A file to import from another host.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Import {
    /// Source of the file: `http` or `https`, on a host that `ingest.import_hosts` lists.
    #[schema(max_length = 4096)]
    url: String,
    /// The asset that it belongs to; if absent, a new asset named like the file.
    #[schema(max_length = 1024)]
    asset: Option<String>,
    /// File name; the last part of the URL's path if absent.
    #[schema(max_length = 1024)]
    filename: Option<String>,
    /// Title of the asset if it is new.
    #[schema(max_length = 1024)]
    title: Option<String>,
    /// Policy if the name is taken. If absent: `ingest.on_conflict`, or `replace` for a named asset.
    #[schema(value_type = Option<TakenName>)]
    on_conflict: Option<OnConflict>,
}

/// A file that the client will PUT into the store itself.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Direct {
    /// The asset that it belongs to; if absent, a new asset named like the file.
    #[schema(max_length = 1024)]
    asset: Option<String>,
    /// File name; its extension determines its type.
    #[schema(max_length = 1024)]
    filename: String,
    /// Title of the asset if it is new.
    #[schema(max_length = 1024)]
    title: Option<String>,
    /// Policy if the name is taken. If absent: `ingest.on_conflict`, or `replace` for a named asset.
    #[schema(value_type = Option<TakenName>)]
    on_conflict: Option<OnConflict>,
    /// Size in bytes.
    #[schema(minimum = 1)]
    length: u64,
}

/// Imports a file from a host that `ingest.import_hosts` lists.
#[utoipa::path(post, path = "/api/imports", operation_id = "importFile", tag = "uploads", request_body = Import, security(("key" = ["write"])), responses((status = 202, description = "The upload, which a job fetches", body = UploadView)))]
pub(super) async fn import(
    State(control): State<Control>,
    headers: HeaderMap,
    body: UnreadBody,
) -> Result<Response<Body>, ApiProblem> {
    let (ingest, caller) = control.allowed(&headers, Permission::Write).await?;
    let wanted: Import = body.json().await?;
    tokens::asset_of(&caller, wanted.asset.as_deref())?;
    let row = ingest
        .fetch(
            &wanted.url,
            UploadRequest {
                asset: wanted.asset.as_deref(),
                filename: wanted.filename.as_deref(),
                title: wanted.title.as_deref().and_then(tidy).as_deref(),
                on_conflict: wanted.on_conflict,
                key: caller.key_id(),
                ..UploadRequest::default()
            },
        )
        .await?;
    Ok((StatusCode::ACCEPTED, Json(UploadView::of(row, &control.players(&headers)))).into_response())
}

/// A signed URL of the store, and its upload.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Signed {
    /// The upload; POST to its `complete` path once the file is in the store.
    upload: UploadView,
    /// URL to PUT the bytes to.
    url: String,
}

/// Signs a URL by which the client can PUT a file into the store itself, if the store supports it.
#[utoipa::path(post, path = "/api/direct", operation_id = "signUrl", tag = "uploads", request_body = Direct, security(("key" = ["write"])), responses((status = 201, description = "The upload, and the URL that takes its bytes", body = Signed)))]
pub(super) async fn direct(
    State(control): State<Control>,
    headers: HeaderMap,
    body: UnreadBody,
) -> Result<Response<Body>, ApiProblem> {
    let (ingest, caller) = control.allowed(&headers, Permission::Write).await?;
    let wanted: Direct = body.json().await?;
    tokens::asset_of(&caller, wanted.asset.as_deref())?;
    let title = wanted.title.as_deref().and_then(tidy);
    let wanted = UploadRequest {
        asset: wanted.asset.as_deref(),
        filename: Some(&wanted.filename),
        title: title.as_deref(),
        length: Some(wanted.length),
        on_conflict: wanted.on_conflict,
        key: caller.key_id(),
        ..UploadRequest::default()
    };
    let direct = ingest.direct(wanted).await?;
    let signed = Signed { upload: UploadView::of(direct.upload, &control.players(&headers)), url: direct.url };
    Ok((StatusCode::CREATED, Json(signed)).into_response())
}

/// Completes an upload by signed URL: publishes or refuses the file in the store.
#[utoipa::path(post, path = "/api/uploads/{id}/complete", operation_id = "completeUpload", tag = "uploads", params(("id" = String, Path, description = "The upload's id")), security(("key" = ["write"])), responses((status = 200, description = "The upload as it is now", body = UploadView)))]
pub(super) async fn complete(
    State(control): State<Control>,
    headers: HeaderMap,
    PathName(id): PathName,
) -> Result<Json<UploadView>, ApiProblem> {
    let (ingest, _) = control.upload(&headers, &id, Permission::Write).await?;
    let row = ingest.complete(&id).await?;
    refused(&row)?;
    Ok(Json(UploadView::of(row, &control.players(&headers))))
}

/// A file of an asset.
#[derive(Debug, Clone, Copy)]
pub(super) struct AssetFilePath<'a> {
    /// The asset's name.
    pub(super) asset: &'a str,
    /// The file's name.
    pub(super) name: &'a str,
}

/// Receives the whole file `file` from the request body.
pub(super) async fn whole(
    control: &Control,
    headers: &HeaderMap,
    file: AssetFilePath<'_>,
    body: Body,
) -> Result<Response<Body>, ApiProblem> {
    let AssetFilePath { asset, name } = file;
    let (ingest, caller) = control.allowed(headers, Permission::Upload).await?;
    caller.check_at(Permission::Upload, asset)?;
    if headers.contains_key("content-range") {
        return Err(ApiProblem::new(ProblemKind::BadHeader, "a PUT brings the whole file; tus goes on with parts"));
    }
    let length = headers.get("content-length").and_then(|value| value.to_str().ok()?.parse().ok());
    let conditions = conditions(headers);
    let said = conditions.iter().map(|(key, value)| (*key, value.as_str()));
    let wanted = UploadRequest {
        asset: Some(asset),
        filename: Some(name),
        length,
        metadata: &Metadata::of(said).print(),
        key: caller.key_id(),
        makes_asset: caller.check_at(Permission::Write, asset).is_err(),
        ..UploadRequest::default()
    };
    let spent = tokens::spend(ingest, &caller, &wanted).await?;
    let brought = ingest.put(UploadRequest { id: spent.as_deref(), ..wanted }, body.into_data_stream()).await;
    let row = tokens::settle(ingest, &caller, spent.as_deref(), brought).await?;
    let (etag, status) = match placement(&row) {
        Some((etag, Placement::Created)) => (Some(etag), StatusCode::CREATED),
        Some((etag, Placement::Replaced)) => (Some(etag), StatusCode::OK),
        None => (None, StatusCode::ACCEPTED),
    };
    let mut response = (status, Json(UploadView::of(row, &control.players(headers)))).into_response();
    if let Some(etag) = etag {
        put(&mut response, "etag", &format!("\"{etag}\""));
    }
    Ok(response)
}

/// The client's preconditions for the file that it replaces, as metadata of the upload. Repeated headers form one list
/// (RFC 9110 §5.3).
fn conditions(headers: &HeaderMap) -> Vec<(&'static str, String)> {
    let list = |name: &str| {
        let values: Vec<&str> = headers.get_all(name).iter().filter_map(|value| value.to_str().ok()).collect();
        (!values.is_empty()).then(|| values.join(", "))
    };
    [("if_match", list("if-match")), ("if_none_match", list("if-none-match"))]
        .into_iter()
        .filter_map(|(key, list)| Some((key, list?)))
        .collect()
}
