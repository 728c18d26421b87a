//! Afflux under a load spike, compared with nginx from Debian's package on the same machine in the same run.
//!
//! Figures, not assertions: a missed floor is printed, a wrong response fails the run.
//! `cargo bench --bench spike` measures everything; `-- floors` only that section, `-- floors:hot` only its cases with
//! `hot` in their name; `--quick` with fewer and shorter windows. `benches/setup.sh` installs what it needs. It takes a
//! quarter of an hour and 2 GB in the folder of temporary files.

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
    reason = "a bench's numbers are small, a panic anywhere fails it, and each bench uses its part of the film"
)]

#[path = "spike/catalogue.rs"]
mod catalogue;
#[path = "spike/chance.rs"]
mod chance;
#[path = "spike/client.rs"]
mod client;
#[path = "spike/cold.rs"]
mod cold;
#[path = "spike/crowd.rs"]
mod crowd;
#[path = "spike/drawing.rs"]
mod drawing;
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
#[path = "spike/open.rs"]
mod open;
#[path = "spike/origin.rs"]
mod origin;
#[path = "spike/process.rs"]
mod process;
#[path = "spike/scenes.rs"]
mod scenes;
#[path = "spike/stage.rs"]
mod stage;
#[path = "spike/step.rs"]
mod step;
mod support;
#[path = "spike/table.rs"]
mod table;
#[path = "spike/title.rs"]
mod title;

use film::Film;
use machine::Cores;
use stage::{Bench, Stage};
use std::process::ExitCode;
use std::time::Instant;

/// The sections, in the order in which they run.
const SECTIONS: [&str; 7] = ["floors", "cold", "ends", "herd", "slow", "scenes", "step"];

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let (flags, sections): (Vec<String>, Vec<String>) = arguments.into_iter().partition(|word| word.starts_with("--"));
    if let Some(unknown) = sections.iter().find(|section| !SECTIONS.contains(&parts(section).0)) {
        eprintln!("spike: no section is called {unknown}; there are {SECTIONS:?}");
        return ExitCode::FAILURE;
    }
    if !flags.iter().any(|flag| flag == "--bench") {
        println!("spike: nothing is measured unless `cargo bench` asks for it");
        return ExitCode::SUCCESS;
    }
    machine::raise_descriptors();
    let cores = Cores::take();
    println!("{} {}", machine::describe(cores), nginx::version());
    let bench = Bench::new(cores, flags.iter().any(|flag| flag == "--quick"));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let all = SECTIONS.map(String::from).to_vec();
    runtime.block_on(run(&bench, if sections.is_empty() { &all } else { &sections }));
    if bench.right() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

async fn run(bench: &Bench, sections: &[String]) {
    // Write the two-hour film only once.
    let mut long = None;
    for section in sections {
        let (began, (section, only)) = (Instant::now(), parts(section));
        match section {
            "floors" => floors::run(bench, only).await,
            "scenes" => scenes::run(bench).await,
            "step" => step::run(bench).await,
            _ => {
                let (stage, headers) = long.get_or_insert_with(|| {
                    let stage = Stage::new();
                    let headers = stage.film("film", &Film::long());
                    (stage, headers)
                });
                match section {
                    "cold" => cold::first_bytes(bench, stage, *headers).await,
                    "ends" => cold::costs(bench, stage).await,
                    "herd" => crowd::herds(bench, stage).await,
                    _ => crowd::slow_readers(bench, stage).await,
                }
            }
        }
        println!("{section} took {:.0} s", began.elapsed().as_secs_f64());
    }
}

/// Splits `section:only`.
fn parts(argument: &str) -> (&str, &str) {
    argument.split_once(':').unwrap_or((argument, ""))
}
