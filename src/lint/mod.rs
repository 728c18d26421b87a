//! Checks a plan for problems that players would have with an asset. Each finding has a stable code, a level, the
//! reason and the remedy.

mod finding;
mod findings;

pub use finding::{Code, Finding, Level};
pub use findings::findings;
