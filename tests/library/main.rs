//! The database: the same laws hold on SQLite and PostgreSQL. Times are made up, as the database does not read the
//! clock.

#![allow(
    clippy::indexing_slicing,
    clippy::needless_pass_by_value,
    clippy::unwrap_used,
    reason = "a test that panics has failed, and laws are written where they are handed over"
)]

mod assets;
mod bad_days;
mod jobs;
mod keys;
mod model;
#[path = "../support/postgres.rs"]
mod postgres;
mod processes;
mod scene;
mod uploads;
