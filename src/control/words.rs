//! OpenAPI schemas of the enumerations and constrained strings in the API, generated from the enumerations themselves.

use crate::config::OnConflict;
use crate::ingest::tus::VERSION;
use crate::library::{AssetSort, JobState, UploadState};
use utoipa::openapi::RefOr;
use utoipa::openapi::schema::{KnownFormat, ObjectBuilder, Schema, SchemaFormat, SchemaType, Type};
use utoipa::{PartialSchema, ToSchema};

/// Declares the schema of an enumeration: its name and its words.
macro_rules! words {
    ($(#[doc = $about:literal] $name:ident, $words:expr;)*) => {
        $(
            #[doc = $about]
            #[derive(Debug)]
            pub(super) struct $name;

            impl PartialSchema for $name {
                fn schema() -> RefOr<Schema> {
                    let words = ObjectBuilder::new().schema_type(Type::String).enum_values(Some($words));
                    words.description(Some($about)).into()
                }
            }

            impl ToSchema for $name {}
        )*
    };
}

words! {
    #[doc = "State of an upload."]
    UploadWord, UploadState::ALL.map(UploadState::word);
    #[doc = "State of a job."]
    JobWord, JobState::ALL.map(JobState::word);
    #[doc = "The supported version of tus."]
    TusVersion, [VERSION];
    #[doc = "Policies for a name that is taken."]
    TakenName, OnConflict::ALL.map(OnConflict::word);
    #[doc = "Sort key of the asset list; a leading `-` reverses the order."]
    SortWord, AssetSort::ALL.into_iter().flat_map(|sort| [sort.word().to_owned(), format!("-{}", sort.word())]);
}

/// The bytes of a file.
#[derive(Debug)]
pub(super) struct FileBytes;

impl PartialSchema for FileBytes {
    fn schema() -> RefOr<Schema> {
        let format = SchemaFormat::KnownFormat(KnownFormat::Binary);
        ObjectBuilder::new().schema_type(Type::String).format(Some(format)).into()
    }
}

impl ToSchema for FileBytes {}

/// A tag: 1 to 64 characters.
#[derive(Debug)]
pub(super) struct Tag;

impl PartialSchema for Tag {
    fn schema() -> RefOr<Schema> {
        let text = ObjectBuilder::new().schema_type(Type::String).min_length(Some(1)).max_length(Some(64));
        text.pattern(Some("^[^\\x00-\\x1f\\x7f-\\x9f]+$")).into()
    }
}

impl ToSchema for Tag {}

/// Custom keys and their values.
#[derive(Debug)]
pub(super) struct Custom;

impl PartialSchema for Custom {
    fn schema() -> RefOr<Schema> {
        let key = ObjectBuilder::new().schema_type(Type::String).pattern(Some("^[A-Za-z0-9_.-]{1,64}$"));
        let value = ObjectBuilder::new().schema_type(SchemaType::from_iter([Type::String, Type::Null]));
        let value = value.min_length(Some(1)).max_length(Some(1_000)).pattern(Some("^[^\\x00-\\x1f\\x7f-\\x9f]+$"));
        let object = ObjectBuilder::new().schema_type(Type::Object).property_names(Some(key)).max_properties(Some(32));
        object.additional_properties(Some(value)).into()
    }
}

impl ToSchema for Custom {}
