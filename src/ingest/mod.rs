//! Ingest: turns received bytes into playable assets. Uploads, jobs, publishing.
//!
//! ```text
//! tus ──┐                       ┌─ one asset.json, put last
//! PUT ──┼─ creation ─ append ─ finish ─► trial (catalog) ─► published, or refused by name
//! URL ──┘ (import)     │           ▲
//!                  store draft     └── worker: a leased job, any process, again after a crash
//! ```
//! `tus`, `metadata` and `digest` hold the rules of the protocol, `name` the names; none of them waits for I/O.
//! Promises to clients are rows in the library, written after the bytes are durable; the next step is a job in the same
//! transaction. `removal` deletes and restores assets, `discover` asks GStreamer about files.

mod annotate;
mod append;
mod condition;
mod creation;
mod digest;
mod discover;
mod error;
mod finish;
mod gate;
mod import;
mod listing;
mod metadata;
mod name;
mod random;
mod removal;
mod report;
mod revision;
mod service;
mod stranded;
mod tidy;
pub mod tus;
mod version;
mod worker;
mod writers;

pub use creation::UploadRequest;
pub use digest::ALGORITHMS;
pub use error::Error;
pub use gate::Trial;
pub use import::refusal;
pub use metadata::Metadata;
pub use name::extension;
pub use random::token;
pub use report::{Placement, placement};
pub use revision::{DescriptionChange, FieldChange};
pub use service::{Ingest, IngestStores, Settings, now};
