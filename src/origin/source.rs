//! Builds any bytes of one segment, from its recipe and its stored objects.

use super::error::Error;
use crate::cache::BodyWriter;
use crate::media::{ByteRange, usize_from_u64};
use crate::metrics::{Metrics, Stage};
use crate::mux::{Chunks, Length, Piece, Reads, Recipe, TsRecipe, Window};
use crate::store::Object;
use bytes::{Bytes, BytesMut};
use std::ops::Range;
use std::time::Instant;

/// Bytes of a build step, after which readers get the new bytes: few at first, so that readers need not wait, then
/// more, because fewer steps wake readers less often.
const FIRST_STEP: u64 = 512 << 10;
const STEP: u64 = 1 << 20;

/// The recipe and the stored objects of one segment.
#[derive(Debug)]
pub(super) enum Source {
    /// CMAF: mostly unchanged stored bytes.
    Cmaf(Recipe, Object),
    /// MPEG-TS: packets built from stored bytes.
    Ts(Box<TsRecipe>, Objects),
}

/// The objects that store the tracks of a program.
#[derive(Debug, Clone)]
pub(super) struct Objects {
    pub(super) video: Option<Object>,
    pub(super) audio: Option<Object>,
}

impl Source {
    /// The length of the segment; `None` if it is known only after the build.
    pub(super) const fn length(&self) -> Option<u64> {
        match self {
            Self::Cmaf(recipe, _) => Some(recipe.length()),
            Self::Ts(recipe, _) => match recipe.length() {
                Length::Exact(length) => Some(length),
                Length::AfterMake => None,
            },
        }
    }

    /// The length of the segment; an estimate if it is known only after the build.
    pub(super) const fn about(&self) -> u64 {
        match self {
            Self::Cmaf(recipe, _) => recipe.length(),
            Self::Ts(recipe, _) => recipe.assumed(),
        }
    }

    /// Builds the whole segment step by step; readers follow.
    pub(super) async fn fill(self, filler: BodyWriter<Error>, metrics: &Metrics) -> Result<(), Error> {
        let Some(length) = self.length() else {
            self.expect(0..u64::MAX);
            filler.push(self.window(0..u64::MAX, metrics).await?);
            return Ok(());
        };
        let mut at = 0;
        while at < length {
            self.expect(at..length);
            let step = if at == 0 { FIRST_STEP } else { STEP };
            let end = match &self {
                Self::Cmaf(..) => length.min(at + step),
                Self::Ts(recipe, _) => recipe.step(at, step),
            };
            filler.push(self.window(at..end, metrics).await?);
            at = end;
            if at < length {
                filler.between().await;
            }
        }
        Ok(())
    }

    /// Prefetches the stored bytes for `range` of the segment from object stores; does nothing for local files.
    pub(super) fn expect(&self, range: Range<u64>) {
        match self {
            Self::Cmaf(_, object) if object.is_file() => {}
            Self::Cmaf(recipe, object) => {
                let stored = recipe.window(range).into_iter().filter_map(|piece| match piece {
                    Piece::Stored(range) => Some(range),
                    Piece::Made(_) => None,
                });
                object.expect(&stored.collect::<Vec<_>>());
            }
            Self::Ts(recipe, objects) => {
                let far = |object: &Option<Object>| object.clone().filter(|object| !object.is_file());
                let (video, audio) = (far(&objects.video), far(&objects.audio));
                if video.is_none() && audio.is_none() {
                    return;
                }
                let reads = if self.length().is_some() { recipe.window(range).reads() } else { recipe.whole().reads() };
                // If both tracks are in one file, prefetch the bytes of both with one call.
                let [video, audio] = match (video, audio) {
                    (Some(video), Some(audio)) if video.stamp() == audio.stamp() => {
                        return video.expect(&[reads.video, reads.audio].concat());
                    }
                    each => [each.0, each.1],
                };
                for (object, ranges) in [(video, reads.video), (audio, reads.audio)] {
                    if let Some(object) = object {
                        object.expect(&ranges);
                    }
                }
            }
        }
    }

    /// Builds bytes `range` of the segment, clamped to its length. Reads only the stored bytes that it needs, unless
    /// the length is known only after the build.
    pub(super) async fn window(&self, range: Range<u64>, metrics: &Metrics) -> Result<Vec<Bytes>, Error> {
        match self {
            Self::Cmaf(recipe, object) => {
                let start = Instant::now();
                let made = gathered(recipe.window(range), object).await;
                metrics.took(Stage::Read, start.elapsed());
                made
            }
            Self::Ts(recipe, objects) if self.length().is_some() => {
                baked(&recipe.window(range), objects, metrics).await
            }
            Self::Ts(recipe, objects) => {
                let whole = baked(&recipe.whole(), objects, metrics).await?;
                Ok(if range == (0..u64::MAX) { whole } else { slice(whole, range) })
            }
        }
    }
}

/// The bytes of `pieces`; reads each run of consecutive stored pieces with one call.
async fn gathered(pieces: Vec<Piece>, object: &Object) -> Result<Vec<Bytes>, Error> {
    let (mut chunks, mut run): (Vec<Bytes>, Vec<ByteRange>) = (Vec::new(), Vec::with_capacity(pieces.len()));
    for piece in pieces {
        match piece {
            Piece::Stored(range) => run.push(range),
            Piece::Made(bytes) => {
                if !run.is_empty() {
                    chunks.extend(object.read_ranges(std::mem::take(&mut run)).await?);
                }
                chunks.push(bytes);
            }
        }
    }
    if !run.is_empty() {
        chunks.extend(object.read_ranges(run).await?);
    }
    Ok(chunks)
}

/// Stored bytes of the video and of the audio track, and the chunks that contain them.
struct Stored {
    tracks: [Vec<Bytes>; 2],
    whole: Vec<Bytes>,
}

impl Stored {
    fn of(tracks: [Vec<Bytes>; 2]) -> Self {
        Self { whole: tracks.concat(), tracks }
    }
}

/// Reads the stored bytes of a window and builds it.
async fn baked(window: &Window<'_>, objects: &Objects, metrics: &Metrics) -> Result<Vec<Bytes>, Error> {
    let start = Instant::now();
    let reads = window.reads();
    let Stored { tracks: [video, audio], whole } = match (&objects.video, &objects.audio) {
        (Some(video), Some(audio)) if video.stamp() == audio.stamp() => together(video, reads).await?,
        (video, audio) => {
            Stored::of([read(video.as_ref(), reads.video).await?, read(audio.as_ref(), reads.audio).await?])
        }
    };
    let read = Instant::now();
    metrics.took(Stage::Read, read - start);
    let object = objects.video.as_ref().or(objects.audio.as_ref());
    let room = |bytes| object.map_or_else(|| BytesMut::with_capacity(bytes), |object| object.room(bytes));
    let made = window.bake(Chunks::new(video), Chunks::new(audio), room);
    if let Some(object) = object {
        object.give_back(whole);
    }
    metrics.took(Stage::Mux, read.elapsed());
    Ok(made)
}

async fn read(object: Option<&Object>, ranges: Vec<ByteRange>) -> Result<Vec<Bytes>, Error> {
    match object {
        Some(object) if !ranges.is_empty() => Ok(object.read_ranges(ranges).await?),
        Some(_) | None => Ok(Vec::new()),
    }
}

/// Reads both tracks of one file in file order, so that interleaved samples are one read. If a track does not need its
/// samples in file order, reads one track after the other.
async fn together(object: &Object, reads: Reads) -> Result<Stored, Error> {
    let Reads { video, audio } = reads;
    if ![&video, &audio].into_iter().all(|ranges| ranges.is_sorted_by(|one, next| one.end() <= next.start())) {
        return Ok(Stored::of([read(Some(object), video).await?, read(Some(object), audio).await?]));
    }
    let of = |track: usize| move |range: &ByteRange| (*range, track);
    let mut both: Vec<(ByteRange, usize)> = video.iter().map(of(0)).chain(audio.iter().map(of(1))).collect();
    both.sort_unstable_by_key(|(range, _)| range.start());
    let chunks = read(Some(object), both.iter().map(|(range, _)| *range).collect()).await?;
    Ok(Stored { tracks: dealt(chunks.clone(), &both), whole: chunks })
}

/// Distributes the bytes read for `ranges` to the tracks of the ranges.
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

/// Bytes `range` of the concatenated `chunks`.
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
