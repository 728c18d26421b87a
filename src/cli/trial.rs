//! `afflux trial`: reads and plans one file within bounds of its own, for the server that begins it. It has no files and
//! no network: the bytes that it needs it asks for on standard output, and they come on standard input (`ingest::gate`
//! has the other end). It ends with `done`, whatever the file is; ends it otherwise, the file took more than it may.

use crate::demux::{Probe, Step};
use crate::media::{ByteRange, Movie, usize_from_u64};
use crate::plan::{Plan, Settings, Source};
use bytes::Bytes;
use rustix::process::{Resource, Rlimit, setrlimit};
use serde::Deserialize;
use std::error::Error;
use std::io::{BufRead, Read, StdinLock, Write, stdin, stdout};
use std::process::ExitCode;
use std::sync::Arc;

/// Bytes that are looked at at a time.
const PART: u64 = 256 << 10;

/// Bytes of the first line, at most.
const LINE: u64 = 1_024;

/// Requests that one file may take: as many as the server itself would make.
const READS: u32 = 1 << 18;

/// What bounds memory: where the system counts it apart, what is written to alone, as the program itself takes some too.
#[cfg(target_os = "linux")]
const MEMORY: Resource = Resource::Data;
#[cfg(not(target_os = "linux"))]
const MEMORY: Resource = Resource::As;

/// What is to be tried.
#[derive(Debug, Deserialize)]
struct Order {
    /// Bytes of the file.
    size: u64,
    /// How long segments are to be.
    target_millis: u32,
    /// Bytes of memory that this process may take.
    memory: u64,
}

/// Tries the file that standard input tells of.
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
    let begun: Order = serde_json::from_str(&line)?;
    setrlimit(MEMORY, Rlimit { current: Some(begun.memory), maximum: Some(begun.memory) })?;
    #[cfg(target_os = "linux")]
    rustix::process::set_parent_process_death_signal(Some(rustix::process::Signal::KILL))?;
    if let Some(movie) = read(&mut input, begun.size)? {
        let source = Source { file: String::new(), name: None, movie, said: Vec::new() };
        // Whether it can be played is not asked here: only whether it fits.
        let _planned = Plan::new(&[source], 0, Settings { target_millis: begun.target_millis });
    }
    say("done")
}

/// What is in the file; `None` where it is no film.
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

/// Feeds `probe` the bytes of `range`; `None` where it refuses them.
fn answered(input: &mut StdinLock<'_>, probe: &mut Probe, range: ByteRange) -> Result<Option<Step>, Box<dyn Error>> {
    say(&format!("{} {}", range.start(), range.len()))?;
    let (mut rest, mut step, mut refused) = (Some(range), None, false);
    while let Some(part) = rest.and_then(|rest| rest.slice(0, PART)) {
        let mut bytes = vec![0; usize_from_u64(part.len())];
        input.read_exact(&mut bytes)?;
        // All that was asked for is taken, so that what comes next is what is asked for next.
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
