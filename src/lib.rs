//! Afflux: an origin server for adaptive video. Stored MP4s become HLS and DASH at the moment a player asks.
//!
//! ```text
//!            core: says which bytes                          shell: gets them
//!   media ── route                                    store ── catalog ─┐
//!     └──── demux ── plan ── mux ── verdict ── manifest cache ────────────┴── origin ── http
//!                                                     library ── ingest ── control: uploads
//! ```
//! The modules below stand in the order in which data flows; `tests/architecture.rs` lists the allowed dependencies.

pub mod cache;
pub mod catalog;
pub mod cli;
pub mod config;
pub mod control;
pub mod demux;
pub mod http;
pub mod ingest;
pub mod library;
pub mod lint;
pub mod manifest;
// Tests share support code with `tests/`, where this crate is named `afflux`.
#[cfg(test)]
extern crate self as afflux;

pub mod media;
pub mod metrics;
pub mod mux;
pub mod origin;
pub mod plan;
pub mod route;
pub mod store;
pub mod verdict;
