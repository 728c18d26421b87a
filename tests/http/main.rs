//! HTTP conformance over raw sockets, against the real binary and the fixtures.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test that panics has failed")]

mod access;
mod claims;
mod clients;
mod codings;
mod conditions;
#[path = "../support/desk.rs"]
mod desk;
mod errors;
mod gallery;
mod half_sent;
mod private;
mod proxies;
mod ranges;
mod replicas;
mod served;
mod shapes;
mod site;
mod sites;
#[path = "../support/slow.rs"]
mod slow;
#[path = "../support/mod.rs"]
mod support;
mod timing;
