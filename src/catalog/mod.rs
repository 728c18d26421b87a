//! Catalog: finds the files of an asset by its name, opens them, reads their indexes, plans the segments, and publishes
//! the result as one complete [`Asset`].
//!
//! `ladder` and `shape` decide which files form an asset, without I/O. `folders` lists the store, or `named` looks
//! files up where it cannot be listed; `settle` holds back files that are being written. `movies` caches the indexes of
//! files, which come from their `headers`; `places` saves them across restarts, in a folder (`persisted`) or beside the
//! object. `build` puts an asset together, `check` caches it and notices changes, `open` is the interface to the cached
//! assets. `history` holds replaced versions, `gone` remembers removed names. `names` is the index of all names, `page`
//! lists it, and `publish` serves the publisher.

mod annotations;
mod asset;
mod build;
mod check;
mod error;
mod folders;
mod gone;
mod headers;
mod history;
mod ignored;
mod ladder;
mod movies;
mod named;
mod names;
mod open;
mod page;
mod persisted;
mod places;
mod publish;
mod settings;
mod settle;
mod shape;
#[cfg(test)]
mod tests;

pub use annotations::Annotation;
pub use asset::{Asset, AssetFile};
pub use error::{Error, Reason};
pub use gone::GoneReason;
pub use ignored::{IgnoredFiles, format_of};
pub use ladder::LooseReason;
pub use open::Catalog;
pub use page::{AssetPage, ListedName, NamesPage, Query};
pub use places::IndexPersistence;
pub use publish::ExistingAsset;
pub use settings::Settings;
