//! The control plane's database: uploads, jobs, API keys, upload tokens and assets.
//!
//! ```text
//!   database  open, ping, close ── sqlite, postgres, migrate (migrations/*.sql)
//!      │
//!   engine    one interface to SQLite and PostgreSQL ── value (parameters, rows) ── error
//!      │
//!   uploads   receiving ─► received ─► published      one writer at a time, fenced by an epoch
//!   jobs      queued ─► running ─► done               one worker at a time, fenced by attempt and owner
//!   lease       └ claim, renew, complete, fail …      wake: wakes workers that wait for jobs; kind: kinds of jobs
//!   keys      API keys: hashes, never secrets; tokens: upload tokens, for one upload each
//!   assets    rows of the asset list; locks: one publisher per asset name
//! ```
//! No function reads the clock: `now` is an argument, in milliseconds since the epoch. If several processes compete for
//! the same row, exactly one gets it, and the result tells each whether it did. A change is durable once it returns
//! `Ok`.

mod assets;
mod database;
mod engine;
mod error;
mod jobs;
mod keys;
mod kind;
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

pub use assets::{AssetChange, AssetRow};
pub use database::Library;
pub use error::Error;
pub use jobs::{Job, JobState, NewJob, QueueDepth};
pub use keys::ApiKey;
pub use kind::JobKind;
pub use lease::{JobLease, Renewal};
pub use listing::{AssetQuery, AssetSort};
pub use paging::LIMIT;
pub use tokens::UploadToken;
pub use uploads::{NewUpload, Settlement, StrandedUpload, Upload, UploadState};
