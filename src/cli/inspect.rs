//! (being written)

use std::path::Path;
use std::process::ExitCode;

/// Says what is in the file or folder at `path`.
#[must_use]
pub fn run(path: &Path, json: bool) -> ExitCode {
    let _ = (path, json);
    eprintln!("afflux: inspect is being written");
    ExitCode::FAILURE
}
