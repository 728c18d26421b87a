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
    layout: Option<Layout>,
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
        let place = self.place(&bytes, at)?;
        let need = match &place.kind.0 {
            b"moov" if self.seen.moov.is_none() => self.moov(place)?,
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

    /// A file without `ftyp` is older than ISO base media.
    fn dialect(&self) -> Dialect {
        self.seen.dialect.unwrap_or(Dialect::QuickTime)
    }

    fn described(&mut self, moov: Moov) {
        self.seen.moov = Some(moov);
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
        fragment::moof(Atom::new(&bytes, place.at)?, moov, self.size)?;
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
        movie::movie(moov, Object { content: self.content.id(size), size, layout })
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
mod tests {
    #![expect(clippy::as_conversions, clippy::cast_possible_truncation, reason = "numbers of a test are small")]

    use super::{Probe, Step};
    use crate::demux::content::Content;
    use crate::demux::fixture::{MEDIA, Trak, atom, both, drive, ftyp, media_first, moov, movie, table};
    use crate::demux::language::Dialect;
    use crate::demux::moov::Moov;
    use crate::demux::movie::Object;
    use crate::demux::{Error, FourCc};
    use crate::media::{Family, Kind, Layout, Movie};
    use bytes::Bytes;
    use proptest::prelude::{any, prop, prop_assert, prop_assert_eq, proptest};

    /// A track's number, and position, size and decode time of its samples.
    type Outline = (u32, Vec<(u64, u32, i64)>);

    fn outline(object: &[u8]) -> Vec<Outline> {
        let samples = |track: &crate::media::Track| {
            let all = track.index.samples(0..track.index.len());
            all.map(|s| (s.position, s.size, s.decode_time.0)).collect()
        };
        movie(object).unwrap().tracks.iter().map(|track| (track.id, samples(track))).collect()
    }

    #[test]
    fn every_truncation_of_a_valid_file_is_refused() {
        let (last, first) = (both(), moov_first());
        for object in [last, first] {
            assert!(movie(&object).is_ok());
            for len in 0..object.len() {
                assert!(movie(&object[..len]).is_err(), "{len} of {}", object.len());
            }
        }
    }

    fn moov_first() -> Vec<u8> {
        let at = |offset: u32| moov(&[Trak::video(offset).print(), Trak::audio(offset + 60).print()]);
        let len = at(0).len() as u32;
        [ftyp(), at(len + MEDIA), atom(b"mdat", &[7; 70])].concat()
    }

    proptest! {
        #[test]
        fn no_change_of_bytes_makes_a_probe_panic(changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..8)) {
            let mut object = both();
            for (at, byte) in changes {
                let at = at.index(object.len());
                object[at] = byte;
            }
            if let Ok(movie) = movie(&object) {
                for track in movie.tracks {
                    for sample in track.index.samples(0..track.index.len()) {
                        assert!(sample.range().is_none_or(|range| range.end() <= movie.size));
                    }
                }
            }
        }
    }

    #[test]
    fn tables_become_samples_wherever_the_moov_stands() {
        let expected = |at: u64| {
            vec![
                (1, vec![(at, 10, 0), (at + 10, 20, 1_000), (at + 30, 30, 2_000)]),
                (2, vec![(at + 60, 5, 0), (at + 65, 5, 1_024)]),
            ]
        };
        assert_eq!(outline(&both()), expected(28));
        let first = moov_first();
        assert_eq!(outline(&first), expected(first.len() as u64 - 70));
        let layouts = [&both(), &first].map(|object| movie(object).unwrap().layout);
        assert_eq!(layouts, [Layout::MoovLast, Layout::MoovFirst]);
    }

    /// A file whose `moov` is longer than a read that looks for boxes: before its media, or behind them.
    fn long(moov_first: bool) -> Vec<u8> {
        let samples = 30_000;
        let track = |offset: u32| {
            let sizes: Vec<u32> = [0, samples].into_iter().chain((0..samples).map(|at| at % 3)).collect();
            let runs: Vec<u32> = [samples].into_iter().chain((0..samples).flat_map(|at| [1, at % 4])).collect();
            let trak = Trak::video(offset).with(table(b"stsz", &sizes)).with(table(b"ctts", &runs));
            let trak = trak.with(table(b"stts", &[1, samples, 1_000])).with(table(b"stsc", &[1, 1, samples, 1]));
            moov(&[trak.with(table(b"stss", &[1, 1])).print()])
        };
        let media = atom(b"mdat", &vec![7; 100_000]);
        let at = 28 + if moov_first { track(0).len() as u32 } else { 0 };
        if moov_first { [ftyp(), track(at), media].concat() } else { [ftyp(), media, track(at)].concat() }
    }

    /// Drives a probe by parts of these lengths, over and over.
    fn in_parts(object: &[u8], lengths: &[usize]) -> Result<Movie, Error> {
        let (mut probe, mut need) = Probe::new(object.len() as u64)?;
        for length in lengths.iter().cycle() {
            let (from, to) = (need.start() as usize, need.end() as usize);
            match probe.part(&Bytes::copy_from_slice(&object[from..to.min(from + length)]))? {
                Step::Need(next) => need = next,
                Step::Done(movie) => return Ok(*movie),
            }
        }
        panic!("a probe that never ends")
    }

    proptest! {
        #[test]
        fn what_comes_in_parts_is_understood_as_what_comes_at_once(
            lengths in prop::collection::vec(1_000_usize..70_000, 1..6), moov_first in any::<bool>(), cut in 0_usize..9,
        ) {
            let mut object = long(moov_first);
            prop_assert!(object.len() > 400_000);
            object.truncate(object.len() - cut * cut * cut);
            prop_assert_eq!(in_parts(&object, &lengths), movie(&object));
        }
    }

    #[test]
    fn a_long_moov_is_understood_as_its_slow_twin_reads_it() {
        for moov_first in [true, false] {
            let object = long(moov_first);
            let whole = in_parts(&object, &[1 << 20]).unwrap();
            let at = object.windows(4).position(|four| four == b"moov").unwrap() - 4;
            let size = u32::from_be_bytes(object[at..at + 4].try_into().unwrap()) as usize;
            let slow = Moov::read(&Bytes::copy_from_slice(&object[at..at + size]), at as u64, Dialect::Iso).unwrap();
            let known = Object { content: whole.content, size: whole.size, layout: whole.layout };
            assert_eq!(crate::demux::movie::movie(slow, known).unwrap(), whole);
            let mut moov = blake3::Hasher::new();
            moov.update(&object[at..at + size]);
            let media = &object[object.windows(4).position(|four| four == b"mdat").unwrap() + 4..][..100_000];
            let (mut first, mut last) = (blake3::Hasher::new(), blake3::Hasher::new());
            first.update(&media[..65_536]);
            last.update(&media[100_000 - 65_536..]);
            let content = Content { moov, first, last, ..Content::default() };
            assert_eq!(whole.content, content.id(whole.size));
        }
    }

    #[test]
    fn a_track_says_what_it_is() {
        let movie = movie(&both()).unwrap();
        let [video, audio] = movie.tracks.as_slice() else { panic!("two tracks") };
        let Kind::Video(picture) = video.kind else { panic!("video") };
        assert_eq!((picture.width, picture.height, picture.pixel_aspect), (320, 240, (1, 1)));
        assert_eq!(picture.matrix, [0x1_0000, 0, 0, 0, 0x1_0000, 0, 0, 0, 0x4000_0000]);
        let sets: &[u8] = &[0, 0, 0, 1, 0x67, 0x64, 0, 0, 0, 1, 0x68];
        assert_eq!(
            (video.codec.string.as_str(), &video.codec.family),
            ("avc1.64001f", &Family::H264 { nal_length: 4, parameter_sets: sets.into() })
        );
        assert_eq!((audio.codec.string.as_str(), audio.language.as_str()), ("mp4a.40.2", "en"));
        assert_eq!((video.index.sync_count(), audio.index.sync_count()), (1, 2));
        assert_eq!(video.index.samples(0..3).map(|s| s.offset).collect::<Vec<_>>(), [0, 1_000, 1_000]);
    }

    #[test]
    fn a_small_file_takes_one_read() {
        assert_eq!(drive(&both()).unwrap().1, 1);
    }

    #[test]
    fn a_large_file_takes_few_reads_and_no_more_media_than_names_it() {
        let media = atom(b"mdat", &vec![7; 1 << 20]);
        let traks = [Trak::video(MEDIA).print()];
        // The head; the moov behind the media; the first and the last 64 KiB of the media.
        assert_eq!(drive(&[ftyp(), media.clone(), moov(&traks)].concat()).unwrap().1, 4);
        // The head; the moov and the first media behind it; the last 64 KiB of the media.
        let long = |offset| moov(&[Trak { more: atom(b"free", &vec![0; 100_000]), ..Trak::video(offset) }.print()]);
        let place = u32::try_from(long(0).len()).unwrap() + MEDIA;
        assert_eq!(drive(&[ftyp(), long(place), media].concat()).unwrap().1, 3);
    }

    #[test]
    fn the_content_id_changes_with_either_end_of_the_media_and_not_with_its_middle() {
        let object = [ftyp(), atom(b"mdat", &vec![7; 1 << 20]), moov(&[Trak::video(MEDIA).print()])].concat();
        let changed = |at: usize| {
            let mut changed = object.clone();
            changed[at] = 8;
            movie(&changed).unwrap().content
        };
        let same = movie(&object).unwrap().content;
        assert_ne!(changed(28 + 65_535), same);
        assert_ne!(changed(28 + (1 << 20) - 65_536), same);
        assert_eq!(changed(28 + 65_536), same);
        assert_ne!(movie(&[object.clone(), atom(b"free", &[])].concat()).unwrap().content, same);
    }

    #[test]
    fn boxes_that_mean_nothing_are_passed_by() {
        let noise = [atom(b"free", &[1; 9]), atom(b"uuid", &[2; 20]), atom(b"wide", &[]), atom(b"abcd", &[])].concat();
        assert_eq!(outline(&[both(), noise.clone(), vec![0; 7]].concat()), outline(&both()));
        assert_eq!(outline(&[both(), vec![0; 64]].concat()), outline(&both()));
        assert_eq!(outline(&[both(), moov(&[])].concat()), outline(&both()));
    }

    #[test]
    fn a_size_of_zero_reaches_to_the_end_and_a_large_size_counts() {
        let mut object = moov_first();
        let mdat = object.len() - 78;
        let expected = outline(&object);
        object[mdat..mdat + 4].fill(0);
        assert_eq!(outline(&object), expected);
        object[mdat..mdat + 4].copy_from_slice(&99_u32.to_be_bytes());
        assert_eq!(outline(&object), expected, "an mdat cut short holds what it holds");
        let traks = [Trak::video(MEDIA + 8).print()];
        let large = [&[0, 0, 0, 1][..], b"mdat", &86_u64.to_be_bytes(), &[7; 70]].concat();
        assert_eq!(outline(&[ftyp(), large, moov(&traks)].concat())[0].1[0], (36, 10, 0));
    }

    #[test]
    fn a_box_of_an_impossible_size_is_refused_by_name() {
        let mut object = both();
        object[0..4].copy_from_slice(&7_u32.to_be_bytes());
        let left = object.len() as u64;
        let refused = |kind, at, claims, left| Error::BoxSize { kind: FourCc(kind), at, claims, left };
        assert_eq!(movie(&object).unwrap_err(), refused(*b"ftyp", 0, 7, left));
        let mut object = both();
        object[98..102].copy_from_slice(&0x7fff_ffff_u32.to_be_bytes());
        assert_eq!(movie(&object).unwrap_err(), refused(*b"moov", 98, 0x7fff_ffff, left - 98));
        // mvhd, the first box in moov.
        let mut object = both();
        object[106..110].copy_from_slice(&0_u32.to_be_bytes());
        assert_eq!(movie(&object).unwrap_err(), refused(*b"mvhd", 106, 0, left - 106));
    }

    #[test]
    fn what_is_no_movie_says_so() {
        assert_eq!(Probe::new(0).unwrap_err(), Error::Empty);
        assert_eq!(movie(b"RIFF....AVI ").unwrap_err(), Error::NotMp4 { kind: FourCc(*b"....") });
        let object = [ftyp(), atom(b"mdat", &[0; 9])].concat();
        assert_eq!(movie(&object).unwrap_err(), Error::NoMoov { boxes: 2, size: 37 });
        let skipped = match movie(&media_first(&[])).unwrap_err() {
            Error::NoTracks { skipped } => skipped,
            other => panic!("{other}"),
        };
        assert_eq!(skipped, []);
    }

    #[test]
    fn too_many_boxes_are_refused() {
        let object = [ftyp(), atom(b"free", &[]).repeat(2_000), both()].concat();
        let refused = Error::TooManyBoxes { kind: FourCc(*b"free"), at: 20 + 1_023 * 8, limit: 1_024 };
        assert_eq!(movie(&object).unwrap_err(), refused);
    }

    #[test]
    fn other_bytes_than_were_needed_are_refused() {
        let (mut probe, need) = Probe::new(100).unwrap();
        let fed = probe.feed(&Bytes::from_static(&[0; 9]));
        assert_eq!(need.len(), 100);
        assert_eq!(fed.map(|step| matches!(step, Step::Done(_))), Err(Error::Fed { at: 0, needed: 100, given: 9 }));
    }
}
