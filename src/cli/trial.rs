//! `afflux trial`: reads and plans one file within its own resource limits, for the server that starts it. It opens no
//! files and no network connections: it requests bytes on standard output and gets them on standard input
//! (`ingest::gate` is the other end). It prints `done` at the end, whether or not the file is playable; if it ends
//! without, the file exceeded the limits.

use crate::demux::{Probe, Step};
use crate::media::{ByteRange, Movie, usize_from_u64};
use crate::plan::{Plan, Settings, SourceFile};
use bytes::Bytes;
use rustix::process::{Resource, Rlimit, setrlimit};
use serde::Deserialize;
use std::error::Error;
use std::io::{BufRead, Read, StdinLock, Write, stdin, stdout};
use std::process::ExitCode;
use std::sync::Arc;

/// Bytes read and parsed at a time.
const PART: u64 = 256 << 10;

/// Longest first line, in bytes.
const LINE: u64 = 1_024;

/// Largest number of range requests for one file: the same as the server's own.
const READS: u32 = 1 << 18;

/// Resource that bounds memory. Linux counts writable memory apart (`RLIMIT_DATA`); elsewhere the whole address space
/// is bounded, which includes the program itself.
#[cfg(target_os = "linux")]
const MEMORY: Resource = Resource::Data;
#[cfg(not(target_os = "linux"))]
const MEMORY: Resource = Resource::As;

/// The order that the server sends on the first line.
#[derive(Debug, Deserialize)]
struct TrialOrder {
    /// Size of the file, in bytes.
    size: u64,
    /// Segment target duration, in milliseconds.
    target_millis: u32,
    /// Memory limit of this process, in bytes.
    memory: u64,
}

/// Tries the file that the first line of standard input describes.
#[must_use]
pub fn run() -> ExitCode {
    match tried() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn tried() -> Result<(), Box<dyn Error>> {
    let mut input = stdin().lock();
    let mut line = String::new();
    (&mut input).take(LINE).read_line(&mut line)?;
    let begun: TrialOrder = serde_json::from_str(&line)?;
    setrlimit(MEMORY, Rlimit { current: Some(begun.memory), maximum: Some(begun.memory) })?;
    #[cfg(target_os = "linux")]
    rustix::process::set_parent_process_death_signal(Some(rustix::process::Signal::KILL))?;
    if let Some(movie) = read(&mut input, begun.size)? {
        let source = SourceFile { file: String::new(), name: None, movie, said: Vec::new() };
        // Whether the file is playable is the server's question; this process tests only the cost.
        let _planned = Plan::new(&[source], 0, Settings { target_millis: begun.target_millis });
    }
    say("done")
}

/// Parses the file; `None` if it is not a film.
fn read(input: &mut StdinLock<'_>, size: u64) -> Result<Option<Arc<Movie>>, Box<dyn Error>> {
    let Ok((mut probe, mut range)) = Probe::new(size) else { return Ok(None) };
    for _ in 0..READS {
        match answered(input, &mut probe, range)? {
            Some(Step::Need(next)) => range = next,
            Some(Step::Done(movie)) => return Ok(Some(Arc::from(movie))),
            None => return Ok(None),
        }
    }
    Ok(None)
}

/// Feeds `probe` the bytes of `range`; `None` if it rejects them.
fn answered(input: &mut StdinLock<'_>, probe: &mut Probe, range: ByteRange) -> Result<Option<Step>, Box<dyn Error>> {
    say(&format!("{} {}", range.start(), range.len()))?;
    let (mut rest, mut step, mut refused) = (Some(range), None, false);
    while let Some(part) = rest.and_then(|rest| rest.slice(0, PART)) {
        let mut bytes = vec![0; usize_from_u64(part.len())];
        input.read_exact(&mut bytes)?;
        // Read the whole response even after a rejection, so that the next bytes answer the next request.
        if !refused {
            step = probe.part(&Bytes::from(bytes)).ok();
            refused = step.is_none();
        }
        rest = rest.and_then(|rest| rest.slice(PART, rest.len()));
    }
    Ok(step.filter(|_| !refused))
}

fn say(line: &str) -> Result<(), Box<dyn Error>> {
    let mut output = stdout().lock();
    writeln!(output, "{line}")?;
    Ok(output.flush()?)
}
