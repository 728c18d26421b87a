//! Stored objects: what is there, and exact bytes of one version of each.
//!
//! Paths are plain relative names between slashes, `""` is the root. `tree` finds the store that a path is in: a local
//! `folder`, whose files are `held` open and may be sent as a `span`, or a `remote` object store, listed by `pages`, whose objects are
//! `stored`, read by `blocks`, and may have a `note` of ours beside them. What is small is written whole (`writing`: to
//! `disk`, or by `sending` it), what comes piece by piece is a `draft` until it is there.
//! Nothing outside the surface here knows which of them is behind it.

mod blocks;
mod disk;
mod draft;
mod error;
mod fault;
mod folder;
mod held;
mod listing;
mod name;
mod note;
mod object;
mod pages;
mod places;
mod reading;
mod remote;
mod sending;
mod shared;
mod skills;
mod span;
mod spare;
mod stamp;
mod stored;
mod system;
#[cfg(test)]
mod tests;
mod tree;
mod uploads;
mod walk;
mod web;
mod writing;

pub use blocks::BLOCK;
pub use draft::{Draft, Left};
pub use error::Error;
pub use listing::Listing;
pub use name::{is_media, is_plain};
pub use object::Object;
pub use remote::Patience;
pub use span::Span;
pub use spare::{CHUNK_LIMIT, SPARE_LIMIT, Spare};
pub use stamp::Stamp;
pub use tree::Store;
pub use walk::{Walk, Walked, Wanted};
pub use web::fetcher;
pub use writing::Removal;
