//! Settings of ingest: limits, durations, and the programs that it starts.

use crate::config::{Config, Host, OnConflict};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Name of the program that links GStreamer.
const TRANSCODER: &str = "afflux-transcode";

/// Limits and durations of ingest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// Largest upload, in bytes.
    pub largest: u64,
    /// Quota for all assets and uploads, in bytes; 0 for no limit.
    pub quota: u64,
    /// Lifetime of an unfinished upload after its last byte.
    pub expires: Duration,
    /// Grace period in which a deleted asset can be restored.
    pub grace: Duration,
    /// Policy for an upload whose name is taken, unless the upload sets its own.
    pub on_conflict: OnConflict,
    /// Hosts that files may be imported from.
    pub import_hosts: Vec<Host>,
    /// Jobs that run at a time in this process.
    pub workers: usize,
    /// Lease of a job: a worker silent for longer loses it.
    pub lease: Duration,
    /// Child process that tries uploads first; `None` to read them only in this process.
    pub trial: Option<Trial>,
    /// The program that links GStreamer; `None` if there is none.
    pub transcoder: Option<PathBuf>,
}

impl Settings {
    /// Settings from `config`.
    #[must_use]
    pub fn of(config: &Config) -> Self {
        Self {
            largest: config.ingest.largest.bytes(),
            quota: config.ingest.quota.bytes(),
            expires: config.ingest.expires,
            grace: config.ingest.grace,
            on_conflict: config.ingest.on_conflict,
            import_hosts: config.ingest.import_hosts.clone(),
            workers: config.jobs.workers,
            lease: config.jobs.lease,
            trial: std::env::current_exe()
                .ok()
                .map(|program| Trial { program, memory: config.jobs.trial_memory.bytes() }),
            transcoder: find_transcoder(&config.jobs.transcoder),
        }
    }
}

/// The child process that tries uploads first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trial {
    /// Path of the `afflux` executable.
    pub program: PathBuf,
    /// Memory limit of the child, in bytes.
    pub memory: u64,
}

/// Path of the program that links GStreamer: the `configured` one, or if empty the one next to the running executable.
fn find_transcoder(configured: &Path) -> Option<PathBuf> {
    if configured.as_os_str().is_empty() {
        let beside = std::env::current_exe().ok()?.with_file_name(TRANSCODER);
        return beside.is_file().then_some(beside);
    }
    if !configured.is_file() {
        tracing::warn!("jobs.transcoder: there is no program at {}", configured.display());
        return None;
    }
    Some(configured.into())
}
