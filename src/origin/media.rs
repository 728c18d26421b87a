//! A segment's bytes as they are sent: out of the body that all share while it is kept, else made for one reader.

use super::answer::Origin;
use super::error::Error;
use super::segment::Segment;
use super::standing::{Lump, Standing};
use crate::cache::{Body, Look};
use crate::media::u64_from_usize;
use bytes::Bytes;
use std::ops::Range;
use std::sync::Arc;

/// A segment's bytes as they are sent. Cheap to clone; holds none of them but those of a small range.
#[derive(Debug, Clone)]
pub struct Media {
    length: u64,
    /// What all share.
    body: Option<Arc<Body<Error>>>,
    /// What was made for this reader: from this byte on.
    own: Option<(u64, Arc<Body<Error>>)>,
    /// Sent from where it stands.
    standing: Option<Arc<Standing>>,
    /// How what is not there any more is made again.
    remake: Option<Remake>,
}

#[derive(Debug, Clone)]
struct Remake {
    origin: Arc<Origin>,
    segment: Segment,
}

impl Media {
    /// These bytes, which nothing can take away.
    #[must_use]
    pub fn of(chunks: Vec<Bytes>) -> Self {
        let length = chunks.iter().map(|chunk| u64_from_usize(chunk.len())).sum();
        Self { length, body: Some(Arc::new(Body::complete(chunks))), own: None, standing: None, remake: None }
    }

    /// A segment of `length` bytes, none of them here yet.
    pub(super) const fn new(length: u64, origin: Arc<Origin>, segment: Segment) -> Self {
        Self { length, body: None, own: None, standing: None, remake: Some(Remake { origin, segment }) }
    }

    /// The same, its bytes being those of `body` as long as that has them.
    pub(super) fn following(self, body: Arc<Body<Error>>) -> Self {
        Self { body: Some(body), ..self }
    }

    /// The same, with the bytes from `start` on at hand.
    pub(super) fn with(self, start: u64, chunks: Vec<Bytes>) -> Self {
        Self { own: Some((start, Arc::new(Body::complete(chunks)))), ..self }
    }

    /// The same, sent from where it stands.
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

    /// Hands over what is in memory of `range`, from its start on.
    pub(super) fn look(&self, range: &Range<u64>, each: &mut impl FnMut(Bytes)) -> Look<Error> {
        if let Some((start, own)) = &self.own
            && *start <= range.start
            && let Look::Here(taken @ 1..) = own.look(&(range.start - start..range.end - start), &mut *each)
        {
            return Look::Here(taken);
        }
        self.body.as_ref().map_or(Look::Released, |body| body.look(range, each))
    }

    /// Hands over what of `range` is sent from where it stands, from its start on.
    pub(super) fn stands(&self, range: &Range<u64>, each: &mut impl FnMut(Lump)) {
        if let Some(standing) = &self.standing {
            standing.look(range, each);
        }
    }

    /// The next bytes of `range`: at least one, where it is not empty and there are any.
    pub(super) async fn read(&self, range: Range<u64>) -> Result<Vec<Bytes>, Error> {
        loop {
            let mut chunks = Vec::new();
            match self.look(&range, &mut |chunk| chunks.push(chunk)) {
                Look::Here(_) => return Ok(chunks),
                Look::Failed(error) => return Err(error),
                Look::Growing => match &self.body {
                    Some(body) => body.reached(range.start).await,
                    None => return Ok(chunks),
                },
                Look::Released => {
                    let lost = || Error::Interrupted("the bytes are gone".into());
                    let Remake { origin, segment } = self.remake.as_ref().ok_or_else(lost)?;
                    return origin.window(segment, range).await;
                }
            }
        }
    }
}
