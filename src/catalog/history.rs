//! Assets that were replaced: their old files, held open, answer URLs of the old versions for a while.

use super::asset::Asset;
use crate::media::AssetId;
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::time::Instant;

/// How long a replaced asset is kept, unless more are replaced than are kept.
const KEPT: Duration = Duration::from_hours(1);

/// Replaced versions of one asset that are kept at most.
const VERSIONS_LIMIT: usize = 4;

/// Files of all replaced assets that are held open at most.
const FILES_LIMIT: usize = 256;

/// The replaced, oldest first.
#[derive(Debug, Default)]
pub(super) struct History {
    replaced: Mutex<VecDeque<(Instant, Arc<Asset>)>>,
}

impl History {
    /// Keeps what was replaced at `now`.
    pub(super) fn push(&self, asset: Arc<Asset>, now: Instant) {
        let mut replaced = self.replaced.lock().unwrap_or_else(PoisonError::into_inner);
        let (mut versions, mut files) = (1, asset.files.len());
        // From the newest on, so that the oldest are those beyond a bound.
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

    /// Drops all versions of `id`: whether there were any.
    pub(super) fn forget(&self, id: &AssetId) -> bool {
        let mut replaced = self.replaced.lock().unwrap_or_else(PoisonError::into_inner);
        let before = replaced.len();
        replaced.retain(|(_, asset)| asset.id != *id);
        replaced.len() < before
    }

    /// Lets go of what was replaced long before `now`.
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
