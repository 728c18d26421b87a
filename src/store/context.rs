//! State that all objects of one store share: spare chunks, counters, and which file systems support reads that do not
//! block.

use super::spare::ChunkPool;
use crate::metrics::{CacheKind, Metrics, Outcome};
use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};

/// State that all objects of one store share.
#[derive(Debug, Default)]
pub(super) struct StoreContext {
    pub(super) spare: Arc<ChunkPool>,
    pub(super) metrics: Option<Arc<Metrics>>,
    /// Devices whose file systems do not support reads that do not block (tmpfs). No more than there are mounts.
    unable: Mutex<BTreeSet<u64>>,
}

impl StoreContext {
    /// A copy with the same spare chunks, which counts in `metrics`.
    pub(super) fn with_metrics(&self, metrics: Arc<Metrics>) -> Self {
        let unable = self.unable.lock().unwrap_or_else(PoisonError::into_inner).clone();
        Self { spare: Arc::clone(&self.spare), metrics: Some(metrics), unable: Mutex::new(unable) }
    }

    /// Whether `device` supports reads that do not block, as far as is known.
    pub(super) fn is_able(&self, device: u64) -> bool {
        !self.unable.lock().unwrap_or_else(PoisonError::into_inner).contains(&device)
    }

    /// Records that `device` does not support reads that do not block.
    pub(super) fn waits(&self, device: u64) {
        self.unable.lock().unwrap_or_else(PoisonError::into_inner).insert(device);
    }

    /// Counts a retry of a request to an object store.
    pub(super) fn retried(&self) {
        if let Some(metrics) = &self.metrics {
            metrics.source_retried();
        }
    }

    /// Counts blocks that were cached, that were in flight, and that are requested now; sets the number of cached
    /// bytes.
    pub(super) fn took(&self, [kept, coming, asked]: [usize; 3], bytes: u64) {
        let Some(metrics) = &self.metrics else { return };
        for (count, outcome) in [(kept, Outcome::Hit), (coming, Outcome::Joined), (asked, Outcome::Made)] {
            (0..count).for_each(|_| metrics.count(CacheKind::Block, outcome));
        }
        metrics.cached(CacheKind::Block, bytes);
    }

    /// Counts bytes that a system call read or an object store sent.
    pub(super) fn counted(&self, bytes: u64) {
        if let Some(metrics) = &self.metrics {
            metrics.source_read(bytes);
        }
    }

    /// Counts bytes of a file that a system call sends without a copy.
    pub(super) fn uncopied(&self, bytes: u64) {
        self.counted(bytes);
        if let Some(metrics) = &self.metrics {
            metrics.uncopied(bytes);
        }
    }
}
