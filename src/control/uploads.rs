//! Handlers for uploads: the tus protocol, and the list of uploads.

use super::extract::{PathName, QueryParameters, limit};
use super::headers::{date, metadata, put, spoken as speaks, understood};
use super::problem::ApiProblem;
use super::scope::Permission;
use super::slashes::TrailingSlash;
use super::state::Control;
use super::tokens;
use super::views::{Page, UploadView, UploadsListed};
use super::words::{FileBytes, TusVersion};
use crate::http::ProblemKind;
use crate::ingest::tus::{self, EXTENSIONS, VERSION};
use crate::ingest::{ALGORITHMS, UploadRequest, refusal};
use crate::library::{Upload, UploadState};
use crate::media::TITLE_LIMIT;
use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, Response, StatusCode};
use axum::response::IntoResponse;
use axum::{Extension, Json};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC};

/// Characters of an asset's name that are percent-encoded in a header.
const NAME: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~').remove(b'/');

/// Describes the supported parts of tus (tus §OPTIONS).
#[utoipa::path(options, path = "/api/uploads", operation_id = "describeTus", tag = "uploads", responses((status = 204, description = "Tus-Version, Tus-Extension, Tus-Max-Size, Tus-Checksum-Algorithm")))]
pub(super) async fn spoken(State(control): State<Control>) -> Result<Response<Body>, ApiProblem> {
    let mut response = StatusCode::NO_CONTENT.into_response();
    speaks(&mut response);
    put(&mut response, "tus-version", VERSION);
    put(&mut response, "tus-extension", EXTENSIONS);
    put(&mut response, "tus-checksum-algorithm", ALGORITHMS);
    put(&mut response, "tus-max-size", &control.ingest()?.settings().largest.to_string());
    Ok(response)
}

/// Lists uploads, the newest first.
#[utoipa::path(get, path = "/api/uploads", operation_id = "listUploads", tag = "uploads", params(UploadsListed), security(("key" = ["read"])), responses((status = 200, description = "A page of uploads", body = Page<UploadView>)))]
pub(super) async fn list(
    State(control): State<Control>,
    headers: HeaderMap,
    QueryParameters(listed): QueryParameters<UploadsListed>,
) -> Result<Json<Page<UploadView>>, ApiProblem> {
    let (ingest, caller) = control.allowed(&headers, Permission::Read).await?;
    let state = listed.state.as_deref().map(|word| {
        UploadState::of(word).ok_or_else(|| {
            let allowed = "receiving, received, published, refused or cancelled is allowed";
            ApiProblem::new(ProblemKind::BadQuery, format!("`state` is `{word}`; {allowed}"))
        })
    });
    let limit = limit(listed.limit)?;
    let after = listed.after.as_deref().filter(|after| !after.is_empty());
    let rows = ingest.library().uploads(state.transpose()?, after, limit, &caller.readable()).await?;
    let full = u32::try_from(rows.len()).is_ok_and(|count| count == limit);
    let next = rows.last().filter(|_| full).map(Upload::place);
    let players = control.players(&headers);
    let items = rows.into_iter().map(|row| UploadView::of(row, &players)).collect();
    Ok(Json(Page { items, next }))
}

/// Creates an upload (tus §Creation); the request may carry its first bytes.
#[utoipa::path(post, path = "/api/uploads", operation_id = "createUpload", tag = "uploads", security(("key" = ["upload"])),
    params(("Tus-Resumable" = TusVersion, Header, description = "The version of the protocol"),
        ("Upload-Length" = Option<u64>, Header, description = "Bytes of the whole", minimum = 1),
        ("Upload-Defer-Length" = Option<u8>, Header, description = "1 instead of Upload-Length: it is told later", minimum = 1, maximum = 1),
        ("Upload-Metadata" = Option<String>, Header, description = "Keys and Base64 values between commas: filename, filetype, asset, title, on_conflict, if_match, if_none_match")),
    responses((status = 201, description = "Location says where to send bytes, Afflux-Asset which asset it becomes")))]
pub(super) async fn create(
    State(control): State<Control>,
    slashed: Option<Extension<TrailingSlash>>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response<Body>, ApiProblem> {
    let (ingest, caller) = control.allowed(&headers, Permission::Upload).await?;
    let creation = understood(&headers, tus::creation).map_err(crate::ingest::Error::from)?;
    let said = &creation.metadata;
    let asset = tokens::asset_of(&caller, said.get("asset"))?;
    let title = said.get("title").and_then(tidy);
    let wanted = UploadRequest {
        asset,
        makes_asset: caller.check_at(Permission::Write, asset.unwrap_or_default()).is_err(),
        filename: said.get("filename").or_else(|| said.get("name")),
        media_type: said.get("filetype").or_else(|| said.get("type")),
        title: title.as_deref(),
        length: creation.length,
        on_conflict: None,
        metadata: &said.print(),
        key: caller.key_id(),
        id: None,
    };
    let spent = tokens::spend(ingest, &caller, &wanted).await?;
    let created = ingest.create(UploadRequest { id: spent.as_deref(), ..wanted }).await;
    let row = tokens::settle(ingest, &caller, spent.as_deref(), created).await?;
    // Relative, so that it stays valid if a proxy adds a prefix to the path (RFC 9110 §10.2.2).
    let location = match slashed {
        Some(_) => row.id.clone(),
        None => format!("uploads/{}", row.id),
    };
    let row = match creation.body {
        Some(brought) => {
            let appended = ingest.append(&row.id, brought, body.into_data_stream()).await;
            // The upload exists even if its bytes failed; the client can ask for the offset.
            appended.unwrap_or(row)
        }
        None => row,
    };
    refused(&row)?;
    let mut response = StatusCode::CREATED.into_response();
    put(&mut response, "location", &location);
    // The asset's name may differ from the file's, because that name may have been in use.
    put(&mut response, "afflux-asset", &percent_encoding::utf8_percent_encode(&row.asset, NAME).to_string());
    set_upload_headers(&mut response, &row);
    Ok(response)
}

/// Returns one upload.
#[utoipa::path(get, path = "/api/uploads/{id}", operation_id = "getUpload", tag = "uploads", params(("id" = String, Path, description = "The upload's id")), security(("key" = ["upload"])), responses((status = 200, description = "The upload", body = UploadView)))]
pub(super) async fn one(
    State(control): State<Control>,
    headers: HeaderMap,
    PathName(id): PathName,
) -> Result<Json<UploadView>, ApiProblem> {
    let (_, row) = control.upload(&headers, &id, Permission::Read).await?;
    Ok(Json(UploadView::of(row, &control.players(&headers))))
}

/// Returns the number of durable bytes (tus §HEAD).
#[utoipa::path(head, path = "/api/uploads/{id}", operation_id = "getOffset", tag = "uploads", params(("id" = String, Path, description = "The upload's id"), ("Tus-Resumable" = TusVersion, Header, description = "The version of the protocol")), security(("key" = ["upload"])), responses((status = 200, description = "Upload-Offset, Upload-Length")))]
pub(super) async fn offset(
    State(control): State<Control>,
    headers: HeaderMap,
    PathName(id): PathName,
) -> Result<Response<Body>, ApiProblem> {
    let (_, row) = control.upload(&headers, &id, Permission::Write).await?;
    understood(&headers, tus::version).map_err(crate::ingest::Error::from)?;
    if matches!(row.state, UploadState::Refused | UploadState::Cancelled) {
        return Err(crate::ingest::Error::Gone.into());
    }
    let mut response = StatusCode::OK.into_response();
    set_upload_headers(&mut response, &row);
    match row.length {
        Some(length) => put(&mut response, "upload-length", &length.to_string()),
        None => put(&mut response, "upload-defer-length", "1"),
    }
    if let Some(metadata) = metadata(&row.metadata) {
        put(&mut response, "upload-metadata", &metadata);
    }
    Ok(response)
}

/// Appends bytes (tus §PATCH). After the last ones, the response waits until the upload is published or refused.
#[utoipa::path(patch, path = "/api/uploads/{id}", operation_id = "appendBytes", tag = "uploads", security(("key" = ["upload"])),
    params(("id" = String, Path, description = "The upload's id"), ("Tus-Resumable" = TusVersion, Header, description = "The version of the protocol"),
        ("Upload-Offset" = u64, Header, description = "Where the bytes belong: the number of durable bytes"),
        ("Upload-Checksum" = Option<String>, Header, description = "sha1, sha256 or sha512, a space, the Base64 digest of this body")),
    request_body(content = FileBytes, content_type = "application/offset+octet-stream", description = "The bytes"),
    responses((status = 204, description = "The bytes are durable; `Upload-Offset` tells how many there are")))]
pub(super) async fn append(
    State(control): State<Control>,
    headers: HeaderMap,
    PathName(id): PathName,
    body: Body,
) -> Result<Response<Body>, ApiProblem> {
    let (ingest, _) = control.upload(&headers, &id, Permission::Write).await?;
    let brought = understood(&headers, tus::patch).map_err(crate::ingest::Error::from)?;
    let upload = ingest.append(&id, brought, body.into_data_stream()).await?;
    refused(&upload)?;
    let mut response = StatusCode::NO_CONTENT.into_response();
    set_upload_headers(&mut response, &upload);
    Ok(response)
}

/// PATCH, DELETE or HEAD for clients whose network only allows POST (tus §X-HTTP-Method-Override).
#[utoipa::path(post, path = "/api/uploads/{id}", operation_id = "overrideUpload", tag = "uploads", security(("key" = ["upload"])),
    params(("id" = String, Path, description = "The upload's id"), ("X-HTTP-Method-Override" = String, Header, description = "PATCH, DELETE or HEAD")),
    responses((status = 200, description = "As HEAD answers"), (status = 204, description = "As PATCH or DELETE answers")))]
pub(super) async fn overridden(
    state: State<Control>,
    headers: HeaderMap,
    path: PathName,
    body: Body,
) -> Result<Response<Body>, ApiProblem> {
    match headers.get("x-http-method-override").map(axum::http::HeaderValue::as_bytes) {
        Some(b"PATCH") => append(state, headers, path, body).await,
        Some(b"DELETE") => terminate(state, headers, path).await,
        Some(b"HEAD") => offset(state, headers, path).await,
        Some(_) | None => {
            state.allowed(&headers, Permission::Upload).await?;
            let detail = "a POST here says PATCH, DELETE or HEAD in X-HTTP-Method-Override";
            Err(ApiProblem::new(ProblemKind::BadHeader, detail))
        }
    }
}

/// Cancels an upload (tus §Termination).
#[utoipa::path(delete, path = "/api/uploads/{id}", operation_id = "giveUpUpload", tag = "uploads", params(("id" = String, Path, description = "The upload's id")), security(("key" = ["upload"])), responses((status = 204, description = "The upload is given up")))]
pub(super) async fn terminate(
    State(control): State<Control>,
    headers: HeaderMap,
    PathName(id): PathName,
) -> Result<Response<Body>, ApiProblem> {
    let (ingest, _) = control.upload(&headers, &id, Permission::Write).await?;
    ingest.terminate(&id).await?;
    let mut response = StatusCode::NO_CONTENT.into_response();
    speaks(&mut response);
    Ok(response)
}

/// Removes control characters and outer spaces from a title, and shortens it to [`TITLE_LIMIT`] characters. `None` if
/// nothing remains.
pub(super) fn tidy(title: &str) -> Option<String> {
    let plain: String = title.chars().filter(|c| !c.is_control()).take(TITLE_LIMIT).collect();
    Some(plain.trim().to_owned()).filter(|title| !title.is_empty())
}

/// Fails with the reason if the upload was refused.
pub(super) fn refused(row: &Upload) -> Result<(), ApiProblem> {
    match row.state {
        UploadState::Refused => Err(refusal(row).into()),
        UploadState::Receiving | UploadState::Received | UploadState::Published | UploadState::Cancelled => Ok(()),
    }
}

fn set_upload_headers(response: &mut Response<Body>, row: &Upload) {
    speaks(response);
    put(response, "upload-offset", &row.offset.to_string());
    if row.state == UploadState::Receiving {
        put(response, "upload-expires", &date(row.expires));
    }
}
