//! Parser of `moov` → the tracks that it describes; nests as the format does (ISO/IEC 14496-12 §8.2 to §8.8).

use super::boxes::Atom;
use super::edit::Edits;
use super::entry::DisplayGeometry;
use super::error::Error;
use super::error::FourCc;
use super::fragment::Defaults;
use super::fragment::FragmentSamples;
use super::language::Dialect;
use super::language::language;
use super::seal::EncryptionMark;
use super::sieve::FilteredMoov;
use super::stsd;
use super::stsd::Handler;
use super::stsd::Stsd;
use super::tables::StblTables;
use crate::media::Language;
use crate::media::Skipped;
use crate::media::Timescale;
use crate::media::Title;
use bytes::Bytes;
use std::collections::BTreeMap;
use std::collections::BTreeSet;

/// Largest number of tracks in a movie.
const TRACK_LIMIT: u64 = 1_024;

/// Content of a `moov`, and the samples of the fragments read so far.
#[derive(Debug)]
pub(super) struct Moov {
    /// Timescale of the movie, which edit lists use for durations.
    pub(super) timescale: Timescale,
    /// Tracks that we may serve, in file order.
    pub(super) tracks: Vec<ParsedTrak>,
    /// Tracks that we cannot serve, with the reason.
    pub(super) skipped: Vec<Skipped>,
    /// Handler types of the skipped tracks that are encrypted.
    pub(super) encrypted: Vec<[u8; 4]>,
    /// Sample defaults from `trex`, by track_ID.
    pub(super) defaults: BTreeMap<u32, Defaults>,
    /// Index into `tracks`, by track_ID.
    pub(super) places: BTreeMap<u32, usize>,
}

/// One track, as `trak` describes it.
#[derive(Debug)]
pub(super) struct ParsedTrak {
    /// Facts that the sample entry needs.
    pub(super) track: stsd::TrackContext,
    /// Byte of the object at which `trak` begins.
    pub(super) at: u64,
    /// Handler type.
    pub(super) handler: [u8; 4],
    /// Whether the track header enables the track.
    pub(super) enabled: bool,
    /// alternate_group in the track header; 0 for none.
    pub(super) alternate_group: u16,
    /// Title; `None` without one.
    pub(super) title: Option<Title>,
    /// Language.
    pub(super) language: Language,
    /// Sign of encryption despite a clear sample entry; `None` if there is none.
    pub(super) seal: Option<EncryptionMark>,
    /// Sample entries.
    pub(super) stsd: Stsd,
    /// Sample tables.
    pub(super) tables: StblTables,
    /// Samples with those of the fragments; `None` before the first fragment.
    pub(super) run: Option<FragmentSamples>,
    /// Edit list; `None` without one.
    pub(super) edits: Option<Edits>,
}

/// Result of reading a `trak`.
enum TrakOutcome {
    Stored(Box<ParsedTrak>),
    Skipped(Skipped),
    Encrypted(Skipped),
}

impl Moov {
    /// Reads the whole box: `bytes`, at byte `at` of the object. Its long tables are not copied.
    pub(super) fn read(bytes: &Bytes, at: u64, dialect: Dialect) -> Result<Self, Error> {
        Self::of(Atom::new(bytes, at)?, bytes, dialect)
    }

    /// Reads a box that has passed through the sieve.
    pub(super) fn sifted(sifted: &FilteredMoov, dialect: Dialect) -> Result<Self, Error> {
        Self::of(sifted.atom()?, sifted.bytes(), dialect)
    }

    fn of(moov: Atom<'_>, bytes: &Bytes, dialect: Dialect) -> Result<Self, Error> {
        let timescale = timescale(moov.need(*b"mvhd")?)?;
        let mut this = Self {
            timescale,
            tracks: Vec::new(),
            skipped: Vec::new(),
            encrypted: Vec::new(),
            defaults: BTreeMap::new(),
            places: BTreeMap::new(),
        };
        let mut ids = TrackIds { chapters: chapters(moov)?, taken: BTreeSet::new() };
        let source = MoovBytes { bytes, dialect };
        for child in moov.children() {
            let child = child?;
            match &child.kind.0 {
                b"trak" => this.add(child, source, &mut ids)?,
                b"mvex" => this.defaults = defaults(child)?,
                _ => {}
            }
        }
        Ok(this)
    }

    fn add(&mut self, trak: Atom<'_>, from: MoovBytes<'_>, ids: &mut TrackIds) -> Result<(), Error> {
        let header = TrackHeader::read(trak.need(*b"tkhd")?)?;
        let id = header.id;
        if !ids.taken.insert(id) {
            return Err(Error::DuplicateTrack { track: id, at: trak.at });
        }
        let claims = u64::try_from(ids.taken.len()).unwrap_or(u64::MAX);
        if claims > TRACK_LIMIT {
            return Err(Error::Count { kind: trak.kind, at: trak.at, claims, fits: TRACK_LIMIT });
        }
        match self::trak(trak, header, from)? {
            TrakOutcome::Stored(stored) if ids.chapters.contains(&id) => {
                let reason = "holds chapters of another track".into();
                self.skipped.push(Skipped { track: id, handler: stored.handler, reason });
            }
            TrakOutcome::Stored(stored) => {
                self.places.insert(id, self.tracks.len());
                self.tracks.push(*stored);
            }
            TrakOutcome::Skipped(skipped) => self.skipped.push(skipped),
            TrakOutcome::Encrypted(skipped) => {
                self.encrypted.push(skipped.handler);
                self.skipped.push(skipped);
            }
        }
        Ok(())
    }
}

/// The bytes of a `moov`, which tables share, and the dialect of its file.
#[derive(Clone, Copy)]
struct MoovBytes<'a> {
    bytes: &'a Bytes,
    dialect: Dialect,
}

/// track_IDs of a `moov`.
struct TrackIds {
    /// Those that other tracks name as their chapters.
    chapters: BTreeSet<u32>,
    /// Those of the tracks read so far.
    taken: BTreeSet<u32>,
}

/// track_IDs that other tracks name as their chapters (QuickTime's `tref`/`chap`).
fn chapters(moov: Atom<'_>) -> Result<BTreeSet<u32>, Error> {
    let mut named = BTreeSet::new();
    for child in moov.children() {
        let child = child?;
        if child.kind.0 != *b"trak" {
            continue;
        }
        let Some(tref) = child.child(*b"tref")? else { continue };
        if let Some(chap) = tref.child(*b"chap")? {
            named.extend(chap.body.as_chunks::<4>().0.iter().map(|id| u32::from_be_bytes(*id)));
        }
    }
    Ok(named)
}

/// Content of `tkhd`.
#[derive(Debug, Clone, Copy)]
struct TrackHeader {
    id: u32,
    enabled: bool,
    alternate_group: u16,
    shown: DisplayGeometry,
}

/// track_enabled (§8.3.2).
const ENABLED: u32 = 1;

impl TrackHeader {
    fn read(tkhd: Atom<'_>) -> Result<Self, Error> {
        let (version, flags, mut fields) = tkhd.full()?;
        fields.wide(version)?;
        fields.wide(version)?;
        let id = fields.u32()?;
        if id == 0 {
            return Err(tkhd.value("track_ID", 0, "at least 1"));
        }
        fields.u32()?;
        fields.wide(version)?;
        fields.slice(8 + 2)?;
        let alternate_group = fields.u16()?;
        fields.slice(4)?;
        let mut matrix = [0; 9];
        for number in &mut matrix {
            *number = i32::from_be_bytes(fields.take()?);
        }
        // 16.16 fixed point each; some writers omit them in tracks of other kinds.
        let mut pixels = || fields.u32().map_or(0, |size| u16::try_from(size >> 16).unwrap_or(0));
        let (width, height) = (pixels(), pixels());
        let enabled = flags & ENABLED != 0;
        Ok(Self { id, enabled, alternate_group, shown: DisplayGeometry { matrix, width, height } })
    }
}

fn trak(trak: Atom<'_>, header: TrackHeader, from: MoovBytes<'_>) -> Result<TrakOutcome, Error> {
    let id = header.id;
    let mdia = trak.need(*b"mdia")?;
    let hdlr = mdia.need(*b"hdlr")?;
    let handler = handler(hdlr)?;
    let skipped = |reason| Skipped { track: id, handler, reason };
    let kind = match &handler {
        b"vide" => Handler::Video,
        b"soun" => Handler::Audio,
        _ => return Ok(TrakOutcome::Skipped(skipped("is neither video nor audio".into()))),
    };
    let stbl = mdia.need(*b"minf")?.need(*b"stbl")?;
    let stsd = Stsd::read(stbl.need(*b"stsd")?, kind)?;
    if let Some(reason) = stsd.encryption() {
        return Ok(TrakOutcome::Encrypted(skipped(reason)));
    }
    if let Some(reason) = stsd.reason() {
        return Ok(TrakOutcome::Skipped(skipped(reason)));
    }
    let mdhd = mdia.need(*b"mdhd")?;
    let tables = StblTables::read(stbl, id, from.bytes, &stsd)?;
    let described = stsd::TrackContext { id, timescale: timescale(mdhd)?, shown: header.shown };
    let elst = trak.child(*b"edts")?.map(|edts| edts.child(*b"elst")).transpose()?.flatten();
    Ok(TrakOutcome::Stored(Box::new(ParsedTrak {
        track: described,
        at: trak.at,
        handler,
        enabled: header.enabled,
        alternate_group: header.alternate_group,
        title: title(trak, hdlr)?,
        language: spoken(mdia, mdhd, from.dialect)?,
        seal: EncryptionMark::find(stbl),
        stsd,
        tables,
        run: None,
        edits: elst.map(|elst| Edits::read(elst, id)).transpose()?,
    })))
}

/// Timescale in `mvhd` or `mdhd`, which begin alike.
fn timescale(header: Atom<'_>) -> Result<Timescale, Error> {
    let (version, _, mut fields) = header.full()?;
    fields.wide(version)?;
    fields.wide(version)?;
    Timescale::new(fields.u32()?).ok_or_else(|| header.value("timescale", 0, "at least 1"))
}

fn handler(hdlr: Atom<'_>) -> Result<[u8; 4], Error> {
    let (_, _, mut fields) = hdlr.full()?;
    fields.u32()?;
    fields.take()
}

/// Title: `name` in the track's user data, where QuickTime and HandBrake put it, else the name in `hdlr` (§8.4.3).
fn title(trak: Atom<'_>, hdlr: Atom<'_>) -> Result<Option<Title>, Error> {
    // Some writers break user data: then it holds no title, and is no error.
    let name = trak.child(*b"udta")?.and_then(|udta| udta.child(*b"name").ok().flatten());
    if let Some(title) = name.and_then(|name| Title::new(&String::from_utf8_lossy(name.body))) {
        return Ok(Some(title));
    }
    let name = hdlr.body.get(24..).unwrap_or_default();
    // QuickTime writes the number of bytes before the name, ISO writes a zero behind it.
    let counted = name.split_first().and_then(|(len, rest)| rest.get(..usize::from(*len)));
    let plain = name.split(|byte| *byte == 0).next().unwrap_or_default();
    let counted = counted.filter(|counted| counted.len() + 2 >= name.len() && !counted.is_empty());
    Ok(Title::new(&String::from_utf8_lossy(counted.unwrap_or(plain))))
}

/// Language: `elng` (§8.4.6) if it holds a valid tag, else `mdhd`.
fn spoken(mdia: Atom<'_>, mdhd: Atom<'_>, dialect: Dialect) -> Result<Language, Error> {
    if let Some(elng) = mdia.child(*b"elng")? {
        let (_, _, fields) = elng.full()?;
        let tag = fields.rest().split(|byte| *byte == 0).next().and_then(|tag| std::str::from_utf8(tag).ok());
        if let Some(language) = tag.and_then(Language::new) {
            return Ok(language);
        }
    }
    let (version, _, mut fields) = mdhd.full()?;
    fields.wide(version)?;
    fields.wide(version)?;
    fields.u32()?;
    fields.wide(version)?;
    // QuickTime and sloppy writers end the box here.
    Ok(fields.u16().map_or_else(|_| Language::undetermined(), |code| language(code, dialect)))
}

fn defaults(mvex: Atom<'_>) -> Result<BTreeMap<u32, Defaults>, Error> {
    let mut found = BTreeMap::new();
    for child in mvex.children() {
        let child = child?;
        if child.kind == FourCc(*b"trex") {
            let (track, defaults) = Defaults::read(child)?;
            found.entry(track).or_insert(defaults);
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    #![expect(clippy::as_conversions, clippy::cast_possible_truncation, reason = "numbers of a test are small")]

    use crate::demux::fixture::{MEDIA, Trak, atom, avcc, full, media_first, movie, table, visual, words};
    use crate::demux::{Error, FourCc};
    use crate::media::{Edit, Moment, Skipped, TableError, Ticks};

    fn edited(elst: &[u32]) -> Trak {
        Trak { more: atom(b"edts", &table(b"elst", elst)), ..Trak::video(MEDIA) }
    }

    fn skipped(trak: Trak) -> Skipped {
        movie(&media_first(&[Trak::audio(MEDIA), trak])).unwrap().skipped.remove(0)
    }

    #[test]
    fn tracks_that_cannot_be_served_are_skipped_with_the_reason() {
        let of = |trak: Trak| skipped(trak).reason;
        let video = || Trak::video(MEDIA);
        assert_eq!(of(Trak { handler: *b"hint", ..video() }), "is neither video nor audio");
        let sinf = atom(b"sinf", &table(b"schm", &[u32::from_be_bytes(*b"cbcs"), 0x1_0000]));
        let entries = vec![crate::demux::fixture::audible(b"enca", &sinf)];
        let other = Trak { id: 5, entries, ..Trak::audio(MEDIA) };
        assert_eq!(of(other.clone()), "is already encrypted (scheme cbcs)");
        for kind in [b"drms", b"mp4a"] {
            let entries = vec![crate::demux::fixture::audible(kind, &sinf)];
            assert_eq!(of(Trak { entries, ..other.clone() }), "is already encrypted (scheme cbcs)");
        }
        assert_eq!(of(video().empty()), "has no samples");
        let entries = vec![crate::demux::fixture::audible(b"sowt", &[])];
        let sound = Trak { id: 5, entries, ..Trak::audio(MEDIA) };
        assert_eq!(of(sound), "holds `sowt`, sound that players do not take from playlists");
    }

    fn titled(trak: &Trak, name: &[u8]) -> Option<String> {
        let mut printed = trak.print();
        let hdlr = printed.windows(4).position(|four| four == b"hdlr").unwrap() - 4;
        let end = hdlr + u32::from_be_bytes(printed[hdlr..hdlr + 4].try_into().unwrap()) as usize;
        let mdia = printed.windows(4).position(|four| four == b"mdia").unwrap() - 4;
        for at in [0, mdia, hdlr] {
            let size = u32::from_be_bytes(printed[at..at + 4].try_into().unwrap()) + name.len() as u32;
            printed[at..at + 4].copy_from_slice(&size.to_be_bytes());
        }
        printed.splice(end..end, name.iter().copied());
        let object = [media_first(&[])[..98].to_vec(), crate::demux::fixture::moov(&[printed])].concat();
        movie(&object).unwrap().tracks[0].title.as_ref().map(|title| title.as_str().to_owned())
    }

    #[test]
    fn a_track_has_the_title_that_its_handler_or_its_user_data_gives() {
        let audio = Trak::audio(MEDIA);
        assert_eq!(titled(&audio, b"Commentary\0").as_deref(), Some("Commentary"));
        assert_eq!(titled(&audio, b"\x0aCommentary").as_deref(), Some("Commentary"));
        assert_eq!(titled(&audio, b"SoundHandler\0"), None);
        assert_eq!(titled(&audio, b""), None);
        let named = Trak { more: atom(b"udta", &atom(b"name", b"Stereo")), ..audio };
        assert_eq!(titled(&named, b"SoundHandler\0").as_deref(), Some("Stereo"));
    }

    #[test]
    fn a_header_enables_its_track_and_puts_it_into_a_group() {
        let flags = |traks: &[Trak]| {
            let movie = movie(&media_first(traks)).unwrap();
            movie.tracks.iter().map(|track| (track.enabled, track.alternate_group)).collect::<Vec<_>>()
        };
        let other = |disabled| Trak { id: 3, disabled, alternate_group: 7, ..Trak::audio(MEDIA) };
        assert_eq!(flags(&[Trak::audio(MEDIA), other(false)]), [(true, 0), (true, 7)]);
        assert_eq!(flags(&[Trak::audio(MEDIA), other(true)]), [(true, 0), (false, 7)]);
        // The file disables all tracks of a kind: we take all of them as enabled.
        assert_eq!(flags(&[Trak::video(MEDIA), other(true)]), [(true, 0), (true, 7)]);
    }

    #[test]
    fn chapters_of_another_track_are_skipped() {
        let audio = Trak { more: atom(b"tref", &atom(b"chap", &words(&[1]))), ..Trak::audio(MEDIA) };
        let movie = movie(&media_first(&[Trak::video(MEDIA), audio])).unwrap();
        assert_eq!(movie.tracks.iter().map(|track| track.id).collect::<Vec<_>>(), [2]);
        assert_eq!(movie.skipped[0].reason, "holds chapters of another track");
    }

    #[test]
    fn a_file_of_nothing_to_serve_names_each_reason() {
        let hint = Trak { handler: *b"hint", ..Trak::video(MEDIA) };
        let error = movie(&media_first(&[hint, Trak::audio(MEDIA).empty()])).unwrap_err();
        let text =
            "no track can be served: track 1 (`hint`) is neither video nor audio; track 2 (`soun`) has no samples";
        assert_eq!(error.to_string(), text);
    }

    #[test]
    fn track_numbers_are_unique_and_not_zero() {
        let twice = [Trak::video(MEDIA), Trak { id: 1, ..Trak::audio(MEDIA) }];
        let at = 98 + 8 + 28 + twice[0].print().len() as u64;
        assert_eq!(movie(&media_first(&twice)).unwrap_err(), Error::DuplicateTrack { track: 1, at });
        let zero = Trak { id: 0, ..Trak::video(MEDIA) };
        let (kind, allowed) = (FourCc(*b"tkhd"), "at least 1");
        let refused = Error::Value { kind, at: 142, field: "track_ID", claims: 0, allowed };
        assert_eq!(movie(&media_first(&[zero])).unwrap_err(), refused);
    }

    #[test]
    fn a_timescale_of_zero_is_refused() {
        let error = movie(&media_first(&[Trak { timescale: 0, ..Trak::video(MEDIA) }])).unwrap_err();
        assert_eq!(error.to_string(), "`mdhd` at byte 242 says timescale 0; it must be at least 1");
    }

    #[test]
    fn one_flawed_track_refuses_the_file() {
        let flawed = Trak::audio(MEDIA).with(table(b"stsc", &[1, 1, 1, 1]));
        let at = 98 + 8 + 28 + Trak::video(MEDIA).print().len() as u64;
        let flaw = TableError::Unplaced { placed: 1, samples: 2 };
        let refused = Error::Track { track: 2, at, flaw };
        assert_eq!(movie(&media_first(&[Trak::video(MEDIA), flawed])).unwrap_err(), refused);
    }

    #[test]
    fn the_one_sample_entry_that_is_used_counts() {
        let entries = vec![visual(b"hvc1", &[]), visual(b"avc1", &avcc())];
        let uses = |stsc: &[u32]| {
            let trak = Trak { entries: entries.clone(), ..Trak::video(MEDIA) }.with(table(b"stsc", stsc));
            movie(&media_first(&[trak])).map(|movie| movie.tracks[0].codec.string.clone())
        };
        assert_eq!(uses(&[1, 1, 3, 2]), Ok("avc1.64001f".into()));
        assert!(matches!(uses(&[2, 1, 1, 1, 2, 2, 2]), Err(Error::EntryChanges { track: 1, from: 1, to: 2, .. })));
        assert!(matches!(uses(&[1, 1, 3, 3]), Err(Error::EntryIndex { track: 1, entry: 3, entries: 2, .. })));
        assert!(matches!(uses(&[1, 1, 3, 0]), Err(Error::EntryIndex { track: 1, entry: 0, entries: 2, .. })));
    }

    #[test]
    fn entries_that_are_equal_are_one() {
        let equal = vec![visual(b"avc1", &avcc()), visual(b"avc1", &avcc())];
        let stsc = table(b"stsc", &[2, 1, 1, 1, 2, 2, 2]);
        let stco = table(b"stco", &[2, MEDIA, MEDIA + 10]);
        let trak = Trak { entries: equal, ..Trak::video(MEDIA) }.with(stsc).with(stco);
        assert_eq!(movie(&media_first(&[trak])).unwrap().tracks[0].index.len(), 3);
    }

    #[test]
    fn a_film_of_which_a_half_is_encrypted_is_refused() {
        let sinf = atom(b"sinf", &table(b"schm", &[u32::from_be_bytes(*b"cenc"), 0x1_0000]));
        let hidden = |trak: Trak| match &trak.handler {
            b"vide" => Trak { entries: vec![visual(b"encv", &[avcc(), sinf.clone()].concat())], ..trak },
            _ => Trak { entries: vec![crate::demux::fixture::audible(b"enca", &sinf)], ..trak },
        };
        let refused = |traks: &[Trak]| movie(&media_first(traks)).unwrap_err().to_string();
        assert_eq!(
            refused(&[hidden(Trak::video(MEDIA)), Trak::audio(MEDIA)]),
            "all video of this file is encrypted, and the rest is not served without it: track 1 (`vide`) is already \
             encrypted (scheme cenc)"
        );
        assert_eq!(
            refused(&[Trak::video(MEDIA), hidden(Trak::audio(MEDIA))]),
            "all sound of this file is encrypted, and the rest is not served without it: track 2 (`soun`) is already \
             encrypted (scheme cenc)"
        );
        let other = Trak { id: 3, ..hidden(Trak::audio(MEDIA)) };
        let movie = movie(&media_first(&[Trak::video(MEDIA), Trak::audio(MEDIA), other])).unwrap();
        assert_eq!((movie.tracks.len(), movie.skipped.len()), (2, 1));
        let senc = Trak::video(MEDIA).with(full(b"senc", 0, 0, &words(&[3])));
        assert_eq!(
            refused(&[senc, Trak::audio(MEDIA)]),
            "all video of this file is encrypted, and the rest is not served without it: track 1 (`vide`) is encrypted \
             (`senc` at byte 602), though its sample entry says that it is clear"
        );
    }

    #[test]
    fn an_edit_list_becomes_an_edit() {
        let edit = |elst: &[u32]| movie(&media_first(&[edited(elst)])).map(|movie| movie.tracks[0].edit);
        let expected =
            Edit { delay: Moment::from_millis(40), media_time: Ticks(1_000), length: Some(Moment::from_millis(80)) };
        assert_eq!(edit(&[2, 40, u32::MAX, 0x1_0000, 80, 1_000, 0x1_0000]), Ok(expected));
        // Three samples of 1,000 ticks; the last is composed 1,000 ticks after its decode time.
        assert_eq!(edit(&[1, 0, 3_999, 0x1_0000]).unwrap().media_time, Ticks(3_999));
        let at = 98 + 8 + 28 + 8 + 92 + 8;
        assert_eq!(
            edit(&[1, 0, 4_000, 0x1_0000]),
            Err(Error::EditBeyond { track: 1, at, media_time: 4_000, end: 4_000 })
        );
    }

    #[test]
    fn an_extended_language_comes_first() {
        let object = media_first(&[Trak::audio(MEDIA)]);
        assert_eq!(movie(&object).unwrap().tracks[0].language.as_str(), "en");
        let mut trak = Trak::audio(MEDIA).print();
        let mdia = trak.windows(4).position(|four| four == b"mdia").unwrap() - 4;
        let elng = full(b"elng", 0, 0, b"pt-BR\0");
        for at in [0, mdia] {
            let size = u32::from_be_bytes(trak[at..at + 4].try_into().unwrap()) + elng.len() as u32;
            trak[at..at + 4].copy_from_slice(&size.to_be_bytes());
        }
        trak.extend(elng);
        let object = [media_first(&[])[..98].to_vec(), crate::demux::fixture::moov(&[trak])].concat();
        assert_eq!(movie(&object).unwrap().tracks[0].language.as_str(), "pt-BR");
    }

    #[test]
    fn a_missing_box_is_named_with_the_one_that_should_hold_it() {
        let mut object = media_first(&[Trak::video(MEDIA)]);
        let stsd = object.windows(4).position(|four| four == b"stsd").unwrap();
        object[stsd..stsd + 4].copy_from_slice(b"free");
        let (kind, within) = (FourCc(*b"stsd"), FourCc(*b"stbl"));
        assert_eq!(movie(&object).unwrap_err(), Error::Missing { kind, within, at: stsd as u64 - 12 });
        let entries = vec![visual(b"avc1", &[])];
        let error = movie(&media_first(&[Trak { entries, ..Trak::video(MEDIA) }])).unwrap_err();
        assert_eq!(error, Error::Missing { kind: FourCc(*b"avcC"), within: FourCc(*b"avc1"), at: stsd as u64 + 12 });
    }
}
