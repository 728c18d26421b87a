//! Where an asset starts, and which stored sample of each of its tracks is served first.

use crate::media::{Edit, Kind, Moment, Movie, Ticks, Track};

/// Audio before its edit up to this length is priming and kept; more has been cut away.
const PRIMING: Moment = Moment::from_millis(1_000);

/// Frames before a cut that an audio decoder needs to be exact behind it.
const AUDIO_PREROLL: u32 = 2;

/// The presented time of composition time `at` by the track's edit, before any shift of the asset.
pub(super) fn edited(track: &Track, at: Ticks) -> Ticks {
    let Edit { delay, media_time, .. } = track.edit;
    let delay = delay.nearest_to(track.timescale).unwrap_or_default();
    Ticks(at.0.saturating_sub(media_time.0).saturating_add(delay.0))
}

/// The least composition time of `track` from sample `first` on, which must be at hand; `None` where it takes samples that
/// are not.
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

/// How much an asset must be shifted so that its reference does not start before 0: presentation starts at the
/// keyframe at or before the edit of its first video track, or of any other kind where it has no video. `None` where
/// `first` does not say which sample of that track is served first.
pub(super) fn asset_shift(movie: &Movie, first: impl Fn(&Track, Moment) -> Option<u32>) -> Option<Moment> {
    let video = movie.tracks.iter().find(|track| matches!(track.kind, Kind::Video(_)));
    let Some(track) = video else { return Some(Moment::ZERO) };
    let start = edited(track, least_composed(track, first(track, Moment::ZERO)?)?);
    Some(if start.0 < 0 { Ticks(-start.0).at(track.timescale) } else { Moment::ZERO })
}

/// The first sample that is served: of video the last sync sample presented at or before the edit's start, of audio
/// the first, unless more than priming lies before what is presented: the edit's start, or `shift` earlier.
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
            // Sound of few sync samples is decoded from the one before.
            let before = index.sync_before(first.saturating_add(1)).checked_sub(1);
            before.and_then(|before| index.sync_sample(before)).unwrap_or(0)
        }
    }
}

/// The same where the tables that are at hand tell, its own among them; `None` where they do not.
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

/// The composition time from which on audio is presented.
fn presented_from(track: &Track, shift: Moment) -> Ticks {
    let shift = shift.nearest_to(track.timescale).unwrap_or_default();
    Ticks(track.edit.media_time.0.saturating_sub(shift.0))
}

/// Whether no more than priming lies before composition time `from`.
fn is_primed(track: &Track, from: Ticks) -> bool {
    let before = Ticks(from.0.saturating_sub(track.index.composition_time(0).0));
    before.at(track.timescale) <= PRIMING
}
