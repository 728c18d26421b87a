//! One bound for what is kept in memory: who keeps bytes beside the bodies says so here, and bodies make way for them.
//!
//! ```text
//! cache.segments │ bodies kept ········· │ being made │ blocks of stored objects │
//!                                          governor     ledger
//! ```

use std::fmt;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

/// Bytes that are kept beside the bodies, within their bound.
#[derive(Default)]
pub struct Ledger {
    lent: AtomicU64,
    /// Lets bodies leave until what is lent fits.
    way: OnceLock<Box<dyn Fn() + Send + Sync>>,
}

impl fmt::Debug for Ledger {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ledger").field("lent", &self.lent()).finish_non_exhaustive()
    }
}

impl Ledger {
    /// So many bytes are about to be kept: bodies leave for them now.
    pub fn lend(&self, bytes: u64) {
        self.lent.fetch_add(bytes, Ordering::Relaxed);
        if let Some(way) = self.way.get() {
            way();
        }
    }

    /// So many bytes that were lent are kept no more.
    pub fn returned(&self, bytes: u64) {
        // Never more than was lent: callers return what they lent.
        let _ = self.lent.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |lent| Some(lent.saturating_sub(bytes)));
    }

    /// Bytes that are lent.
    #[must_use]
    pub fn lent(&self) -> u64 {
        self.lent.load(Ordering::Relaxed)
    }

    /// Who makes way; the first to say so does.
    pub(super) fn made_way_by(&self, way: impl Fn() + Send + Sync + 'static) {
        let _ = self.way.set(Box::new(way));
    }
}
