//! Where an asset starts, and which stored sample of each of its tracks is served first.

use crate::media::{Edit, Kind, Moment, Movie, Ticks, Track, partition_point};

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

/// How much an asset must be shifted so that its reference does not start before 0: presentation starts at the
/// keyframe at or before the edit of its first video track, or of any other kind where it has no video. `None` where
/// `first` does not say which sample of that track is served first.
pub(super) fn asset_shift(movie: &Movie, first: impl Fn(&Track, Moment) -> Option<u32>) -> Option<Moment> {
    let video = movie.tracks.iter().find(|track| matches!(track.kind, Kind::Video(_)));
    let Some(track) = video else { return Some(Moment::ZERO) };
    let start = edited(track, track.index.composition_time(first(track, Moment::ZERO)?));
    Some(if start.0 < 0 { Ticks(-start.0).at(track.timescale) } else { Moment::ZERO })
}

/// The first sample that is served: of video the last sync sample presented at or before the edit's start, of audio
/// the first, unless more than priming lies before what is presented: the edit's start, or `shift` earlier.
pub(super) fn first_served(track: &Track, shift: Moment) -> u32 {
    let (index, media_time) = (&track.index, track.edit.media_time);
    match track.kind {
        Kind::Video(_) => {
            let presented = |at: u32| index.sync_sample(at).map(|sample| index.composition_time(sample));
            let behind =
                partition_point(0..index.sync_count(), |at| presented(at).is_some_and(|time| time <= media_time));
            behind.checked_sub(1).and_then(|at| index.sync_sample(at)).unwrap_or(0)
        }
        Kind::Audio(_) => {
            let from = presented_from(track, shift);
            if is_primed(track, from) {
                return 0;
            }
            index.first_decoded_at(Ticks(from.0 + 1)).saturating_sub(1 + AUDIO_PREROLL)
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
            index.has(first..first + 1).then_some(first)
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
