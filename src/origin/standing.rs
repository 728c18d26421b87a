//! Segments that are kept as where they stand: their head is made, their samples are sent out of the page cache.
//!
//! ```text
//! asked for the first time ─► its head and its ranges are kept; sent from its file (Made)
//! again                    ─► the same, twice (Hit)
//! more often than that     ─► brought into memory and kept like all others: a crowd is sent more at once from there (Hit)
//! not in the page cache    ─► made in memory and kept like all others: whoever else asks then waits for the same read
//! ```
//! Only of files that were not written to for ten minutes, where `store.sendfile` says so, and where the pieces are large
//! enough for a call of their own each. What leaves the page cache under way is read, for its reader alone.

use super::answer::{Origin, SegmentKey};
use super::media::Media;
use super::segment::Segment;
use super::source::Source;
use crate::media::u64_from_usize;
use crate::metrics::Outcome;
use crate::mux::{Piece, Recipe};
use crate::store::{Object, Span};
use bytes::Bytes;
use moka::policy::EvictionPolicy;
use moka::sync::Cache;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

/// Bytes of a piece, on average, that are worth a call of their own.
const PIECE: u64 = 24 << 10;

/// How often a segment is sent from its file, the first time aside.
const OFTEN: u32 = 2;

/// A file that was written to later than so long ago may be again, where it stands.
const REST: Duration = Duration::from_mins(10);

/// What is kept of them takes a part of the memory that they themselves would take; this is the least divisor.
const SHARE: u64 = 16;

/// A segment as it stands in its file.
#[derive(Debug)]
pub(super) struct Standing {
    recipe: Recipe,
    object: Object,
    asked: AtomicU32,
}

/// Bytes of an answer.
#[derive(Debug)]
pub enum Lump {
    /// In memory.
    Bytes(Bytes),
    /// In a file.
    Span(Span),
}

impl Standing {
    /// What `source` makes, where it is sent so.
    fn of(source: &Source) -> Option<Self> {
        let Source::Cmaf(recipe, object) = source else { return None };
        let pieces = u64_from_usize(recipe.pieces().len());
        (object.is_file() && recipe.length() >= pieces * PIECE && rests(object)).then(|| Self {
            recipe: recipe.clone(),
            object: object.clone(),
            asked: AtomicU32::new(0),
        })
    }

    /// What it is made of, to be read.
    pub(super) fn source(&self) -> Source {
        Source::Cmaf(self.recipe.clone(), self.object.clone())
    }

    /// It is asked for once more: whether it is sent from its file again.
    pub(super) fn serves(&self) -> bool {
        let few = self.asked.fetch_add(1, Ordering::Relaxed) < OFTEN;
        if !few {
            // Once it has left the memory again, it is a while from here.
            self.asked.store(0, Ordering::Relaxed);
        }
        few && self.is_ready()
    }

    /// Whether its file is what it was, and the page cache has its ends: the rest is looked at when it is sent.
    fn is_ready(&self) -> bool {
        let mut stored = self.recipe.pieces().iter().filter_map(|piece| match piece {
            Piece::Made(_) => None,
            Piece::Stored(range) => Some(*range),
        });
        let (first, last) = (stored.next(), stored.next_back());
        let ends = [first.and_then(|range| range.slice(0, 1)), last.and_then(|range| range.slice(range.len() - 1, 1))];
        self.object.check().is_ok() && ends.into_iter().flatten().all(|end| self.object.span(end).is_some())
    }

    /// The bytes that it stands for; or, if that is more, [`SHARE`] times what it takes in memory.
    fn weight(&self) -> u64 {
        const STANDING: u64 = 512;
        let pieces = self.recipe.pieces().iter().map(|piece| match piece {
            Piece::Made(bytes) => u64_from_usize(bytes.len()) + 64,
            Piece::Stored(_) => 64,
        });
        self.recipe.length().max(SHARE * (STANDING + pieces.sum::<u64>()))
    }

    /// Hands over what of `range` is sent so, from its start on.
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
                    // What follows what has to be read is not looked at yet.
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

/// What is kept of segments that are sent so: of as many as `bytes` are.
pub(super) fn keeping(bytes: u64) -> Cache<SegmentKey, Arc<Standing>> {
    let weigh = |_: &SegmentKey, standing: &Arc<Standing>| u32::try_from(standing.weight()).unwrap_or(u32::MAX);
    Cache::builder().max_capacity(bytes).weigher(weigh).eviction_policy(EvictionPolicy::lru()).build()
}

impl Origin {
    /// What is kept by `key` as it stands in its file.
    pub(super) fn standing(&self, key: &SegmentKey) -> Option<Arc<Standing>> {
        self.standing.as_ref()?.get(key)
    }

    /// What `source` makes as it stands, kept by `key` from now on; a hit where others have just done that.
    pub(super) fn stood(&self, key: &SegmentKey, source: &Source) -> Option<(Arc<Standing>, Outcome)> {
        let kept = self.standing.as_ref()?;
        let made = Standing::of(source).filter(Standing::is_ready).map(Arc::new)?;
        let outcome = if kept.contains_key(key) { Outcome::Hit } else { Outcome::Made };
        kept.insert(*key, Arc::clone(&made));
        Some((made, outcome))
    }

    /// `segment`, sent as `standing` says.
    pub(super) fn sent(self: &Arc<Self>, segment: Segment, standing: Arc<Standing>) -> Media {
        Media::new(standing.recipe.length(), Arc::clone(self), segment).standing(standing)
    }
}
