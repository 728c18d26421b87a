//! Applies an edit list to the samples of a track: leaves out the samples that no edit presents and moves the others
//! together, so that the rest of the crate sees one contiguous track.
//!
//! ```text
//! media      │ K . . . │ K . . . │ K . . . │ K . . . │
//! edits      ├── 1 ────┤         ├── 2 ───────┤           composition times that are presented
//! spliced    │ K . . . │ K . . . │ K . ─│                 the last picture is held up to the end of its edit
//! ```
//! The first edit may start anywhere: a plan begins at the keyframe at or before it. A later edit must start at a
//! keyframe. A picture that an edit presents, but that is decoded behind a picture past the edit's end, is left out
//! too: it may need the later picture, which somebody has cut away.

use super::edit::EditPart;
use super::error::Error;
use super::gather::{EmptySamples, End, SampleRun, gather};
use crate::media::{IndexBuilder, Kind, LeftOut, SampleIndex, Ticks, Track, i64_from_u64};

/// The samples that remain of a cut track, and the numbers of samples left out.
#[derive(Debug)]
struct Spliced {
    builder: IndexBuilder,
    left_out: LeftOut,
}

/// The edits of a track that are not applied yet.
#[derive(Debug)]
pub(super) struct Edited {
    /// The presented parts of the media, beginning with the first edit.
    pub(super) parts: Vec<EditPart>,
    /// media_time of the first edit when the list was read; if it moves later, the parts move with it.
    pub(super) media_time: Ticks,
    /// The greatest composition offset.
    pub(super) greatest_offset: i64,
    /// One tick of the movie in ticks of the track, rounded up: the precision of edits.
    pub(super) tick: i64,
    /// Where the edit list begins in the object.
    pub(super) at: u64,
}

/// Start of a part behind the first: its first sample, and the shift of its composition times.
#[derive(Debug, Clone, Copy)]
struct Start {
    first: u32,
    shift: i64,
}

impl Edited {
    /// Removes the samples that no edit presents from `track`. `size` is the object's size in bytes.
    pub(super) fn apply(&self, track: &mut Track, size: u64) -> Result<(), Error> {
        let moved = track.edit.media_time.0.saturating_sub(self.media_time.0);
        let parts: Vec<EditPart> = self.parts.iter().map(|part| part.shifted(moved)).collect();
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

/// Cuts a track by its edits, at sample boundaries.
#[derive(Debug, Clone, Copy)]
struct Cutter<'a> {
    track: &'a Track,
    parts: &'a [EditPart],
    greatest_offset: i64,
    tick: i64,
    at: u64,
}

impl Cutter<'_> {
    /// Cuts the track; `None` if the edits change no sample.
    fn spliced(self) -> Result<Option<Spliced>, Error> {
        let whole = [EditPart { entry: 0, from: 0, to: None, shift: 0 }];
        let parts = if self.parts.is_empty() { &whole[..] } else { self.parts };
        let (Some(first), Some(last)) = (parts.first(), parts.last()) else { return Ok(None) };
        let key = self.first_key();
        let leading = self.leading(key, self.start());
        let pictures = self.is_video() && self.index().bytes() > 0;
        let empty = if pictures && self.index().has_empty() { EmptySamples::LeftOut } else { EmptySamples::Kept };
        let same = parts.len() == 1 && leading == 0 && matches!(empty, EmptySamples::Kept);
        if same && !self.ends_early(first) {
            return Ok(None);
        }
        let mut left_out = LeftOut { leading, ..LeftOut::default() };
        let mut kept = Vec::new();
        self.open(&mut kept, SampleRun { samples: 0..key + 1, shift: 0 }, leading);
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
            self.open(&mut kept, SampleRun { samples: start.first..start.first + 1, shift: start.shift }, leading);
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

    /// The keyframe at or before the first edit's start; for sound, the first frame of the track.
    fn first_key(&self) -> u32 {
        let key = self.index().last_sync_composed_by(self.track.edit.media_time).filter(|_| self.is_video());
        key.unwrap_or(0)
    }

    /// Composition time that is presented at time 0.
    fn start(&self) -> i64 {
        let delay = self.track.edit.delay.nearest_to(self.track.timescale).unwrap_or_default();
        self.track.edit.media_time.0.saturating_sub(delay.0)
    }

    /// Number of samples right behind sample `key` that are composed before it and before `start`: pictures whose
    /// decoding needs others before the keyframe.
    fn leading(&self, key: u32, start: i64) -> u32 {
        let index = self.index();
        if !self.is_video() || !index.reorders() {
            return 0;
        }
        let limit = index.composition_time(key).0.min(start);
        let times = index.composition_times(key.saturating_add(1)..index.len());
        u32::try_from(times.take_while(|time| time.0 < limit).count()).unwrap_or(0)
    }

    /// Appends `first` and all samples behind it except the `leading` ones.
    fn open(&self, kept: &mut Vec<SampleRun>, first: SampleRun, leading: u32) {
        let behind = first.samples.end.saturating_add(leading)..self.index().len();
        let shift = first.shift;
        kept.extend([first, SampleRun { samples: behind, shift }]);
    }

    /// Ends the last range where `part` ends, and at the latest where the `next` part begins. Leaves the range of the
    /// last part open if the media does not continue behind it.
    fn close(&self, kept: &mut [SampleRun], part: &EditPart, next: Option<&EditPart>) -> Result<(), Error> {
        let is_last = next.is_none();
        let next = next.filter(|_| self.is_video()).map(|next| self.keyframe(next)).transpose()?;
        let open = is_last && !self.ends_early(part);
        if let (Some(last), Some(to), false) = (kept.last_mut(), part.to, open) {
            let end = self.end_of(last.samples.start, to).min(next.unwrap_or(u32::MAX));
            last.samples.end = end.max(last.samples.start);
        }
        Ok(())
    }

    /// Start of `part` behind the ranges so far; `None` if no frame of sound is left for it.
    fn joined(&self, kept: &[SampleRun], part: &EditPart) -> Result<Option<Start>, Error> {
        if self.is_video() {
            return self.keyframe(part).map(|first| Some(Start { first, shift: part.shift }));
        }
        let Some(last) = kept.iter().rev().find(|kept| !kept.samples.is_empty()) else { return Ok(None) };
        let number = last.samples.end - 1;
        let frame = i64::from(self.index().duration(number));
        let end = self.index().composition_time(number).0 + frame + last.shift;
        self.frame(part, end, frame)
    }

    /// The keyframe at which `part` starts, with a tolerance of half its duration or one movie tick.
    fn keyframe(&self, part: &EditPart) -> Result<u32, Error> {
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

    /// The frame of sound with which `part` continues best at `end`, where the sound before it ends; `frame` is the
    /// approximate duration of a frame. The frame moves to `end`, by half a frame at most: errors do not add up, since
    /// the exact position of each part is computed from the start of the track.
    fn frame(&self, part: &EditPart, end: i64, frame: i64) -> Result<Option<Start>, Error> {
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

    /// Tolerance for the rounding of an edit, in ticks of the track: one movie tick, at most half an average sample.
    fn tolerance(&self) -> i64 {
        let frame = self.index().span().0.checked_div(u64::from(self.index().len())).unwrap_or(0);
        self.tick.min(i64_from_u64(frame / 2))
    }

    /// Whether the media continues behind the end of `part` by more than the rounding of the edit.
    fn ends_early(&self, part: &EditPart) -> bool {
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
