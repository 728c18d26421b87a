//! The command line: arguments, and what each command does.

mod args;
pub mod explain;
pub mod index;
pub mod inspect;
mod program;
mod progress;
mod report;
pub mod serve;

pub use args::{Arguments, Command, ExplainArgs, IndexArgs, ServeArgs};
