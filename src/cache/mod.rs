//! What is being made, by one maker per key, and what is kept, within a bound of bytes.

mod ghosts;
mod kept;
mod makers;
mod shelves;
mod tiers;

pub use kept::{Cache, Limits, weigh_body};
pub use makers::{Lost, Makers, Pending, Share};
pub use shelves::Entry;
pub use tiers::Tiers;
