//! What is being made, by one maker per key, and what is kept, within a bound of bytes.

mod bodies;
mod body;
mod failures;
mod ghosts;
mod governor;
mod kept;
mod ledger;
mod makers;
mod shelves;
mod tiers;
mod work;

pub use bodies::{Bodies, Filler, Size};
pub use body::{Body, Look};
pub use governor::{Governor, Shed, Turn};
pub use kept::{Cache, Limits};
pub use ledger::Ledger;
pub use makers::{Lost, Makers, Pending, Share};
pub use shelves::Entry;
pub use tiers::Tiers;
