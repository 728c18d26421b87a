//! Loads the configuration: the defaults of [`Config::default`], overridden by a TOML file, overridden by flags.
//!
//! An unknown key, or a value without its unit or out of range, is an error with the file, the line and the allowed
//! values. No file is read unless its path is given.

use super::cache::CacheConfig;
use super::http::Http;
use super::library::{Database, LibraryConfig};
use super::limits::Limits;
use super::listen::Listen;
use super::log::Log;
use super::package::Package;
use super::service::{IngestConfig, Jobs};
use super::site::Site;
use super::store::{Location, StoreConfig};
use serde::Deserialize;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

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

    /// Parses `text`, the content of the file at `path`, without checks of the disk.
    pub(super) fn parse(path: &Path, text: &str) -> Result<Self, Error> {
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
