//! Route → Reply: what is asked, answered. `answer` is the whole story on one screen.

mod answer;
mod cmaf;
mod content;
mod error;
mod gallery;
mod reply;
mod stages;
mod transport;

pub use answer::{Origin, Settings, catalog};
pub use content::Content;
pub use error::Error;
pub use reply::{Caching, Reply};
pub use stages::Stages;
pub use transport::streams;
