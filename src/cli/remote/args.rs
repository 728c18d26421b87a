//! Arguments of the commands that talk to a server.

use crate::config::Database;
use crate::control::{Scope, scopes_of};
use clap::{Args, Subcommand};
use std::convert::Infallible;
use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

/// Server, key and output format.
#[derive(Debug, Args)]
pub(super) struct ServerArgs {
    /// URL of the API.
    #[arg(long, global = true, env = "AFFLUX_SERVER", value_name = "URL", default_value = "http://127.0.0.1:8081")]
    pub(super) server: String,
    /// An API key, afx_…; better passed in the environment, where other users cannot see it.
    #[arg(long, global = true, env = "AFFLUX_KEY", hide_env_values = true, value_name = "KEY")]
    pub(super) key: Option<Secret>,
    /// Print the API's JSON; for lists, one line per entry.
    #[arg(long, global = true)]
    pub(super) json: bool,
}

/// An API key. `Debug` does not print it.
#[derive(Clone)]
pub(super) struct Secret(String);

impl Secret {
    /// The key itself.
    pub(super) fn expose(&self) -> &str {
        self.0.trim()
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key")
    }
}

impl FromStr for Secret {
    type Err = Infallible;

    fn from_str(text: &str) -> Result<Self, Infallible> {
        Ok(Self(text.into()))
    }
}

/// Arguments of `upload`.
#[derive(Debug, Args)]
pub struct UploadArgs {
    /// MP4, MOV or M4A files, sent one after the other.
    #[arg(required = true, value_name = "FILE")]
    pub(super) files: Vec<PathBuf>,
    /// The asset that the files belong to [default: one asset per file, named after it].
    #[arg(long, value_name = "NAME")]
    pub(super) asset: Option<String>,
    /// Title of the asset, if it is new.
    #[arg(long, value_name = "TITLE")]
    pub(super) title: Option<String>,
    /// The server.
    #[command(flatten)]
    pub(super) remote: ServerArgs,
}

/// Arguments of `assets`.
#[derive(Debug, Args)]
pub struct AssetsArgs {
    /// The subcommand; `None` lists.
    #[command(subcommand)]
    pub(super) what: Option<AssetsCommand>,
    /// Filters of the list.
    #[command(flatten)]
    pub(super) list: AssetsList,
    /// The server.
    #[command(flatten)]
    pub(super) remote: ServerArgs,
}

/// Subcommands of `assets`.
#[derive(Debug, Subcommand)]
pub(super) enum AssetsCommand {
    /// List assets; the default.
    List(AssetsList),
    /// Show one asset in full.
    Get {
        /// Name of the asset.
        name: String,
    },
    /// Delete an asset; it can be restored for `ingest.grace`.
    Delete {
        /// Name of the asset.
        name: String,
    },
    /// Restore a deleted asset.
    Restore {
        /// Name of the asset.
        name: String,
    },
}

/// Filters and order of the list of assets.
#[derive(Debug, Default, Clone, PartialEq, Eq, Args)]
pub(super) struct AssetsList {
    /// Only assets whose name or title contains this.
    #[arg(long, value_name = "TEXT")]
    pub(super) search: Option<String>,
    /// name, created, updated or bytes; a leading - reverses the order [default: name].
    #[arg(long, value_name = "WHAT", allow_hyphen_values = true)]
    pub(super) sort: Option<String>,
    /// Deleted assets that can be restored.
    #[arg(long)]
    pub(super) deleted: bool,
}

/// Arguments of `jobs`.
#[derive(Debug, Args)]
pub struct JobsArgs {
    /// The subcommand; `None` lists.
    #[command(subcommand)]
    pub(super) what: Option<JobsCommand>,
    /// Filters of the list.
    #[command(flatten)]
    pub(super) list: JobsList,
    /// The server.
    #[command(flatten)]
    pub(super) remote: ServerArgs,
}

/// Subcommands of `jobs`.
#[derive(Debug, Subcommand)]
pub(super) enum JobsCommand {
    /// List jobs, the newest first; the default.
    List(JobsList),
    /// Retry a job that is dead or was cancelled.
    Retry {
        /// Id of the job.
        id: String,
    },
    /// Cancel a job that is queued or running.
    Cancel {
        /// Id of the job.
        id: String,
    },
}

/// Filters of the list of jobs.
#[derive(Debug, Default, Clone, PartialEq, Eq, Args)]
pub(super) struct JobsList {
    /// queued, running, done, dead or cancelled.
    #[arg(long, value_name = "STATE")]
    pub(super) state: Option<String>,
    /// Only jobs of this kind.
    #[arg(long, value_name = "KIND")]
    pub(super) kind: Option<String>,
}

/// Arguments of `keys`.
#[derive(Debug, Args)]
pub struct KeysArgs {
    /// The subcommand; `None` lists.
    #[command(subcommand)]
    pub(super) what: Option<KeysCommand>,
    /// The server.
    #[command(flatten)]
    pub(super) remote: ServerArgs,
}

/// Subcommands of `keys`.
#[derive(Debug, Subcommand)]
pub(super) enum KeysCommand {
    /// List keys, including revoked ones; the default.
    List,
    /// Make a key; prints its secret once and never again.
    Make(KeyWanted),
    /// Revoke a key.
    Revoke {
        /// Id of the key, as in the list.
        id: String,
    },
}

/// The key to make: by the API, or in the database itself if --library, --config or --media is given.
#[derive(Debug, Args)]
pub(super) struct KeyWanted {
    /// Name of the key, for people.
    pub(super) name: String,
    /// read, upload, write or admin; the first three may name a folder, as in upload:films/. Several between commas.
    #[arg(long, value_name = "SCOPES", value_parser = scopes)]
    pub(super) scope: Scopes,
    /// Lifetime: 12h, 30d [default: no expiry].
    #[arg(long, value_name = "DURATION", value_parser = duration)]
    pub(super) expires_in: Option<Duration>,
    /// Write to this database instead of asking the API, for when no key is left: sqlite:file, or
    /// postgres://user@host/name.
    #[arg(long, value_name = "URL")]
    pub(super) library: Option<Database>,
    /// Settings that name the database, in TOML.
    #[arg(long, value_name = "FILE")]
    pub(super) config: Option<PathBuf>,
    /// The folder of media that the database is beside.
    #[arg(long, value_name = "FOLDER")]
    pub(super) media: Option<PathBuf>,
}

impl KeyWanted {
    /// Whether to write to the database itself instead of asking the API.
    pub(super) const fn is_direct(&self) -> bool {
        self.library.is_some() || self.config.is_some() || self.media.is_some()
    }
}

/// Scopes, and the text they were parsed from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Scopes {
    pub(super) text: String,
    pub(super) scopes: Vec<Scope>,
}

/// Parses scopes such as `read,upload:films/`.
fn scopes(text: &str) -> Result<Scopes, String> {
    scopes_of(text).map(|scopes| Scopes { text: text.into(), scopes })
}

/// Parses a duration such as `90s`, `30min`, `12h`, `30d`.
fn duration(text: &str) -> Result<Duration, &'static str> {
    const ALLOWED: &str = "a duration is a whole number and its unit, s, min, h or d, as in \"30d\"";
    let unit = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(unit);
    let seconds = match unit {
        "s" => 1,
        "min" => 60,
        "h" => 3_600,
        "d" => 86_400,
        _ => return Err(ALLOWED),
    };
    let number: u64 = number.parse().map_err(|_| ALLOWED)?;
    number.checked_mul(seconds).filter(|seconds| *seconds > 0).map(Duration::from_secs).ok_or(ALLOWED)
}

#[cfg(test)]
mod tests {
    use super::{Secret, duration};
    use std::time::Duration;

    #[test]
    fn a_duration_is_a_number_and_its_unit() {
        assert_eq!(duration("30d"), Ok(Duration::from_hours(720)));
        assert_eq!(duration("12h"), Ok(Duration::from_hours(12)));
        assert_eq!(duration("5min"), Ok(Duration::from_mins(5)));
        assert_eq!(duration("1s"), Ok(Duration::from_secs(1)));
        for wrong in ["", "30", "d", "0d", "-1d", "1w", "30 d", "99999999999999999999d", "9999999999999999999d"] {
            assert!(duration(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_key_is_not_printed() {
        let key: Secret = "afx_0 ".parse().unwrap();
        assert_eq!((format!("{key:?}").as_str(), key.expose()), ("a key", "afx_0"));
    }
}
