//! A movie and its tracks: what was found in one stored file.

use super::asset::MediaKind;
use super::codec::{Codec, Sound};
use super::id::ContentId;
use super::index::SampleIndex;
use super::picture::Picture;
use super::time::{Moment, Ticks, Timescale};
use super::title::Title;
use bytes::Bytes;

/// One stored file, understood.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Movie {
    /// Names the object by its content; the same on every disk and replica.
    pub content: ContentId,
    /// The object's size in bytes.
    pub size: u64,
    /// Where its parts stand.
    pub layout: Layout,
    /// Where a fragment begins in the middle of which the file ends: a recording that was broken off. All before it is
    /// served.
    pub cut_at: Option<u64>,
    /// The tracks that can be served, in the file's order. Never empty.
    pub tracks: Vec<Track>,
    /// The tracks that cannot, with the reason.
    pub skipped: Vec<Skipped>,
}

/// How a file is laid out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Layout {
    /// The `moov` stands before the first `mdat`.
    MoovFirst,
    /// The `moov` stands behind the media ("not fast start").
    MoovLast,
    /// Media in movie fragments (`moof`).
    Fragmented,
}

/// A track that is left out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Skipped {
    /// Its track_ID.
    pub track: u32,
    /// Its handler type: `vide`, `soun`, `meta`, `hint`, …
    pub handler: [u8; 4],
    /// Why, in words a user understands.
    pub reason: String,
}

/// One track of a movie.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Track {
    /// Its track_ID, unique in the file, never zero.
    pub id: u32,
    /// What it is for.
    pub kind: Kind,
    /// Its media timescale.
    pub timescale: Timescale,
    /// Its language.
    pub language: Language,
    /// Its title, as people know it; `None` where the file gives none, or only the name of the program that wrote it.
    pub title: Option<Title>,
    /// Whether it plays unless a viewer chooses another. Where a file disables all tracks of a kind, all are enabled.
    pub enabled: bool,
    /// Tracks of one group other than 0 are alternatives: one of them plays at a time (`alternate_group`).
    pub alternate_group: u16,
    /// Its codec.
    pub codec: Codec,
    /// The sample entry as stored, header included: goes into init segments byte for byte.
    pub entry: Bytes,
    /// Which part of its media is presented, and when.
    pub edit: Edit,
    /// Which of its samples the index does not hold, because they are not presented.
    pub left_out: LeftOut,
    /// Where its samples are, in bytes and in time.
    pub index: SampleIndex,
}

/// What a track is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Something to see.
    Video(Picture),
    /// Something to hear.
    Audio(Sound),
}

/// A track's name among all tracks of its asset. It depends on its own file alone.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TrackName {
    /// What it is for.
    pub kind: MediaKind,
    /// Its track_ID in its file.
    pub id: u32,
    /// Its file without extension, where the asset is a folder; `None` where the asset is one file.
    pub file: Option<String>,
}

/// An edit list that maps one contiguous part of the media onto the presentation (ISO/IEC 14496-12 §8.6.6).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Edit {
    /// When the presentation of the track begins: the sum of leading empty edits.
    pub delay: Moment,
    /// The composition time that is presented at `delay`, in the track's timescale.
    pub media_time: Ticks,
    /// How long is presented; `None`: to the end of the media.
    pub length: Option<Moment>,
}

/// Samples of a track that are stored, but not in its index: its edit list does not present them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct LeftOut {
    /// Decoded right behind the keyframe of an edit and presented before it: they need pictures that are left out.
    pub leading: u32,
    /// Between one edit and the next.
    pub between: u32,
    /// Behind the end of the last edit.
    pub behind: u32,
    /// How many of those behind would be presented before the end, but need pictures that are behind it.
    pub undecodable: u32,
    /// Pictures without bytes: the one before is shown longer.
    pub empty: u32,
}

impl Kind {
    /// Whether it is seen or heard.
    #[must_use]
    pub const fn media(&self) -> MediaKind {
        match self {
            Self::Video(_) => MediaKind::Video,
            Self::Audio(_) => MediaKind::Audio,
        }
    }
}

impl Edit {
    /// No edit list: composition time 0 at the beginning, to the end.
    pub const NONE: Self = Self { delay: Moment::ZERO, media_time: Ticks(0), length: None };
}

/// A language as RFC 5646 writes it: `en`, `fr`, `pt-BR`; `und` when the file does not say.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Language(String);

/// The ISO 639-2 codes for which ISO 639-1 has a shorter one, which RFC 5646 §2.2.1 prefers; bibliographic codes too.
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

/// The codes of [`SHORT`] that only catalogues of books use.
const BIBLIOGRAPHIC: [&str; 11] = ["chi", "cze", "dut", "fre", "ger", "gre", "ice", "may", "per", "rum", "slo"];

impl Language {
    /// Undetermined.
    #[must_use]
    pub fn undetermined() -> Self {
        Self("und".into())
    }

    /// `None` unless `tag` is shaped like RFC 5646 §2.1: ASCII letters and digits in parts of 1 to 8, the first of
    /// letters. Three-letter codes become their two-letter equals.
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

    /// The tag.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Its ISO 639-2/T code, as `mdhd` holds it; `und` where there is none.
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

    /// Whether the file says nothing of it.
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
