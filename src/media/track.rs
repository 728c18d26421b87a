//! A movie and its tracks: the parsed content of one stored file.

use super::asset::MediaKind;
use super::codec::{Codec, Sound};
use super::id::ContentId;
use super::index::SampleIndex;
use super::picture::Picture;
use super::time::{Moment, Ticks, Timescale};
use super::title::Title;
use bytes::Bytes;

/// The parsed content of one stored file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Movie {
    /// Identifies the object by its content; the same on every disk and replica.
    pub content: ContentId,
    /// Size of the object in bytes.
    pub size: u64,
    /// Order of `moov`, media and fragments.
    pub layout: Layout,
    /// Byte at which a truncated last fragment begins, in an interrupted recording; only the samples before it are
    /// served. `None` if no fragment is truncated.
    pub cut_at: Option<u64>,
    /// The tracks that can be served, in file order. Never empty.
    pub tracks: Vec<Track>,
    /// The tracks that cannot be served, with the reason.
    pub skipped: Vec<Skipped>,
}

/// Order of the parts of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Layout {
    /// The `moov` is before the first `mdat`.
    MoovFirst,
    /// The `moov` is behind the media ("not fast start").
    MoovLast,
    /// Media in movie fragments (`moof`).
    Fragmented,
}

/// A track that is not served.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Skipped {
    /// track_ID.
    pub track: u32,
    /// Handler type: `vide`, `soun`, `meta`, `hint`, …
    pub handler: [u8; 4],
    /// Reason, in words that a user understands.
    pub reason: String,
}

/// One track of a movie.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Track {
    /// track_ID: unique in the file, never zero.
    pub id: u32,
    /// Video or sound, with its parameters.
    pub kind: Kind,
    /// Media timescale.
    pub timescale: Timescale,
    /// Language.
    pub language: Language,
    /// Title for people; `None` if the file has none, or only the name of the program that wrote it.
    pub title: Option<Title>,
    /// Whether the track plays by default. If a file disables all tracks of a kind, all of them are enabled.
    pub enabled: bool,
    /// `alternate_group`: tracks of the same group other than 0 are alternatives, of which one plays at a time.
    pub alternate_group: u16,
    /// Codec.
    pub codec: Codec,
    /// The sample entry with its header: init segments contain it byte for byte.
    pub entry: Bytes,
    /// The presented part of the media, and the time of its presentation.
    pub edit: Edit,
    /// Numbers of stored samples that the index omits, because they are not presented.
    pub left_out: LeftOut,
    /// Positions and times of the samples.
    pub index: SampleIndex,
}

/// Kind of a track, with its parameters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Video.
    Video(Picture),
    /// Sound.
    Audio(Sound),
}

/// Name of a track, unique in its asset. It depends only on the track's own file.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TrackName {
    /// Kind of the track.
    pub kind: MediaKind,
    /// track_ID in the file.
    pub id: u32,
    /// File name without extension, if the asset is a folder; `None` if the asset is one file.
    pub file: Option<String>,
}

/// An edit list that maps one contiguous part of the media onto the presentation (ISO/IEC 14496-12 §8.6.6).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Edit {
    /// Start of the track's presentation: the sum of leading empty edits.
    pub delay: Moment,
    /// Composition time that is presented at `delay`, in the track's timescale.
    pub media_time: Ticks,
    /// Length of the presentation; `None` if it lasts to the end of the media.
    pub length: Option<Moment>,
}

/// Numbers of samples that a file stores but the index omits: the edit list does not present them, or they are empty.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct LeftOut {
    /// Samples decoded right behind the keyframe of an edit and presented before it: they need omitted pictures.
    pub leading: u32,
    /// Samples between one edit and the next.
    pub between: u32,
    /// Samples behind the end of the last edit.
    pub behind: u32,
    /// Samples among those in `behind` that are presented before the end, but need pictures behind it.
    pub undecodable: u32,
    /// Pictures without bytes: the picture before them is shown longer.
    pub empty: u32,
}

impl Kind {
    /// The kind without parameters.
    #[must_use]
    pub const fn media(&self) -> MediaKind {
        match self {
            Self::Video(_) => MediaKind::Video,
            Self::Audio(_) => MediaKind::Audio,
        }
    }
}

impl Edit {
    /// No edit list: the presentation begins with composition time 0 and lasts to the end of the media.
    pub const NONE: Self = Self { delay: Moment::ZERO, media_time: Ticks(0), length: None };
}

/// A language tag of RFC 5646: `en`, `fr`, `pt-BR`; `und` if the file does not tell the language.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Language(String);

/// ISO 639-2 codes, including bibliographic ones, with their ISO 639-1 codes, which RFC 5646 §2.2.1 prefers.
const SHORT: [(&str, &str); 64] = [
    ("ara", "ar"),
    ("ben", "bn"),
    ("bul", "bg"),
    ("cat", "ca"),
    ("ces", "cs"),
    ("chi", "zh"),
    ("cym", "cy"),
    ("cze", "cs"),
    ("dan", "da"),
    ("deu", "de"),
    ("dut", "nl"),
    ("ell", "el"),
    ("eng", "en"),
    ("est", "et"),
    ("eus", "eu"),
    ("fas", "fa"),
    ("fin", "fi"),
    ("fra", "fr"),
    ("fre", "fr"),
    ("ger", "de"),
    ("gle", "ga"),
    ("glg", "gl"),
    ("gre", "el"),
    ("heb", "he"),
    ("hin", "hi"),
    ("hrv", "hr"),
    ("hun", "hu"),
    ("ice", "is"),
    ("ind", "id"),
    ("isl", "is"),
    ("ita", "it"),
    ("jpn", "ja"),
    ("kaz", "kk"),
    ("kor", "ko"),
    ("lav", "lv"),
    ("lit", "lt"),
    ("may", "ms"),
    ("mkd", "mk"),
    ("msa", "ms"),
    ("nld", "nl"),
    ("nno", "nn"),
    ("nob", "nb"),
    ("nor", "no"),
    ("per", "fa"),
    ("pol", "pl"),
    ("por", "pt"),
    ("ron", "ro"),
    ("rum", "ro"),
    ("rus", "ru"),
    ("slk", "sk"),
    ("slo", "sk"),
    ("slv", "sl"),
    ("spa", "es"),
    ("sqi", "sq"),
    ("srp", "sr"),
    ("swe", "sv"),
    ("tam", "ta"),
    ("tel", "te"),
    ("tha", "th"),
    ("tur", "tr"),
    ("ukr", "uk"),
    ("urd", "ur"),
    ("vie", "vi"),
    ("zho", "zh"),
];

/// The bibliographic codes of [`SHORT`], which only library catalogues use.
const BIBLIOGRAPHIC: [&str; 11] = ["chi", "cze", "dut", "fre", "ger", "gre", "ice", "may", "per", "rum", "slo"];

impl Language {
    /// The undetermined language, `und`.
    #[must_use]
    pub fn undetermined() -> Self {
        Self("und".into())
    }

    /// `None` unless `tag` has the form of RFC 5646 §2.1: parts of 1 to 8 ASCII letters and digits, the first of 2 to 8
    /// letters. Replaces three-letter codes by their two-letter equivalents.
    #[must_use]
    pub fn new(tag: &str) -> Option<Self> {
        let mut parts = tag.split('-');
        let first = parts.next()?;
        let letters = (2..=8).contains(&first.len()) && first.bytes().all(|byte| byte.is_ascii_alphabetic());
        let rest =
            parts.all(|part| (1..=8).contains(&part.len()) && part.bytes().all(|byte| byte.is_ascii_alphanumeric()));
        if !letters || !rest || tag.len() > 64 {
            return None;
        }
        let lower = first.to_ascii_lowercase();
        let short = SHORT.iter().find(|(long, _)| *long == lower).map_or(lower.as_str(), |(_, short)| short);
        Some(Self(format!("{short}{}", tag.get(first.len()..).unwrap_or_default())))
    }

    /// The language tag.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// ISO 639-2/T code, as in `mdhd`; `und` if there is none.
    #[must_use]
    pub fn iso639_2(&self) -> &str {
        let primary = self.0.split('-').next().unwrap_or(&self.0);
        let long = SHORT.iter().find(|(long, short)| *short == primary && !BIBLIOGRAPHIC.contains(long));
        match long {
            Some((long, _)) => long,
            None if primary.len() == 3 => primary,
            None => "und",
        }
    }

    /// Whether the language is unknown.
    #[must_use]
    pub fn is_undetermined(&self) -> bool {
        self.0 == "und"
    }
}

#[cfg(test)]
mod tests {
    use super::Language;

    #[test]
    fn a_three_letter_code_becomes_its_two_letter_equal() {
        assert_eq!(Language::new("ENG").unwrap().as_str(), "en");
        assert_eq!(Language::new("ger").unwrap().as_str(), "de");
        assert_eq!(Language::new("por-BR").unwrap().as_str(), "pt-BR");
        assert_eq!(Language::new("haw").unwrap().as_str(), "haw");
    }

    #[test]
    fn a_two_letter_code_has_its_terminological_equal() {
        for (tag, long) in [("de", "deu"), ("zh-Hant", "zho"), ("haw", "haw"), ("xx", "und"), ("nl", "nld")] {
            assert_eq!(Language::new(tag).unwrap().iso639_2(), long);
        }
    }

    #[test]
    fn what_is_no_tag_is_refused() {
        for tag in ["", "e", "en_US", "en-", "1n", "en-toolongpart", "e\"n"] {
            assert_eq!(Language::new(tag), None, "{tag}");
        }
    }
}
