//! The typed configuration: defaults, overridden by a TOML file, overridden by flags.
//!
//! Every key is optional, with the default of [`Config::default`]; `config.toml` at the top of the repository lists all
//! keys. An unknown key, or a value without its unit or out of range, is an error with the file, the line and the
//! allowed values. No file is read unless its path is given.

mod build;
pub mod hosts;
mod limits;
mod service;
mod site;
mod store;
mod units;

pub use hosts::Host;
pub use limits::Limits;
pub use service::{Database, IngestConfig, Jobs, LibraryConfig, OnConflict};
pub use site::{Gallery, Site};
pub use store::{Location, MountConfig, Options, Prefix, StoreAddress, StoreConfig};
pub use units::ByteSize;

use serde::{Deserialize, Deserializer, de};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;
use units::{Range, UP_TO_AN_HOUR, address, count_within, size_within, some_address, time_within};

/// All settings.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Addresses to listen on.
    pub listen: Listen,
    /// Sources of media.
    pub store: StoreConfig,
    /// How media are cut into segments.
    pub package: Package,
    /// Sizes of caches.
    pub cache: CacheConfig,
    /// The gallery, and access to stored files.
    pub site: Site,
    /// Limits on one asset.
    pub limits: Limits,
    /// Limits on clients and connections.
    pub http: Http,
    /// The database of uploads, jobs and keys.
    pub library: LibraryConfig,
    /// Uploads and imports.
    pub ingest: IngestConfig,
    /// Background jobs.
    pub jobs: Jobs,
    /// Logging.
    pub log: Log,
}

/// `[listen]`: addresses to listen on.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Listen {
    /// Listener for players and the gallery; port 0 picks a free port.
    #[serde(deserialize_with = "address")]
    pub public: SocketAddr,
    /// Listener for the API, health and metrics; port 0 picks a free port.
    #[serde(deserialize_with = "address")]
    pub private: SocketAddr,
    /// Additional listener for uploads only; `None` for no such listener.
    #[serde(deserialize_with = "some_address")]
    pub upload: Option<SocketAddr>,
    /// URL by which players reach the public listener. If empty: its address, or the host that the API's caller used if
    /// it listens on all addresses.
    #[serde(deserialize_with = "public_url")]
    pub public_url: String,
}

/// `[package]`: how media are cut into segments.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Package {
    /// Target duration of segments; 1s to 60s.
    #[serde(deserialize_with = "segment_target")]
    pub segment_target: Duration,
}

/// `[cache]`: sizes of caches.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct CacheConfig {
    /// Media segments; 0B to 1024GiB.
    #[serde(deserialize_with = "memory")]
    pub segments: ByteSize,
    /// Manifests; 0B to 1024GiB.
    #[serde(deserialize_with = "memory")]
    pub manifests: ByteSize,
    /// Indexes of opened files; 0B to 1024GiB.
    #[serde(deserialize_with = "memory")]
    pub indexes: ByteSize,
    /// Blocks of objects in object stores; part of `segments`, at most half of it; 1MiB to 1024GiB.
    #[serde(deserialize_with = "making")]
    pub blocks: ByteSize,
    /// Folder of index files, which outlast the program; empty for none.
    pub index_folder: PathBuf,
    /// Total size of the files in it; 0B to 1048576GiB.
    pub index_files: ByteSize,
    /// Whether index files are stored in object stores too, in `.afflux/` next to their objects.
    pub index_beside: bool,
    /// Segments that are being built; 1MiB to 1024GiB.
    #[serde(deserialize_with = "making")]
    pub making: ByteSize,
    /// How long a segment may wait until there is room to build it; 0s to 1min.
    #[serde(deserialize_with = "making_wait")]
    pub making_wait: Duration,
}

/// `[http]`: limits on clients and connections.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Http {
    /// Most public connections at once; more wait to be accepted. 1 to 1000000.
    #[serde(deserialize_with = "connections")]
    pub connections: usize,
    /// How long a client may take to send the head of a request, including idle time before it; 100ms to 1h.
    #[serde(deserialize_with = "timeout")]
    pub header_timeout: Duration,
    /// How long a client may read nothing of a response; 100ms to 1h.
    #[serde(deserialize_with = "timeout")]
    pub write_stall: Duration,
    /// How long a client may send nothing of a request body; 100ms to 1h.
    #[serde(deserialize_with = "timeout")]
    pub read_stall: Duration,
    /// How long running requests may take after SIGTERM; 0s to 1h.
    #[serde(deserialize_with = "drain")]
    pub drain: Duration,
    /// How long clients may cache entry manifests and stored files before they revalidate them; 0s to 1h, whole
    /// seconds.
    #[serde(deserialize_with = "max_age")]
    pub manifest_max_age: Duration,
    /// Unsent bytes that the kernel holds for each connection (`TCP_NOTSENT_LOWAT`); 16KiB to 1GiB.
    #[serde(deserialize_with = "unsent")]
    pub unsent: ByteSize,
    /// Bytes that all connections together may hold to send next, in addition to 32 KiB for each connection; 0B to
    /// 1024GiB.
    #[serde(deserialize_with = "memory")]
    pub frames: ByteSize,
    /// Bytes a second that a client must receive of a response, or send of a request body, after it has kept the server
    /// waiting for 20 s; 0B to 1GiB, 0B for no minimum.
    #[serde(deserialize_with = "rate")]
    pub minimum_rate: ByteSize,
    /// Whether responses have a `Server-Timing` header with the times that they waited, in milliseconds.
    pub server_timing: bool,
    /// Requests for unknown names that a client may send each second, where each costs requests to an object store; 0
    /// for no limit.
    pub misses_per_client: u32,
    /// Requests for unknown names that all clients together may send each second; 0 for no limit.
    pub misses: u32,
}

/// `[log]`: logging to standard error, and the access log.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Log {
    /// Least important level that is logged.
    pub level: LogLevel,
    /// Format of log lines.
    pub format: LogFormat,
    /// Format of the access log.
    pub access: AccessFormat,
    /// File to append the access log to; empty for standard output.
    pub access_file: PathBuf,
}

/// Format of log lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// For people: time, level, module, message, `name=value`.
    #[default]
    Text,
    /// For programs: one JSON object on each line.
    Json,
}

/// Format of the access log, which has one line for each response.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum AccessFormat {
    /// No access log.
    #[default]
    Off,
    /// Combined log format, as in other web servers.
    Combined,
    /// One JSON object on each line.
    Json,
}

/// Importance of a log line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogLevel {
    /// Problems that an operator must look at.
    Error,
    /// Problems that the server handled.
    Warn,
    /// Actions of the server.
    #[default]
    Info,
    /// Reasons for these actions.
    Debug,
    /// All details.
    Trace,
}

const HOUR: Duration = Duration::from_hours(1);

fn public_url<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    let text = String::deserialize(deserializer)?;
    if text.is_empty() || is_web_url(&text) {
        return Ok(text);
    }
    let allowed = "a URL is allowed, as in \"https://video.example.com\", or nothing";
    Err(de::Error::custom(format_args!("`{text}`: {allowed}")))
}

/// Whether `text` is the address of a web server, with or without a path.
fn is_web_url(text: &str) -> bool {
    let rest = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"));
    let is_plain = |rest: &str| !rest.contains(|c: char| c.is_control() || " \"<>?#@\\".contains(c));
    rest.is_some_and(|rest| !rest.is_empty() && !rest.starts_with(['/', ':']) && is_plain(rest))
}

fn segment_target<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    let (least, most) = (Duration::from_secs(1), Duration::from_mins(1));
    time_within(deserializer, Range { least, most, allowed: "1s to 60s" })
}

fn timeout<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    time_within(deserializer, Range { least: Duration::from_millis(100), most: HOUR, allowed: "100ms to 1h" })
}

fn drain<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    time_within(deserializer, UP_TO_AN_HOUR)
}

fn max_age<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    let age = time_within(deserializer, UP_TO_AN_HOUR)?;
    if age.subsec_nanos() == 0 { Ok(age) } else { Err(de::Error::custom("whole seconds are allowed")) }
}

fn making_wait<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    time_within(deserializer, Range { least: Duration::ZERO, most: Duration::from_mins(1), allowed: "0s to 1min" })
}

fn connections<'de, D: Deserializer<'de>>(deserializer: D) -> Result<usize, D::Error> {
    count_within(deserializer, Range { least: 1, most: 1_000_000, allowed: "1 to 1000000" })
}

fn memory<'de, D: Deserializer<'de>>(deserializer: D) -> Result<ByteSize, D::Error> {
    size_within(deserializer, Range { least: ByteSize(0), most: ByteSize(1 << 40), allowed: "0B to 1024GiB" })
}

fn making<'de, D: Deserializer<'de>>(deserializer: D) -> Result<ByteSize, D::Error> {
    size_within(deserializer, Range { least: ByteSize(1 << 20), most: ByteSize(1 << 40), allowed: "1MiB to 1024GiB" })
}

fn unsent<'de, D: Deserializer<'de>>(deserializer: D) -> Result<ByteSize, D::Error> {
    size_within(deserializer, Range { least: ByteSize(16 << 10), most: ByteSize(1 << 30), allowed: "16KiB to 1GiB" })
}

fn rate<'de, D: Deserializer<'de>>(deserializer: D) -> Result<ByteSize, D::Error> {
    size_within(deserializer, Range { least: ByteSize(0), most: ByteSize(1 << 30), allowed: "0B to 1GiB" })
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

impl Default for CacheConfig {
    fn default() -> Self {
        Self {
            segments: ByteSize(512 << 20),
            manifests: ByteSize(32 << 20),
            indexes: ByteSize(256 << 20),
            blocks: ByteSize(64 << 20),
            index_folder: PathBuf::new(),
            index_files: ByteSize(1 << 30),
            index_beside: false,
            making: ByteSize(64 << 20),
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
            read_stall: Duration::from_secs(20),
            drain: Duration::from_secs(10),
            manifest_max_age: Duration::from_secs(2),
            unsent: ByteSize(512 << 10),
            frames: ByteSize(12 << 20),
            minimum_rate: ByteSize(1 << 10),
            server_timing: true,
            misses_per_client: 10,
            misses: 100,
        }
    }
}

/// Values from flags, which override the file.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Overrides {
    /// Overrides `listen.public`.
    pub public: Option<SocketAddr>,
    /// Overrides `listen.private`.
    pub private: Option<SocketAddr>,
    /// Overrides `store.media`, and clears `store.url`.
    pub media: Option<PathBuf>,
    /// Overrides `store.url`.
    pub store: Option<Location>,
    /// Overrides `library.url`.
    pub library: Option<Database>,
}

/// Errors of loading the configuration. Each prints as one line.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The configuration file cannot be read.
    #[error("{}: {why}", path.display())]
    File {
        /// Path of the file.
        path: PathBuf,
        /// Error of the operating system.
        why: std::io::Error,
    },
    /// A line of the file is invalid.
    #[error("{}:{line}: {key}: {what}", path.display())]
    Line {
        /// Path of the file.
        path: PathBuf,
        /// Line number, from 1.
        line: usize,
        /// The key on that line, with its section.
        key: String,
        /// The problem and the allowed values.
        what: String,
    },
    /// The file begins with a byte order mark.
    #[error("{}:1: the file begins with a byte order mark (BOM): save it as UTF-8 without one", path.display())]
    Mark {
        /// Path of the file.
        path: PathBuf,
    },
    /// A mount cannot be used.
    #[error("store.mounts: `{prefix}`: {why}")]
    Mount {
        /// Prefix of the mount.
        prefix: String,
        /// The problem.
        why: &'static str,
    },
    /// `store.media` is not a folder.
    #[error("{}: {what} (the folder of media: `store.media` or --media)", path.display())]
    Media {
        /// Configured path.
        path: PathBuf,
        /// The problem, or the error of the operating system.
        what: String,
    },
}

impl Config {
    /// Loads the file at `path`, or the defaults if `path` is `None`, and applies `overrides`. Checks that the folder
    /// of media exists and that mounts are valid.
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
        if text.starts_with('\u{feff}') {
            return Err(Error::Mark { path: path.into() });
        }
        toml::from_str(text).map_err(|error| {
            let at = error.span().map_or(0, |span| span.start);
            let before = text.get(..at).unwrap_or_default();
            let line = before.matches('\n').count();
            let what = error.message().replace('\n', ", ");
            Error::Line { path: path.into(), line: line + 1, key: key_at(text, line), what }
        })
    }
}

/// The key that `line`, counted from 0, sets, as `section.key`; a part is missing if the text has none. A line inside
/// an array belongs to the key above it.
fn key_at(text: &str, line: usize) -> String {
    let (mut section, mut key) = (String::new(), String::new());
    for each in text.lines().take(line.saturating_add(1)).map(str::trim) {
        if let Some(head) = each.strip_prefix('[') {
            head.trim_start_matches('[').split(']').next().unwrap_or(head).clone_into(&mut section);
            key.clear();
        } else if each.starts_with(|c: char| c.is_alphanumeric() || matches!(c, '_' | '-')) {
            each.split(['=', '#']).next().unwrap_or(each).trim().clone_into(&mut key);
        }
    }
    [section, key].into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(".")
}

#[cfg(test)]
mod tests {
    use super::{ByteSize, Config, Error, Overrides};
    use std::path::{Path, PathBuf};
    use std::time::Duration;

    const DOCUMENT: &str = include_str!("../config.toml");

    fn parse(text: &str) -> Result<Config, String> {
        Config::parse(Path::new("c.toml"), text).map_err(|error| error.to_string())
    }

    /// `config.toml` with each `# key = value` uncommented.
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
        // For an unknown field, serde's message lists all known keys.
        let expected = |text: &str| -> Vec<String> {
            let error = parse(text).unwrap_err();
            let (_, list) = error.split_once("expected").unwrap();
            list.split('`').skip(1).step_by(2).map(String::from).collect()
        };
        let sections = expected("stranger = 1");
        assert_eq!(sections.len(), 11);
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

    /// Each key of `config.toml` with its default, as `section.key`, the line that sets it, and the default.
    fn documented() -> Vec<(String, String, String)> {
        let text = uncommented();
        let (mut section, mut keys) = ("", Vec::new());
        for line in text.lines() {
            if let Some(head) = line.strip_prefix('[') {
                section = head.trim_end_matches(']');
            } else if let Some((key, value)) = line.split_once(" = ").filter(|_| !line.starts_with('#')) {
                keys.push((format!("{section}.{key}"), format!("[{section}]\n{key} = "), value.to_owned()));
            }
        }
        keys
    }

    #[test]
    fn every_size_and_every_duration_has_bounds() {
        let ends_with = |value: &str, units: &[&str]| {
            let text = value.trim_matches('"');
            text.starts_with(|c: char| c.is_ascii_digit())
                && units.iter().any(|unit| text.trim_start_matches(|c: char| c.is_ascii_digit()) == *unit)
        };
        let (mut sizes, mut durations) = (0, 0);
        for (key, line, value) in documented() {
            let tried: &[&str] = if ends_with(&value, &["B", "KiB", "MiB", "GiB"]) {
                sizes += 1;
                &["17179869184GiB", "17179869183GiB", "1048577GiB", "99999999999999999999B"]
            } else if ends_with(&value, &["ms", "s", "min", "h"]) {
                durations += 1;
                &["5124095576030432h", "18446744073709551615ms", "99999999999999999999s", "721h"]
            } else {
                continue;
            };
            for each in tried {
                let error = parse(&format!("{line}\"{each}\"")).expect_err(&format!("{key} = {each}"));
                let (place, allowed) = error.split_once(&format!("{key}: ")).unwrap();
                assert_eq!(place, "c.toml:2: ");
                assert!(allowed.contains(" to ") && allowed.ends_with(" is allowed"), "{error}");
            }
        }
        assert!(sizes >= 11 && durations >= 12, "{sizes} sizes, {durations} durations");
    }

    #[test]
    fn a_byte_order_mark_is_refused_by_name() {
        assert_eq!(
            parse("\u{feff}[log]\nlevel = \"debug\""),
            Err("c.toml:1: the file begins with a byte order mark (BOM): save it as UTF-8 without one".into())
        );
    }

    #[test]
    fn counts_addresses_and_urls_are_checked() {
        let error = |text: &str| parse(text).unwrap_err();
        assert_eq!(error("[http]\nconnections = -5"), "c.toml:2: http.connections: 1 to 1000000 is allowed");
        assert_eq!(error("[jobs]\nworkers = 65"), "c.toml:2: jobs.workers: 0 to 64 is allowed");
        assert_eq!(
            error("[jobs]\nworkers = 1.5"),
            "c.toml:2: jobs.workers: invalid type: floating point `1.5`, expected 0 to 64"
        );
        assert_eq!(
            error("[listen]\nprivate = \"127.0.0.1:65536\""),
            "c.toml:2: listen.private: `127.0.0.1:65536`: an address is an IP and a port, as in \"127.0.0.1:8080\" or \"[::]:8080\""
        );
        assert_eq!(
            error("[listen]\npublic_url = \"video.example.com\""),
            "c.toml:2: listen.public_url: `video.example.com`: a URL is allowed, as in \"https://video.example.com\", or nothing"
        );
        assert_eq!(
            error("[ingest]\norigins = [\n  \"https://studio.example.com/\",\n]"),
            "c.toml:2: ingest.origins: `https://studio.example.com/`: an origin is a scheme and a host, as in \"https://studio.example.com\""
        );
        assert_eq!(
            error("[[store.mounts]]\nprefix = \"a\"\nurl = \"s3://b\"\noptions = { endpoint = \"minio:9000\" }"),
            "c.toml:4: store.mounts.options: `minio:9000`: an endpoint is a URL, as in \"https://minio.example.com:9000\", or nothing"
        );
        assert!(parse("[ingest]\norigins = [\"https://a.example\", \"http://b:8080\"]").is_ok());
    }

    #[test]
    fn a_key_that_is_set_twice_is_named() {
        let error = |text: &str| parse(text).unwrap_err();
        assert_eq!(error("[http]\nconnections = 1\nconnections = 2"), "c.toml:3: http.connections: duplicate key");
        assert_eq!(error("[log]\nlevel = \"info\"\n[log]\nlevel = \"warn\""), "c.toml:3: log: duplicate key");
    }

    #[test]
    fn a_password_is_not_quoted() {
        assert_eq!(
            parse("[library]\nurl = \"postgres:/user:secret@host/name\"").unwrap_err(),
            "c.toml:2: library.url: a database is sqlite:file, postgres://user@host/name, or none"
        );
    }

    #[test]
    fn units_are_read_as_they_are_written() {
        let config =
            parse("[cache]\nsegments = \"3GiB\"\n[store]\nrefresh = \"500ms\"\n[http]\ndrain = \"1min\"").unwrap();
        assert_eq!(config.cache.segments, ByteSize(3 << 30));
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
    fn a_mount_has_a_url_and_a_prefix_of_its_own() {
        let load = |text: &str| {
            let folder = tempfile::tempdir().unwrap();
            let file = folder.path().join("c.toml");
            std::fs::write(&file, text).unwrap();
            let overrides = Overrides { media: Some(folder.path().into()), ..Overrides::default() };
            Config::load(Some(&file), overrides).unwrap_err().to_string()
        };
        let mount = "[[store.mounts]]\nprefix = \"a\"\nurl = \"s3://b\"\n";
        assert_eq!(load(&[mount, mount].concat()), "store.mounts: `a`: another mount has the same prefix");
        assert_eq!(load(&mount.replace("s3://b", "")), "store.mounts: `a`: it has no url");
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
