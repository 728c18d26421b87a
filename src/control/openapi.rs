//! The API as an OpenAPI 3.1 document, generated from the handlers. A table in this file lists the problems of each
//! operation; their descriptions come from the problem types.

use super::words::TusVersion;
use super::{assets, files, jobs, keys, tokens, uploads};
use crate::http::ProblemKind as Kind;
use axum::Json;
use std::collections::BTreeMap;
use utoipa::openapi::path::{Operation, PathItem};
use utoipa::openapi::schema::{KnownFormat, ObjectBuilder, SchemaFormat, Type};
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::openapi::{ContentBuilder, Ref, ResponseBuilder};
use utoipa::{Modify, OpenApi};

/// Media type of problems.
const PROBLEM: &str = "application/problem+json";

/// The problems of each operation, besides those of all operations that need a key ([`KEYED`]) or take JSON ([`JSON`]).
const PROBLEMS: &[(&str, &[Kind])] = &[
    ("describeApi", &[]),
    ("describeTus", &[Kind::LibraryAway]),
    ("listUploads", &[Kind::BadQuery, Kind::BadRequest]),
    ("createUpload", CREATION),
    ("getUpload", &[Kind::UploadNotFound]),
    ("getOffset", &[Kind::UploadNotFound, Kind::UploadGone, Kind::TusVersion]),
    ("appendBytes", BYTES),
    ("giveUpUpload", &[Kind::UploadNotFound, Kind::Conflict, Kind::StoreFailed]),
    ("overrideUpload", BYTES),
    ("completeUpload", COMPLETION),
    ("importFile", ANNOUNCED),
    ("signUrl", ANNOUNCED),
    ("listAssets", &[Kind::BadQuery, Kind::BadRequest]),
    ("getAsset", ASSET),
    ("deleteAsset", ASSET),
    ("changeAsset", ASSET),
    ("putFile", WHOLE),
    ("listJobs", &[Kind::BadQuery, Kind::BadRequest]),
    ("getJob", &[Kind::JobNotFound]),
    ("retryJob", &[Kind::JobNotFound, Kind::Conflict]),
    ("cancelJob", &[Kind::JobNotFound, Kind::Conflict]),
    ("listKeys", &[]),
    ("makeKey", &[]),
    ("revokeKey", &[Kind::KeyNotFound]),
    ("makeUploadToken", &[Kind::BadName]),
    ("revokeUploadToken", &[Kind::KeyNotFound]),
];

/// Problems of operations on one asset.
const ASSET: &[Kind] =
    &[Kind::BadName, Kind::AssetNotFound, Kind::Conflict, Kind::FileUnplayable, Kind::StoreFailed, Kind::Interrupted];

/// Problems of operations that create an upload.
const CREATION: &[Kind] = &[
    Kind::PreconditionFailed,
    Kind::TokenSpent,
    Kind::BadHeader,
    Kind::BadName,
    Kind::BadRequest,
    Kind::Conflict,
    Kind::TusVersion,
    Kind::UploadTooLarge,
    Kind::FileType,
    Kind::MediaType,
    Kind::FileUnplayable,
    Kind::StoreUnable,
    Kind::StoreFailed,
    Kind::Interrupted,
    Kind::NameHeld,
    Kind::StoreFull,
    Kind::UploadTakenOver,
    Kind::BodyTooSlow,
    Kind::ChecksumMismatch,
];

/// Problems of operations that append bytes.
const BYTES: &[Kind] = &[
    Kind::PreconditionFailed,
    Kind::BadHeader,
    Kind::BadRequest,
    Kind::UploadNotFound,
    Kind::BodyTooSlow,
    Kind::Conflict,
    Kind::OffsetMismatch,
    Kind::UploadGone,
    Kind::TusVersion,
    Kind::UploadTooLarge,
    Kind::MediaType,
    Kind::FileUnplayable,
    Kind::UploadTakenOver,
    Kind::ChecksumMismatch,
    Kind::StoreUnable,
    Kind::StoreFailed,
    Kind::Interrupted,
    Kind::StoreFull,
];

/// Problems of operations that complete a file in the store.
const COMPLETION: &[Kind] = &[
    Kind::PreconditionFailed,
    Kind::UploadNotFound,
    Kind::Conflict,
    Kind::UploadGone,
    Kind::FileUnplayable,
    Kind::UploadTakenOver,
    Kind::StoreFailed,
    Kind::Interrupted,
];

/// Problems of operations that announce a file.
const ANNOUNCED: &[Kind] = &[
    Kind::BadRequest,
    Kind::BadName,
    Kind::Conflict,
    Kind::UploadTooLarge,
    Kind::FileType,
    Kind::StoreUnable,
    Kind::StoreFailed,
    Kind::NameHeld,
];

/// Problems of operations that receive a whole file.
const WHOLE: &[Kind] = &[
    Kind::PreconditionFailed,
    Kind::TokenSpent,
    Kind::BadHeader,
    Kind::BadName,
    Kind::BadRequest,
    Kind::AssetNotFound,
    Kind::BodyTooSlow,
    Kind::Conflict,
    Kind::UploadTooLarge,
    Kind::FileType,
    Kind::FileUnplayable,
    Kind::UploadTakenOver,
    Kind::StoreUnable,
    Kind::StoreFailed,
    Kind::Interrupted,
    Kind::NameHeld,
    Kind::StoreFull,
];

/// Problems of all operations that need a key.
const KEYED: &[Kind] =
    &[Kind::KeyMissing, Kind::KeyUnknown, Kind::KeyRevoked, Kind::KeyExpired, Kind::ScopeTooNarrow, Kind::LibraryAway];

/// Problems of all operations that read a JSON body.
const JSON: &[Kind] = &[Kind::BadJson, Kind::BodyTooSlow, Kind::BodyTooLarge, Kind::MediaType, Kind::BadField];

/// The whole document.
#[derive(Debug, OpenApi)]
#[openapi(
    info(title = "Afflux", description = "Uploads, assets, jobs and keys of an origin for adaptive video. Each operation \
        names the scope that its key needs."),
    paths(
        text,
        uploads::spoken, uploads::list, uploads::create, uploads::one, uploads::offset, uploads::append,
        uploads::terminate, uploads::overridden, files::import, files::direct, files::complete,
        assets::list, assets::told::one, assets::told::delete, assets::told::change, assets::told::whole,
        jobs::list, jobs::one, jobs::retry, jobs::cancel,
        keys::list, keys::make, keys::revoke,
        tokens::make, tokens::revoke,
    ),
    tags(
        (name = "uploads", description = "Files on their way in: tus 1.0, PUT, signed URLs, imports"),
        (name = "assets", description = "What players are served"),
        (name = "jobs", description = "Work behind requests"),
        (name = "keys", description = "Who may call the API"),
    ),
    components(schemas(TusVersion)),
    modifiers(&Keys, &Problems),
)]
struct ApiDocument;

/// Adds the security scheme: bearer keys.
#[derive(Debug)]
struct Keys;

impl Modify for Keys {
    fn modify(&self, api: &mut utoipa::openapi::OpenApi) {
        let bearer = HttpBuilder::new().scheme(HttpAuthScheme::Bearer).bearer_format("afx_…").build();
        api.components.get_or_insert_default().add_security_scheme("key", SecurityScheme::Http(bearer));
    }
}

/// Adds the problems of each operation.
#[derive(Debug)]
struct Problems;

impl Modify for Problems {
    fn modify(&self, api: &mut utoipa::openapi::OpenApi) {
        let schemas = &mut api.components.get_or_insert_default().schemas;
        schemas.insert("Problem".into(), problem().into());
        for operation in api.paths.paths.values_mut().flat_map(operations) {
            let mut kinds = declared(operation).to_vec();
            if operation.security.is_some() {
                kinds.extend(KEYED);
            }
            if takes_json(operation) {
                kinds.extend(JSON);
            }
            let mut by_status: BTreeMap<u16, Vec<Kind>> = BTreeMap::new();
            for kind in kinds {
                by_status.entry(kind.status().as_u16()).or_default().push(kind);
            }
            for (status, kinds) in by_status {
                let told: Vec<String> =
                    kinds.iter().map(|kind| format!("`{}`: {}", kind.name(), kind.title())).collect();
                let content = ContentBuilder::new().schema(Some(Ref::from_schema_name("Problem"))).build();
                let response = ResponseBuilder::new().description(told.join("\n\n")).content(PROBLEM, content).build();
                operation.responses.responses.insert(status.to_string(), response.into());
            }
        }
    }
}

/// The operations of a path.
fn operations(item: &mut PathItem) -> impl Iterator<Item = &mut Operation> {
    let PathItem { get, put, post, delete, options, head, patch, .. } = item;
    [get, put, post, delete, options, head, patch].into_iter().flatten()
}

/// The problems that [`PROBLEMS`] lists for an operation.
fn declared(operation: &Operation) -> &'static [Kind] {
    let id = operation.operation_id.as_deref().unwrap_or_default();
    PROBLEMS.iter().find(|(known, _)| *known == id).map_or(&[], |(_, kinds)| kinds)
}

fn takes_json(operation: &Operation) -> bool {
    let Some(utoipa::openapi::RefOr::T(body)) = &operation.request_body else { return false };
    body.content.contains_key("application/json")
}

/// Schema of a problem (RFC 9457 §3.1).
fn problem() -> utoipa::openapi::schema::Object {
    let text = |said: &str| ObjectBuilder::new().schema_type(Type::String).description(Some(said));
    let types = Kind::ALL.iter().map(|kind| kind.uri());
    let status = ObjectBuilder::new().schema_type(Type::Integer).description(Some("The status of the answer"));
    let status = status.format(Some(SchemaFormat::KnownFormat(KnownFormat::Int32)));
    ObjectBuilder::new()
        .description(Some("An error (RFC 9457). docs/errors.md tells cause and cure of each type."))
        .property("type", text("What kind of problem it is; the same each time").enum_values(Some(types)))
        .property("title", text("The type in a sentence; the same each time"))
        .property("status", status.minimum(Some(400)).maximum(Some(599)))
        .property("detail", text("What is wrong with this request, and what would be right"))
        .property("request_id", text("The id of this request: the one that it was sent with, or a new one"))
        .required("type")
        .required("title")
        .required("status")
        .required("detail")
        .build()
}

/// Returns this document.
#[utoipa::path(get, path = "/api/openapi.json", operation_id = "describeApi", tag = "api", responses((status = 200, description = "The API as OpenAPI 3.1", body = Object)))]
pub(super) async fn text() -> Json<utoipa::openapi::OpenApi> {
    Json(ApiDocument::openapi())
}

#[cfg(test)]
mod tests {
    use super::{ApiDocument, PROBLEMS};
    use crate::control::{Control, Players};
    use axum::body::Body;
    use axum::http::{Request, StatusCode};
    use serde_json::Value;
    use std::collections::BTreeSet;
    use tower::ServiceExt;
    use utoipa::OpenApi;

    /// Path, method and description of each operation.
    fn operations() -> Vec<(String, String, Value)> {
        let api = serde_json::to_value(ApiDocument::openapi()).unwrap();
        assert_eq!(api["openapi"], "3.1.0");
        let paths = api["paths"].as_object().unwrap();
        let each = paths.iter().flat_map(|(path, methods)| {
            let methods = methods.as_object().unwrap();
            methods.iter().map(move |(method, operation)| (path.clone(), method.to_uppercase(), operation.clone()))
        });
        each.collect()
    }

    #[test]
    fn every_operation_has_an_id_of_its_own_and_each_is_in_the_table_of_problems() {
        let ids: Vec<String> =
            operations().iter().map(|(.., told)| told["operationId"].as_str().unwrap().to_owned()).collect();
        let known: BTreeSet<&str> = PROBLEMS.iter().map(|(id, _)| *id).collect();
        let told: BTreeSet<&str> = ids.iter().map(String::as_str).collect();
        assert_eq!((told.len(), &told), (ids.len(), &known));
    }

    async fn ask(method: &str, path: &str) -> (StatusCode, Option<String>, String) {
        let router = Control::new(Players::At("http://players".into()), &[]).router();
        let request = Request::builder().method(method).uri(path).body(Body::from("{}")).unwrap();
        let answer = router.oneshot(request).await.unwrap();
        assert_eq!(answer.headers()["x-content-type-options"], "nosniff", "{method} {path}");
        assert_eq!(answer.headers()["cache-control"], "no-store", "{method} {path}");
        let header = |name: &str| answer.headers().get(name).map(|value| value.to_str().unwrap().to_owned());
        (answer.status(), header("allow"), header("content-type").unwrap_or_default())
    }

    fn filled(path: &str) -> String {
        path.replace("{id}", "x").replace("{asset}", "a/b").replace("{name}", "n.mp4")
    }

    #[tokio::test]
    async fn every_operation_is_answered_with_a_slash_at_its_end_or_without() {
        for (path, method, told) in operations() {
            // Without a library, every operation that needs it answers 503 before it reads the request.
            let expected =
                if told["operationId"] == "describeApi" { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
            for path in [filled(&path), filled(&path) + "/", filled(&path) + "/?"] {
                assert_eq!(ask(&method, &path).await.0, expected, "{method} {path}");
            }
        }
    }

    #[tokio::test]
    async fn another_method_is_told_those_that_there_are() {
        for (path, ..) in operations() {
            let methods: BTreeSet<String> =
                operations().into_iter().filter(|(each, ..)| *each == path).map(|(_, method, _)| method).collect();
            let (status, allow, media_type) = ask("TRACE", &filled(&path)).await;
            assert_eq!((status.as_u16(), media_type.as_str()), (405, "application/problem+json"), "{path}");
            let allowed: BTreeSet<String> =
                allow.expect(&path).split(',').map(|method| method.trim().to_owned()).collect();
            assert!(methods.is_subset(&allowed), "{path}: {allowed:?}");
        }
    }
}
