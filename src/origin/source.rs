//! A recipe with the objects that it reads: builds any bytes of one segment.

use super::error::Error;
use crate::cache::BodyWriter;
use crate::media::{ByteRange, usize_from_u64};
use crate::metrics::{Metrics, Stage};
use crate::mux::{Copied, Length, Reads, Recipe, Stored, Window};
use crate::store::Object;
use bytes::{Bytes, BytesMut};
use std::ops::Range;
use std::time::Instant;

/// Bytes that a maker builds before its readers get them: few at first, so that they need not wait, then more, because
/// fewer writes wake them less often.
const FIRST_STEP: u64 = 512 << 10;
const STEP: u64 = 1 << 20;

/// A recipe with the objects that it reads.
#[derive(Debug)]
pub(super) struct Source {
    recipe: Recipe,
    /// One for each track of the stream, at least one.
    objects: Vec<Object>,
}

impl Source {
    pub(super) const fn new(recipe: Recipe, objects: Vec<Object>) -> Self {
        Self { recipe, objects }
    }

    /// The length of the segment in bytes; `None` where it is known only after the build.
    pub(super) const fn length(&self) -> Option<u64> {
        match self.recipe.length() {
            Length::Exact(length) => Some(length),
            Length::AfterBuild => None,
        }
    }

    /// The length in bytes; an estimate where it is known only after the build.
    pub(super) const fn estimate(&self) -> u64 {
        self.recipe.estimate()
    }

    /// The object of the first track.
    pub(super) fn object(&self) -> Option<&Object> {
        self.objects.first()
    }

    /// The recipe and its only object, where the segment copies stored bytes.
    pub(super) fn copied(&self) -> Option<(&Copied, &Object)> {
        match &self.recipe {
            Recipe::Copied(copied) => self.object().map(|object| (copied, object)),
            Recipe::Packets(_) => None,
        }
    }

    /// Builds the whole segment, step by step; readers follow.
    pub(super) async fn fill(self, filler: BodyWriter<Error>, metrics: &Metrics) -> Result<(), Error> {
        let Some(length) = self.length() else {
            self.expect(0..u64::MAX);
            filler.push(self.window(0..u64::MAX, metrics).await?);
            return Ok(());
        };
        let mut at = 0;
        while at < length {
            self.expect(at..length);
            let end = self.recipe.step_end(at, if at == 0 { FIRST_STEP } else { STEP });
            filler.push(self.window(at..end, metrics).await?);
            at = end;
            if at < length {
                filler.between().await;
            }
        }
        Ok(())
    }

    /// Announces that bytes `range` of the segment are about to be built, where reading their objects costs requests.
    pub(super) fn expect(&self, range: Range<u64>) {
        if self.objects.iter().all(Object::is_file) {
            return;
        }
        let Reads { first, second } = self.recipe.window(range).reads();
        match self.objects.as_slice() {
            // The two tracks' ranges of one object are one request.
            [one, other] if one.stamp() == other.stamp() => one.expect(&[first, second].concat()),
            objects => {
                for (object, ranges) in objects.iter().zip([first, second]).filter(|(object, _)| !object.is_file()) {
                    object.expect(&ranges);
                }
            }
        }
    }

    /// Bytes `range` of the segment, cut off at its end. Reads only the stored bytes that they are made of.
    pub(super) async fn window(&self, range: Range<u64>, metrics: &Metrics) -> Result<Vec<Bytes>, Error> {
        let window = self.recipe.window(range.clone());
        let built = self.build(window, metrics).await?;
        let is_whole = self.length().is_some() || range == (0..u64::MAX);
        Ok(if is_whole { built } else { slice(built, range) })
    }

    async fn build(&self, window: Window<'_>, metrics: &Metrics) -> Result<Vec<Bytes>, Error> {
        let start = Instant::now();
        let reads = window.reads();
        let (stored, whole) = match self.objects.as_slice() {
            [one, other] if one.stamp() == other.stamp() => together(one, reads).await?,
            objects => {
                let (mut objects, Reads { first, second }) = (objects.iter(), reads);
                let first = read(objects.next(), first).await?;
                let second = read(objects.next(), second).await?;
                let whole = if self.is_copied() { Vec::new() } else { [first.as_slice(), &second].concat() };
                (Stored { first, second }, whole)
            }
        };
        metrics.took(Stage::Read, start.elapsed());
        if self.is_copied() {
            return Ok(window.build(stored, BytesMut::with_capacity));
        }
        let read = Instant::now();
        let object = self.object();
        let room = |bytes| object.map_or_else(|| BytesMut::with_capacity(bytes), |object| object.room(bytes));
        let built = window.build(stored, room);
        if let Some(object) = object {
            object.give_back(whole);
        }
        metrics.took(Stage::Mux, read.elapsed());
        Ok(built)
    }

    const fn is_copied(&self) -> bool {
        matches!(self.recipe, Recipe::Copied(_))
    }
}

async fn read(object: Option<&Object>, ranges: Vec<ByteRange>) -> Result<Vec<Bytes>, Error> {
    match object {
        Some(object) if !ranges.is_empty() => Ok(object.read_ranges(ranges).await?),
        Some(_) | None => Ok(Vec::new()),
    }
}

/// Reads the ranges of both tracks of one object in the order in which they lie in it, so that interleaved samples are one
/// read. Where that is not the order in which they are needed, reads one track after the other. Returns the chunks of
/// each track, and all chunks as they were read.
async fn together(object: &Object, reads: Reads) -> Result<(Stored, Vec<Bytes>), Error> {
    let Reads { first, second } = reads;
    if ![&first, &second].into_iter().all(|ranges| ranges.is_sorted_by(|one, next| one.end() <= next.start())) {
        let (first, second) = (read(Some(object), first).await?, read(Some(object), second).await?);
        let whole = [first.as_slice(), &second].concat();
        return Ok((Stored { first, second }, whole));
    }
    let of = |track: usize| move |range: &ByteRange| (*range, track);
    let mut both: Vec<(ByteRange, usize)> = first.iter().map(of(0)).chain(second.iter().map(of(1))).collect();
    both.sort_unstable_by_key(|(range, _)| range.start());
    let chunks = read(Some(object), both.iter().map(|(range, _)| *range).collect()).await?;
    let [first, second] = dealt(chunks.clone(), &both);
    Ok((Stored { first, second }, chunks))
}

/// The bytes of `ranges`, dealt out to their tracks.
fn dealt(chunks: Vec<Bytes>, ranges: &[(ByteRange, usize)]) -> [Vec<Bytes>; 2] {
    let (mut tracks, mut chunks, mut chunk) = ([Vec::new(), Vec::new()], chunks.into_iter(), Bytes::new());
    for (range, track) in ranges {
        let mut left = usize_from_u64(range.len());
        while left > 0 {
            if chunk.is_empty() {
                let Some(next) = chunks.next() else { return tracks };
                chunk = next;
            }
            let now = chunk.split_to(left.min(chunk.len()));
            left -= now.len();
            tracks.get_mut(*track).into_iter().for_each(|track| track.push(now.clone()));
        }
    }
    tracks
}

/// Bytes `range` of `chunks`, concatenated.
fn slice(chunks: Vec<Bytes>, range: Range<u64>) -> Vec<Bytes> {
    let body: crate::cache::Body<Error> = crate::cache::Body::complete(chunks);
    let mut slices = Vec::new();
    body.get(&range, |chunk| slices.push(chunk));
    slices
}

#[cfg(test)]
mod tests {
    use super::dealt;
    use crate::media::{ByteRange, u64_from_usize};
    use crate::mux::CHUNK;
    use crate::store::CHUNK_LIMIT;
    use bytes::Bytes;

    #[test]
    fn what_is_made_comes_back_as_chunks_to_be_read_into() {
        assert_eq!(u64_from_usize(CHUNK), CHUNK_LIMIT);
    }

    #[test]
    fn what_is_read_together_is_dealt_out_to_its_track() {
        let chunks = ["aab", "bba", "aa", "b"].map(|chunk| Bytes::from_static(chunk.as_bytes()));
        let range = |start, len| ByteRange::new(start, len).unwrap();
        let ranges = [(range(0, 2), 0), (range(2, 3), 1), (range(9, 3), 0), (range(20, 1), 1)];
        let [video, audio] = dealt(chunks.into(), &ranges).map(|chunks| chunks.concat());
        assert_eq!((video.as_slice(), audio.as_slice()), (&b"aaaaa"[..], &b"bbbb"[..]));
    }
}
