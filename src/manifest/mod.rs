//! A plan as text: HLS playlists and the DASH manifest. Both list the same segments, because both read the same plan.

#[cfg(test)]
mod corners;
mod dash;
mod hls;
mod names;
mod rates;
mod texts;

pub use rates::{FrameRate, Rates};
pub use texts::{Manifests, Text};
