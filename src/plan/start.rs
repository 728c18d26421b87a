//! Finds the start of an asset, and the first stored sample of each track to serve.

use crate::media::{Edit, Kind, Moment, Movie, Ticks, Track};

/// Audio before the edit counts as priming, and is served, if it lasts at most this long; longer audio was cut away.
const PRIMING: Moment = Moment::from_millis(1_000);

/// Frames before a cut that an audio decoder needs for exact output after it.
const AUDIO_PREROLL: u32 = 2;

/// The presented time of composition time `at`: applies the track's edit, but not the shift of the asset.
pub(super) fn edited(track: &Track, at: Ticks) -> Ticks {
    let Edit { delay, media_time, .. } = track.edit;
    let delay = delay.nearest_to(track.timescale).unwrap_or_default();
    Ticks(at.0.saturating_sub(media_time.0).saturating_add(delay.0))
}

/// The earliest composition time of `track` from sample `first` on, whose tables must be loaded; `None` if it depends
/// on samples whose tables are not loaded.
pub(super) fn least_composed(track: &Track, first: u32) -> Option<Ticks> {
    let index = &track.index;
    let mut least = index.composition_time(first);
    // No later sample can be composed earlier than this.
    let reach = |number: u32| index.decode_time(number).0.saturating_add(i64::from(index.least_offset()));
    let mut next = first.saturating_add(1);
    while index.reorders() && next < index.len() && reach(next) < least.0 {
        if !index.has(next..next + 1) {
            return None;
        }
        least = least.min(index.composition_time(next));
        next += 1;
    }
    Some(least)
}

/// How far an asset must be shifted so that the video of its reference does not start before 0: presentation starts at
/// the keyframe at or before the edit of its first video track. Zero without video. `None` if `first` cannot tell the
/// first served sample of that track, or the earliest composition time needs tables that are not loaded.
pub(super) fn asset_shift(movie: &Movie, first: impl Fn(&Track, Moment) -> Option<u32>) -> Option<Moment> {
    let video = movie.tracks.iter().find(|track| matches!(track.kind, Kind::Video(_)));
    let Some(track) = video else { return Some(Moment::ZERO) };
    let start = edited(track, least_composed(track, first(track, Moment::ZERO)?)?);
    Some(if start.0 < 0 { Ticks(-start.0).at(track.timescale) } else { Moment::ZERO })
}

/// The first stored sample to serve. Video: the last sync sample at or before the edit's start. Audio: sample 0 if at
/// most [`PRIMING`] lies before the presented part, which begins at the edit's start or `shift` earlier; otherwise the
/// last sync sample that leaves the decoder [`AUDIO_PREROLL`] frames before that part.
pub(super) fn first_served(track: &Track, shift: Moment) -> u32 {
    let (index, media_time) = (&track.index, track.edit.media_time);
    match track.kind {
        Kind::Video(_) => index.last_sync_composed_by(media_time).unwrap_or(0),
        Kind::Audio(_) => {
            let from = presented_from(track, shift);
            if is_primed(track, from) {
                return 0;
            }
            let first = index.first_decoded_at(Ticks(from.0 + 1)).saturating_sub(1 + AUDIO_PREROLL);
            // Where not all frames are sync samples, decoding starts at the sync sample before.
            let before = index.sync_before(first.saturating_add(1)).checked_sub(1);
            before.and_then(|before| index.sync_sample(before)).unwrap_or(0)
        }
    }
}

/// The sample that [`first_served`] returns, found from loaded tables only; `None` if these do not suffice, or do not
/// include that sample.
pub(super) fn first_at_hand(track: &Track, shift: Moment) -> Option<u32> {
    let index = &track.index;
    if index.has(0..index.len()) {
        return Some(first_served(track, shift));
    }
    match track.kind {
        Kind::Video(_) => {
            let mut first = 0;
            for sync in 0..index.sync_count() {
                let sample = index.sync_sample(sync).filter(|sample| index.has(*sample..*sample + 1))?;
                if index.composition_time(sample) > track.edit.media_time {
                    break;
                }
                first = sample;
            }
            let at_hand = index.has(first..first + 1) && least_composed(track, first).is_some();
            at_hand.then_some(first)
        }
        Kind::Audio(_) => {
            let primed = index.has(0..1) && is_primed(track, presented_from(track, shift));
            primed.then_some(0)
        }
    }
}

/// The composition time at which the presented part of an audio track begins.
fn presented_from(track: &Track, shift: Moment) -> Ticks {
    let shift = shift.nearest_to(track.timescale).unwrap_or_default();
    Ticks(track.edit.media_time.0.saturating_sub(shift.0))
}

/// Whether at most [`PRIMING`] of audio lies before composition time `from`.
fn is_primed(track: &Track, from: Ticks) -> bool {
    let before = Ticks(from.0.saturating_sub(track.index.composition_time(0).0));
    before.at(track.timescale) <= PRIMING
}
