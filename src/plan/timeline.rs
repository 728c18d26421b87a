//! Places a track on its asset's timeline: which samples are served, when each is decoded, and when it is presented.
//!
//! ```text
//! presented   time on the asset's timeline, 0 = its start; priming is negative                 (edits applied)
//! written     decode time in `tfdt`: presented + edit − composition offset + SHIFT
//! edit        media_time of the one edit in the init: a player shows written + offset − edit
//! ```
//! `SHIFT` is 10 s, the same for every track and container, so that nothing written is ever negative. Samples here
//! are numbered from 0 over what is *served*: silent frames in front of late audio first, then the stored samples
//! from the keyframe at or before the edit.

mod held;

use super::error::PlanError;
use super::ladder::SourceFile;
use super::silence;
use super::start;
use crate::media::{
    Family, Kind, Moment, Movie, Span, Ticks, Timescale, Track, i64_from_u64, partition_point, u32_from_usize,
    u64_from_usize,
};
use bytes::Bytes;
use std::ops::Range;
use std::sync::Arc;

/// Seconds added to every time that is written: a whole number, so that it is exact in every timescale.
pub const SHIFT_SECONDS: u32 = 10;

/// A track that starts later than this after the asset gets its start filled.
pub const LATE: Moment = Moment::from_millis(100);

/// A track on the timeline of its asset, as it is served.
#[derive(Debug, Clone)]
pub struct Timeline {
    movie: Arc<Movie>,
    at: usize,
    /// The first stored sample that is served.
    first: u32,
    filler: Option<Filler>,
    /// How far the first sample reaches back to the asset's start.
    reach: u64,
    /// Added to every composition offset, so that none is negative.
    bias: i64,
    /// The edit's media_time.
    edit: u64,
    /// Presented time of sample 0 of this timeline.
    start: Ticks,
    /// Presented time minus composition time of stored samples; the first one may reach back further.
    ahead: i64,
    /// Sync samples before the first one that is served.
    skipped_syncs: u32,
    /// How much longer than its own duration the last picture is shown, in ticks.
    hold: u64,
}

/// Silent frames in front of late audio.
#[derive(Debug, Clone)]
struct Filler {
    frames: u32,
    duration: u32,
    frame: Bytes,
}

/// The values of one sample, as written into segments.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ServedSample {
    /// Its duration in decode time, in ticks.
    pub duration: u32,
    /// Its size in bytes.
    pub size: u32,
    /// Its composition offset as written, in ticks; never negative.
    pub offset: u32,
    /// Whether it is a sync sample.
    pub sync: bool,
}

impl Timeline {
    /// Places track number `at` of `source`, from stored sample `first` on, on the timeline of an asset that is shifted
    /// by `shift`. Fails if its times do not fit the timeline.
    pub(super) fn new(source: &SourceFile, at: usize, shift: Moment, first: u32) -> Result<Self, PlanError> {
        let movie = Arc::clone(&source.movie);
        let track = movie.tracks.get(at).expect("callers pass the number of an existing track");
        let shift = shift.nearest_to(track.timescale).unwrap_or_default();
        let bias = -i64::from(track.index.least_offset().min(0));
        let composition = track.index.composition_time(first);
        let placed = |at: Ticks| Ticks(start::edited(track, at).0.saturating_add(shift.0));
        let (start, least) = (placed(composition), placed(start::least_composed(track, first).unwrap_or(composition)));
        let lifted = i64::from(track.index.composition_offset(first)) + bias;
        let edit = match track.kind {
            Kind::Video(_) => lifted,
            // Priming is the audio before the edit, except the part that the shift presents.
            Kind::Audio(_) => (track.edit.media_time.0 - composition.0 - shift.0).max(0) + lifted,
        };
        let edit = u64::try_from(edit).unwrap_or(0);
        let skipped_syncs = track.index.sync_before(first);
        let whole =
            Self { movie, at, first, filler: None, reach: 0, bias, edit, start, ahead: 0, skipped_syncs, hold: 0 };
        let micros = start.at(whole.timescale()).micros();
        // A first picture that is not shown first cannot be held before the one that is.
        let late = least.at(whole.timescale()) > LATE && least == start;
        let mut timeline = if late { whole.filled() } else { whole };
        let ahead = timeline.start.0.saturating_sub(composition.0).saturating_add(timeline.filled_span());
        timeline.ahead = ahead.saturating_add(i64_from_u64(timeline.reach));
        let fits = timeline.written(0).0 >= 0 && timeline.start.0 < 1 << 62 && timeline.reach < 1 << 31;
        fits.then_some(timeline).ok_or_else(|| PlanError::Start {
            file: source.file.clone(),
            track: track_id(source, at),
            micros,
        })
    }

    /// Fills the time from the asset's start: video stretches its first sample, AAC gets silent frames, audio of other
    /// codecs is left late.
    fn filled(mut self) -> Self {
        let late = u64::try_from(self.start.0).unwrap_or(0);
        match self.track().kind {
            Kind::Video(_) => {
                self.reach = late;
                self.start = Ticks(0);
            }
            Kind::Audio(_) => {
                if let Some(filler) = self.silence_for(late) {
                    self.filler = Some(filler);
                    self.start.0 -= self.filled_span();
                    self.edit = self.start.0.unsigned_abs();
                }
            }
        }
        self
    }

    /// Enough silent frames to cover `late` ticks, each as long as the track's first frame. The excess before the start
    /// is priming, because dash.js, after a seek to 0, plays no sound that begins just after 0. `None` if the codec has
    /// no silent frame, samples are reordered, or too many frames would be needed.
    fn silence_for(&self, late: u64) -> Option<Filler> {
        let track = self.track();
        let Family::Aac(aac) = &track.codec.family else { return None };
        let duration = track.index.duration(self.first);
        let frames = u32::try_from(late.checked_next_multiple_of(u64::from(duration))? / u64::from(duration)).ok()?;
        let unordered = !track.index.reorders() && (1..=FILLER_LIMIT).contains(&frames);
        let frame = silence::frame(*aac).filter(|_| unordered)?;
        Some(Filler { frames, duration, frame })
    }

    /// The stored track.
    #[must_use]
    pub fn track(&self) -> &Track {
        self.movie.tracks.get(self.at).expect("checked by the constructor")
    }

    /// The movie that the track is from.
    #[must_use]
    pub const fn movie(&self) -> &Arc<Movie> {
        &self.movie
    }

    /// The number of the track in its movie, from 0.
    #[must_use]
    pub const fn place(&self) -> usize {
        self.at
    }

    /// The track's timescale.
    #[must_use]
    pub fn timescale(&self) -> Timescale {
        self.track().timescale
    }

    /// How many samples are served; at least 1.
    #[expect(clippy::len_without_is_empty, reason = "a track without samples is not planned")]
    #[must_use]
    pub fn len(&self) -> u32 {
        self.silent_frames() + (self.track().index.len() - self.first)
    }

    /// How many of the first samples are silent frames that the file does not hold.
    #[must_use]
    pub fn silent_frames(&self) -> u32 {
        self.filler.as_ref().map_or(0, |filler| filler.frames)
    }

    /// The bytes of a silent frame.
    #[must_use]
    pub fn silent_frame(&self) -> Option<&Bytes> {
        self.filler.as_ref().map(|filler| &filler.frame)
    }

    /// How far the first sample is stretched back, before its own time, in ticks.
    #[must_use]
    pub const fn reach(&self) -> Span {
        Span(self.reach)
    }

    /// The media_time of the one edit in the init segment, in ticks.
    #[must_use]
    pub const fn edit(&self) -> u64 {
        self.edit
    }

    /// Stored samples before the first one that is served.
    #[must_use]
    pub const fn skipped(&self) -> u32 {
        self.first
    }

    /// `SHIFT_SECONDS` in this track's timescale.
    #[must_use]
    pub fn shift(&self) -> Ticks {
        Ticks(i64::from(SHIFT_SECONDS) * i64::from(self.timescale().get()))
    }

    /// The stored sample that is served as `number`; `None` for a silent frame.
    #[must_use]
    pub fn stored(&self, number: u32) -> Option<u32> {
        number.checked_sub(self.silent_frames()).map(|number| self.first + number)
    }

    /// The number of silent frames in `range`, and the stored samples in it.
    #[must_use]
    pub fn stored_range(&self, range: Range<u32>) -> (u32, Range<u32>) {
        let silent = self.silent_frames();
        let frames = silent.clamp(range.start, range.end) - range.start;
        let stored = |number: u32| self.first + number.saturating_sub(silent);
        (frames, stored(range.start)..stored(range.end))
    }

    /// The decode time of sample `number` as written to `tfdt`, `SHIFT` included; for `number` = `len`, the end.
    #[must_use]
    pub fn written(&self, number: u32) -> Ticks {
        let first_offset = match self.filler {
            Some(_) => 0,
            None => i64::from(self.track().index.composition_offset(self.first)) + self.bias,
        };
        let origin = self.start.0 + i64_from_u64(self.edit) - first_offset + self.shift().0;
        Ticks(origin.saturating_add(i64_from_u64(self.elapsed(number).0)))
    }

    /// When players present sample `number`, which must exist: after the edit, without `SHIFT`.
    #[must_use]
    pub fn presented(&self, number: u32) -> Ticks {
        match self.stored(number) {
            Some(stored) if stored != self.first || self.reach == 0 => {
                Ticks(self.track().index.composition_time(stored).0 + self.ahead)
            }
            Some(_) => self.start,
            None => self.composed(self.written(number), 0),
        }
    }

    /// The earliest presented time of the samples of `range`, which must not be empty.
    #[must_use]
    pub(super) fn least_presented(&self, range: Range<u32>) -> Ticks {
        let first = self.presented(range.start);
        if !self.reorders() {
            return first;
        }
        // A track with reordered samples has no silent frames.
        let (_, stored) = self.stored_range(range);
        let reached = u32::from(self.reach > 0 && stored.start == self.first);
        let rest = self.track().index.least_composition_time(stored.start + reached..stored.end);
        rest.map_or(first, |least| first.min(Ticks(least.0 + self.ahead)))
    }

    /// Presented times of the samples of `range`, in decode order.
    pub fn presented_times(&self, range: Range<u32>) -> impl Iterator<Item = Ticks> + '_ {
        let (frames, stored) = self.stored_range(range.clone());
        let silent = (range.start..range.start + frames).map(|number| self.presented(number));
        // Presented and composition times differ by a constant, except for a first sample that reaches back.
        let ahead = self.ahead;
        let reached = usize::from(self.reach > 0 && stored.start == self.first && !stored.is_empty());
        let stretched = (0..reached).map(|_| self.start);
        let times = self.track().index.composition_times(stored).skip(reached);
        silent.chain(stretched).chain(times.map(move |at| Ticks(at.0 + ahead)))
    }

    /// Duration of all silent frames together, in ticks.
    fn filled_span(&self) -> i64 {
        self.filler.as_ref().map_or(0, |filler| i64::from(filler.frames) * i64::from(filler.duration))
    }

    /// The samples of `range`, in decode order.
    #[inline]
    pub fn samples(&self, range: Range<u32>) -> impl Iterator<Item = ServedSample> + '_ {
        let (frames, stored) = self.stored_range(range);
        let silent = self.filler.iter().flat_map(move |filler| {
            let size = u32_from_usize(filler.frame.len());
            let frame = ServedSample { duration: filler.duration, size, offset: 0, sync: true };
            (0..frames).map(move |_| frame)
        });
        let stored = self.track().index.samples(stored).map(|sample| ServedSample {
            duration: self.served_duration(sample.number, sample.duration),
            size: sample.size,
            offset: self.written_offset(sample.offset),
            sync: sample.sync,
        });
        silent.chain(stored)
    }

    /// The duration of sample `number`, which must exist, in decode time.
    #[must_use]
    pub fn duration(&self, number: u32) -> u32 {
        match (self.stored(number), &self.filler) {
            (Some(stored), _) => self.served_duration(stored, self.track().index.duration(stored)),
            (None, Some(filler)) => filler.duration,
            (None, None) => 0,
        }
    }

    /// The duration that all samples of `range` have; `None` if durations differ or are not known to be equal.
    #[must_use]
    pub fn constant_duration(&self, range: Range<u32>) -> Option<u32> {
        let (frames, stored) = self.stored_range(range);
        let index = &self.track().index;
        if stored.is_empty() {
            return self.filler.as_ref().map(|filler| filler.duration);
        }
        let constant = index.constant_duration(stored.clone())?;
        let held = self.hold > 0 && stored.end == index.len();
        let stretched = held || self.reach > 0 && stored.start == self.first;
        let silent = frames > 0 && self.filler.as_ref().is_some_and(|filler| filler.duration != constant);
        (!stretched && !silent && constant > 0).then_some(constant)
    }

    /// Whether composition offsets are written, because some sample is presented out of decode order.
    #[must_use]
    pub fn reorders(&self) -> bool {
        self.track().index.reorders()
    }

    /// Whether sample `number` is a sync sample.
    #[must_use]
    pub fn is_sync(&self, number: u32) -> bool {
        self.stored(number).is_none_or(|stored| self.track().index.is_sync(stored))
    }

    /// The number of the sync sample at `position`, counted from 0 over the served sync samples.
    #[must_use]
    pub fn sync_number(&self, position: u32) -> Option<u32> {
        let silent = self.silent_frames();
        let Some(position) = position.checked_sub(silent) else { return Some(position) };
        let index = &self.track().index;
        let stored = index.sync_sample(self.skipped_syncs.checked_add(position)?)?;
        Some(silent + (stored - self.first))
    }

    /// How many of `range` are sync samples.
    #[must_use]
    pub fn syncs(&self, range: Range<u32>) -> u32 {
        let (frames, stored) = self.stored_range(range);
        let index = &self.track().index;
        frames + (index.sync_before(stored.end) - index.sync_before(stored.start))
    }

    /// The size of sample `number`, which must exist, in bytes.
    #[must_use]
    pub fn size(&self, number: u32) -> u32 {
        self.stored(number).map_or_else(|| self.silent_size(), |stored| self.track().index.size(stored))
    }

    /// Calls `visit` with the size of each sample of `range`, in decode order.
    pub fn each_size(&self, range: Range<u32>, mut visit: impl FnMut(u32)) {
        let (frames, stored) = self.stored_range(range);
        (0..frames).for_each(|_| visit(self.silent_size()));
        self.track().index.each_size(stored, visit);
    }

    /// An upper bound of the sizes of the samples of `range`, in bytes.
    #[must_use]
    pub fn greatest_size(&self, range: Range<u32>) -> u32 {
        let (frames, stored) = self.stored_range(range);
        let silent = if frames > 0 { self.silent_size() } else { 0 };
        self.track().index.greatest_size(stored).max(silent)
    }

    /// An upper bound of the decode durations of the samples of `range`, in ticks; the track's last sample may be
    /// longer.
    #[must_use]
    pub fn longest_duration(&self, range: Range<u32>) -> u64 {
        let (_, stored) = self.stored_range(range);
        let silent = self.filler.as_ref().map_or(0, |filler| filler.duration);
        let reach = if stored.start == self.first { self.reach } else { 0 };
        u64::from(self.track().index.longest_duration(stored).max(silent)) + reach
    }

    fn silent_size(&self) -> u32 {
        self.filler.as_ref().map_or(0, |filler| u32_from_usize(filler.frame.len()))
    }

    /// Total size of the samples of `range`, in bytes.
    #[must_use]
    pub fn bytes(&self, range: Range<u32>) -> u64 {
        let (frames, stored) = self.stored_range(range);
        let frame = self.filler.as_ref().map_or(0, |filler| u64_from_usize(filler.frame.len()));
        u64::from(frames) * frame + self.track().index.bytes_of(stored)
    }

    /// The first sample presented at or after `at`, in a track whose samples are presented in decode order.
    #[must_use]
    pub(super) fn first_presented_at(&self, at: Moment) -> Option<u32> {
        let at = at.ceil_to(self.timescale())?;
        let number = self.decoded_from(at).unwrap_or_else(|| self.presented_from(0..self.len(), at));
        (number < self.len()).then_some(number)
    }

    /// The first sync sample presented at or after `at`, in a track whose samples are presented in decode order.
    #[must_use]
    pub(super) fn first_sync_at(&self, at: Moment) -> Option<u32> {
        let number = self.first_presented_at(at)?;
        if self.is_sync(number) { Some(number) } else { self.sync_number(self.syncs(0..number)) }
    }

    /// The first sample of `range` that is presented at or after `at`; the end of `range` if there is none.
    fn presented_from(&self, range: Range<u32>, at: Ticks) -> u32 {
        partition_point(range, |number| self.presented(number) < at)
    }

    /// The first sample that is presented at or after `at`, found from decode times; `None` if these do not tell.
    fn decoded_from(&self, at: Ticks) -> Option<u32> {
        if self.reorders() || self.reach > 0 {
            return None;
        }
        let silent = self.silent_frames();
        if silent.checked_sub(1).is_some_and(|last| at <= self.presented(last)) {
            return Some(self.presented_from(0..silent, at));
        }
        let stored = self.track().index.first_decoded_at(Ticks(at.0.checked_sub(self.ahead)?));
        Some(silent + stored.saturating_sub(self.first))
    }

    /// The latest end of the samples of `last_segment`: the greatest sum of presented time and duration.
    pub(super) fn end(&self, last_segment: Range<u32>) -> Ticks {
        let ends = self.presented_times(last_segment.clone()).zip(self.samples(last_segment));
        ends.map(|(at, sample)| Ticks(at.0.saturating_add(i64::from(sample.duration)))).max().unwrap_or_default()
    }

    fn composed(&self, written: Ticks, offset: u32) -> Ticks {
        Ticks(written.0 + i64::from(offset) - i64_from_u64(self.edit) - self.shift().0)
    }

    fn written_offset(&self, offset: i32) -> u32 {
        u32::try_from(i64::from(offset) + self.bias).expect("the bias is the least offset, negated")
    }

    /// The decode duration of a stored sample. A last sample of duration 0 lasts as long as the one before it; the
    /// first sample may be stretched, and the last one held.
    fn served_duration(&self, stored: u32, duration: u32) -> u32 {
        let index = &self.track().index;
        let lasting = match duration {
            0 if stored + 1 == index.len() => stored.checked_sub(1).map_or(1, |before| index.duration(before).max(1)),
            duration => duration,
        };
        let held = if stored + 1 == index.len() { u32::try_from(self.hold).unwrap_or(u32::MAX) } else { 0 };
        let lasting = lasting.saturating_add(held);
        if self.reach > 0 && stored == self.first {
            return lasting.saturating_add(u32::try_from(self.reach).unwrap_or(u32::MAX));
        }
        lasting
    }

    /// Decode time from the first served sample to sample `number`.
    fn elapsed(&self, number: u32) -> Span {
        let (frames, stored) = self.stored_range(0..number);
        let silent = self.filler.as_ref().map_or(0, |filler| u64::from(frames) * u64::from(filler.duration));
        let index = &self.track().index;
        let decoded = index.decode_time(stored.end).since(index.decode_time(self.first)).unwrap_or_default();
        let reach = if stored.is_empty() { 0 } else { self.reach };
        Span(silent + decoded.0 + reach)
    }
}

/// Largest number of silent frames: one hour of AAC at 48 kHz. Audio that starts later is not filled.
const FILLER_LIMIT: u32 = 168_750;

fn track_id(source: &SourceFile, at: usize) -> u32 {
    source.movie.tracks.get(at).map_or(0, |track| track.id)
}
