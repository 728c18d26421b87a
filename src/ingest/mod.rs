//! Ingest: turns received bytes into playable assets. Uploads, jobs, publishing.
//!
//! ```text
//! receive                                    publish (a leased job, any process, again after a crash)
//! tus ──┐                                      ┌─ one asset.json, put last
//! PUT ──┼─ creation ─ append ─► store draft ─► finish ─► trial (catalog) ─► published, or refused by name
//! URL ──┘ (jobs/import)                        └─ assets: deleted, restored, purged, described
//! ```
//! Folders use those to their left: receive, assets, publish, jobs. All use `service`, the state that they share.
//! Promises to clients are rows in the library, written after the bytes are durable; the next step is a job in the same
//! transaction.

mod announcements;
mod assets;
mod clock;
mod error;
mod jobs;
mod publish;
mod random;
mod receive;
mod service;
mod settings;
mod task;

pub use assets::revision::{DescriptionChange, FieldChange};
pub use clock::now;
pub use error::Error;
pub use publish::report::{Placement, placement};
pub use random::token;
pub use receive::creation::UploadRequest;
pub use receive::digest::ALGORITHMS;
pub use receive::metadata::Metadata;
pub use receive::name::extension;
pub use receive::put::refusal;
pub use receive::tus;
pub use service::{Ingest, IngestStores};
pub use settings::{Settings, Trial};
