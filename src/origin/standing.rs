//! Segments that are sent directly from their files: the cache holds only their generated head and their byte ranges,
//! and the samples are sent from the page cache (sendfile).
//!
//! ```text
//! first request            ─► its head and its ranges are cached; it is sent from its file (Made)
//! next two requests        ─► it is sent from its file (Hit)
//! more requests            ─► it is loaded into memory and cached like other segments: one write then sends more (Hit)
//! not in the page cache    ─► it is built in memory and cached like other segments: other requests join the same read
//! ```
//! This applies only if `store.sendfile` is set, to files that were not modified for ten minutes, and to segments whose
//! pieces are large enough to be worth a system call each. Bytes that leave the page cache while a segment is being
//! sent are read for that reader only.

use super::answer::{Origin, SegmentKey};
use super::media::Media;
use super::segment::Segment;
use super::source::Source;
use crate::media::u64_from_usize;
use crate::metrics::Outcome;
use crate::mux::{Piece, Recipe};
use crate::store::{FileRange, Object};
use bytes::Bytes;
use moka::policy::EvictionPolicy;
use moka::sync::Cache;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

/// Least average size of pieces, in bytes, at which a system call for each piece is worthwhile.
const PIECE: u64 = 24 << 10;

/// How often a segment is sent from its file after the first time.
const OFTEN: u32 = 2;

/// A file must not have been modified for this long: a file that was written recently may be written in place again.
const REST: Duration = Duration::from_mins(10);

/// An entry takes at most one part in this many of its weight in memory.
const SHARE: u64 = 16;

/// A segment to send directly from its file.
#[derive(Debug)]
pub(super) struct Standing {
    recipe: Recipe,
    object: Object,
    asked: AtomicU32,
}

/// A run of bytes of a response.
#[derive(Debug)]
pub enum Lump {
    /// Bytes in memory.
    Bytes(Bytes),
    /// A byte range of a file.
    Span(FileRange),
}

impl Standing {
    /// The entry of `source`; `None` if it is not CMAF in a local file, its pieces are too small, or the file was
    /// modified recently.
    fn of(source: &Source) -> Option<Self> {
        let Source::Cmaf(recipe, object) = source else { return None };
        let pieces = u64_from_usize(recipe.pieces().len());
        (object.is_file() && recipe.length() >= pieces * PIECE && rests(object)).then(|| Self {
            recipe: recipe.clone(),
            object: object.clone(),
            asked: AtomicU32::new(0),
        })
    }

    /// The source of the segment, for building it in memory.
    pub(super) fn source(&self) -> Source {
        Source::Cmaf(self.recipe.clone(), self.object.clone())
    }

    /// Counts a request; returns whether to send the segment from its file again.
    pub(super) fn serves(&self) -> bool {
        let few = self.asked.fetch_add(1, Ordering::Relaxed) < OFTEN;
        if !few {
            // Start over: after memory evicts the segment, send it from its file again.
            self.asked.store(0, Ordering::Relaxed);
        }
        few && self.is_ready()
    }

    /// Whether its file is unchanged, and its first and last byte are in the page cache. The rest is checked when it is
    /// sent.
    fn is_ready(&self) -> bool {
        let mut stored = self.recipe.pieces().iter().filter_map(|piece| match piece {
            Piece::Made(_) => None,
            Piece::Stored(range) => Some(*range),
        });
        let (first, last) = (stored.next(), stored.next_back());
        let ends = [first.and_then(|range| range.slice(0, 1)), last.and_then(|range| range.slice(range.len() - 1, 1))];
        self.object.check().is_ok() && ends.into_iter().flatten().all(|end| self.object.span(end).is_some())
    }

    /// Its weight in the cache: the length of the segment or [`SHARE`] times the memory it takes, whichever is more.
    fn weight(&self) -> u64 {
        const STANDING: u64 = 512;
        let pieces = self.recipe.pieces().iter().map(|piece| match piece {
            Piece::Made(bytes) => u64_from_usize(bytes.len()) + 64,
            Piece::Stored(_) => 64,
        });
        self.recipe.length().max(SHARE * (STANDING + pieces.sum::<u64>()))
    }

    /// Passes the pieces of `range`, from its start on, to `each`. Stops at the first byte that is not in the page
    /// cache.
    pub(super) fn look(&self, range: &Range<u64>, each: &mut impl FnMut(Lump)) {
        for piece in self.recipe.window(range.clone()) {
            match piece {
                Piece::Made(bytes) => each(Lump::Bytes(bytes)),
                Piece::Stored(range) => {
                    let span = self.object.span(range);
                    let whole = span.as_ref().is_some_and(|span| span.left() == range.len());
                    if let Some(span) = span {
                        each(Lump::Span(span));
                    }
                    // The next bytes must be read first; do not check those after them yet.
                    if !whole {
                        return;
                    }
                }
            }
        }
    }
}

fn rests(object: &Object) -> bool {
    let modified = object.stamp().modified();
    modified.and_then(|modified| modified.elapsed().ok()).is_some_and(|since| since >= REST)
}

/// A cache of entries with a total weight of `bytes`.
pub(super) fn keeping(bytes: u64) -> Cache<SegmentKey, Arc<Standing>> {
    let weigh = |_: &SegmentKey, standing: &Arc<Standing>| u32::try_from(standing.weight()).unwrap_or(u32::MAX);
    Cache::builder().max_capacity(bytes).weigher(weigh).eviction_policy(EvictionPolicy::lru()).build()
}

impl Origin {
    /// The cached entry of the segment `key`, for sending it from its file.
    pub(super) fn standing(&self, key: &SegmentKey) -> Option<Arc<Standing>> {
        self.standing.as_ref()?.get(key)
    }

    /// Caches an entry of `source` under `key`; `None` if it cannot be sent from its file. The outcome is a hit if
    /// another request has just cached one.
    pub(super) fn stood(&self, key: &SegmentKey, source: &Source) -> Option<(Arc<Standing>, Outcome)> {
        let kept = self.standing.as_ref()?;
        let made = Standing::of(source).filter(Standing::is_ready).map(Arc::new)?;
        let outcome = if kept.contains_key(key) { Outcome::Hit } else { Outcome::Made };
        kept.insert(*key, Arc::clone(&made));
        Some((made, outcome))
    }

    /// The bytes of `segment`, sent directly from its file as `standing` describes.
    pub(super) fn sent(self: &Arc<Self>, segment: Segment, standing: Arc<Standing>) -> Media {
        Media::new(standing.recipe.length(), Arc::clone(self), segment).standing(standing)
    }
}
