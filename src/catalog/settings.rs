//! [`Settings`]: cache times and limits of the catalog.

use crate::plan;
use std::time::Duration;

/// Cache times and limits of the catalog.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Settings {
    /// How long a listing of a folder stays valid.
    pub refresh: Duration,
    /// How long a listing of an object store stays valid.
    pub refresh_remote: Duration,
    /// How long a new file must be unmodified before it appears.
    pub settle: Duration,
    /// Most bytes of indexes in memory: half for cached assets, half for the indexes of files besides them. A single
    /// asset that is larger is cached alone.
    pub index_bytes: u64,
    /// Most files that cached assets hold open, not counting replaced ones (at most 256).
    pub open_files: u64,
    /// Settings that determine the segment boundaries.
    pub plan: plan::Settings,
    /// Limits for the plan of one asset; `bytes` is at most half of `index_bytes`.
    pub limits: plan::Limits,
}

impl Settings {
    /// Default settings: listings of a disk are valid for 2 s, files settle within 2 s, listings of object stores are
    /// valid for 30 s; 256 MiB of indexes, 512 open files.
    #[must_use]
    pub const fn new(plan: plan::Settings) -> Self {
        let moment = Duration::from_secs(2);
        let refresh_remote = Duration::from_secs(30);
        Self {
            refresh: moment,
            refresh_remote,
            settle: moment,
            index_bytes: 256 << 20,
            open_files: 512,
            plan,
            limits: plan::Limits::DEFAULT,
        }
    }
    /// Limits for the plan of one asset.
    pub(super) fn plan_limits(&self) -> plan::Limits {
        let plan::Limits { segments, tracks, bytes } = self.limits;
        plan::Limits { segments, tracks, bytes: bytes.min(self.index_bytes / 2) }
    }
}
