//! `stsd` → the sample entries of a track, kept as stored until it is known which of them its samples use.

use super::boxes::Atom;
use super::entry;
use super::entry::Described;
use super::entry::Parts;
use super::entry::Shown;
use super::error::Error;
use super::error::FourCc;
use super::sound;
use super::tables::Used;
use crate::media::Timescale;
use crate::media::u32_from_usize;
use crate::media::u64_from_usize;
use crate::media::usize_from_u32;
use bytes::Bytes;
use std::collections::BTreeMap;

/// Bytes of an `stsd` that are kept at most; init segments carry its entry.
const STSD_LIMIT: u64 = 1 << 20;

/// The kinds of tracks that are served.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Handler {
    /// `vide`.
    Video,
    /// `soun`.
    Audio,
}

/// The sample entries of a track.
#[derive(Debug, Clone)]
pub(super) struct Stsd {
    handler: Handler,
    entries: Vec<(u64, Bytes)>,
    /// Of each entry, the number of the first that is the same, byte for byte.
    likes: Vec<u32>,
}

impl Stsd {
    /// Copies the entries that `stsd` counts; those it lacks are missed when a sample needs them.
    pub(super) fn read(stsd: Atom<'_>, handler: Handler) -> Result<Self, Error> {
        let claims = u64_from_usize(stsd.whole.len());
        if claims > STSD_LIMIT {
            return Err(Error::TooLarge { kind: stsd.kind, at: stsd.at, claims, limit: STSD_LIMIT });
        }
        let (_, _, mut fields) = stsd.full()?;
        let count = usize_from_u32(fields.u32()?);
        let (mut entries, mut known, mut likes) = (Vec::new(), BTreeMap::new(), Vec::new());
        for (number, child) in (1_u32..).zip(stsd.children_behind(8).take(count)) {
            let child = child?;
            entries.push((child.at, Bytes::copy_from_slice(child.whole)));
            likes.push(*known.entry(child.whole).or_insert(number));
        }
        Ok(Self { handler, entries, likes })
    }

    /// The scheme that its samples are encrypted by, for people; `None` where no entry says that they are.
    pub(super) fn encryption(&self) -> Option<String> {
        // `drmi` and `drms` are Apple's of old; a clear type with `sinf` is a mistake of a writer.
        let hidden = |entry: &Atom<'_>| matches!(&entry.kind.0, b"encv" | b"enca" | b"drmi" | b"drms");
        let entry = self.atoms().find(|entry| hidden(entry) || self.parts(*entry).get(*b"sinf").is_some())?;
        Some(format!("is already encrypted (scheme {})", self.scheme(entry)))
    }

    /// Why none of its samples can be served in the clear either.
    pub(super) fn reason(&self) -> Option<String> {
        let unpacked = |entry: &Atom<'_>| self.handler == Handler::Audio && sound::UNPACKED.contains(&entry.kind.0);
        let entry = self.atoms().find(unpacked)?;
        Some(format!("holds `{}`, sound that players do not take from playlists", entry.kind))
    }

    /// The number of the first entry that is the same, byte for byte, as the one numbered `entry`, from 1.
    pub(super) fn first_like(&self, entry: u32) -> u32 {
        let first = entry.checked_sub(1).and_then(|at| self.likes.get(usize_from_u32(at)));
        first.copied().unwrap_or(entry)
    }

    fn atoms(&self) -> impl Iterator<Item = Atom<'_>> {
        self.entries.iter().filter_map(|(at, bytes)| Atom::new(bytes, *at).ok())
    }

    /// The entry that the samples use.
    pub(super) fn describe(&self, track: Track, used: Used) -> Result<Described, Error> {
        let Track { id, timescale, shown } = track;
        let found = used.entry.checked_sub(1).and_then(|at| self.entries.get(usize_from_u32(at)));
        let Some((at, bytes)) = found else {
            let entries = u32_from_usize(self.entries.len());
            return Err(Error::EntryIndex { track: id, kind: used.kind, at: used.at, entry: used.entry, entries });
        };
        let entry = Atom::new(bytes, *at)?;
        match self.handler {
            Handler::Video => entry::visual(entry, shown),
            Handler::Audio => sound::audible(entry, timescale),
        }
    }

    fn parts<'a>(&self, entry: Atom<'a>) -> Parts<'a> {
        let skip = if self.handler == Handler::Video { entry::VISUAL } else { sound::AUDIO };
        Parts::new(entry, skip)
    }

    fn scheme(&self, entry: Atom<'_>) -> String {
        let schm = self.parts(entry).get(*b"sinf").and_then(|sinf| sinf.child(*b"schm").ok().flatten());
        let scheme = schm.and_then(|schm| schm.full().ok()).and_then(|(_, _, mut fields)| fields.take().ok());
        scheme.map_or_else(|| "unknown".into(), |scheme| FourCc(scheme).to_string())
    }
}

/// What an entry needs to know of its track.
#[derive(Debug, Clone, Copy)]
pub(super) struct Track {
    /// Its track_ID.
    pub(super) id: u32,
    /// Its media timescale.
    pub(super) timescale: Timescale,
    /// How its header shows it.
    pub(super) shown: Shown,
}
