//! Parser that turns byte ranges of an object into a [`Movie`]: walks the top-level boxes, and requests few bytes.
//!
//! ```text
//! ftyp moov mdat          1 read, and 2 for the first and last media bytes; 2 where the moov is long, and 1
//! ftyp mdat moov          2 to 3 reads, and 2
//! ftyp moov moof mdat …   1 read per fragment or per 64 KiB, and 2
//! ```
//! A read that looks for boxes fetches 64 KiB, so that one read covers a header and its box, or several small boxes.
//! The read of a long `moov` includes the first media bytes behind it. The caller may feed a range in parts: the probe
//! packs a long `moov` as it arrives, and never holds all of it in memory.

use super::boxes::Atom;
use super::boxes::Header;
use super::content;
use super::content::ContentHashers;
use super::error::Error;
use super::error::FourCc;
use super::fragment;
use super::language::Dialect;
use super::moov::Moov;
use super::movie;
use super::movie::ObjectSummary;
use super::sieve;
use super::sieve::MoovFilter;
use crate::media::ByteRange;
use crate::media::Layout;
use crate::media::Movie;
use crate::media::u64_from_usize;
use crate::media::usize_from_u64;
use bytes::Bytes;
use std::mem;

/// Length of a read that only looks for boxes, in bytes.
pub const READ_AHEAD: u64 = 64 * 1024;

/// Bytes to read behind a long `moov`: the headers of `free` and `mdat`, and the first media bytes.
const FOLLOWING: u64 = READ_AHEAD + 64;

/// Largest accepted `moov`, in bytes: about 20 million samples.
pub const MOOV_LIMIT: u64 = 256 << 20;

/// Largest accepted `moof` or top-level `sidx`, in bytes.
pub const FRAGMENT_LIMIT: u64 = 16 << 20;

/// Largest number of top-level boxes in a file: 1,024 and 8 more per fragment are allowed, up to this number.
pub const BOX_LIMIT: u32 = 1 << 17;

/// Largest number of top-level boxes in a file without fragments.
const PLAIN_LIMIT: u32 = 1_024;

/// Top-level boxes allowed per fragment: styp, prft, emsg, sidx, moof, mdat, and two to spare.
const BOXES_PER_FRAGMENT: u32 = 8;

/// Next step of a probe.
#[derive(Debug)]
pub enum Step {
    /// Fetch these bytes of the object, then call [`Probe::feed`].
    Need(ByteRange),
    /// The probe is complete.
    Done(Box<Movie>),
}

/// Parses a stored file; requests the byte ranges that it needs.
#[derive(Debug)]
pub struct Probe {
    size: u64,
    /// Rest of the requested range that has not arrived.
    asked: ByteRange,
    head: Bytes,
    window: ByteWindow,
    /// Parts of the next window that have arrived.
    coming: Vec<u8>,
    sieve: Option<Box<MoovFilter>>,
    phase: ProbePhase,
    seen: ProbeState,
    content: ContentHashers,
}

/// Bytes in memory, and their position in the object.
#[derive(Debug, Default)]
struct ByteWindow {
    at: u64,
    bytes: Bytes,
}

/// Target of the search.
#[derive(Debug, Clone, Copy)]
enum ProbePhase {
    /// The top-level box at this byte.
    Walk(u64),
    /// The first media bytes.
    First,
    /// The last media bytes.
    Last,
    /// The search is complete.
    Over,
}

/// Findings so far.
#[derive(Debug, Default)]
struct ProbeState {
    boxes: u32,
    fragments: u32,
    dialect: Option<Dialect>,
    moov: Option<Moov>,
    /// Hash of the first `moov`.
    moov_hash: Option<blake3::Hash>,
    layout: Option<Layout>,
    /// A fragment whose data extends beyond the end of the object, and its position.
    beyond: Option<(Bytes, u64)>,
    /// Position of a box behind fragments that the end of the object truncates.
    cut_at: Option<u64>,
    first_media: Option<ByteRange>,
    last_media: Option<ByteRange>,
}

/// A top-level box: type, position, and sizes limited to the object.
#[derive(Debug, Clone, Copy)]
struct TopLevelBox {
    kind: FourCc,
    at: u64,
    header: u64,
    size: u64,
}

/// Bytes in memory, or the range to fetch.
enum WindowLookup {
    Found(Bytes),
    Need(ByteRange),
}

impl Probe {
    /// Starts a probe of an object of `size` bytes; also returns the first range to fetch. [`Error::Empty`] for size 0.
    pub fn new(size: u64) -> Result<(Self, ByteRange), Error> {
        let asked = ByteRange::new(0, size.min(READ_AHEAD)).ok_or(Error::Empty)?;
        let (phase, seen, content) = (ProbePhase::Walk(0), ProbeState::default(), ContentHashers::default());
        let (head, window, coming) = (Bytes::new(), ByteWindow::default(), Vec::new());
        Ok((Self { size, asked, head, window, coming, sieve: None, phase, seen, content }, asked))
    }

    /// Takes all bytes of the requested range. Do not use the probe after an error or [`Step::Done`].
    pub fn feed(&mut self, bytes: &Bytes) -> Result<Step, Error> {
        let (at, needed, given) = (self.asked.start(), self.asked.len(), u64_from_usize(bytes.len()));
        if needed != given {
            return Err(Error::Fed { at, needed, given });
        }
        self.part(bytes)
    }

    /// Takes the first bytes of the requested range, at least one; [`Step::Need`] then names the rest of it.
    pub fn part(&mut self, bytes: &Bytes) -> Result<Step, Error> {
        let (at, needed, given) = (self.asked.start(), self.asked.len(), u64_from_usize(bytes.len()));
        if given == 0 || given > needed {
            return Err(Error::Fed { at, needed, given });
        }
        let behind = self.sift(bytes)?;
        let rest = self.asked.slice(given, needed);
        self.arrived(at.saturating_add(given), behind, rest.is_some());
        if let Some(rest) = rest {
            self.asked = rest;
            return Ok(Step::Need(rest));
        }
        loop {
            let need = match self.phase {
                ProbePhase::Walk(at) => self.walk(at)?,
                ProbePhase::First => self.first_media(),
                ProbePhase::Last => self.last_media(),
                ProbePhase::Over => return self.finish().map(|movie| Step::Done(Box::new(movie))),
            };
            if let Some(need) = need {
                self.asked = need;
                return Ok(Step::Need(need));
            }
        }
    }

    /// Passes the bytes of an incomplete long `moov` to the sieve; returns the bytes behind it.
    fn sift(&mut self, bytes: &Bytes) -> Result<Bytes, Error> {
        let Some(sieve) = &mut self.sieve else { return Ok(bytes.clone()) };
        let mut behind = bytes.clone();
        let own = behind.split_to(usize_from_u64(sieve.left()).min(bytes.len()));
        self.content.moov.update(&own);
        sieve.push(&own);
        if let Some(sieve) = self.sieve.take_if(|sieve| sieve.left() == 0) {
            let end = sieve.end();
            self.described(Moov::sifted(&sieve.finish(), self.dialect())?);
            self.passed(end);
        }
        Ok(behind)
    }

    /// Stores `bytes`, which end at byte `end` of the object. `more` tells that the requested range is incomplete.
    fn arrived(&mut self, end: u64, bytes: Bytes, more: bool) {
        if more || !self.coming.is_empty() {
            self.coming.extend_from_slice(&bytes);
        }
        if more {
            return;
        }
        let bytes = if self.coming.is_empty() { bytes } else { mem::take(&mut self.coming).into() };
        let at = end.saturating_sub(u64_from_usize(bytes.len()));
        if at == 0 && self.head.is_empty() {
            self.head = bytes.clone();
        }
        self.window = ByteWindow { at, bytes };
    }

    /// Examines the box at byte `at`; returns the range to fetch for that, if any.
    fn walk(&mut self, at: u64) -> Result<Option<ByteRange>, Error> {
        let left = self.size.saturating_sub(at);
        if left < 8 && at > 0 {
            // Bytes shorter than a header are no box; many files end with a few stray bytes.
            return self.walked();
        }
        let WindowLookup::Found(bytes) = self.bytes(at, left.min(16)) else { return Ok(Some(self.ahead(at, 16))) };
        if self.seen.fragments > 0 && is_cut(&bytes, left) {
            self.seen.cut_at = Some(at);
            return self.walked();
        }
        let place = self.place(&bytes, at)?;
        let need = match &place.kind.0 {
            b"moov" if self.seen.moov.is_none() => self.moov(place)?,
            b"moov" => self.second_moov(place)?,
            b"moof" => self.moof(place)?,
            b"sidx" => self.sidx(place)?,
            b"mdat" => self.mdat(place),
            b"ftyp" => self.ftyp(place),
            _ => None,
        };
        if need.is_none() {
            self.passed(place.at.saturating_add(place.size));
        }
        Ok(need)
    }

    /// Counts a complete box, and continues with the box at byte `end`.
    fn passed(&mut self, end: u64) {
        self.seen.boxes += 1;
        self.phase = ProbePhase::Walk(end);
    }

    fn place(&self, bytes: &[u8], at: u64) -> Result<TopLevelBox, Error> {
        let left = self.size.saturating_sub(at);
        if at == 0 {
            check_first(bytes)?;
        }
        let short = Error::BoxSize { kind: FourCc(*b"    "), at, claims: 16, left };
        let header = Header::read(bytes).ok_or(short)?;
        let (kind, claims) = (header.kind, header.size.unwrap_or(left));
        let cut = kind.0 == *b"mdat" && claims > left;
        if claims < header.len || (claims > left && !cut) {
            return Err(Error::BoxSize { kind, at, claims, left });
        }
        let limit = BOX_LIMIT.min(self.seen.fragments.saturating_mul(BOXES_PER_FRAGMENT).saturating_add(PLAIN_LIMIT));
        if self.seen.boxes >= limit {
            return Err(Error::TooManyBoxes { kind, at, limit });
        }
        Ok(TopLevelBox { kind, at, header: header.len, size: claims.min(left) })
    }

    fn moov(&mut self, place: TopLevelBox) -> Result<Option<ByteRange>, Error> {
        let bytes = match self.whole(place, MOOV_LIMIT)? {
            WindowLookup::Need(_) => {
                self.sieve = Some(Box::new(MoovFilter::new(place.at, place.header, place.size, sieve::LONG)));
                return Ok(Some(self.ahead(place.at, place.size.saturating_add(FOLLOWING))));
            }
            WindowLookup::Found(bytes) => bytes,
        };
        self.content.moov.update(&bytes);
        self.described(Moov::read(&bytes, place.at, self.dialect())?);
        Ok(None)
    }

    /// Accepts a second header that equals the first: joined recordings repeat it.
    fn second_moov(&mut self, place: TopLevelBox) -> Result<Option<ByteRange>, Error> {
        if place.size > FRAGMENT_LIMIT {
            return Err(Error::SecondMoov { at: place.at });
        }
        match self.whole(place, FRAGMENT_LIMIT)? {
            WindowLookup::Need(need) => Ok(Some(need)),
            WindowLookup::Found(bytes) if self.seen.moov_hash == Some(blake3::hash(&bytes)) => Ok(None),
            WindowLookup::Found(_) => Err(Error::SecondMoov { at: place.at }),
        }
    }

    /// Format of the file. A file without `ftyp` is older than ISO base media.
    fn dialect(&self) -> Dialect {
        self.seen.dialect.unwrap_or(Dialect::QuickTime)
    }

    fn described(&mut self, moov: Moov) {
        self.seen.moov = Some(moov);
        self.seen.moov_hash = Some(self.content.moov.finalize());
        let behind = self.seen.first_media.is_some();
        self.seen.layout = Some(if behind { Layout::MoovLast } else { Layout::MoovFirst });
    }

    fn moof(&mut self, place: TopLevelBox) -> Result<Option<ByteRange>, Error> {
        let bytes = match self.whole(place, FRAGMENT_LIMIT)? {
            WindowLookup::Need(need) => return Ok(Some(need)),
            WindowLookup::Found(bytes) => bytes,
        };
        let moov = self.seen.moov.as_mut().ok_or(Error::FragmentFirst { at: place.at })?;
        self.content.fragments.update(&bytes);
        if let Some((earlier, at)) = self.seen.beyond.take() {
            // Another fragment follows: the file is not truncated but broken, and this call reports it.
            fragment::moof(Atom::new(&earlier, at)?, moov, self.size)?;
        }
        let atom = Atom::new(&bytes, place.at)?;
        if self.seen.fragments > 0 && fragment::reach(atom, moov, self.size)? > self.size {
            self.seen.beyond = Some((bytes, place.at));
            return Ok(None);
        }
        fragment::moof(atom, moov, self.size)?;
        self.seen.fragments = self.seen.fragments.saturating_add(1);
        self.seen.layout = Some(Layout::Fragmented);
        Ok(None)
    }

    fn sidx(&mut self, place: TopLevelBox) -> Result<Option<ByteRange>, Error> {
        match self.whole(place, FRAGMENT_LIMIT)? {
            WindowLookup::Need(need) => Ok(Some(need)),
            WindowLookup::Found(bytes) => {
                self.content.fragments.update(&bytes);
                Ok(None)
            }
        }
    }

    fn mdat(&mut self, place: TopLevelBox) -> Option<ByteRange> {
        let payload = place.size.checked_sub(place.header);
        if let Some(payload) = payload.and_then(|len| ByteRange::new(place.at.saturating_add(place.header), len)) {
            self.seen.first_media.get_or_insert(payload);
            self.seen.last_media = Some(payload);
        }
        None
    }

    fn ftyp(&mut self, place: TopLevelBox) -> Option<ByteRange> {
        let brand = place.at.saturating_add(place.header);
        let found = match self.bytes(brand, 4) {
            WindowLookup::Found(brand) => brand,
            WindowLookup::Need(_) => Bytes::new(),
        };
        let quicktime = found.as_ref() == b"qt  ";
        self.seen.dialect.get_or_insert(if quicktime { Dialect::QuickTime } else { Dialect::Iso });
        None
    }

    /// Ends the walk over the top-level boxes.
    fn walked(&mut self) -> Result<Option<ByteRange>, Error> {
        if self.seen.moov.is_none() {
            return Err(Error::NoMoov { boxes: self.seen.boxes, size: self.size });
        }
        self.phase = ProbePhase::First;
        Ok(None)
    }

    fn first_media(&mut self) -> Option<ByteRange> {
        if let Some(range) = self.seen.first_media.and_then(content::first_media) {
            match self.bytes(range.start(), range.len()) {
                WindowLookup::Need(need) => return Some(need),
                WindowLookup::Found(bytes) => self.content.first.update(&bytes),
            };
        }
        self.phase = ProbePhase::Last;
        None
    }

    fn last_media(&mut self) -> Option<ByteRange> {
        if let Some(range) = self.seen.last_media.and_then(content::last_media) {
            match self.bytes(range.start(), range.len()) {
                WindowLookup::Need(need) => return Some(need),
                WindowLookup::Found(bytes) => self.content.last.update(&bytes),
            };
        }
        self.phase = ProbePhase::Over;
        None
    }

    fn finish(&mut self) -> Result<Movie, Error> {
        let size = self.size;
        let (Some(moov), Some(layout)) = (self.seen.moov.take(), self.seen.layout) else {
            return Err(Error::NoMoov { boxes: self.seen.boxes, size });
        };
        let cut_at = self.seen.beyond.take().map(|(_, at)| at).or(self.seen.cut_at);
        movie::movie(moov, ObjectSummary { content: self.content.id(size), size, layout, cut_at })
    }

    /// All bytes of a box, or the range to fetch; [`Error::TooLarge`] above `limit` bytes.
    fn whole(&self, place: TopLevelBox, limit: u64) -> Result<WindowLookup, Error> {
        let TopLevelBox { kind, at, size, .. } = place;
        if size > limit {
            return Err(Error::TooLarge { kind, at, claims: size, limit });
        }
        Ok(match self.bytes(at, size) {
            WindowLookup::Need(_) => WindowLookup::Need(self.ahead(at, size)),
            found @ WindowLookup::Found(_) => found,
        })
    }

    /// Range to fetch for at least `len` bytes from `at`, with read-ahead, up to the end of the object.
    fn ahead(&self, at: u64, len: u64) -> ByteRange {
        let left = self.size.saturating_sub(at);
        ByteRange::new(at, len.max(READ_AHEAD).min(left)).unwrap_or(self.asked)
    }

    /// `len` bytes from `at`, if they are in memory; else the range to fetch.
    fn bytes(&self, at: u64, len: u64) -> WindowLookup {
        let within = |start: u64, bytes: &Bytes| {
            let from = usize_from_u64(at.checked_sub(start)?);
            let to = from.checked_add(usize_from_u64(len))?;
            (to <= bytes.len()).then(|| bytes.slice(from..to))
        };
        match within(self.window.at, &self.window.bytes).or_else(|| within(0, &self.head)) {
            Some(bytes) => WindowLookup::Found(bytes),
            None => WindowLookup::Need(ByteRange::new(at, len).unwrap_or(self.asked)),
        }
    }
}

/// Whether the box whose header begins `bytes` ends beyond the `left` remaining bytes. An `mdat` may be truncated.
fn is_cut(bytes: &[u8], left: u64) -> bool {
    match Header::read(bytes) {
        Some(Header { kind: FourCc([b'm', b'd', b'a', b't']), .. }) => false,
        Some(Header { size, .. }) => size.is_some_and(|size| size > left),
        None => true,
    }
}

/// Box types with which a file may begin.
const FIRST: [[u8; 4]; 14] = [
    *b"ftyp", *b"styp", *b"moov", *b"mdat", *b"free", *b"skip", *b"wide", *b"pnot", *b"uuid", *b"sidx", *b"moof",
    *b"prft", *b"emsg", *b"junk",
];

fn check_first(bytes: &[u8]) -> Result<(), Error> {
    let mut kind = [b' '; 4];
    kind.iter_mut().zip(bytes.iter().skip(4)).for_each(|(to, from)| *to = *from);
    if FIRST.contains(&kind) { Ok(()) } else { Err(Error::NotMp4 { kind: FourCc(kind) }) }
}

#[cfg(test)]
mod tests;
