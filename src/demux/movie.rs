//! What was read of a file → [`Movie`]: indices built and checked, edits folded, one entry a track.

use super::choice;
use super::edit;
use super::edit::Edits;
use super::edit::Part;
use super::edit::Scales;
use super::entry::Described;
use super::error::Error;
use super::fragment::Run;
use super::moov::Moov;
use super::moov::Stored;
use super::splice::Edited;
use super::still;
use crate::media::ContentId;
use crate::media::Edit;
use crate::media::Flaw;
use crate::media::IndexBuilder;
use crate::media::Layout;
use crate::media::LeftOut;
use crate::media::Moment;
use crate::media::Movie;
use crate::media::SampleIndex;
use crate::media::Sizes;
use crate::media::Skipped;
use crate::media::Timescale;
use crate::media::Track;
use std::cmp::Ordering;
use std::collections::BTreeMap;

/// What is known of the object as a whole.
#[derive(Debug, Clone, Copy)]
pub(super) struct Object {
    /// Its name.
    pub(super) content: ContentId,
    /// Its bytes.
    pub(super) size: u64,
    /// Where its parts stand.
    pub(super) layout: Layout,
    /// Where a fragment begins in which it ends.
    pub(super) cut_at: Option<u64>,
}

/// Makes a movie of what was found, or refuses it by name.
pub(super) fn movie(moov: Moov, object: Object) -> Result<Movie, Error> {
    let Object { content, size, layout, cut_at } = object;
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

/// Refuses a film of which only a part is in the clear: all its video or all its sound is encrypted.
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

/// `None` when it has no samples.
fn track(stored: Stored, movie: Timescale, size: u64) -> Result<Option<(Track, Edited)>, Error> {
    let Stored { track, at, enabled, alternate_group, title, language, stsd, tables, run, edits, .. } = stored;
    let first_fragment = run.as_ref().map(Run::first_fragment);
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
    let used = used.ok_or_else(|| flawed(Flaw::Unplaced { placed: 0, samples }))?;
    let described = stsd.describe(track, used)?;
    let greatest_offset = edit::greatest_offset(&builder.offsets);
    let index = built(builder, size).map_err(flawed)?;
    let scales = Scales { movie, media: track.timescale };
    let end = index.decode_time(index.len()).0.saturating_add(greatest_offset);
    let (edit, mut parts) = edit_of(edits.as_ref(), scales, end)?;
    if let ([part], Some(first)) = (parts.as_mut_slice(), first_fragment) {
        part.open_end(first, scales.tick());
    }
    let at = edits.map_or(at, |edits| edits.at());
    let edited = Edited { parts, media_time: edit.media_time, greatest_offset, tick: scales.tick(), at };
    let (id, timescale, left_out) = (track.id, track.timescale, LeftOut::default());
    let Described { kind, codec, entry } = described;
    let track =
        Track { id, kind, timescale, language, title, enabled, alternate_group, codec, entry, edit, left_out, index };
    Ok(Some((track, edited)))
}

/// The index, once it is known that its samples fit into the object.
fn built(builder: IndexBuilder, size: u64) -> Result<SampleIndex, Flaw> {
    if let Sizes::Same { size: each, count } = builder.sizes {
        let total = u64::from(each) * u64::from(count);
        if total > size {
            return Err(Flaw::Oversize { total, size });
        }
    }
    builder.build(size)
}

fn edit_of(edits: Option<&Edits>, scales: Scales, end: i64) -> Result<(Edit, Vec<Part>), Error> {
    let Some(edits) = edits else { return Ok((Edit::NONE, Vec::new())) };
    let (edit, parts) = edits.fold(scales)?;
    edits.check_within(&parts, end)?;
    Ok((edit, parts))
}

/// A recording whose decode times begin late (a live stream's) is presented from its first sample: all tracks are
/// shifted by the same moment. Edit lists of such files count from that moment; one that counts from 0 stays.
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
