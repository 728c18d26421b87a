//! Read-ahead: object stores are asked for the next segment of a client that walks, and for the one that a player announces.

use super::answer::Origin;
use super::segment::AssetSegment;
use crate::route::{Part, Route};
use std::sync::Arc;

/// Announced segments that are prefetched at a time; those beyond are read when they are requested.
const AHEAD: usize = 64;

impl Origin {
    /// Prefetches the blocks that the segment `next` is built from, for a player that requests `now` of the same asset and
    /// announces `next`. Does nothing where the asset lies on a disk.
    pub fn foresee(self: &Arc<Self>, now: &Route, next: Route) {
        let is_remote = || self.catalog.store().is_remote(next.asset().as_str());
        if next.asset() != now.asset() || self.ahead.len() >= AHEAD || !is_remote() {
            return;
        }
        let origin = Arc::clone(self);
        self.ahead.spawn(async move {
            let Route::Stream(id, version, name, Part::Segment(number)) = next else { return };
            let Ok(asset) = origin.catalog.open(&id).await else { return };
            let Some(selection) = asset.plan.select(&name) else { return };
            if asset.plan.stream(selection).is_some_and(|stream| stream.version() == version) {
                origin.prefetch(&AssetSegment { asset, selection, number }).await;
            }
        });
    }

    /// Prefetches the segment behind `segment`: a client that walks will want it.
    pub(super) async fn read_ahead(&self, segment: AssetSegment) {
        if let Some(number) = segment.number.checked_add(1) {
            self.prefetch(&AssetSegment { number, ..segment }).await;
        }
    }

    /// Announces what `segment` is built from to its store, unless it is built already.
    async fn prefetch(&self, segment: &AssetSegment) {
        if segment.key().is_ok_and(|key| !self.segments.has(&key))
            && let Ok(source) = self.source(segment).await
        {
            source.expect(0..source.estimate());
        }
    }
}
