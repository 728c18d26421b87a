//! Builds a [`Movie`] from the parsed boxes of a file: builds and checks the indices, selects tracks, applies edits.

use super::choice;
use super::edit;
use super::edit::EditPart;
use super::edit::EditTimescales;
use super::edit::Edits;
use super::entry::ParsedEntry;
use super::error::Error;
use super::fragment::FragmentSamples;
use super::moov::Moov;
use super::moov::ParsedTrak;
use super::splice::Edited;
use super::still;
use crate::media::ContentId;
use crate::media::Edit;
use crate::media::IndexBuilder;
use crate::media::Layout;
use crate::media::LeftOut;
use crate::media::Moment;
use crate::media::Movie;
use crate::media::SampleIndex;
use crate::media::Sizes;
use crate::media::Skipped;
use crate::media::TableError;
use crate::media::Timescale;
use crate::media::Track;
use std::cmp::Ordering;
use std::collections::BTreeMap;

/// Facts about the object as a whole.
#[derive(Debug, Clone, Copy)]
pub(super) struct ObjectSummary {
    /// Content id.
    pub(super) content: ContentId,
    /// Size in bytes.
    pub(super) size: u64,
    /// Order of `moov`, media and fragments.
    pub(super) layout: Layout,
    /// Byte at which a truncated last fragment begins; `None` if no fragment is truncated.
    pub(super) cut_at: Option<u64>,
}

/// Builds the movie, or refuses it with the reason.
pub(super) fn movie(moov: Moov, object: ObjectSummary) -> Result<Movie, Error> {
    let ObjectSummary { content, size, layout, cut_at } = object;
    let (mut tracks, mut skipped, mut encrypted) = (Vec::new(), moov.skipped, moov.encrypted);
    let mut edited = BTreeMap::new();
    for stored in moov.tracks {
        let (id, handler) = (stored.track.id, stored.handler);
        if let Some(seal) = stored.seal {
            encrypted.push(handler);
            skipped.push(Skipped { track: id, handler, reason: seal.reason() });
            continue;
        }
        match track(stored, moov.timescale, size)? {
            Some((track, edits)) => {
                edited.insert(id, edits);
                tracks.push(track);
            }
            None => skipped.push(Skipped { track: id, handler, reason: "has no samples".into() }),
        }
    }
    choice::choose(&mut tracks, &mut skipped);
    check_halves(&tracks, &encrypted, &skipped)?;
    if layout == Layout::Fragmented {
        begin_at_zero(&mut tracks);
    }
    if tracks.is_empty() {
        return Err(Error::NoTracks { skipped });
    }
    for track in &mut tracks {
        if let Some(edits) = edited.get(&track.id) {
            edits.apply(track, size)?;
        }
    }
    still::repeat(&mut tracks, size);
    Ok(Movie { content, size, layout, cut_at, tracks, skipped })
}

/// Refuses a film if all its video or all its sound is encrypted, while the rest is in the clear.
fn check_halves(tracks: &[Track], encrypted: &[[u8; 4]], skipped: &[Skipped]) -> Result<(), Error> {
    let lost = |handler: &&[u8; 4]| !tracks.iter().any(|track| choice::handler(track) == **handler);
    match encrypted.iter().find(lost) {
        Some(handler) if !tracks.is_empty() => {
            let what = if handler == b"vide" { "video" } else { "sound" };
            Err(Error::HalfEncrypted { what, skipped: skipped.to_vec() })
        }
        _ => Ok(()),
    }
}

/// Builds a track, and the edits to apply to it; `None` if it has no samples.
fn track(stored: ParsedTrak, movie: Timescale, size: u64) -> Result<Option<(Track, Edited)>, Error> {
    let ParsedTrak { track, at, enabled, alternate_group, title, language, stsd, tables, run, edits, .. } = stored;
    let first_fragment = run.as_ref().map(FragmentSamples::first_fragment);
    let (builder, used) = match run {
        Some(run) => {
            let used = run.used;
            (run.finish(), used)
        }
        None => (tables.builder, tables.used),
    };
    if builder.sizes.count() == 0 {
        return Ok(None);
    }
    let flawed = |flaw| Error::Track { track: track.id, at, flaw };
    let samples = builder.sizes.count();
    let used = used.ok_or_else(|| flawed(TableError::Unplaced { placed: 0, samples }))?;
    let described = stsd.describe(track, used)?;
    let greatest_offset = edit::greatest_offset(&builder.offsets);
    let index = built(builder, size).map_err(flawed)?;
    let scales = EditTimescales { movie, media: track.timescale };
    let end = index.decode_time(index.len()).0.saturating_add(greatest_offset);
    let (edit, mut parts) = edit_of(edits.as_ref(), scales, end)?;
    if let ([part], Some(first)) = (parts.as_mut_slice(), first_fragment) {
        part.open_end(first, scales.tick());
    }
    let at = edits.map_or(at, |edits| edits.at());
    let edited = Edited { parts, media_time: edit.media_time, greatest_offset, tick: scales.tick(), at };
    let (id, timescale, left_out) = (track.id, track.timescale, LeftOut::default());
    let ParsedEntry { kind, codec, entry } = described;
    let track =
        Track { id, kind, timescale, language, title, enabled, alternate_group, codec, entry, edit, left_out, index };
    Ok(Some((track, edited)))
}

/// Builds the index; refuses equal-sized samples that together are larger than the object.
fn built(builder: IndexBuilder, size: u64) -> Result<SampleIndex, TableError> {
    if let Sizes::Same { size: each, count } = builder.sizes {
        let total = u64::from(each) * u64::from(count);
        if total > size {
            return Err(TableError::Oversize { total, size });
        }
    }
    builder.build(size)
}

fn edit_of(edits: Option<&Edits>, scales: EditTimescales, end: i64) -> Result<(Edit, Vec<EditPart>), Error> {
    let Some(edits) = edits else { return Ok((Edit::NONE, Vec::new())) };
    let (edit, parts) = edits.fold(scales)?;
    edits.check_within(&parts, end)?;
    Ok((edit, parts))
}

/// Presents a recording whose decode times begin late (a live stream's) from its first sample: shifts all tracks by the
/// same moment. Edit lists of such files count from that moment; if one of them counts from 0, no track is shifted.
fn begin_at_zero(tracks: &mut [Track]) {
    let origin = tracks.iter().map(|track| track.index.decode_time(0).at(track.timescale)).min();
    let Some(origin) = origin.filter(|origin| origin.cmp(&Moment::ZERO) == Ordering::Greater) else { return };
    if tracks.iter().any(|track| track.edit.media_time >= track.index.decode_time(0)) {
        return;
    }
    for track in tracks {
        let origin = origin.floor_to(track.timescale).and_then(|ticks| u64::try_from(ticks.0).ok());
        track.edit = edit::shifted(track.edit, origin.unwrap_or(0));
    }
}
