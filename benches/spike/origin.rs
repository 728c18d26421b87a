//! Afflux as its release binary: started on the server's core with settings of its own, and its metrics.

use crate::client::{Connection, request};
use crate::process::Process;
use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

/// A server that runs until it is dropped.
#[derive(Debug)]
pub(crate) struct Afflux {
    child: Child,
    public: SocketAddr,
    private: SocketAddr,
    log: PathBuf,
}

impl Afflux {
    /// Serves `media` from core `core`; `settings` are further lines of its settings besides the addresses.
    pub(crate) fn start(media: &Path, core: usize, settings: &str) -> Self {
        Self::run(media, core, settings, [OsStr::new("--media"), media.as_os_str()])
    }

    /// Serves the store at `url`, with credentials that nobody checks. The server's own files are named `place` with
    /// other extensions.
    pub(crate) fn start_over(url: &str, place: &Path, core: usize, settings: &str) -> Self {
        Self::run(place, core, settings, [OsStr::new("--store"), OsStr::new(url)])
    }

    fn run(place: &Path, core: usize, settings: &str, store: [&OsStr; 2]) -> Self {
        let config = place.with_extension("toml");
        fs::write(&config, format!("{settings}\n[log]\nlevel = \"warn\"\n")).unwrap();
        let log = place.with_extension("log");
        // Another build of Afflux, to compare two of them with the same client and the same films.
        let binary = std::env::var("AFFLUX_BINARY").unwrap_or_else(|_| env!("CARGO_BIN_EXE_afflux").into());
        let mut child = Command::new("taskset")
            .args(["-c", &core.to_string(), &binary, "serve", "--config"])
            .arg(&config)
            .args(store)
            .args(["--listen", "127.0.0.1:0", "--private", "127.0.0.1:0", "--library", "none"])
            .envs([("AWS_ACCESS_KEY_ID", "bench"), ("AWS_SECRET_ACCESS_KEY", "bench")])
            .stdout(Stdio::piped())
            .stderr(File::create(&log).unwrap())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
        let mut address = |name: &str| {
            let line =
                lines.next().unwrap_or_else(|| panic!("afflux: {}", fs::read_to_string(&log).unwrap_or_default()));
            line.strip_prefix(name).unwrap().trim_start_matches(" http://").parse().unwrap()
        };
        Self { public: address("public"), private: address("private"), child, log }
    }

    /// Public address, for players.
    pub(crate) const fn address(&self) -> SocketAddr {
        self.public
    }

    pub(crate) fn process(&self) -> Process {
        Process(self.child.id())
    }

    /// Waits until it reports that it is healthy.
    pub(crate) async fn healthy(&self) {
        let mut connection = Connection::open(self.private).await.unwrap();
        let answer = connection.get(&request("/healthz", "")).await.unwrap();
        assert_eq!(answer.status, 200, "healthz");
    }

    /// Its metrics.
    pub(crate) async fn metrics(&self) -> Metrics {
        let mut connection = Connection::open(self.private).await.unwrap();
        let (answer, body) = connection.fetch(&request("/metrics", "")).await.unwrap();
        assert_eq!(answer.status, 200, "metrics");
        Metrics(String::from_utf8(body).unwrap())
    }

    /// Its log.
    pub(crate) fn complaints(&self) -> String {
        fs::read_to_string(&self.log).unwrap_or_default()
    }
}

impl Drop for Afflux {
    fn drop(&mut self) {
        let _ = self.child.kill().and_then(|()| self.child.wait());
    }
}

/// Metrics at one moment.
#[derive(Debug)]
pub(crate) struct Metrics(String);

impl Metrics {
    /// Sum of all metrics whose line begins with `start`.
    pub(crate) fn sum(&self, start: &str) -> u64 {
        let lines = self.0.lines().filter(|line| line.starts_with(start));
        lines.filter_map(|line| line.rsplit(' ').next()?.parse::<u64>().ok()).sum()
    }

    /// Segments looked up with this outcome.
    pub(crate) fn segments(&self, outcome: &str) -> u64 {
        self.sum(&format!("afflux_cache_lookups_total{{kind=\"segment\",outcome=\"{outcome}\"}}"))
    }

    /// Movie headers read.
    pub(crate) fn moov_reads(&self) -> u64 {
        self.sum("afflux_moov_reads_total")
    }

    /// Bytes in all caches.
    pub(crate) fn cached(&self) -> u64 {
        self.sum("afflux_cache_size_bytes")
    }

    /// Responses with status 5xx.
    pub(crate) fn failures(&self) -> u64 {
        let lines = self.0.lines().filter(|line| line.starts_with("afflux_requests_total") && line.contains("5xx"));
        lines.filter_map(|line| line.rsplit(' ').next()?.parse::<u64>().ok()).sum()
    }
}
