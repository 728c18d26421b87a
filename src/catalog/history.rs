//! Replaced assets: their old files stay open and answer URLs of the old versions for a while.

use super::asset::Asset;
use crate::media::AssetId;
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::time::Instant;

/// How long a replaced asset stays available, unless the limits below are exceeded earlier.
const KEPT: Duration = Duration::from_hours(1);

/// Most replaced versions of one asset.
const VERSIONS_LIMIT: usize = 4;

/// Most open files of all replaced assets.
const FILES_LIMIT: usize = 256;

/// Replaced assets, oldest first.
#[derive(Debug, Default)]
pub(super) struct History {
    replaced: Mutex<VecDeque<(Instant, Arc<Asset>)>>,
}

impl History {
    /// Adds an asset that was replaced at `now`; drops the oldest ones that exceed the limits.
    pub(super) fn push(&self, asset: Arc<Asset>, now: Instant) {
        let mut replaced = self.replaced.lock().unwrap_or_else(PoisonError::into_inner);
        let (mut versions, mut files) = (1, asset.files.len());
        // Count from the newest on, so that the oldest ones exceed the limits.
        let stays = |(_, old): &(Instant, Arc<Asset>)| {
            versions += usize::from(old.id == asset.id);
            files += old.files.len();
            files <= FILES_LIMIT && (old.id != asset.id || versions <= VERSIONS_LIMIT)
        };
        let kept: Vec<bool> = replaced.iter().rev().map(stays).collect();
        let mut kept = kept.into_iter().rev();
        replaced.retain(|_| kept.next().unwrap_or(true));
        replaced.push_back((now, asset));
    }

    /// Drops all versions of `id`; returns whether there were any.
    pub(super) fn forget(&self, id: &AssetId) -> bool {
        let mut replaced = self.replaced.lock().unwrap_or_else(PoisonError::into_inner);
        let before = replaced.len();
        replaced.retain(|(_, asset)| asset.id != *id);
        replaced.len() < before
    }

    /// Drops assets that were replaced too long before `now`.
    pub(super) fn tidy(&self, now: Instant) {
        let mut replaced = self.replaced.lock().unwrap_or_else(PoisonError::into_inner);
        while replaced.front().is_some_and(|(at, _)| now.saturating_duration_since(*at) > KEPT) {
            replaced.pop_front();
        }
    }

    /// The replaced versions of `id`, the newest first.
    pub(super) fn of(&self, id: &AssetId) -> Vec<Arc<Asset>> {
        let replaced = self.replaced.lock().unwrap_or_else(PoisonError::into_inner);
        replaced.iter().rev().filter(|(_, asset)| asset.id == *id).map(|(_, asset)| Arc::clone(asset)).collect()
    }
}
