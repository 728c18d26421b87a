//! A long `moov` in parts: its long tables are packed as they come, the rest is kept to be read as a whole.
//!
//! ```text
//! moov │ mvhd … │ trak │ tkhd … │ mdia │ … │ minf │ … │ stbl │ stsd … │ stsz fields ┊ entries ┊ │ …
//! kept   ══════════════════════════════════════════════════════════════════════════         ════
//! cut                                                                              ─────────
//! ```
//! Nothing is judged here. Where a box is not as it should be, the rest of its container is kept: whoever reads what was
//! kept meets the same box at the same byte, and refuses it as if nothing had been cut.

use super::boxes::Atom;
use super::boxes::Header;
use super::error::Error;
use crate::media::Column;
use crate::media::Packing;
use crate::media::SAMPLE_LIMIT;
use crate::media::u64_from_usize;
use crate::media::usize_from_u64;
use bytes::Bytes;
use std::cell::Cell;

/// Entries of a table in bytes, at least, that it is worth to cut.
pub(super) const LONG: u64 = 4_096;

/// The containers that are looked into, each in the one before.
const CONTAINERS: [[u8; 4]; 4] = [*b"trak", *b"mdia", *b"minf", *b"stbl"];

/// Entries that were cut out of a table.
pub(super) struct Cut {
    at: u64,
    len: u64,
    packing: Cell<Option<Packing>>,
}

impl std::fmt::Debug for Cut {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Cut").field("at", &self.at).field("len", &self.len).finish_non_exhaustive()
    }
}

impl Cut {
    /// Where in the object they begin.
    pub(super) const fn at(&self) -> u64 {
        self.at
    }

    /// How many bytes, those behind the last entry included.
    pub(super) const fn len(&self) -> u64 {
        self.len
    }

    /// What they are; `None` where that was taken before.
    pub(super) fn take(&self) -> Option<Packing> {
        self.packing.take()
    }
}

/// What is left of a `moov`.
#[derive(Debug)]
pub(super) struct Sifted {
    at: u64,
    kept: Bytes,
    cuts: Vec<Cut>,
}

impl Sifted {
    /// The box.
    pub(super) fn atom(&self) -> Result<Atom<'_>, Error> {
        Atom::sifted(&self.kept, self.at, &self.cuts)
    }

    /// The bytes that were kept.
    pub(super) const fn bytes(&self) -> &Bytes {
        &self.kept
    }
}

/// Takes a `moov` part by part.
#[derive(Debug)]
pub(super) struct Sieve {
    /// Where the box begins.
    start: u64,
    /// The byte that comes next.
    at: u64,
    kept: Vec<u8>,
    cuts: Vec<Cut>,
    /// Where the containers end that `at` is in, `moov` first.
    open: Vec<u64>,
    now: Now,
    /// Entries in bytes, at least, that are cut.
    long: u64,
}

/// What comes next.
#[derive(Debug)]
enum Now {
    /// More of what tells what a box is: `from` this place of what is kept, up to `needs` bytes.
    Head { from: usize, needs: usize },
    /// Bytes that are kept, up to this one.
    Kept { until: u64 },
    /// Bytes of a table: entries up to one byte, then what is of no use up to another.
    Cut { from: u64, entries: u64, until: u64, column: Box<Column> },
}

/// What becomes of a box.
enum Verdict {
    /// More of it must be known.
    Needs(usize),
    /// It is kept whole.
    Kept,
    /// So is all that is left of the container it is in.
    Broken,
    /// Its boxes are looked at.
    Opened,
    /// Behind what is known of it come so many bytes of entries.
    Cut(u64, Box<Column>),
}

impl Sieve {
    /// For the box of `size` bytes at byte `at`, its header of `header` bytes included.
    pub(super) fn new((at, header, size): (u64, u64, u64), long: u64) -> Self {
        let now = Now::Kept { until: at.saturating_add(header) };
        let open = vec![at.saturating_add(size)];
        Self { start: at, at, kept: Vec::new(), cuts: Vec::new(), open, now, long }
    }

    /// Bytes of the box that are still to come.
    pub(super) fn left(&self) -> u64 {
        self.open.first().map_or(0, |end| end.saturating_sub(self.at))
    }

    /// One past the last byte of the box.
    pub(super) fn end(&self) -> u64 {
        self.at.saturating_add(self.left())
    }

    /// Takes the next bytes, no more than are left.
    pub(super) fn push(&mut self, bytes: &[u8]) {
        let mut rest = bytes;
        while !rest.is_empty() && !self.open.is_empty() {
            rest = self.step(rest);
        }
    }

    /// What is left of the box, once all of it has come.
    pub(super) fn finish(self) -> Sifted {
        Sifted { at: self.start, kept: self.kept.into(), cuts: self.cuts }
    }

    /// Takes some of `bytes`; returns the others.
    fn step<'a>(&mut self, bytes: &'a [u8]) -> &'a [u8] {
        match &mut self.now {
            Now::Head { from, needs } => {
                let (from, missing) = (*from, needs.saturating_sub(self.kept.len() - *from));
                let (taken, rest) = bytes.split_at(bytes.len().min(missing));
                self.keep(taken);
                if taken.len() == missing {
                    self.judged(from);
                }
                rest
            }
            Now::Kept { until } => {
                let until = *until;
                let (taken, rest) = split(bytes, until - self.at);
                self.keep(taken);
                if self.at == until {
                    self.next();
                }
                rest
            }
            Now::Cut { from, entries, until, column } => {
                let (taken, rest) = split(bytes, *until - self.at);
                column.push(split(taken, entries.saturating_sub(self.at)).0);
                self.at += u64_from_usize(taken.len());
                if self.at == *until {
                    let (at, len) = (*from, *until - *from);
                    self.close((at, len));
                }
                rest
            }
        }
    }

    fn keep(&mut self, bytes: &[u8]) {
        self.kept.extend_from_slice(bytes);
        self.at += u64_from_usize(bytes.len());
    }

    /// A table has come to its end.
    fn close(&mut self, (at, len): (u64, u64)) {
        let head = Now::Head { from: 0, needs: 0 };
        if let Now::Cut { column, .. } = std::mem::replace(&mut self.now, head) {
            self.cuts.push(Cut { at, len, packing: Cell::new(Some(column.finish())) });
        }
        self.next();
    }

    /// A box has come to its end, and perhaps those it is in.
    fn next(&mut self) {
        while self.open.pop_if(|end| *end <= self.at).is_some() {}
        let left = self.open.last().map_or(0, |end| end - self.at);
        self.now =
            if left < 8 { Now::Kept { until: self.at + left } } else { Now::Head { from: self.kept.len(), needs: 8 } };
    }

    /// As much of a box is known as was needed.
    fn judged(&mut self, from: usize) {
        let head = self.kept.get(from..).unwrap_or_default();
        let known = u64_from_usize(head.len());
        let (start, end) = (self.at - known, self.open.last().copied().unwrap_or(self.at));
        let size = Header::read(head).and_then(|header| header.size).unwrap_or(0);
        match self.verdict(head, end - start) {
            Verdict::Needs(needs) => self.now = Now::Head { from, needs },
            Verdict::Broken => self.keep_until(end),
            Verdict::Kept => self.keep_until(start + size),
            Verdict::Opened => {
                self.open.push(start + size);
                self.next();
            }
            Verdict::Cut(entries, column) => {
                let (from, until) = (self.at, start + size);
                self.now = Now::Cut { from, entries: from + entries, until, column };
            }
        }
    }

    fn keep_until(&mut self, until: u64) {
        self.now = Now::Kept { until };
        if until == self.at {
            self.next();
        }
    }

    /// What becomes of the box that begins with `head`, with `left` bytes up to the end of its container.
    fn verdict(&self, head: &[u8], left: u64) -> Verdict {
        let Some(header) = Header::read(head) else {
            // Only a size of 64 bits takes more than the 8 there are.
            return if left < 16 { Verdict::Broken } else { Verdict::Needs(16) };
        };
        let Some(size) = header.size.filter(|size| (header.len..=left).contains(size)) else { return Verdict::Broken };
        let inner = self.open.len().checked_sub(1).and_then(|depth| CONTAINERS.get(depth));
        let Some(container) = inner else { return self.table(head, header, size) };
        if header.kind.0 == *container { Verdict::Opened } else { Verdict::Kept }
    }

    /// The same in `stbl`, of a box of `size` bytes.
    fn table(&self, head: &[u8], header: Header, size: u64) -> Verdict {
        let (fields, column) = match &header.kind.0 {
            b"stsz" => (12, Column::stsz()),
            b"ctts" => (8, Column::ctts()),
            b"stco" => (8, Column::stco()),
            b"co64" => (8, Column::co64()),
            _ => return Verdict::Kept,
        };
        let Some(room) = size.checked_sub(header.len + fields).filter(|room| *room >= self.long) else {
            return Verdict::Kept;
        };
        let behind = usize_from_u64(header.len + fields);
        if head.len() < behind {
            return Verdict::Needs(behind);
        }
        // The last field counts the entries; the one before it, in `stsz`, is the size of all samples, or 0.
        let Some((rest, count)) = head.split_last_chunk::<4>() else { return Verdict::Kept };
        let same = fields == 12 && !rest.ends_with(&[0; 4]);
        let count = u32::from_be_bytes(*count);
        let entries = u64::from(count) * column.width();
        if same || count > SAMPLE_LIMIT || entries > room {
            Verdict::Kept
        } else {
            Verdict::Cut(entries, Box::new(column))
        }
    }
}

/// The first `len` of `bytes`, or all, and the others.
fn split(bytes: &[u8], len: u64) -> (&[u8], &[u8]) {
    bytes.split_at(bytes.len().min(usize_from_u64(len)))
}

#[cfg(test)]
mod tests {
    #![expect(clippy::as_conversions, reason = "numbers of a test are small")]

    use super::Sieve;
    use crate::demux::error::Error;
    use crate::demux::fixture::{MEDIA, Trak, atom, moov, table};
    use crate::demux::language::Dialect;
    use crate::demux::moov::Moov;
    use crate::demux::movie::{Object, movie};
    use crate::media::{ContentId, Layout, Movie};
    use bytes::Bytes;
    use proptest::prelude::{any, prop, prop_assert_eq, proptest};

    /// Where the box begins.
    const AT: u64 = 98;

    fn understood(moov: Result<Moov, Error>) -> Result<Movie, Error> {
        movie(moov?, Object { content: ContentId::new([0; 16]), size: 1 << 20, layout: Layout::MoovLast, cut_at: None })
    }

    fn whole(moov: &[u8]) -> Result<Movie, Error> {
        understood(Moov::read(&Bytes::copy_from_slice(moov), AT, Dialect::Iso))
    }

    /// The same through a sieve, and how many bytes it kept.
    fn in_parts(moov: &[u8], parts: &[usize], long: u64) -> (Result<Movie, Error>, usize) {
        let mut sieve = Sieve::new((AT, 8, moov.len() as u64), long);
        let mut rest = moov;
        for part in parts.iter().copied().chain([moov.len()]) {
            let (now, later) = rest.split_at(part.min(rest.len()));
            sieve.push(now);
            rest = later;
            assert_eq!(sieve.left(), rest.len() as u64);
        }
        let sifted = sieve.finish();
        (understood(Moov::sifted(&sifted, Dialect::Iso)), sifted.bytes().len())
    }

    fn film() -> Vec<u8> {
        let odd = Trak { id: 7, handler: *b"hint", ..Trak::video(MEDIA) };
        let mut sound = Trak { more: atom(b"udta", &[0; 4]), ..Trak::audio(MEDIA + 60) };
        // The last table of a kind counts.
        sound.tables.extend([atom(b"free", &[0; 40]), table(b"stsz", &[0, 2, 5, 4, 9]), table(b"ctts", &[1, 2, 7])]);
        moov(&[Trak::video(MEDIA).print(), odd.print(), sound.print()])
    }

    #[test]
    fn all_that_is_long_is_cut() {
        let (movie, kept) = in_parts(&film(), &[], 1);
        // Sizes, chunk offsets and composition offsets of three tracks.
        assert!(kept < film().len(), "{kept} of {}", film().len());
        assert_eq!(movie, whole(&film()));
        assert_eq!(in_parts(&film(), &[], 1_000).1, film().len());
    }

    proptest! {
        #[test]
        fn a_moov_in_parts_is_the_whole_moov(parts in prop::collection::vec(0_usize..200, 0..40), long in 1_u64..30) {
            prop_assert_eq!(in_parts(&film(), &parts, long).0, whole(&film()));
        }

        #[test]
        fn what_is_wrong_with_a_moov_is_refused_alike(
            changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
            parts in prop::collection::vec(0_usize..200, 0..40), long in 1_u64..30,
        ) {
            let mut film = film();
            for (at, byte) in changes {
                let at = 8 + at.index(film.len() - 8);
                film[at] = byte;
            }
            prop_assert_eq!(in_parts(&film, &parts, long).0, whole(&film));
        }

        #[test]
        fn a_box_of_any_size_is_refused_alike(at in any::<prop::sample::Index>(), size in 0_u32..400, long in 1_u64..30) {
            let mut film = film();
            // A size that stands where a box begins is told from its type.
            let heads: Vec<usize> = (8..film.len() - 8).filter(|at| film[at + 4..at + 8].iter().all(u8::is_ascii_lowercase)).collect();
            let at = heads[at.index(heads.len())];
            film[at..at + 4].copy_from_slice(&size.to_be_bytes());
            prop_assert_eq!(in_parts(&film, &[], long).0, whole(&film));
        }
    }
}
