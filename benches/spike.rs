//! Afflux under a spike, beside nginx from Debian's package on the same machine in the same run.
//!
//! Figures, not assertions: a floor that is missed is printed, an answer that is wrong fails the run.
//! `cargo bench --bench spike` measures all; `-- floors`, and a part of a case's name behind `:`, only that
//! (`-- floors:hot`); `--quick` with fewer and shorter windows. The set-up is `benches/setup.sh`.

#![allow(
    missing_docs,
    dead_code,
    clippy::as_conversions,
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    clippy::cast_sign_loss,
    clippy::expect_used,
    clippy::float_arithmetic,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a bench's numbers are small, what panics here fails it, and each bench uses its part of the film"
)]

#[path = "spike/client.rs"]
mod client;
#[path = "spike/film.rs"]
mod film;
#[path = "spike/floors.rs"]
mod floors;
#[path = "spike/load.rs"]
mod load;
#[path = "spike/machine.rs"]
mod machine;
#[path = "spike/measure.rs"]
mod measure;
#[path = "../tests/support/movie.rs"]
mod movie;
#[path = "spike/nginx.rs"]
mod nginx;
#[path = "spike/origin.rs"]
mod origin;
#[path = "spike/process.rs"]
mod process;
#[path = "spike/stage.rs"]
mod stage;
mod support;
#[path = "spike/table.rs"]
mod table;
#[path = "spike/title.rs"]
mod title;

use machine::Cores;
use stage::Bench;
use std::process::ExitCode;

/// What can be asked for.
const SECTIONS: [&str; 1] = ["floors"];

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let (flags, sections): (Vec<String>, Vec<String>) = arguments.into_iter().partition(|word| word.starts_with("--"));
    if let Some(unknown) = sections.iter().find(|section| !SECTIONS.contains(&name(section).0)) {
        eprintln!("spike: no section is called {unknown}; there are {SECTIONS:?}");
        return ExitCode::FAILURE;
    }
    machine::raise_descriptors();
    let cores = Cores::take();
    println!("{}", machine::describe(cores));
    let bench = Bench::new(cores, flags.iter().any(|flag| flag == "--quick"));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let all = SECTIONS.map(String::from).to_vec();
    for section in if sections.is_empty() { &all } else { &sections } {
        let (section, only) = name(section);
        match section {
            "floors" => runtime.block_on(floors::run(&bench, only)),
            _ => unreachable!("all sections are known"),
        }
    }
    if bench.right() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// `section:only` in its parts.
fn name(argument: &str) -> (&str, &str) {
    argument.split_once(':').unwrap_or((argument, ""))
}
