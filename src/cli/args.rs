//! Command line arguments. Clap reports mistakes and exits with code 2.

use super::remote::{AssetsArgs, JobsArgs, KeysArgs, UploadArgs};
use crate::config::{Database, Location, Overrides};
use clap::{Args, Parser, Subcommand};
use std::net::SocketAddr;
use std::path::PathBuf;

/// An origin server for adaptive video: stored MP4s become HLS and DASH at the moment a player asks.
#[derive(Debug, Parser)]
#[command(name = "afflux", version)]
pub struct Arguments {
    /// The command to run.
    #[command(subcommand)]
    pub command: Command,
}

/// The commands of `afflux`.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Serve a folder of MP4s to players.
    Serve(ServeArgs),
    /// Run the jobs of a library, and nothing else; may be stopped or killed at any moment.
    Worker(WorkerArgs),
    /// Explain which file and which bytes answer a URL.
    Explain(ExplainArgs),
    /// Index files ahead of time, so that no viewer waits for their headers.
    Index(IndexArgs),
    /// Show the contents of files: tracks, codecs, durations, edits, cuts, bit rates, lint.
    Inspect {
        /// MP4, MOV or M4A files, and folders of them.
        #[arg(required = true, value_name = "PATH")]
        paths: Vec<PathBuf>,
        /// Print JSON instead of text.
        #[arg(long)]
        json: bool,
    },
    /// Read and plan one file within resource limits, for the server that starts it.
    #[command(hide = true)]
    Trial,
    /// Upload files to a server; resumes an upload that was interrupted.
    Upload(UploadArgs),
    /// Manage a server's assets: list, show, delete, restore.
    Assets(AssetsArgs),
    /// Manage a server's background jobs: list, retry, cancel.
    Jobs(JobsArgs),
    /// Manage a server's API keys: list, make, revoke.
    Keys(KeysArgs),
}

/// Arguments of `index`.
#[derive(Debug, Args)]
pub struct IndexArgs {
    /// A folder or a file, or s3://bucket/prefix and the like [default: as in the settings].
    #[arg(value_name = "PATH|URL")]
    pub place: Option<String>,
    /// Index only this asset; may be repeated.
    #[arg(long = "asset", value_name = "NAME")]
    pub assets: Vec<String>,
    /// Settings, in TOML; without it no file is read.
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Where to store indexes [default: cache.index_folder].
    #[arg(long, value_name = "FOLDER")]
    pub index_folder: Option<PathBuf>,
    /// Store indexes in the object store too, in .afflux/ beside each object.
    #[arg(long)]
    pub index_beside: bool,
}

/// Arguments of `worker`.
#[derive(Debug, Args)]
pub struct WorkerArgs {
    /// Settings, in TOML; without it no file is read.
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// The folder of media [default: media].
    #[arg(long, value_name = "FOLDER")]
    pub media: Option<PathBuf>,
    /// Object store of media, instead of a folder: s3://bucket/prefix, gs://…, az://… or file:///….
    #[arg(long, value_name = "URL", conflicts_with = "media")]
    pub store: Option<Location>,
    /// The database of jobs: sqlite:file, or postgres://user@host/name [default: beside the media].
    #[arg(long, value_name = "URL")]
    pub library: Option<Database>,
    /// Number of jobs at a time [default: jobs.workers].
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u8).range(1..=64))]
    pub jobs: Option<u8>,
}

/// Arguments of `explain`.
#[derive(Debug, Args)]
pub struct ExplainArgs {
    /// A URL from a manifest, or its path, as copied from a player or a log: the host, the prefix of a proxy or CDN and
    /// the query are ignored.
    pub url: String,
    /// Settings, in TOML; without it no file is read.
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// The folder of media [default: media].
    #[arg(long, value_name = "FOLDER")]
    pub media: Option<PathBuf>,
    /// Object store of media, instead of a folder: s3://bucket/prefix, gs://…, az://…, https://… or file:///….
    #[arg(long, value_name = "URL", conflicts_with = "media")]
    pub store: Option<Location>,
    /// Print JSON instead of text.
    #[arg(long)]
    pub json: bool,
}

/// Arguments of `serve`. Each overrides the setting in the file that `--config` names.
#[derive(Debug, Args)]
pub struct ServeArgs {
    /// Settings, in TOML; without it no file is read.
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// The folder of media [default: media].
    #[arg(long, value_name = "FOLDER")]
    pub media: Option<PathBuf>,
    /// Object store of media, instead of a folder: s3://bucket/prefix, gs://…, az://…, https://… or file:///….
    #[arg(long, value_name = "URL", conflicts_with = "media")]
    pub store: Option<Location>,
    /// Public address, for players; port 0 picks a free port [default: 127.0.0.1:8080].
    #[arg(long, value_name = "IP:PORT")]
    pub listen: Option<SocketAddr>,
    /// Private address, for health and metrics; port 0 picks a free port [default: 127.0.0.1:8081].
    #[arg(long, value_name = "IP:PORT")]
    pub private: Option<SocketAddr>,
    /// The database of uploads, jobs and keys: sqlite:file, postgres://user@host/name, or none [default: beside the
    /// media].
    #[arg(long, value_name = "URL")]
    pub library: Option<Database>,
}

impl ServeArgs {
    /// The settings that the flags override.
    #[must_use]
    pub fn overrides(&self) -> Overrides {
        let (media, store, library) = (self.media.clone(), self.store.clone(), self.library.clone());
        Overrides { public: self.listen, private: self.private, media, store, library }
    }
}
