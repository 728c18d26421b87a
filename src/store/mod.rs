//! Stored objects: what is there, and exact bytes of one version of each.
//!
//! Paths are plain relative names between slashes, `""` is the root. `tree` finds the store that a path is in: a local
//! `folder`, whose files are `held` open, or a `remote` object store, whose objects are `stored`, read by `blocks`, and may
//! have a `note` of ours beside them.
//! Nothing outside the surface here knows which of them is behind it.

mod blocks;
mod error;
mod fault;
mod folder;
mod held;
mod name;
mod note;
mod object;
mod places;
mod reading;
mod remote;
mod shared;
mod spare;
mod stamp;
mod stored;
mod system;
#[cfg(test)]
mod tests;
mod tree;
mod web;

pub use blocks::BLOCK;
pub use error::Error;
pub use folder::{Listing, Walked};
pub use name::{is_media, is_plain};
pub use object::Object;
pub use remote::Patience;
pub use spare::{CHUNK_LIMIT, SPARE_LIMIT, Spare};
pub use stamp::Stamp;
pub use tree::Store;
