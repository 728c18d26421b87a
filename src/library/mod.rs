//! The database of the control plane: what is being uploaded, what is to be done, who may ask, which assets there are.
//!
//! ```text
//!   database  open, ping, close ── sqlite, postgres, migrate (migrations/*.sql)
//!      │
//!   engine    SQLite or PostgreSQL: one way to talk ── value (parameters, rows) ── error
//!      │
//!   uploads   receiving ─► received ─► published      one writer at a time, fenced by an epoch
//!   jobs      queued ─► running ─► done               one worker at a time, fenced by attempt and owner
//!   lease       └ claim, renew, complete, fail …      wake: who waits for jobs
//!   keys      who may call: hashes, never secrets; tokens: the same for one upload
//!   assets    what the catalogue lists; a lock on each name
//! ```
//! Nothing here knows the time: `now` is an argument, in milliseconds since the epoch. Where several processes ask for the
//! same thing at once, exactly one gets it, and the answer says who. What was answered with `Ok` lasts.

mod assets;
mod database;
mod engine;
mod error;
mod jobs;
mod keys;
mod lease;
mod listing;
mod locks;
mod migrate;
mod paging;
mod postgres;
mod quota;
mod reserve;
mod sqlite;
mod tokens;
mod uploads;
mod usage;
mod value;
mod wake;

pub use assets::{AssetRow, Change};
pub use database::Library;
pub use error::Error;
pub use jobs::{Depth, Job, JobState, NewJob};
pub use keys::Key;
pub use lease::{PUBLISHING, Renewal};
pub use listing::{AssetQuery, AssetSort};
pub use paging::LIMIT;
pub use tokens::UploadToken;
pub use uploads::{NewUpload, Stranded, Upload, UploadState};
