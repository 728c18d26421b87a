//! What is in a stored file: asked of `demux`, kept by the file's stamp, each read once however many ask.

use super::error::{Error, Reason};
use super::places::Places;
use crate::cache::{Cache, Governor, Limits, Lost};
use crate::demux::{self, Probe, Step};
use crate::media::{ByteRange, Damage, Missing, Movie, u64_from_usize};
use crate::metrics::{Kept, Metrics, Stage};
use crate::plan::{self, Plan, Refusal, Source};
use crate::store::{Object, Stamp, Store};
use bytes::Bytes;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::Semaphore;
use tokio_util::task::TaskTracker;

/// Reads of one file's headers at most: a fragmented file needs one or two for each fragment. `demux` bounds what it
/// holds; this bounds the work.
const READ_LIMIT: u32 = 1 << 18;

/// Bytes of one file's headers at most: 64 KiB for each of so many fragments.
const BYTE_LIMIT: u64 = 8 << 30;

/// Files that are read at a time. The others wait: headers may be large, and indexes are made of all of them.
const AT_ONCE: usize = 8;

/// Bytes that are read at a time: few enough to be in the processor's cache when they are looked at.
const PART: u64 = 256 << 10;

/// How often what is kept of a movie is looked for in vain, at most: others may keep it at the same time.
const TRIES: u32 = 4;

/// What a movie takes beside its indexes.
const MOVIE_BYTES: u64 = 2_048;

/// How long an asset waits for room to be planned in.
const PLANNING_WAIT: Duration = Duration::from_secs(10);

/// A movie, or why the file is none: both are true as long as the file does not change.
type Read = Result<Arc<Movie>, Reason>;

/// Movies by path and stamp.
#[derive(Debug)]
pub(super) struct Movies {
    store: Store,
    kept: Cache<(String, Stamp), Read, Error>,
    places: Places,
    /// What is being kept there.
    keeping: TaskTracker,
    turns: Arc<Semaphore>,
    /// Room for plans that are being made.
    planning: Governor,
    metrics: Arc<Metrics>,
}

impl Movies {
    /// Keeps `capacity` bytes of them; plans that are being made take a quarter as much beside them.
    pub(super) fn new(store: Store, capacity: u64, metrics: Arc<Metrics>) -> Self {
        let limits = Limits { capacity, largest: capacity };
        let kept = Cache::new(limits, weigh_read, Arc::clone(&metrics));
        Self {
            store,
            kept,
            places: Places::default(),
            keeping: TaskTracker::new(),
            turns: Arc::new(Semaphore::new(AT_ONCE)),
            planning: Governor::new(capacity / 4, PLANNING_WAIT),
            metrics,
        }
    }

    /// The same; what is read is kept in `places` too, and looked for there first.
    pub(super) fn with(self, places: Places) -> Self {
        Self { places, ..self }
    }

    /// Waits until all that was read outlasts the program; the caller bounds the wait.
    pub(super) async fn drained(&self) {
        self.keeping.close();
        self.keeping.wait().await;
    }

    /// What is in the file at `path`, which must still be the one that `stamp` tells of.
    pub(super) async fn at(&self, path: &str, stamp: Stamp) -> Result<Arc<Movie>, Error> {
        if let Some(read) = self.kept.get(&(path.into(), stamp), Kept::Index).await {
            return read.map_err(|reason| Error::unplayable(path, reason));
        }
        let object = self.store.open_as(path, stamp).await?;
        if object.stamp() != stamp {
            return Err(Error::Interrupted(format!("{path}: changed since it was listed")));
        }
        self.of(&object).await
    }

    /// What is in `object`.
    pub(super) async fn of(&self, object: &Object) -> Result<Arc<Movie>, Error> {
        let key = (object.path().to_owned(), object.stamp());
        let (turns, metrics, asked) = (Arc::clone(&self.turns), Arc::clone(&self.metrics), object.clone());
        let (places, keeping) = (self.places.clone(), self.keeping.clone());
        let make = async move {
            if let Some(movie) = places.in_folder(&asked).await {
                return Ok(Ok(movie));
            }
            let _turn = turns.acquire().await.map_err(|_| Lost)?;
            if let Some(movie) = places.beside(&asked).await {
                keeping.spawn(places.folder_alone().keep(asked, Arc::clone(&movie)));
                return Ok(Ok(movie));
            }
            metrics.moov_read();
            let start = Instant::now();
            let read = probe(asked.clone()).await;
            metrics.took(Stage::Index, start.elapsed());
            if let Ok(Ok(movie)) = &read {
                keeping.spawn(places.keep(asked, Arc::clone(movie)));
            }
            read
        };
        let (read, _) = self.kept.get_or_make(key, Kept::Index, make).await?;
        read.map_err(|reason| Error::unplayable(object.path(), reason))
    }

    /// Brings what is `missing` of `movie`, that of `object`: out of where it is kept, or where that is gone or damaged by
    /// reading `object` again, once for all who find out. An error where `movie` is none of it: then it never was right.
    pub(super) async fn bring(&self, object: &Object, movie: &Arc<Movie>, missing: Vec<Missing>) -> Result<(), Error> {
        for _ in 0..TRIES {
            if missing.is_empty() || self.places.bring(object, movie, missing.clone()).await {
                return Ok(());
            }
            let lacks = |read: &Read| read.as_ref().is_ok_and(|movie| !movie.is_whole());
            self.kept.forget_if((object.path().to_owned(), object.stamp()), lacks).await;
            let again = self.of(object).await?;
            // Else somebody has kept it again meanwhile: it may be right by now.
            if again.is_whole() {
                let movie = Arc::clone(movie);
                let filled = tokio::task::spawn_blocking(move || movie.fill(&again)).await;
                return filled.map_err(|_| given_up())?.map_err(|_| untrue(object));
            }
        }
        Err(untrue(object))
    }

    /// Forgets what is known of `objects` and how they were planned, here and where it outlasts the program.
    pub(super) async fn discard(&self, objects: &[&Object], settings: plan::Settings) {
        let plan = Places::plan_key(objects.iter().copied(), settings);
        self.places.discard(objects, plan).await;
        for object in objects {
            self.kept.forget(&(object.path().to_owned(), object.stamp())).await;
        }
    }

    /// Plans `sources`, which are what `objects` hold: as it was kept, else by looking at all samples.
    pub(super) async fn plan(&self, objects: &[&Object], wanted: Wanted) -> Result<Result<Arc<Plan>, Refusal>, Error> {
        let bytes = match wanted.limits.estimate(&wanted.sources, wanted.settings) {
            Ok(bytes) => bytes,
            Err(refusal) => return Ok(Err(refusal)),
        };
        let room = self.planning.enter(bytes).await;
        let _room = room.map_err(|shed| Error::Interrupted(format!("no room to plan it in: {shed}")))?;
        let key = Places::plan_key(objects.iter().copied(), wanted.settings);
        let asked = wanted.clone();
        let thaw = move |bytes: &Bytes| {
            let plan = Plan::thaw(&asked.sources, asked.reference, asked.settings, bytes)?;
            if asked.limits.admits(&plan) { Ok(plan) } else { Err(Damage::Value("number of segments")) }
        };
        if let Some(plan) = self.places.plan(key, thaw).await {
            return Ok(Ok(Arc::new(plan)));
        }
        for (source, object) in wanted.sources.iter().zip(objects) {
            self.bring(object, &source.movie, source.movie.all_missing()).await?;
        }
        let reference = wanted.reference;
        let planned = tokio::task::spawn_blocking(move || wanted.plan().map(Arc::new)).await;
        let planned = planned.map_err(|_| Error::Interrupted("planning was given up".into()))?;
        if let Ok(plan) = &planned {
            self.keeping.spawn(self.places.clone().keep_plan(key, Arc::clone(plan), reference));
        }
        Ok(planned)
    }
}

/// What is to be planned.
#[derive(Debug, Clone)]
pub(super) struct Wanted {
    pub(super) sources: Vec<Source>,
    pub(super) reference: usize,
    pub(super) settings: plan::Settings,
    pub(super) limits: plan::Limits,
}

impl Wanted {
    fn plan(&self) -> Result<Plan, Refusal> {
        Plan::within(&self.sources, self.reference, self.settings, self.limits)
    }
}

/// What was believed of `object` is not what is in it.
fn untrue(object: &Object) -> Error {
    Error::Interrupted(format!("{}: what was kept of it was not right", object.path()))
}

/// What a movie takes in memory.
pub(super) fn weigh(movie: &Movie) -> u64 {
    let tracks = movie.tracks.iter().map(|track| track.index.heap_bytes().saturating_add(track.entry.len()));
    tracks.fold(MOVIE_BYTES, |sum, bytes| sum.saturating_add(u64_from_usize(bytes)))
}

fn weigh_read(read: &Read) -> u64 {
    read.as_ref().map_or(MOVIE_BYTES, |movie| weigh(movie))
}

/// The conversation: `demux` says which bytes, the store gets them, within bounds. Of a file all of it is one hop: to
/// check a long `moov` takes milliseconds, and going to and fro between threads for each part of it as many.
async fn probe(object: Object) -> Result<Read, Error> {
    if !object.is_file() {
        return Box::pin(converse_far(&object)).await;
    }
    let conversed = tokio::task::spawn_blocking(move || converse(&object));
    conversed.await.map_err(|_| given_up())?
}

fn given_up() -> Error {
    Error::Interrupted("reading a file's headers was given up".into())
}

/// How much more of a file's headers is read.
struct Bounds {
    reads: u32,
    bytes: u64,
}

impl Bounds {
    const fn new() -> Self {
        Self { reads: READ_LIMIT, bytes: BYTE_LIMIT }
    }

    /// Counts a read of `range`; false where it is too much.
    fn allow(&mut self, range: ByteRange) -> bool {
        let (reads, bytes) = (self.reads.checked_sub(1), self.bytes.checked_sub(range.len()));
        (self.reads, self.bytes) = (reads.unwrap_or(0), bytes.unwrap_or(0));
        reads.is_some() && bytes.is_some()
    }
}

/// The same of an object whose bytes have to be asked for: only looking at them is done on a thread that may take long.
async fn converse_far(object: &Object) -> Result<Read, Error> {
    let (mut probe, mut range) = match Probe::new(object.size()) {
        Ok(begun) => begun,
        Err(error) => return Ok(Err(Reason::Demux(error))),
    };
    // Headers stand at the beginning or the end, and the ends of the media are looked at in any case.
    let end = ByteRange::new(object.size().saturating_sub(demux::READ_AHEAD), object.size().min(demux::READ_AHEAD));
    object.expect(&[Some(range), end].into_iter().flatten().collect::<Vec<_>>());
    let mut bounds = Bounds::new();
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

/// What `probe` says to the last of `chunks`, or to the one that it refuses.
fn fed(probe: &mut Probe, chunks: &[Bytes]) -> Result<Step, demux::Error> {
    let (last, before) = chunks.split_last().ok_or(demux::Error::Empty)?;
    before.iter().try_for_each(|chunk| probe.part(chunk).map(drop))?;
    probe.part(last)
}

fn converse(object: &Object) -> Result<Read, Error> {
    let (mut probe, mut range) = match Probe::new(object.size()) {
        Ok(begun) => begun,
        Err(error) => return Ok(Err(Reason::Demux(error))),
    };
    let mut bounds = Bounds::new();
    while bounds.allow(range) {
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
        step = fed(probe, &chunks);
        if step.is_err() {
            return Ok(step);
        }
        object.give_back(chunks);
        rest = rest.and_then(|rest| rest.slice(PART, rest.len()));
    }
    Ok(step)
}
