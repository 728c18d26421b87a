//! A private PostgreSQL server for tests: a fresh cluster in its own folder, on a socket in that folder, stopped when
//! dropped. `tests/setup.sh` installs PostgreSQL.

#![allow(dead_code, reason = "each test crate uses a part of it")]
#![allow(clippy::unwrap_used, reason = "a test that panics has failed")]

use rustix::process::{Pid, Signal, geteuid, kill_process};
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// Longest time for a start or a stop.
const PATIENCE: Duration = Duration::from_mins(1);

/// Pause between two checks for it.
const PAUSE: Duration = Duration::from_millis(20);

/// A PostgreSQL server.
#[derive(Debug)]
pub(crate) struct Postgres {
    folder: TempDir,
    programs: PathBuf,
    /// The server process; `None` while it is down.
    server: Option<Child>,
}

impl Postgres {
    /// Starts a server. `None`, with a message, if PostgreSQL is not installed.
    pub(crate) fn start() -> Option<Self> {
        let Some(programs) = installed() else {
            eprintln!("left out on PostgreSQL: it is not installed (tests/setup.sh)");
            return None;
        };
        let folder = tempfile::Builder::new().prefix("afflux-postgres-").tempdir().unwrap();
        if geteuid().is_root() {
            // It refuses to run as root.
            succeed(Command::new("chown").arg("postgres:postgres").arg(folder.path()));
        }
        let mut postgres = Self { folder, programs, server: None };
        let mut initdb = postgres.program("initdb");
        initdb.args(["--no-sync", "--auth=trust", "--username=postgres", "--encoding=UTF8", "--locale=C.UTF-8"]);
        succeed(initdb.arg("-D").arg(postgres.data()).stdout(Stdio::null()));
        postgres.resume();
        Some(postgres)
    }

    /// URL of the default database.
    pub(crate) fn url(&self) -> String {
        self.url_of("postgres")
    }

    /// URL of a new, empty database.
    pub(crate) fn database(&self, name: &str) -> String {
        let mut createdb = self.program("createdb");
        succeed(createdb.arg("-h").arg(self.folder.path()).args(["-U", "postgres", name]));
        self.url_of(name)
    }

    fn url_of(&self, name: &str) -> String {
        format!("postgres://postgres@localhost/{name}?host={}", self.folder.path().display())
    }

    /// Starts the server again on its existing data.
    pub(crate) fn resume(&mut self) {
        assert!(self.server.is_none(), "it runs");
        // Default settings: committed data is on the disk.
        let mut command = self.program("postgres");
        command.arg("-D").arg(self.data()).arg("-k").arg(self.folder.path()).args(["-c", "listen_addresses="]);
        let log = File::options().create(true).append(true).open(self.log()).unwrap();
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log);
        let until = Instant::now() + PATIENCE;
        let mut server = command.spawn().unwrap();
        while !self.is_ready() {
            let ended = server.try_wait().unwrap();
            if ended.is_some() && Instant::now() < until {
                // Shared memory of a killed server may still be in use for a moment.
                std::thread::sleep(PAUSE);
                server = command.spawn().unwrap();
            }
            assert!(Instant::now() < until, "PostgreSQL does not start: {}", self.read_log());
            std::thread::sleep(PAUSE);
        }
        self.server = Some(server);
    }

    /// Kills the server and all of its processes in the middle of their work.
    pub(crate) fn kill(&mut self) {
        let mut server = self.server.take().unwrap();
        let children = children(server.id());
        server.kill().unwrap();
        for child in children {
            // It may have ended already.
            let _ = kill_process(child, Signal::KILL);
        }
        server.wait().unwrap();
    }

    /// Stops the server in good order, even if clients are connected.
    pub(crate) fn stop(&mut self) {
        let Some(mut server) = self.server.take() else {
            return;
        };
        let pid = Pid::from_child(&server);
        // "Fast": connections are closed.
        let _ = kill_process(pid, Signal::INT);
        let until = Instant::now() + PATIENCE;
        while matches!(server.try_wait(), Ok(None)) {
            if Instant::now() > until {
                let _ = server.kill();
            }
            std::thread::sleep(PAUSE);
        }
    }

    /// Its whole log.
    pub(crate) fn read_log(&self) -> String {
        fs::read_to_string(self.log()).unwrap_or_default()
    }

    fn is_ready(&self) -> bool {
        let mut command = Command::new(self.programs.join("pg_isready"));
        command.arg("-q").arg("-h").arg(self.folder.path()).status().unwrap().success()
    }

    fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    fn log(&self) -> PathBuf {
        self.folder.path().join("log")
    }

    /// One of PostgreSQL's programs, run as the user that the server runs as; the process is the program itself.
    fn program(&self, name: &str) -> Command {
        let path = self.programs.join(name);
        let mut command = if geteuid().is_root() {
            let mut command = Command::new("setpriv");
            command.args(["--reuid=postgres", "--regid=postgres", "--init-groups"]).arg(path);
            command
        } else {
            Command::new(path)
        };
        command.current_dir(self.folder.path()).env_clear().env("PATH", "/usr/bin:/bin").env("LC_ALL", "C.UTF-8");
        command
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        self.stop();
    }
}

/// Folder of PostgreSQL's programs; Debian has one for each version.
fn installed() -> Option<PathBuf> {
    let versions = fs::read_dir("/usr/lib/postgresql").ok()?;
    let folders = versions.filter_map(|version| Some(version.ok()?.path().join("bin")));
    folders.filter(|folder| folder.join("initdb").exists()).max()
}

fn succeed(command: &mut Command) {
    let status = command.status().unwrap();
    assert!(status.success(), "{command:?}: {status}");
}

/// The child processes of `pid`.
fn children(pid: u32) -> Vec<Pid> {
    let folders = fs::read_dir("/proc").unwrap().filter_map(|entry| Some(entry.ok()?.path()));
    let started = folders.filter(|folder| parent(folder) == Some(pid));
    started.filter_map(|folder| Pid::from_raw(folder.file_name()?.to_str()?.parse().ok()?)).collect()
}

/// proc_pid_stat(5): after the name, fields 3 and 4 are the state and the parent.
fn parent(folder: &Path) -> Option<u32> {
    let text = fs::read_to_string(folder.join("stat")).ok()?;
    let (_, fields) = text.rsplit_once(')')?;
    fields.split_whitespace().nth(1)?.parse().ok()
}
