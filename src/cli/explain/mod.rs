//! `afflux explain URL`: reports which route, track and byte ranges answer a URL of this server. Needs no running
//! server.
//!
//! `run` opens the asset, `answer` explains the route, `cmaf` and `transport` explain a segment of their packaging in
//! the types of `view`, and `lines` prints them.

mod answer;
mod cmaf;
mod lines;
mod run;
mod transport;
mod view;

pub use run::run;
