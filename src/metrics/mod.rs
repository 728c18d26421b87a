//! Counters and their words. A leaf: everyone counts, nobody is asked.

mod counters;
mod lasting;
mod per;
mod service;
mod times;
mod words;

pub use counters::{MEDIA_TYPE, Metrics};
pub use lasting::{Lasting, Making};
pub use service::{Fate, Queue};
pub use words::{Asked, Kept, Outcome, Packing, Stage, Tier};
