//! Reads the headers of a stored file: runs `demux`, which says the bytes that it needs, within limits.

use super::error::{Error, Reason};
use crate::demux::{self, Probe, Step};
use crate::media::{ByteRange, Movie};
use crate::store::Object;
use bytes::Bytes;
use std::sync::Arc;

/// Most reads of one file's headers: a fragmented file needs one or two for each fragment. `demux` limits its memory;
/// this limits the work.
const READ_LIMIT: u32 = 1 << 18;

/// Most bytes of one file's headers: 64 KiB for each fragment, at two reads per fragment.
const BYTE_LIMIT: u64 = 8 << 30;

/// Bytes per read: few enough to be in the processor's cache when they are parsed.
const PART: u64 = 256 << 10;

/// A movie, or why the file is not a movie: both are valid as long as the file does not change.
pub(super) type MovieResult = Result<Arc<Movie>, Reason>;

/// Runs `demux`: it says which bytes it needs, and the store reads them, within limits. A local file is read in a
/// single hop to the blocking pool: to check a long `moov` takes milliseconds, and switching threads for each part of
/// it would take as many.
pub(super) async fn read(object: Object) -> Result<MovieResult, Error> {
    if !object.is_file() {
        return Box::pin(converse_far(&object)).await;
    }
    let conversed = tokio::task::spawn_blocking(move || converse(&object));
    conversed.await.map_err(|_| given_up())?
}

/// The error if the reading task was lost.
pub(super) fn given_up() -> Error {
    Error::Interrupted("reading a file's headers was given up".into())
}

/// Remaining reads and bytes for a file's headers.
struct HeaderBudget {
    reads: u32,
    bytes: u64,
}

impl HeaderBudget {
    const fn new() -> Self {
        Self { reads: READ_LIMIT, bytes: BYTE_LIMIT }
    }

    /// Counts a read of `range`; false if it exceeds the limits.
    fn allow(&mut self, range: ByteRange) -> bool {
        let (reads, bytes) = (self.reads.checked_sub(1), self.bytes.checked_sub(range.len()));
        (self.reads, self.bytes) = (reads.unwrap_or(0), bytes.unwrap_or(0));
        reads.is_some() && bytes.is_some()
    }
}

/// Runs `demux` on an object in an object store: only the parsing runs on a thread that may block.
async fn converse_far(object: &Object) -> Result<MovieResult, Error> {
    let (mut probe, mut range) = match Probe::new(object.size()) {
        Ok(begun) => begun,
        Err(error) => return Ok(Err(Reason::Demux(error))),
    };
    // Headers are at the beginning or the end, and the ends of the media are read in any case.
    let end = ByteRange::new(object.size().saturating_sub(demux::READ_AHEAD), object.size().min(demux::READ_AHEAD));
    object.expect(&[Some(range), end].into_iter().flatten().collect::<Vec<_>>());
    let mut bounds = HeaderBudget::new();
    while bounds.allow(range) {
        object.expect(&[range]);
        let (mut rest, mut step) = (Some(range), Ok(Step::Need(range)));
        while let Some(part) = rest.and_then(|rest| rest.slice(0, PART)) {
            let chunks = object.read_ranges(vec![part]).await?;
            let asked = object.clone();
            let fed = tokio::task::spawn_blocking(move || {
                let step = fed(&mut probe, &chunks);
                asked.give_back(chunks);
                (probe, step)
            });
            (probe, step) = fed.await.map_err(|_| given_up())?;
            rest = rest.and_then(|rest| rest.slice(PART, rest.len())).filter(|_| step.is_ok());
        }
        match step {
            Err(error) => return Ok(Err(Reason::Demux(error))),
            Ok(Step::Done(movie)) => return Ok(Ok(Arc::from(movie))),
            Ok(Step::Need(next)) => range = next,
        }
    }
    Ok(Err(Reason::Endless { reads: READ_LIMIT, bytes: BYTE_LIMIT }))
}

/// Feeds `chunks` to `probe`; returns its answer to the last one, or to the one that it refuses.
fn fed(probe: &mut Probe, chunks: &[Bytes]) -> Result<Step, demux::Error> {
    let (last, before) = chunks.split_last().ok_or(demux::Error::Empty)?;
    before.iter().try_for_each(|chunk| probe.part(chunk).map(drop))?;
    probe.part(last)
}

fn converse(object: &Object) -> Result<MovieResult, Error> {
    let (mut probe, mut range) = match Probe::new(object.size()) {
        Ok(begun) => begun,
        Err(error) => return Ok(Err(Reason::Demux(error))),
    };
    let mut bounds = HeaderBudget::new();
    while bounds.allow(range) {
        match answered(&mut probe, range, object)? {
            Err(error) => return Ok(Err(Reason::Demux(error))),
            Ok(Step::Done(movie)) => return Ok(Ok(Arc::from(movie))),
            Ok(Step::Need(next)) => range = next,
        }
    }
    Ok(Err(Reason::Endless { reads: READ_LIMIT, bytes: BYTE_LIMIT }))
}

/// Reads `range` and feeds it to `probe`, part by part: each part reuses the memory of those before.
fn answered(probe: &mut Probe, range: ByteRange, object: &Object) -> Result<Result<Step, demux::Error>, Error> {
    let (mut rest, mut step) = (Some(range), Ok(Step::Need(range)));
    while let Some(part) = rest.and_then(|rest| rest.slice(0, PART)) {
        let chunks = object.read_here(part)?;
        step = fed(probe, &chunks);
        if step.is_err() {
            return Ok(step);
        }
        object.give_back(chunks);
        rest = rest.and_then(|rest| rest.slice(PART, rest.len()));
    }
    Ok(step)
}
