//! Prints the manifests of a plan: HLS playlists of CMAF and of MPEG-TS, and the DASH manifest. All list the same
//! segments, because all are printed from the same plan.

#[cfg(test)]
mod corners;
mod dash;
mod groups;
mod hls;
mod names;
mod rates;
mod texts;
mod ts;

pub use rates::{FrameRate, Rates};
pub use texts::{Manifests, Text};
pub use ts::{Lineup, TsManifests};
