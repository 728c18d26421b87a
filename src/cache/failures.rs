//! Failures, remembered for a second: what cannot be made is not tried again for each who asks.

use std::fmt;
use std::hash::Hash;
use std::time::Duration;

/// How long a failure is remembered.
const AGE: Duration = Duration::from_secs(1);

/// Failures that are remembered at most.
const LIMIT: u64 = 1_024;

/// Failures by key. Clones are the same.
pub(super) struct Failures<K, E> {
    recent: moka::sync::Cache<K, E>,
}

impl<K, E> Clone for Failures<K, E> {
    fn clone(&self) -> Self {
        Self { recent: self.recent.clone() }
    }
}

impl<K, E> fmt::Debug for Failures<K, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Failures").finish_non_exhaustive()
    }
}

impl<K, E> Failures<K, E>
where
    K: Eq + Hash + Send + Sync + 'static,
    E: Clone + Send + Sync + 'static,
{
    pub(super) fn new() -> Self {
        Self { recent: moka::sync::Cache::builder().max_capacity(LIMIT).time_to_live(AGE).build() }
    }

    pub(super) fn remember(&self, key: K, error: E) {
        self.recent.insert(key, error);
    }

    pub(super) fn recall(&self, key: &K) -> Option<E> {
        self.recent.get(key)
    }
}
