//! The origin: replies to media routes with manifests, segments and stored files. Start reading at `answer`.

mod ahead;
mod answer;
mod cmaf;
mod content;
mod error;
mod gallery;
mod media;
mod printing;
mod reply;
mod segment;
mod source;
mod stages;
mod standing;
mod transport;

pub use answer::{Origin, Settings, catalog};
pub use content::{Content, Wish};
pub use error::Error;
pub use media::Media;
pub use printing::ManifestLimits;
pub use reply::{Caching, Reply};
pub use stages::Stages;
pub use standing::Lump;
pub use transport::streams;

pub use crate::catalog::Query;
pub use crate::store::FileRange;
