//! The clock of ingest, in milliseconds since 1970.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Current time in milliseconds since 1970.
#[must_use]
pub fn now() -> i64 {
    millis(SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default())
}

/// A duration in milliseconds.
pub(super) fn millis(span: Duration) -> i64 {
    i64::try_from(span.as_millis()).unwrap_or(i64::MAX)
}

/// The time `span` from now, in milliseconds since 1970.
pub(super) fn later(span: Duration) -> i64 {
    now().saturating_add(millis(span))
}
