//! Receives the bytes of uploads, up to the point where all are durable.
//!
//! ```text
//! tus (headers: metadata, digest) ─┐
//! put (one request) ───────────────┼─► creation ─► append ─► received, and the job that publishes it ─► settled
//! direct (by signed URL) ──────────┘     │            ├ writers: one at a time
//!                          name, claim, condition     └ pace: the least rate
//! ```
//! `cancel` gives uploads up.

pub(super) mod append;
pub(super) mod cancel;
pub(super) mod claim;
pub(super) mod condition;
pub(super) mod creation;
pub(super) mod digest;
pub(super) mod direct;
pub(super) mod metadata;
pub(super) mod name;
pub(super) mod pace;
pub(super) mod put;
pub(super) mod settled;
pub mod tus;
pub(super) mod writers;
