//! Arguments → what they ask for → an exit code.

use afflux::cli::{Arguments, Command, inspect, serve};
use clap::Parser;
use std::process::ExitCode;

fn main() -> ExitCode {
    match Arguments::parse().command {
        Command::Serve(args) => serve::run(&args),
        Command::Inspect { path, json } => {
            inspect::run(&path, if json { inspect::Format::Json } else { inspect::Format::Text })
        }
    }
}
