//! A segment: the key of its bytes, its recipe, and the ways to get its bytes.
//!
//! ```text
//! cached ─► Hit          being built ─► Joined          HEAD ─► the length alone
//! larger than the cache admits ─► TooLarge: window by window, for each reader apart
//! a small range, and little of it was requested lately ─► that window alone
//! a film on disk that nobody writes to ─► sent from its file (`delivery`)
//! else ─► Made: built by a task of its own; the response begins with the first bytes that the client wants
//! ```

use super::answer::Origin;
use super::content::Demand;
use super::delivery::Media;
use super::error::Error;
use super::source::Source;
use super::stages::Stages;
use crate::cache::{Body, BodySize};
use crate::catalog::Asset;
use crate::media::{Packaging, Version};
use crate::metrics::{CacheKind, Outcome};
use crate::mux::{self, Recipe};
use crate::plan::{Planned, Selection, Stream};
use crate::store::Object;
use bytes::Bytes;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::ops::Range;
use std::sync::Arc;
use std::time::Instant;

/// Bytes that are built before a response to a range begins.
const FIRST: u64 = 32 << 10;

/// One segment of an asset.
#[derive(Debug, Clone)]
pub(super) struct AssetSegment {
    pub(super) asset: Arc<Asset>,
    pub(super) selection: Selection,
    /// From 1.
    pub(super) number: u32,
}

/// The key of a segment's bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct SegmentKey {
    /// The version of the stream, which identifies the stream too.
    version: Version,
    packaging: Packaging,
    number: u32,
    /// A hash of the stamps of all objects that it is built from. A content id samples a file, so two states of one file
    /// (holes filled later) may share it; their bytes never mix here.
    objects: u64,
}

impl Hash for SegmentKey {
    /// The version is a hash already, and with the number it tells nearly all keys apart.
    fn hash<H: Hasher>(&self, state: &mut H) {
        let [version @ .., _, _, _, _] = *self.version.as_bytes();
        state.write_u64(u64::from_be_bytes(version));
        state.write_u32(self.number);
    }
}

impl SegmentKey {
    /// The key of the segment before; `None` for the first.
    pub(super) fn before(self) -> Option<Self> {
        let number = self.number.checked_sub(1)?;
        Some(Self { number, ..self })
    }
}

/// A segment that is about to be built.
struct Build {
    key: SegmentKey,
    source: Source,
    /// Whether it was delivered before and only moves into memory now, which counts as a hit.
    again: bool,
    /// The time at which the request looked for it.
    start: Instant,
}

impl AssetSegment {
    pub(super) fn stream(&self) -> Result<Stream<'_>, Error> {
        self.asset.plan.stream(self.selection).ok_or(Error::NotFound)
    }

    fn object(&self, track: &Planned) -> Result<&Object, Error> {
        self.asset.file(&track.file).map(|file| &file.object).ok_or(Error::NotFound)
    }

    /// The objects that it is built from, one for each track of its stream.
    pub(super) fn objects(&self) -> Result<Vec<Object>, Error> {
        self.stream()?.tracks().map(|track| self.object(track).cloned()).collect()
    }

    /// Whether reading its objects costs requests.
    pub(super) fn is_remote(&self) -> bool {
        let is_remote = |track: &Planned| self.object(track).is_ok_and(|object| !object.is_file());
        self.stream().is_ok_and(|stream| stream.tracks().any(is_remote))
    }

    pub(super) fn key(&self) -> Result<SegmentKey, Error> {
        let stream = self.stream()?;
        let mut objects = DefaultHasher::new();
        for track in stream.tracks() {
            self.object(track)?.stamp().hash(&mut objects);
        }
        Ok(SegmentKey {
            version: stream.version(),
            packaging: stream.packaging(),
            number: self.number,
            objects: objects.finish(),
        })
    }
}

impl Origin {
    /// The bytes of `segment`; `wish` chooses those to send.
    pub(super) async fn media(
        self: &Arc<Self>,
        segment: AssetSegment,
        demand: &Demand,
        stages: &mut Stages,
    ) -> Result<Media, Error> {
        let key = segment.key()?;
        let start = Instant::now();
        if let Some((body, outcome)) = self.segments.get(&key) {
            let media = self.follow(&segment, &body, outcome, demand).await;
            stages.looked(&media, outcome, start);
            return media;
        }
        let in_place = self.in_place(&key, &segment)?;
        if let Some((in_place, object)) = in_place.as_ref().filter(|(in_place, object)| in_place.serves(object)) {
            stages.looked(&Ok(()), Outcome::Hit, start);
            self.metrics.count(CacheKind::Segment, Outcome::Hit);
            return Ok(Media::in_place(Arc::clone(in_place), object.clone(), self.rebuild(&segment)));
        }
        let again = in_place.is_some();
        let source = match in_place {
            Some((in_place, object)) => Source::new(in_place.recipe().clone().into(), vec![object]),
            None => self.source(&segment).await?,
        };
        self.built(segment, Build { key, source, again, start }, demand, stages).await
    }

    /// The bytes of a segment that is neither in memory nor sent in place again.
    async fn built(
        self: &Arc<Self>,
        segment: AssetSegment,
        build: Build,
        demand: &Demand,
        stages: &mut Stages,
    ) -> Result<Media, Error> {
        let Build { key, source, again, start } = &build;
        // A segment whose length is known only after the build is built, whatever the client wants of it.
        let Some(length) = source.length() else { return self.made(segment, build, demand, stages).await };
        let Some(wanted) = demand.span(length) else { return Ok(Media::unread(length, self.rebuild(&segment))) };
        let is_large = !self.segments.keeps(length);
        if is_large || self.is_small(*key, wanted.end - wanted.start, length) {
            let media = self.windowed(segment, source, length, wanted).await;
            stages.looked(&media, if is_large { Outcome::TooLarge } else { Outcome::Made }, *start);
            stages.cache.iter().for_each(|outcome| self.metrics.count(CacheKind::Segment, *outcome));
            return media;
        }
        if !again && let Some((in_place, outcome)) = self.place(key, source) {
            stages.looked(&Ok(()), outcome, *start);
            self.metrics.count(CacheKind::Segment, outcome);
            let object = source.object().cloned().ok_or(Error::NotFound)?;
            return Ok(Media::in_place(in_place, object, self.rebuild(&segment)));
        }
        self.made(segment, build, demand, stages).await
    }

    async fn made(
        self: &Arc<Self>,
        segment: AssetSegment,
        build: Build,
        demand: &Demand,
        stages: &mut Stages,
    ) -> Result<Media, Error> {
        let Build { key, source, again, .. } = build;
        let start = Instant::now();
        let size = BodySize { length: source.length(), about: source.estimate(), again };
        let metrics = Arc::clone(&self.metrics);
        let ahead = self.walks(&segment, key).then(|| (Arc::clone(self), segment.clone()));
        let made = self.segments.make(key, size, |filler| async move {
            source.fill(filler, &metrics).await?;
            if let Some((origin, segment)) = ahead {
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
        let media = self.follow(&segment, &body, outcome, demand).await;
        let counted = if again && outcome == Outcome::Made { Outcome::Hit } else { outcome };
        stages.looked(&media, counted, start);
        media
    }

    /// The bytes of a body that others may be reading too, once the first byte that the client wants is there.
    async fn follow(
        self: &Arc<Self>,
        segment: &AssetSegment,
        body: &Arc<Body<Error>>,
        outcome: Outcome,
        demand: &Demand,
    ) -> Result<Media, Error> {
        if outcome != Outcome::Hit {
            match body.length().map(|length| demand.span(length)) {
                Some(Some(wanted)) => body.reached(wanted.start).await,
                Some(None) => {}
                None => body.made().await?,
            }
            if let Some(error) = body.failure() {
                return Err(error);
            }
        }
        let length = body.length().ok_or_else(|| Error::Interrupted("a segment was built without a length".into()))?;
        Ok(Media::copied(length, Arc::clone(body), self.rebuild(segment)))
    }

    /// The bytes of a segment that is built for one reader. Builds the first bytes at once, so that an error becomes
    /// the response.
    async fn windowed(
        self: &Arc<Self>,
        segment: AssetSegment,
        source: &Source,
        length: u64,
        wanted: Range<u64>,
    ) -> Result<Media, Error> {
        let first = wanted.start..wanted.end.min(wanted.start + FIRST);
        source.expect(wanted);
        let chunks = self.build_window(source, first.clone()).await?;
        Ok(Media::window(length, first.start, chunks, self.rebuild(&segment)))
    }

    /// Builds bytes `range` of `segment`.
    pub(super) async fn window(&self, segment: &AssetSegment, range: Range<u64>) -> Result<Vec<Bytes>, Error> {
        let source = self.source(segment).await?;
        self.build_window(&source, range).await
    }

    async fn build_window(&self, source: &Source, range: Range<u64>) -> Result<Vec<Bytes>, Error> {
        let bytes = range.end - range.start;
        let _turn = self.segments.governor().enter(bytes).await?;
        self.metrics.window(bytes);
        source.window(range, &self.metrics).await
    }

    /// The recipe of `segment`, and the objects that it reads.
    pub(super) async fn source(&self, segment: &AssetSegment) -> Result<Source, Error> {
        let stream = segment.stream()?;
        let recipe: Recipe = match stream.packaging() {
            Packaging::Cmaf => {
                let track = stream.first();
                let planned = track.segment(segment.number).ok_or(Error::NotFound)?;
                self.catalog.fetch_samples(&segment.asset, track, planned.samples.clone()).await?;
                if !track.is_true(planned) {
                    return Err(Box::pin(self.catalog.doubt(&segment.asset)).await.into());
                }
                mux::segment(track, segment.number, planned).into()
            }
            Packaging::Ts => {
                let transport = self.transport(&segment.asset, segment.selection).await?;
                transport.recipe(stream, segment.number).ok_or(Error::NotFound)?.into()
            }
        };
        Ok(Source::new(recipe, segment.objects()?))
    }
}
