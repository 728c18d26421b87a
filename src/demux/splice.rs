//! Applies an edit list to the samples of a track: leaves out those that no edit presents and moves the others together,
//! so that the track is one contiguous stretch to everybody else.
//!
//! ```text
//! media      │ K . . . │ K . . . │ K . . . │ K . . . │
//! edits      ├── 1 ────┤         ├── 2 ───────┤           composition times that are presented
//! spliced    │ K . . . │ K . . . │ K . ─│                 the last picture is held up to the end of its edit
//! ```
//! The first edit may start anywhere: a plan begins at the keyframe at or before it. A later one must start at a keyframe.
//! Pictures that are presented before the end of an edit, but decoded behind one that is not, end with it: without that one
//! they cannot be decoded, and it is what somebody has cut away.

use super::edit::Part;
use super::error::Error;
use super::gather::{Empty, End, Kept, gather};
use crate::media::{IndexBuilder, Kind, LeftOut, SampleIndex, Ticks, Track, i64_from_u64};

/// A track that was cut, and what is no longer in it.
#[derive(Debug)]
struct Spliced {
    builder: IndexBuilder,
    left_out: LeftOut,
}

/// The edits of a track that are not applied yet.
#[derive(Debug)]
pub(super) struct Edited {
    /// What is presented, from the first edit on.
    pub(super) parts: Vec<Part>,
    /// Where the first edit began when they were read: they move with it.
    pub(super) media_time: Ticks,
    /// The greatest composition offset.
    pub(super) greatest_offset: i64,
    /// One tick of the movie in ticks of the track, rounded up: edits are rounded to it.
    pub(super) tick: i64,
    /// Where the edit list begins in the object.
    pub(super) at: u64,
}

/// Where a later part starts.
#[derive(Debug, Clone, Copy)]
struct Start {
    first: u32,
    shift: i64,
}

impl Edited {
    /// Leaves out of `track`, whose object has `size` bytes, what is not presented.
    pub(super) fn apply(&self, track: &mut Track, size: u64) -> Result<(), Error> {
        let moved = track.edit.media_time.0.saturating_sub(self.media_time.0);
        let parts: Vec<Part> = self.parts.iter().map(|part| part.shifted(moved)).collect();
        let (greatest_offset, tick, at) = (self.greatest_offset, self.tick, self.at);
        let cutter = Cutter { track, parts: &parts, greatest_offset, tick, at };
        if let Some(Spliced { builder, left_out }) = cutter.spliced()? {
            let flawed = |flaw| Error::Track { track: track.id, at, flaw };
            track.index = builder.build(size).map_err(flawed)?;
            track.left_out = left_out;
        }
        Ok(())
    }
}

/// Cuts a track as its edits say and its samples allow.
#[derive(Debug, Clone, Copy)]
struct Cutter<'a> {
    track: &'a Track,
    parts: &'a [Part],
    greatest_offset: i64,
    tick: i64,
    at: u64,
}

impl Cutter<'_> {
    /// `None` where every sample stays as it is.
    fn spliced(self) -> Result<Option<Spliced>, Error> {
        let whole = [Part { entry: 0, from: 0, to: None, shift: 0 }];
        let parts = if self.parts.is_empty() { &whole[..] } else { self.parts };
        let (Some(first), Some(last)) = (parts.first(), parts.last()) else { return Ok(None) };
        let key = self.first_key();
        let leading = self.leading(key, self.start());
        let pictures = self.is_video() && self.index().bytes() > 0;
        let empty = if pictures && self.index().has_empty() { Empty::LeftOut } else { Empty::Kept };
        let same = parts.len() == 1 && leading == 0 && matches!(empty, Empty::Kept);
        if same && !self.ends_early(first) {
            return Ok(None);
        }
        let mut left_out = LeftOut { leading, ..LeftOut::default() };
        let mut kept = Vec::new();
        self.open(&mut kept, Kept { samples: 0..key + 1, shift: 0 }, leading);
        self.close(&mut kept, first, parts.get(1))?;
        for (at, part) in parts.iter().enumerate().skip(1) {
            let Some(start) = self.joined(&kept, part)? else { continue };
            let before = kept.last().map_or(0, |kept| kept.samples.end);
            if start.first < before {
                let (track, at, media_time) = (self.track.id, self.at, part.from);
                return Err(Error::EditCut { track, at, entry: part.entry, media_time });
            }
            let leading = self.leading(start.first, i64::MAX);
            left_out.between = left_out.between.saturating_add(start.first.saturating_sub(before));
            left_out.leading = left_out.leading.saturating_add(leading);
            self.open(&mut kept, Kept { samples: start.first..start.first + 1, shift: start.shift }, leading);
            self.close(&mut kept, part, parts.get(at + 1))?;
        }
        let end = kept.last().map_or(0, |kept| kept.samples.end);
        left_out.behind = self.index().len().saturating_sub(end);
        left_out.undecodable = last.to.map_or(0, |to| self.shown_behind(end, to));
        let ends = last.to.filter(|_| left_out.behind > 0 && self.is_video());
        let ends = ends.map(|to| End { at: Ticks(to.saturating_add(last.shift)), slack: self.tick });
        let gathered = gather(self.index(), &kept, ends, empty);
        let (builder, empty) = gathered.map_err(|flaw| Error::Track { track: self.track.id, at: self.at, flaw })?;
        left_out.empty = empty;
        Ok(Some(Spliced { builder, left_out }))
    }

    const fn index(&self) -> &SampleIndex {
        &self.track.index
    }

    const fn is_video(&self) -> bool {
        matches!(self.track.kind, Kind::Video(_))
    }

    /// The keyframe at or before the first edit's start; sound is kept from its first frame on.
    fn first_key(&self) -> u32 {
        let key = self.index().last_sync_composed_by(self.track.edit.media_time).filter(|_| self.is_video());
        key.unwrap_or(0)
    }

    /// The composition time that is presented at 0.
    fn start(&self) -> i64 {
        let delay = self.track.edit.delay.nearest_to(self.track.timescale).unwrap_or_default();
        self.track.edit.media_time.0.saturating_sub(delay.0)
    }

    /// How many samples right behind sample `key` are composed before it and before `start`: pictures that take others
    /// before the keyframe to be decoded.
    fn leading(&self, key: u32, start: i64) -> u32 {
        let index = self.index();
        if !self.is_video() || !index.reorders() {
            return 0;
        }
        let limit = index.composition_time(key).0.min(start);
        let times = index.composition_times(key.saturating_add(1)..index.len());
        u32::try_from(times.take_while(|time| time.0 < limit).count()).unwrap_or(0)
    }

    /// Keeps `first` and all samples behind it but the `leading` ones.
    fn open(&self, kept: &mut Vec<Kept>, first: Kept, leading: u32) {
        let behind = first.samples.end.saturating_add(leading)..self.index().len();
        let shift = first.shift;
        kept.extend([first, Kept { samples: behind, shift }]);
    }

    /// Ends what was kept last where `part` ends, before the `next` one in any case.
    fn close(&self, kept: &mut [Kept], part: &Part, next: Option<&Part>) -> Result<(), Error> {
        let is_last = next.is_none();
        let next = next.filter(|_| self.is_video()).map(|next| self.keyframe(next)).transpose()?;
        let open = is_last && !self.ends_early(part);
        if let (Some(last), Some(to), false) = (kept.last_mut(), part.to, open) {
            let end = self.end_of(last.samples.start, to).min(next.unwrap_or(u32::MAX));
            last.samples.end = end.max(last.samples.start);
        }
        Ok(())
    }

    /// Where `part` starts behind what is `kept`; `None` where there is no frame for it.
    fn joined(&self, kept: &[Kept], part: &Part) -> Result<Option<Start>, Error> {
        if self.is_video() {
            return self.keyframe(part).map(|first| Some(Start { first, shift: part.shift }));
        }
        let Some(last) = kept.iter().rev().find(|kept| !kept.samples.is_empty()) else { return Ok(None) };
        let number = last.samples.end - 1;
        let frame = i64::from(self.index().duration(number));
        let end = self.index().composition_time(number).0 + frame + last.shift;
        self.frame(part, end, frame)
    }

    /// The keyframe that `part` starts at, give or take half of what it lasts.
    fn keyframe(&self, part: &Part) -> Result<u32, Error> {
        let index = self.index();
        let near = |sample: &u32| {
            let half = (i64::from(index.duration(*sample)) / 2).max(self.tick);
            (index.composition_time(*sample).0 - part.from).abs() <= half
        };
        let before = index.last_sync_composed_by(Ticks(part.from));
        let behind = index.sync_sample(before.map_or(0, |before| index.sync_before(before) + 1));
        let found = before.into_iter().chain(behind).find(near);
        found.ok_or(Error::EditCut { track: self.track.id, at: self.at, entry: part.entry, media_time: part.from })
    }

    /// The frame of sound of `part` that goes on best where the sound before it ends, at `end`; frames last about `frame`.
    /// It moves there: by half a frame at most, since where it should be is counted from the beginning each time.
    fn frame(&self, part: &Part, end: i64, frame: i64) -> Result<Option<Start>, Error> {
        let index = self.index();
        let from = end.saturating_sub(part.shift);
        let off = frame.saturating_add(self.tick).unsigned_abs();
        let refused = Error::EditGap { track: self.track.id, at: self.at, entry: part.entry };
        if from.saturating_sub(part.from).unsigned_abs() > off {
            return Err(refused);
        }
        let behind = index.first_decoded_at(Ticks(from));
        let before = behind.saturating_sub(1);
        let nearer =
            from - index.composition_time(before).0 < index.composition_time(behind.min(index.len() - 1)).0 - from;
        let first = if nearer || behind == index.len() { before } else { behind };
        if behind == index.len() && !nearer {
            return Ok(None);
        }
        let first = index.sync_sample(index.sync_before(first)).ok_or_else(|| refused.clone())?;
        let shift = end - index.composition_time(first).0;
        if shift.saturating_sub(part.shift).unsigned_abs() > off {
            return Err(refused);
        }
        Ok(Some(Start { first, shift }))
    }

    /// What an edit's rounding may be off: a tick of the movie, but no more than half of what a sample lasts.
    fn tolerance(&self) -> i64 {
        let frame = self.index().span().0.checked_div(u64::from(self.index().len())).unwrap_or(0);
        self.tick.min(i64_from_u64(frame / 2))
    }

    /// Whether the media goes on behind the end of `part`, by more than that is rounded.
    fn ends_early(&self, part: &Part) -> bool {
        let (Some(to), index) = (part.to, self.index()) else { return false };
        let last = index.len().saturating_sub(1);
        let earliest = index.decode_time(last).0 + i64::from(index.least_offset()) - self.greatest_offset;
        let samples = index.samples(index.first_decoded_at(Ticks(earliest)).min(last)..index.len());
        let ends = samples.map(|sample| sample.composition_time().0 + i64::from(sample.duration));
        ends.max().unwrap_or(0) > to.saturating_add(self.tick) && self.end_of(self.first_key() + 1, to) < index.len()
    }

    /// The first sample from `from` on, in decode order, that is composed at `to` or later.
    fn end_of(&self, from: u32, to: i64) -> u32 {
        let (index, limit) = (self.index(), to.saturating_sub(self.tolerance()));
        let near = index.first_decoded_at(Ticks(limit.saturating_sub(self.greatest_offset))).max(from);
        let past = index.composition_times(near..index.len()).position(|time| time.0 >= limit);
        past.and_then(|past| near.checked_add(u32::try_from(past).ok()?)).unwrap_or(index.len())
    }

    /// How many samples from `from` on are composed before `to`.
    fn shown_behind(&self, from: u32, to: i64) -> u32 {
        let (index, limit) = (self.index(), to.saturating_sub(self.tolerance()));
        let last = index.first_decoded_at(Ticks(limit.saturating_sub(i64::from(index.least_offset()))));
        let times = index.composition_times(from..last.max(from));
        u32::try_from(times.filter(|time| time.0 < limit).count()).unwrap_or(u32::MAX)
    }
}

#[cfg(test)]
mod tests;
