//! Asset → [`Asset`]: which files it is, held open; what is in them; and what will be served. Published whole.
//!
//! What an asset is stands in `ladder` and `shape`, which know no files; `folders` looks at the store (`named`,
//! where that cannot be listed), `movies` reads
//! what files are, `places` keeps that for longer than the program runs, in a folder (`persisted`) or beside
//! the object, `settle` holds back what is being written, `build` puts an asset together, `open` keeps it and
//! notices change, `history` holds what was replaced, `gone` names what was removed, `names` knows what there is, `page` lists it, `publish` is for whoever writes.

mod annotations;
mod asset;
mod build;
mod error;
mod folders;
mod gone;
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
mod settle;
mod shape;
#[cfg(test)]
mod tests;

pub use annotations::Annotation;
pub use asset::{Asset, AssetFile};
pub use error::{Error, Reason};
pub use gone::Gone;
pub use ignored::{Ignored, format_of};
pub use ladder::Loose;
pub use open::{Catalog, Settings};
pub use page::{ListedName, NamesPage, Page, Query};
pub use places::Lasting;
pub use publish::Claim;
