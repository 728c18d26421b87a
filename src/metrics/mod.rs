//! Metrics: counters, gauges and histograms, and the words for their labels. All other modules may use this one; it
//! uses none.

mod counters;
mod lasting;
mod per;
mod service;
mod times;
mod words;

pub use counters::{MEDIA_TYPE, Metrics};
pub use lasting::{BuildGauge, GaugeGuard};
pub use service::{JobQueue, UploadOutcome};
pub use words::{CacheKind, Compression, Outcome, RequestKind, Stage, Tier};
