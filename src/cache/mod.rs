//! What is being made, by one maker per key, and what is kept, within a bound of bytes.

mod kept;
mod makers;

pub use kept::{Cache, Limits, weigh_body};
pub use makers::{Lost, Makers, Pending, Share};
