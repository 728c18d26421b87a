//! Counters and their words. A leaf: everyone counts, nobody is asked.

mod counters;
mod lasting;
mod per;
mod times;
mod words;

pub use counters::{MEDIA_TYPE, Metrics};
pub use lasting::{Lasting, Making};
pub use words::{Asked, Kept, Outcome, Packing, Stage, Tier};
