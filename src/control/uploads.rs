//! Uploads: the tus protocol, plain PUTs, signed URLs, imports.

use super::desk::{Control, Slashed};
use super::extract::{Asked, Named, Unread};
use super::headers::{date, metadata, put, spoken as speaks, understood};
use super::problem::Problem;
use super::scope::Right;
use super::tokens;
use super::views::{Page, UploadView, UploadsListed};
use super::words::{FileBytes, TakenName, TusVersion};
use crate::config::OnConflict;
use crate::http::ProblemKind;
use crate::ingest::tus::{self, EXTENSIONS, VERSION};
use crate::ingest::{ALGORITHMS, Metadata, Placement, Wanted, placement, refusal};
use crate::library::{Upload, UploadState};
use crate::media::TITLE_LIMIT;
use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, Response, StatusCode};
use axum::response::IntoResponse;
use axum::{Extension, Json};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// What is encoded of an asset's name in a header.
const NAME: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~').remove(b'/');

/// Entries of a page where nobody says.
const PAGE: u32 = 50;

/// Entries of a page at most.
const MOST: u32 = 500;

/// How many entries a page is to have.
pub(super) fn limit(asked: Option<u32>) -> Result<u32, Problem> {
    match asked.unwrap_or(PAGE) {
        limit @ 1..=MOST => Ok(limit),
        other => Err(Problem::new(ProblemKind::BadQuery, format!("`limit` is {other}; 1 to {MOST} is allowed"))),
    }
}

/// What the protocol can do here (tus §OPTIONS).
#[utoipa::path(options, path = "/api/uploads", operation_id = "describeTus", tag = "uploads", responses((status = 204, description = "Tus-Version, Tus-Extension, Tus-Max-Size, Tus-Checksum-Algorithm")))]
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
#[utoipa::path(get, path = "/api/uploads", operation_id = "listUploads", tag = "uploads", params(UploadsListed), security(("key" = ["read"])), responses((status = 200, description = "A page of uploads", body = Page<UploadView>)))]
pub(super) async fn list(
    State(control): State<Control>,
    headers: HeaderMap,
    Asked(listed): Asked<UploadsListed>,
) -> Result<Json<Page<UploadView>>, Problem> {
    let (ingest, caller) = control.allowed(&headers, Right::Read).await?;
    let state = listed.state.as_deref().map(|word| {
        UploadState::of(word).ok_or_else(|| {
            let allowed = "receiving, received, published, refused or cancelled is allowed";
            Problem::new(ProblemKind::BadQuery, format!("`state` is `{word}`; {allowed}"))
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

/// Begins an upload (tus §Creation); bytes may come along.
#[utoipa::path(post, path = "/api/uploads", operation_id = "createUpload", tag = "uploads", security(("key" = ["upload"])),
    params(("Tus-Resumable" = TusVersion, Header, description = "The version of the protocol"),
        ("Upload-Length" = Option<u64>, Header, description = "Bytes of the whole", minimum = 1),
        ("Upload-Defer-Length" = Option<u8>, Header, description = "1 instead of Upload-Length: it is told later", minimum = 1, maximum = 1),
        ("Upload-Metadata" = Option<String>, Header, description = "Keys and Base64 values between commas: filename, filetype, asset, title, on_conflict, if_match, if_none_match")),
    responses((status = 201, description = "Location says where to send bytes, Afflux-Asset which asset it becomes")))]
pub(super) async fn create(
    State(control): State<Control>,
    slashed: Option<Extension<Slashed>>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response<Body>, Problem> {
    let (ingest, caller) = control.allowed(&headers, Right::Upload).await?;
    let creation = understood(&headers, tus::creation).map_err(crate::ingest::Error::from)?;
    let said = &creation.metadata;
    let asset = tokens::asset_of(&caller, said.get("asset"))?;
    let title = said.get("title").and_then(tidy);
    let wanted = Wanted {
        asset,
        makes_asset: caller.check_at(Right::Write, asset.unwrap_or_default()).is_err(),
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
    let created = ingest.create(Wanted { id: spent.as_deref(), ..wanted }).await;
    let row = tokens::settle(ingest, &caller, spent.as_deref(), created).await?;
    // Relative, so that it is right below whatever prefix a proxy puts before it (RFC 9110 §10.2.2).
    let location = match slashed {
        Some(_) => row.id.clone(),
        None => format!("uploads/{}", row.id),
    };
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
    // It may be another than was thought of: the name of the file may have been taken.
    put(&mut response, "afflux-asset", &percent_encoding::utf8_percent_encode(&row.asset, NAME).to_string());
    told(&mut response, &row);
    Ok(response)
}

/// One upload.
#[utoipa::path(get, path = "/api/uploads/{id}", operation_id = "getUpload", tag = "uploads", params(("id" = String, Path, description = "The upload's id")), security(("key" = ["upload"])), responses((status = 200, description = "The upload", body = UploadView)))]
pub(super) async fn one(
    State(control): State<Control>,
    headers: HeaderMap,
    Named(id): Named,
) -> Result<Json<UploadView>, Problem> {
    let (_, row) = control.upload(&headers, &id, Right::Read).await?;
    Ok(Json(UploadView::of(row, &control.players(&headers))))
}

/// How many bytes are durable (tus §HEAD).
#[utoipa::path(head, path = "/api/uploads/{id}", operation_id = "getOffset", tag = "uploads", params(("id" = String, Path, description = "The upload's id"), ("Tus-Resumable" = TusVersion, Header, description = "The version of the protocol")), security(("key" = ["upload"])), responses((status = 200, description = "Upload-Offset, Upload-Length")))]
pub(super) async fn offset(
    State(control): State<Control>,
    headers: HeaderMap,
    Named(id): Named,
) -> Result<Response<Body>, Problem> {
    let (_, row) = control.upload(&headers, &id, Right::Write).await?;
    understood(&headers, tus::version).map_err(crate::ingest::Error::from)?;
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
#[utoipa::path(patch, path = "/api/uploads/{id}", operation_id = "appendBytes", tag = "uploads", security(("key" = ["upload"])),
    params(("id" = String, Path, description = "The upload's id"), ("Tus-Resumable" = TusVersion, Header, description = "The version of the protocol"),
        ("Upload-Offset" = u64, Header, description = "Where the bytes belong: the number of durable bytes"),
        ("Upload-Checksum" = Option<String>, Header, description = "sha1, sha256 or sha512, a space, the Base64 digest of this body")),
    request_body(content = FileBytes, content_type = "application/offset+octet-stream", description = "The bytes"),
    responses((status = 204, description = "The bytes are durable; `Upload-Offset` tells how many there are")))]
pub(super) async fn append(
    State(control): State<Control>,
    headers: HeaderMap,
    Named(id): Named,
    body: Body,
) -> Result<Response<Body>, Problem> {
    let (ingest, _) = control.upload(&headers, &id, Right::Write).await?;
    let brought = understood(&headers, tus::patch).map_err(crate::ingest::Error::from)?;
    let upload = ingest.append(&id, brought, body.into_data_stream()).await?;
    refused(&upload)?;
    let mut response = StatusCode::NO_CONTENT.into_response();
    told(&mut response, &upload);
    Ok(response)
}

/// PATCH, DELETE or HEAD of clients whose network lets POST through alone (tus §X-HTTP-Method-Override).
#[utoipa::path(post, path = "/api/uploads/{id}", operation_id = "overrideUpload", tag = "uploads", security(("key" = ["upload"])),
    params(("id" = String, Path, description = "The upload's id"), ("X-HTTP-Method-Override" = String, Header, description = "PATCH, DELETE or HEAD")),
    responses((status = 200, description = "As HEAD answers"), (status = 204, description = "As PATCH or DELETE answers")))]
pub(super) async fn overridden(
    state: State<Control>,
    headers: HeaderMap,
    path: Named,
    body: Body,
) -> Result<Response<Body>, Problem> {
    match headers.get("x-http-method-override").map(axum::http::HeaderValue::as_bytes) {
        Some(b"PATCH") => append(state, headers, path, body).await,
        Some(b"DELETE") => terminate(state, headers, path).await,
        Some(b"HEAD") => offset(state, headers, path).await,
        Some(_) | None => {
            state.allowed(&headers, Right::Upload).await?;
            let detail = "a POST here says PATCH, DELETE or HEAD in X-HTTP-Method-Override";
            Err(Problem::new(ProblemKind::BadHeader, detail))
        }
    }
}

/// Gives an upload up (tus §Termination).
#[utoipa::path(delete, path = "/api/uploads/{id}", operation_id = "giveUpUpload", tag = "uploads", params(("id" = String, Path, description = "The upload's id")), security(("key" = ["upload"])), responses((status = 204, description = "The upload is given up")))]
pub(super) async fn terminate(
    State(control): State<Control>,
    headers: HeaderMap,
    Named(id): Named,
) -> Result<Response<Body>, Problem> {
    let (ingest, _) = control.upload(&headers, &id, Right::Write).await?;
    ingest.terminate(&id).await?;
    let mut response = StatusCode::NO_CONTENT.into_response();
    speaks(&mut response);
    Ok(response)
}

/// A file to be fetched.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Import {
    /// Where it is fetched from: `http` or `https`, of a host that `ingest.import_hosts` lists.
    #[schema(max_length = 4096)]
    url: String,
    /// The asset that it belongs to; a new one called as the file where absent.
    #[schema(max_length = 1024)]
    asset: Option<String>,
    /// What the file is called; the last part of the URL's path where absent.
    #[schema(max_length = 1024)]
    filename: Option<String>,
    /// What people call the asset where it is new.
    #[schema(max_length = 1024)]
    title: Option<String>,
    /// What becomes of it where its name is taken; `ingest.on_conflict` where absent, and `replace` for a named asset.
    #[schema(value_type = Option<TakenName>)]
    on_conflict: Option<OnConflict>,
}

/// A file that a client puts into the store itself.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Direct {
    /// The asset that it belongs to; a new one called as the file where absent.
    #[schema(max_length = 1024)]
    asset: Option<String>,
    /// What the file is called; its extension tells its type.
    #[schema(max_length = 1024)]
    filename: String,
    /// What people call the asset where it is new.
    #[schema(max_length = 1024)]
    title: Option<String>,
    /// What becomes of it where its name is taken; `ingest.on_conflict` where absent, and `replace` for a named asset.
    #[schema(value_type = Option<TakenName>)]
    on_conflict: Option<OnConflict>,
    /// Its bytes.
    #[schema(minimum = 1)]
    length: u64,
}

/// Fetches a file from a host that `ingest.import_hosts` lists.
#[utoipa::path(post, path = "/api/imports", operation_id = "importFile", tag = "uploads", request_body = Import, security(("key" = ["write"])), responses((status = 202, description = "The upload, which a job fetches", body = UploadView)))]
pub(super) async fn import(
    State(control): State<Control>,
    headers: HeaderMap,
    body: Unread,
) -> Result<Response<Body>, Problem> {
    let (ingest, caller) = control.allowed(&headers, Right::Write).await?;
    let wanted: Import = body.json().await?;
    tokens::asset_of(&caller, wanted.asset.as_deref())?;
    let row = ingest
        .fetch(
            &wanted.url,
            Wanted {
                asset: wanted.asset.as_deref(),
                filename: wanted.filename.as_deref(),
                title: wanted.title.as_deref().and_then(tidy).as_deref(),
                on_conflict: wanted.on_conflict,
                key: caller.key_id(),
                ..Wanted::default()
            },
        )
        .await?;
    Ok((StatusCode::ACCEPTED, Json(UploadView::of(row, &control.players(&headers)))).into_response())
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
#[utoipa::path(post, path = "/api/direct", operation_id = "signUrl", tag = "uploads", request_body = Direct, security(("key" = ["write"])), responses((status = 201, description = "The upload, and the URL that takes its bytes", body = Signed)))]
pub(super) async fn direct(
    State(control): State<Control>,
    headers: HeaderMap,
    body: Unread,
) -> Result<Response<Body>, Problem> {
    let (ingest, caller) = control.allowed(&headers, Right::Write).await?;
    let wanted: Direct = body.json().await?;
    tokens::asset_of(&caller, wanted.asset.as_deref())?;
    let title = wanted.title.as_deref().and_then(tidy);
    let wanted = Wanted {
        asset: wanted.asset.as_deref(),
        filename: Some(&wanted.filename),
        title: title.as_deref(),
        length: Some(wanted.length),
        on_conflict: wanted.on_conflict,
        key: caller.key_id(),
        ..Wanted::default()
    };
    let direct = ingest.direct(wanted).await?;
    let signed = Signed { upload: UploadView::of(direct.upload, &control.players(&headers)), url: direct.url };
    Ok((StatusCode::CREATED, Json(signed)).into_response())
}

/// The file of a signed URL is there: it is published, or refused.
#[utoipa::path(post, path = "/api/uploads/{id}/complete", operation_id = "completeUpload", tag = "uploads", params(("id" = String, Path, description = "The upload's id")), security(("key" = ["write"])), responses((status = 200, description = "The upload as it is now", body = UploadView)))]
pub(super) async fn complete(
    State(control): State<Control>,
    headers: HeaderMap,
    Named(id): Named,
) -> Result<Json<UploadView>, Problem> {
    let (ingest, _) = control.upload(&headers, &id, Right::Write).await?;
    let row = ingest.complete(&id).await?;
    refused(&row)?;
    Ok(Json(UploadView::of(row, &control.players(&headers))))
}

/// Takes the file called `name` for the asset `asset` whole.
pub(super) async fn whole(
    control: &Control,
    headers: &HeaderMap,
    (asset, name): (&str, &str),
    body: Body,
) -> Result<Response<Body>, Problem> {
    let (ingest, caller) = control.allowed(headers, Right::Upload).await?;
    caller.check_at(Right::Upload, asset)?;
    if headers.contains_key("content-range") {
        return Err(Problem::new(ProblemKind::BadHeader, "a PUT brings the whole file; tus goes on with parts"));
    }
    let length = headers.get("content-length").and_then(|value| value.to_str().ok()?.parse().ok());
    let conditions = conditions(headers);
    let said = conditions.iter().map(|(key, value)| (*key, value.as_str()));
    let wanted = Wanted {
        asset: Some(asset),
        filename: Some(name),
        length,
        metadata: &Metadata::of(said).print(),
        key: caller.key_id(),
        makes_asset: caller.check_at(Right::Write, asset).is_err(),
        ..Wanted::default()
    };
    let spent = tokens::spend(ingest, &caller, &wanted).await?;
    let brought = ingest.put(Wanted { id: spent.as_deref(), ..wanted }, body.into_data_stream()).await;
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

/// What a client expects of the file that it replaces, as metadata of its upload. A header that is there several times
/// is one list (RFC 9110 §5.3).
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

/// A title as far as it may be one; `None` where nothing remains.
fn tidy(title: &str) -> Option<String> {
    let plain: String = title.chars().filter(|c| !c.is_control()).take(TITLE_LIMIT).collect();
    Some(plain.trim().to_owned()).filter(|title| !title.is_empty())
}

/// Says what an upload that was refused was refused for.
fn refused(row: &Upload) -> Result<(), Problem> {
    match row.state {
        UploadState::Refused => Err(refusal(row).into()),
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
