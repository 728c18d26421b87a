//! Opens an SQLite file as the database.
//!
//! WAL, so that readers and the writer do not wait for each other; `synchronous = FULL`, so that committed changes
//! survive a power failure (under WAL, NORMAL would lose the last commits). The file and its folder are created if they
//! are missing; only this user can read the file, because its contents are confidential.

use super::engine::Engine;
use super::{Error, migrate};
use sqlx::ConnectOptions;
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};
use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::time::{Instant, sleep};

/// How long to wait for a lock that another process holds.
const BUSY: Duration = Duration::from_secs(10);

/// How long to wait for a connection of this process's own pool.
const TURN: Duration = Duration::from_secs(10);

/// Number of connections for reading.
const READERS: u32 = 4;

/// Pause between two attempts to open.
const PAUSE: Duration = Duration::from_millis(20);

/// Opens `path`. Waits up to `patience` for other processes that are opening it too.
pub(super) async fn open(path: &Path, patience: Duration) -> Result<Engine, Error> {
    if path.as_os_str().is_empty() || path.as_os_str() == ":memory:" {
        return Err(Error::Address { why: "sqlite: needs the path of a file".into() });
    }
    let made = path.to_owned();
    let making = tokio::task::spawn_blocking(move || make(&made)).await;
    let making = making.map_err(io::Error::other).and_then(|made| made);
    making.map_err(|error| refused(path, sqlx::Error::Io(error)))?;
    let options = SqliteConnectOptions::new().filename(path).busy_timeout(BUSY).foreign_keys(true);
    let options = options.synchronous(SqliteSynchronous::Full).disable_statement_logging();
    let pool = || {
        let pool = SqlitePoolOptions::new().acquire_timeout(TURN).test_before_acquire(false);
        pool.idle_timeout(None).max_lifetime(None)
    };
    let writing = options.clone().journal_mode(SqliteJournalMode::Wal);
    let until = Instant::now() + patience;
    // Changing to WAL needs exclusive access to the file, and SQLite's busy timeout does not apply to it.
    let writer = loop {
        match pool().max_connections(1).connect_with(writing.clone()).await {
            Ok(writer) => break writer,
            Err(error) if is_busy(&error) && Instant::now() < until => sleep(PAUSE).await,
            Err(error) if is_busy(&error) => return Err(error.into()),
            Err(error) => return Err(refused(path, error)),
        }
    };
    migrate::sqlite(&writer).await?;
    let readers = pool().max_connections(READERS).connect_lazy_with(options.pragma("query_only", "ON"));
    Ok(Engine::Sqlite { writer, readers })
}

/// Whether another process has the file locked: 5 BUSY, 6 LOCKED (sqlite.org/rescode.html).
fn is_busy(error: &sqlx::Error) -> bool {
    let code = error.as_database_error().and_then(|error| error.code()?.parse::<u32>().ok());
    code.is_some_and(|code| matches!(code & 0xff, 5 | 6))
}

/// Converts an error on opening: a retry would not help, so it becomes [`Error::Refused`], with the path of the file.
fn refused(path: &Path, error: sqlx::Error) -> Error {
    let why = match error.into() {
        Error::Away { why } | Error::Refused { why } => why,
        other => return other,
    };
    Error::Refused { why: format!("{}: {why}", path.display()) }
}

/// Creates the file if it is missing, and syncs it and its folder.
fn make(path: &Path) -> io::Result<()> {
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty());
    let folder = parent.map_or_else(|| PathBuf::from("."), Path::to_owned);
    fs::create_dir_all(&folder)?;
    match OpenOptions::new().write(true).create_new(true).mode(0o600).open(path) {
        Ok(file) => {
            file.sync_all()?;
            File::open(folder)?.sync_all()
        }
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        Err(error) => Err(error),
    }
}
