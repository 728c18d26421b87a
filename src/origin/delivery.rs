//! Delivery: the ways in which the bytes of a segment reach the client, and the memory of recent requests that chooses
//! among them.
//!
//! ```text
//! Copied    from the body that all readers share, in memory
//! InPlace   from the page cache: the head is generated, the samples go from the file to the socket
//!             first request, then twice again: sent from the file
//!             more often: built into memory as all others are, since a crowd is served at less cost from there
//!             not in the page cache: built into memory, so that others wait for the same read
//! Window    built for one reader, as far as a response needs it at once
//! ```
//! In place are only segments of files that nobody wrote to for ten minutes, where `store.sendfile` is on and the pieces
//! are large enough for a system call each. Bytes that leave the page cache during the response are read for its reader.

use super::answer::Origin;
use super::error::Error;
use super::segment::{AssetSegment, SegmentKey};
use super::source::Source;
use crate::cache::{Body, RangeState};
use crate::media::u64_from_usize;
use crate::metrics::Outcome;
use crate::mux::{Copied, Piece};
use crate::store::{FileRange, Object};
use bytes::Bytes;
use moka::policy::EvictionPolicy;
use moka::sync::Cache;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// Smallest mean size of a piece that is worth a system call, in bytes.
const PIECE: u64 = 24 << 10;

/// How often a segment is sent from its file after the first time.
const OFTEN: u32 = 2;

/// The age of a file's last change from which on its pages are sent in place.
const UNCHANGED: Duration = Duration::from_mins(10);

/// An entry weighs at least so many times its own memory: all entries together take this part of `cache.segments`.
const SHARE: u64 = 16;

/// Memory of an entry without its pieces, in bytes.
const ENTRY: u64 = 512;

/// The least capacity, in bytes of segments, so that walks and ranges are recognised with a small cache too.
const LEAST: u64 = 64 << 20;

/// Largest range that is built alone, in bytes; a quarter of the segment where that is less.
const SMALL: u64 = 1 << 20;

/// How long small ranges of a segment are added up.
const RANGED: Duration = Duration::from_secs(30);

/// How long after a segment was built a request for the next one counts as a walk.
const WALK: Duration = Duration::from_mins(1);

/// The most recent delivery of one segment.
#[derive(Debug)]
pub(super) enum Recent {
    /// Ranges were built alone: since when, and how many bytes.
    Ranged(Instant, AtomicU64),
    /// The whole was built from an object store at that time.
    Built(Instant),
    /// It is sent from its file.
    InPlace(Arc<InPlace>),
}

/// A segment that is sent from its file. It holds no open file.
#[derive(Debug)]
pub(super) struct InPlace {
    recipe: Copied,
    requests: AtomicU32,
}

/// Bytes of a response.
#[derive(Debug)]
pub enum ResponseChunk {
    /// In memory.
    Memory(Bytes),
    /// In a file, in the page cache.
    File(FileRange),
}

/// The bytes of a segment as a response sends them. Cheap to clone; it holds none of them but those of a small range.
#[derive(Debug, Clone)]
pub struct Media {
    length: u64,
    delivery: Delivery,
    /// How bytes that are no longer there are built again.
    rebuild: Option<Rebuild>,
}

#[derive(Debug, Clone)]
enum Delivery {
    /// No byte is sent: HEAD.
    Unread,
    Copied(Arc<Body<Error>>),
    InPlace(Arc<InPlace>, Object),
    /// The bytes from an offset on.
    Window(u64, Arc<Body<Error>>),
}

/// Builds a window of a segment again.
#[derive(Debug, Clone)]
pub(super) struct Rebuild {
    origin: Arc<Origin>,
    segment: AssetSegment,
}

impl Media {
    /// Bytes that nothing can evict.
    #[must_use]
    pub fn complete(chunks: Vec<Bytes>) -> Self {
        let length = chunks.iter().map(|chunk| u64_from_usize(chunk.len())).sum();
        Self { length, delivery: Delivery::Copied(Arc::new(Body::complete(chunks))), rebuild: None }
    }

    /// `length` bytes, none of which is sent.
    pub(super) const fn unread(length: u64, rebuild: Rebuild) -> Self {
        Self { length, delivery: Delivery::Unread, rebuild: Some(rebuild) }
    }

    /// The bytes of `body`, as long as it has them.
    pub(super) const fn copied(length: u64, body: Arc<Body<Error>>, rebuild: Rebuild) -> Self {
        Self { length, delivery: Delivery::Copied(body), rebuild: Some(rebuild) }
    }

    /// Bytes that are sent from `object`.
    pub(super) fn in_place(in_place: Arc<InPlace>, object: Object, rebuild: Rebuild) -> Self {
        let length = in_place.recipe.length();
        Self { length, delivery: Delivery::InPlace(in_place, object), rebuild: Some(rebuild) }
    }

    /// `length` bytes, of which `chunks` begin at byte `start`.
    pub(super) fn window(length: u64, start: u64, chunks: Vec<Bytes>, rebuild: Rebuild) -> Self {
        let delivery = Delivery::Window(start, Arc::new(Body::complete(chunks)));
        Self { length, delivery, rebuild: Some(rebuild) }
    }

    /// The length in bytes.
    #[must_use]
    pub const fn len(&self) -> u64 {
        self.length
    }

    /// Whether there are no bytes.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.length == 0
    }

    /// Passes on the bytes of `range` that are in memory, from its start on.
    pub(super) fn get(&self, range: &Range<u64>, each: &mut impl FnMut(Bytes)) -> RangeState<Error> {
        match &self.delivery {
            Delivery::Copied(body) => body.get(range, each),
            Delivery::Window(start, window) if *start <= range.start => {
                match window.get(&(range.start - start..range.end - start), each) {
                    RangeState::Here(taken @ 1..) => RangeState::Here(taken),
                    RangeState::Here(0) | RangeState::Growing | RangeState::Released | RangeState::Failed(_) => {
                        RangeState::Released
                    }
                }
            }
            Delivery::Window(..) | Delivery::InPlace(..) | Delivery::Unread => RangeState::Released,
        }
    }

    /// Passes on the bytes of `range` that are sent from their file, from its start on.
    pub(super) fn get_in_place(&self, range: &Range<u64>, each: &mut impl FnMut(ResponseChunk)) {
        if let Delivery::InPlace(in_place, object) = &self.delivery {
            in_place.chunks(object, range, each);
        }
    }

    /// The next bytes of `range`: at least one, where the range is not empty and begins before the end.
    pub(super) async fn read(&self, range: Range<u64>) -> Result<Vec<Bytes>, Error> {
        loop {
            let mut chunks = Vec::new();
            match (self.get(&range, &mut |chunk| chunks.push(chunk)), &self.delivery) {
                (RangeState::Here(_), _) => return Ok(chunks),
                (RangeState::Failed(error), _) => return Err(error),
                (RangeState::Growing, Delivery::Copied(body)) => body.reached(range.start).await,
                (RangeState::Growing | RangeState::Released, _) => {
                    let lost = || Error::Interrupted("the bytes are gone".into());
                    let Rebuild { origin, segment } = self.rebuild.as_ref().ok_or_else(lost)?;
                    return origin.window(segment, range).await;
                }
            }
        }
    }
}

impl InPlace {
    /// The segment of `source`, where it can be sent from its file.
    fn new(source: &Source) -> Option<Self> {
        let (recipe, object) = source.copied()?;
        let pieces = u64_from_usize(recipe.pieces().len());
        let fits = object.is_file() && recipe.length() >= pieces * PIECE && is_unchanged(object);
        let in_place = Self { recipe: recipe.clone(), requests: AtomicU32::new(0) };
        (fits && in_place.is_ready(object)).then_some(in_place)
    }

    pub(super) const fn recipe(&self) -> &Copied {
        &self.recipe
    }

    /// Counts one more request: whether it is sent from `object` again.
    pub(super) fn serves(&self, object: &Object) -> bool {
        let few = self.requests.fetch_add(1, Ordering::Relaxed) < OFTEN;
        if !few {
            // After its eviction from memory, the segment is sent from its file a few times again.
            self.requests.store(0, Ordering::Relaxed);
        }
        few && self.is_ready(object)
    }

    /// Whether the file is unchanged and the page cache has both ends of the segment; the bytes between are checked when
    /// they are sent.
    fn is_ready(&self, object: &Object) -> bool {
        let mut stored = self.recipe.pieces().iter().filter_map(|piece| match piece {
            Piece::Generated(_) => None,
            Piece::Stored(range) => Some(*range),
        });
        let (first, last) = (stored.next(), stored.next_back());
        let ends = [first.and_then(|range| range.slice(0, 1)), last.and_then(|range| range.slice(range.len() - 1, 1))];
        object.check().is_ok() && ends.into_iter().flatten().all(|end| object.span(end).is_some())
    }

    /// The length of the segment, or [`SHARE`] times the memory of the entry if that is more.
    fn weight(&self) -> u64 {
        let pieces = self.recipe.pieces().iter().map(|piece| match piece {
            Piece::Generated(bytes) => u64_from_usize(bytes.len()) + 64,
            Piece::Stored(_) => 64,
        });
        self.recipe.length().max(SHARE * (ENTRY + pieces.sum::<u64>()))
    }

    fn chunks(&self, object: &Object, range: &Range<u64>, each: &mut impl FnMut(ResponseChunk)) {
        for piece in self.recipe.window(range.clone()) {
            match piece {
                Piece::Generated(bytes) => each(ResponseChunk::Memory(bytes)),
                Piece::Stored(range) => {
                    let span = object.span(range);
                    let is_whole = span.as_ref().is_some_and(|span| span.left() == range.len());
                    if let Some(span) = span {
                        each(ResponseChunk::File(span));
                    }
                    // The rest has to be read first.
                    if !is_whole {
                        return;
                    }
                }
            }
        }
    }
}

fn is_unchanged(object: &Object) -> bool {
    let modified = object.stamp().modified();
    modified.and_then(|modified| modified.elapsed().ok()).is_some_and(|since| since >= UNCHANGED)
}

impl Recent {
    /// The memory of recent deliveries, for a cache of `bytes` of segments.
    pub(super) fn cache(bytes: u64) -> Cache<SegmentKey, Arc<Self>> {
        let weigh = |_: &SegmentKey, recent: &Arc<Self>| u32::try_from(recent.weight()).unwrap_or(u32::MAX);
        let capacity = bytes.max(LEAST);
        Cache::builder().max_capacity(capacity).weigher(weigh).eviction_policy(EvictionPolicy::lru()).build()
    }

    fn weight(&self) -> u64 {
        match self {
            Self::Ranged(..) | Self::Built(_) => SHARE * ENTRY / 2,
            Self::InPlace(in_place) => in_place.weight(),
        }
    }
}

impl Origin {
    pub(super) fn rebuild(self: &Arc<Self>, segment: &AssetSegment) -> Rebuild {
        Rebuild { origin: Arc::clone(self), segment: segment.clone() }
    }

    /// The entry of `key` if the segment was sent from its file lately, and that file.
    pub(super) fn in_place(
        &self,
        key: &SegmentKey,
        segment: &AssetSegment,
    ) -> Result<Option<(Arc<InPlace>, Object)>, Error> {
        if !self.sendfile {
            return Ok(None);
        }
        match self.recent.get(key).as_deref() {
            Some(Recent::InPlace(in_place)) => {
                Ok(segment.objects()?.into_iter().next().map(|object| (Arc::clone(in_place), object)))
            }
            Some(Recent::Ranged(..) | Recent::Built(_)) | None => Ok(None),
        }
    }

    /// Sends the segment of `source` from its file from now on, where that is possible: a hit where another request has
    /// just done so.
    pub(super) fn place(&self, key: &SegmentKey, source: &Source) -> Option<(Arc<InPlace>, Outcome)> {
        if !self.sendfile {
            return None;
        }
        let in_place = Arc::new(InPlace::new(source)?);
        let is_known = matches!(self.recent.get(key).as_deref(), Some(Recent::InPlace(_)));
        self.recent.insert(*key, Arc::new(Recent::InPlace(Arc::clone(&in_place))));
        Some((in_place, if is_known { Outcome::Hit } else { Outcome::Made }))
    }

    /// Whether a range of `bytes`, with those that were requested lately of the same segment, is a small part of its
    /// `length`. A segment that is requested in many parts is worth building whole.
    pub(super) fn is_small(&self, key: SegmentKey, bytes: u64, length: u64) -> bool {
        let most = SMALL.min(length / 4);
        if bytes > most {
            return false;
        }
        let recent = self.recent.get(&key);
        let before = match recent.as_deref() {
            Some(Recent::Ranged(since, sum)) if since.elapsed() < RANGED => sum.fetch_add(bytes, Ordering::Relaxed),
            Some(Recent::InPlace(_)) => 0,
            Some(Recent::Ranged(..) | Recent::Built(_)) | None => {
                self.recent.insert(key, Arc::new(Recent::Ranged(Instant::now(), AtomicU64::new(bytes))));
                0
            }
        };
        before.saturating_add(bytes) <= most
    }

    /// Whether this build of a remote segment follows one of the segment before it.
    pub(super) fn walks(&self, segment: &AssetSegment, key: SegmentKey) -> bool {
        if !segment.is_remote() {
            return false;
        }
        self.recent.insert(key, Arc::new(Recent::Built(Instant::now())));
        let before = key.before().and_then(|before| self.recent.get(&before));
        matches!(before.as_deref(), Some(Recent::Built(at)) if at.elapsed() < WALK)
    }
}
