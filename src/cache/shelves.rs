//! Who is kept and who leaves: two shelves and a memory of keys. No locks, no waiting: the same calls, the same answers.
//!
//! What is new stands on the *nursery*. Who is asked for again there moves to *main* when its turn to leave comes; who is
//! not leaves, and its key is remembered (2Q, S3-FIFO). Who comes back while remembered enters main at once. So a scan
//! passes through the nursery alone, and what has just become popular is in main at its second request.
//!
//! Requests that come together, while a body is made or right after, may be one reader's: a CDN that fetches slices, a
//! player that fetches ranges. They earn a second turn in the nursery, not a place in main.
//!
//! In main leaves who is worth least per byte, by Greedy-Dual with frequencies: its worth is added to the level at its
//! last use, and the level rises to that of each who leaves. Old fame fades, and nothing is swept.

use super::ghosts::Ghosts;
use crate::metrics::Tier;
use std::collections::{BTreeMap, HashMap};
use std::hash::Hash;

/// The nursery's part of the capacity. More makes more of what is asked for twice by chance, less remembers the unlucky.
const NURSERY: u64 = 10;

/// Requests for what entered the nursery come together until this part of the capacity has entered after it.
const SETTLED: u64 = 100;

/// The part of the capacity whose keys are remembered.
const REMEMBERED: u64 = 2;

/// A key counts as at least this part of the capacity where it is remembered, or as `KEY_LIMIT` if that is less.
const KEY: u64 = 1_024;
const KEY_LIMIT: u64 = 64 << 10;

/// Making anything costs about as much as so many bytes more of it: small bodies are worth more per byte than large ones.
const MAKING: u64 = 512 << 10;

/// Fixed point of a worth.
const UNIT: u64 = 1_024;

/// Uses that are counted; more do not make anything more worth.
const USES: u8 = 15;

/// What coming back while remembered counts, in uses: enough to stay until the next request of a crowd.
const RETURNED: u8 = 2;

/// How many of main that were used since they were placed are placed anew for one insertion. This bounds its time.
const LOOKS: u32 = 64;

/// How a body enters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Entry {
    /// It had joiners while it was made: more than one want it, or one wants it in ranges.
    Wanted,
    /// It was made for one request.
    Once,
}

/// Where a key stands on its shelf: the least leaves first, and of equals the oldest.
type Place = (u64, u64);

/// Keys in the order of leaving, and what they weigh.
#[derive(Debug)]
struct Shelf<K> {
    order: BTreeMap<Place, K>,
    bytes: u64,
}

impl<K> Shelf<K> {
    const fn new() -> Self {
        Self { order: BTreeMap::new(), bytes: 0 }
    }

    fn put(&mut self, place: Place, key: K, bytes: u64) {
        self.order.insert(place, key);
        self.bytes = self.bytes.saturating_add(bytes);
    }

    fn take(&mut self, place: Place, bytes: u64) {
        self.order.remove(&place);
        self.bytes = self.bytes.saturating_sub(bytes);
    }

    /// Whose turn to leave it is.
    fn first(&self) -> Option<&K> {
        self.order.first_key_value().map(|(_, key)| key)
    }
}

#[derive(Debug)]
struct Slot<V> {
    value: V,
    bytes: u64,
    tier: Tier,
    place: Place,
    /// Uses that count.
    uses: u8,
    /// Whether it has a second turn in the nursery.
    again: bool,
    /// In the nursery: the clock when it had entered. In main: the level at its last use.
    since: u64,
}

impl<V> Slot<V> {
    /// Its place in main by what it is worth.
    fn worth(&self) -> u64 {
        let bytes = self.bytes.max(1);
        let per_byte = UNIT.saturating_mul(MAKING.saturating_add(bytes)) / bytes;
        self.since.saturating_add(per_byte.saturating_mul(u64::from(self.uses) + 1))
    }
}

/// What an insertion changed.
#[derive(Debug)]
pub(super) struct Change<V> {
    /// Where the value entered.
    pub entered: Tier,
    /// How many moved from the nursery to main.
    pub moved: u64,
    /// Who left, and from where.
    pub left: Vec<(Tier, V)>,
}

/// Values by key within a bound of bytes. Its users never insert what is larger than the bound.
#[derive(Debug)]
pub(super) struct Shelves<K, V> {
    slots: HashMap<K, Slot<V>>,
    nursery: Shelf<K>,
    main: Shelf<K>,
    ghosts: Ghosts<K>,
    capacity: u64,
    /// Bytes of the capacity that others have.
    lent: u64,
    /// Bytes that ever entered the nursery.
    clock: u64,
    /// What the last to leave main was worth.
    level: u64,
    /// Places given.
    placed: u64,
}

impl<K: Clone + Eq + Hash, V: Clone> Shelves<K, V> {
    pub(super) fn new(capacity: u64) -> Self {
        Self {
            slots: HashMap::new(),
            nursery: Shelf::new(),
            main: Shelf::new(),
            ghosts: Ghosts::new(capacity / REMEMBERED, (capacity / KEY).clamp(1, KEY_LIMIT)),
            capacity,
            lent: 0,
            clock: 0,
            level: 0,
            placed: 0,
        }
    }

    /// The value of `key`, which is thereby used.
    pub(super) fn get(&mut self, key: &K) -> Option<V> {
        let slot = self.slots.get_mut(key)?;
        match slot.tier {
            Tier::Main => {
                slot.since = self.level;
                slot.uses = USES.min(slot.uses + 1);
            }
            Tier::Nursery if self.clock.saturating_sub(slot.since) >= self.capacity / SETTLED => {
                slot.uses = USES.min(slot.uses + 1);
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
        let on = match tier {
            Tier::Nursery => &self.nursery,
            Tier::Main => &self.main,
        };
        (on.bytes, on.order.len())
    }

    pub(super) const fn bytes(&self) -> u64 {
        self.nursery.bytes.saturating_add(self.main.bytes)
    }

    /// So many bytes of the capacity are others' from now on, half of it at most; who has to leave for them leaves with
    /// the next change.
    pub(super) fn lend(&mut self, bytes: u64) {
        self.lent = bytes.min(self.capacity / 2);
    }

    /// Keeps `value`; who has to leave for it leaves before.
    pub(super) fn insert(&mut self, key: K, value: V, bytes: u64, entry: Entry) -> Change<V> {
        let mut change = Change { entered: Tier::Nursery, moved: 0, left: Vec::new() };
        let (mut uses, again) = (0, entry == Entry::Wanted);
        if let Some(old) = self.remove(&key) {
            (change.entered, uses) = (old.tier, old.uses);
            change.left.push((old.tier, old.value));
        } else if self.ghosts.take(&key) {
            (change.entered, uses) = (Tier::Main, RETURNED);
        }
        self.make_room(bytes, &mut change);
        let slot = Slot { value, bytes, tier: change.entered, place: (0, 0), uses, again, since: 0 };
        self.place(key, slot);
        change
    }

    /// Lets leave whose turn it is until `bytes` more would fit.
    pub(super) fn make_way(&mut self, bytes: u64) -> Change<V> {
        let mut change = Change { entered: Tier::Nursery, moved: 0, left: Vec::new() };
        self.make_room(bytes, &mut change);
        change
    }

    fn make_room(&mut self, bytes: u64, change: &mut Change<V>) {
        let mut looks = LOOKS;
        while self.bytes().saturating_add(bytes) > self.capacity - self.lent {
            let Some(key) = self.next_to_leave() else { return };
            let Some(mut slot) = self.remove(&key) else { return };
            match slot.tier {
                Tier::Nursery if slot.uses > 0 => {
                    slot.tier = Tier::Main;
                    change.moved += 1;
                    self.place(key, slot);
                }
                Tier::Nursery if slot.again => {
                    slot.again = false;
                    self.replace(key, slot);
                }
                Tier::Main if looks > 0 && slot.worth() > slot.place.0 => {
                    looks -= 1;
                    self.replace(key, slot);
                }
                Tier::Nursery => {
                    self.ghosts.push(key, slot.bytes);
                    change.left.push((Tier::Nursery, slot.value));
                }
                Tier::Main => {
                    self.level = self.level.max(slot.place.0);
                    change.left.push((Tier::Main, slot.value));
                }
            }
        }
    }

    /// Whose turn to leave it is, of main if the nursery has no more than its part.
    fn next_to_leave(&self) -> Option<K> {
        let [nursery, main] = [&self.nursery, &self.main].map(Shelf::first);
        let next = if self.nursery.bytes > self.capacity / NURSERY { nursery } else { main.or(nursery) };
        next.cloned()
    }

    /// Puts `slot` on the shelf of its tier as the newest.
    fn place(&mut self, key: K, mut slot: Slot<V>) {
        match slot.tier {
            Tier::Nursery => {
                self.clock = self.clock.saturating_add(slot.bytes);
                slot.since = self.clock;
            }
            Tier::Main => slot.since = self.level,
        }
        self.replace(key, slot);
    }

    /// Puts `slot` on the shelf of its tier where it belongs.
    fn replace(&mut self, key: K, mut slot: Slot<V>) {
        self.placed += 1;
        let worth = match slot.tier {
            Tier::Nursery => 0,
            Tier::Main => slot.worth(),
        };
        slot.place = (worth, self.placed);
        self.shelf_mut(slot.tier).put(slot.place, key.clone(), slot.bytes);
        self.slots.insert(key, slot);
    }

    fn remove(&mut self, key: &K) -> Option<Slot<V>> {
        let slot = self.slots.remove(key)?;
        self.shelf_mut(slot.tier).take(slot.place, slot.bytes);
        Some(slot)
    }

    const fn shelf_mut(&mut self, tier: Tier) -> &mut Shelf<K> {
        match tier {
            Tier::Nursery => &mut self.nursery,
            Tier::Main => &mut self.main,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Entry, Shelves, Tier};

    /// Bodies of 10 bytes in a cache of 1,000: ten of them are the nursery.
    fn shelves() -> Shelves<u32, ()> {
        Shelves::new(1_000)
    }

    fn insert(shelves: &mut Shelves<u32, ()>, keys: impl IntoIterator<Item = u32>) {
        keys.into_iter().for_each(|key| drop(shelves.insert(key, (), 10, Entry::Once)));
    }

    fn tier(shelves: &Shelves<u32, ()>, key: u32) -> Option<Tier> {
        shelves.slots.get(&key).map(|slot| slot.tier)
    }

    #[test]
    fn what_nobody_asks_for_again_leaves_in_the_order_it_came() {
        let mut shelves = shelves();
        insert(&mut shelves, 0..103);
        assert_eq!((0..103).filter(|key| !shelves.contains(key)).collect::<Vec<_>>(), [0, 1, 2]);
    }

    #[test]
    fn who_is_asked_for_again_moves_to_main_when_its_turn_to_leave_comes() {
        let mut shelves = shelves();
        insert(&mut shelves, 0..2);
        assert_eq!((shelves.get(&0), tier(&shelves, 0)), (Some(()), Some(Tier::Nursery)));
        insert(&mut shelves, 2..101);
        assert_eq!((tier(&shelves, 0), tier(&shelves, 1)), (Some(Tier::Main), None));
    }

    #[test]
    fn requests_that_come_together_earn_a_second_turn_in_the_nursery() {
        for entry in [Entry::Once, Entry::Wanted] {
            let mut shelves = shelves();
            shelves.insert(0, (), 10, entry);
            assert_eq!(shelves.get(&0), Some(()));
            insert(&mut shelves, 1..101);
            assert_eq!((tier(&shelves, 0), tier(&shelves, 1)), (Some(Tier::Nursery), None));
            insert(&mut shelves, 101..201);
            assert_eq!(tier(&shelves, 0), None);
        }
    }

    #[test]
    fn who_is_asked_for_in_its_second_turn_moves_to_main() {
        let mut shelves = shelves();
        shelves.insert(0, (), 10, Entry::Wanted);
        insert(&mut shelves, 1..101);
        assert_eq!(shelves.get(&0), Some(()));
        insert(&mut shelves, 101..201);
        assert_eq!(tier(&shelves, 0), Some(Tier::Main));
    }

    #[test]
    fn who_comes_back_while_remembered_enters_main() {
        let mut shelves = shelves();
        insert(&mut shelves, 0..101);
        insert(&mut shelves, [0]);
        assert_eq!(tier(&shelves, 0), Some(Tier::Main));
        // As many have left after 1 as are remembered.
        insert(&mut shelves, 200..260);
        insert(&mut shelves, [1]);
        assert_eq!(tier(&shelves, 1), Some(Tier::Nursery));
    }

    /// `key` comes as new, leaves and comes back: it is in main then.
    fn return_to_main(shelves: &mut Shelves<u32, ()>, key: u32) {
        insert(shelves, [key]);
        for other in 1_000_u32.. {
            insert(shelves, [key * 1_000_000 + other]);
            if !shelves.contains(&key) {
                break;
            }
        }
        insert(shelves, [key]);
        assert_eq!(tier(shelves, key), Some(Tier::Main));
    }

    #[test]
    fn in_main_leaves_who_is_used_least() {
        let mut shelves = shelves();
        (0..80).for_each(|key| return_to_main(&mut shelves, key));
        let unused = [3, 30, 60];
        (0..80).filter(|key| !unused.contains(key)).for_each(|key| assert_eq!(shelves.get(&key), Some(())));
        let left = (80..1_000).find_map(|key| {
            return_to_main(&mut shelves, key);
            let left: Vec<u32> = (0..80).filter(|key| !shelves.contains(key)).collect();
            (left.len() >= unused.len()).then_some(left)
        });
        assert_eq!(left.as_deref(), Some(&unused[..]));
    }

    #[test]
    fn of_those_used_as_often_a_large_one_leaves_main_before_small_ones() {
        const MIB: u64 = 1 << 20;
        let slot = |bytes, uses| {
            let slot = super::Slot { value: (), bytes, tier: Tier::Main, place: (0, 0), uses, again: false, since: 7 };
            slot.worth()
        };
        // Making costs half a MiB and the bytes; worth is what is saved per byte.
        assert_eq!([slot(MIB / 2, 0), slot(MIB / 4, 0), slot(MIB / 2, 1)], [7 + 2_048, 7 + 3_072, 7 + 4_096]);
    }

    #[test]
    fn old_fame_fades() {
        let mut shelves = shelves();
        return_to_main(&mut shelves, 0);
        (0..1_000).for_each(|_| assert_eq!(shelves.get(&0), Some(())));
        let others = (1..1_000).find(|key| {
            return_to_main(&mut shelves, *key);
            !shelves.contains(&0)
        });
        // 16 uses of the one are worth as much as those of five or six who came back (3 each); main holds about 90.
        assert!(others.is_some_and(|others| (400..600).contains(&others)), "it stayed while {others:?} came back");
    }
}
