//! Decoder of the 16-bit language code in `mdhd` → [`Language`].

use crate::media::Language;

/// Languages of the Macintosh codes 0 to 33 (QuickTime File Format, "Language code values"); other codes are rare.
const MACINTOSH: [&str; 34] = [
    "en", "fr", "de", "it", "nl", "sv", "es", "da", "pt", "no", "he", "ja", "ar", "fi", "el", "is", "mt", "tr", "hr",
    "zh-Hant", "ur", "hi", "th", "ko", "lt", "pl", "hu", "et", "lv", "se", "fo", "fa", "ru", "zh-Hans",
];

/// File format, which gives language codes below 0x400 their meaning.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Dialect {
    /// ISO base media: the codes have no meaning.
    Iso,
    /// QuickTime: the codes are Macintosh languages.
    QuickTime,
}

/// Decodes three letters of 5 bits each (ISO/IEC 14496-12 §8.4.2), or a Macintosh code in a QuickTime file.
pub(super) fn language(code: u16, dialect: Dialect) -> Language {
    let found = match code {
        0..0x400 if dialect == Dialect::QuickTime => {
            MACINTOSH.get(usize::from(code)).and_then(|tag| Language::new(tag))
        }
        0..0x400 | 0x7fff => None,
        _ => packed(code),
    };
    found.unwrap_or_else(Language::undetermined)
}

fn packed(code: u16) -> Option<Language> {
    let letter = |shift: u16| u8::try_from((code >> shift) & 0x1f).map(|low| char::from(low + 0x60));
    let tag: String = [letter(10), letter(5), letter(0)].into_iter().collect::<Result<_, _>>().ok()?;
    Language::new(&tag)
}

#[cfg(test)]
mod tests {
    use super::{Dialect, language};

    #[test]
    fn letters_are_unpacked_and_macintosh_codes_count_in_quicktime_alone() {
        let of = |code, dialect| language(code, dialect).as_str().to_owned();
        assert_eq!(of(0x15c7, Dialect::Iso), "en");
        assert_eq!(of(0x55c4, Dialect::Iso), "und");
        assert_eq!(of(0x7fff, Dialect::QuickTime), "und");
        assert_eq!((of(0, Dialect::QuickTime), of(0, Dialect::Iso)), ("en".into(), "und".into()));
        assert_eq!(of(19, Dialect::QuickTime), "zh-Hant");
        assert_eq!(of(0x3ff, Dialect::QuickTime), "und");
        assert_eq!(of(0xffff, Dialect::Iso), "und");
    }
}
