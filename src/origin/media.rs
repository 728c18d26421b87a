//! The bytes of a segment for one response: from the shared body while that is cached, otherwise built for this reader.

use super::answer::Origin;
use super::error::Error;
use super::segment::Segment;
use super::standing::{Lump, Standing};
use crate::cache::{Body, RangeState};
use crate::media::u64_from_usize;
use bytes::Bytes;
use std::ops::Range;
use std::sync::Arc;

/// The bytes of a segment for one response. Cheap to clone. It holds no bytes itself, except those of a small range.
#[derive(Debug, Clone)]
pub struct Media {
    length: u64,
    /// The body shared with other responses.
    body: Option<Arc<Body<Error>>>,
    /// Bytes built for this reader, and their offset in the segment.
    own: Option<(u64, Arc<Body<Error>>)>,
    /// The parts to send directly from the file.
    standing: Option<Arc<Standing>>,
    /// How to rebuild evicted bytes.
    remake: Option<Remake>,
}

#[derive(Debug, Clone)]
struct Remake {
    origin: Arc<Origin>,
    segment: Segment,
}

impl Media {
    /// A segment of these bytes, which cannot be evicted.
    #[must_use]
    pub fn of(chunks: Vec<Bytes>) -> Self {
        let length = chunks.iter().map(|chunk| u64_from_usize(chunk.len())).sum();
        Self { length, body: Some(Arc::new(Body::complete(chunks))), own: None, standing: None, remake: None }
    }

    /// A segment of `length` bytes, none of which are built yet.
    pub(super) const fn new(length: u64, origin: Arc<Origin>, segment: Segment) -> Self {
        Self { length, body: None, own: None, standing: None, remake: Some(Remake { origin, segment }) }
    }

    /// Takes bytes from `body` as long as it has them.
    pub(super) fn following(self, body: Arc<Body<Error>>) -> Self {
        Self { body: Some(body), ..self }
    }

    /// Adds `chunks`, the bytes from `start` on.
    pub(super) fn with(self, start: u64, chunks: Vec<Bytes>) -> Self {
        Self { own: Some((start, Arc::new(Body::complete(chunks)))), ..self }
    }

    /// Sends it directly from its file, as `standing` describes.
    pub(super) fn standing(self, standing: Arc<Standing>) -> Self {
        Self { standing: Some(standing), ..self }
    }

    /// Its length in bytes.
    #[must_use]
    pub const fn len(&self) -> u64 {
        self.length
    }

    /// Whether there are no bytes.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.length == 0
    }

    /// Passes the bytes of `range` that are in memory, from its start on, to `each`.
    pub(super) fn get(&self, range: &Range<u64>, each: &mut impl FnMut(Bytes)) -> RangeState<Error> {
        if let Some((start, own)) = &self.own
            && *start <= range.start
            && let RangeState::Here(taken @ 1..) = own.get(&(range.start - start..range.end - start), &mut *each)
        {
            return RangeState::Here(taken);
        }
        self.body.as_ref().map_or(RangeState::Released, |body| body.get(range, each))
    }

    /// Passes the parts of `range` to send from the file, from its start on, to `each`.
    pub(super) fn stands(&self, range: &Range<u64>, each: &mut impl FnMut(Lump)) {
        if let Some(standing) = &self.standing {
            standing.look(range, each);
        }
    }

    /// Waits for the next bytes of `range`: at least one, unless `range` is empty or begins at the end.
    pub(super) async fn read(&self, range: Range<u64>) -> Result<Vec<Bytes>, Error> {
        loop {
            let mut chunks = Vec::new();
            match self.get(&range, &mut |chunk| chunks.push(chunk)) {
                RangeState::Here(_) => return Ok(chunks),
                RangeState::Failed(error) => return Err(error),
                RangeState::Growing => match &self.body {
                    Some(body) => body.reached(range.start).await,
                    None => return Ok(chunks),
                },
                RangeState::Released => {
                    let lost = || Error::Interrupted("the bytes are gone".into());
                    let Remake { origin, segment } = self.remake.as_ref().ok_or_else(lost)?;
                    return origin.window(segment, range).await;
                }
            }
        }
    }
}
