//! Filter for a long `moov` that arrives in parts: packs its long tables, and stores the rest for the parser.
//!
//! ```text
//! moov │ mvhd … │ trak │ tkhd … │ mdia │ … │ minf │ … │ stbl │ stsd … │ stsz fields ┊ entries ┊ │ …
//! kept   ══════════════════════════════════════════════════════════════════════════         ════
//! cut                                                                              ─────────
//! ```
//! The sieve reports no errors. If a box is malformed, it stores the rest of the container: the parser meets the same
//! box at the same byte, and refuses it as if nothing had been cut.

use super::boxes::Atom;
use super::boxes::Header;
use super::error::Error;
use crate::media::Column;
use crate::media::PackedTable;
use crate::media::SAMPLE_LIMIT;
use crate::media::u64_from_usize;
use crate::media::usize_from_u64;
use bytes::Bytes;
use std::cell::Cell;

/// Smallest size of a table's entries, in bytes, that is worth a cut.
pub(super) const LONG: u64 = 4_096;

/// Containers whose children the sieve examines, each inside the one before.
const CONTAINERS: [[u8; 4]; 4] = [*b"trak", *b"mdia", *b"minf", *b"stbl"];

/// Entries that the sieve has cut out of a table and packed.
pub(super) struct Cut {
    at: u64,
    len: u64,
    packing: Cell<Option<PackedTable>>,
}

impl std::fmt::Debug for Cut {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Cut").field("at", &self.at).field("len", &self.len).finish_non_exhaustive()
    }
}

impl Cut {
    /// Byte of the object at which the entries begin.
    pub(super) const fn at(&self) -> u64 {
        self.at
    }

    /// Number of bytes cut out, including any behind the last entry.
    pub(super) const fn len(&self) -> u64 {
        self.len
    }

    /// Takes the packed entries; `None` if they were taken before.
    pub(super) fn take(&self) -> Option<PackedTable> {
        self.packing.take()
    }
}

/// A `moov` without its long tables, and the packed tables.
#[derive(Debug)]
pub(super) struct FilteredMoov {
    at: u64,
    kept: Bytes,
    cuts: Vec<Cut>,
}

impl FilteredMoov {
    /// The box, for the parser.
    pub(super) fn atom(&self) -> Result<Atom<'_>, Error> {
        Atom::sifted(&self.kept, self.at, &self.cuts)
    }

    /// The stored bytes of the box.
    pub(super) const fn bytes(&self) -> &Bytes {
        &self.kept
    }
}

/// Filters a `moov` part by part.
#[derive(Debug)]
pub(super) struct MoovFilter {
    /// Byte of the object at which the box begins.
    start: u64,
    /// Byte of the object that comes next.
    at: u64,
    kept: Vec<u8>,
    cuts: Vec<Cut>,
    /// Ends of the open containers, `moov` first.
    open: Vec<u64>,
    now: FilterState,
    /// Smallest size of a table's entries, in bytes, to cut out.
    long: u64,
}

/// Meaning of the next bytes.
#[derive(Debug)]
enum FilterState {
    /// The head of a box, which decides its treatment: stored at index `from`, complete at `needs` bytes.
    Head { from: usize, needs: usize },
    /// Bytes to store, up to byte `until` of the object.
    Kept { until: u64 },
    /// A table: entries up to byte `entries` of the object, then useless bytes up to byte `until`.
    Cut { from: u64, entries: u64, until: u64, column: Box<Column> },
}

/// Treatment of a box.
enum BoxAction {
    /// Undecided: read on until this many bytes of the box are stored.
    Needs(usize),
    /// Store the whole box.
    Kept,
    /// Malformed: store the rest of its container.
    Broken,
    /// A container: examine its children.
    Opened,
    /// A long table: this many bytes of entries follow the stored head; cut them out.
    Cut(u64, Box<Column>),
}

impl MoovFilter {
    /// Creates a sieve for the box of `size` bytes at byte `at`; `header` is the size of its header. It cuts out tables
    /// whose entries have at least `long` bytes.
    pub(super) fn new(at: u64, header: u64, size: u64, long: u64) -> Self {
        let now = FilterState::Kept { until: at.saturating_add(header) };
        let open = vec![at.saturating_add(size)];
        Self { start: at, at, kept: Vec::new(), cuts: Vec::new(), open, now, long }
    }

    /// Number of bytes of the box that have not arrived.
    pub(super) fn left(&self) -> u64 {
        self.open.first().map_or(0, |end| end.saturating_sub(self.at))
    }

    /// Byte of the object behind the box.
    pub(super) fn end(&self) -> u64 {
        self.at.saturating_add(self.left())
    }

    /// Takes the next bytes of the box, at most [`Self::left`].
    pub(super) fn push(&mut self, bytes: &[u8]) {
        let mut rest = bytes;
        while !rest.is_empty() && !self.open.is_empty() {
            rest = self.step(rest);
        }
    }

    /// Returns the stored bytes and the packed tables; call this after the last byte.
    pub(super) fn finish(self) -> FilteredMoov {
        FilteredMoov { at: self.start, kept: self.kept.into(), cuts: self.cuts }
    }

    /// Consumes some of `bytes`; returns the rest.
    fn step<'a>(&mut self, bytes: &'a [u8]) -> &'a [u8] {
        match &mut self.now {
            FilterState::Head { from, needs } => {
                let (from, missing) = (*from, needs.saturating_sub(self.kept.len() - *from));
                let (taken, rest) = bytes.split_at(bytes.len().min(missing));
                self.keep(taken);
                if taken.len() == missing {
                    self.judged(from);
                }
                rest
            }
            FilterState::Kept { until } => {
                let until = *until;
                let (taken, rest) = split(bytes, until - self.at);
                self.keep(taken);
                if self.at == until {
                    self.next();
                }
                rest
            }
            FilterState::Cut { from, entries, until, column } => {
                let (taken, rest) = split(bytes, *until - self.at);
                column.push(split(taken, entries.saturating_sub(self.at)).0);
                self.at += u64_from_usize(taken.len());
                if self.at == *until {
                    let (at, len) = (*from, *until - *from);
                    self.close(at, len);
                }
                rest
            }
        }
    }

    fn keep(&mut self, bytes: &[u8]) {
        self.kept.extend_from_slice(bytes);
        self.at += u64_from_usize(bytes.len());
    }

    /// Stores a complete packed table.
    fn close(&mut self, at: u64, len: u64) {
        let head = FilterState::Head { from: 0, needs: 0 };
        if let FilterState::Cut { column, .. } = std::mem::replace(&mut self.now, head) {
            self.cuts.push(Cut { at, len, packing: Cell::new(Some(column.finish())) });
        }
        self.next();
    }

    /// Continues behind a box; also closes the containers that end there.
    fn next(&mut self) {
        while self.open.pop_if(|end| *end <= self.at).is_some() {}
        let left = self.open.last().map_or(0, |end| end - self.at);
        self.now = if left < 8 {
            FilterState::Kept { until: self.at + left }
        } else {
            FilterState::Head { from: self.kept.len(), needs: 8 }
        };
    }

    /// Decides on a box whose head is stored at index `from`.
    fn judged(&mut self, from: usize) {
        let head = self.kept.get(from..).unwrap_or_default();
        let known = u64_from_usize(head.len());
        let (start, end) = (self.at - known, self.open.last().copied().unwrap_or(self.at));
        let size = Header::read(head).and_then(|header| header.size).unwrap_or(0);
        match self.verdict(head, end - start) {
            BoxAction::Needs(needs) => self.now = FilterState::Head { from, needs },
            BoxAction::Broken => self.keep_until(end),
            BoxAction::Kept => self.keep_until(start + size),
            BoxAction::Opened => {
                self.open.push(start + size);
                self.next();
            }
            BoxAction::Cut(entries, column) => {
                let (from, until) = (self.at, start + size);
                self.now = FilterState::Cut { from, entries: from + entries, until, column };
            }
        }
    }

    fn keep_until(&mut self, until: u64) {
        self.now = FilterState::Kept { until };
        if until == self.at {
            self.next();
        }
    }

    /// Treatment of the box that begins with `head`; `left` is the number of bytes up to the end of its container.
    fn verdict(&self, head: &[u8], left: u64) -> BoxAction {
        let Some(header) = Header::read(head) else {
            // Only a header with a 64-bit size is longer than the 8 stored bytes.
            return if left < 16 { BoxAction::Broken } else { BoxAction::Needs(16) };
        };
        let Some(size) = header.size.filter(|size| (header.len..=left).contains(size)) else {
            return BoxAction::Broken;
        };
        let inner = self.open.len().checked_sub(1).and_then(|depth| CONTAINERS.get(depth));
        let Some(container) = inner else { return self.table(head, header, size) };
        if header.kind.0 == *container { BoxAction::Opened } else { BoxAction::Kept }
    }

    /// Treatment of a child of `stbl` with `size` bytes.
    fn table(&self, head: &[u8], header: Header, size: u64) -> BoxAction {
        let (fields, column) = match &header.kind.0 {
            b"stsz" => (12, Column::stsz()),
            b"ctts" => (8, Column::ctts()),
            b"stco" => (8, Column::stco()),
            b"co64" => (8, Column::co64()),
            _ => return BoxAction::Kept,
        };
        let Some(room) = size.checked_sub(header.len + fields).filter(|room| *room >= self.long) else {
            return BoxAction::Kept;
        };
        let behind = usize_from_u64(header.len + fields);
        if head.len() < behind {
            return BoxAction::Needs(behind);
        }
        // The last field counts the entries; in `stsz`, the field before it is the common size of all samples, or 0.
        let Some((rest, count)) = head.split_last_chunk::<4>() else { return BoxAction::Kept };
        let same = fields == 12 && !rest.ends_with(&[0; 4]);
        let count = u32::from_be_bytes(*count);
        let entries = u64::from(count) * column.width();
        if same || count > SAMPLE_LIMIT || entries > room {
            BoxAction::Kept
        } else {
            BoxAction::Cut(entries, Box::new(column))
        }
    }
}

/// Splits `bytes` behind the first `len`, or behind the last if there are fewer.
fn split(bytes: &[u8], len: u64) -> (&[u8], &[u8]) {
    bytes.split_at(bytes.len().min(usize_from_u64(len)))
}

#[cfg(test)]
mod tests {
    #![expect(clippy::as_conversions, reason = "numbers of a test are small")]

    use super::MoovFilter;
    use crate::demux::error::Error;
    use crate::demux::fixture::{MEDIA, Trak, atom, moov, table};
    use crate::demux::language::Dialect;
    use crate::demux::moov::Moov;
    use crate::demux::movie::{ObjectSummary, movie};
    use crate::media::{ContentId, Layout, Movie};
    use bytes::Bytes;
    use proptest::prelude::{any, prop, prop_assert_eq, proptest};

    /// Byte of the object at which the box begins.
    const AT: u64 = 98;

    fn understood(moov: Result<Moov, Error>) -> Result<Movie, Error> {
        movie(
            moov?,
            ObjectSummary { content: ContentId::new([0; 16]), size: 1 << 20, layout: Layout::MoovLast, cut_at: None },
        )
    }

    fn whole(moov: &[u8]) -> Result<Movie, Error> {
        understood(Moov::read(&Bytes::copy_from_slice(moov), AT, Dialect::Iso))
    }

    /// Parses a `moov` through a sieve; also returns the number of bytes that the sieve stored.
    fn in_parts(moov: &[u8], parts: &[usize], long: u64) -> (Result<Movie, Error>, usize) {
        let mut sieve = MoovFilter::new(AT, 8, moov.len() as u64, long);
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
        // The sieve cuts out sizes, chunk offsets and composition offsets of three tracks.
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
            // Find the box headers by their types, and change the size in one of them.
            let heads: Vec<usize> = (8..film.len() - 8).filter(|at| film[at + 4..at + 8].iter().all(u8::is_ascii_lowercase)).collect();
            let at = heads[at.index(heads.len())];
            film[at..at + 4].copy_from_slice(&size.to_be_bytes());
            prop_assert_eq!(in_parts(&film, &[], long).0, whole(&film));
        }
    }
}
