//! Stored objects: what is there, and exact bytes of one version of each.
//!
//! A local folder today. Paths are plain relative names between slashes, `""` is the root; nothing outside the
//! surface here knows that files are behind it.

mod error;
mod folder;
mod name;
mod object;
mod reading;
mod shared;
mod spare;
mod system;
#[cfg(test)]
mod tests;

pub use error::Error;
pub use folder::{Listing, Store, Walked};
pub use name::{is_media, is_plain};
pub use object::{Object, Stamp};
pub use spare::{CHUNK_LIMIT, SPARE_LIMIT, Spare};
