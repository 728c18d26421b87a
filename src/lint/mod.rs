//! Plan → findings: what in an asset will trouble players, with a stable code, a level, the reason in words, and the cure.

mod finding;
mod findings;

pub use finding::{Code, Finding, Level};
pub use findings::findings;
