//! Parses the arguments, runs the command and returns its exit code.

use afflux::cli::inspect::{self, Format};
use afflux::cli::{Arguments, Command, explain, index, remote, serve, trial, worker};
use clap::Parser;
use std::process::ExitCode;

fn main() -> ExitCode {
    match Arguments::parse().command {
        Command::Serve(args) => serve::run(&args),
        Command::Worker(args) => worker::run(&args),
        Command::Index(args) => index::run(&args),
        Command::Inspect { paths, json } => inspect::run(&paths, Format::of(json)),
        Command::Explain(args) => explain::run(&args),
        Command::Trial => trial::run(),
        Command::Upload(args) => remote::upload(&args),
        Command::Assets(args) => remote::assets(&args),
        Command::Jobs(args) => remote::jobs(&args),
        Command::Keys(args) => remote::keys(&args),
    }
}
