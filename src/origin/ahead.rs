//! Read-ahead from object stores: prefetches the next segment for players that request segments in a row, and the
//! segment that a player announces as its next one.

use super::answer::{Origin, SegmentKey};
use super::segment::{Of, Segment};
use super::transport::{places, streams_at};
use crate::plan::Planned;
use crate::route::{ProgramPart, Route, TrackPart};
use std::sync::Arc;

impl Origin {
    /// Prefetches the stored bytes of the segment `next` from an object store, for a player that has just requested
    /// `now` of the same asset and announces `next`.
    pub fn foresee(self: &Arc<Self>, now: &Route, next: Route) {
        if next.asset() != now.asset() || !self.catalog.store().is_remote(next.asset().as_str()) {
            return;
        }
        let origin = Arc::clone(self);
        tokio::spawn(async move {
            let Ok(asset) = origin.catalog.open(next.asset()).await else { return };
            let tracks = asset.plan.tracks();
            let (of, number) = match &next {
                Route::Track(_, version, name, TrackPart::Segment(number)) => {
                    let named = |track: &Planned| track.name == *name && track.version == *version;
                    (tracks.iter().position(named).map(Of::Track), *number)
                }
                Route::Program(_, version, name, ProgramPart::Segment(number)) => {
                    let found = places(&asset.plan, name).filter(|found| {
                        streams_at(&asset.plan, *found).is_some_and(|streams| streams.version() == *version)
                    });
                    (found.map(|(first, second)| Of::Program(first, second)), *number)
                }
                _ => return,
            };
            if let Some(of) = of {
                origin.ask_for(&Segment { asset: Arc::clone(&asset), of, number }).await;
            }
        });
    }

    /// Whether the segment before `segment` was built recently, and its stored bytes are in an object store.
    pub(super) fn walks(&self, segment: &Segment, key: SegmentKey) -> bool {
        if !segment.is_far() {
            return false;
        }
        self.walked.insert(key, ());
        key.number.checked_sub(1).is_some_and(|number| self.walked.contains_key(&SegmentKey { number, ..key }))
    }

    /// Prefetches the stored bytes of the segment after `segment`, for a player that requests segments in a row.
    pub(super) async fn read_ahead(&self, segment: Segment) {
        if let Some(number) = segment.number.checked_add(1) {
            self.ask_for(&Segment { number, ..segment }).await;
        }
    }

    /// Prefetches the stored bytes of `segment`, unless it is cached or being built.
    async fn ask_for(&self, segment: &Segment) {
        if segment.key().is_ok_and(|key| !self.segments.has(&key))
            && let Ok(source) = self.source(segment).await
        {
            source.expect(0..source.about());
        }
    }
}
