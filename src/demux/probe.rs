//! Ranges of an object in, a [`Movie`] out: walks the top-level boxes, asking for as little as it takes.
//!
//! ```text
//! ftyp moov mdat          1 read, and 2 for the first and last media bytes; 2 where the moov is long, and 1
//! ftyp mdat moov          2 to 3 reads, and 2
//! ftyp moov moof mdat …   1 read per fragment or per 64 KiB, and 2
//! ```
//! A read that looks for boxes brings 64 KiB, so that a header and its box, or several small boxes, come in one; that of
//! a long `moov` brings the first media bytes behind it. What is read may be fed part by part: a long `moov` is packed
//! as it comes, and is never whole in memory.

use super::boxes::Atom;
use super::boxes::Header;
use super::content;
use super::content::Content;
use super::error::Error;
use super::error::FourCc;
use super::fragment;
use super::language::Dialect;
use super::moov::Moov;
use super::movie;
use super::movie::Object;
use super::sieve;
use super::sieve::Sieve;
use crate::media::ByteRange;
use crate::media::Layout;
use crate::media::Movie;
use crate::media::u64_from_usize;
use crate::media::usize_from_u64;
use bytes::Bytes;
use std::mem;

/// Bytes of a read that only looks for boxes.
pub const READ_AHEAD: u64 = 64 * 1024;

/// Bytes that are read along with a long `moov`: the headers of `free` and `mdat`, and the first media bytes.
const FOLLOWING: u64 = READ_AHEAD + 64;

/// Bytes of a `moov` that is read: 20 million samples or so.
pub const MOOV_LIMIT: u64 = 256 << 20;

/// Bytes of a `moof` or top-level `sidx` that is read.
pub const FRAGMENT_LIMIT: u64 = 16 << 20;

/// Top-level boxes that are looked at: 1,024, and 8 more for each fragment, up to this.
pub const BOX_LIMIT: u32 = 1 << 17;

/// Top-level boxes of a file without fragments.
const PLAIN_LIMIT: u32 = 1_024;

/// Top-level boxes that come with one fragment: styp, prft, emsg, sidx, moof, mdat, and two to spare.
const BOXES_PER_FRAGMENT: u32 = 8;

/// What a probe wants next.
#[derive(Debug)]
pub enum Step {
    /// These bytes of the object, then [`Probe::feed`].
    Need(ByteRange),
    /// Nothing: the file is understood.
    Done(Box<Movie>),
}

/// Finds out what a stored file is by asking for ranges of it.
#[derive(Debug)]
pub struct Probe {
    size: u64,
    /// What is still to come of the bytes that were asked for.
    asked: ByteRange,
    head: Bytes,
    window: Window,
    /// What has come of the window that is next.
    coming: Vec<u8>,
    sieve: Option<Box<Sieve>>,
    phase: Phase,
    seen: Seen,
    content: Content,
}

/// Bytes that are at hand, and where they begin.
#[derive(Debug, Default)]
struct Window {
    at: u64,
    bytes: Bytes,
}

/// What is being looked for.
#[derive(Debug, Clone, Copy)]
enum Phase {
    /// The box at this byte.
    Walk(u64),
    /// The first media bytes.
    First,
    /// The last media bytes.
    Last,
    /// Nothing more.
    Over,
}

/// What has been found.
#[derive(Debug, Default)]
struct Seen {
    boxes: u32,
    fragments: u32,
    dialect: Option<Dialect>,
    moov: Option<Moov>,
    /// The hash of the first `moov`.
    moov_hash: Option<blake3::Hash>,
    layout: Option<Layout>,
    /// A fragment that reaches beyond the end of the object, and where it begins.
    beyond: Option<(Bytes, u64)>,
    /// Where a box begins in which the object ends, behind fragments.
    cut_at: Option<u64>,
    first_media: Option<ByteRange>,
    last_media: Option<ByteRange>,
}

/// A top-level box: where it is, its sizes cut to the object.
#[derive(Debug, Clone, Copy)]
struct Place {
    kind: FourCc,
    at: u64,
    header: u64,
    size: u64,
}

/// Bytes, or the range they are in.
enum Sought {
    Found(Bytes),
    Need(ByteRange),
}

impl Probe {
    /// Begins with an object of `size` bytes; the range says which of them are needed first.
    pub fn new(size: u64) -> Result<(Self, ByteRange), Error> {
        let asked = ByteRange::new(0, size.min(READ_AHEAD)).ok_or(Error::Empty)?;
        let (phase, seen, content) = (Phase::Walk(0), Seen::default(), Content::default());
        let (head, window, coming) = (Bytes::new(), Window::default(), Vec::new());
        Ok((Self { size, asked, head, window, coming, sieve: None, phase, seen, content }, asked))
    }

    /// Takes the bytes of the range that was needed, all of them. After an error or [`Step::Done`] it is of no use.
    pub fn feed(&mut self, bytes: &Bytes) -> Result<Step, Error> {
        let (at, needed, given) = (self.asked.start(), self.asked.len(), u64_from_usize(bytes.len()));
        if needed != given {
            return Err(Error::Fed { at, needed, given });
        }
        self.part(bytes)
    }

    /// The same of the first bytes of the range, at least one: [`Step::Need`] tells the others.
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
                Phase::Walk(at) => self.walk(at)?,
                Phase::First => self.first_media(),
                Phase::Last => self.last_media(),
                Phase::Over => return self.finish().map(|movie| Step::Done(Box::new(movie))),
            };
            if let Some(need) = need {
                self.asked = need;
                return Ok(Step::Need(need));
            }
        }
    }

    /// Takes out of `bytes` what belongs to a long `moov` that is on its way; returns what is behind.
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

    /// Keeps `bytes` that end at byte `end` of the object: all that was asked for is at hand, or `more` is to come.
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
        self.window = Window { at, bytes };
    }

    /// Looks at the box at byte `at`; returns what it needs for that.
    fn walk(&mut self, at: u64) -> Result<Option<ByteRange>, Error> {
        let left = self.size.saturating_sub(at);
        if left < 8 && at > 0 {
            // Fewer bytes than a header are no box; many files end in a few.
            return self.walked();
        }
        let Sought::Found(bytes) = self.bytes(at, left.min(16)) else { return Ok(Some(self.ahead(at, 16))) };
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

    /// A box is known; the next one begins at byte `end`.
    fn passed(&mut self, end: u64) {
        self.seen.boxes += 1;
        self.phase = Phase::Walk(end);
    }

    fn place(&self, bytes: &[u8], at: u64) -> Result<Place, Error> {
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
        Ok(Place { kind, at, header: header.len, size: claims.min(left) })
    }

    fn moov(&mut self, place: Place) -> Result<Option<ByteRange>, Error> {
        let bytes = match self.whole(place, MOOV_LIMIT)? {
            Sought::Need(_) => {
                self.sieve = Some(Box::new(Sieve::new((place.at, place.header, place.size), sieve::LONG)));
                return Ok(Some(self.ahead(place.at, place.size.saturating_add(FOLLOWING))));
            }
            Sought::Found(bytes) => bytes,
        };
        self.content.moov.update(&bytes);
        self.described(Moov::read(&bytes, place.at, self.dialect())?);
        Ok(None)
    }

    /// Recordings that were joined repeat their header: an equal one says nothing new.
    fn second_moov(&mut self, place: Place) -> Result<Option<ByteRange>, Error> {
        if place.size > FRAGMENT_LIMIT {
            return Err(Error::SecondMoov { at: place.at });
        }
        match self.whole(place, FRAGMENT_LIMIT)? {
            Sought::Need(need) => Ok(Some(need)),
            Sought::Found(bytes) if self.seen.moov_hash == Some(blake3::hash(&bytes)) => Ok(None),
            Sought::Found(_) => Err(Error::SecondMoov { at: place.at }),
        }
    }

    /// A file without `ftyp` is older than ISO base media.
    fn dialect(&self) -> Dialect {
        self.seen.dialect.unwrap_or(Dialect::QuickTime)
    }

    fn described(&mut self, moov: Moov) {
        self.seen.moov = Some(moov);
        self.seen.moov_hash = Some(self.content.moov.finalize());
        let behind = self.seen.first_media.is_some();
        self.seen.layout = Some(if behind { Layout::MoovLast } else { Layout::MoovFirst });
    }

    fn moof(&mut self, place: Place) -> Result<Option<ByteRange>, Error> {
        let bytes = match self.whole(place, FRAGMENT_LIMIT)? {
            Sought::Need(need) => return Ok(Some(need)),
            Sought::Found(bytes) => bytes,
        };
        let moov = self.seen.moov.as_mut().ok_or(Error::FragmentFirst { at: place.at })?;
        self.content.fragments.update(&bytes);
        if let Some((earlier, at)) = self.seen.beyond.take() {
            // It was not the last: the file is not cut, but wrong.
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

    fn sidx(&mut self, place: Place) -> Result<Option<ByteRange>, Error> {
        match self.whole(place, FRAGMENT_LIMIT)? {
            Sought::Need(need) => Ok(Some(need)),
            Sought::Found(bytes) => {
                self.content.fragments.update(&bytes);
                Ok(None)
            }
        }
    }

    fn mdat(&mut self, place: Place) -> Option<ByteRange> {
        let payload = place.size.checked_sub(place.header);
        if let Some(payload) = payload.and_then(|len| ByteRange::new(place.at.saturating_add(place.header), len)) {
            self.seen.first_media.get_or_insert(payload);
            self.seen.last_media = Some(payload);
        }
        None
    }

    fn ftyp(&mut self, place: Place) -> Option<ByteRange> {
        let brand = place.at.saturating_add(place.header);
        let found = match self.bytes(brand, 4) {
            Sought::Found(brand) => brand,
            Sought::Need(_) => Bytes::new(),
        };
        let quicktime = found.as_ref() == b"qt  ";
        self.seen.dialect.get_or_insert(if quicktime { Dialect::QuickTime } else { Dialect::Iso });
        None
    }

    /// All boxes are known.
    fn walked(&mut self) -> Result<Option<ByteRange>, Error> {
        if self.seen.moov.is_none() {
            return Err(Error::NoMoov { boxes: self.seen.boxes, size: self.size });
        }
        self.phase = Phase::First;
        Ok(None)
    }

    fn first_media(&mut self) -> Option<ByteRange> {
        if let Some(range) = self.seen.first_media.and_then(content::first_media) {
            match self.bytes(range.start(), range.len()) {
                Sought::Need(need) => return Some(need),
                Sought::Found(bytes) => self.content.first.update(&bytes),
            };
        }
        self.phase = Phase::Last;
        None
    }

    fn last_media(&mut self) -> Option<ByteRange> {
        if let Some(range) = self.seen.last_media.and_then(content::last_media) {
            match self.bytes(range.start(), range.len()) {
                Sought::Need(need) => return Some(need),
                Sought::Found(bytes) => self.content.last.update(&bytes),
            };
        }
        self.phase = Phase::Over;
        None
    }

    fn finish(&mut self) -> Result<Movie, Error> {
        let size = self.size;
        let (Some(moov), Some(layout)) = (self.seen.moov.take(), self.seen.layout) else {
            return Err(Error::NoMoov { boxes: self.seen.boxes, size });
        };
        let cut_at = self.seen.beyond.take().map(|(_, at)| at).or(self.seen.cut_at);
        movie::movie(moov, Object { content: self.content.id(size), size, layout, cut_at })
    }

    /// A box from its first byte to its last.
    fn whole(&self, place: Place, limit: u64) -> Result<Sought, Error> {
        let Place { kind, at, size, .. } = place;
        if size > limit {
            return Err(Error::TooLarge { kind, at, claims: size, limit });
        }
        Ok(match self.bytes(at, size) {
            Sought::Need(_) => Sought::Need(self.ahead(at, size)),
            found @ Sought::Found(_) => found,
        })
    }

    /// At least `len` bytes from `at`, and what a read may bring along.
    fn ahead(&self, at: u64, len: u64) -> ByteRange {
        let left = self.size.saturating_sub(at);
        ByteRange::new(at, len.max(READ_AHEAD).min(left)).unwrap_or(self.asked)
    }

    /// `len` bytes from `at`, out of those that are at hand.
    fn bytes(&self, at: u64, len: u64) -> Sought {
        let within = |start: u64, bytes: &Bytes| {
            let from = usize_from_u64(at.checked_sub(start)?);
            let to = from.checked_add(usize_from_u64(len))?;
            (to <= bytes.len()).then(|| bytes.slice(from..to))
        };
        match within(self.window.at, &self.window.bytes).or_else(|| within(0, &self.head)) {
            Some(bytes) => Sought::Found(bytes),
            None => Sought::Need(ByteRange::new(at, len).unwrap_or(self.asked)),
        }
    }
}

/// Whether the box whose header is among `bytes` ends behind the `left` bytes that there are. Of media, less may do.
fn is_cut(bytes: &[u8], left: u64) -> bool {
    match Header::read(bytes) {
        Some(Header { kind: FourCc([b'm', b'd', b'a', b't']), .. }) => false,
        Some(Header { size, .. }) => size.is_some_and(|size| size > left),
        None => true,
    }
}

/// Box types that a file may begin with.
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
