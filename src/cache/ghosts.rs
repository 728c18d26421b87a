//! Remembers the keys, not the values, of evicted entries for as long as a larger cache would still hold the entries.

use std::collections::{HashMap, VecDeque};
use std::hash::Hash;

/// Keys of evicted entries, oldest first. Its clock counts evicted bytes.
#[derive(Debug)]
pub(super) struct Ghosts<K> {
    /// Clock at which each key was evicted.
    left: HashMap<K, u64>,
    /// Keys in the order of eviction. A key that came back stays in here until it expires.
    order: VecDeque<(K, u64)>,
    clock: u64,
    /// How long a key is remembered, in evicted bytes.
    reach: u64,
    /// Least number of bytes that an evicted entry counts as, so that the number of keys is bounded too.
    least: u64,
}

impl<K: Clone + Eq + Hash> Ghosts<K> {
    /// An empty memory. A key is remembered until `reach` bytes were evicted after it, where each entry counts as at
    /// least `least` bytes.
    pub(super) fn new(reach: u64, least: u64) -> Self {
        Self { left: HashMap::new(), order: VecDeque::new(), clock: 0, reach, least }
    }

    /// Remembers the key of an evicted entry of `bytes` bytes.
    pub(super) fn push(&mut self, key: K, bytes: u64) {
        self.clock = self.clock.saturating_add(bytes.max(self.least));
        self.left.insert(key.clone(), self.clock);
        self.order.push_back((key, self.clock));
        while let Some((oldest, at)) = self.order.pop_front_if(|(_, at)| self.clock - *at > self.reach) {
            if self.left.get(&oldest) == Some(&at) {
                self.left.remove(&oldest);
            }
        }
    }

    /// Forgets `key`, which comes back; returns whether it was remembered.
    pub(super) fn take(&mut self, key: &K) -> bool {
        self.left.remove(key).is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::Ghosts;

    #[test]
    fn a_key_is_remembered_until_as_much_has_left_after_it() {
        let mut ghosts = Ghosts::new(100, 10);
        ghosts.push('a', 1);
        ghosts.push('b', 60);
        ghosts.push('c', 40);
        assert_eq!(['a', 'b', 'c', 'd'].map(|key| ghosts.take(&key)), [true, true, true, false]);
        assert!(!ghosts.take(&'a'), "it has come back");
        ghosts.push('a', 1);
        ghosts.push('b', 101);
        assert_eq!(['a', 'b'].map(|key| ghosts.take(&key)), [false, true]);
    }

    #[test]
    fn a_key_that_left_twice_is_remembered_from_the_second_time() {
        let mut ghosts = Ghosts::new(100, 10);
        ghosts.push('a', 60);
        assert!(ghosts.take(&'a'));
        ghosts.push('a', 60);
        ghosts.push('b', 60);
        assert!(ghosts.take(&'a'));
    }

    #[test]
    fn keys_are_bounded_however_they_come_and_go() {
        let mut ghosts = Ghosts::new(100, 10);
        for _ in 0..1_000 {
            ghosts.push('a', 0);
            assert!(ghosts.take(&'a') && ghosts.order.len() <= 11);
        }
    }
}
