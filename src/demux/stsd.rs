//! Parser of `stsd`: copies the sample entries of a track, and describes the one that its samples use.

use super::boxes::Atom;
use super::entry;
use super::entry::DisplayGeometry;
use super::entry::EntryBoxes;
use super::entry::ParsedEntry;
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

/// Largest accepted `stsd`, in bytes; init segments carry one of its entries.
const STSD_LIMIT: u64 = 1 << 20;

/// The kinds of tracks that we serve.
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
    /// For each entry, the number of the first entry with the same bytes, from 1.
    likes: Vec<u32>,
}

impl Stsd {
    /// Copies the entries that `stsd` counts. A missing entry is an error only if samples use it.
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

    /// Reason to skip the track, with the encryption scheme; `None` if no entry is encrypted.
    pub(super) fn encryption(&self) -> Option<String> {
        // `drmi` and `drms` are old types of Apple; a clear type with `sinf` is a mistake of the writer.
        let hidden = |entry: &Atom<'_>| matches!(&entry.kind.0, b"encv" | b"enca" | b"drmi" | b"drms");
        let entry = self.atoms().find(|entry| hidden(entry) || self.parts(*entry).get(*b"sinf").is_some())?;
        Some(format!("is already encrypted (scheme {})", self.scheme(entry)))
    }

    /// Reason to skip a track that is in the clear; `None` if we can serve it.
    pub(super) fn reason(&self) -> Option<String> {
        let unpacked = |entry: &Atom<'_>| self.handler == Handler::Audio && sound::UNPACKED.contains(&entry.kind.0);
        let entry = self.atoms().find(unpacked)?;
        Some(format!("holds `{}`, sound that players do not take from playlists", entry.kind))
    }

    /// Number, from 1, of the first entry with the same bytes as entry number `entry`.
    pub(super) fn first_like(&self, entry: u32) -> u32 {
        let first = entry.checked_sub(1).and_then(|at| self.likes.get(usize_from_u32(at)));
        first.copied().unwrap_or(entry)
    }

    fn atoms(&self) -> impl Iterator<Item = Atom<'_>> {
        self.entries.iter().filter_map(|(at, bytes)| Atom::new(bytes, *at).ok())
    }

    /// Describes the entry that the samples use; [`Error::EntryIndex`] if it does not exist.
    pub(super) fn describe(&self, track: TrackContext, used: Used) -> Result<ParsedEntry, Error> {
        let TrackContext { id, timescale, shown } = track;
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

    fn parts<'a>(&self, entry: Atom<'a>) -> EntryBoxes<'a> {
        let skip = if self.handler == Handler::Video { entry::VISUAL } else { sound::AUDIO };
        EntryBoxes::new(entry, skip)
    }

    fn scheme(&self, entry: Atom<'_>) -> String {
        let schm = self.parts(entry).get(*b"sinf").and_then(|sinf| sinf.child(*b"schm").ok().flatten());
        let scheme = schm.and_then(|schm| schm.full().ok()).and_then(|(_, _, mut fields)| fields.take().ok());
        scheme.map_or_else(|| "unknown".into(), |scheme| FourCc(scheme).to_string())
    }
}

/// Facts about a track that its sample entry needs.
#[derive(Debug, Clone, Copy)]
pub(super) struct TrackContext {
    /// track_ID.
    pub(super) id: u32,
    /// Media timescale.
    pub(super) timescale: Timescale,
    /// Presentation in the track header.
    pub(super) shown: DisplayGeometry,
}
