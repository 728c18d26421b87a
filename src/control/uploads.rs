//! Uploads: the tus protocol, plain PUTs, signed URLs, imports.

use super::desk::Control;
use super::extract::{Asked, Said};
use super::headers::{date, metadata, put, spoken as speaks, understood};
use super::keys::Scope;
use super::problem::Problem;
use super::views::{Listed, Page, UploadView};
use crate::ingest::tus::{self, EXTENSIONS, VERSION};
use crate::ingest::{ALGORITHMS, Metadata, Wanted};
use crate::library::{Upload, UploadState};
use axum::Json;
use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, Response, StatusCode};
use axum::response::IntoResponse;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Entries of a page where nobody says.
const PAGE: u32 = 50;

/// Entries of a page at most.
const MOST: u32 = 500;

/// How many entries a page is to have.
pub(super) fn limit(asked: Option<u32>) -> Result<u32, Problem> {
    match asked.unwrap_or(PAGE) {
        limit @ 1..=MOST => Ok(limit),
        other => Err(Problem::new(StatusCode::BAD_REQUEST, format!("`limit` is {other}; 1 to {MOST} is allowed"))),
    }
}

/// What the protocol can do here (tus §OPTIONS).
#[utoipa::path(options, path = "/api/uploads", tag = "uploads", responses((status = 204, description = "Tus-Version, Tus-Extension, Tus-Max-Size, Tus-Checksum-Algorithm")))]
pub(super) async fn spoken(State(control): State<Control>) -> Result<Response<Body>, Problem> {
    let mut response = StatusCode::NO_CONTENT.into_response();
    speaks(&mut response);
    put(&mut response, "tus-version", VERSION);
    put(&mut response, "tus-extension", EXTENSIONS);
    put(&mut response, "tus-checksum-algorithm", ALGORITHMS);
    put(&mut response, "tus-max-size", &control.ingest()?.settings().largest.to_string());
    Ok(response)
}

/// Uploads, the newest first.
#[utoipa::path(get, path = "/api/uploads", tag = "uploads", params(Listed), security(("key" = [])), responses((status = 200, body = Page<UploadView>)))]
pub(super) async fn list(
    State(control): State<Control>,
    headers: HeaderMap,
    Asked(listed): Asked<Listed>,
) -> Result<Json<Page<UploadView>>, Problem> {
    let (ingest, _) = control.allowed(&headers, Scope::Read).await?;
    let state = listed.state.as_deref().map(|word| {
        UploadState::of(word).ok_or_else(|| {
            let allowed = "receiving, received, published, refused or cancelled is allowed";
            Problem::new(StatusCode::BAD_REQUEST, format!("`state` is `{word}`; {allowed}"))
        })
    });
    let limit = limit(listed.limit)?;
    let rows = ingest.library().uploads(state.transpose()?, listed.after.as_deref(), limit).await?;
    let full = u32::try_from(rows.len()).is_ok_and(|count| count == limit);
    let next = rows.last().filter(|_| full).map(Upload::place);
    let items = rows.into_iter().map(|row| UploadView::of(row, &control.players)).collect();
    Ok(Json(Page { items, next }))
}

/// Begins an upload (tus §Creation); bytes may come along.
#[utoipa::path(post, path = "/api/uploads", tag = "uploads", security(("key" = [])),
    params(("Tus-Resumable" = String, Header), ("Upload-Length" = Option<u64>, Header),
        ("Upload-Defer-Length" = Option<u8>, Header), ("Upload-Metadata" = Option<String>, Header,
        description = "filename, filetype, asset (where it goes), title")),
    responses((status = 201, description = "Location says where to send bytes"), (status = 413), (status = 415)))]
pub(super) async fn create(
    State(control): State<Control>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response<Body>, Problem> {
    let (ingest, key) = control.allowed(&headers, Scope::Write).await?;
    let creation = understood(&headers, tus::creation).map_err(crate::ingest::Error::from)?;
    let said = &creation.metadata;
    let wanted = Wanted {
        asset: said.get("asset"),
        filename: said.get("filename").or_else(|| said.get("name")),
        media_type: said.get("filetype").or_else(|| said.get("type")),
        title: said.get("title"),
        length: creation.length,
        metadata: &said.print(),
        key: &key.id,
    };
    let row = ingest.create(wanted).await?;
    let location = format!("/api/uploads/{}", row.id);
    let row = match creation.body {
        Some(brought) => {
            let appended = ingest.append(&row.id, brought, body.into_data_stream()).await;
            // It was created whatever became of the bytes; the client asks how far it got.
            appended.unwrap_or(row)
        }
        None => row,
    };
    refused(&row)?;
    let mut response = StatusCode::CREATED.into_response();
    put(&mut response, "location", &location);
    told(&mut response, &row);
    Ok(response)
}

/// One upload.
#[utoipa::path(get, path = "/api/uploads/{id}", tag = "uploads", params(("id" = String, Path)), security(("key" = [])), responses((status = 200, body = UploadView), (status = 404)))]
pub(super) async fn one(
    State(control): State<Control>,
    headers: HeaderMap,
    Path(id): Path<String>,
) -> Result<Json<UploadView>, Problem> {
    let (ingest, _) = control.allowed(&headers, Scope::Read).await?;
    Ok(Json(UploadView::of(ingest.upload(&id).await?, &control.players)))
}

/// How many bytes are durable (tus §HEAD).
#[utoipa::path(head, path = "/api/uploads/{id}", tag = "uploads", params(("id" = String, Path)), security(("key" = [])), responses((status = 200, description = "Upload-Offset, Upload-Length"), (status = 404), (status = 410)))]
pub(super) async fn offset(
    State(control): State<Control>,
    headers: HeaderMap,
    Path(id): Path<String>,
) -> Result<Response<Body>, Problem> {
    let (ingest, _) = control.allowed(&headers, Scope::Write).await?;
    understood(&headers, tus::version).map_err(crate::ingest::Error::from)?;
    let row = ingest.upload(&id).await?;
    if matches!(row.state, UploadState::Refused | UploadState::Cancelled) {
        return Err(crate::ingest::Error::Gone.into());
    }
    let mut response = StatusCode::OK.into_response();
    told(&mut response, &row);
    match row.length {
        Some(length) => put(&mut response, "upload-length", &length.to_string()),
        None => put(&mut response, "upload-defer-length", "1"),
    }
    if let Some(metadata) = metadata(&row.metadata) {
        put(&mut response, "upload-metadata", &metadata);
    }
    Ok(response)
}

/// Brings bytes (tus §PATCH). With the last ones the answer waits until the upload is published, or says why it is not.
#[utoipa::path(patch, path = "/api/uploads/{id}", tag = "uploads", security(("key" = [])),
    params(("id" = String, Path), ("Tus-Resumable" = String, Header), ("Upload-Offset" = u64, Header),
        ("Upload-Checksum" = Option<String>, Header)),
    responses((status = 204, description = "Upload-Offset"), (status = 409), (status = 410), (status = 422), (status = 423), (status = 460)))]
pub(super) async fn append(
    State(control): State<Control>,
    headers: HeaderMap,
    Path(id): Path<String>,
    body: Body,
) -> Result<Response<Body>, Problem> {
    let (ingest, _) = control.allowed(&headers, Scope::Write).await?;
    let brought = understood(&headers, tus::patch).map_err(crate::ingest::Error::from)?;
    let upload = ingest.append(&id, brought, body.into_data_stream()).await?;
    refused(&upload)?;
    let mut response = StatusCode::NO_CONTENT.into_response();
    told(&mut response, &upload);
    Ok(response)
}

/// Clients whose network knows neither PATCH nor DELETE say so in a header (tus §X-HTTP-Method-Override).
pub(super) async fn overridden(
    state: State<Control>,
    headers: HeaderMap,
    path: Path<String>,
    body: Body,
) -> Result<Response<Body>, Problem> {
    match headers.get("x-http-method-override").map(axum::http::HeaderValue::as_bytes) {
        Some(b"PATCH") => append(state, headers, path, body).await,
        Some(b"DELETE") => terminate(state, headers, path).await,
        Some(b"HEAD") => offset(state, headers, path).await,
        Some(_) | None => {
            Err(Problem::new(StatusCode::METHOD_NOT_ALLOWED, "X-HTTP-Method-Override says PATCH or DELETE"))
        }
    }
}

/// Gives an upload up (tus §Termination).
#[utoipa::path(delete, path = "/api/uploads/{id}", tag = "uploads", params(("id" = String, Path)), security(("key" = [])), responses((status = 204), (status = 404), (status = 409)))]
pub(super) async fn terminate(
    State(control): State<Control>,
    headers: HeaderMap,
    Path(id): Path<String>,
) -> Result<Response<Body>, Problem> {
    let (ingest, _) = control.allowed(&headers, Scope::Write).await?;
    ingest.terminate(&id).await?;
    let mut response = StatusCode::NO_CONTENT.into_response();
    speaks(&mut response);
    Ok(response)
}

/// A file to be fetched or brought.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Announced {
    /// Where it is fetched from: for imports.
    url: Option<String>,
    /// The asset that it is of; a new one called as the file where absent.
    asset: Option<String>,
    /// What the file is called.
    filename: Option<String>,
    /// What people call the asset where it is new.
    title: Option<String>,
    /// Bytes: for signed URLs.
    length: Option<u64>,
}

impl Announced {
    fn wanted<'a>(&'a self, key: &'a str) -> Wanted<'a> {
        Wanted {
            asset: self.asset.as_deref(),
            filename: self.filename.as_deref(),
            title: self.title.as_deref(),
            length: self.length,
            key,
            ..Wanted::default()
        }
    }
}

/// Fetches a file from a host that `ingest.import_hosts` lists.
#[utoipa::path(post, path = "/api/imports", tag = "uploads", request_body = Announced, security(("key" = [])), responses((status = 202, body = UploadView), (status = 400)))]
pub(super) async fn import(
    State(control): State<Control>,
    headers: HeaderMap,
    Said(announced): Said<Announced>,
) -> Result<Response<Body>, Problem> {
    let (ingest, key) = control.allowed(&headers, Scope::Write).await?;
    let url = announced.url.as_deref().ok_or_else(|| Problem::new(StatusCode::BAD_REQUEST, "`url` is missing"))?;
    let row = ingest.fetch(url, announced.wanted(&key.id)).await?;
    Ok((StatusCode::ACCEPTED, Json(UploadView::of(row, &control.players))).into_response())
}

/// A URL of the store itself, and what to do with it.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Signed {
    /// The upload; POST its `complete` once the file is there.
    upload: UploadView,
    /// PUT the bytes there.
    url: String,
}

/// A URL by which a client puts a file into the store itself, where the store can.
#[utoipa::path(post, path = "/api/direct", tag = "uploads", request_body = Announced, security(("key" = [])), responses((status = 201, body = Signed), (status = 501)))]
pub(super) async fn direct(
    State(control): State<Control>,
    headers: HeaderMap,
    Said(announced): Said<Announced>,
) -> Result<Response<Body>, Problem> {
    let (ingest, key) = control.allowed(&headers, Scope::Write).await?;
    let direct = ingest.direct(announced.wanted(&key.id)).await?;
    let signed = Signed { upload: UploadView::of(direct.upload, &control.players), url: direct.url };
    Ok((StatusCode::CREATED, Json(signed)).into_response())
}

/// The file of a signed URL is there: it is published, or refused.
#[utoipa::path(post, path = "/api/uploads/{id}/complete", tag = "uploads", params(("id" = String, Path)), security(("key" = [])), responses((status = 200, body = UploadView), (status = 409), (status = 422)))]
pub(super) async fn complete(
    State(control): State<Control>,
    headers: HeaderMap,
    Path(id): Path<String>,
) -> Result<Json<UploadView>, Problem> {
    let (ingest, _) = control.allowed(&headers, Scope::Write).await?;
    let row = ingest.complete(&id).await?;
    refused(&row)?;
    Ok(Json(UploadView::of(row, &control.players)))
}

/// Takes the file called `name` for the asset `asset` whole.
pub(super) async fn whole(
    control: &Control,
    headers: &HeaderMap,
    (asset, name): (&str, &str),
    body: Body,
) -> Result<Response<Body>, Problem> {
    let (ingest, key) = control.allowed(headers, Scope::Write).await?;
    if headers.contains_key("content-range") {
        return Err(Problem::new(StatusCode::BAD_REQUEST, "a PUT brings the whole file; tus goes on with parts"));
    }
    let length = headers.get("content-length").and_then(|value| value.to_str().ok()?.parse().ok());
    let wanted = Wanted {
        asset: Some(asset),
        filename: Some(name),
        length,
        metadata: &Metadata::default().print(),
        key: &key.id,
        ..Wanted::default()
    };
    let row = ingest.put(wanted, body.into_data_stream()).await?;
    Ok((StatusCode::CREATED, Json(UploadView::of(row, &control.players))).into_response())
}

/// Says what an upload that was refused was refused for.
fn refused(row: &Upload) -> Result<(), Problem> {
    match row.state {
        UploadState::Refused => {
            let reason = row.reason.clone().unwrap_or_else(|| "it cannot be played".into());
            Err(crate::ingest::Error::Unplayable(reason).into())
        }
        UploadState::Receiving | UploadState::Received | UploadState::Published | UploadState::Cancelled => Ok(()),
    }
}

fn told(response: &mut Response<Body>, row: &Upload) {
    speaks(response);
    put(response, "upload-offset", &row.offset.to_string());
    if row.state == UploadState::Receiving {
        put(response, "upload-expires", &date(row.expires));
    }
}
