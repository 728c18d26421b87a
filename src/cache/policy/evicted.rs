//! Remembers the keys, not the values, of evicted entries for as long as a larger cache would still hold the entries.

use std::collections::{HashMap, VecDeque};
use std::hash::Hash;

/// Keys of evicted entries, oldest first. Its clock counts evicted bytes.
#[derive(Debug)]
pub(super) struct EvictedKeys<K> {
    /// Clock at which each key was evicted.
    evicted: HashMap<K, u64>,
    /// Keys in the order of eviction. A key that came back stays in here until it expires.
    order: VecDeque<(K, u64)>,
    clock: u64,
    /// How long a key is remembered, in evicted bytes.
    reach: u64,
    /// Least number of bytes that an evicted entry counts as, so that the number of keys is bounded too.
    least: u64,
}

impl<K: Clone + Eq + Hash> EvictedKeys<K> {
    /// An empty memory. A key is remembered until `reach` bytes were evicted after it, where each entry counts as at
    /// least `least` bytes.
    pub(super) fn new(reach: u64, least: u64) -> Self {
        Self { evicted: HashMap::new(), order: VecDeque::new(), clock: 0, reach, least }
    }

    /// Remembers the key of an evicted entry of `bytes` bytes.
    pub(super) fn push(&mut self, key: K, bytes: u64) {
        self.clock = self.clock.saturating_add(bytes.max(self.least));
        self.evicted.insert(key.clone(), self.clock);
        self.order.push_back((key, self.clock));
        while let Some((oldest, at)) = self.order.pop_front_if(|(_, at)| self.clock - *at > self.reach) {
            if self.evicted.get(&oldest) == Some(&at) {
                self.evicted.remove(&oldest);
            }
        }
    }

    /// Forgets `key`, which comes back; returns whether it was remembered.
    pub(super) fn take(&mut self, key: &K) -> bool {
        self.evicted.remove(key).is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::EvictedKeys;

    #[test]
    fn a_key_is_remembered_until_as_many_bytes_were_evicted_after_it() {
        let mut keys = EvictedKeys::new(100, 10);
        keys.push('a', 1);
        keys.push('b', 60);
        keys.push('c', 40);
        assert_eq!(['a', 'b', 'c', 'd'].map(|key| keys.take(&key)), [true, true, true, false]);
        assert!(!keys.take(&'a'), "it has come back");
        keys.push('a', 1);
        keys.push('b', 101);
        assert_eq!(['a', 'b'].map(|key| keys.take(&key)), [false, true]);
    }

    #[test]
    fn a_key_that_was_evicted_twice_is_remembered_from_the_second_time() {
        let mut keys = EvictedKeys::new(100, 10);
        keys.push('a', 60);
        assert!(keys.take(&'a'));
        keys.push('a', 60);
        keys.push('b', 60);
        assert!(keys.take(&'a'));
    }

    #[test]
    fn the_number_of_keys_is_bounded() {
        let mut keys = EvictedKeys::new(100, 10);
        for _ in 0..1_000 {
            keys.push('a', 0);
            assert!(keys.take(&'a') && keys.order.len() <= 11);
        }
    }
}
