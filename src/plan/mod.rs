//! Plans an asset: places its tracks on one timeline, cuts them into segments, and groups them into transport streams.

mod cadence;
#[cfg(test)]
mod corners;
mod cuts;
mod error;
mod frozen;
mod ladder;
mod limits;
mod segments;
mod silence;
mod start;
mod stream;
mod timeline;
mod version;

pub use cadence::Cadence;
pub use error::PlanError;
pub use frozen::PLAN_REVISION;
pub use ladder::{Alignment, Plan, Planned, Settings, SourceFile};
pub use limits::Limits;
pub use segments::{AccessPoint, Segment, Weight};
pub use stream::{Program, Selection, Slice, Stream};
pub use timeline::{LATE, SHIFT_SECONDS, ServedSample, Timeline};
pub use version::PACKAGER_REVISION;
