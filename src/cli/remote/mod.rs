//! Commands that are clients of the API: they send requests over HTTP, and print the responses as tables or JSON.
//!
//! ```text
//! args ── run ──┬── upload ── sending (tus) ── part (bytes from disk)
//!               │      └── memory: which file goes where, across kills
//!               ├── lists: assets, jobs, keys ── tables
//!               └── direct: a key, without a server
//!                        all but the last by api: one client, its key, its errors
//! ```

mod api;
mod args;
mod direct;
mod error;
mod lists;
mod memory;
mod part;
mod run;
mod sending;
mod tables;
mod upload;

pub use args::{AssetsArgs, JobsArgs, KeysArgs, UploadArgs};
pub use run::{assets, jobs, keys, upload};
