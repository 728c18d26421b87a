//! What the command line says. Mistakes are answered by clap, with exit code 2.

use super::remote::{AssetsArgs, JobsArgs, KeysArgs, UploadArgs};
use crate::config::{Database, Location, Overrides};
use clap::{Args, Parser, Subcommand};
use std::net::SocketAddr;
use std::path::PathBuf;

/// An origin server for adaptive video: stored MP4s become HLS and DASH at the moment a player asks.
#[derive(Debug, Parser)]
#[command(name = "afflux", version)]
pub struct Arguments {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What can be done.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Serve a folder of MP4s to players.
    Serve(ServeArgs),
    /// Do jobs of a library, and nothing else; may be stopped or killed at any moment.
    Worker(WorkerArgs),
    /// Say what answers a URL, and from which bytes of which file.
    Explain(ExplainArgs),
    /// Understand files ahead, so that no viewer waits for their headers.
    Index(IndexArgs),
    /// Say what is in files: tracks, codecs, durations, edits, cuts, bit rates, lint.
    Inspect {
        /// MP4, MOV or M4A files, and folders of them.
        #[arg(required = true, value_name = "PATH")]
        paths: Vec<PathBuf>,
        /// Print JSON instead of text.
        #[arg(long)]
        json: bool,
    },
    /// Read and plan one file within bounds, for the server that begins it.
    #[command(hide = true)]
    Trial,
    /// Bring files to a server; an upload that was cut off is gone on with.
    Upload(UploadArgs),
    /// What a server has: listed, looked at, deleted, given back.
    Assets(AssetsArgs),
    /// What a server does behind requests: listed, done again, given up.
    Jobs(JobsArgs),
    /// Who may ask a server: listed, made, revoked.
    Keys(KeysArgs),
}

/// What `index` is asked.
#[derive(Debug, Args)]
pub struct IndexArgs {
    /// A folder or a file, or s3://bucket/prefix and the like [default: what the settings name].
    #[arg(value_name = "PATH|URL")]
    pub place: Option<String>,
    /// Only this asset of it; may be said again.
    #[arg(long = "asset", value_name = "NAME")]
    pub assets: Vec<String>,
    /// Settings, in TOML; without it no file is read.
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Where indexes are kept [default: cache.index_folder].
    #[arg(long, value_name = "FOLDER")]
    pub index_folder: Option<PathBuf>,
    /// Keep them in the object store too, in .afflux/ beside each object.
    #[arg(long)]
    pub index_beside: bool,
}

/// What `worker` is asked.
#[derive(Debug, Args)]
pub struct WorkerArgs {
    /// Settings, in TOML; without it no file is read.
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// The folder of media [default: media].
    #[arg(long, value_name = "FOLDER")]
    pub media: Option<PathBuf>,
    /// Where media are instead: s3://bucket/prefix, gs://…, az://… or file:///….
    #[arg(long, value_name = "URL", conflicts_with = "media")]
    pub store: Option<Location>,
    /// The database of jobs: sqlite:file, or postgres://user@host/name [default: beside the media].
    #[arg(long, value_name = "URL")]
    pub library: Option<Database>,
    /// Jobs at a time [default: jobs.workers].
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u8).range(1..=64))]
    pub jobs: Option<u8>,
}

/// What `explain` is asked.
#[derive(Debug, Args)]
pub struct ExplainArgs {
    /// A URL that a manifest names, or its path, as a player or a log has it: host, prefix of a proxy or CDN and query are
    /// left out of account.
    pub url: String,
    /// Settings, in TOML; without it no file is read.
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// The folder of media [default: media].
    #[arg(long, value_name = "FOLDER")]
    pub media: Option<PathBuf>,
    /// Where media are instead: s3://bucket/prefix, gs://…, az://…, https://… or file:///….
    #[arg(long, value_name = "URL", conflicts_with = "media")]
    pub store: Option<Location>,
    /// Print JSON instead of text.
    #[arg(long)]
    pub json: bool,
}

/// The flags of `serve`. Each wins over the file that `--config` names.
#[derive(Debug, Args)]
pub struct ServeArgs {
    /// Settings, in TOML; without it no file is read.
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// The folder of media [default: media].
    #[arg(long, value_name = "FOLDER")]
    pub media: Option<PathBuf>,
    /// Where media are instead: s3://bucket/prefix, gs://…, az://…, https://… or file:///….
    #[arg(long, value_name = "URL", conflicts_with = "media")]
    pub store: Option<Location>,
    /// Where players are served; port 0 picks a free one [default: 127.0.0.1:8080].
    #[arg(long, value_name = "IP:PORT")]
    pub listen: Option<SocketAddr>,
    /// Where health and metrics are served; port 0 picks a free one [default: 127.0.0.1:8081].
    #[arg(long, value_name = "IP:PORT")]
    pub private: Option<SocketAddr>,
    /// The database of uploads, jobs and keys: sqlite:file, postgres://user@host/name, or none [default: beside the
    /// media].
    #[arg(long, value_name = "URL")]
    pub library: Option<Database>,
}

impl ServeArgs {
    /// What the flags set.
    #[must_use]
    pub fn overrides(&self) -> Overrides {
        let (media, store, library) = (self.media.clone(), self.store.clone(), self.library.clone());
        Overrides { public: self.listen, private: self.private, media, store, library }
    }
}
