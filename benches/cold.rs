//! Measures the first responses of a server that has just started: films of two and of eight hours, on a disk and in an
//! object store 20 ms away, with and without an index on the disk.
//!
//! Each figure comes from a new process, which inherits only index files. Figures, not assertions: a missed floor is
//! printed, a wrong response fails the run. `cargo bench --bench cold` writes its section of `docs/figures.md`; `--
//! --quick` takes fewer turns and writes nothing. `benches/setup.sh` installs what it needs.

#![allow(
    missing_docs,
    dead_code,
    clippy::as_conversions,
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    clippy::expect_used,
    clippy::float_arithmetic,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a bench's numbers are small, a panic anywhere fails it, and each bench uses its part of the film"
)]

#[path = "cold/case.rs"]
mod case;
#[path = "spike/client.rs"]
mod client;
#[path = "cold/figures.rs"]
mod figures;
#[path = "spike/film.rs"]
mod film;
#[path = "spike/machine.rs"]
mod machine;
#[path = "../tests/support/movie.rs"]
mod movie;
#[path = "spike/origin.rs"]
mod origin;
#[path = "spike/process.rs"]
mod process;
#[path = "cold/requests.rs"]
mod requests;
#[path = "cold/s3.rs"]
mod s3;
#[path = "cold/scene.rs"]
mod scene;
#[path = "cold/sparse.rs"]
mod sparse;
mod support;
#[path = "spike/table.rs"]
mod table;
#[path = "spike/title.rs"]
mod title;

use case::Case;
use figures::Figures;
use machine::Cores;
use scene::Scene;
use std::fs;
use std::path::Path;

/// Turns of each case.
const TURNS: usize = 11;

/// Turns with `--quick`.
const FEW: usize = 3;

/// Marks around the section of the document.
const MARKS: [&str; 2] = ["<!-- cold: made by `cargo bench --bench cold` -->\n", "<!-- cold: end -->\n"];

fn main() {
    let flags: Vec<String> = std::env::args().skip(1).collect();
    if !flags.iter().any(|flag| flag == "--bench") {
        println!("cold: nothing is measured unless `cargo bench` asks for it");
        return;
    }
    let quick = flags.iter().any(|flag| flag == "--quick");
    let cores = Cores::take();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let figures = runtime.block_on(measured(cores, if quick { FEW } else { TURNS }));
    let text = figures.text();
    println!("\n{}\n{text}", machine::describe(cores));
    if quick {
        println!("in a hurry, docs/figures.md is left as it is");
    } else {
        write(&Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/figures.md"), &text);
    }
}

/// Runs all cases in turn, `turns` times, so that disturbances of the machine affect them alike.
async fn measured(cores: Cores, turns: usize) -> Figures {
    let scene = Scene::new(cores).await;
    let mut figures = Figures::new(scene.headers());
    for turn in 0..turns {
        for case in Case::ALL {
            figures.add(case, scene.turn(case).await);
        }
        println!("turn {} of {turns} is over", turn + 1);
    }
    figures
}

/// Replaces the document's section by `text`.
fn write(document: &Path, text: &str) {
    let old = fs::read_to_string(document).unwrap();
    let (before, rest) = old.split_once(MARKS[0]).expect("the document has the start mark");
    let (_, behind) = rest.split_once(MARKS[1]).expect("the document has the end mark");
    fs::write(document, [before, MARKS[0], text, MARKS[1], behind].concat()).unwrap();
}
