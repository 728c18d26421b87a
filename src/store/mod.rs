//! The store: lists stored objects, and reads exact bytes of one version of each.
//!
//! Paths are relative: plain names separated by slashes; `""` is the root. `tree` finds the store that holds a path: a
//! local `folder`, whose files stay open (`held`) and can be sent with sendfile (`span`), or a `remote` object store.
//! Folders of an object store are listed by `pages`; its objects are `stored` versions, read in `blocks`, and our index
//! of an object can lie beside it as a `note`. Small objects are written whole (`writing`, through `disk` or
//! `sending`); large ones arrive piece by piece as a `draft`. Callers see only the types exported here and need not
//! know which kind of store they use.

mod backend;
mod context;
mod draft;
mod error;
mod listing;
mod local;
mod name;
mod object;
mod places;
mod remote;
mod removal;
mod spare;
mod stamp;
#[cfg(test)]
mod tests;
mod tree;
mod walk;
mod writing;

pub use draft::{Draft, Leftover};
pub use error::Error;
pub use listing::Listing;
pub use local::FileRange;
pub use name::{is_media, is_plain};
pub use object::Object;
pub use remote::{BLOCK, RemoteTimeouts, fetcher};
pub use removal::Removal;
pub use spare::{CHUNK_LIMIT, ChunkPool, SPARE_LIMIT};
pub use stamp::Stamp;
pub use tree::Store;
pub use walk::{StillWanted, Walk, WalkedFolder};
