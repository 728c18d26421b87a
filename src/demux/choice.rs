//! Selects the tracks of a file that are the film; skips covers and disabled pictures, with the reason.

use crate::media::{Extent, Kind, MediaKind, Skipped, Track};

/// Types of sample entries of still pictures. JPEG and PNG in `mp4v` are recognised by their codec strings.
const STILLS: [[u8; 4]; 6] = [*b"jpeg", *b"mjpa", *b"png ", *b"gif ", *b"tiff", *b"mjp2"];

/// Codec strings of JPEG, PNG and JPEG 2000 in `mp4v`, by objectTypeIndication (ISO/IEC 14496-1 table 5).
const STILL_STRINGS: [&str; 3] = ["mp4v.6C", "mp4v.6D", "mp4v.6E"];

/// Moves the tracks that are not part of the film from `tracks` to `skipped`. Then enables all remaining tracks of a
/// kind if none of them is enabled.
pub(super) fn choose(tracks: &mut Vec<Track>, skipped: &mut Vec<Skipped>) {
    let filmed = tracks.iter().any(|track| is_video(track) && !is_still(track));
    // A track of several stills is the film if there is no other: some cameras recorded MJPEG.
    let cover = |track: &Track| is_still(track) && (filmed || track.index.len() == 1);
    leave_out(tracks, skipped, cover, "holds still pictures, such as a cover");
    let films = tracks.iter().any(|track| is_video(track) && track.index.len() > 1);
    let heard = tracks.iter().any(|track| !is_video(track));
    // A single picture with sound is the film, unless another track is the film or the file disables the picture.
    let still = |track: &Track| is_video(track) && track.index.len() == 1 && (films || (heard && !track.enabled));
    leave_out(tracks, skipped, still, "is one picture beside the film, such as a cover");
    if let Some(shown) = tracks.iter().find(|track| is_video(track) && track.enabled).map(|track| track.id) {
        let reason = format!("is disabled in the file: track {shown} is shown");
        leave_out(tracks, skipped, |track| is_video(track) && !track.enabled, &reason);
    }
    leave_out_other_shapes(tracks, skipped);
    for kind in [MediaKind::Video, MediaKind::Audio] {
        enable_one(tracks, kind);
    }
}

/// Skips videos of another shape than the first: players switch between the videos of a file as between renditions of
/// one film, and a video of another shape is another film.
fn leave_out_other_shapes(tracks: &mut Vec<Track>, skipped: &mut Vec<Skipped>) {
    let Some((film, shape)) = tracks.iter().find_map(|track| Some((track.id, shown(track)?))) else { return };
    let Extent { width, height } = shape;
    let reason = format!("has another shape than track {film}, which is shown as {width}x{height}");
    let differs = |track: &Track| shown(track).is_some_and(|other| !other.is_shaped_like(shape));
    leave_out(tracks, skipped, differs, &reason);
}

fn shown(track: &Track) -> Option<Extent> {
    match track.kind {
        Kind::Video(picture) => Some(picture.shown()),
        Kind::Audio(_) => None,
    }
}

fn leave_out(tracks: &mut Vec<Track>, skipped: &mut Vec<Skipped>, out: impl Fn(&Track) -> bool, reason: &str) {
    let left = tracks.extract_if(.., |track| out(track));
    skipped.extend(left.map(|track| Skipped { track: track.id, handler: handler(&track), reason: reason.into() }));
}

fn is_video(track: &Track) -> bool {
    matches!(track.kind, Kind::Video(_))
}

/// Whether the codec of the track is for still pictures.
fn is_still(track: &Track) -> bool {
    let still = STILLS.contains(&track.codec.fourcc) || STILL_STRINGS.contains(&track.codec.string.as_str());
    is_video(track) && still
}

/// Handler type of a served track.
pub(super) fn handler(track: &Track) -> [u8; 4] {
    match track.kind {
        Kind::Video(_) => *b"vide",
        Kind::Audio(_) => *b"soun",
    }
}

/// Enables all tracks of a kind if the file disables all of them: it cannot mean to leave them all out.
fn enable_one(tracks: &mut [Track], kind: MediaKind) {
    if !tracks.iter().any(|track| track.kind.media() == kind && track.enabled) {
        tracks.iter_mut().filter(|track| track.kind.media() == kind).for_each(|track| track.enabled = true);
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::trivially_copy_pass_by_ref, reason = "box types read better without a star")]

    use crate::demux::fixture::{MEDIA, Trak, atom, avcc, esds, media_first, movie, table, visual};

    /// A track of one picture of 10 bytes.
    fn still(id: u32, kind: &[u8; 4], boxes: &[u8]) -> Trak {
        let one = Trak { id, entries: vec![visual(kind, boxes)], ..Trak::video(MEDIA) };
        one.with(table(b"stts", &[1, 1, 1_000]))
            .with(table(b"ctts", &[1, 1, 0]))
            .with(table(b"stsz", &[0, 1, 10]))
            .with(table(b"stsc", &[1, 1, 1, 1]))
    }

    fn one_picture(id: u32) -> Trak {
        still(id, b"avc1", &avcc())
    }

    /// track_IDs of the served tracks, and of the skipped ones with the reason.
    fn chosen(traks: &[Trak]) -> (Vec<u32>, Vec<(u32, String)>) {
        let movie = movie(&media_first(traks)).unwrap();
        let skipped = movie.skipped.into_iter().map(|skipped| (skipped.track, skipped.reason)).collect();
        (movie.tracks.iter().map(|track| track.id).collect(), skipped)
    }

    #[test]
    fn a_cover_is_neither_the_film_nor_a_rung_of_it() {
        let reason = || "holds still pictures, such as a cover".to_owned();
        let covers = [still(7, b"mp4v", &esds(0x6c, &[])), still(7, b"mp4v", &esds(0x6d, &[])), still(7, b"png ", &[])];
        for cover in covers.into_iter().chain([still(7, b"jpeg", &[])]) {
            let sound = Trak::audio(MEDIA + 60);
            assert_eq!(chosen(&[cover.clone(), Trak::video(MEDIA)]), (vec![1], vec![(7, reason())]));
            assert_eq!(chosen(&[cover, sound]), (vec![2], vec![(7, reason())]));
        }
        let error = movie(&media_first(&[still(7, b"jpeg", &[])])).unwrap_err();
        let text = "no track can be served: track 7 (`vide`) holds still pictures, such as a cover";
        assert_eq!(error.to_string(), text);
    }

    #[test]
    fn several_pictures_of_a_still_codec_are_a_film_where_there_is_no_other() {
        let film = Trak { entries: vec![visual(b"jpeg", &[])], ..Trak::video(MEDIA) };
        assert_eq!(chosen(std::slice::from_ref(&film)), (vec![1], vec![]));
        let previews = Trak { id: 7, ..film };
        let reason = "holds still pictures, such as a cover".to_owned();
        assert_eq!(chosen(&[previews, Trak::video(MEDIA)]), (vec![1], vec![(7, reason)]));
    }

    #[test]
    fn one_picture_is_the_film_unless_another_track_is() {
        let reason = || "is one picture beside the film, such as a cover".to_owned();
        assert_eq!(chosen(&[one_picture(7), Trak::audio(MEDIA)]), (vec![7, 2], vec![]));
        assert_eq!(chosen(&[one_picture(7)]), (vec![7], vec![]));
        assert_eq!(chosen(&[one_picture(7), Trak::video(MEDIA)]), (vec![1], vec![(7, reason())]));
        let disabled = Trak { disabled: true, ..one_picture(7) };
        assert_eq!(chosen(&[disabled.clone(), Trak::audio(MEDIA)]), (vec![2], vec![(7, reason())]));
        assert_eq!(chosen(&[disabled]), (vec![7], vec![]));
    }

    #[test]
    fn a_video_of_another_shape_is_no_rendition_of_the_first() {
        let pixels = |down| atom(b"pasp", &[0, 0, 0, 1, 0, 0, 0, down]);
        let cut = |id, down| {
            let boxes = [avcc(), pixels(down)].concat();
            Trak { id, entries: vec![visual(b"avc1", &boxes)], ..Trak::video(MEDIA) }
        };
        assert_eq!(chosen(&[cut(1, 1), cut(9, 1)]), (vec![1, 9], vec![]));
        let (served, skipped) = chosen(&[cut(1, 1), cut(9, 3)]);
        let reason = skipped.first().map(|(track, reason)| (*track, reason.split(',').next().unwrap_or_default()));
        assert_eq!((served, reason), (vec![1], Some((9, "has another shape than track 1"))));
    }

    #[test]
    fn a_disabled_picture_is_left_out_where_another_is_enabled() {
        let other = |disabled| Trak { id: 9, disabled, ..Trak::video(MEDIA) };
        let reason = "is disabled in the file: track 1 is shown".to_owned();
        assert_eq!(chosen(&[other(true), Trak::video(MEDIA)]), (vec![1], vec![(9, reason)]));
        assert_eq!(chosen(&[other(false), Trak::video(MEDIA)]), (vec![9, 1], vec![]));
        assert_eq!(chosen(&[other(true), Trak { disabled: true, ..Trak::video(MEDIA) }]), (vec![9, 1], vec![]));
    }
}
