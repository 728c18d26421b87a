//! Publishes received uploads: tries the file, makes it a part of its asset, or refuses it with a reason.
//!
//! ```text
//! finish ─► gate (trial in a child process) ─► asset.json ─► report
//!   └ refused: discover asks GStreamer for the file's format
//! ```

pub(super) mod discover;
pub(super) mod finish;
pub(super) mod gate;
pub(super) mod report;
