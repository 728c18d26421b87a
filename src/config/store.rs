//! The section `[store]` of the configuration: a folder or a URL of media, more stores under prefixes, and a fallback
//! for each.

use super::build::THIS;
use super::hosts::Host;
use super::load::Error;
use super::units::{Range, UP_TO_AN_HOUR, is_web_url, time_within, word};
use serde::{Deserialize, Deserializer, de};
use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Duration;

/// `[store]`: the stores of media.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct StoreConfig {
    /// The folder of media, relative to the working directory. Used if `url` is empty.
    pub media: PathBuf,
    /// URL of a store to use instead of the folder; empty for none.
    pub url: Location,
    /// Connection options of the store at `url`.
    pub options: Options,
    /// A second store with the same objects.
    pub fallback: StoreAddress,
    /// More stores, each under its own prefix.
    pub mounts: Vec<MountConfig>,
    /// How long an asset in a folder is served before its files are checked again; 0s to 1h.
    #[serde(deserialize_with = "refresh")]
    pub refresh: Duration,
    /// How long an asset in an object store, where a check costs a request, is served before it is checked again; 0s to
    /// 1h.
    #[serde(deserialize_with = "refresh")]
    pub refresh_remote: Duration,
    /// How long a new or changed file must stay unmodified before it appears; 0s to 1h.
    #[serde(deserialize_with = "settle")]
    pub settle: Duration,
    /// How long an object store may take to respond, and may pause in a response; 100ms to 1min.
    #[serde(deserialize_with = "timeout")]
    pub timeout: Duration,
    /// Whether to follow links in a folder that lead out of it.
    pub follow_links: bool,
    /// Whether to send segments of unchanging files directly from the page cache (sendfile).
    pub sendfile: bool,
}

/// A store and its connection options.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct StoreAddress {
    /// URL of the store; empty for none.
    pub url: Location,
    /// Connection options.
    pub options: Options,
}

/// A store whose assets have names that begin with a prefix.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MountConfig {
    /// Beginning of the assets' names: plain names between slashes.
    pub prefix: Prefix,
    /// URL of the store.
    pub url: Location,
    /// Connection options.
    #[serde(default)]
    pub options: Options,
    /// A second store with the same objects.
    #[serde(default)]
    pub fallback: StoreAddress,
}

/// Connection options of a store. They never contain credentials: these come from the environment variables that the
/// clouds' own tools use.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Options {
    /// URL of the service if it is not the cloud's default: `https://minio.example.com:9000`.
    #[serde(deserialize_with = "endpoint")]
    pub endpoint: String,
    /// The region of an S3 bucket.
    pub region: String,
    /// Whether the name of an S3 bucket is part of the path, not of the host.
    pub path_style: bool,
    /// Whether to allow connections without TLS.
    pub allow_http: bool,
    /// File of PEM certificates to trust in addition to the system's.
    pub ca: PathBuf,
    /// Hosts that an HTTP store may connect to in addition to its own, and allowed addresses that are not public.
    pub hosts: Vec<Host>,
}

/// The URL of a store, as written in the configuration but without slashes at its end; empty for none.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Location(String);

/// URL schemes of stores.
const SCHEMES: [&str; 7] = ["file:///", "s3://", "gs://", "az://", "https://", "http://", "memory:"];

impl Location {
    /// The URL.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether no store is configured.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for Location {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        const ALLOWED: &str = "a store is file:///folder, s3://bucket/prefix, gs://bucket/prefix, az://container/prefix, https://host/prefix or memory:";
        if let Some(why) = THIS.refuses(text) {
            return Err(why);
        }
        let rest = SCHEMES.iter().find_map(|scheme| Some((*scheme, text.strip_prefix(scheme)?)));
        match rest {
            _ if text.is_empty() => Ok(Self::default()),
            Some(("memory:", "")) => Ok(Self(text.into())),
            // Refuse user names, passwords and queries, because URLs are logged.
            Some(("https://" | "http://", rest)) if rest.contains(['@', '?', '#']) => Err(ALLOWED),
            Some((scheme, rest)) if scheme != "memory:" && !rest.is_empty() && !rest.starts_with('/') => {
                Ok(Self(text.trim_end_matches('/').into()))
            }
            Some(_) | None => Err(ALLOWED),
        }
    }
}

impl<'de> Deserialize<'de> for Location {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        word(deserializer)
    }
}

/// The prefix of a mount: plain names between slashes, none of them hidden.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Prefix(String);

impl Prefix {
    /// The prefix, without slashes at its ends.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Prefix {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let plain = |part: &str| !part.is_empty() && !part.starts_with(['.', '~']) && !part.contains('\\');
        let plain = text.split('/').all(plain) && !text.chars().any(char::is_control);
        plain.then(|| Self(text.into())).ok_or("a prefix is plain names between slashes, as in \"archive/2024\"")
    }
}

impl<'de> Deserialize<'de> for Prefix {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        word(deserializer)
    }
}

fn refresh<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    time_within(deserializer, UP_TO_AN_HOUR)
}

fn settle<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    time_within(deserializer, UP_TO_AN_HOUR)
}

fn timeout<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    let (least, most) = (Duration::from_millis(100), Duration::from_mins(1));
    time_within(deserializer, Range { least, most, allowed: "100ms to 1min" })
}

fn endpoint<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    let text = String::deserialize(deserializer)?;
    if text.is_empty() || is_web_url(&text) {
        return Ok(text);
    }
    let allowed = "an endpoint is a URL, as in \"https://minio.example.com:9000\", or nothing";
    Err(de::Error::custom(format_args!("`{text}`: {allowed}")))
}

impl Default for StoreConfig {
    fn default() -> Self {
        Self {
            media: "media".into(),
            url: Location::default(),
            options: Options::default(),
            fallback: StoreAddress::default(),
            mounts: Vec::new(),
            refresh: Duration::from_secs(2),
            refresh_remote: Duration::from_secs(30),
            settle: Duration::from_secs(2),
            timeout: Duration::from_secs(5),
            follow_links: false,
            sendfile: true,
        }
    }
}

impl Default for Options {
    fn default() -> Self {
        Self {
            endpoint: String::new(),
            region: String::new(),
            path_style: true,
            allow_http: false,
            ca: PathBuf::new(),
            hosts: Vec::new(),
        }
    }
}

impl StoreConfig {
    /// The name of the store in messages: its URL, else its folder.
    #[must_use]
    pub fn name(&self) -> String {
        if self.url.is_empty() { self.media.display().to_string() } else { self.url.to_string() }
    }

    pub(super) fn check(&self) -> Result<(), Error> {
        for (at, mount) in self.mounts.iter().enumerate() {
            let refused = |why| Err(Error::Mount { prefix: mount.prefix.0.clone(), why });
            if mount.url.is_empty() {
                return refused("it has no url");
            }
            if self.mounts.iter().take(at).any(|other| other.prefix == mount.prefix) {
                return refused("another mount has the same prefix");
            }
        }
        if self.url.is_empty() { folder(&self.media) } else { Ok(()) }
    }
}

fn folder(path: &Path) -> Result<(), Error> {
    if path.as_os_str().is_empty() {
        return Err(Error::Media { path: "\"\"".into(), what: "names no folder".into() });
    }
    let refused = |what: String| Err(Error::Media { path: path.to_owned(), what });
    match std::fs::metadata(path) {
        Ok(found) if found.is_dir() => Ok(()),
        Ok(_) => refused("not a folder".into()),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => refused("does not exist".into()),
        Err(error) => refused(error.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::{Location, Prefix};

    #[test]
    fn a_location_is_one_of_the_known_schemes() {
        for url in
            ["", "file:///srv/media", "s3://bucket", "gs://b/p", "az://c/p/q", "https://h:1/x", "http://h", "memory:"]
        {
            assert_eq!(url.parse::<Location>().map(|url| url.to_string()), Ok(url.to_owned()));
        }
        assert_eq!("s3://bucket/p/".parse::<Location>().unwrap().as_str(), "s3://bucket/p");
        for url in [
            "bucket",
            "s3:bucket",
            "s3://",
            "s3:///key",
            "file://host/x",
            "ftp://h/x",
            "https://a@h/x",
            "https://h/x?y",
            "https://",
            "memory:x",
        ] {
            assert!(url.parse::<Location>().is_err(), "{url}");
        }
    }

    #[test]
    fn a_prefix_is_plain_names() {
        for prefix in ["a", "a/b c", "ü"] {
            assert!(prefix.parse::<Prefix>().is_ok(), "{prefix}");
        }
        for prefix in ["", "/a", "a/", "a//b", ".a", "a/~b", "a\\b", "a\n"] {
            assert!(prefix.parse::<Prefix>().is_err(), "{prefix:?}");
        }
    }
}
