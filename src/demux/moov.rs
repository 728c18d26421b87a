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
mod tests;
