//! A cache of complete values with a limit in bytes. The limit holds after every insertion, and [`Cache::bytes`] is
//! exact after every change: each runs moka's pending tasks.
//!
//! It evicts the least recently used entry, so it admits an entry that has just become popular at once. TinyLFU would
//! not.

use super::failures::Failures;
use super::flight::{BuildLost, FlightRole, SingleFlight};
use crate::metrics::{CacheKind, Metrics, Outcome};
use moka::ops::compute::Op;
use moka::policy::EvictionPolicy;
use std::fmt;
use std::future::Future;
use std::hash::Hash;
use std::sync::Arc;

/// Size limits of a cache.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of all values together.
    pub capacity: u64,
    /// Bytes of one value; a larger one is returned but not cached.
    pub largest: u64,
}

impl Limits {
    /// `capacity` bytes in total, and an eighth of that for one value.
    #[must_use]
    pub const fn of_bodies(capacity: u64) -> Self {
        Self { capacity, largest: capacity / 8 }
    }
}

/// A cache that builds each missing value once, however many requests need it.
pub struct Cache<K, V, E> {
    kept: moka::future::Cache<K, V>,
    makers: SingleFlight<K, Result<(V, Outcome), E>>,
    failures: Failures<K, E>,
    weigh: fn(&V) -> u64,
    limits: Limits,
    metrics: Arc<Metrics>,
}

impl<K, V, E> fmt::Debug for Cache<K, V, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cache").field("limits", &self.limits).finish_non_exhaustive()
    }
}

impl<K, V, E> Cache<K, V, E>
where
    K: Clone + Eq + Hash + Send + Sync + 'static,
    V: Clone + Send + Sync + 'static,
    E: Clone + From<BuildLost> + Send + Sync + 'static,
{
    /// An empty cache; `weigh` returns the size of a value in bytes.
    #[must_use]
    pub fn new(limits: Limits, weigh: fn(&V) -> u64, metrics: Arc<Metrics>) -> Self {
        let kept = moka::future::Cache::builder()
            .max_capacity(limits.capacity)
            .weigher(move |_: &K, value: &V| u32::try_from(weigh(value)).unwrap_or(u32::MAX))
            .eviction_policy(EvictionPolicy::lru())
            .build();
        Self { kept, makers: SingleFlight::default(), failures: Failures::new(), weigh, limits, metrics }
    }

    /// The value of `key`: cached, being built, or built by `make` in its own task. All waiting callers get the error
    /// of a failed build; for a second after it, calls return the error without building.
    pub async fn get_or_make<F>(&self, key: K, kept: CacheKind, make: F) -> Result<(V, Outcome), E>
    where
        F: Future<Output = Result<V, E>> + Send + 'static,
    {
        if let Some(value) = self.get(&key, kept).await {
            return Ok((value, Outcome::Hit));
        }
        if let Some(error) = self.failures.recall(&key) {
            return Err(error);
        }
        let pending = self.makers.start(key.clone(), self.filling(key, kept, make));
        let share = pending.share;
        let (value, outcome) = pending.made().await.map_err(E::from)??;
        if share == FlightRole::Began {
            return Ok((value, outcome));
        }
        self.metrics.count(kept, Outcome::Joined);
        Ok((value, Outcome::Joined))
    }

    /// The value of `key` if it is cached; counts a hit.
    pub async fn get(&self, key: &K, kept: CacheKind) -> Option<V> {
        let value = self.kept.get(key).await?;
        self.metrics.count(kept, Outcome::Hit);
        Some(value)
    }

    /// Removes the value of `key`: the next call builds another.
    pub async fn forget(&self, key: &K) {
        self.kept.invalidate(key).await;
        self.kept.run_pending_tasks().await;
    }

    /// Removes the value of `key` if it is `stale`. Checks and removes atomically, so that concurrent calls never
    /// remove a value that was rebuilt since.
    pub async fn forget_if(&self, key: K, stale: impl FnOnce(&V) -> bool) {
        let decide = |kept: Option<moka::Entry<K, V>>| {
            let gone = kept.is_some_and(|kept| stale(kept.value()));
            std::future::ready(if gone { Op::Remove } else { Op::Nop })
        };
        let _kept = self.kept.entry(key).and_compute_with(decide).await;
        self.kept.run_pending_tasks().await;
    }

    /// Bytes of all cached values.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.kept.weighted_size()
    }

    /// Waits until nothing is being built; the caller bounds the wait.
    pub async fn drained(&self) {
        self.makers.drained().await;
    }

    /// The work of the building task. It counts metrics itself, because the caller may be gone.
    fn filling<F>(
        &self,
        key: K,
        label: CacheKind,
        make: F,
    ) -> impl Future<Output = Result<(V, Outcome), E>> + Send + use<K, V, E, F>
    where
        F: Future<Output = Result<V, E>> + Send + 'static,
    {
        let (kept, metrics) = (self.kept.clone(), Arc::clone(&self.metrics));
        let (weigh, largest, failures) = (self.weigh, self.limits.largest, self.failures.clone());
        async move {
            // An earlier build may have finished between the caller's lookup and this point.
            if let Some(value) = kept.get(&key).await {
                metrics.count(label, Outcome::Hit);
                return Ok((value, Outcome::Hit));
            }
            let value = match make.await {
                Ok(value) => value,
                Err(error) => {
                    failures.remember(key, error.clone());
                    return Err(error);
                }
            };
            if weigh(&value) > largest {
                metrics.count(label, Outcome::TooLarge);
                return Ok((value, Outcome::TooLarge));
            }
            kept.insert(key, value.clone()).await;
            kept.run_pending_tasks().await;
            metrics.count(label, Outcome::Made);
            Ok((value, Outcome::Made))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{BuildLost, Cache, Limits};
    use crate::media::u64_from_usize;
    use crate::metrics::{CacheKind, Metrics, Outcome};
    use std::future::pending;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use tokio::sync::{oneshot, watch};

    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    enum Failure {
        Lost,
        Made(u32),
    }

    impl From<BuildLost> for Failure {
        fn from(_: BuildLost) -> Self {
            Self::Lost
        }
    }

    type Test = Arc<Cache<u32, Arc<[u8]>, Failure>>;

    fn cache(capacity: u64) -> Test {
        Arc::new(Cache::new(Limits::of_bodies(capacity), |value| u64_from_usize(value.len()), Arc::new(Metrics::new())))
    }

    fn value(bytes: usize) -> Arc<[u8]> {
        vec![7; bytes].into()
    }

    async fn made(cache: &Test, key: u32) -> Result<Outcome, Failure> {
        cache.get_or_make(key, CacheKind::Segment, async { Ok(value(1)) }).await.map(|(_, outcome)| outcome)
    }

    #[tokio::test]
    async fn a_thousand_joiners_are_one_make() {
        let (cache, makes) = (cache(800), Arc::new(AtomicUsize::new(0)));
        let (open, gate) = watch::channel(false);
        let asked: Vec<_> = (0..1_000)
            .map(|_| {
                let (cache, makes, mut gate) = (Arc::clone(&cache), Arc::clone(&makes), gate.clone());
                tokio::spawn(async move {
                    let make = async move {
                        makes.fetch_add(1, Ordering::Relaxed);
                        gate.wait_for(|open| *open).await.unwrap();
                        Ok(value(10))
                    };
                    cache.get_or_make(1, CacheKind::Segment, make).await.unwrap()
                })
            })
            .collect();
        tokio::task::yield_now().await;
        open.send(true).unwrap();
        let mut joined = 0;
        for asked in asked {
            let (bytes, outcome) = asked.await.unwrap();
            assert_eq!(bytes.len(), 10);
            joined += usize::from(outcome == Outcome::Joined);
        }
        assert_eq!((makes.load(Ordering::Relaxed), joined), (1, 999));
        assert_eq!(made(&cache, 1).await, Ok(Outcome::Hit));
    }

    #[tokio::test]
    async fn a_leader_that_hangs_up_takes_nothing_with_it() {
        let cache = cache(800);
        let (open, gate) = oneshot::channel::<()>();
        let leader = tokio::spawn({
            let cache = Arc::clone(&cache);
            async move {
                let make = async {
                    gate.await.unwrap();
                    Ok(value(3))
                };
                cache.get_or_make(1, CacheKind::Segment, make).await
            }
        });
        while cache.makers.flights.is_empty() {
            tokio::task::yield_now().await;
        }
        leader.abort();
        assert!(leader.await.unwrap_err().is_cancelled());
        let waiter = cache.get_or_make(1, CacheKind::Segment, pending());
        open.send(()).unwrap();
        let (bytes, outcome) = waiter.await.unwrap();
        assert_eq!((bytes.len(), outcome), (3, Outcome::Joined));
        assert_eq!(made(&cache, 1).await, Ok(Outcome::Hit));
    }

    #[tokio::test]
    async fn a_maker_that_panics_fails_all_and_the_next_call_makes_again() {
        let cache = cache(800);
        let (open, gate) = oneshot::channel::<()>();
        let make = async {
            gate.await.unwrap();
            panic!("the maker is meant to panic");
        };
        let first = cache.get_or_make(1, CacheKind::Segment, make);
        let second = cache.get_or_make(1, CacheKind::Segment, pending());
        let (first, second, ()) = tokio::join!(first, second, async { open.send(()).unwrap() });
        assert_eq!((first, second), (Err(Failure::Lost), Err(Failure::Lost)));
        assert!(cache.makers.flights.is_empty());
        assert_eq!(made(&cache, 1).await, Ok(Outcome::Made));
    }

    #[tokio::test]
    async fn an_error_is_shared_and_remembered_for_a_second() {
        let cache = cache(800);
        let failing = || cache.get_or_make(1, CacheKind::Manifest, async { Err(Failure::Made(5)) });
        let (first, second) = tokio::join!(failing(), failing());
        assert_eq!((first, second), (Err(Failure::Made(5)), Err(Failure::Made(5))));
        assert!(cache.makers.flights.is_empty());
        assert_eq!(made(&cache, 1).await, Err(Failure::Made(5)));
        assert_eq!(made(&cache, 2).await, Ok(Outcome::Made));
        tokio::time::sleep(std::time::Duration::from_millis(1_100)).await;
        assert_eq!(made(&cache, 1).await, Ok(Outcome::Made));
    }

    #[tokio::test]
    async fn a_value_above_an_eighth_is_returned_and_not_kept() {
        let cache = cache(800);
        let large = cache.get_or_make(1, CacheKind::Segment, async { Ok(value(101)) }).await.unwrap();
        assert_eq!((large.0.len(), large.1, cache.get(&1, CacheKind::Segment).await), (101, Outcome::TooLarge, None));
        let fits = cache.get_or_make(1, CacheKind::Segment, async { Ok(value(100)) }).await.unwrap();
        assert_eq!((fits.0.len(), fits.1, cache.bytes()), (100, Outcome::Made, 100));
    }

    #[tokio::test]
    async fn the_bound_holds_while_filling_and_the_newest_stays() {
        let cache = cache(1_000);
        for key in 0..500 {
            cache.get_or_make(key, CacheKind::Segment, async { Ok(value(100)) }).await.unwrap();
            assert!(cache.bytes() <= 1_000, "{} after {key}", cache.bytes());
            assert!(cache.get(&key, CacheKind::Segment).await.is_some());
        }
    }
}
