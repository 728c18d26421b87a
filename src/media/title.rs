//! The title of a track, from the file.

/// Name of a track for people: `English`, `Director's commentary`. One line, without double quotes.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Title(String);

/// Largest number of characters in a title; the rest is cut off.
const LENGTH: usize = 100;

/// Words that identify track names given by programs, not by people.
const PROGRAMS: [&str; 8] =
    ["handler", "core media", "iso media", "mainconcept", "produced by", "gpac", "bento4", "l-smash"];

impl Title {
    /// Creates a title; `None` for a name without meaning, or one that only names the program that wrote the file.
    /// Removes control characters and replaces double quotes, so that a playlist can quote the title (RFC 8216 §4.2).
    #[must_use]
    pub fn new(name: &str) -> Option<Self> {
        let printed = |letter: char| if letter == '"' { '\'' } else { letter };
        let plain: String = name.chars().filter(|letter| !letter.is_control()).map(printed).take(LENGTH).collect();
        let plain = plain.trim();
        let lower = plain.to_lowercase();
        let program = PROGRAMS.iter().any(|word| lower.contains(word));
        let kind = matches!(
            lower.as_str(),
            "videohandle" | "soundhandle" | "vide" | "video" | "soun" | "sound" | "audio" | "track" | "und" | "unnamed"
        );
        (!plain.is_empty() && !program && !kind).then(|| Self(plain.into()))
    }

    /// The title.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::Title;

    fn title(name: &str) -> Option<String> {
        Title::new(name).map(|title| title.as_str().to_owned())
    }

    #[test]
    fn a_title_is_one_line_that_can_be_quoted() {
        assert_eq!(title(" English\0").as_deref(), Some("English"));
        assert_eq!(title("The \"other\"\r\n one").as_deref(), Some("The 'other' one"));
        assert_eq!(title(&"é".repeat(500)).unwrap().chars().count(), 100);
    }

    #[test]
    fn a_name_that_a_program_gave_is_no_title() {
        for name in ["", " ", "VideoHandler", "SoundHandle", "Core Media Audio", "soun", "Apple Sound Media Handler"] {
            assert_eq!(title(name), None, "{name}");
        }
        for name in ["ISO Media file produced by Google Inc.", "GPAC ISO Audio Handler", "Mainconcept MP4 Sound Media"]
        {
            assert_eq!(title(name), None, "{name}");
        }
    }
}
