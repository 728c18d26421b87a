//! Explains a CMAF segment.

use super::view::{PackagingView, SegmentView, TimeView, TrackShare};
use crate::media::{ByteRange, Ticks};
use crate::mux::{self, Piece};
use crate::plan::{AccessPoint, Planned, Segment};

/// The segment `segment` of `track`, which has the number `number`.
pub(super) fn segment_view(track: &Planned, number: u32, segment: &Segment) -> SegmentView {
    let (timeline, scale) = (&track.timeline, track.timeline.timescale());
    let recipe = mux::segment(track, number, segment);
    let stored = recipe.pieces().iter().filter_map(|piece| match piece {
        Piece::Stored(range) => Some(*range),
        Piece::Generated(_) => None,
    });
    let stored: Vec<ByteRange> = stored.collect();
    let media_bytes = stored.iter().map(|range| range.len()).sum();
    SegmentView {
        number,
        presented: TimeView::new(segment.start, scale),
        span: TimeView::new(Ticks(0).after(segment.span).unwrap_or_default(), scale),
        packaging: PackagingView::Cmaf {
            opening: match segment.opening {
                AccessPoint::Closed => "a sync sample, closed",
                AccessPoint::Open => "a sync sample, open: frames behind it are shown before it",
                AccessPoint::None => "no sync sample",
            },
            written_decode_time: TimeView::new(timeline.written(segment.samples.start), scale),
            media_bytes,
            made_bytes: recipe.length() - media_bytes,
            share: TrackShare::new(track, segment.samples.clone(), &stored),
        },
    }
}
