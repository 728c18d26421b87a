//! The database: what holds on SQLite holds on PostgreSQL. Times are made up: the database does not know the time.

#![allow(
    clippy::indexing_slicing,
    clippy::needless_pass_by_value,
    clippy::unwrap_used,
    reason = "what panics here fails a test, and laws are written where they are handed over"
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
