//! Serialises a [`Plan`] to bytes that outlive the process, and reads them back. Planning visits all samples; reading a
//! frozen plan takes a fraction of a millisecond.
//!
//! ```text
//! plan      │ magic 8 │ revision u32 │ reference u32 │ count u32 │ tracks, in the order of their files │ checksum u64 │
//! track     │ alignment u8 │ hold u64 │ gaps between cuts │ start of the first segment i64 │
//!           │ of all segments: samples │ spans │ openings │ bytes │ durations, 0 for none │ sync samples │   each packed
//! ```
//! The bytes hold no names, times or versions: these follow from the sources, as in planning. Raise [`PLAN_REVISION`]
//! whenever the format changes, or the same sources are cut differently. Reading checks all that needs no samples: the
//! segments partition their track, their starts ascend, and their total weight equals that of the index. The rest is
//! checked for each segment when it is built ([`Planned::is_true`]).

use super::cuts::Cuts;
use super::ladder::{Alignment, Division, Plan, Planned, Settings, SourceFile};
use super::segments::{AccessPoint, Segment, Weight};
use super::start;
use super::timeline::Timeline;
use crate::media::{Damage, FrozenFormat, Packed, Reader, Span, Ticks, u32_from_usize, u64_from_usize, usize_from_u64};
use bytes::Bytes;
use std::num::NonZeroU32;
use std::ops::Range;

/// Revision of the format; plans of any other revision are refused.
pub const PLAN_REVISION: u32 = 2;

const FORM: FrozenFormat = FrozenFormat { magic: *b"afflux\0p", revision: PLAN_REVISION };

impl Plan {
    /// Serialises everything that planning found by visiting samples, for [`thaw`](Self::thaw) to read. `reference` is
    /// the number of the source that the plan was made with as reference.
    #[must_use]
    pub fn freeze(&self, reference: usize) -> Vec<u8> {
        let mut out = Vec::new();
        FORM.begin(&mut out);
        out.extend(u32_from_usize(reference).to_le_bytes());
        out.extend(u32_from_usize(self.tracks().len()).to_le_bytes());
        self.tracks().iter().for_each(|track| freeze_track(track, &mut out));
        FrozenFormat::seal(&mut out);
        out
    }

    /// Reads a plan that was [frozen](Self::freeze) for the same sources, reference and settings. The tables of the
    /// first and the last samples of each track must be loaded; fails if it needs others.
    pub fn thaw(sources: &[SourceFile], reference: usize, settings: Settings, frozen: &Bytes) -> Result<Self, Damage> {
        let mut from = FORM.opened(frozen)?;
        let same = from.u32()? == u32_from_usize(reference);
        let leader = sources.get(reference).filter(|_| same).ok_or(Damage::Value("reference"))?;
        let shift = start::asset_shift(&leader.movie, start::first_at_hand).ok_or(Damage::Value("first sample"))?;
        let stored: usize = sources.iter().map(|source| source.movie.tracks.len()).sum();
        if from.u32()? != u32_from_usize(stored) {
            return Err(Damage::Value("number of tracks"));
        }
        let mut tracks = Vec::new();
        for source in sources {
            for (at, track) in source.movie.tracks.iter().enumerate() {
                let first = start::first_at_hand(track, shift).ok_or(Damage::Value("first sample"))?;
                let mut timeline = Timeline::new(source, at, shift, first).map_err(|_| Damage::Value("start"))?;
                let division = thaw_track(&mut from, &mut timeline)?;
                tracks.push(Planned::of(source, timeline, leader.movie.content, division));
            }
        }
        from.finish()?;
        let checksum = frozen.last_chunk::<8>().map_or(&[][..], |checksum| checksum);
        Self::of(tracks, settings, checksum).map_err(|_| Damage::Value("number of tracks"))
    }
}

fn freeze_track(track: &Planned, out: &mut Vec<u8>) {
    out.push(match track.alignment {
        Alignment::Aligned => 0,
        Alignment::Own => 1,
    });
    out.extend(track.timeline.extension().0.to_le_bytes());
    let gaps = track.cuts.iter().zip(track.cuts.iter().skip(1)).map(|(from, to)| u64::from(to - from));
    freeze(gaps, out);
    let start = track.segments.first().map_or(0, |first| first.start.0);
    out.extend(start.to_le_bytes());
    let segments = &track.segments;
    freeze(segments.iter().map(|segment| u64::from(segment.samples.end - segment.samples.start)), out);
    freeze(segments.iter().map(|segment| segment.span.0), out);
    freeze(segments.iter().map(|segment| opening_code(segment.opening)), out);
    freeze(segments.iter().map(|segment| segment.weight.bytes), out);
    let durations = segments.iter().map(|segment| segment.weight.duration.map_or(0, NonZeroU32::get));
    freeze(durations.map(u64::from), out);
    freeze(segments.iter().map(|segment| u64::from(segment.weight.syncs)), out);
}

fn freeze(values: impl Iterator<Item = u64>, out: &mut Vec<u8>) {
    let packed: Packed = values.collect();
    packed.freeze(0..packed.len(), out);
}

const fn opening_code(opening: AccessPoint) -> u64 {
    match opening {
        AccessPoint::Closed => 0,
        AccessPoint::Open => 1,
        AccessPoint::None => 2,
    }
}

/// Reads how `track` is divided into segments, and sets how long it holds its last picture.
fn thaw_track(from: &mut Reader<'_>, track: &mut Timeline) -> Result<Division, Damage> {
    let alignment = match from.u8()? {
        0 => Alignment::Aligned,
        1 => Alignment::Own,
        _ => return Err(Damage::Value("alignment")),
    };
    track.hold_for(from.u64()?);
    let cuts = thaw_cuts(&Packed::thaw(from, u64::from(u32::MAX))?, track.len())?;
    let segments = thaw_segments(from, track, &cuts)?;
    Ok(Division { cuts, segments, alignment, kept: true })
}

/// The cuts, from the number of samples between each two of them.
fn thaw_cuts(gaps: &Packed, samples: u32) -> Result<Cuts, Damage> {
    let damage = Damage::Value("cut");
    if gaps.len() >= u64::from(samples) {
        return Err(damage);
    }
    let mut cuts = Vec::with_capacity(usize_from_u64(gaps.len()) + 1);
    cuts.push(0);
    let mut last = 0_u32;
    for gap in gaps.values(0) {
        let next = u32::try_from(gap).ok().filter(|gap| *gap > 0).and_then(|gap| last.checked_add(gap));
        last = next.filter(|cut| *cut < samples).ok_or(damage.clone())?;
        cuts.push(last);
    }
    Ok(cuts)
}

/// Every time in a frozen plan must be within these ticks: then differences of two times, and sums with `SHIFT`, never
/// overflow.
const TIMES: Range<i64> = -(1 << 40)..1 << 62;

/// Segments unpacked at a time: one block of packed numbers.
const AT_ONCE: usize = 64;

/// Reads the segments of `track`, and checks that they partition it and that their total weight is that of the track.
fn thaw_segments(from: &mut Reader<'_>, track: &Timeline, cuts: &[u32]) -> Result<Vec<Segment>, Damage> {
    let (narrow, start) = (u64::from(u32::MAX), Ticks(from.i64()?));
    if start.0 < TIMES.start {
        return Err(Damage::Value("start of a segment"));
    }
    let (samples, spans) = (Packed::thaw(from, narrow)?, Packed::thaw(from, u64::MAX)?);
    let (openings, bytes) = (Packed::thaw(from, 2)?, Packed::thaw(from, u64::MAX)?);
    let (durations, syncs) = (Packed::thaw(from, narrow)?, Packed::thaw(from, narrow)?);
    let count = samples.len();
    let same = [&spans, &openings, &bytes, &durations, &syncs].iter().all(|column| column.len() == count);
    if !same || count > u64::from(track.len()) {
        return Err(Damage::Value("number of segments"));
    }
    let columns = [&samples, &spans, &openings, &bytes, &durations, &syncs];
    let segments = join(columns, start, track.len())?;
    if !begin_at(&segments, cuts) {
        return Err(Damage::Value("cut"));
    }
    let last = segments.last().map_or(0, |last| last.samples.end);
    if last != track.len() || !weighs(&segments, track) {
        return Err(Damage::Value("weight of all segments"));
    }
    Ok(segments)
}

/// Values stored for each segment: samples, span, opening, bytes, duration, sync samples.
const COLUMNS: usize = 6;

/// The segments with the values in `columns`, which are equally long. The first segment begins at `start`, and no
/// sample number reaches `end`. Unpacks a block of rows at a time, which is faster than value by value.
fn join(columns: [&Packed; COLUMNS], mut start: Ticks, end: u32) -> Result<Vec<Segment>, Damage> {
    let count = columns.iter().map(|column| column.len()).min().unwrap_or(0);
    let (mut segments, mut first) = (Vec::with_capacity(usize_from_u64(count)), 0_u32);
    for from in (0..count).step_by(AT_ONCE) {
        let to = count.min(from + u64_from_usize(AT_ONCE));
        let mut cells = [[0_u64; AT_ONCE]; COLUMNS];
        for (cells, column) in cells.iter_mut().zip(columns) {
            let mut cells = cells.iter_mut();
            column.each(from, to, |value| cells.next().into_iter().for_each(|cell| *cell = value));
        }
        let [samples, spans, openings, bytes, durations, syncs] = &cells;
        let told = spans.iter().zip(openings).zip(bytes).zip(durations.iter().zip(syncs));
        for (samples, (((span, opening), bytes), (duration, syncs))) in
            samples.iter().zip(told).take(usize_from_u64(to - from))
        {
            let behind = u32::try_from(*samples).ok().and_then(|samples| first.checked_add(samples));
            let behind = behind.filter(|at| *at > first && *at <= end).ok_or(Damage::Value("number of samples"))?;
            let duration = NonZeroU32::new(u32::try_from(*duration).unwrap_or(0));
            let weight = Weight { bytes: *bytes, duration, syncs: u32::try_from(*syncs).unwrap_or(0) };
            let (opening, span) = (opening_of(*opening), Span(*span));
            segments.push(Segment { samples: first..behind, start, span, opening, weight });
            let next = start.after(span).filter(|next| *next > start && TIMES.contains(&next.0));
            (first, start) = (behind, next.ok_or(Damage::Value("span"))?);
        }
    }
    Ok(segments)
}

const fn opening_of(code: u64) -> AccessPoint {
    match code {
        0 => AccessPoint::Closed,
        1 => AccessPoint::Open,
        _ => AccessPoint::None,
    }
}

/// Whether each segment begins at one of the cuts.
fn begin_at(segments: &[Segment], cuts: &[u32]) -> bool {
    let mut cuts = cuts.iter();
    segments.iter().all(|segment| cuts.any(|cut| *cut == segment.samples.start))
}

/// Whether the total weight of `segments`, in bytes and sync samples, is that of `track`.
fn weighs(segments: &[Segment], track: &Timeline) -> bool {
    let sum = segments.iter().try_fold((0_u64, 0_u64), |(bytes, syncs), Segment { weight, .. }| {
        Some((bytes.checked_add(weight.bytes)?, syncs.checked_add(u64::from(weight.syncs))?))
    });
    let all = 0..track.len();
    sum == Some((track.bytes(all.clone()), u64::from(track.syncs(all))))
}
