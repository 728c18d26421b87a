//! `elst` → [`Edit`]: one contiguous part of the media, and when it begins (ISO/IEC 14496-12 §8.6.6).

use super::boxes::Atom;
use super::error::Error;
use crate::media::Edit;
use crate::media::OffsetRuns;
use crate::media::Span;
use crate::media::Ticks;
use crate::media::Timescale;
use crate::media::i64_from_u64;
use crate::media::u64_from_usize;

/// One entry of an edit list.
#[derive(Debug, Clone, Copy)]
struct Entry {
    /// segment_duration, in the movie's timescale.
    duration: u64,
    /// media_time, −1 for a gap.
    media_time: i64,
    /// media_rate, 16.16.
    rate: u32,
}

/// The edit list of one track, as stored.
#[derive(Debug, Clone)]
pub(super) struct Edits {
    track: u32,
    at: u64,
    entries: Vec<Entry>,
}

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
            fields.table::<12>(count)?.iter().map(Entry::short).collect()
        } else {
            fields.table::<20>(count)?.iter().map(Entry::long).collect()
        };
        Ok(Self { track, at: elst.at, entries })
    }

    /// The one edit that the list amounts to.
    pub(super) fn fold(&self, movie: Timescale, media: Timescale) -> Result<Edit, Error> {
        let gaps = self.entries.iter().take_while(|entry| entry.media_time == GAP).count();
        let (leading, rest) = self.entries.split_at_checked(gaps).unwrap_or_default();
        let delay = leading.iter().fold(0_u64, |sum, gap| sum.saturating_add(gap.duration));
        let trailing = rest.iter().rev().take_while(|entry| entry.media_time == GAP).count();
        let played = rest.get(..rest.len() - trailing).unwrap_or_default();
        let edit = Edit { delay: Span(delay).at(movie), ..Edit::NONE };
        let Some(first) = played.first() else { return Ok(edit) };
        if first.media_time < GAP {
            return Err(self.broken(gaps, first.media_time, 0));
        }
        let mut length = 0_u64;
        for (number, entry) in (gaps..).zip(played) {
            self.check_rate(number, *entry)?;
            self.check_follows(number, (first.media_time, length), (*entry, movie, media))?;
            length = length.saturating_add(entry.duration);
        }
        // A duration of 0 means the whole media, in fragmented files above all (§8.6.6.1).
        let length = (length > 0).then(|| Span(length).at(movie));
        Ok(Edit { media_time: Ticks(first.media_time), length, ..edit })
    }

    /// Refuses an edit that begins where the media, whose compositions last until `end`, is over.
    pub(super) fn check_within(&self, edit: &Edit, end: i64) -> Result<(), Error> {
        let media_time = edit.media_time.0;
        if media_time > 0 && media_time >= end {
            return Err(Error::EditBeyond { track: self.track, at: self.at, media_time, end });
        }
        Ok(())
    }

    fn check_rate(&self, number: usize, entry: Entry) -> Result<(), Error> {
        if entry.rate == NORMAL || entry.media_time == GAP {
            return Ok(());
        }
        Err(Error::EditRate { track: self.track, at: self.at, entry: u64_from_usize(number) + 1, rate: entry.rate })
    }

    /// An entry must begin where `length` movie ticks from `start` end, give or take one of them.
    fn check_follows(
        &self,
        number: usize,
        (start, length): (i64, u64),
        (entry, movie, media): (Entry, Timescale, Timescale),
    ) -> Result<(), Error> {
        let (movie, media) = (i128::from(movie.get()), i128::from(media.get()));
        let length = i128::from(length) * media;
        let off = (i128::from(entry.media_time) - i128::from(start)) * movie - length;
        if off.abs() <= media && entry.media_time != GAP {
            return Ok(());
        }
        let expected = i128::from(start) + length / movie;
        Err(self.broken(number, entry.media_time, i64::try_from(expected).unwrap_or(i64::MAX)))
    }

    fn broken(&self, number: usize, claims: i64, expected: i64) -> Error {
        let (track, at, entries) = (self.track, self.at, u64_from_usize(self.entries.len()));
        Error::EditsNotContiguous { track, at, entry: u64_from_usize(number) + 1, entries, claims, expected }
    }
}

impl Entry {
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

/// Shifts an edit of a recording whose first sample is not decoded at 0: `origin` becomes the presentation's start.
pub(super) fn shifted(edit: Edit, origin: u64) -> Edit {
    Edit { media_time: Ticks(edit.media_time.0.saturating_add(i64_from_u64(origin))), ..edit }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::as_conversions, clippy::cast_possible_truncation, reason = "numbers of a test are small")]

    use super::Edits;
    use crate::demux::Error;
    use crate::demux::boxes::Atom;
    use crate::demux::fixture::{atom, full};
    use crate::media::{Edit, Moment, Ticks, Timescale};

    const RATE: u32 = 0x1_0000;

    fn fold(entries: &[(u32, i32, u32)]) -> Result<Edit, Error> {
        let mut body = (entries.len() as u32).to_be_bytes().to_vec();
        for (duration, media_time, rate) in entries {
            body.extend(duration.to_be_bytes());
            body.extend(media_time.to_be_bytes());
            body.extend(rate.to_be_bytes());
        }
        let elst = full(b"elst", (0, 0), &body);
        let edits = Edits::read(Atom::new(&elst, 100)?, 7)?;
        edits.fold(Timescale::new(1_000).unwrap(), Timescale::new(90_000).unwrap())
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
    fn edits_that_do_not_follow_each_other_are_refused() {
        let refused = |claims, expected| {
            Err(Error::EditsNotContiguous { track: 7, at: 100, entry: 2, entries: 3, claims, expected })
        };
        assert_eq!(fold(&[(1_000, 0, RATE), (1_000, 90_091, RATE), (0, 0, RATE)]), refused(90_091, 90_000));
        assert_eq!(fold(&[(1_000, 0, RATE), (1_000, -1, RATE), (1, 90_000, RATE)]), refused(-1, 90_000));
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
        let elst = full(b"elst", (1, 0), &body.concat());
        let edits = Edits::read(Atom::new(&elst, 0).unwrap(), 1).unwrap();
        let edit = edits.fold(Timescale::MILLIS, Timescale::MILLIS).unwrap();
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
