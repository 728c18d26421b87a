//! Explains MPEG-TS: its playlists, and a segment of a transport stream.

use super::view::{ElementaryView, PackagingView, SegmentView, TimeView, TrackShare};
use crate::catalog::Asset;
use crate::manifest::{Lineup, TsManifests};
use crate::media::{MediaKind, Moment, Ticks, Timescale, usize_from_u32};
use crate::mux::{Length, Outline, Reads, Transport, Unfit};
use crate::plan::{Settings, Stream};
use std::sync::Arc;

/// The MPEG-TS playlists of `asset`.
pub(super) fn manifests(asset: &Asset) -> Result<TsManifests, Unfit> {
    let lineup = Lineup::new(&asset.plan)?;
    let target_millis = asset.plan.settings().target_millis;
    let made = |streams| Transport::new(streams, target_millis).map(Arc::new);
    let transports: Vec<Arc<Transport>> = lineup.streams().into_iter().map(made).collect::<Result<_, _>>()?;
    Ok(TsManifests::new(&asset.id, &lineup, &transports))
}

/// The segment `number` of `stream`; `None` if there is no segment of that number.
pub(super) fn segment_view(stream: Stream<'_>, settings: Settings, number: u32) -> Result<Option<SegmentView>, Unfit> {
    let transport = Transport::new(stream, settings.target_millis)?;
    let (Some(slice), Some(recipe)) = (transport.program().slice(number), transport.recipe(stream, number)) else {
        return Ok(None);
    };
    let at_90k = |at: Moment| at.nearest_to(Timescale::MPEG_TS).unwrap_or_default();
    let end = transport.program().borders().nth(usize_from_u32(number)).map_or(slice.start, |end| end);
    let (start, end) = (at_90k(slice.start), at_90k(end));
    let Reads { first, second } = recipe.whole().reads();
    let (video, audio) = if stream.video().is_some() { (first, second) } else { (Vec::new(), first) };
    let part = |outline: Outline| {
        let (track, samples, ranges) = match outline.kind {
            MediaKind::Video => (stream.video(), &slice.video, &video),
            MediaKind::Audio => (stream.audio(), &slice.audio, &audio),
        };
        elementary(outline, track.map(|track| TrackShare::new(track, samples.clone(), ranges)))
    };
    Ok(Some(SegmentView {
        number,
        presented: TimeView::new(start, Timescale::MPEG_TS),
        span: TimeView::new(Ticks(end.0 - start.0), Timescale::MPEG_TS),
        packaging: PackagingView::Ts {
            bytes: match recipe.length() {
                Length::Exact(bytes) => Some(bytes),
                Length::AfterBuild => None,
            },
            streams: recipe.outline().into_iter().map(part).collect(),
        },
    }))
}

fn elementary(outline: Outline, share: Option<TrackShare>) -> ElementaryView {
    ElementaryView {
        kind: match outline.kind {
            MediaKind::Video => "video",
            MediaKind::Audio => "audio",
        },
        packets: outline.packets,
        continuity_counter: outline.continuity_counter,
        pts: TimeView::new(Ticks(outline.pts), Timescale::MPEG_TS),
        dts: TimeView::new(Ticks(outline.dts), Timescale::MPEG_TS),
        share: share.unwrap_or_default(),
    }
}
