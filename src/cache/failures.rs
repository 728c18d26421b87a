//! Remembers failed builds for a second, so that each request for the same key does not retry them.

use std::fmt;
use std::hash::Hash;
use std::time::Duration;

/// How long a failure is remembered.
const AGE: Duration = Duration::from_secs(1);

/// Largest number of failures remembered.
const LIMIT: u64 = 1_024;

/// Recent failures by key. Clones share the same failures.
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
