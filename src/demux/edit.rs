//! Parser of edit lists: `elst` → [`Edit`] and the [`EditPart`]s of the media that it presents (ISO/IEC 14496-12 §8.6.6).

use super::boxes::Atom;
use super::error::Error;
use super::error::FourCc;
use crate::media::Edit;
use crate::media::OffsetRuns;
use crate::media::Span;
use crate::media::Ticks;
use crate::media::Timescale;
use crate::media::i64_from_u64;
use crate::media::u64_from_usize;

/// One entry of an edit list.
#[derive(Debug, Clone, Copy)]
struct EditEntry {
    /// segment_duration, in the movie's timescale.
    duration: u64,
    /// media_time, −1 for a gap.
    media_time: i64,
    /// media_rate, 16.16 fixed point.
    rate: u32,
}

/// The edit list of one track, as stored.
#[derive(Debug, Clone)]
pub(super) struct Edits {
    track: u32,
    at: u64,
    entries: Vec<EditEntry>,
}

/// A contiguous part of the media that is presented, in the track's timescale.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct EditPart {
    /// Number of its first entry in the edit list, from 1.
    pub(super) entry: u64,
    /// Composition time at which the part begins.
    pub(super) from: i64,
    /// Composition time at which the part ends; `None` if it ends with the media.
    pub(super) to: Option<i64>,
    /// Ticks to add to its composition times, so that it follows the part before it.
    pub(super) shift: i64,
}

/// The timescales of an edit list.
#[derive(Debug, Clone, Copy)]
pub(super) struct EditTimescales {
    /// Timescale of the movie, for durations.
    pub(super) movie: Timescale,
    /// Timescale of the track, for media times.
    pub(super) media: Timescale,
}

impl EditTimescales {
    /// One tick of the movie in ticks of the track, rounded up.
    pub(super) fn tick(self) -> i64 {
        i64::from(self.media.get().div_ceil(self.movie.get()))
    }

    /// The time `length` movie ticks after `from`; `from` and the result are in ticks of the track.
    fn after(self, from: i64, length: u64) -> i64 {
        let length = Span(length).at(self.movie).nearest_to(self.media).unwrap_or(Ticks(i64::MAX));
        from.saturating_add(length.0)
    }
}

/// Largest number of parts of one track.
const PART_LIMIT: usize = 1_024;

/// media_time of an empty edit.
const GAP: i64 = -1;

/// media_rate of an edit that plays as recorded.
const NORMAL: u32 = 0x0001_0000;

impl Edits {
    /// Reads `elst`, both versions.
    pub(super) fn read(elst: Atom<'_>, track: u32) -> Result<Self, Error> {
        let (version, _, mut fields) = elst.full()?;
        let count = fields.u32()?;
        let entries = if version == 0 {
            fields.table::<12>(count)?.iter().map(EditEntry::short).collect()
        } else {
            fields.table::<20>(count)?.iter().map(EditEntry::long).collect()
        };
        Ok(Self { track, at: elst.at, entries })
    }

    /// Start of the presentation, and the parts of the media that it consists of.
    pub(super) fn fold(&self, scales: EditTimescales) -> Result<(Edit, Vec<EditPart>), Error> {
        let gaps = self.entries.iter().take_while(|entry| entry.media_time == GAP).count();
        let (leading, rest) = self.entries.split_at_checked(gaps).unwrap_or_default();
        let delay = leading.iter().fold(0_u64, |sum, gap| sum.saturating_add(gap.duration));
        let trailing = rest.iter().rev().take_while(|entry| entry.media_time == GAP).count();
        let played = rest.get(..rest.len() - trailing).unwrap_or_default();
        let edit = Edit { delay: Span(delay).at(scales.movie), ..Edit::NONE };
        let Some(first) = played.first() else { return Ok((edit, Vec::new())) };
        if first.media_time < GAP {
            return Err(self.broken(gaps, first.media_time, 0));
        }
        // A duration of 0 means the whole media, in fragmented files above all (§8.6.6.1).
        let length = played.iter().fold(0_u64, |sum, entry| sum.saturating_add(entry.duration));
        let parts = self.parts((gaps..).zip(played), first.media_time, scales)?;
        let length = (length > 0).then(|| Span(length).at(scales.movie));
        Ok((Edit { media_time: Ticks(first.media_time), length, ..edit }, parts))
    }

    /// Turns the `played` entries into parts, and joins entries that are contiguous in the media.
    fn parts<'a>(
        &self,
        played: impl Iterator<Item = (usize, &'a EditEntry)>,
        begin: i64,
        scales: EditTimescales,
    ) -> Result<Vec<EditPart>, Error> {
        let mut parts: Vec<EditPart> = Vec::new();
        // Movie ticks before the entry, movie ticks of the current part, and whether a gap precedes the entry.
        let (mut elapsed, mut length, mut gap) = (0_u64, 0_u64, false);
        for (number, entry) in played {
            self.check_rate(number, *entry)?;
            if entry.media_time == GAP {
                (elapsed, gap) = (elapsed.saturating_add(entry.duration), gap || entry.duration > 0);
                continue;
            }
            let expected = parts.last().map_or(begin, |last| scales.after(last.from, length));
            match entry.media_time.saturating_sub(expected) {
                off if off < -scales.tick() || (off > scales.tick() && length == 0 && !parts.is_empty()) => {
                    return Err(self.broken(number, entry.media_time, expected));
                }
                off if parts.is_empty() || gap || off > scales.tick() => {
                    if parts.len() >= PART_LIMIT {
                        let (kind, claims, fits) =
                            (FourCc(*b"elst"), u64_from_usize(PART_LIMIT) + 1, u64_from_usize(PART_LIMIT));
                        return Err(Error::Count { kind, at: self.at, claims, fits });
                    }
                    let from = entry.media_time;
                    let shift = scales.after(begin, elapsed).saturating_sub(from);
                    parts.push(EditPart { entry: u64_from_usize(number) + 1, from, to: None, shift });
                    length = 0;
                }
                _ => {}
            }
            (elapsed, length, gap) =
                (elapsed.saturating_add(entry.duration), length.saturating_add(entry.duration), false);
            if let Some(last) = parts.last_mut() {
                last.to = (length > 0).then(|| scales.after(last.from, length));
            }
        }
        Ok(parts)
    }

    /// Refuses a part that begins at or after `end`, the end of the last composition in the media.
    pub(super) fn check_within(&self, parts: &[EditPart], end: i64) -> Result<(), Error> {
        match parts.iter().map(|part| part.from).find(|from| *from > 0 && *from >= end) {
            Some(media_time) => Err(Error::EditBeyond { track: self.track, at: self.at, media_time, end }),
            None => Ok(()),
        }
    }

    /// Byte of the object at which `elst` begins.
    pub(super) const fn at(&self) -> u64 {
        self.at
    }

    fn check_rate(&self, number: usize, entry: EditEntry) -> Result<(), Error> {
        if entry.rate == NORMAL || entry.media_time == GAP {
            return Ok(());
        }
        Err(Error::EditRate { track: self.track, at: self.at, entry: u64_from_usize(number) + 1, rate: entry.rate })
    }

    fn broken(&self, number: usize, claims: i64, expected: i64) -> Error {
        let (track, at, entries) = (self.track, self.at, u64_from_usize(self.entries.len()));
        Error::EditsNotContiguous { track, at, entry: u64_from_usize(number) + 1, entries, claims, expected }
    }
}

impl EditEntry {
    fn short(bytes: &[u8; 12]) -> Self {
        let [d0, d1, d2, d3, t0, t1, t2, t3, rate @ ..] = *bytes;
        Self {
            duration: u64::from(u32::from_be_bytes([d0, d1, d2, d3])),
            media_time: i64::from(i32::from_be_bytes([t0, t1, t2, t3])),
            rate: u32::from_be_bytes(rate),
        }
    }

    fn long(bytes: &[u8; 20]) -> Self {
        let [d0, d1, d2, d3, d4, d5, d6, d7, t0, t1, t2, t3, t4, t5, t6, t7, rate @ ..] = *bytes;
        Self {
            duration: u64::from_be_bytes([d0, d1, d2, d3, d4, d5, d6, d7]),
            media_time: i64::from_be_bytes([t0, t1, t2, t3, t4, t5, t6, t7]),
            rate: u32::from_be_bytes(rate),
        }
    }
}

/// The greatest composition offset; 0 where none is positive.
pub(super) fn greatest_offset(offsets: &OffsetRuns) -> i64 {
    i64::from(offsets.greatest())
}

/// Adds `origin` to the media time of an edit, for a recording whose first sample is not decoded at 0.
pub(super) fn shifted(edit: Edit, origin: u64) -> Edit {
    Edit { media_time: Ticks(edit.media_time.0.saturating_add(i64_from_u64(origin))), ..edit }
}

impl EditPart {
    /// Removes the end of a part that is no longer than the recording's first fragment, `first` ticks: the writer of
    /// the edit list did not know how long the recording would be.
    pub(super) fn open_end(&mut self, first: u64, tick: i64) {
        let length = self.to.map_or(0, |to| to.saturating_sub(self.from));
        if length <= i64_from_u64(first).saturating_add(tick) {
            self.to = None;
        }
    }

    /// Moves the part `by` ticks later in the media, for a recording whose edits count from another origin.
    pub(super) const fn shifted(self, by: i64) -> Self {
        let to = match self.to {
            Some(to) => Some(to.saturating_add(by)),
            None => None,
        };
        Self { from: self.from.saturating_add(by), to, ..self }
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::as_conversions, clippy::cast_possible_truncation, reason = "numbers of a test are small")]

    use super::{EditPart, EditTimescales, Edits};
    use crate::demux::Error;
    use crate::demux::boxes::Atom;
    use crate::demux::fixture::{atom, full};
    use crate::media::{Edit, Moment, Ticks, Timescale};

    const RATE: u32 = 0x1_0000;

    fn fold(entries: &[(u32, i32, u32)]) -> Result<Edit, Error> {
        folded(entries).map(|(edit, _)| edit)
    }

    /// The parts, as (from, to, shift).
    fn parts(entries: &[(u32, i32, u32)]) -> Result<Vec<(i64, Option<i64>, i64)>, Error> {
        let (_, parts) = folded(entries)?;
        Ok(parts.into_iter().map(|part| (part.from, part.to, part.shift)).collect())
    }

    fn folded(entries: &[(u32, i32, u32)]) -> Result<(Edit, Vec<EditPart>), Error> {
        let mut body = (entries.len() as u32).to_be_bytes().to_vec();
        for (duration, media_time, rate) in entries {
            body.extend(duration.to_be_bytes());
            body.extend(media_time.to_be_bytes());
            body.extend(rate.to_be_bytes());
        }
        let elst = full(b"elst", 0, 0, &body);
        let edits = Edits::read(Atom::new(&elst, 100)?, 7)?;
        edits.fold(EditTimescales { movie: Timescale::MILLIS, media: Timescale::MPEG_TS })
    }

    #[test]
    fn leading_gaps_delay_one_edit() {
        let edit = fold(&[(500, -1, RATE), (250, -1, 0), (2_000, 7_200, RATE), (9, -1, RATE)]).unwrap();
        let expected = Edit {
            delay: Moment::from_millis(750),
            media_time: Ticks(7_200),
            length: Some(Moment::from_millis(2_000)),
        };
        assert_eq!(edit, expected);
    }

    #[test]
    fn a_duration_of_zero_is_the_whole_media() {
        assert_eq!(fold(&[(0, 1_024, RATE)]).unwrap(), Edit { media_time: Ticks(1_024), ..Edit::NONE });
    }

    #[test]
    fn no_entries_and_gaps_alone_are_no_edit() {
        assert_eq!(fold(&[]).unwrap(), Edit::NONE);
        assert_eq!(fold(&[(40, -1, RATE)]).unwrap(), Edit { delay: Moment::from_millis(40), ..Edit::NONE });
    }

    #[test]
    fn contiguous_edits_become_one_within_a_movie_tick() {
        let edit = fold(&[(1_000, 0, RATE), (1_000, 90_090, RATE)]).unwrap();
        assert_eq!(edit, Edit { length: Some(Moment::from_millis(2_000)), ..Edit::NONE });
    }

    #[test]
    fn a_cut_and_a_gap_between_edits_begin_new_parts() {
        assert_eq!(parts(&[(1_000, 0, RATE), (1_000, 90_090, RATE)]), Ok(vec![(0, Some(180_000), 0)]));
        let cut = parts(&[(500, -1, RATE), (1_000, 0, RATE), (2_000, 270_000, RATE)]);
        assert_eq!(cut, Ok(vec![(0, Some(90_000), 0), (270_000, Some(450_000), -180_000)]));
        let gap = parts(&[(1_000, 0, RATE), (500, -1, RATE), (0, -1, RATE), (2_000, 90_000, RATE), (9, -1, RATE)]);
        assert_eq!(gap, Ok(vec![(0, Some(90_000), 0), (90_000, Some(270_000), 45_000)]));
        assert_eq!(parts(&[(0, 1_024, RATE)]), Ok(vec![(1_024, None, 0)]));
    }

    #[test]
    fn edits_that_go_back_in_the_media_are_refused() {
        let refused = |claims, expected| {
            Err(Error::EditsNotContiguous { track: 7, at: 100, entry: 2, entries: 2, claims, expected })
        };
        assert_eq!(fold(&[(1_000, 0, RATE), (1_000, 89_909, RATE)]), refused(89_909, 90_000));
        assert_eq!(fold(&[(1_000, 90_000, RATE), (1_000, 0, RATE)]), refused(0, 180_000));
        // An open-ended part, then an entry elsewhere in the media.
        assert_eq!(fold(&[(0, 0, RATE), (1_000, 90_000, RATE)]), refused(90_000, 0));
    }

    #[test]
    fn a_track_of_too_many_parts_is_refused() {
        let cuts = |count| (0..count).map(|at| (1, at * 1_000, RATE)).collect::<Vec<_>>();
        assert_eq!(parts(&cuts(1_024)).unwrap().len(), 1_024);
        assert!(matches!(parts(&cuts(1_025)), Err(Error::Count { at: 100, fits: 1_024, .. })));
    }

    #[test]
    fn an_edit_that_plays_at_another_speed_is_refused() {
        let refused = |rate| Err(Error::EditRate { track: 7, at: 100, entry: 1, rate });
        assert_eq!(fold(&[(1_000, 0, 0x2_0000)]), refused(0x2_0000));
        assert_eq!(fold(&[(1_000, 0, 0)]), refused(0));
    }

    #[test]
    fn version_1_holds_64_bits() {
        let body = [&1_u32.to_be_bytes()[..], &(1_u64 << 33).to_be_bytes(), &5_i64.to_be_bytes(), &RATE.to_be_bytes()];
        let elst = full(b"elst", 1, 0, &body.concat());
        let edits = Edits::read(Atom::new(&elst, 0).unwrap(), 1).unwrap();
        let (edit, _) = edits.fold(EditTimescales { movie: Timescale::MILLIS, media: Timescale::MILLIS }).unwrap();
        assert_eq!((edit.media_time, edit.length), (Ticks(5), Some(Moment::from_millis(1 << 33))));
    }

    #[test]
    fn a_count_beyond_the_box_is_refused_before_anything_is_reserved() {
        let elst = atom(b"elst", &[0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 1, 2, 3]);
        let error = Edits::read(Atom::new(&elst, 9).unwrap(), 1).unwrap_err();
        let kind = crate::demux::FourCc(*b"elst");
        assert_eq!(error, Error::Count { kind, at: 9, claims: 0xffff_ffff, fits: 0 });
    }
}
