//! The command line: arguments and commands.

mod address;
mod args;
pub mod explain;
pub mod index;
pub mod inspect;
mod log;
mod plain;
mod progress;
pub mod remote;
mod report;
pub mod serve;
mod service;
mod signals;
pub mod trial;
pub mod worker;

pub use args::{Arguments, Command, ExplainArgs, IndexArgs, ServeArgs, WorkerArgs};
