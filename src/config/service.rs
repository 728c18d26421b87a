//! The sections `[library]`, `[ingest]` and `[jobs]` of the configuration: the database, uploads and background jobs.

use super::build::THIS;
use super::units::{Range, count_within, size_within, time_within, word};
use super::{ByteSize, HOUR, Host, is_web_url};
use serde::{Deserialize, Deserializer, de};
use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Duration;

/// The folder for our own files among the media; hidden, so that no asset is in it.
const FOLDER: &str = ".afflux";

/// `[library]`: the database of uploads, jobs, keys and assets.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LibraryConfig {
    /// Location of the database.
    pub url: Database,
}

/// Location of the database.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Database {
    /// A file next to the media if these are in a folder; otherwise no database.
    #[default]
    Beside,
    /// No database: there are no uploads, no jobs and no API.
    None,
    /// An SQLite file.
    File(PathBuf),
    /// A PostgreSQL database. Its URL may contain a password: `Display` leaves out the part before `@`.
    Postgres(String),
}

impl Database {
    /// URL of the database to open, given the folder of media; `None` for no database.
    #[must_use]
    pub fn url(&self, media: Option<&Path>) -> Option<String> {
        let file = |path: &Path| format!("sqlite:{}", path.display());
        match self {
            Self::Beside => media.map(|media| file(&media.join(FOLDER).join("library.db"))),
            Self::None => None,
            Self::File(path) => Some(file(path)),
            Self::Postgres(url) => Some(url.clone()),
        }
    }
}

impl fmt::Display for Database {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Beside => f.write_str("beside the media"),
            Self::None => f.write_str("none"),
            Self::File(path) => write!(f, "sqlite:{}", path.display()),
            Self::Postgres(url) => {
                let host = url.rsplit_once('@').map_or("postgres://…", |(_, rest)| rest);
                write!(f, "postgres://{}", host.trim_start_matches("postgres://"))
            }
        }
    }
}

impl FromStr for Database {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        const ALLOWED: &str = "a database is sqlite:file, postgres://user@host/name, or none";
        if let Some(why) = THIS.refuses(text) {
            return Err(why);
        }
        match text {
            "" => Ok(Self::Beside),
            "none" => Ok(Self::None),
            _ if ["postgres://", "postgresql://"].iter().any(|scheme| text.starts_with(scheme)) => {
                Ok(Self::Postgres(text.into()))
            }
            _ => match text.strip_prefix("sqlite:").map(|path| path.strip_prefix("//").unwrap_or(path)) {
                Some(path) if !path.is_empty() && !path.contains('?') => Ok(Self::File(path.into())),
                Some(_) | None => Err(ALLOWED),
            },
        }
    }
}

impl<'de> Deserialize<'de> for Database {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        // Unlike for other values, the error does not quote the text, which may contain a password.
        String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}

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

#[cfg(test)]
mod tests {
    use super::Database;
    use std::path::Path;

    #[test]
    fn a_database_is_a_file_a_server_or_none() {
        let url = |text: &str| text.parse::<Database>().map(|place| place.url(Some(Path::new("films"))));
        assert_eq!(url(""), Ok(Some("sqlite:films/.afflux/library.db".into())));
        assert_eq!("".parse::<Database>().unwrap().url(None), None);
        assert_eq!(url("none"), Ok(None));
        assert_eq!(url("sqlite:/var/lib/afflux.db"), Ok(Some("sqlite:/var/lib/afflux.db".into())));
        assert_eq!(url("sqlite:///var/lib/afflux.db"), Ok(Some("sqlite:/var/lib/afflux.db".into())));
        assert_eq!(url("postgres://u@h/n"), Ok(Some("postgres://u@h/n".into())));
        for wrong in ["sqlite:", "mysql://h/n", "afflux.db"] {
            assert!(url(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_password_is_not_printed() {
        let place: Database = "postgres://user:secret@host:5432/name".parse().unwrap();
        assert_eq!(place.to_string(), "postgres://host:5432/name");
    }
}
