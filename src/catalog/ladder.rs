//! Decides whether the files of a folder are one asset, a ladder. Works on facts about files, without I/O.
//!
//! They are if there are at least two, all have the same duration (±0.5 s), all videos have one shape (display aspect
//! ratios within 2 %), and no two have the same codec, resolution and language. Files with video are compared by their
//! video alone (each rung may carry the same audio), files without by their audio.

use crate::media::{Extent, Kind, Language, Movie, Track};
use std::fmt;

/// Most files of an automatic ladder: a folder with more is a collection.
pub(super) const LADDER_LIMIT: usize = 64;

/// Largest difference between the durations of a ladder's files, in microseconds.
const AGREEMENT_MICROS: u64 = 500_000;

/// The facts about a file that decide whether it fits into a ladder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct FileTraits {
    /// Its name, extension included.
    pub(super) name: String,
    /// When its last track ends, in microseconds.
    pub(super) micros: i64,
    /// The traits of its tracks.
    pub(super) tracks: Vec<TrackTraits>,
}

/// The properties that distinguish a track from its alternatives.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct TrackTraits {
    /// The RFC 6381 codec string.
    pub(super) codec: String,
    /// Format of the picture or the audio.
    pub(super) shape: StreamShape,
    /// Language of the track.
    pub(super) language: Language,
}

/// Format of the picture or the audio of a track.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum StreamShape {
    /// Stored width and height, and the display size.
    Picture(u16, u16, Extent),
    /// Channels and samples per second.
    Sound(u16, u32),
}

/// Why a folder of media files is no ladder, so that each file is an asset of its own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LooseReason {
    /// Two files have different durations.
    Durations {
        /// A file and its duration in microseconds.
        one: (String, i64),
        /// Another file and its duration in microseconds.
        other: (String, i64),
    },
    /// The videos of two files have different shapes.
    Shapes {
        /// A file and its display size.
        one: (String, Extent),
        /// Another file and its display size.
        other: (String, Extent),
    },
    /// Two files contain a track with the same properties.
    Alike {
        /// A file.
        one: String,
        /// Another file.
        other: String,
        /// The properties that both contain.
        what: String,
    },
    /// Two files differ by their extension alone, so their tracks would have the same names.
    Stems {
        /// A file.
        one: String,
        /// Another file.
        other: String,
    },
    /// More files than a ladder may have, or more names than a listing reads.
    Many,
}

impl fmt::Display for LooseReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Durations { one, other } => write!(
                f,
                "the files of this folder are assets of their own: {} lasts {}, {} lasts {}; renditions of one asset agree within 0.5 s",
                one.0,
                Seconds(one.1),
                other.0,
                Seconds(other.1)
            ),
            Self::Shapes { one: (one, shape), other: (other, shape_of_other) } => write!(
                f,
                "the files of this folder are assets of their own: {one} is shown as {}x{}, {other} as {}x{}; renditions of one asset have one shape",
                shape.width, shape.height, shape_of_other.width, shape_of_other.height
            ),
            Self::Alike { one, other, what } => write!(
                f,
                "the files of this folder are assets of their own: {one} and {other} both hold {what}; renditions of one asset differ in codec, resolution or language"
            ),
            Self::Stems { one, other } => write!(
                f,
                "the files of this folder are assets of their own: {one} and {other} differ by their extension alone"
            ),
            Self::Many => write!(
                f,
                "the files of this folder are assets of their own: without asset.json the folder of a ladder has at most {LADDER_LIMIT} media files and 1000 names"
            ),
        }
    }
}

/// Microseconds, printed as seconds with three decimals.
struct Seconds(i64);

impl fmt::Display for Seconds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let millis = self.0 / 1_000;
        write!(f, "{}.{:03} s", millis / 1_000, millis % 1_000)
    }
}

impl fmt::Display for TrackTraits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.shape {
            StreamShape::Picture(width, height, _) => write!(f, "{} {width}x{height}", self.codec)?,
            StreamShape::Sound(channels, rate) => write!(f, "{} {channels} ch {rate} Hz", self.codec)?,
        }
        write!(f, " ({})", self.language.as_str())
    }
}

/// Files that fit together as a ladder.
#[derive(Debug, Clone, Default)]
pub(super) struct Ladder {
    files: Vec<FileTraits>,
}

impl Ladder {
    /// Adds a file; the error says why it cannot be a rung beside those before it.
    pub(super) fn join(&mut self, next: FileTraits) -> Result<(), LooseReason> {
        if let Some(loose) = self.files.iter().find_map(|file| clash(file, &next)) {
            return Err(loose);
        }
        self.files.push(next);
        Ok(())
    }

    /// Number of files.
    pub(super) fn len(&self) -> usize {
        self.files.len()
    }
}

impl FileTraits {
    /// Facts about the file called `name`.
    pub(super) fn new(name: &str, movie: &Movie) -> Self {
        let micros = movie.tracks.iter().map(end_micros).max().unwrap_or(0);
        Self { name: name.into(), micros, tracks: movie.tracks.iter().map(TrackTraits::new).collect() }
    }

    fn of_kind(&self, kind: fn(&TrackTraits) -> bool) -> impl Iterator<Item = &TrackTraits> {
        self.tracks.iter().filter(move |track| kind(track))
    }
}

impl TrackTraits {
    fn new(track: &Track) -> Self {
        let shape = match track.kind {
            Kind::Video(picture) => StreamShape::Picture(picture.width, picture.height, picture.shown()),
            Kind::Audio(sound) => StreamShape::Sound(sound.channels, sound.sample_rate),
        };
        Self { codec: track.codec.string.clone(), shape, language: track.language.clone() }
    }

    fn is_picture(&self) -> bool {
        matches!(self.shape, StreamShape::Picture(..))
    }

    fn is_sound(&self) -> bool {
        !self.is_picture()
    }

    const fn extent(&self) -> Option<Extent> {
        match self.shape {
            StreamShape::Picture(_, _, extent) => Some(extent),
            StreamShape::Sound(..) => None,
        }
    }
}

/// A name without its extension.
pub(super) fn stem(name: &str) -> &str {
    name.rsplit_once('.').map_or(name, |(stem, _)| stem)
}

fn clash(one: &FileTraits, other: &FileTraits) -> Option<LooseReason> {
    let (name, other_name) = (one.name.clone(), other.name.clone());
    if stem(&one.name) == stem(&other.name) {
        return Some(LooseReason::Stems { one: name, other: other_name });
    }
    if one.micros.abs_diff(other.micros) > AGREEMENT_MICROS {
        return Some(LooseReason::Durations { one: (name, one.micros), other: (other_name, other.micros) });
    }
    let extent = |file: &FileTraits| file.tracks.iter().find_map(TrackTraits::extent);
    if let (Some(shape), Some(shape_of_other)) = (extent(one), extent(other))
        && !shape.is_shaped_like(shape_of_other)
    {
        return Some(LooseReason::Shapes { one: (name, shape), other: (other_name, shape_of_other) });
    }
    let seen = [one, other].map(|file| file.tracks.iter().any(TrackTraits::is_picture));
    let kind = match seen {
        [true, true] => TrackTraits::is_picture,
        [false, false] => TrackTraits::is_sound,
        [true, false] | [false, true] => return None,
    };
    let alike = one.of_kind(kind).find(|track| other.of_kind(kind).any(|also| also == *track))?;
    Some(LooseReason::Alike { one: name, other: other_name, what: alike.to_string() })
}

/// When the presentation of a track ends, in microseconds.
fn end_micros(track: &Track) -> i64 {
    let media = track.index.span().at(track.timescale).micros();
    let media = track.index.decode_time(0).at(track.timescale).micros().saturating_add(media);
    let rest = media.saturating_sub(track.edit.media_time.at(track.timescale).micros());
    let presented = track.edit.length.map_or(rest, |length| length.micros().min(rest));
    track.edit.delay.micros().saturating_add(presented.max(0))
}

#[cfg(test)]
mod tests {
    use super::{FileTraits, Ladder, LooseReason, StreamShape, TrackTraits};
    use crate::media::{Extent, Language};

    fn video(codec: &str, width: u16, height: u16) -> TrackTraits {
        let extent = Extent { width: width.into(), height: height.into() };
        TrackTraits {
            codec: codec.into(),
            shape: StreamShape::Picture(width, height, extent),
            language: Language::undetermined(),
        }
    }

    fn audio(language: &str) -> TrackTraits {
        let language = Language::new(language).unwrap();
        TrackTraits { codec: "mp4a.40.2".into(), shape: StreamShape::Sound(2, 48_000), language }
    }

    fn facts(name: &str, micros: i64, tracks: &[TrackTraits]) -> FileTraits {
        FileTraits { name: name.into(), micros, tracks: tracks.to_vec() }
    }

    fn judged(files: &[FileTraits]) -> Result<usize, LooseReason> {
        let mut ladder = Ladder::default();
        files.iter().try_for_each(|file| ladder.join(file.clone()))?;
        Ok(ladder.len())
    }

    #[test]
    fn rungs_with_the_same_sound_and_a_track_of_sound_alone_are_a_ladder() {
        let files = [
            facts("1080p.mp4", 60_000_000, &[video("avc1.640028", 1920, 1080), audio("en")]),
            facts("360p.mp4", 60_400_000, &[video("avc1.64001e", 640, 360), audio("en")]),
            facts("1080p-hevc.mp4", 59_990_000, &[video("hvc1.1.6.L120.90", 1920, 1080)]),
            facts("en.m4a", 60_000_000, &[audio("en")]),
            facts("fr.m4a", 60_000_000, &[audio("fr")]),
        ];
        assert_eq!(judged(&files), Ok(5));
    }

    #[test]
    fn half_a_second_is_the_most_that_lengths_may_differ() {
        let files = |micros| {
            [facts("a.mp4", 10_000_000, &[video("avc1", 2, 2)]), facts("b.mp4", micros, &[video("avc1", 4, 4)])]
        };
        assert_eq!(judged(&files(10_500_000)), Ok(2));
        assert_eq!(judged(&files(9_500_000)), Ok(2));
        let loose = judged(&files(10_500_001)).unwrap_err();
        assert_eq!(
            loose.to_string(),
            "the files of this folder are assets of their own: a.mp4 lasts 10.000 s, b.mp4 lasts 10.500 s; renditions of one asset agree within 0.5 s"
        );
    }

    #[test]
    fn the_same_thing_twice_is_no_ladder() {
        let twice = [
            facts("a.mp4", 10, &[video("avc1.64001e", 640, 360), audio("en")]),
            facts("b.mp4", 10, &[audio("fr"), video("avc1.64001e", 640, 360)]),
        ];
        let what = "avc1.64001e 640x360 (und)".into();
        assert_eq!(judged(&twice), Err(LooseReason::Alike { one: "a.mp4".into(), other: "b.mp4".into(), what }));
        let sounds = [facts("a.m4a", 10, &[audio("en")]), facts("b.m4a", 10, &[audio("en")])];
        assert!(matches!(judged(&sounds), Err(LooseReason::Alike { .. })));
    }

    #[test]
    fn a_portrait_and_a_landscape_cut_of_one_length_are_no_ladder() {
        let files = [
            facts("wide.mp4", 60_000_000, &[video("avc1.640028", 1920, 1080), audio("en")]),
            facts("tall.mp4", 60_000_000, &[video("avc1.64001f", 608, 1080), audio("en")]),
        ];
        let loose = judged(&files).unwrap_err();
        assert_eq!(
            loose.to_string(),
            "the files of this folder are assets of their own: wide.mp4 is shown as 1920x1080, tall.mp4 as 608x1080; \
             renditions of one asset have one shape"
        );
    }

    #[test]
    fn files_that_differ_by_extension_alone_are_no_ladder() {
        let files = [facts("a.mp4", 10, &[video("avc1", 2, 2)]), facts("a.m4a", 10, &[audio("en")])];
        assert_eq!(judged(&files), Err(LooseReason::Stems { one: "a.mp4".into(), other: "a.m4a".into() }));
    }
}
