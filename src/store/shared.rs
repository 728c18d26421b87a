//! What the objects of one store share: spare chunks, counters, and what is known of its file systems.

use super::spare::Spare;
use crate::metrics::Metrics;
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

    /// A system call read so many bytes.
    pub(super) fn counted(&self, bytes: u64) {
        if let Some(metrics) = &self.metrics {
            metrics.source_read(bytes);
        }
    }
}
