//! Replies for segments of either container: cached, being built, newly built, or built window by window for one
//! reader.
//!
//! ```text
//! cached ─► Hit      being built ─► Joined       no bytes will be sent (HEAD) ─► only its length
//! too large to cache ─► TooLarge: built window by window for each reader
//! a small range, and few bytes were requested before ─► only that window is built
//! else ─► Made: built in its own task; the reply is ready as soon as the first requested bytes exist
//! ```

use super::answer::{Container, Origin, SegmentKey};
use super::content::Wish;
use super::error::Error;
use super::media::Media;
use super::source::{Objects, Source};
use super::stages::Stages;
use crate::cache::{Body, BodySize};
use crate::catalog::Asset;
use crate::metrics::{CacheKind, Outcome};
use crate::mux;
use crate::plan::{Planned, Streams};
use crate::store::Object;
use bytes::Bytes;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Instant;

/// Ranges of a segment are small if together they have at most this many bytes, and at most a quarter of the segment.
const SMALL: u64 = 1 << 20;

/// Bytes of a window that are built before the reply is ready.
const AT_ONCE: u64 = 32 << 10;

/// One segment of an asset.
#[derive(Debug, Clone)]
pub(super) struct Segment {
    pub(super) asset: Arc<Asset>,
    pub(super) of: Of,
    pub(super) number: u32,
}

/// The tracks that a segment is built from, by their numbers in the plan.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Of {
    /// A CMAF segment of one track.
    Track(usize),
    /// An MPEG-TS segment of one track or two.
    Program(usize, Option<usize>),
}

impl Segment {
    /// The tracks that it is built from.
    fn tracks(&self) -> [Option<&Planned>; 2] {
        let tracks = self.asset.plan.tracks();
        match self.of {
            Of::Track(at) | Of::Program(at, None) => [tracks.get(at), None],
            Of::Program(first, Some(second)) => [tracks.get(first), tracks.get(second)],
        }
    }

    fn object(&self, track: Option<&Planned>) -> Option<&Object> {
        track.and_then(|track| self.asset.file(&track.file)).map(|file| &file.object)
    }

    /// Whether some of its stored bytes are in an object store, not in a local file.
    pub(super) fn is_far(&self) -> bool {
        self.tracks().into_iter().any(|track| self.object(track).is_some_and(|object| !object.is_file()))
    }

    fn streams(&self) -> Result<Streams<'_>, Error> {
        match self.tracks() {
            [Some(track), None] => Ok(Streams::alone(track)),
            [Some(video), Some(audio)] => Streams::muxed(video, audio).ok_or(Error::NotFound),
            [None, _] => Err(Error::NotFound),
        }
    }

    /// Its cache key.
    pub(super) fn key(&self) -> Result<SegmentKey, Error> {
        let made_of = self.tracks().map(|track| self.object(track).map(Object::stamp));
        let (version, container) = match self.of {
            Of::Track(_) => (self.streams()?.first().version, Container::Cmaf),
            Of::Program(..) => (self.streams()?.version(), Container::Ts),
        };
        Ok(SegmentKey { version, container, number: self.number, made_of })
    }
}

impl Origin {
    /// The bytes of `segment`; `wish` chooses those to send.
    pub(super) async fn media(
        self: &Arc<Self>,
        segment: Segment,
        wish: Wish<'_>,
        stages: &mut Stages,
    ) -> Result<Media, Error> {
        let key = segment.key()?;
        let start = Instant::now();
        if let Some((body, outcome)) = self.segments.get(&key) {
            let followed = self.followed(&segment, (body, outcome), wish).await;
            stages.looked(&followed, outcome, start);
            return followed;
        }
        let standing = self.standing(&key);
        if let Some(standing) = standing.as_ref().filter(|standing| standing.serves()) {
            stages.looked(&Ok(()), Outcome::Hit, start);
            self.metrics.count(CacheKind::Segment, Outcome::Hit);
            return Ok(self.sent(segment, Arc::clone(standing)));
        }
        let again = standing.is_some();
        let source = match standing {
            Some(standing) => standing.source(),
            None => self.source(&segment).await?,
        };
        let (length, about) = (source.length(), source.about());
        let Some(wanted) = wish.of(length.unwrap_or(about)) else {
            return match length {
                Some(length) => Ok(Media::new(length, Arc::clone(self), segment)),
                // The length is known only after the build, so the segment must be built to reply.
                None => self.made(segment, key, (source, again), wish, stages).await,
            };
        };
        if let Some(length) = length {
            let many = !self.segments.keeps(length);
            if many || self.is_small(key, wanted.end - wanted.start, length) {
                let outcome = if many { Outcome::TooLarge } else { Outcome::Made };
                let media = self.windowed(segment, source, (length, wanted)).await;
                stages.looked(&media, outcome, start);
                stages.cache.iter().for_each(|outcome| self.metrics.count(CacheKind::Segment, *outcome));
                return media;
            }
        }
        if !again && let Some((standing, outcome)) = self.stood(&key, &source) {
            stages.looked(&Ok(()), outcome, start);
            self.metrics.count(CacheKind::Segment, outcome);
            return Ok(self.sent(segment, standing));
        }
        self.made(segment, key, (source, again), wish, stages).await
    }

    /// Whether a range of `bytes` bytes, together with recently requested small ranges of the same segment, is a small
    /// part of its `length`. A segment that is requested in many parts is worth building as a whole.
    fn is_small(&self, key: SegmentKey, bytes: u64, length: u64) -> bool {
        let most = SMALL.min(length / 4);
        let asked = || self.ranged.get_with(key, Arc::default).fetch_add(bytes, Ordering::Relaxed);
        bytes <= most && asked().saturating_add(bytes) <= most
    }

    async fn made(
        self: &Arc<Self>,
        segment: Segment,
        key: SegmentKey,
        (source, again): (Source, bool),
        wish: Wish<'_>,
        stages: &mut Stages,
    ) -> Result<Media, Error> {
        let start = Instant::now();
        let size = BodySize { length: source.length(), about: source.about(), again };
        let metrics = Arc::clone(&self.metrics);
        let walk = self.walks(&segment, key).then(|| (Arc::clone(self), segment.clone()));
        let made = self.segments.make(key, size, |filler| async move {
            source.fill(filler, &metrics).await?;
            if let Some((origin, segment)) = walk {
                Box::pin(origin.read_ahead(segment)).await;
            }
            Ok(())
        });
        let (body, outcome) = match made {
            Ok(made) => made,
            Err(error) => {
                let failed = Err(error);
                stages.looked(&failed, Outcome::Made, start);
                return failed;
            }
        };
        let followed = self.followed(&segment, (body, outcome), wish).await;
        let told = if again && outcome == Outcome::Made { Outcome::Hit } else { outcome };
        stages.looked(&followed, told, start);
        followed
    }

    /// Waits until the first requested byte of a shared body exists, then returns the bytes of the segment.
    async fn followed(
        self: &Arc<Self>,
        segment: &Segment,
        (body, outcome): (Arc<Body<Error>>, Outcome),
        wish: Wish<'_>,
    ) -> Result<Media, Error> {
        if outcome != Outcome::Hit {
            match body.length().map(|length| wish.of(length)) {
                Some(Some(wanted)) => body.reached(wanted.start).await,
                Some(None) => {}
                None => body.made().await?,
            }
            if let Some(error) = body.failure() {
                return Err(error);
            }
        }
        let length = body.length().ok_or_else(|| Error::Interrupted("made of no length".into()))?;
        Ok(Media::new(length, Arc::clone(self), segment.clone()).following(body))
    }

    /// The bytes of a segment that is built for one reader. Builds the first bytes at once, so that an error becomes
    /// the response.
    async fn windowed(
        self: &Arc<Self>,
        segment: Segment,
        source: Source,
        (length, wanted): (u64, Range<u64>),
    ) -> Result<Media, Error> {
        let now = wanted.start..wanted.end.min(wanted.start + AT_ONCE);
        source.expect(wanted);
        let chunks = self.window_of(&source, now.clone()).await?;
        Ok(Media::new(length, Arc::clone(self), segment).with(now.start, chunks))
    }

    /// Builds bytes `range` of `segment`.
    pub(super) async fn window(&self, segment: &Segment, range: Range<u64>) -> Result<Vec<Bytes>, Error> {
        let source = self.source(segment).await?;
        self.window_of(&source, range).await
    }

    async fn window_of(&self, source: &Source, range: Range<u64>) -> Result<Vec<Bytes>, Error> {
        let bytes = range.end - range.start;
        let _turn = self.segments.governor().enter(bytes).await?;
        self.metrics.window(bytes);
        source.window(range, &self.metrics).await
    }

    /// The source of `segment`: its recipe and its objects. Loads the index that it needs.
    pub(super) async fn source(&self, segment: &Segment) -> Result<Source, Error> {
        match (segment.of, segment.tracks()) {
            (Of::Track(_), [Some(track), _]) => {
                let planned = track.segment(segment.number).ok_or(Error::NotFound)?;
                let object = segment.object(Some(track)).ok_or(Error::NotFound)?;
                self.catalog.fetch_samples(&segment.asset, track, planned.samples.clone()).await?;
                if !track.is_true(planned) {
                    return Err(Box::pin(self.catalog.doubt(&segment.asset)).await.into());
                }
                Ok(Source::Cmaf(mux::segment(track, segment.number, planned), object.clone()))
            }
            (Of::Program(first, second), _) => {
                let streams = segment.streams()?;
                let transport = self.transport(&segment.asset, (first, second)).await?;
                let recipe = transport.recipe(streams, segment.number).ok_or(Error::NotFound)?;
                let object = |track| segment.object(track).cloned();
                Ok(Source::Ts(
                    Box::new(recipe),
                    Objects { video: object(streams.video()), audio: object(streams.audio()) },
                ))
            }
            (Of::Track(_), [None, _]) => Err(Error::NotFound),
        }
    }
}
