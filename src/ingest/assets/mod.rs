//! Changes of assets that exist: descriptions, deletion, restoration, purge, and the rows that list them.
//!
//! `record` writes `asset.json` and makes rows, `version` identifies stored files, `deleted` is the state before a
//! deletion. `listing` and `annotate` follow changes that others make.

pub(super) mod annotate;
pub(super) mod deleted;
pub(super) mod deletion;
pub(super) mod listing;
pub(super) mod purge;
pub(super) mod record;
pub(super) mod revision;
pub(super) mod version;
