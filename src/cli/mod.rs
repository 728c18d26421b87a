//! The command line: arguments, and what each command does.

mod args;
pub mod inspect;
pub mod serve;

pub use args::{Arguments, Command, ServeArgs};
