//! What the commands are asked that talk to a server.

use crate::config::Database;
use crate::control::{Scope, scopes_of};
use clap::{Args, Subcommand};
use std::convert::Infallible;
use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

/// Which server, as whom, and how its answers are printed.
#[derive(Debug, Args)]
pub(super) struct Remote {
    /// Where the API is.
    #[arg(long, global = true, env = "AFFLUX_SERVER", value_name = "URL", default_value = "http://127.0.0.1:8081")]
    pub(super) server: String,
    /// An API key, afx_…; better in the environment, where other users do not see it.
    #[arg(long, global = true, env = "AFFLUX_KEY", hide_env_values = true, value_name = "KEY")]
    pub(super) key: Option<Secret>,
    /// Print JSON as the API answers it; of lists, a line for each entry.
    #[arg(long, global = true)]
    pub(super) json: bool,
}

/// A key; prints as nothing that it could be used by.
#[derive(Clone)]
pub(super) struct Secret(String);

impl Secret {
    /// The key.
    pub(super) fn told(&self) -> &str {
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

/// What `upload` is asked.
#[derive(Debug, Args)]
pub struct UploadArgs {
    /// MP4, MOV or M4A files, sent one after the other.
    #[arg(required = true, value_name = "FILE")]
    pub(super) files: Vec<PathBuf>,
    /// The asset that they are of [default: one for each file, called as it is].
    #[arg(long, value_name = "NAME")]
    pub(super) asset: Option<String>,
    /// What people call the asset, where it is new.
    #[arg(long, value_name = "TITLE")]
    pub(super) title: Option<String>,
    /// Which server.
    #[command(flatten)]
    pub(super) remote: Remote,
}

/// What `assets` is asked.
#[derive(Debug, Args)]
pub struct AssetsArgs {
    /// What is done.
    #[command(subcommand)]
    pub(super) what: Option<AssetsCommand>,
    /// Which are listed.
    #[command(flatten)]
    pub(super) list: AssetsList,
    /// Which server.
    #[command(flatten)]
    pub(super) remote: Remote,
}

/// What is done with assets.
#[derive(Debug, Subcommand)]
pub(super) enum AssetsCommand {
    /// List them; that is done where nothing else is said.
    List(AssetsList),
    /// Tell all of one.
    Get {
        /// Its name.
        name: String,
    },
    /// Delete one; it can be had back for `ingest.grace`.
    Delete {
        /// Its name.
        name: String,
    },
    /// Give back one that was deleted.
    Restore {
        /// Its name.
        name: String,
    },
}

/// Which assets are listed.
#[derive(Debug, Default, Clone, PartialEq, Eq, Args)]
pub(super) struct AssetsList {
    /// Only those whose name or title has this in it.
    #[arg(long, value_name = "TEXT")]
    pub(super) search: Option<String>,
    /// name, created, updated or bytes; with a - before it, the other way round [default: name].
    #[arg(long, value_name = "WHAT", allow_hyphen_values = true)]
    pub(super) sort: Option<String>,
    /// Those that were deleted and can be had back.
    #[arg(long)]
    pub(super) deleted: bool,
}

/// What `jobs` is asked.
#[derive(Debug, Args)]
pub struct JobsArgs {
    /// What is done.
    #[command(subcommand)]
    pub(super) what: Option<JobsCommand>,
    /// Which are listed.
    #[command(flatten)]
    pub(super) list: JobsList,
    /// Which server.
    #[command(flatten)]
    pub(super) remote: Remote,
}

/// What is done with jobs.
#[derive(Debug, Subcommand)]
pub(super) enum JobsCommand {
    /// List them, the newest first; that is done where nothing else is said.
    List(JobsList),
    /// Do one again that is dead or was cancelled.
    Retry {
        /// Which.
        id: String,
    },
    /// Give up one that waits or is under way.
    Cancel {
        /// Which.
        id: String,
    },
}

/// Which jobs are listed.
#[derive(Debug, Default, Clone, PartialEq, Eq, Args)]
pub(super) struct JobsList {
    /// queued, running, done, dead or cancelled.
    #[arg(long, value_name = "STATE")]
    pub(super) state: Option<String>,
    /// Only jobs of this kind.
    #[arg(long, value_name = "KIND")]
    pub(super) kind: Option<String>,
}

/// What `keys` is asked.
#[derive(Debug, Args)]
pub struct KeysArgs {
    /// What is done.
    #[command(subcommand)]
    pub(super) what: Option<KeysCommand>,
    /// Which server.
    #[command(flatten)]
    pub(super) remote: Remote,
}

/// What is done with keys.
#[derive(Debug, Subcommand)]
pub(super) enum KeysCommand {
    /// List them, revoked ones too; that is done where nothing else is said.
    List,
    /// Make one; its secret is told now, and never again.
    Make(KeyWanted),
    /// Make one worth nothing.
    Revoke {
        /// Which: its id, as the list has it.
        id: String,
    },
}

/// A key to be made: by the API, or in the database itself where --library, --config or --media is said.
#[derive(Debug, Args)]
pub(super) struct KeyWanted {
    /// What its owner calls it.
    pub(super) name: String,
    /// read, upload, write or admin; the first three may name a folder, as in upload:films/. Several between commas.
    #[arg(long, value_name = "SCOPES", value_parser = scopes)]
    pub(super) scope: Scopes,
    /// When it ends to be valid: 12h, 30d [default: never].
    #[arg(long, value_name = "DURATION", value_parser = duration)]
    pub(super) expires_in: Option<Duration>,
    /// The database itself: sqlite:file, or postgres://user@host/name. For whoever has no key left.
    #[arg(long, value_name = "URL")]
    pub(super) library: Option<Database>,
    /// Settings that name the database, in TOML.
    #[arg(long, value_name = "FILE")]
    pub(super) config: Option<PathBuf>,
    /// The folder of media that it is beside.
    #[arg(long, value_name = "FOLDER")]
    pub(super) media: Option<PathBuf>,
}

impl KeyWanted {
    /// Whether the database itself is asked.
    pub(super) const fn is_direct(&self) -> bool {
        self.library.is_some() || self.config.is_some() || self.media.is_some()
    }
}

/// Scopes, and the text that they were read from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Scopes {
    pub(super) text: String,
    pub(super) scopes: Vec<Scope>,
}

/// `read,upload:films/`.
fn scopes(text: &str) -> Result<Scopes, String> {
    scopes_of(text).map(|scopes| Scopes { text: text.into(), scopes })
}

/// `90s`, `30min`, `12h`, `30d`.
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
        assert_eq!((format!("{key:?}").as_str(), key.told()), ("a key", "afx_0"));
    }
}
