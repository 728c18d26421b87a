//! `moov` → the tracks it describes, read box by box as the format nests (ISO/IEC 14496-12 §8.2 to §8.8).

use super::boxes::Atom;
use super::edit::Edits;
use super::error::Error;
use super::error::FourCc;
use super::fragment::Defaults;
use super::fragment::Run;
use super::language::Dialect;
use super::language::language;
use super::stsd;
use super::stsd::Handler;
use super::stsd::Stsd;
use super::tables::Tables;
use crate::media::Language;
use crate::media::Skipped;
use crate::media::Timescale;
use std::collections::BTreeMap;
use std::collections::BTreeSet;

/// Tracks of a movie that are looked at.
const TRACK_LIMIT: u64 = 1_024;

/// What a `moov` says, before its fragments.
#[derive(Debug)]
pub(super) struct Moov {
    /// The movie's timescale, which edit lists count in.
    pub(super) timescale: Timescale,
    /// The tracks that may be served, in the file's order.
    pub(super) tracks: Vec<Stored>,
    /// The tracks that cannot.
    pub(super) skipped: Vec<Skipped>,
    /// What `trex` says, by track_ID.
    pub(super) defaults: BTreeMap<u32, Defaults>,
    /// Where in `tracks` a track_ID is.
    pub(super) places: BTreeMap<u32, usize>,
}

/// One track, as `trak` describes it.
#[derive(Debug)]
pub(super) struct Stored {
    /// What its sample entry needs to know.
    pub(super) track: stsd::Track,
    /// Where its `trak` begins.
    pub(super) at: u64,
    /// Its handler type.
    pub(super) handler: [u8; 4],
    /// Its language.
    pub(super) language: Language,
    /// Its sample entries.
    pub(super) stsd: Stsd,
    /// Its sample tables.
    pub(super) tables: Tables,
    /// Its fragments, once there is one.
    pub(super) run: Option<Run>,
    /// Its edit list.
    pub(super) edits: Option<Edits>,
}

/// What `trak` turns out to be.
enum Found {
    Stored(Box<Stored>),
    Skipped(Skipped),
}

impl Moov {
    /// Reads the whole box.
    pub(super) fn read(moov: Atom<'_>, dialect: Dialect) -> Result<Self, Error> {
        let timescale = timescale(moov.need(*b"mvhd")?)?;
        let mut this = Self {
            timescale,
            tracks: Vec::new(),
            skipped: Vec::new(),
            defaults: BTreeMap::new(),
            places: BTreeMap::new(),
        };
        let (chapters, mut ids) = (chapters(moov)?, BTreeSet::new());
        for child in moov.children() {
            let child = child?;
            match &child.kind.0 {
                b"trak" => this.add(child, dialect, (&chapters, &mut ids))?,
                b"mvex" => this.defaults = defaults(child)?,
                _ => {}
            }
        }
        Ok(this)
    }

    fn add(
        &mut self,
        trak: Atom<'_>,
        dialect: Dialect,
        (chapters, ids): (&BTreeSet<u32>, &mut BTreeSet<u32>),
    ) -> Result<(), Error> {
        let header = TrackHeader::read(trak.need(*b"tkhd")?)?;
        let track = header.id;
        if !ids.insert(track) {
            return Err(Error::DuplicateTrack { track, at: trak.at });
        }
        let claims = u64::try_from(ids.len()).unwrap_or(u64::MAX);
        if claims > TRACK_LIMIT {
            return Err(Error::Count { kind: trak.kind, at: trak.at, claims, fits: TRACK_LIMIT });
        }
        match self::trak(trak, header, dialect)? {
            Found::Stored(stored) if chapters.contains(&track) => {
                let reason = "holds chapters of another track".into();
                self.skipped.push(Skipped { track, handler: stored.handler, reason });
            }
            Found::Stored(stored) => {
                self.places.insert(track, self.tracks.len());
                self.tracks.push(*stored);
            }
            Found::Skipped(skipped) => self.skipped.push(skipped),
        }
        Ok(())
    }
}

/// The tracks that others name as their chapters (QuickTime's `tref`/`chap`).
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

/// What `tkhd` says.
#[derive(Debug, Clone, Copy)]
struct TrackHeader {
    id: u32,
    matrix: [i32; 9],
}

impl TrackHeader {
    fn read(tkhd: Atom<'_>) -> Result<Self, Error> {
        let (version, _, mut fields) = tkhd.full()?;
        (fields.wide(version)?, fields.wide(version)?);
        let id = fields.u32()?;
        if id == 0 {
            return Err(tkhd.value("track_ID", 0, "at least 1"));
        }
        fields.u32()?;
        fields.wide(version)?;
        fields.slice(16)?;
        let mut matrix = [0; 9];
        for number in &mut matrix {
            *number = i32::from_be_bytes(fields.take()?);
        }
        Ok(Self { id, matrix })
    }
}

fn trak(trak: Atom<'_>, header: TrackHeader, dialect: Dialect) -> Result<Found, Error> {
    let id = header.id;
    let mdia = trak.need(*b"mdia")?;
    let handler = handler(mdia.need(*b"hdlr")?)?;
    let skipped = |reason| Found::Skipped(Skipped { track: id, handler, reason });
    let kind = match &handler {
        b"vide" => Handler::Video,
        b"soun" => Handler::Audio,
        _ => return Ok(skipped("is neither video nor audio".into())),
    };
    let stbl = mdia.need(*b"minf")?.need(*b"stbl")?;
    let stsd = Stsd::read(stbl.need(*b"stsd")?, kind)?;
    if let Some(reason) = stsd.reason() {
        return Ok(skipped(reason));
    }
    let mdhd = mdia.need(*b"mdhd")?;
    let track = stsd::Track { id, timescale: timescale(mdhd)?, matrix: header.matrix };
    let elst = trak.child(*b"edts")?.map(|edts| edts.child(*b"elst")).transpose()?.flatten();
    Ok(Found::Stored(Box::new(Stored {
        track,
        at: trak.at,
        handler,
        language: spoken(mdia, mdhd, dialect)?,
        stsd,
        tables: Tables::read(stbl, id)?,
        run: None,
        edits: elst.map(|elst| Edits::read(elst, id)).transpose()?,
    })))
}

/// The timescale of `mvhd` or `mdhd`, which begin alike.
fn timescale(header: Atom<'_>) -> Result<Timescale, Error> {
    let (version, _, mut fields) = header.full()?;
    (fields.wide(version)?, fields.wide(version)?);
    Timescale::new(fields.u32()?).ok_or_else(|| header.value("timescale", 0, "at least 1"))
}

fn handler(hdlr: Atom<'_>) -> Result<[u8; 4], Error> {
    let (_, _, mut fields) = hdlr.full()?;
    fields.u32()?;
    fields.take()
}

/// `elng` (§8.4.6) where it says something, else `mdhd`.
fn spoken(mdia: Atom<'_>, mdhd: Atom<'_>, dialect: Dialect) -> Result<Language, Error> {
    if let Some(elng) = mdia.child(*b"elng")? {
        let (_, _, fields) = elng.full()?;
        let tag = fields.rest().split(|byte| *byte == 0).next().and_then(|tag| std::str::from_utf8(tag).ok());
        if let Some(language) = tag.and_then(Language::new) {
            return Ok(language);
        }
    }
    let (version, _, mut fields) = mdhd.full()?;
    (fields.wide(version)?, fields.wide(version)?);
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
