//! Route → Reply. `answer` is the whole story on one screen; `stream` answers the parts of streams, `segment` and
//! `delivery` get the bytes of segments, `manifests` the playlists.

mod ahead;
mod answer;
mod content;
mod delivery;
mod error;
mod gallery;
mod manifests;
mod printing;
mod reply;
mod segment;
mod source;
mod stages;
mod stream;

pub use answer::{Origin, Settings, catalog};
pub use content::{Content, Demand};
pub use delivery::{Media, ResponseChunk};
pub use error::Error;
pub use printing::ManifestLimits;
pub use reply::{Caching, Reply};
pub use stages::Stages;
