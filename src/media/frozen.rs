//! Serialization of a [`Movie`] to bytes that outlive the process, and back: a frozen movie loads in a millisecond,
//! without its `moov`, and only those parts of it that a request needs.
//!
//! ```text
//! file     │ head │ sections of the first track │ of the next │ … │
//! head     │ magic 8 │ revision u32 │ bytes of the head u32 │ movie │ checksum u64: CRC-64/NVME of all before it │
//! movie    │ content 16 │ size u64 │ layout u8 │ 0    or  │ 1 │ cut_at u64 │ count u32 │ tracks │ count u32 │ skipped │
//! skipped  │ track u32 │ handler 4 │ reason: text │
//! text     │ bytes u32 │ UTF-8 │
//! ```
//! Numbers are little-endian. `frozen/track.rs` describes tracks, `frozen/directory.rs` the facts about their samples
//! in the head, `frozen/section.rs` the sections; the head holds a checksum of each section. Checksums detect torn
//! writes and bit rot. They are no signature: thawing checks all invariants of an index again, those of the head
//! when the head is thawed and those of a section when it is loaded. It refuses bytes with a right checksum and wrong
//! tables as it would refuse such a `moov`. Any change of the format, or of the demuxer's result for the same file,
//! needs a new [`REVISION`].

mod directory;
mod form;
mod reader;
mod section;
mod track;

use super::id::ContentId;
use super::num::{u32_from_usize, u64_from_usize, usize_from_u64};
use super::range::ByteRange;
use super::tables::TableError;
use super::track::{Layout, Movie, Skipped, Track};
use bytes::Bytes;
use directory::SectionCursor;
use std::collections::BTreeSet;
use std::ops::Range;

pub use form::FrozenFormat;
pub use reader::Reader;

/// Revision of the format; other revisions are refused.
pub const REVISION: u32 = 4;

const FORM: FrozenFormat = FrozenFormat { magic: *b"afflux\0i", revision: REVISION };

/// Position of the head's length field.
const LENGTH: Range<usize> = FrozenFormat::HEAD..FrozenFormat::HEAD + size_of::<u32>();

/// Why bytes cannot be thawed, as a movie or in any other [`FrozenFormat`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Damage {
    /// The bytes begin with another magic.
    #[error("the bytes are something else")]
    Foreign,
    /// Another version of Afflux wrote the bytes.
    #[error("they were frozen as revision {found}, which is not today's")]
    Revision {
        /// Revision of the bytes.
        found: u32,
    },
    /// The bytes changed after they were written.
    #[error("the checksum is wrong")]
    Checksum,
    /// The bytes end too early.
    #[error("{needs} bytes are needed where {left} are left")]
    Short {
        /// Size of the field, in bytes.
        needs: u64,
        /// Number of bytes left.
        left: u64,
    },
    /// Bytes follow behind the end.
    #[error("{rest} bytes stand behind the end")]
    Behind {
        /// Number of bytes behind the end.
        rest: u64,
    },
    /// A field has a value that is not allowed.
    #[error("there is no such {0}")]
    Value(&'static str),
    /// The tables contradict each other.
    #[error("the tables contradict each other")]
    Tables(#[from] TableError),
}

/// The tables of a section that are not loaded, and their position in the frozen movie.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Missing {
    track: usize,
    section: usize,
    /// Bytes of the frozen movie that hold the tables.
    pub range: ByteRange,
}

/// A frozen movie of which only the head was thawed.
#[derive(Debug)]
pub struct ThawedMovie {
    /// The movie; all its sample tables are missing.
    pub movie: Movie,
    /// Size of the whole frozen movie, in bytes.
    pub bytes: u64,
}

impl Movie {
    /// Serializes the movie, for [`Self::thaw`]. No tables may be missing.
    #[must_use]
    pub fn freeze(&self) -> Vec<u8> {
        let heap: usize = self.tracks.iter().map(|track| track.index.heap_bytes() + track.entry.len()).sum();
        let mut out = Vec::with_capacity(heap + 4_096);
        FORM.begin(&mut out);
        out.extend([0; LENGTH.end - LENGTH.start]);
        out.extend(self.content.as_bytes());
        out.extend(self.size.to_le_bytes());
        out.push(match self.layout {
            Layout::MoovFirst => 0,
            Layout::MoovLast => 1,
            Layout::Fragmented => 2,
        });
        out.push(u8::from(self.cut_at.is_some()));
        out.extend(self.cut_at.into_iter().flat_map(u64::to_le_bytes));
        freeze_count(&mut out, self.tracks.len());
        let directories: Vec<Range<usize>> = self.tracks.iter().map(|track| track::freeze(track, &mut out)).collect();
        freeze_count(&mut out, self.skipped.len());
        for Skipped { track, handler, reason } in &self.skipped {
            out.extend(track.to_le_bytes());
            out.extend(handler);
            freeze_bytes(&mut out, reason.as_bytes());
        }
        let end = out.len();
        put(&mut out, LENGTH, &u32_from_usize(end + FrozenFormat::CHECKSUM).to_le_bytes());
        out.extend([0; FrozenFormat::CHECKSUM]);
        for (track, directory) in self.tracks.iter().zip(directories) {
            let entries = section::freeze_all(&track.index, &mut out);
            put(&mut out, directory, &entries);
        }
        let checksum = FrozenFormat::checksum(out.get(..end).unwrap_or_default());
        put(&mut out, end..end + FrozenFormat::CHECKSUM, &checksum.to_le_bytes());
        out
    }

    /// Reads a [frozen](Self::freeze) movie with all its tables. The movie keeps `bytes` alive, and takes little memory
    /// beside them.
    pub fn thaw(bytes: &Bytes) -> Result<Self, Damage> {
        let left = u64_from_usize(bytes.len());
        let head = Self::frozen_head(bytes)?;
        let short = Damage::Short { needs: head, left };
        let split = usize::try_from(head).ok().filter(|head| *head <= bytes.len()).ok_or(short)?;
        let ThawedMovie { movie, bytes: whole } = Self::thaw_head(&bytes.slice(..split))?;
        if left < whole {
            return Err(Damage::Short { needs: whole, left });
        }
        if left > whole {
            return Err(Damage::Behind { rest: left - whole });
        }
        movie.bring_all(bytes)?;
        Ok(movie)
    }

    /// Loads all missing tables from `whole`, which must be the same movie.
    pub fn fill(&self, whole: &Self) -> Result<(), Damage> {
        self.bring_all(&whole.freeze().into())
    }

    fn bring_all(&self, frozen: &Bytes) -> Result<(), Damage> {
        let left = u64_from_usize(frozen.len());
        for missing in self.all_missing() {
            if missing.range.end() > left {
                return Err(Damage::Short { needs: missing.range.end(), left });
            }
            let (from, to) = (usize_from_u64(missing.range.start()), usize_from_u64(missing.range.end()));
            self.thaw_missing(missing, &frozen.slice(from..to))?;
        }
        Ok(())
    }

    /// Size of the head of a frozen movie in bytes, from `start`, its first bytes; 16 bytes suffice.
    pub fn frozen_head(start: &[u8]) -> Result<u64, Damage> {
        let whole = Bytes::copy_from_slice(start.get(..LENGTH.end).unwrap_or(start));
        Ok(u64::from(FORM.begun(&whole)?.u32()?))
    }

    /// Reads the head of a frozen movie. All sample tables are missing.
    pub fn thaw_head(head: &Bytes) -> Result<ThawedMovie, Damage> {
        let mut movie = FORM.opened(head)?;
        if u64::from(movie.u32()?) != u64_from_usize(head.len()) {
            return Err(Damage::Value("length of a head"));
        }
        let (content, size) = (ContentId::new(movie.take()?), movie.u64()?);
        let layout = match movie.u8()? {
            0 => Layout::MoovFirst,
            1 => Layout::MoovLast,
            2 => Layout::Fragmented,
            _ => return Err(Damage::Value("layout")),
        };
        let cut_at = match movie.u8()? {
            0 => None,
            1 => Some(movie.u64()?),
            _ => return Err(Damage::Value("end of a recording")),
        };
        let mut places = SectionCursor::behind(head.len());
        let tracks = thaw_tracks(&mut movie, size, &mut places)?;
        // The reader bounds both loops: each iteration takes bytes.
        let mut skipped = Vec::new();
        for _ in 0..movie.u32()? {
            skipped.push(Skipped { track: movie.u32()?, handler: movie.take()?, reason: movie.text()? });
        }
        movie.finish()?;
        Ok(ThawedMovie { movie: Self { content, size, layout, cut_at, tracks, skipped }, bytes: places.end() })
    }

    /// Tables to [load](Self::thaw_missing) before a caller reads samples `range` of the track at index `track`.
    #[must_use]
    pub fn missing(&self, track: usize, range: Range<u32>) -> Vec<Missing> {
        let sections = self.tracks.get(track).map(|found| found.index.sections.touching(range));
        let lacking = sections.into_iter().flatten().filter(|(_, section)| section.tables().is_none());
        let missing =
            lacking.filter_map(|(at, section)| Some(Missing { track, section: at, range: section.kept?.range }));
        missing.collect()
    }

    /// Whether all sample tables are loaded.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        self.tracks.iter().all(|track| track.index.has(0..u32::MAX))
    }

    /// All tables that are not loaded.
    #[must_use]
    pub fn all_missing(&self) -> Vec<Missing> {
        (0..self.tracks.len()).flat_map(|track| self.missing(track, 0..u32::MAX)).collect()
    }

    /// Missing tables of the first and last samples of each track, which the check of a cached plan needs.
    #[must_use]
    pub fn ends_missing(&self) -> Vec<Missing> {
        let ends = |(at, track): (usize, &Track)| {
            let last = track.index.len() - 1;
            [self.missing(at, 0..1), self.missing(at, last..last + 1)].concat()
        };
        let mut missing: Vec<Missing> = self.tracks.iter().enumerate().flat_map(ends).collect();
        missing.dedup();
        missing
    }

    /// Loads the `missing` tables from their `bytes`, and keeps these alive.
    pub fn thaw_missing(&self, missing: Missing, bytes: &Bytes) -> Result<(), Damage> {
        let index = self.tracks.get(missing.track).map(|track| &track.index).ok_or(Damage::Value("track"))?;
        section::thaw_tables(index, missing.section, bytes, self.size)
    }
}

/// Overwrites the range `place` of `out`, which is as long as `bytes`.
fn put(out: &mut [u8], place: Range<usize>, bytes: &[u8]) {
    out.get_mut(place).expect("the caller left room for these bytes").copy_from_slice(bytes);
}

fn thaw_tracks(movie: &mut Reader<'_>, size: u64, places: &mut SectionCursor) -> Result<Vec<Track>, Damage> {
    let (mut tracks, mut ids) = (Vec::new(), BTreeSet::new());
    for _ in 0..movie.u32()? {
        let track = track::thaw(movie, size, places)?;
        if track.id == 0 || !ids.insert(track.id) {
            return Err(Damage::Value("track_ID"));
        }
        tracks.push(track);
    }
    if tracks.is_empty() { Err(Damage::Value("number of tracks")) } else { Ok(tracks) }
}

fn freeze_count(out: &mut Vec<u8>, count: usize) {
    out.extend(u32_from_usize(count).to_le_bytes());
}

fn freeze_bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    freeze_count(out, bytes.len());
    out.extend(bytes);
}

#[cfg(test)]
#[allow(clippy::as_conversions, clippy::cast_possible_truncation, reason = "a test's numbers are small")]
mod tests;
