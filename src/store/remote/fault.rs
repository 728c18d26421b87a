//! Classifies errors of object stores: whether a retry may help, and what to report.

use crate::store::error::Error;
use std::error::Error as StdError;

/// Beginning of the message if the settings do not allow a host or an address.
pub(super) const NOT_ALLOWED: &str = "not allowed";

/// Codes of errors that no retry helps against, whatever status they come with.
const REFUSALS: [&str; 13] = [
    "AccessDenied",
    "AuthenticationFailed",
    "AuthorizationFailure",
    "AuthorizationPermissionMismatch",
    "ContainerNotFound",
    "ExpiredToken",
    "InvalidAccessKeyId",
    "InvalidBucketName",
    "InvalidToken",
    NOT_ALLOWED,
    "NoSuchBucket",
    "RequestTimeTooSkewed",
    "SignatureDoesNotMatch",
];

/// Class of an error of an object store.
#[derive(Debug)]
pub(in crate::store) enum Fault {
    /// It may pass by itself: the network, a server that is overloaded or restarting.
    Passing {
        /// The error in one line.
        why: String,
        /// Whether the store asks for fewer requests.
        slow: bool,
    },
    /// The object does not exist, or is another version.
    Gone,
    /// A retry does not help. The error in one line.
    Refused(String),
}

impl Fault {
    /// Classifies `error`.
    pub(in crate::store) fn of(error: &object_store::Error) -> Self {
        use object_store::Error as E;
        let why = error_line(error);
        match error {
            _ if REFUSALS.iter().any(|code| why.starts_with(code)) => Self::Refused(why),
            E::NotFound { .. } | E::Precondition { .. } | E::NotModified { .. } => Self::Gone,
            E::PermissionDenied { .. } | E::Unauthenticated { .. } if !why.starts_with("SlowDown") => {
                Self::Refused(why)
            }
            E::InvalidPath { .. } | E::NotSupported { .. } | E::NotImplemented { .. } => Self::Refused(why),
            _ if why.starts_with("InvalidRange") || why.contains("416 ") => Self::Gone,
            // A store in memory reports a missing upload like this.
            _ if why.starts_with("MultipartUpload not found") => Self::Gone,
            _ => {
                let slow = ["SlowDown", "503 ", "429 "].iter().any(|word| why.contains(word));
                Self::Passing { why, slow }
            }
        }
    }

    /// Whether it proves that an HTTP server answers, even if not with the requested object.
    pub(super) fn is_answer(&self) -> bool {
        match self {
            Self::Gone => true,
            Self::Passing { why, .. } => why.contains("Content-Length Header missing"),
            Self::Refused(why) => !why.starts_with(NOT_ALLOWED),
        }
    }

    /// The fault of a store that did not answer within `after`.
    pub(super) fn silence(after: std::time::Duration) -> Self {
        Self::Passing { why: format!("no answer within {} ms", after.as_millis()), slow: false }
    }

    /// The error to report about `path` after the last attempt.
    pub(in crate::store) fn error(self, path: &str) -> Error {
        let path = path.to_owned();
        match self {
            Self::Passing { why, .. } => Error::Away { path, why: why.into() },
            Self::Refused(why) => Error::Refused { path, why: why.into() },
            Self::Gone => Error::Changed { path },
        }
    }
}

/// The most informative line of an error: code and message of the service if the answer has them, else the innermost
/// cause.
pub(in crate::store) fn error_line(error: &(dyn StdError + 'static)) -> String {
    let (mut innermost, mut all) = (error.to_string(), error.to_string());
    let mut next = error.source();
    while let Some(source) = next {
        innermost = source.to_string();
        if !all.contains(&innermost) {
            all.push_str(&innermost);
        }
        next = source.source();
    }
    let said = match (between(&all, "<Code>", "</Code>"), between(&all, "<Message>", "</Message>")) {
        (Some(code), Some(message)) => format!("{code}: {message}"),
        (Some(code), None) => code.to_owned(),
        (None, _) => innermost,
    };
    said.split_whitespace().collect::<Vec<_>>().join(" ")
}

pub(super) fn between<'a>(text: &'a str, from: &str, to: &str) -> Option<&'a str> {
    let (_, behind) = text.split_once(from)?;
    behind.split_once(to).map(|(inside, _)| inside)
}

#[cfg(test)]
mod tests {
    use super::{Fault, error_line};
    use object_store::Error;

    fn generic(text: &str) -> Error {
        Error::Generic { store: "S3", source: text.to_owned().into() }
    }

    #[test]
    fn what_a_service_says_is_told_in_one_line() {
        let body = "Server returned non-2xx status code: 403 Forbidden: <Error><Code>RequestTimeTooSkewed</Code>\n<Message>The difference is\n too large</Message></Error>";
        assert_eq!(error_line(&generic(body)), "RequestTimeTooSkewed: The difference is too large");
        assert_eq!(error_line(&generic("connection refused")), "connection refused");
    }

    #[test]
    fn a_store_that_asks_for_patience_is_given_it() {
        let slow = |text| matches!(Fault::of(&generic(text)), Fault::Passing { slow: true, .. });
        assert!(slow("<Code>SlowDown</Code><Message>Please reduce your request rate.</Message>"));
        assert!(slow("Server returned non-2xx status code: 503 Service Unavailable: "));
        assert!(!slow("connection refused"));
    }

    #[test]
    fn a_bucket_that_is_not_there_is_no_object_that_went_away() {
        let source = "<Code>NoSuchBucket</Code><Message>The specified bucket does not exist</Message>".to_owned();
        let error = Error::NotFound { path: "a".into(), source: source.into() };
        assert!(matches!(Fault::of(&error), Fault::Refused(_)));
        let error = Error::NotFound { path: "a".into(), source: "<Code>NoSuchKey</Code>".to_owned().into() };
        assert!(matches!(Fault::of(&error), Fault::Gone));
    }
}
