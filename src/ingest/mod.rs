//! From bytes that are handed in to something that plays: uploads, jobs, publishing.
//!
//! ```text
//! tus ──┐                       ┌─ one asset.json, put last
//! PUT ──┼─ creation ─ append ─ finish ─► trial (catalog) ─► published, or refused by name
//! URL ──┘ (import)     │           ▲
//!                  store draft     └── worker: a leased job, any process, again after a crash
//! ```
//! Rules of the protocol stand in `tus`, `metadata` and `digest`, names in `name`: none of them waits for anything. What
//! is promised is a row in the library, written after the bytes are durable; what happens next is a job in the same
//! transaction. `removal` takes assets away and gives them back, `discover` has GStreamer look at files too.

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

pub use creation::Wanted;
pub use digest::ALGORITHMS;
pub use error::Error;
pub use gate::Trial;
pub use import::refusal;
pub use metadata::Metadata;
pub use name::extension;
pub use random::token;
pub use report::{Placement, placement};
pub use revision::{FieldChange, Revision};
pub use service::{Ingest, Settings, now};
