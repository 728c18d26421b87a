//! The eviction policy of the segment cache: two tiers and a memory of evicted keys. It has no locks and never waits:
//! the same calls give the same results.
//!
//! ```text
//!                    ┌─ requested again ────────────────┐
//! new ─► nursery ────┤                                  ├─► main ─► evicted: least value per byte
//!           ▲        ├─ requested together: once more   │
//!           └────────┘                                  │
//!                    └─ else evicted ─► key remembered ─┘ comes back in time
//! ```
//! New entries go to the *nursery*. When an entry is due to leave the nursery, it moves to *main* if it was requested
//! again; otherwise it is evicted and its key is remembered (2Q, S3-FIFO). An entry that comes back while its key is
//! remembered enters main at once. So a scan passes through the nursery only, and an entry that has just become popular
//! is in main at its second request.
//!
//! Requests that come together, while a body is being built or right after, may be from one reader: a CDN that fetches
//! slices, a player that fetches ranges. They earn a second turn in the nursery, not a place in main.
//!
//! Main evicts the entry with the lowest value per byte, by Greedy-Dual with frequencies: the value of an entry is
//! added to the level at its last use, and each eviction raises the level to the rank of the evicted entry. So old
//! popularity fades without any sweep.
//!
//! `tests/trace.rs` compares it with quick_cache and moka, and `docs/memory.md` has the figures.
//! The figures at the constants are hit ratios of these traces: Zipf 0.7 by requests, unless they name another.

mod evicted;

use crate::metrics::Tier;
use evicted::EvictedKeys;
use std::collections::{BTreeMap, HashMap};
use std::hash::Hash;

/// The nursery has one part in this many of the capacity. A smaller one evicts more entries before their second request
/// and only remembers their keys; a larger one leaves less for main. 5: 47.8 %, 10: 49.0 %, 20: 49.4 %, but from 20 on
/// a sudden title is evicted between requests that are close together.
const NURSERY_PART: u64 = 10;

/// Requests for a nursery entry count as coming together until one part in this many of the capacity has entered after
/// it. No trace depends on it above 100; at 20 a sudden title is evicted between requests that are close together.
const TOGETHER_PART: u64 = 100;

/// Evicted keys are remembered until one part in this many of the capacity was evicted after them. 1: 48.8 %, 2: 49.0 %,
/// 4: 48.7 %.
const REMEMBERED_PART: u64 = 2;

/// A remembered key counts as at least one part in this many of the capacity, or as [`KEY_BYTES_LIMIT`] if that is
/// less. This bounds the memory of keys: 512 keys for a cache of up to 64 MiB, 8 for each MiB of a larger one.
const KEY_PART: u64 = 1_024;

/// Most bytes that the key of a small entry counts as: a large cache remembers more keys than a small one.
const KEY_BYTES_LIMIT: u64 = 64 << 10;

/// Fixed cost of a build, as the number of bytes that cost as much to build: small bodies are worth more per byte than
/// large ones. It trades bytes for requests: 0: 43.1 % of requests and 44.1 % of bytes, 512 KiB: 49.0 % and 43.7 %,
/// 2 MiB: 51.8 % and 42.7 %.
const BUILD_COST: u64 = 512 << 10;

/// Values per byte are fixed-point numbers of this scale.
const VALUE_SCALE: u64 = 1_024;

/// Most uses that are counted; more do not raise the value of an entry. 1: 45.8 %, 7: 48.8 %, 15: 49.0 %, and more do
/// not help.
const USES_LIMIT: u8 = 15;

/// Uses credited to an entry that comes back while its key is remembered: enough to stay until the next request of a
/// crowd. Without them a title that is requested all over is built 11 times for its fourth request, with them 3 times.
const USES_RETURNED: u8 = 2;

/// Most main entries that one insertion moves to a new rank because they were used since. Bounds the time it takes. 0:
/// 40.8 %, 8: 48.8 %, 64: 49.0 %, as without a limit.
const MOVES_LIMIT: u32 = 64;

/// The demand for a body when it enters the cache.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Admission {
    /// Requests joined its build: more than one reader needs it, or one reader needs it in ranges.
    Wanted,
    /// It was built for one request.
    Once,
}

/// Rank of a key in its tier: its value, then its sequence number. The least value is evicted first, then the oldest.
type EvictionRank = (u64, u64);

/// Keys in the order of eviction, and the total size of their entries.
#[derive(Debug)]
struct EvictionOrder<K> {
    order: BTreeMap<EvictionRank, K>,
    bytes: u64,
}

impl<K> EvictionOrder<K> {
    const fn new() -> Self {
        Self { order: BTreeMap::new(), bytes: 0 }
    }

    fn put(&mut self, rank: EvictionRank, key: K, bytes: u64) {
        self.order.insert(rank, key);
        self.bytes = self.bytes.saturating_add(bytes);
    }

    fn take(&mut self, rank: EvictionRank, bytes: u64) {
        self.order.remove(&rank);
        self.bytes = self.bytes.saturating_sub(bytes);
    }

    /// The key that is evicted next.
    fn first(&self) -> Option<&K> {
        self.order.first_key_value().map(|(_, key)| key)
    }
}

#[derive(Debug)]
struct CacheSlot<V> {
    value: V,
    bytes: u64,
    tier: Tier,
    rank: EvictionRank,
    /// Number of counted uses.
    uses: u8,
    /// Whether it gets a second turn in the nursery.
    again: bool,
    /// In the nursery: the clock after it entered. In main: the level at its last use.
    since: u64,
}

impl<V> CacheSlot<V> {
    /// Its rank in main: the level at its last use, plus its value per byte for each use.
    fn worth(&self) -> u64 {
        let bytes = self.bytes.max(1);
        let per_byte = VALUE_SCALE.saturating_mul(BUILD_COST.saturating_add(bytes)) / bytes;
        self.since.saturating_add(per_byte.saturating_mul(u64::from(self.uses) + 1))
    }
}

/// The changes that an insertion or eviction made.
#[derive(Debug)]
pub(super) struct Insertion<V> {
    /// The tier that the value entered.
    pub entered: Tier,
    /// Number of entries that moved from the nursery to main.
    pub moved: u64,
    /// Evicted or replaced values, with the tiers they left.
    pub evicted: Vec<(Tier, V)>,
}

/// Values by key, within a limit in bytes. Callers must not insert a value larger than the limit.
#[derive(Debug)]
pub(super) struct TieredMap<K, V> {
    slots: HashMap<K, CacheSlot<V>>,
    nursery: EvictionOrder<K>,
    main: EvictionOrder<K>,
    evicted: EvictedKeys<K>,
    capacity: u64,
    /// Bytes of the capacity that other caches use.
    lent: u64,
    /// Bytes that ever entered the nursery.
    clock: u64,
    /// Greatest rank of any entry evicted from main.
    level: u64,
    /// Number of ranks assigned; the sequence number of the next rank.
    ranked: u64,
}

impl<K: Clone + Eq + Hash, V: Clone> TieredMap<K, V> {
    pub(super) fn new(capacity: u64) -> Self {
        Self {
            slots: HashMap::new(),
            nursery: EvictionOrder::new(),
            main: EvictionOrder::new(),
            evicted: EvictedKeys::new(capacity / REMEMBERED_PART, (capacity / KEY_PART).clamp(1, KEY_BYTES_LIMIT)),
            capacity,
            lent: 0,
            clock: 0,
            level: 0,
            ranked: 0,
        }
    }

    /// The value of `key`; counts as a use.
    pub(super) fn get(&mut self, key: &K) -> Option<V> {
        let slot = self.slots.get_mut(key)?;
        match slot.tier {
            Tier::Main => {
                slot.since = self.level;
                slot.uses = USES_LIMIT.min(slot.uses + 1);
            }
            Tier::Nursery if self.clock.saturating_sub(slot.since) >= self.capacity / TOGETHER_PART => {
                slot.uses = USES_LIMIT.min(slot.uses + 1);
            }
            Tier::Nursery => slot.again = true,
        }
        Some(slot.value.clone())
    }

    pub(super) fn contains(&self, key: &K) -> bool {
        self.slots.contains_key(key)
    }

    /// Bytes and entries of `tier`.
    pub(super) fn size(&self, tier: Tier) -> (u64, usize) {
        let order = match tier {
            Tier::Nursery => &self.nursery,
            Tier::Main => &self.main,
        };
        (order.bytes, order.order.len())
    }

    pub(super) const fn bytes(&self) -> u64 {
        self.nursery.bytes.saturating_add(self.main.bytes)
    }

    /// Reserves `bytes` of the capacity, at most half of it, for other caches. The next change evicts entries for them.
    pub(super) fn lend(&mut self, bytes: u64) {
        self.lent = bytes.min(self.capacity / 2);
    }

    /// Inserts `value`, after evicting entries until it fits.
    pub(super) fn insert(&mut self, key: K, value: V, bytes: u64, entry: Admission) -> Insertion<V> {
        let mut change = Insertion { entered: Tier::Nursery, moved: 0, evicted: Vec::new() };
        let (mut uses, again) = (0, entry == Admission::Wanted);
        if let Some(old) = self.remove(&key) {
            (change.entered, uses) = (old.tier, old.uses);
            change.evicted.push((old.tier, old.value));
        } else if self.evicted.take(&key) {
            (change.entered, uses) = (Tier::Main, USES_RETURNED);
        }
        self.evict(bytes, &mut change);
        let slot = CacheSlot { value, bytes, tier: change.entered, rank: (0, 0), uses, again, since: 0 };
        self.enter(key, slot);
        change
    }

    /// Evicts entries until `bytes` more bytes would fit.
    pub(super) fn make_room(&mut self, bytes: u64) -> Insertion<V> {
        let mut change = Insertion { entered: Tier::Nursery, moved: 0, evicted: Vec::new() };
        self.evict(bytes, &mut change);
        change
    }

    /// Evicts entries until `bytes` more bytes fit, and records them in `change`.
    fn evict(&mut self, bytes: u64, change: &mut Insertion<V>) {
        let mut moves = MOVES_LIMIT;
        while self.bytes().saturating_add(bytes) > self.capacity - self.lent {
            let Some(key) = self.next_to_leave() else { return };
            let Some(mut slot) = self.remove(&key) else { return };
            match slot.tier {
                Tier::Nursery if slot.uses > 0 => {
                    slot.tier = Tier::Main;
                    change.moved += 1;
                    self.enter(key, slot);
                }
                Tier::Nursery if slot.again => {
                    slot.again = false;
                    self.put(key, slot);
                }
                Tier::Main if moves > 0 && slot.worth() > slot.rank.0 => {
                    moves -= 1;
                    self.put(key, slot);
                }
                Tier::Nursery => {
                    self.evicted.push(key, slot.bytes);
                    change.evicted.push((Tier::Nursery, slot.value));
                }
                Tier::Main => {
                    self.level = self.level.max(slot.rank.0);
                    change.evicted.push((Tier::Main, slot.value));
                }
            }
        }
    }

    /// The key that is due to leave its tier: of the nursery if that exceeds its part of the capacity, else of main.
    fn next_to_leave(&self) -> Option<K> {
        let [nursery, main] = [&self.nursery, &self.main].map(EvictionOrder::first);
        let next = if self.nursery.bytes > self.capacity / NURSERY_PART { nursery } else { main.or(nursery) };
        next.cloned()
    }

    /// Puts `slot` into its tier as a new entry.
    fn enter(&mut self, key: K, mut slot: CacheSlot<V>) {
        match slot.tier {
            Tier::Nursery => {
                self.clock = self.clock.saturating_add(slot.bytes);
                slot.since = self.clock;
            }
            Tier::Main => slot.since = self.level,
        }
        self.put(key, slot);
    }

    /// Puts `slot` into its tier, at the rank of its value.
    fn put(&mut self, key: K, mut slot: CacheSlot<V>) {
        self.ranked += 1;
        let worth = match slot.tier {
            Tier::Nursery => 0,
            Tier::Main => slot.worth(),
        };
        slot.rank = (worth, self.ranked);
        self.tier_mut(slot.tier).put(slot.rank, key.clone(), slot.bytes);
        self.slots.insert(key, slot);
    }

    fn remove(&mut self, key: &K) -> Option<CacheSlot<V>> {
        let slot = self.slots.remove(key)?;
        self.tier_mut(slot.tier).take(slot.rank, slot.bytes);
        Some(slot)
    }

    const fn tier_mut(&mut self, tier: Tier) -> &mut EvictionOrder<K> {
        match tier {
            Tier::Nursery => &mut self.nursery,
            Tier::Main => &mut self.main,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Admission, Tier, TieredMap};

    /// A cache of 1,000 bytes for bodies of 10 bytes: the nursery holds ten of them.
    fn map() -> TieredMap<u32, ()> {
        TieredMap::new(1_000)
    }

    fn insert(map: &mut TieredMap<u32, ()>, keys: impl IntoIterator<Item = u32>) {
        keys.into_iter().for_each(|key| drop(map.insert(key, (), 10, Admission::Once)));
    }

    fn tier(map: &TieredMap<u32, ()>, key: u32) -> Option<Tier> {
        map.slots.get(&key).map(|slot| slot.tier)
    }

    #[test]
    fn what_nobody_asks_for_again_leaves_in_the_order_it_came() {
        let mut map = map();
        insert(&mut map, 0..103);
        assert_eq!((0..103).filter(|key| !map.contains(key)).collect::<Vec<_>>(), [0, 1, 2]);
    }

    #[test]
    fn who_is_asked_for_again_moves_to_main_when_its_turn_to_leave_comes() {
        let mut map = map();
        insert(&mut map, 0..2);
        assert_eq!((map.get(&0), tier(&map, 0)), (Some(()), Some(Tier::Nursery)));
        insert(&mut map, 2..101);
        assert_eq!((tier(&map, 0), tier(&map, 1)), (Some(Tier::Main), None));
    }

    #[test]
    fn requests_that_come_together_earn_a_second_turn_in_the_nursery() {
        for entry in [Admission::Once, Admission::Wanted] {
            let mut map = map();
            map.insert(0, (), 10, entry);
            assert_eq!(map.get(&0), Some(()));
            insert(&mut map, 1..101);
            assert_eq!((tier(&map, 0), tier(&map, 1)), (Some(Tier::Nursery), None));
            insert(&mut map, 101..201);
            assert_eq!(tier(&map, 0), None);
        }
    }

    #[test]
    fn who_is_asked_for_in_its_second_turn_moves_to_main() {
        let mut map = map();
        map.insert(0, (), 10, Admission::Wanted);
        insert(&mut map, 1..101);
        assert_eq!(map.get(&0), Some(()));
        insert(&mut map, 101..201);
        assert_eq!(tier(&map, 0), Some(Tier::Main));
    }

    #[test]
    fn who_comes_back_while_remembered_enters_main() {
        let mut map = map();
        insert(&mut map, 0..101);
        insert(&mut map, [0]);
        assert_eq!(tier(&map, 0), Some(Tier::Main));
        // As many bytes were evicted after key 1 as are remembered.
        insert(&mut map, 200..260);
        insert(&mut map, [1]);
        assert_eq!(tier(&map, 1), Some(Tier::Nursery));
    }

    /// Inserts `key`, evicts it and inserts it again, which puts it into main.
    fn return_to_main(map: &mut TieredMap<u32, ()>, key: u32) {
        insert(map, [key]);
        for other in 1_000_u32.. {
            insert(map, [key * 1_000_000 + other]);
            if !map.contains(&key) {
                break;
            }
        }
        insert(map, [key]);
        assert_eq!(tier(map, key), Some(Tier::Main));
    }

    #[test]
    fn in_main_leaves_who_is_used_least() {
        let mut map = map();
        (0..80).for_each(|key| return_to_main(&mut map, key));
        let unused = [3, 30, 60];
        (0..80).filter(|key| !unused.contains(key)).for_each(|key| assert_eq!(map.get(&key), Some(())));
        let left = (80..1_000).find_map(|key| {
            return_to_main(&mut map, key);
            let left: Vec<u32> = (0..80).filter(|key| !map.contains(key)).collect();
            (left.len() >= unused.len()).then_some(left)
        });
        assert_eq!(left.as_deref(), Some(&unused[..]));
    }

    #[test]
    fn of_those_used_as_often_a_large_one_leaves_main_before_small_ones() {
        const MIB: u64 = 1 << 20;
        let slot = |bytes, uses| {
            let slot =
                super::CacheSlot { value: (), bytes, tier: Tier::Main, rank: (0, 0), uses, again: false, since: 7 };
            slot.worth()
        };
        // A build costs half a MiB plus the bytes; the value is this cost per byte.
        assert_eq!([slot(MIB / 2, 0), slot(MIB / 4, 0), slot(MIB / 2, 1)], [7 + 2_048, 7 + 3_072, 7 + 4_096]);
    }

    #[test]
    fn old_fame_fades() {
        let mut map = map();
        return_to_main(&mut map, 0);
        (0..1_000).for_each(|_| assert_eq!(map.get(&0), Some(())));
        let others = (1..1_000).find(|key| {
            return_to_main(&mut map, *key);
            !map.contains(&0)
        });
        // Key 0, with 16 uses, is worth as much as five or six returned keys with 3 uses each; main holds about 90.
        assert!(others.is_some_and(|others| (400..600).contains(&others)), "it stayed while {others:?} came back");
    }
}
