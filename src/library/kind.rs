//! Kinds of jobs, and the words by which rows and responses call them.

/// The work that a job does; it decides which workers can run it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum JobKind {
    /// Publishes an upload. Its dangerous part, reading and planning an untrusted file, runs in a child process: a
    /// worker that dies with such a job was most likely killed from outside.
    Finish,
    /// Fetches a file from another host.
    Import,
    /// Removes the files of an asset that was deleted.
    Purge,
    /// Removes a file that another has replaced.
    Discard,
    /// Asks GStreamer about a published upload.
    Discover,
}

impl JobKind {
    /// All kinds.
    pub const ALL: [Self; 5] = [Self::Finish, Self::Import, Self::Purge, Self::Discard, Self::Discover];

    /// The word for this kind in rows and responses.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Finish => "finish",
            Self::Import => "import",
            Self::Purge => "purge",
            Self::Discard => "discard",
            Self::Discover => "discover",
        }
    }

    /// Parses a kind. `None` if the word is unknown.
    #[must_use]
    pub fn of(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.word() == word)
    }
}

impl std::fmt::Display for JobKind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.word())
    }
}

#[cfg(test)]
mod tests {
    use super::JobKind;

    #[test]
    fn every_kind_is_parsed_from_the_word_that_rows_hold() {
        let words = ["finish", "import", "purge", "discard", "discover"];
        assert_eq!(words.map(JobKind::of), JobKind::ALL.map(Some));
        assert_eq!(JobKind::ALL.map(JobKind::word), words);
        assert_eq!(["Finish", "publish", ""].map(JobKind::of), [None; 3]);
    }
}
