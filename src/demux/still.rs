//! Repeats the picture of a film that has one picture and sound, up to the end of the sound.
//!
//! Browsers show a picture only after they have decoded the next one, and players signal the end of the stream only
//! after something is shown: with a single picture, both wait forever. The copies also are keyframes, for cuts and for
//! seeks.

use crate::media::{IndexBuilder, Kind, Moment, OffsetRuns, SampleIndex, Sizes, Ticks, Track, usize_from_u32};

/// Time from one picture to the next, in seconds; longer where the limits on number and size require it.
const STEP: u64 = 2;

/// Largest number of pictures.
const PICTURES: u64 = 10_000;

/// Repeats the picture of each video track that has only one. The pictures of a track together are no larger than
/// `size`, the size of the object in bytes.
pub(super) fn repeat(tracks: &mut [Track], size: u64) {
    let sounds = tracks.iter().filter(|track| !is_video(track));
    let ends = sounds.map(|track| presented(track, track.index.decode_time(track.index.len())));
    let Some(end) = ends.max() else { return };
    for track in tracks.iter_mut().filter(|track| is_video(track) && track.index.len() == 1) {
        if let Some(index) = repeated(track, end, size) {
            track.index = index;
        }
    }
}

const fn is_video(track: &Track) -> bool {
    matches!(track.kind, Kind::Video(_))
}

/// Presentation time of composition time `at` of `track`.
fn presented(track: &Track, at: Ticks) -> Moment {
    let delay = track.edit.delay.nearest_to(track.timescale).unwrap_or_default();
    Ticks(at.0.saturating_sub(track.edit.media_time.0).saturating_add(delay.0)).at(track.timescale)
}

/// Index that repeats the one picture of `track` up to `end`; `None` if the picture ends at most a second before `end`,
/// or if `size` has no room for two.
fn repeated(track: &Track, end: Moment, size: u64) -> Option<SampleIndex> {
    let picture = track.index.samples(0..1).next()?;
    let second = u64::from(track.timescale.get());
    let begin = presented(track, picture.composition_time()).nearest_to(track.timescale)?;
    let total = end.nearest_to(track.timescale)?.since(begin)?.0;
    let fits = size.checked_div(u64::from(picture.size))?.min(PICTURES);
    if fits < 2 || total <= second.saturating_add(u64::from(picture.duration)) {
        return None;
    }
    let step = (STEP * second).max(total.div_ceil(fits)).min(total.div_ceil(2));
    let count = u32::try_from(total.div_ceil(step)).ok()?;
    let last = total - step * u64::from(count - 1);
    let builder = IndexBuilder {
        first_decode_time: u64::try_from(picture.decode_time.0).ok()?,
        durations: vec![(count - 1, u32::try_from(step).ok()?), (1, u32::try_from(last).ok()?)],
        offsets: OffsetRuns::Each(vec![(count, picture.offset)]),
        sizes: Sizes::Same { size: picture.size, count },
        chunk_offsets: vec![picture.position; usize_from_u32(count)].into(),
        chunk_runs: vec![(1, 1)],
        sync: None,
    };
    builder.build(size).ok()
}

#[cfg(test)]
mod tests {
    use crate::demux::fixture::{MEDIA, Trak, media_first, movie, table};
    use crate::media::SampleIndex;

    /// Video index of a film with `count` pictures and two frames of sound, of `sound` ticks at 44,100 Hz each.
    fn pictures(count: u32, sound: u32) -> SampleIndex {
        let video = Trak::video(MEDIA)
            .with(table(b"stts", &[1, count, 1_000]))
            .with(table(b"ctts", &[0]))
            .with(table(b"stsz", &[10, count]))
            .with(table(b"stsc", &[1, 1, count, 1]));
        let audio = Trak::audio(MEDIA + 60).with(table(b"stts", &[1, 2, sound]));
        movie(&media_first(&[video, audio])).unwrap().tracks.remove(0).index
    }

    #[test]
    fn one_picture_under_sound_is_repeated_every_two_seconds() {
        let index = pictures(1, 463_050);
        assert_eq!((index.len(), index.sync_count(), index.span().0), (11, 11, 525_000));
        assert!(index.samples(0..11).all(|sample| (sample.position, sample.size) == (u64::from(MEDIA), 10)));
        assert_eq!((index.duration(9), index.duration(10)), (50_000, 25_000));
    }

    #[test]
    fn two_pictures_and_one_as_long_as_the_sound_stay_as_they_are() {
        assert_eq!(pictures(2, 463_050).len(), 2);
        assert_eq!(pictures(1, 22_050).len(), 1);
        assert_eq!(pictures(1, 33_075).len(), 2);
    }

    #[test]
    fn pictures_that_would_be_larger_than_their_object_are_further_apart() {
        let index = pictures(1, u32::MAX);
        assert!(index.bytes() <= 2_000 && index.len() > 50, "{}", index.len());
    }
}
