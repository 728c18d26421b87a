//! What the objects of one store share: spare chunks, counters, and what is known of its file systems.

use super::spare::Spare;
use crate::metrics::{Kept, Metrics, Outcome};
use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};

/// What the objects of one store share.
#[derive(Debug, Default)]
pub(super) struct Shared {
    pub(super) spare: Arc<Spare>,
    pub(super) metrics: Option<Arc<Metrics>>,
    /// Devices whose file systems cannot say that a read would wait (tmpfs). As few as there are mounts.
    unable: Mutex<BTreeSet<u64>>,
}

impl Shared {
    /// With the same spare chunks, counting in `metrics`.
    pub(super) fn with_metrics(&self, metrics: Arc<Metrics>) -> Self {
        let unable = self.unable.lock().unwrap_or_else(PoisonError::into_inner).clone();
        Self { spare: Arc::clone(&self.spare), metrics: Some(metrics), unable: Mutex::new(unable) }
    }

    /// Whether reads of `device` can be tried without waiting, as far as is known.
    pub(super) fn is_able(&self, device: u64) -> bool {
        !self.unable.lock().unwrap_or_else(PoisonError::into_inner).contains(&device)
    }

    /// Reads of `device` cannot be tried without waiting.
    pub(super) fn waits(&self, device: u64) {
        self.unable.lock().unwrap_or_else(PoisonError::into_inner).insert(device);
    }

    /// A request to an object store is asked again.
    pub(super) fn retried(&self) {
        if let Some(metrics) = &self.metrics {
            metrics.source_retried();
        }
    }

    /// So many blocks were kept, were on their way, and are asked for now; so many bytes of blocks are kept.
    pub(super) fn took(&self, [kept, coming, asked]: [usize; 3], bytes: u64) {
        let Some(metrics) = &self.metrics else { return };
        for (count, outcome) in [(kept, Outcome::Hit), (coming, Outcome::Joined), (asked, Outcome::Made)] {
            (0..count).for_each(|_| metrics.count(Kept::Block, outcome));
        }
        metrics.cached(Kept::Block, bytes);
    }

    /// A system call, or an answer of an object store, read so many bytes.
    pub(super) fn counted(&self, bytes: u64) {
        if let Some(metrics) = &self.metrics {
            metrics.source_read(bytes);
        }
    }

    /// A system call took so many bytes of a file, which nobody will copy.
    pub(super) fn uncopied(&self, bytes: u64) {
        self.counted(bytes);
        if let Some(metrics) = &self.metrics {
            metrics.uncopied(bytes);
        }
    }
}
