//! The sections `[ingest]` and `[jobs]` of the configuration: uploads and background jobs.

use super::hosts::Host;
use super::units::{ByteSize, HOUR, Range, count_within, is_web_url, size_within, time_within, word};
use serde::{Deserialize, Deserializer, de};
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

/// `[ingest]`: uploads and imports.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct IngestConfig {
    /// Largest upload; 1B to 1048576GiB.
    #[serde(deserialize_with = "largest")]
    pub largest: ByteSize,
    /// Most bytes of all assets and unfinished uploads together; 0B to 1048576GiB, 0B for no limit.
    pub quota: ByteSize,
    /// How long an unfinished upload is kept after its last byte; 1min to 720h.
    #[serde(deserialize_with = "lasting")]
    pub expires: Duration,
    /// Grace period in which a deleted asset can be restored, and a replaced file is kept; 1min to 720h.
    #[serde(deserialize_with = "lasting")]
    pub grace: Duration,
    /// Default for uploads that do not say how to handle a name that is taken.
    pub on_conflict: OnConflict,
    /// Hosts that files may be imported from, and their addresses that are not public; empty for none.
    pub import_hosts: Vec<Host>,
    /// Origins of other sites whose pages may call the API: `https://studio.example.com`.
    #[serde(deserialize_with = "origins")]
    pub origins: Vec<String>,
}

/// How to handle an upload whose name is taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnConflict {
    /// Refuse the upload.
    Refuse,
    /// Replace the asset of that name.
    Replace,
    /// Give the upload another name, and return that name in the response.
    Keep,
}

impl OnConflict {
    /// Every policy.
    pub const ALL: [Self; 3] = [Self::Refuse, Self::Replace, Self::Keep];

    /// The word for it in settings and requests.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Refuse => "refuse",
            Self::Replace => "replace",
            Self::Keep => "keep",
        }
    }
}

impl FromStr for OnConflict {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let policy = Self::ALL.into_iter().find(|policy| policy.word() == text);
        policy.ok_or("\"refuse\", \"replace\" or \"keep\" is allowed")
    }
}

impl<'de> Deserialize<'de> for OnConflict {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        word(deserializer)
    }
}

/// `[jobs]`: background jobs.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Jobs {
    /// Jobs that this process runs at a time; 0 to 64. With 0, other processes must run them.
    #[serde(deserialize_with = "workers")]
    pub workers: usize,
    /// How long a worker may be silent before another worker takes its job; 1s to 1h.
    #[serde(deserialize_with = "lease")]
    pub lease: Duration,
    /// Memory limit of the child process that checks an upload; 64MiB to 1024GiB.
    #[serde(deserialize_with = "trial_memory")]
    pub trial_memory: ByteSize,
    /// The program that links GStreamer; if empty, `afflux-transcode` next to this program, if it exists.
    pub transcoder: PathBuf,
}

impl Default for IngestConfig {
    fn default() -> Self {
        Self {
            largest: ByteSize(64 << 30),
            quota: ByteSize(0),
            expires: Duration::from_hours(24),
            grace: Duration::from_hours(24),
            on_conflict: OnConflict::Keep,
            import_hosts: Vec::new(),
            origins: Vec::new(),
        }
    }
}

impl Default for Jobs {
    fn default() -> Self {
        Self { workers: 2, lease: Duration::from_secs(30), trial_memory: ByteSize(1 << 30), transcoder: PathBuf::new() }
    }
}

fn largest<'de, D: Deserializer<'de>>(deserializer: D) -> Result<ByteSize, D::Error> {
    size_within(deserializer, Range { least: ByteSize(1), most: ByteSize(1 << 50), allowed: "1B to 1048576GiB" })
}

fn lasting<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    let (least, most) = (Duration::from_mins(1), Duration::from_hours(720));
    time_within(deserializer, Range { least, most, allowed: "1min to 720h" })
}

fn lease<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    time_within(deserializer, Range { least: Duration::from_secs(1), most: HOUR, allowed: "1s to 1h" })
}

fn trial_memory<'de, D: Deserializer<'de>>(deserializer: D) -> Result<ByteSize, D::Error> {
    size_within(deserializer, Range { least: ByteSize(64 << 20), most: ByteSize(1 << 40), allowed: "64MiB to 1024GiB" })
}

fn workers<'de, D: Deserializer<'de>>(deserializer: D) -> Result<usize, D::Error> {
    count_within(deserializer, Range { least: 0, most: 64, allowed: "0 to 64" })
}

/// Reads origins in the form that browsers send (RFC 6454 §7.1): a scheme, a host, and a port unless it is the default.
fn origins<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    let origins = Vec::<String>::deserialize(deserializer)?;
    let is_origin = |text: &String| is_web_url(text) && text.matches('/').count() == 2;
    match origins.iter().find(|text| !is_origin(text)) {
        None => Ok(origins),
        Some(text) => {
            let allowed = "an origin is a scheme and a host, as in \"https://studio.example.com\"";
            Err(de::Error::custom(format_args!("`{text}`: {allowed}")))
        }
    }
}
