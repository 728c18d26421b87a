//! The cache of segment bodies: complete ones, and those being built, each by one builder in a task that no reader
//! owns.
//!
//! ```text
//! make ─► cached? growing? failed lately?  ─no─► Body, growing ◄──── readers follow
//!                                                  ▲ push
//!          governor: room for its bytes ─► fill ───┘ ─► complete ─► the cache ─► room is free again
//!                └─ none for too long: Shed                                └─ evicted: its chunks are dropped at once
//! ```

use super::body::Body;
use super::failures::Failures;
use super::flight::{BuildLost, FlightEntry, FlightGuard, Flights};
use super::governor::{Governor, Shed};
use super::kept::Limits;
use super::ledger::Ledger;
use super::policy::Admission;
use super::tiers::Tiers;
use super::work::BuildTask;
use crate::metrics::{CacheKind, Metrics, Outcome, Stage};
use bytes::Bytes;
use futures_util::FutureExt;
use std::fmt;
use std::future::Future;
use std::hash::Hash;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Instant;
use tokio_util::task::TaskTracker;

/// Cached and growing bodies, by key. Clones share the same bodies.
pub struct Bodies<K, E> {
    inner: Arc<BodiesInner<K, E>>,
}

struct BodiesInner<K, E> {
    kept: Tiers<K, Arc<Body<E>>>,
    building: Flights<K, Arc<Body<E>>>,
    failures: Failures<K, E>,
    governor: Governor,
    largest: u64,
    tasks: TaskTracker,
    metrics: Arc<Metrics>,
}

/// The writing end of a body, for its builder.
#[derive(Debug)]
pub struct BodyWriter<E> {
    body: Arc<Body<E>>,
}

/// The expected size of a body, for its builder and the governor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BodySize {
    /// Exact length in bytes; `None` if it is known only after the build.
    pub length: Option<u64>,
    /// Estimated length in bytes, for the governor.
    pub about: u64,
    /// Whether the segment was sent from its file before and is only loaded into memory: this counts as a hit.
    pub again: bool,
}

impl<E: Clone> BodyWriter<E> {
    /// Appends built chunks; readers see them at once.
    pub fn push(&self, chunks: Vec<Bytes>) {
        self.body.push(chunks);
    }

    /// Marks the end of a build step: lets readers take the new bytes right away.
    pub async fn between(&self) {
        self.body.between().await;
    }
}

impl<K, E> Clone for Bodies<K, E> {
    fn clone(&self) -> Self {
        Self { inner: Arc::clone(&self.inner) }
    }
}

impl<K, E> fmt::Debug for Bodies<K, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Bodies").field("governor", &self.inner.governor).finish_non_exhaustive()
    }
}

impl<K, E> Bodies<K, E>
where
    K: Clone + Eq + Hash + Send + Sync + 'static,
    E: Clone + From<BuildLost> + From<Shed> + Send + Sync + 'static,
{
    /// An empty cache. `limits` bound the cached bodies, `governor` those being built. `recycle` gets the chunks of
    /// each evicted body.
    pub fn new(
        limits: Limits,
        governor: Governor,
        recycle: impl Fn(Bytes) + Send + Sync + 'static,
        metrics: Arc<Metrics>,
    ) -> Self {
        let release = move |body: Arc<Body<E>>| body.release().into_iter().for_each(&recycle);
        let kept = Tiers::new(limits, |body: &Arc<Body<E>>| body.weight(), release, Arc::clone(&metrics));
        let inner = BodiesInner {
            kept,
            building: Flights::default(),
            failures: Failures::new(),
            governor,
            largest: limits.largest,
            tasks: TaskTracker::new(),
            metrics,
        };
        Self { inner: Arc::new(inner) }
    }

    /// Counts the bytes that `ledger` lends within the same limit: lending evicts bodies at once.
    pub fn share(&self, ledger: &Arc<Ledger>) {
        self.inner.kept.share(Arc::clone(ledger));
        let inner = Arc::downgrade(&self.inner);
        ledger.evict_by(move || {
            if let Some(inner) = inner.upgrade() {
                inner.kept.make_room(inner.governor.taken());
            }
        });
    }

    /// The body of `key` if it is cached (a hit) or being built (joined).
    pub fn get(&self, key: &K) -> Option<(Arc<Body<E>>, Outcome)> {
        let inner = &*self.inner;
        if let Some(body) = inner.kept.get(key) {
            inner.metrics.count(CacheKind::Segment, Outcome::Hit);
            return Some((body, Outcome::Hit));
        }
        let body = inner.building.get(key)?;
        inner.joined(&body);
        Some((body, Outcome::Joined))
    }

    /// Whether the body of `key` is cached or being built. Does not count as a use.
    #[must_use]
    pub fn has(&self, key: &K) -> bool {
        self.inner.kept.contains(key) || self.inner.building.get(key).is_some()
    }

    /// Whether a body of this many bytes would be cached; a larger one is better built window by window.
    #[must_use]
    pub fn keeps(&self, bytes: u64) -> bool {
        bytes <= self.inner.largest
    }

    /// The body of `key`: cached, being built, or to be built by `fill` in its own task. Must be called inside a
    /// runtime. Fails with the error of a build of `key` that failed within the last second.
    pub fn make<F>(
        &self,
        key: K,
        size: BodySize,
        fill: impl FnOnce(BodyWriter<E>) -> F,
    ) -> Result<(Arc<Body<E>>, Outcome), E>
    where
        F: Future<Output = Result<(), E>> + Send + 'static,
    {
        let inner = &self.inner;
        if let Some(error) = inner.failures.recall(&key) {
            return Err(error);
        }
        let free = match inner.building.entry(key) {
            FlightEntry::Running(body) => {
                inner.joined(&body);
                return Ok((body, Outcome::Joined));
            }
            FlightEntry::Free(free) => free,
        };
        // A builder caches its body before it frees its key, so this finds one that has finished since.
        if let Some(body) = inner.kept.get(free.key()) {
            inner.metrics.count(CacheKind::Segment, Outcome::Hit);
            return Ok((body, Outcome::Hit));
        }
        let body = Arc::new(Body::growing(size.length));
        let flight = free.begin(Arc::clone(&body));
        let counts_as = if size.again { Outcome::Hit } else { Outcome::Made };
        let unfinished = UnfinishedBody(Arc::clone(&body));
        let builder = BodyBuilder { inner: Arc::clone(inner), counts_as, flight, body: unfinished };
        let filling = fill(BodyWriter { body: Arc::clone(&body) });
        // A reader may be driving the work: a panic must not reach it. Dropping the builder informs all readers.
        let building = AssertUnwindSafe(builder.run(size.about, filling)).catch_unwind();
        body.made_by(BuildTask::new(building.map(drop)));
        let made = Arc::clone(&body);
        inner.tasks.spawn(async move { made.stand_by().await });
        Ok((body, Outcome::Made))
    }

    /// The governor, for bytes that are built outside of these bodies.
    #[must_use]
    pub fn governor(&self) -> &Governor {
        &self.inner.governor
    }

    /// Bytes of all cached bodies.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.inner.kept.bytes()
    }

    /// Waits until nothing is being built; the caller bounds the wait.
    pub async fn drained(&self) {
        self.inner.tasks.close();
        self.inner.tasks.wait().await;
    }
}

impl<K, E> BodiesInner<K, E>
where
    K: Clone + Eq + Hash + Send + Sync + 'static,
    E: Clone + Send + Sync + 'static,
{
    fn joined(&self, body: &Body<E>) {
        body.join();
        self.metrics.count(CacheKind::Segment, Outcome::Joined);
    }
}

/// A body that fails with [`BuildLost`] when this is dropped, unless it is complete or has failed before.
struct UnfinishedBody<E: Clone + From<BuildLost>>(Arc<Body<E>>);

impl<E: Clone + From<BuildLost>> Drop for UnfinishedBody<E> {
    fn drop(&mut self) {
        self.0.fail(BuildLost.into());
    }
}

/// The builder of one body. When it is dropped, panic or not, it frees the key and wakes waiting readers.
struct BodyBuilder<K, E>
where
    K: Clone + Eq + Hash + Send + Sync + 'static,
    E: Clone + From<BuildLost> + From<Shed> + Send + Sync + 'static,
{
    inner: Arc<BodiesInner<K, E>>,
    counts_as: Outcome,
    // Dropped in this order: the key is free before any reader is woken.
    flight: FlightGuard<K, Arc<Body<E>>>,
    body: UnfinishedBody<E>,
}

impl<K, E> BodyBuilder<K, E>
where
    K: Clone + Eq + Hash + Send + Sync + 'static,
    E: Clone + From<BuildLost> + From<Shed> + Send + Sync + 'static,
{
    async fn run(self, about: u64, fill: impl Future<Output = Result<(), E>> + Send) {
        let start = Instant::now();
        let turn = self.inner.governor.enter(about).await;
        self.inner.metrics.took(Stage::Wait, start.elapsed());
        let _turn = match turn {
            Ok(turn) => turn,
            Err(shed) => {
                self.inner.metrics.count(CacheKind::Segment, Outcome::Shed);
                return self.body.0.fail(shed.into());
            }
        };
        // Cached bodies and those being built share the cache's limit; caching this one would evict as many anyway.
        self.inner.kept.make_room(self.inner.governor.taken());
        let _making = self.inner.metrics.making(about);
        match fill.await {
            Ok(()) => self.keep(),
            Err(error) => {
                self.inner.failures.remember(self.flight.key().clone(), error.clone());
                self.body.0.fail(error);
            }
        }
        // Drop in this order: free the key after the body is cached, then release the governor's permit.
        drop(self);
    }

    fn keep(&self) {
        let Self { inner, counts_as, flight, body: UnfinishedBody(body) } = self;
        if !body.finish() {
            return body.fail(BuildLost.into());
        }
        let entry = if body.is_joined() { Admission::Wanted } else { Admission::Once };
        let kept = inner.kept.insert(flight.key().clone(), Arc::clone(body), entry);
        inner.metrics.count(CacheKind::Segment, if kept { *counts_as } else { Outcome::TooLarge });
        inner.metrics.cached(CacheKind::Segment, inner.kept.bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::{Bodies, BodySize, BodyWriter};
    use crate::cache::{Body, BuildLost, Governor, Limits, RangeState, Shed};
    use crate::metrics::{Metrics, Outcome};
    use bytes::Bytes;
    use futures_util::FutureExt;
    use std::future::{pending, ready};
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::sync::{Arc, Mutex};
    use std::time::Duration;
    use tokio::sync::oneshot;
    use tokio::task::yield_now;

    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    enum Failure {
        Lost,
        Shed,
        Made(u32),
    }

    impl From<BuildLost> for Failure {
        fn from(_: BuildLost) -> Self {
            Self::Lost
        }
    }

    impl From<Shed> for Failure {
        fn from(_: Shed) -> Self {
            Self::Shed
        }
    }

    type Test = Bodies<u32, Failure>;

    /// A cache of `capacity` bytes that builds 64 KiB at once; recycled chunks go into the list.
    fn bodies(capacity: u64) -> (Test, Arc<Mutex<Vec<Bytes>>>) {
        let back = Arc::new(Mutex::new(Vec::new()));
        let recycle = {
            let back = Arc::clone(&back);
            move |chunk| back.lock().unwrap().push(chunk)
        };
        let governor = Governor::new(64 << 10, Duration::from_millis(50));
        (Bodies::new(Limits { capacity, largest: capacity }, governor, recycle, Arc::new(Metrics::new())), back)
    }

    fn size(length: u64) -> BodySize {
        BodySize { length: Some(length), about: length, again: false }
    }

    fn chunk(byte: u8, len: usize) -> Vec<Bytes> {
        vec![vec![byte; len].into()]
    }

    /// Pushes eight bytes in one step.
    async fn eight(filler: BodyWriter<Failure>) -> Result<(), Failure> {
        filler.push(chunk(8, 8));
        Ok(())
    }

    async fn read(body: &Body<Failure>) -> Result<Vec<u8>, Failure> {
        body.made().await?;
        let mut bytes = Vec::new();
        body.get(&(0..u64::MAX), |chunk| bytes.extend(chunk));
        Ok(bytes)
    }

    #[tokio::test]
    async fn a_thousand_joiners_are_one_make_and_follow_it_as_it_grows() {
        let (bodies, _) = bodies(1 << 20);
        let makes = Arc::new(AtomicUsize::new(0));
        let (open, gate) = oneshot::channel::<()>();
        let mut gate = Some(gate);
        let mut asked = Vec::new();
        for _ in 0..1_000 {
            let (makes, gate) = (Arc::clone(&makes), gate.take());
            let fill = |filler: BodyWriter<Failure>| async move {
                makes.fetch_add(1, Ordering::Relaxed);
                filler.push(chunk(1, 3));
                gate.unwrap().await.unwrap();
                filler.push(chunk(2, 3));
                Ok(())
            };
            asked.push(bodies.make(7, size(6), fill).unwrap());
        }
        for (body, _) in &asked {
            body.reached(2).await;
            assert_eq!(body.get(&(0..6), |_| ()), RangeState::Here(3));
        }
        open.send(()).unwrap();
        let joined = asked.iter().filter(|(_, outcome)| *outcome == Outcome::Joined).count();
        for (body, _) in asked {
            assert_eq!(read(&body).await.unwrap(), [1, 1, 1, 2, 2, 2]);
        }
        assert_eq!((makes.load(Ordering::Relaxed), joined), (1, 999));
        bodies.drained().await;
        assert_eq!(bodies.get(&7).unwrap().1, Outcome::Hit);
    }

    #[tokio::test]
    async fn a_leader_that_hangs_up_at_any_stage_takes_nothing_with_it() {
        for stage in 0..4_u8 {
            let (bodies, _) = bodies(1 << 20);
            let (open, gate) = oneshot::channel::<()>();
            let fill = |filler: BodyWriter<Failure>| async move {
                filler.push(chunk(1, 4));
                gate.await.unwrap();
                filler.push(chunk(2, 4));
                Ok(())
            };
            let (leader, outcome) = bodies.make(1, size(8), fill).unwrap();
            assert_eq!(outcome, Outcome::Made);
            if stage >= 1 {
                leader.reached(0).await;
            }
            let (waiter, joined) = bodies.get(&1).unwrap();
            assert_eq!(joined, Outcome::Joined);
            if stage == 2 {
                let gone = tokio::spawn(async move { leader.made().await });
                yield_now().await;
                gone.abort();
                assert!(gone.await.unwrap_err().is_cancelled());
            } else if stage < 2 {
                drop(leader);
            }
            open.send(()).unwrap();
            assert_eq!(read(&waiter).await.unwrap(), [1, 1, 1, 1, 2, 2, 2, 2], "{stage}");
            bodies.drained().await;
            assert_eq!(bodies.get(&1).unwrap().1, Outcome::Hit);
        }
    }

    #[tokio::test]
    async fn a_maker_that_fails_fails_all_leaves_nothing_and_is_not_tried_again_at_once() {
        let (bodies, _) = bodies(1 << 20);
        let (open, gate) = oneshot::channel::<()>();
        let fill = |filler: BodyWriter<Failure>| async move {
            filler.push(chunk(1, 4));
            gate.await.unwrap();
            Err(Failure::Made(5))
        };
        let (leader, _) = bodies.make(1, size(8), fill).unwrap();
        leader.reached(0).await;
        let waiters: Vec<_> = (0..10).map(|_| bodies.get(&1).unwrap().0).collect();
        open.send(()).unwrap();
        for waiter in waiters.iter().chain([&leader]) {
            assert_eq!(read(waiter).await, Err(Failure::Made(5)));
            assert_eq!(waiter.get(&(0..8), |_| ()), RangeState::Failed(Failure::Made(5)));
        }
        bodies.drained().await;
        assert!(bodies.get(&1).is_none());
        assert_eq!((bodies.bytes(), bodies.governor().left()), (0, 64 << 10));
        assert_eq!(bodies.make(1, size(8), eight).unwrap_err(), Failure::Made(5));
        tokio::time::sleep(Duration::from_millis(1_100)).await;
        assert_eq!(bodies.make(1, size(8), eight).unwrap().1, Outcome::Made);
    }

    #[tokio::test]
    async fn a_maker_that_panics_or_makes_another_length_loses_all_and_the_next_call_makes_again() {
        let (bodies, _) = bodies(1 << 20);
        let panics = |_| async { panic!("the maker is meant to panic") };
        let short = |filler: BodyWriter<Failure>| async move {
            filler.push(chunk(1, 7));
            Ok(())
        };
        let (first, _) = bodies.make(1, size(8), panics).unwrap();
        assert_eq!(first.made().await, Err(Failure::Lost));
        let (second, _) = bodies.make(1, size(8), short).unwrap();
        assert_eq!(second.made().await, Err(Failure::Lost));
        let (third, outcome) = bodies.make(1, size(8), eight).unwrap();
        assert_eq!((third.made().await, outcome), (Ok(()), Outcome::Made));
        bodies.drained().await;
        assert_eq!(bodies.governor().left(), 64 << 10);
    }

    #[tokio::test]
    async fn what_finds_no_room_is_shed_and_what_is_kept_is_never_behind_it() {
        let (bodies, _) = bodies(1 << 20);
        let (kept, _) = bodies.make(1, size(8), eight).unwrap();
        assert_eq!(kept.made().await, Ok(()));
        let (slow, _) = bodies.make(2, size(64 << 10), |_| pending()).unwrap();
        assert_eq!(slow.reached(0).now_or_never(), None);
        assert_eq!(bodies.governor().left(), 0);
        let (shed, _) = bodies.make(3, size(8), eight).unwrap();
        assert_eq!(bodies.get(&1).unwrap().1, Outcome::Hit);
        assert_eq!(shed.made().await, Err(Failure::Shed));
        yield_now().await;
        // Shedding is not remembered as a failure: the next request waits for the governor again.
        assert_eq!(bodies.make(3, size(8), eight).unwrap().1, Outcome::Made);
        assert_eq!(slow.get(&(0..1), |_| ()), RangeState::Growing);
    }

    #[tokio::test]
    async fn a_body_that_is_evicted_gives_its_chunks_back_at_once_whoever_reads_it() {
        let (bodies, back) = bodies(40 << 10);
        let mut first = None;
        for key in 0..20_u32 {
            let fill = |filler: BodyWriter<Failure>| {
                filler.push(chunk(1, 4 << 10));
                filler.push(chunk(2, 4 << 10));
                ready(Ok(()))
            };
            let (body, _) = bodies.make(key, size(8 << 10), fill).unwrap();
            assert_eq!(body.made().await, Ok(()));
            first.get_or_insert(body);
            // The builder's task caches it before it ends.
            while bodies.get(&key).is_none_or(|(_, outcome)| outcome != Outcome::Hit) {
                yield_now().await;
            }
            assert!(bodies.bytes() <= 40 << 10);
        }
        assert_eq!(first.unwrap().get(&(0..1), |_| ()), RangeState::Released);
        assert!(back.lock().unwrap().len() >= 2 * 15);
        assert!(back.lock().unwrap().iter().all(Bytes::is_unique));
    }
}
