//! What will be served of an asset: its tracks on one timeline, their segments, and how they go together.

mod cadence;
#[cfg(test)]
mod corners;
mod cuts;
mod error;
mod frozen;
mod ladder;
mod limits;
mod program;
mod segments;
mod silence;
mod start;
mod timeline;
mod version;

pub use cadence::Cadence;
pub use error::Refusal;
pub use frozen::PLAN_REVISION;
pub use ladder::{Alignment, Plan, Planned, Settings, Source};
pub use limits::Limits;
pub use program::{Program, Slice, Streams};
pub use segments::{Opening, Segment, Weight};
pub use timeline::{LATE, SHIFT_SECONDS, Served, Timeline};
pub use version::PACKAGER_REVISION;
