//! The cache of complete bodies. Its limit in bytes holds at every moment: entries are evicted before another enters.
//! [`TieredMap`] chooses the entries; this file adds the lock and releases evicted values.
//!
//! It takes one short lock and defers no work: a lookup never misses a value that moves between tiers, such a value is
//! never released, and an evicted value is released by the call that evicts it.

use super::kept::Limits;
use super::ledger::Ledger;
use super::policy::{Admission, Insertion, TieredMap};
use crate::media::u64_from_usize;
use crate::metrics::{Metrics, Tier};
use std::fmt;
use std::hash::Hash;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

/// A cache for spikes of demand: it admits an entry that has just become popular at once, and a scan does not evict
/// popular entries.
pub struct Tiers<K, V> {
    map: Mutex<TieredMap<K, V>>,
    limits: Limits,
    weigh: fn(&V) -> u64,
    release: Box<dyn Fn(V) + Send + Sync>,
    ledger: OnceLock<Arc<Ledger>>,
    metrics: Arc<Metrics>,
}

impl<K, V> fmt::Debug for Tiers<K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tiers").field("limits", &self.limits).finish_non_exhaustive()
    }
}

impl<K, V> Tiers<K, V>
where
    K: Clone + Eq + Hash + Send + Sync + 'static,
    V: Clone + Send + Sync + 'static,
{
    /// An empty cache. `weigh` returns the size of a value in bytes, which must not change. `release` is called once
    /// for each evicted or replaced value, by the call that evicts it, outside of the lock.
    #[must_use]
    pub fn new(
        limits: Limits,
        weigh: fn(&V) -> u64,
        release: impl Fn(V) + Send + Sync + 'static,
        metrics: Arc<Metrics>,
    ) -> Self {
        let map = Mutex::new(TieredMap::new(limits.capacity));
        Self { map, limits, weigh, release: Box::new(release), ledger: OnceLock::new(), metrics }
    }

    /// Takes the bytes that `ledger` lends from the capacity, at most half of it. Only the first ledger counts.
    pub fn share(&self, ledger: Arc<Ledger>) {
        let _ = self.ledger.set(ledger);
    }

    /// The value of `key` if it is cached; counts as a use, which makes its eviction less likely.
    pub fn get(&self, key: &K) -> Option<V> {
        self.map().get(key)
    }

    /// Whether `key` is cached. Does not count as a use.
    #[must_use]
    pub fn contains(&self, key: &K) -> bool {
        self.map().contains(key)
    }

    /// Inserts `value`. Returns false if it is too large: then it is neither cached nor released.
    pub fn insert(&self, key: K, value: V, entry: Admission) -> bool {
        let bytes = (self.weigh)(&value);
        if bytes > self.limits.largest.min(self.limits.capacity) {
            return false;
        }
        let mut map = self.map_less_lent();
        let change = map.insert(key, value, bytes, entry);
        self.metrics.admitted(change.entered);
        self.changed(map, change);
        true
    }

    /// Evicts entries until `bytes` more bytes would fit, at most half of the capacity. Call it before these bytes are
    /// built, so that they can be built in the released memory.
    pub fn make_room(&self, bytes: u64) {
        let mut map = self.map_less_lent();
        let change = map.make_room(bytes.min(self.limits.capacity / 2));
        self.changed(map, change);
    }

    fn map_less_lent(&self) -> MutexGuard<'_, TieredMap<K, V>> {
        let mut map = self.map();
        if let Some(ledger) = self.ledger.get() {
            map.lend(ledger.lent());
        }
        map
    }

    fn changed(&self, map: MutexGuard<'_, TieredMap<K, V>>, change: Insertion<V>) {
        for tier in [Tier::Nursery, Tier::Main] {
            let (bytes, entries) = map.size(tier);
            self.metrics.tier(tier, bytes, u64_from_usize(entries));
        }
        drop(map);
        for _ in 0..change.moved {
            self.metrics.admitted(Tier::Main);
        }
        for (tier, value) in change.evicted {
            self.metrics.evicted(tier);
            (self.release)(value);
        }
    }

    /// Bytes of both tiers together.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.map().bytes()
    }

    fn map(&self) -> MutexGuard<'_, TieredMap<K, V>> {
        self.map.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::{Admission, Ledger, Limits, Metrics, Tiers};
    use proptest::prelude::{Strategy, any, prop, prop_assert, prop_assert_eq, proptest};
    use proptest::test_runner::TestCaseError;
    use std::collections::HashMap;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
    use std::thread;

    /// A value that counts how often it was released.
    #[derive(Debug)]
    struct Body {
        bytes: u64,
        released: AtomicU32,
    }

    type Test = Tiers<u32, Arc<Body>>;

    fn body(bytes: u64) -> Arc<Body> {
        Arc::new(Body { bytes, released: AtomicU32::new(0) })
    }

    fn released(body: &Body) -> u32 {
        body.released.load(Ordering::SeqCst)
    }

    fn tiers(capacity: u64, largest: u64, metrics: &Arc<Metrics>) -> Test {
        let release = |body: Arc<Body>| {
            body.released.fetch_add(1, Ordering::SeqCst);
        };
        Tiers::new(Limits { capacity, largest }, |body| body.bytes, release, Arc::clone(metrics))
    }

    fn printed(metrics: &Metrics, name: &str) -> u64 {
        let text = metrics.text();
        text.lines().filter_map(|line| line.strip_prefix(name)?.rsplit(' ').next()?.parse::<u64>().ok()).sum()
    }

    #[derive(Debug, Clone)]
    enum Step {
        Get(u32),
        Insert(u32, u64, Admission),
    }

    fn step() -> impl Strategy<Value = Step> {
        let key = 0_u32..24;
        (key, 0_u64..40, any::<bool>(), any::<bool>()).prop_map(|(key, bytes, get, wanted)| match (get, wanted) {
            (true, _) => Step::Get(key),
            (false, true) => Step::Insert(key, bytes, Admission::Wanted),
            (false, false) => Step::Insert(key, bytes, Admission::Once),
        })
    }

    /// Checks every value that was ever inserted: only the newest of a key may be cached, and all others are released
    /// once.
    fn check(tiers: &Test, entered: &[(u32, Arc<Body>)]) -> Result<(), TestCaseError> {
        let newest: HashMap<u32, &Arc<Body>> = entered.iter().map(|(key, body)| (*key, body)).collect();
        let mut bytes = 0;
        for (key, body) in entered {
            let kept = tiers.contains(key) && Arc::ptr_eq(newest[key], body);
            prop_assert_eq!(released(body), u32::from(!kept), "{} is kept: {}", key, kept);
            bytes += if kept { body.bytes } else { 0 };
        }
        prop_assert_eq!(tiers.bytes(), bytes);
        Ok(())
    }

    proptest! {
        #[test]
        fn what_is_kept_fits_and_is_not_released_and_what_left_is_released_once(
            capacity in 1_u64..300,
            largest in 1_u64..60,
            steps in prop::collection::vec(step(), 1..200),
        ) {
            let metrics = Arc::new(Metrics::new());
            let tiers = tiers(capacity, largest, &metrics);
            let mut entered: Vec<(u32, Arc<Body>)> = Vec::new();
            for step in steps {
                match step {
                    Step::Get(key) => {
                        let last = entered.iter().rev().find(|(of, _)| *of == key).filter(|_| tiers.contains(&key));
                        let got = tiers.get(&key);
                        prop_assert_eq!(got.as_ref().map(Arc::as_ptr), last.map(|(_, body)| Arc::as_ptr(body)));
                    }
                    Step::Insert(key, bytes, entry) => {
                        let new = body(bytes);
                        let kept = tiers.insert(key, Arc::clone(&new), entry);
                        prop_assert_eq!(kept, bytes <= largest.min(capacity));
                        if kept {
                            prop_assert!(tiers.contains(&key), "an inserted value must be cached");
                            entered.push((key, new));
                        } else {
                            prop_assert_eq!(released(&new), 0);
                        }
                    }
                }
                prop_assert!(tiers.bytes() <= capacity);
                check(&tiers, &entered)?;
            }
            prop_assert_eq!(printed(&metrics, "afflux_cache_tier_size_bytes{"), tiers.bytes());
            let kept = (0..24).filter(|key| tiers.contains(key)).count();
            prop_assert_eq!(printed(&metrics, "afflux_cache_tier_entries{"), u64::try_from(kept).unwrap());
            let gone: u64 = entered.iter().map(|(_, body)| u64::from(released(body))).sum();
            prop_assert_eq!(printed(&metrics, "afflux_cache_evictions_total{"), gone);
        }
    }

    /// Runs one thread's calls on its own keys, so that it knows the newest value of each key; returns the inserted
    /// values.
    fn hand(tiers: &Test, hand: u32) -> Vec<(u32, Arc<Body>)> {
        let mut entered: Vec<(u32, Arc<Body>)> = Vec::new();
        for at in 0..8_000_u32 {
            let dice = (at + hand * 8_000).wrapping_mul(0x9e37_79b9).rotate_left(13).wrapping_mul(0x85eb_ca6b);
            let key = (dice >> 8) % 37 * ((dice >> 16) % 37) / 37 * 6 + hand;
            if let Some(found) = tiers.get(&key) {
                let newest = entered.iter().rev().find(|(of, _)| *of == key);
                assert!(newest.is_some_and(|(_, body)| Arc::ptr_eq(body, &found)));
                continue;
            }
            let new = body(u64::from(key) * 7_919 % 300);
            let entry = if dice & 1024 == 0 { Admission::Wanted } else { Admission::Once };
            assert!(tiers.insert(key, Arc::clone(&new), entry));
            entered.push((key, new));
            assert!(tiers.bytes() <= 3_000);
        }
        entered
    }

    #[test]
    fn the_laws_hold_under_many_hands() {
        let metrics = Arc::new(Metrics::new());
        let tiers = tiers(3_000, 300, &metrics);
        let entered: Vec<(u32, Arc<Body>)> = thread::scope(|scope| {
            let tiers = &tiers;
            let hands: Vec<_> = (0..6).map(|number| scope.spawn(move || hand(tiers, number))).collect();
            hands.into_iter().flat_map(|hand| hand.join().unwrap()).collect()
        });
        assert!(entered.len() > 3_000, "{} entered", entered.len());
        check(&tiers, &entered).unwrap();
        let moved = printed(&metrics, "afflux_cache_admissions_total{tier=\"main\"}");
        assert!(moved > 300, "{moved} moved or came back");
    }

    #[test]
    fn what_moves_is_never_missed() {
        let done = AtomicBool::new(false);
        let (looks, misses) = (AtomicU64::new(0), AtomicU64::new(0));
        for hot in 1_000_000..1_000_020 {
            // Each round has its own cache: otherwise the hot entries of earlier rounds, with as many uses, compete.
            let tiers = tiers(1_000, 100, &Arc::new(Metrics::new()));
            tiers.insert(hot, body(50), Admission::Once);
            done.store(false, Ordering::SeqCst);
            thread::scope(|scope| {
                scope.spawn(|| {
                    while !done.load(Ordering::SeqCst) {
                        misses.fetch_add(u64::from(tiers.get(&hot).is_none()), Ordering::SeqCst);
                        looks.fetch_add(1, Ordering::SeqCst);
                    }
                });
                // New entries push the hot one through the nursery into main, while other threads look it up.
                for new in 0..40 {
                    tiers.insert(new, body(50), Admission::Once);
                    let before = looks.load(Ordering::SeqCst);
                    while looks.load(Ordering::SeqCst) == before {
                        thread::yield_now();
                    }
                }
                done.store(true, Ordering::SeqCst);
            });
            assert!(tiers.contains(&hot));
        }
        assert_eq!(misses.into_inner(), 0, "of {}", looks.into_inner());
    }

    #[test]
    fn way_is_made_for_what_is_about_to_be_made_and_what_leaves_for_it_is_released() {
        let tiers = tiers(100, 100, &Arc::new(Metrics::new()));
        let bodies: Vec<_> = (0..10).map(|_| body(10)).collect();
        for (key, body) in (0..).zip(&bodies) {
            assert!(tiers.insert(key, Arc::clone(body), Admission::Once));
        }
        tiers.make_room(25);
        assert_eq!(tiers.bytes(), 70);
        tiers.make_room(30);
        assert_eq!((tiers.bytes(), bodies.iter().map(|body| released(body)).sum::<u32>()), (70, 3));
        // Room for more than the capacity: half of the entries stay.
        tiers.make_room(u64::MAX);
        assert_eq!((tiers.bytes(), bodies.iter().map(|body| released(body)).sum::<u32>()), (50, 5));
    }

    #[test]
    fn what_is_lent_is_part_of_the_capacity() {
        let (tiers, ledger) = (tiers(100, 100, &Arc::new(Metrics::new())), Arc::new(Ledger::default()));
        tiers.share(Arc::clone(&ledger));
        let fill = |from: u32| (from..from + 10).for_each(|key| assert!(tiers.insert(key, body(10), Admission::Once)));
        fill(0);
        ledger.lend(25);
        tiers.make_room(0);
        assert_eq!(tiers.bytes(), 70);
        fill(10);
        assert_eq!(tiers.bytes(), 70);
        // However much is lent, half of the capacity stays.
        ledger.lend(1_000);
        tiers.make_room(0);
        assert_eq!(tiers.bytes(), 50);
        ledger.returned(1_025);
        fill(20);
        assert_eq!((tiers.bytes(), ledger.lent()), (100, 0));
    }

    #[test]
    fn what_is_too_large_is_neither_kept_nor_released() {
        let tiers = tiers(1_000, 100, &Arc::new(Metrics::new()));
        let (fits, large) = (body(100), body(101));
        assert!(tiers.insert(1, Arc::clone(&fits), Admission::Once));
        assert!(!tiers.insert(1, Arc::clone(&large), Admission::Wanted));
        assert_eq!((released(&fits), released(&large), tiers.bytes()), (0, 0, 100));
    }

    #[test]
    fn a_tier_s_counters_tell_how_a_value_passed_through() {
        let metrics = Arc::new(Metrics::new());
        let tiers = tiers(100, 10, &metrics);
        tiers.insert(0, body(10), Admission::Once);
        tiers.insert(20, body(10), Admission::Once);
        assert!(tiers.get(&0).is_some());
        (1..=9).for_each(|key| {
            tiers.insert(key, body(10), Admission::Once);
        });
        // 0 has moved to main, and 20 was evicted; 20 comes back to main, and 1 is evicted for it.
        assert!(tiers.contains(&0) && !tiers.contains(&20));
        tiers.insert(20, body(10), Admission::Once);
        let count = |name: &str| printed(&metrics, name);
        let [nursery, main] = ["nursery", "main"].map(|tier| {
            (
                count(&format!("afflux_cache_admissions_total{{tier=\"{tier}\"")),
                count(&format!("afflux_cache_evictions_total{{tier=\"{tier}\"")),
                count(&format!("afflux_cache_tier_entries{{tier=\"{tier}\"")),
                count(&format!("afflux_cache_tier_size_bytes{{tier=\"{tier}\"")),
            )
        });
        assert_eq!((nursery, main), ((11, 2, 8, 80), (2, 0, 2, 20)));
    }
}
