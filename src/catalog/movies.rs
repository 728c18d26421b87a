//! What is in a stored file: asked of `demux`, kept by the file's stamp, each read once however many ask.

use super::error::{Error, Reason};
use crate::cache::{Cache, Limits, Lost};
use crate::demux::{self, Probe, Step};
use crate::media::{ByteRange, Movie, u64_from_usize};
use crate::metrics::{Kept, Metrics, Stage};
use crate::store::{Object, Stamp, Store};
use std::sync::Arc;
use std::time::Instant;
use tokio::sync::Semaphore;

/// Reads of one file's headers at most: a fragmented file needs one or two for each fragment. `demux` bounds what it
/// holds; this bounds the work.
const READ_LIMIT: u32 = 1 << 18;

/// Bytes of one file's headers at most: 64 KiB for each of so many fragments.
const BYTE_LIMIT: u64 = 8 << 30;

/// Files that are read at a time. The others wait: headers may be large, and indexes are made of all of them.
const AT_ONCE: usize = 8;

/// Bytes that are read at a time: few enough to be in the processor's cache when they are looked at.
const PART: u64 = 256 << 10;

/// What a movie takes beside its indexes.
const MOVIE_BYTES: u64 = 2_048;

/// A movie, or why the file is none: both are true as long as the file does not change.
type Read = Result<Arc<Movie>, Reason>;

/// Movies by path and stamp.
#[derive(Debug)]
pub(super) struct Movies {
    store: Store,
    kept: Cache<(String, Stamp), Read, Error>,
    turns: Arc<Semaphore>,
    metrics: Arc<Metrics>,
}

impl Movies {
    /// Keeps `capacity` bytes of them.
    pub(super) fn new(store: Store, capacity: u64, metrics: Arc<Metrics>) -> Self {
        let limits = Limits { capacity, largest: capacity };
        let kept = Cache::new(limits, weigh_read, Arc::clone(&metrics));
        Self { store, kept, turns: Arc::new(Semaphore::new(AT_ONCE)), metrics }
    }

    /// What is in the file at `path`, which must still be the one that `stamp` tells of.
    pub(super) async fn at(&self, path: &str, stamp: Stamp) -> Result<Arc<Movie>, Error> {
        if let Some(read) = self.kept.get(&(path.into(), stamp), Kept::Index).await {
            return read.map_err(|reason| Error::unplayable(path, reason));
        }
        let object = self.store.open(path).await?;
        if object.stamp() != stamp {
            return Err(Error::Interrupted(format!("{path}: changed since it was listed")));
        }
        self.of(&object).await
    }

    /// What is in `object`.
    pub(super) async fn of(&self, object: &Object) -> Result<Arc<Movie>, Error> {
        let key = (object.path().to_owned(), object.stamp());
        let (turns, metrics, asked) = (Arc::clone(&self.turns), Arc::clone(&self.metrics), object.clone());
        let make = async move {
            let _turn = turns.acquire().await.map_err(|_| Lost)?;
            metrics.moov_read();
            let start = Instant::now();
            let read = probe(asked).await;
            metrics.took(Stage::Index, start.elapsed());
            read
        };
        let (read, _) = self.kept.get_or_make(key, Kept::Index, make).await?;
        read.map_err(|reason| Error::unplayable(object.path(), reason))
    }
}

/// What a movie takes in memory.
pub(super) fn weigh(movie: &Movie) -> u64 {
    let tracks = movie.tracks.iter().map(|track| track.index.heap_bytes().saturating_add(track.entry.len()));
    tracks.fold(MOVIE_BYTES, |sum, bytes| sum.saturating_add(u64_from_usize(bytes)))
}

fn weigh_read(read: &Read) -> u64 {
    read.as_ref().map_or(MOVIE_BYTES, |movie| weigh(movie))
}

/// The conversation: `demux` says which bytes, the store gets them, within bounds. All of it in one hop: to check a long
/// `moov` takes milliseconds, and going to and fro between threads for each part of it as many.
async fn probe(object: Object) -> Result<Read, Error> {
    let conversed = tokio::task::spawn_blocking(move || converse(&object));
    conversed.await.map_err(|_| Error::Interrupted("reading a file's headers was given up".into()))?
}

fn converse(object: &Object) -> Result<Read, Error> {
    let (mut probe, mut range) = match Probe::new(object.size()) {
        Ok(begun) => begun,
        Err(error) => return Ok(Err(Reason::Demux(error))),
    };
    let mut left = BYTE_LIMIT;
    for _ in 0..READ_LIMIT {
        left = match left.checked_sub(range.len()) {
            Some(left) => left,
            None => break,
        };
        match answered(&mut probe, range, object)? {
            Err(error) => return Ok(Err(Reason::Demux(error))),
            Ok(Step::Done(movie)) => return Ok(Ok(Arc::from(movie))),
            Ok(Step::Need(next)) => range = next,
        }
    }
    Ok(Err(Reason::Endless { reads: READ_LIMIT, bytes: BYTE_LIMIT }))
}

/// Feeds what `probe` needs, part by part: memory that was fed is read into again.
fn answered(probe: &mut Probe, range: ByteRange, object: &Object) -> Result<Result<Step, demux::Error>, Error> {
    let (mut rest, mut step) = (Some(range), Ok(Step::Need(range)));
    while let Some(part) = rest.and_then(|rest| rest.slice(0, PART)) {
        let chunks = object.read_here(part)?;
        for chunk in &chunks {
            step = probe.part(chunk);
            if step.is_err() {
                return Ok(step);
            }
        }
        object.give_back(chunks);
        rest = rest.and_then(|rest| rest.slice(PART, rest.len()));
    }
    Ok(step)
}
