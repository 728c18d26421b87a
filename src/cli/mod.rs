//! What the command line does.

pub mod inspect;
mod report;
