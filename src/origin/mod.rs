//! Route → Reply: what is asked, answered. `answer` is the whole story on one screen.

mod answer;
mod content;
mod error;
mod gallery;
mod stages;
mod transport;

pub use answer::{Caching, Origin, Reply, Settings, catalog};
pub use content::Content;
pub use error::Error;
pub use stages::Stages;
pub use transport::streams;
