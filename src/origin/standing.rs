//! Segments that are kept as where they stand: their head is made, their samples are sent out of the page cache.
//!
//! ```text
//! asked for the first time ─► its head and its ranges are kept; sent from its file (Made)
//! again                    ─► the same, twice (Hit)
//! more often than that     ─► made in memory and kept like all others
//! ```
//! Only of files, where `store.sendfile` says so, and where the pieces are large enough for a call of their own each. What
//! the page cache has not got is read, for its reader alone.

use super::answer::{Origin, SegmentKey};
use super::media::Media;
use super::segment::Segment;
use super::source::Source;
use crate::media::u64_from_usize;
use crate::mux::{Piece, Recipe};
use crate::store::{Object, Span};
use bytes::Bytes;
use moka::policy::EvictionPolicy;
use moka::sync::Cache;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

/// Bytes of a piece, on average, that are worth a call of their own.
const PIECE: u64 = 64 << 10;

/// How often a segment is sent from its file, the first time aside.
const OFTEN: u32 = 2;

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
        (object.is_file() && recipe.length() >= pieces * PIECE).then(|| Self {
            recipe: recipe.clone(),
            object: object.clone(),
            asked: AtomicU32::new(0),
        })
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

/// What is kept of segments that are sent so: of as many as `bytes` are.
pub(super) fn keeping(bytes: u64) -> Cache<SegmentKey, Arc<Standing>> {
    let weigh = |_: &SegmentKey, standing: &Arc<Standing>| u32::try_from(standing.weight()).unwrap_or(u32::MAX);
    Cache::builder().max_capacity(bytes).weigher(weigh).eviction_policy(EvictionPolicy::lru()).build()
}

impl Origin {
    /// `segment` as it stands in its file, where it was sent so before, and not often.
    pub(super) fn stands(self: &Arc<Self>, segment: &Segment, key: &SegmentKey) -> Option<Media> {
        let standing = self.standing.as_ref()?.get(key)?;
        if standing.asked.fetch_add(1, Ordering::Relaxed) >= OFTEN || standing.object.check().is_err() {
            return None;
        }
        Some(Media::new(standing.recipe.length(), Arc::clone(self), segment.clone()).standing(standing))
    }

    /// The same for the first time.
    pub(super) fn stood(self: &Arc<Self>, segment: &Segment, key: &SegmentKey, source: &Source) -> Option<Media> {
        let standing = self.standing.as_ref()?;
        if standing.contains_key(key) {
            return None;
        }
        let made = Arc::new(Standing::of(source)?);
        made.object.check().ok()?;
        standing.insert(*key, Arc::clone(&made));
        Some(Media::new(made.recipe.length(), Arc::clone(self), segment.clone()).standing(made))
    }
}
