//! Typed settings: built in, read from a TOML file, overridden by flags.
//!
//! Every key is optional and has the default that [`Config::default`] says; `config.toml` at the top of the
//! repository lists all of them. A key that does not exist, a value without its unit or out of its bounds is refused
//! with file, line and what would be allowed. No file is read unless it is named.

pub mod hosts;
mod service;
mod store;

pub use hosts::Host;
pub use service::{Database, Ingest, Jobs, Library};
pub use store::{Location, Mount, Options, Place, Prefix, Store};

use serde::{Deserialize, Deserializer, de};
use std::fmt;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Duration;

/// All settings.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Where connections are accepted.
    pub listen: Listen,
    /// Where media come from.
    pub store: Store,
    /// How media are cut.
    pub package: Package,
    /// What is kept in memory.
    pub cache: Cache,
    /// How clients are treated.
    pub http: Http,
    /// The database of uploads, jobs and keys.
    pub library: Library,
    /// What may be uploaded.
    pub ingest: Ingest,
    /// Work behind requests.
    pub jobs: Jobs,
    /// What is logged.
    pub log: Log,
}

/// `[listen]`: where connections are accepted.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Listen {
    /// Players and the gallery; port 0 picks a free one.
    #[serde(deserialize_with = "address")]
    pub public: SocketAddr,
    /// The API, health and metrics; port 0 picks a free one.
    #[serde(deserialize_with = "address")]
    pub private: SocketAddr,
    /// Uploads alone, beside the private listener; none where absent.
    #[serde(deserialize_with = "some_address")]
    pub upload: Option<SocketAddr>,
    /// How players reach the public listener; its address where empty.
    pub public_url: String,
}

/// `[package]`: how media are cut.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Package {
    /// What segments aim at; 1s to 60s.
    #[serde(deserialize_with = "segment_target")]
    pub segment_target: Duration,
}

/// `[cache]`: what is kept in memory at most.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Cache {
    /// Media segments.
    pub segments: Size,
    /// Manifests.
    pub manifests: Size,
    /// Indexes of opened files.
    pub indexes: Size,
    /// Blocks of stored objects, where these are not files; part of `segments`, half of it at most. At least 1MiB.
    #[serde(deserialize_with = "making")]
    pub blocks: Size,
    /// The folder of indexes that outlast the program; empty for none.
    pub index_folder: PathBuf,
    /// Bytes of files in it.
    pub index_files: Size,
    /// Whether indexes are kept in object stores too, in `.afflux/` beside what they are of.
    pub index_beside: bool,
    /// Segments that are being made; at least 1MiB.
    #[serde(deserialize_with = "making")]
    pub making: Size,
    /// How long a segment may wait for room to be made in; 0s to 1min.
    #[serde(deserialize_with = "making_wait")]
    pub making_wait: Duration,
}

/// `[http]`: how clients are treated.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Http {
    /// Public connections at once; more wait to be accepted. At least 1.
    #[serde(deserialize_with = "connections")]
    pub connections: usize,
    /// How long a client may take to send a request's head, its idle time before that included; 100ms to 1h.
    #[serde(deserialize_with = "timeout")]
    pub header_timeout: Duration,
    /// How long a client may take nothing of what is sent to it; 100ms to 1h.
    #[serde(deserialize_with = "timeout")]
    pub write_stall: Duration,
    /// How long requests under way may take after SIGTERM; 0s to 1h.
    #[serde(deserialize_with = "drain")]
    pub drain: Duration,
    /// How long entry manifests and stored files may be kept before they are asked for again; 0s to 1h, whole seconds.
    #[serde(deserialize_with = "max_age")]
    pub manifest_max_age: Duration,
    /// Unsent bytes that the kernel holds for each connection (`TCP_NOTSENT_LOWAT`); 16KiB to 1GiB.
    #[serde(deserialize_with = "unsent")]
    pub unsent: Size,
    /// Bytes that all connections together hold to be sent next, beyond the 32 KiB that each may hold in any case.
    pub frames: Size,
    /// Bytes a second that a client must take of what is sent to it, once it has kept it waiting for 20 s; 0B asks none.
    pub minimum_rate: Size,
    /// Whether answers say in `Server-Timing` what they waited for, in milliseconds.
    pub server_timing: bool,
}

/// `[log]`: what is logged, to standard error.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Log {
    /// The least important lines that are written.
    pub level: Level,
}

/// How important a log line is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// Something that an operator has to look at.
    Error,
    /// Something that went wrong and was dealt with.
    Warn,
    /// What the server does.
    #[default]
    Info,
    /// Why it does so.
    Debug,
    /// Everything.
    Trace,
}

impl Level {
    /// The word for it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warn => "warn",
            Self::Info => "info",
            Self::Debug => "debug",
            Self::Trace => "trace",
        }
    }
}

/// A number of bytes; written `512MiB`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Size(u64);

impl Size {
    /// In bytes.
    #[must_use]
    pub const fn bytes(self) -> u64 {
        self.0
    }
}

impl FromStr for Size {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        const ALLOWED: &str = "a size is a whole number and its unit, B, KiB, MiB or GiB, as in \"512MiB\"";
        let (number, unit) = number_and_unit(text).ok_or(ALLOWED)?;
        let scale = match unit {
            "B" => 1,
            "KiB" => 1 << 10,
            "MiB" => 1 << 20,
            "GiB" => 1 << 30,
            _ => return Err(ALLOWED),
        };
        number.checked_mul(scale).map(Self).ok_or(ALLOWED)
    }
}

impl<'de> Deserialize<'de> for Size {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        word(deserializer)
    }
}

/// A length of time; written `6s`.
struct Time(Duration);

impl FromStr for Time {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        const ALLOWED: &str = "a duration is a whole number and its unit, ms, s, min or h, as in \"6s\" or \"500ms\"";
        let (number, unit) = number_and_unit(text).ok_or(ALLOWED)?;
        let millis = match unit {
            "ms" => 1,
            "s" => 1_000,
            "min" => 60_000,
            "h" => 3_600_000,
            _ => return Err(ALLOWED),
        };
        number.checked_mul(millis).map(|millis| Self(Duration::from_millis(millis))).ok_or(ALLOWED)
    }
}

fn number_and_unit(text: &str) -> Option<(u64, &str)> {
    let digits = text.find(|c: char| !c.is_ascii_digit())?;
    let (number, unit) = text.split_at_checked(digits)?;
    Some((number.parse().ok()?, unit))
}

/// A string that `T` is parsed from. Numbers and booleans come here too: they lack their unit, and `T` says so.
struct Word<T>(std::marker::PhantomData<T>);

impl<T: FromStr<Err = &'static str>> de::Visitor<'_> for Word<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(T::from_str("").err().unwrap_or("a string"))
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<T, E> {
        text.parse().map_err(|allowed| E::custom(format_args!("`{text}`: {allowed}")))
    }
}

fn word<'de, D: Deserializer<'de>, T: FromStr<Err = &'static str>>(deserializer: D) -> Result<T, D::Error> {
    deserializer.deserialize_str(Word(std::marker::PhantomData))
}

/// An address with a port.
struct Address(SocketAddr);

impl FromStr for Address {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        text.parse().map(Self).map_err(|_| "an address is an IP and a port, as in \"127.0.0.1:8080\" or \"[::]:8080\"")
    }
}

fn address<'de, D: Deserializer<'de>>(deserializer: D) -> Result<SocketAddr, D::Error> {
    word(deserializer).map(|Address(address)| address)
}

fn some_address<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<SocketAddr>, D::Error> {
    let text = String::deserialize(deserializer)?;
    if text.is_empty() { Ok(None) } else { address(de::value::StrDeserializer::new(&text)).map(Some) }
}

const HOUR: Duration = Duration::from_hours(1);

fn segment_target<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    time_within(deserializer, (Duration::from_secs(1), Duration::from_mins(1)), "1s to 60s")
}

fn timeout<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    time_within(deserializer, (Duration::from_millis(100), HOUR), "100ms to 1h")
}

fn drain<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    time_within(deserializer, (Duration::ZERO, HOUR), "0s to 1h")
}

fn max_age<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    let age = time_within(deserializer, (Duration::ZERO, HOUR), "0s to 1h")?;
    if age.subsec_nanos() == 0 { Ok(age) } else { Err(de::Error::custom("whole seconds are allowed")) }
}

fn time_within<'de, D: Deserializer<'de>>(
    deserializer: D,
    (least, most): (Duration, Duration),
    allowed: &str,
) -> Result<Duration, D::Error> {
    let Time(time) = word(deserializer)?;
    let inside = (least..=most).contains(&time);
    if inside { Ok(time) } else { Err(de::Error::custom(format_args!("{allowed} is allowed"))) }
}

fn connections<'de, D: Deserializer<'de>>(deserializer: D) -> Result<usize, D::Error> {
    let count = usize::deserialize(deserializer)?;
    let inside = (1..=1_000_000).contains(&count);
    if inside { Ok(count) } else { Err(de::Error::custom("1 to 1000000 is allowed")) }
}

fn making<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Size, D::Error> {
    let size = Size::deserialize(deserializer)?;
    let inside = (Size(1 << 20)..=Size(1 << 40)).contains(&size);
    if inside { Ok(size) } else { Err(de::Error::custom("1MiB to 1024GiB is allowed")) }
}

fn making_wait<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    time_within(deserializer, (Duration::ZERO, Duration::from_mins(1)), "0s to 1min")
}

fn unsent<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Size, D::Error> {
    let size = Size::deserialize(deserializer)?;
    let inside = (Size(16 << 10)..=Size(1 << 30)).contains(&size);
    if inside { Ok(size) } else { Err(de::Error::custom("16KiB to 1GiB is allowed")) }
}

impl Default for Listen {
    fn default() -> Self {
        let here = |port| SocketAddr::from(([127, 0, 0, 1], port));
        Self { public: here(8080), private: here(8081), upload: None, public_url: String::new() }
    }
}

impl Default for Package {
    fn default() -> Self {
        Self { segment_target: Duration::from_secs(6) }
    }
}

impl Default for Cache {
    fn default() -> Self {
        Self {
            segments: Size(512 << 20),
            manifests: Size(32 << 20),
            indexes: Size(256 << 20),
            blocks: Size(64 << 20),
            index_folder: PathBuf::new(),
            index_files: Size(1 << 30),
            index_beside: false,
            making: Size(64 << 20),
            making_wait: Duration::from_secs(5),
        }
    }
}

impl Default for Http {
    fn default() -> Self {
        Self {
            connections: 10_000,
            header_timeout: Duration::from_secs(10),
            write_stall: Duration::from_secs(20),
            drain: Duration::from_secs(10),
            manifest_max_age: Duration::from_secs(2),
            unsent: Size(512 << 10),
            frames: Size(12 << 20),
            minimum_rate: Size(1 << 10),
            server_timing: true,
        }
    }
}

/// What flags set; each wins over the file.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Overrides {
    /// Instead of `listen.public`.
    pub public: Option<SocketAddr>,
    /// Instead of `listen.private`.
    pub private: Option<SocketAddr>,
    /// Instead of `store.media`.
    pub media: Option<PathBuf>,
    /// Instead of `store.url`.
    pub store: Option<Location>,
    /// Instead of `library.url`.
    pub library: Option<Database>,
}

/// Why there is no configuration. Each prints as one line.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The file that was named cannot be read.
    #[error("{}: {why}", path.display())]
    File {
        /// Which file.
        path: PathBuf,
        /// What the system says.
        why: std::io::Error,
    },
    /// The file says something that is not allowed.
    #[error("{}:{line}: {key}: {what}", path.display())]
    Line {
        /// Which file.
        path: PathBuf,
        /// Its line, from 1.
        line: usize,
        /// The key on that line, with its section.
        key: String,
        /// What is wrong, and what is allowed.
        what: String,
    },
    /// `store.media` is not a folder.
    #[error("{}: {what} (the folder of media: `store.media` or --media)", path.display())]
    Media {
        /// What is there instead.
        path: PathBuf,
        /// What the system says.
        what: String,
    },
}

impl Config {
    /// The settings of the file at `path`, or the defaults where there is none, under `overrides`.
    pub fn load(path: Option<&Path>, overrides: Overrides) -> Result<Self, Error> {
        let mut config = match path {
            Some(path) => {
                let text = std::fs::read_to_string(path).map_err(|why| Error::File { path: path.into(), why })?;
                Self::parse(path, &text)?
            }
            None => Self::default(),
        };
        config.listen.public = overrides.public.unwrap_or(config.listen.public);
        config.listen.private = overrides.private.unwrap_or(config.listen.private);
        if let Some(media) = overrides.media {
            (config.store.media, config.store.url) = (media, Location::default());
        }
        config.store.url = overrides.store.unwrap_or(config.store.url);
        config.library.url = overrides.library.unwrap_or(config.library.url);
        config.store.check()?;
        Ok(config)
    }

    fn parse(path: &Path, text: &str) -> Result<Self, Error> {
        toml::from_str(text).map_err(|error| {
            let at = error.span().map_or(0, |span| span.start);
            let before = text.get(..at).unwrap_or_default();
            let line = before.matches('\n').count();
            let what = error.message().replace('\n', ", ");
            Error::Line { path: path.into(), line: line + 1, key: key_at(text, line), what }
        })
    }
}

/// The key that `line`, counted from 0, sets: `section.key`, as far as the text says.
fn key_at(text: &str, line: usize) -> String {
    let section_of = |line: &str| line.trim().strip_prefix('[').map(|rest| rest.trim_end_matches(']').to_owned());
    let here = text.lines().nth(line).unwrap_or_default();
    if let Some(section) = section_of(here) {
        return section;
    }
    let key = here.split(['=', '#']).next().unwrap_or_default().trim();
    let section = text.lines().take(line).filter_map(section_of).last();
    section.map_or_else(|| key.to_owned(), |section| format!("{section}.{key}"))
}

#[cfg(test)]
mod tests {
    use super::{Config, Error, Overrides, Size};
    use std::path::{Path, PathBuf};
    use std::time::Duration;

    const DOCUMENT: &str = include_str!("../config.toml");

    fn parse(text: &str) -> Result<Config, String> {
        Config::parse(Path::new("c.toml"), text).map_err(|error| error.to_string())
    }

    /// `config.toml` with each `# key = value` in force.
    fn uncommented() -> String {
        let set = |line: &str| match line.strip_prefix("# ") {
            Some(rest) if rest.contains(" = ") => format!("{rest}\n"),
            _ => format!("{line}\n"),
        };
        DOCUMENT.lines().map(set).collect()
    }

    #[test]
    fn the_documented_file_says_the_defaults() {
        assert_eq!(parse(DOCUMENT), Ok(Config::default()));
        assert_eq!(parse(&uncommented()), Ok(Config::default()));
    }

    #[test]
    fn the_documented_file_mentions_every_key() {
        // What serde expects where it finds a stranger is the list of all keys.
        let expected = |text: &str| -> Vec<String> {
            let error = parse(text).unwrap_err();
            let (_, list) = error.split_once("expected").unwrap();
            list.split('`').skip(1).step_by(2).map(String::from).collect()
        };
        let sections = expected("stranger = 1");
        assert_eq!(sections.len(), 9);
        for section in sections {
            let text = uncommented();
            let (_, body) = text.split_once(&format!("[{section}]\n")).unwrap();
            let body = body.split("\n[").next().unwrap();
            for key in expected(&format!("[{section}]\nstranger = 1")) {
                assert!(body.lines().any(|line| line.starts_with(&format!("{key} = "))), "{section}.{key}");
            }
        }
    }

    #[test]
    fn each_mistake_names_file_line_key_and_what_is_allowed() {
        let error = |text: &str| parse(text).unwrap_err();
        assert_eq!(
            error("[cache]\n\nsegment = \"1MiB\""),
            "c.toml:3: cache.segment: unknown field `segment`, expected one of `segments`, `manifests`, `indexes`, `blocks`, `index_folder`, `index_files`, `index_beside`, `making`, `making_wait`"
        );
        assert_eq!(
            error("[package]\nsegment_target = \"6\""),
            "c.toml:2: package.segment_target: `6`: a duration is a whole number and its unit, ms, s, min or h, as in \"6s\" or \"500ms\""
        );
        assert_eq!(
            error("[package]\nsegment_target = 6"),
            "c.toml:2: package.segment_target: invalid type: integer `6`, expected a duration is a whole number and its unit, ms, s, min or h, as in \"6s\" or \"500ms\""
        );
        assert_eq!(
            error("[package]\nsegment_target = \"61s\""),
            "c.toml:2: package.segment_target: 1s to 60s is allowed"
        );
        assert_eq!(
            error("[cache]\nsegments = \"5MB\""),
            "c.toml:2: cache.segments: `5MB`: a size is a whole number and its unit, B, KiB, MiB or GiB, as in \"512MiB\""
        );
        assert_eq!(
            error("[listen]\npublic = \"8080\""),
            "c.toml:2: listen.public: `8080`: an address is an IP and a port, as in \"127.0.0.1:8080\" or \"[::]:8080\""
        );
        assert_eq!(error("[http]\nconnections = 0"), "c.toml:2: http.connections: 1 to 1000000 is allowed");
        assert_eq!(
            error("[http]\nmanifest_max_age = \"1500ms\""),
            "c.toml:2: http.manifest_max_age: whole seconds are allowed"
        );
        assert_eq!(
            error("[log]\nlevel = \"loud\""),
            "c.toml:2: log.level: unknown variant `loud`, expected one of `error`, `warn`, `info`, `debug`, `trace`"
        );
        assert_eq!(
            error("[http]\nserver_timing = \"off\""),
            "c.toml:2: http.server_timing: invalid type: string \"off\", expected a boolean"
        );
        assert!(!error("[http\nx").contains('\n'));
    }

    #[test]
    fn units_are_read_as_they_are_written() {
        let config =
            parse("[cache]\nsegments = \"3GiB\"\n[store]\nrefresh = \"500ms\"\n[http]\ndrain = \"1min\"").unwrap();
        assert_eq!(config.cache.segments, Size(3 << 30));
        assert_eq!(config.store.refresh, Duration::from_millis(500));
        assert_eq!(config.http.drain, Duration::from_mins(1));
    }

    #[test]
    fn flags_win_over_the_file() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("c.toml");
        std::fs::write(
            &file,
            "[listen]\npublic = \"127.0.0.1:1\"\nprivate = \"127.0.0.1:2\"\n[store]\nmedia = \"nowhere\"",
        )
        .unwrap();
        let overrides = Overrides {
            public: Some("127.0.0.1:3".parse().unwrap()),
            media: Some(folder.path().into()),
            ..Overrides::default()
        };
        let config = Config::load(Some(&file), overrides).unwrap();
        assert_eq!(config.listen.public.port(), 3);
        assert_eq!(config.listen.private.port(), 2);
        assert_eq!(config.store.media, folder.path());
    }

    #[test]
    fn a_missing_folder_is_named() {
        let overrides = Overrides { media: Some(PathBuf::from("/no/such/folder")), ..Overrides::default() };
        let error: Error = Config::load(None, overrides).unwrap_err();
        assert_eq!(
            error.to_string(),
            "/no/such/folder: does not exist (the folder of media: `store.media` or --media)"
        );
    }
}
