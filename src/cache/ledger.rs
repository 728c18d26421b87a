//! Shares the memory limit of bodies with other caches: a cache that lends bytes here makes bodies be evicted for them.
//!
//! ```text
//! cache.segments │ cached bodies ······· │ builds     │ blocks of stored objects │
//!                                          governor     ledger
//! ```

use std::fmt;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

/// Counts the bytes that other caches hold within the limit of bodies.
#[derive(Default)]
pub struct Ledger {
    lent: AtomicU64,
    /// Evicts bodies until the lent bytes fit.
    evict: OnceLock<Box<dyn Fn() + Send + Sync>>,
}

impl fmt::Debug for Ledger {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ledger").field("lent", &self.lent()).finish_non_exhaustive()
    }
}

impl Ledger {
    /// Lends `bytes` bytes to a cache that is about to hold them, and evicts bodies for them.
    pub fn lend(&self, bytes: u64) {
        self.lent.fetch_add(bytes, Ordering::Relaxed);
        if let Some(evict) = self.evict.get() {
            evict();
        }
    }

    /// Returns `bytes` lent bytes that are free again.
    pub fn returned(&self, bytes: u64) {
        // Callers return only lent bytes, so this does not saturate.
        let _ = self.lent.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |lent| Some(lent.saturating_sub(bytes)));
    }

    /// Bytes that are lent at the moment.
    #[must_use]
    pub fn lent(&self) -> u64 {
        self.lent.load(Ordering::Relaxed)
    }

    /// Registers the callback that evicts bodies; only the first call counts.
    pub(super) fn evict_by(&self, evict: impl Fn() + Send + Sync + 'static) {
        let _ = self.evict.set(Box::new(evict));
    }
}
