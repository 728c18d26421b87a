//! The problem types that the server answers with (RFC 9457 §3.1.1), on all listeners: each has a stable name, a status
//! and a title. `docs/errors.md` explains the cause and cure of each.

use hyper::StatusCode;

/// Prefix of every type URI.
const PREFIX: &str = "urn:afflux:problem:";

/// Declares the problem types: variant, status, last part of the type URI, title.
macro_rules! kinds {
    ($($variant:ident, $status:literal, $name:literal, $title:literal;)*) => {
        /// The type of a problem. Names never change; new ones may be added.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum ProblemKind {
            $(#[doc = $title] $variant,)*
        }

        impl ProblemKind {
            /// All types, ordered by status.
            pub const ALL: &[Self] = &[$(Self::$variant,)*];

            const fn row(self) -> (u16, &'static str, &'static str) {
                match self {
                    $(Self::$variant => ($status, $name, $title),)*
                }
            }
        }
    };
}

// The tus protocol defines status 460 (§Checksum).
kinds! {
    BadRequest, 400, "bad-request", "The request cannot be understood";
    BadQuery, 400, "bad-query", "A query parameter is unknown or out of its bounds";
    BadHeader, 400, "bad-header", "A header is missing or cannot be understood";
    BadJson, 400, "bad-json", "The body is not JSON";
    BadName, 400, "bad-name", "No asset can have this name";
    KeyMissing, 401, "key-missing", "The request has no API key";
    KeyUnknown, 401, "key-unknown", "The API key is not known";
    KeyRevoked, 401, "key-revoked", "The API key was revoked";
    KeyExpired, 401, "key-expired", "The API key has expired";
    ScopeTooNarrow, 403, "scope-too-narrow", "The API key does not allow this";
    TokenSpent, 403, "token-spent", "The upload token was used before";
    AssetNotFound, 404, "asset-not-found", "There is no such asset, track, segment or file";
    UploadNotFound, 404, "upload-not-found", "There is no such upload";
    JobNotFound, 404, "job-not-found", "There is no such job";
    KeyNotFound, 404, "key-not-found", "There is no such key";
    PathNotFound, 404, "path-not-found", "Nothing answers at this path";
    NotInMpegTs, 404, "not-in-mpeg-ts", "MPEG-TS cannot carry this asset";
    MethodNotAllowed, 405, "method-not-allowed", "This path does not have this method";
    BodyTooSlow, 408, "body-too-slow", "The body arrives too slowly";
    Conflict, 409, "conflict", "The present state does not allow this";
    OffsetMismatch, 409, "offset-mismatch", "The bytes belong at another offset";
    VersionGone, 410, "version-gone", "This version is no longer stored";
    AssetGone, 410, "asset-gone", "The asset was deleted or removed";
    UploadGone, 410, "upload-gone", "The upload has expired or was given up";
    PreconditionFailed, 412, "precondition-failed", "A precondition of the request failed";
    TusVersion, 412, "tus-version", "Another version of tus is spoken here";
    BodyTooLarge, 413, "body-too-large", "The body is larger than allowed";
    UploadTooLarge, 413, "upload-too-large", "The upload is larger than allowed";
    UrlTooLong, 414, "url-too-long", "The path is longer than allowed";
    MediaType, 415, "media-type", "The body has another media type than is taken here";
    FileType, 415, "file-type", "The file has a type that is not taken";
    RangeNotSatisfiable, 416, "range-not-satisfiable", "No byte of the range exists";
    BadField, 422, "bad-field", "A field of the body is missing, unknown or out of its bounds";
    FileUnplayable, 422, "file-unplayable", "The file cannot be played";
    UploadTakenOver, 423, "upload-taken-over", "Another request continues this upload";
    TooManyMisses, 429, "too-many-misses", "Too many names that are not here were asked for";
    ChecksumMismatch, 460, "checksum-mismatch", "The bytes do not have the announced checksum";
    Internal, 500, "internal", "The server made a mistake";
    StoreUnable, 501, "store-unable", "This store cannot do that";
    StoreFailed, 502, "store-failed", "The store failed";
    Busy, 503, "busy", "Too much is being built at the moment";
    Interrupted, 503, "interrupted", "The work was interrupted";
    NameHeld, 503, "name-held", "Another publishes this asset at the moment";
    LibraryAway, 503, "library-away", "The library does not answer";
    NotReady, 503, "not-ready", "The server takes no requests at the moment";
    StoreFull, 507, "store-full", "The store is full";
}

impl ProblemKind {
    /// HTTP status of the response.
    #[must_use]
    pub fn status(self) -> StatusCode {
        StatusCode::from_u16(self.row().0).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
    }

    /// Last part of the type URI.
    #[must_use]
    pub const fn name(self) -> &'static str {
        self.row().1
    }

    /// The problem in one sentence, which is always the same.
    #[must_use]
    pub const fn title(self) -> &'static str {
        self.row().2
    }

    /// The type URI.
    #[must_use]
    pub fn uri(self) -> String {
        format!("{PREFIX}{}", self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::ProblemKind;
    use std::collections::BTreeSet;

    #[test]
    fn names_and_titles_are_told_apart_and_ordered_by_status() {
        let names: BTreeSet<&str> = ProblemKind::ALL.iter().map(|kind| kind.name()).collect();
        let titles: BTreeSet<&str> = ProblemKind::ALL.iter().map(|kind| kind.title()).collect();
        assert_eq!((names.len(), titles.len()), (ProblemKind::ALL.len(), ProblemKind::ALL.len()));
        assert!(ProblemKind::ALL.is_sorted_by_key(|kind| kind.status()));
    }

    #[test]
    fn the_documentation_tells_every_type_with_its_status() {
        let text = include_str!("../../docs/errors.md");
        let told: Vec<(&str, &str)> = text
            .lines()
            .filter_map(|line| line.strip_prefix("| `")?.split_once("` | "))
            .map(|(name, rest)| (name, rest.split(" |").next().unwrap()))
            .collect();
        let kinds = ProblemKind::ALL.iter().map(|kind| (kind.name(), kind.status().as_u16().to_string()));
        let kinds: Vec<(&str, String)> = kinds.collect();
        let expected: Vec<(&str, &str)> = kinds.iter().map(|(name, status)| (*name, status.as_str())).collect();
        assert_eq!(told, expected);
    }
}
